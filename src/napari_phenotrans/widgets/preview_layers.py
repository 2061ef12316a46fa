"""Preview crops as layers: one per channel for real, translated and round trip, updated in place."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from napari_phenotrans.previews import KINDS
from napari_phenotrans.widgets.layers import COLORMAPS, KEY, contrast, one_update
from napari_phenotrans.widgets.snapshot import Snapshot, add_quietly

if TYPE_CHECKING:
    from napari import Viewer

    from napari_phenotrans.previews import PreviewArrays

PREVIEW, WORDS = "preview", "preview – what is what"
LINKED = ("contrast_limits", "gamma", "colormap")
# Shares of a crop's side: between crops, between the two directions, and above them for the headings.
BETWEEN, APART, ABOVE = 0.06, 0.3, 0.5
FONT_SIZE = 7


class PreviewLayers:
    """What the viewer shows while previews are looked at; everything else is hidden, and comes back afterwards.

    A block of columns per direction, real | translated | round trip, and a row per crop.
    """

    def __init__(self, viewer: Viewer) -> None:
        self._viewer = viewer
        self._layers: dict[tuple[str, str], Any] = {}
        self._words: Any = None
        self._before: tuple[Snapshot, tuple[float, ...], float] | None = None

    @property
    def active(self) -> bool:
        """Whether previews are shown."""
        return self._before is not None

    @property
    def layers(self) -> tuple[Any, ...]:
        """The image layers, channel by channel."""
        return tuple(self._layers.values())

    def show(self, arrays: PreviewArrays) -> None:
        """Show these crops: in the layers that are there, or else in new ones."""
        sheets, headings = sheet(arrays)
        viewer = self._viewer
        with one_update(viewer):
            if self._before is None:
                camera = viewer.scene.camera
                self._before = Snapshot(viewer), tuple(camera.center), camera.zoom
                viewer.canvas.grid.enabled = False
                for layer in viewer.layers:
                    layer.visible = False
            here = {key: layer for key, layer in self._layers.items() if layer in viewer.layers}
            fits = here.keys() == sheets.keys() and all(here[key].data.shape == sheets[key].shape for key in sheets)
            if fits and self._words in viewer.layers:
                for key, pixels in sheets.items():
                    here[key].data = pixels
                return
            self._remove()
            for index, channel in enumerate(arrays.channels):
                real = arrays.crops[:, 0, :, index]
                options = {
                    "contrast_limits": contrast(real),
                    "colormap": "gray" if len(arrays.channels) == 1 else COLORMAPS[index % len(COLORMAPS)],
                    "blending": "additive",
                }
                for kind in KINDS:
                    about = {"role": PREVIEW, "channel": channel, "kind": kind}
                    own = {"name": f"{channel} – preview, {kind}", "metadata": {KEY: about}}
                    data = sheets[channel, kind], options | own, "image"
                    self._layers[channel, kind] = add_quietly(viewer, data)
                viewer.layers.link_layers([self._layers[channel, kind] for kind in KINDS], LINKED)
            self._words = add_quietly(viewer, _words(headings))
        viewer.reset_view()

    def close(self) -> None:
        """Take the layers away, and show the viewer as it was."""
        if self._before is None:
            return
        snapshot, center, zoom = self._before
        self._before = None
        with one_update(self._viewer):
            self._remove()
            snapshot.restore()
        self._viewer.scene.camera.center = center
        self._viewer.scene.camera.zoom = zoom

    def _remove(self) -> None:
        # the user may have removed some
        for layer in (*self._layers.values(), self._words):
            if layer in self._viewer.layers:
                self._viewer.layers.remove(layer)
        self._layers, self._words = {}, None


def sheet(arrays: PreviewArrays) -> tuple[dict[tuple[str, str], np.ndarray], dict[str, tuple[float, float]]]:
    """Lay crops out, each kind in its own picture of one size, so that the pictures lie on each other without touching.

    Returns
    -------
    Pictures (Y, X) by channel and kind, dark where the others' crops lie; and headings by where they begin, (y, x).
    """
    directions, kinds, count, _, height, width = arrays.crops.shape
    down, across = height + round(BETWEEN * height), width + round(BETWEEN * width)
    apart, above = round(APART * width), round(ABOVE * height)
    size = above + count * down, directions * kinds * across + (directions - 1) * apart
    sheets: dict[tuple[str, str], np.ndarray] = {}
    headings: dict[str, tuple[float, float]] = {}
    for c, channel in enumerate(arrays.channels):
        of_channel = arrays.crops[:, :, :, c]
        for k, kind in enumerate(KINDS):
            picture = np.full(size, of_channel.min(), np.float32)
            for d, (source, target) in enumerate(arrays.directions):
                left = (d * kinds + k) * across + d * apart
                for n in range(count):
                    top = above + n * down
                    picture[top : top + height, left : left + width] = of_channel[d, k, n]
                shown = (source, f"→ {target}\nnot measured", f"→ {source}")[k]
                headings[f"{kind}\n{shown}"] = (above, left)
            sheets[channel, kind] = picture
    return sheets, headings


def _words(headings: dict[str, tuple[float, float]]) -> tuple[Any, dict[str, Any], str]:
    options = {
        "name": WORDS,
        "features": {"said": list(headings)},
        "text": {"string": "{said}", "anchor": "upper_left", "color": "white", "size": FONT_SIZE},
        "size": 1,
        "face_color": "transparent",
        "border_color": "transparent",
        "metadata": {KEY: {"role": PREVIEW}},
    }
    return np.array(list(headings.values())), options, "points"
