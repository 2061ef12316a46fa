"""Showing a comparison that was kept: its layers, rows, headings, colors and settings as they were."""

from __future__ import annotations

import uuid
from collections import defaultdict
from typing import TYPE_CHECKING, Any

from napari.layers import Layer
from qtpy.QtCore import QCoreApplication, QTimer

from napari_phenotrans.core.kinds import DIFFERENCE, REAL, TRANSLATED
from napari_phenotrans.translation.kept import open_kept, read_kept
from napari_phenotrans.translation.provenance import decoded
from napari_phenotrans.widgets.viewer.batched_update import one_update
from napari_phenotrans.widgets.viewer.channel_row import Row, link
from napari_phenotrans.widgets.viewer.layers import (
    KEY,
    absent_data,
    channel_name,
    info,
    layer_data,
    role,
    with_look,
)

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from napari import Viewer
    from napari.layers import Image as ImageLayer

    from napari_phenotrans.widgets.viewer.layers import LayerData

# Under which layers of one comparison know each other until they are in a viewer; and how it was shown.
_TOKEN, _SHOWN = "kept", "shown"


def kept_data(path: Path) -> list[LayerData]:
    """Return the layers of a kept comparison as layer-data tuples; once they are in a viewer, `arrange` relates them.

    Raises
    ------
    InputError
        If the folder is none, or not whole.
    """
    kept = read_kept(path)
    images, token, made = open_kept(kept), uuid.uuid4().hex, []
    source = decoded(images[TRANSLATED].provenance).get("source")
    for kind, image in images.items():
        looks = {look.get("channel"): look for look in (kept.shown.get("layers") or {}).get(kind, ())}
        provenance = decoded(image.provenance)
        if kind != REAL:
            # so that it can be made again of what lies beside it
            provenance |= {"real": str(kept.images[REAL].absolute()), "reading": {}}
        for pixels, options, layer_type in layer_data(image, condition=source if kind == REAL else None):
            about = options["metadata"][KEY]
            own = {"role": kind, _TOKEN: token, _SHOWN: kept.shown, "provenance": provenance}
            own |= {name: provenance[name] for name in ("checked", "factor", "sample") if name in provenance}
            options["metadata"][KEY] = about | own
            options["name"] = about["channel"] if kind == REAL else options["name"]
            made.append((pixels, with_look(options, looks.get(about["channel"], {})), layer_type))
    return made


def show_kept(viewer: Viewer, path: Path) -> list[Row]:
    """Add a kept comparison to a viewer and show it as it was.

    Raises
    ------
    InputError
        If the folder is none, or not whole.
    """
    data = kept_data(path)
    with one_update(viewer):
        for item in data:
            viewer.add_layer(Layer.create(*item))
    return arrange(viewer, data[0][1]["metadata"][KEY][_TOKEN])


def arrange_later(data: Sequence[LayerData]) -> None:
    """Arrange the layers of kept comparisons once whoever reads them has put them into the current viewer."""
    from napari import current_viewer

    viewer = current_viewer()
    tokens = {item[1]["metadata"][KEY].get(_TOKEN) for item in data} - {None}
    if viewer is None or QCoreApplication.instance() is None:
        return
    for token in tokens:
        QTimer.singleShot(0, lambda token=token: arrange(viewer, token))


def arrange(viewer: Viewer, token: str) -> list[Row]:
    """Relate the layers of a kept comparison to each other, and show it in the dock that translates."""
    from napari_phenotrans.widgets.translate.layers_menu import raise_dock

    layers: dict[str | None, dict[str, ImageLayer]] = defaultdict(dict)
    for layer in viewer.layers:
        if info(layer).get(_TOKEN) == token:
            layers[role(layer)][channel_name(layer)] = layer
    if not layers[REAL] or not layers[TRANSLATED]:
        # taken away already
        return []
    shown = info(next(iter(layers[REAL].values())))[_SHOWN]
    rows = []
    with one_update(viewer):
        for channel, translated in layers[TRANSLATED].items():
            real = layers[REAL].get(channel)
            if real is None:
                real = viewer.add_layer(Layer.create(*absent_data(next(iter(layers[REAL].values())), channel)))
            for kind, by_channel in layers.items():
                if kind != REAL and channel in by_channel:
                    about = info(by_channel[channel])
                    provenance = about["provenance"] | {"channel": channel}
                    of = {"of": str(real.unique_id), "provenance": provenance}
                    by_channel[channel].metadata[KEY] = about | of
                    by_channel[channel].visible = False
            rows.append(Row(real, translated, layers[DIFFERENCE][channel]))
            link(viewer, rows[-1])
        for layer in (layer for by_channel in layers.values() for layer in by_channel.values()):
            layer.metadata[KEY] = {name: value for name, value in info(layer).items() if name not in (_TOKEN, _SHOWN)}
    raise_dock(viewer).show_kept([row.real for row in rows], info(rows[0].translated)["provenance"], shown)
    return rows


def is_part_of_kept(layer: Any) -> bool:
    """Return whether a layer belongs to a kept comparison that is about to be arranged."""
    return _TOKEN in info(layer)
