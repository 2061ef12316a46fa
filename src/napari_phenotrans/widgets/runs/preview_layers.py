"""Preview crops as layers: one per channel for real, translated and round trip, updated in place."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from qtpy.QtCore import QTimer

from napari_phenotrans.core.kinds import REAL
from napari_phenotrans.io.display import fitting, viewer_colors
from napari_phenotrans.training.previews import KINDS
from napari_phenotrans.widgets.viewer.batched_update import one_update
from napari_phenotrans.widgets.viewer.headings import KEYS, Headings
from napari_phenotrans.widgets.viewer.layer_info import real_layers
from napari_phenotrans.widgets.viewer.layers import KEY, channel_name
from napari_phenotrans.widgets.viewer.snapshot import Snapshot, add_quietly, set_values

if TYPE_CHECKING:
    from napari import Viewer
    from napari.layers import Image as ImageLayer

    from napari_phenotrans.training.previews import PreviewArrays
    from napari_phenotrans.widgets.viewer.layers import LayerData

PREVIEW = "preview"
HEADINGS = ("phenotrans_preview_real", "phenotrans_preview_translated", "phenotrans_preview_back")
LINKED = ("contrast_limits", "gamma", "colormap")
BETWEEN = 0.06  # of a crop's side
SPACING = 0.03  # between cells of the grid, of their size
STEP_MS = 20  # between layers that are added


class PreviewLayers:
    """Shows previews in the viewer; all other layers are hidden, and shown again afterwards.

    Three cells, real | translated | round trip, each with a column per direction and a row per crop.
    """

    def __init__(self, viewer: Viewer) -> None:
        self._viewer = viewer
        self._layers: dict[tuple[str, str], ImageLayer] = {}
        self._headings: Headings | None = None
        self._hidden_overlays: list[str] = []
        # what is still to be added
        self._layers_left: list[tuple[tuple[str, str], LayerData]] = []
        self._timer = QTimer()
        self._timer.setSingleShot(True)
        self._timer.timeout.connect(self._add_next)
        self._state_before: tuple[Snapshot, tuple[float, ...], float] | None = None

    @property
    def active(self) -> bool:
        """Whether previews are shown."""
        return self._state_before is not None

    @property
    def complete(self) -> bool:
        """Whether all layers of the previews are there."""
        return self.active and not self._layers_left

    @property
    def layers(self) -> tuple[ImageLayer, ...]:
        """The image layers, kind by kind."""
        return tuple(self._layers.values())

    def show(self, arrays: PreviewArrays) -> None:
        """Show these crops: in the layers that are there, or else in new ones, which come one after the other."""
        sheets, viewer = sheet(arrays), self._viewer
        here = {key: layer for key, layer in self._layers.items() if layer in viewer.layers}
        if here.keys() == sheets.keys() and all(here[key].data.shape == sheets[key].shape for key in sheets):
            for key, pixels in sheets.items():
                here[key].data = pixels
            return
        with one_update(viewer):
            if self._state_before is None:
                self._cover()
            # the user may have removed some, or others are still coming
            self._remove()
            grid = {"stride": len(arrays.channels), "shape": (1, len(KINDS)), "spacing": SPACING, "enabled": True}
            set_values(viewer.canvas.grid, grid)
        assert self._headings
        self._headings.say(*headings(arrays))
        # as an image of these channels, where there is one beside
        beside = {channel_name(layer): layer.colormap for layer in real_layers(viewer)}
        usual = zip(arrays.channels, viewer_colors(arrays.channels), strict=True)
        colors = {channel: beside.get(channel, color) for channel, color in usual}
        # the grid is filled in the order of the list
        self._layers_left = [
            ((channel, kind), _layer_data(arrays, index, kind, sheets[channel, kind], colors[channel]))
            for kind in KINDS
            for index, channel in enumerate(arrays.channels)
        ]
        self._add_next()

    def _add_next(self) -> None:
        """Add one layer, and let napari draw before the next: it takes a tenth of a second and more for each."""
        (channel, kind), data = self._layers_left.pop(0)
        with one_update(self._viewer):
            layer = add_quietly(self._viewer, data, index=len(self._layers))
            self._layers[channel, kind] = layer
            if kind == KINDS[-1]:
                self._viewer.layers.link_layers([self._layers[channel, each] for each in KINDS], LINKED)
        if len(self._layers) == 1:
            self._viewer.reset_view(layers=[layer])
        if self._layers_left:
            self._timer.start(STEP_MS)

    def close(self) -> None:
        """Take the layers away, and show the viewer as it was."""
        if self._state_before is None or self._headings is None:
            return
        snapshot, center, zoom = self._state_before
        self._state_before = None
        self._headings.close()
        self._headings = None
        with one_update(self._viewer):
            self._remove()
            snapshot.restore()
        for key in self._hidden_overlays:
            # a comparison may have ended meanwhile
            if overlay := self._viewer.canvas.overlays.get(key):
                overlay.visible = True
        self._viewer.scene.camera.center = center
        self._viewer.scene.camera.zoom = zoom

    def _cover(self) -> None:
        """Hide what is shown, and remember it."""
        viewer = self._viewer
        self._state_before = Snapshot(viewer), tuple(viewer.scene.camera.center), viewer.scene.camera.zoom
        for layer in viewer.layers:
            layer.visible = False
        overlays = viewer.canvas.overlays
        self._hidden_overlays = [key for key in KEYS if key in overlays and overlays[key].visible]
        for key in self._hidden_overlays:
            overlays[key].visible = False
        self._headings = Headings(viewer, HEADINGS)

    def _remove(self) -> None:
        self._timer.stop()
        self._layers_left = []
        for layer in self._layers.values():
            if layer in self._viewer.layers:
                self._viewer.layers.remove(layer)
        self._layers = {}


def _layer_data(arrays: PreviewArrays, index: int, kind: str, pixels: np.ndarray, colormap: Any) -> LayerData:
    channel = arrays.channels[index]
    options = {
        "name": f"{channel} – preview, {kind}",
        "contrast_limits": fitting(arrays.crops[:, 0, :, index], REAL),
        "colormap": colormap,
        "blending": "additive",
        "metadata": {KEY: {"role": PREVIEW, "channel": channel, "kind": kind}},
    }
    return pixels, options, "image"


def headings(arrays: PreviewArrays) -> tuple[str, str, str]:
    """Return what the cells show, and in which column."""
    sources = " | ".join(source for source, _ in arrays.directions)
    targets = " | ".join(f"→ {target}" for _, target in arrays.directions)
    back = " | ".join(f"→ {source}" for source, _ in arrays.directions)
    return f"real {sources}", f"translated {targets} (not measured)", f"round trip {back}"


def sheet(arrays: PreviewArrays) -> dict[tuple[str, str], np.ndarray]:
    """Lay crops out, a column per direction and a row per crop: pictures (Y, X), by channel and kind."""
    directions, _, count, _, height, width = arrays.crops.shape
    down, across = height + round(BETWEEN * height), width + round(BETWEEN * width)
    sheets = {}
    for c, channel in enumerate(arrays.channels):
        of_channel = arrays.crops[:, :, :, c]
        for k, kind in enumerate(KINDS):
            # dark between the crops
            picture = np.full((count * down, directions * across), of_channel.min(), np.float32)
            for d in range(directions):
                for n in range(count):
                    top, left = n * down, d * across
                    picture[top : top + height, left : left + width] = of_channel[d, k, n]
            sheets[channel, kind] = picture
    return sheets
