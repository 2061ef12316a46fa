"""Translating layers from a plugin of your own: a function that napari turns into a widget.

In your plugin's manifest, `count_moved` would be a command and a widget; here it is called on a bundled well, and with
--napari it is docked in a viewer.
"""

from __future__ import annotations

import argparse

import napari.layers
import numpy as np
from napari.types import LayerDataTuple

import napari_phenotrans as pt
from napari_phenotrans.widgets.translate.translate_layer import translate_layer


def count_moved(
    nuclei: napari.layers.Image, protein: napari.layers.Image, percentile: float = 90.0
) -> list[LayerDataTuple]:
    """Translate untreated cells to wortmannin, and mark where the protein would come from and go to.

    Parameters
    ----------
    nuclei, protein
        Layers of one well, named as the checkpoint names its channels: DNA and FKHR-EGFP.
    percentile
        Of the difference, 50 to 100: what is above it is marked.

    Returns
    -------
    The translated and difference layers of the protein, with the layer's scale and colors, and labels: 1 where it
    would be gone, 2 where it would be.
    """
    # two layers for each channel of the checkpoint: translated, difference
    results = translate_layer(nuclei, "bbbc013-flow", "untreated", "wortmannin", other_channels=[protein])
    translated, difference = results[2:4]
    change = np.asarray(difference[0], np.float32)
    limit = np.percentile(np.abs(change), percentile)
    labels = np.where(change < -limit, 1, np.where(change > limit, 2, 0)).astype(np.uint8)
    return [translated, difference, (labels, {"name": "moved", "scale": protein.scale}, "labels")]


def main() -> None:
    """Call it, or dock it."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--side", type=int, default=256, help="side of the part of the well that is opened, in pixels")
    parser.add_argument("--napari", action="store_true", help="dock it in a viewer")
    asked = parser.parse_args()

    image = pt.sample("bbbc013-untreated")
    plane = image.plane(region=pt.Region(0, 0, asked.side, asked.side))
    layers = [napari.layers.Image(plane[i], name=name, blending="additive") for i, name in enumerate(image.channels)]
    if asked.napari:
        from magicgui import magicgui

        viewer = napari.Viewer()
        for layer in layers:
            viewer.add_layer(layer)
        viewer.window.add_dock_widget(magicgui(count_moved, call_button="Count"), name="Count moved")
        napari.run()
        return
    for data, options, kind in count_moved(*layers):
        print(f"{kind} layer {options['name']!r}: {data.shape}, {data.dtype}")
    labels = data
    print(f"{(labels == 1).mean():.1%} of the pixels would lose protein, {(labels == 2).mean():.1%} would get it")


if __name__ == "__main__":
    main()
