"""Comparing real, translated and difference layers in one viewer, with all other layers hidden."""

from __future__ import annotations

from itertools import takewhile
from typing import TYPE_CHECKING, Any, ClassVar
from weakref import WeakSet

import numpy as np
from napari.utils.notifications import show_info
from psygnal import Signal
from qtpy.QtCore import QTimer

from napari_phenotrans.widgets.viewer.batched_update import one_update
from napari_phenotrans.widgets.viewer.blink import Blink
from napari_phenotrans.widgets.viewer.captions import Captions
from napari_phenotrans.widgets.viewer.curtain import Curtain
from napari_phenotrans.widgets.viewer.difference_scale import relative_data
from napari_phenotrans.widgets.viewer.headings import difference_heading, real_heading, translated_heading
from napari_phenotrans.widgets.viewer.layers import DIFFERENCE, HELD, TRANSLATED, info, pixel_size_um, role
from napari_phenotrans.widgets.viewer.snapshot import Snapshot, add_quietly, put_first, set_values

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from napari import Viewer
    from napari.layers import Image as ImageLayer
    from napari.layers import Layer

    from napari_phenotrans.widgets.viewer.channel_row import Row


VIEWS = ("matrix", "composites", "blink", "curtain")
GRIDS = ("matrix", "composites")
GAP = 0.02
# Canvas keys while a view is shown: one more change of the blink, the curtain's line to the left and to the right.
STEP_KEY, LEFT_KEY, RIGHT_KEY = "N", "J", "K"
LINE_STEP = 0.02


class Comparison:
    """One of four views of the same rows; a viewer shows one comparison at a time.

    - ``matrix``: a grid, rows = channels, columns = real | translated | difference
    - ``composites``: all channels together, real beside translated
    - ``blink``: all channels together, real and translated by turns
    - ``curtain``: all channels together, real to the left of a line and translated to the right

    What the view shows stays in its middle, and as much of it in sight, when the view is changed. Leaving restores the
    grid's settings, the order of the layers, which of them were visible, and their overlays. A translation that was
    never compared before is hidden on leaving, for it would add up with the real image.

    Attributes
    ----------
    blink, curtain
        What can be set while these are shown, and signals.

    Signals
    -------
    changed
        A comparison was begun or left, or shows another view, other rows or other units.
    """

    changed = Signal()
    _active: ClassVar[WeakSet[Comparison]] = WeakSet()

    def __init__(self, viewer: Viewer) -> None:
        self._viewer = viewer
        self.blink = Blink()
        self.curtain = Curtain(viewer)
        self._captions = Captions(viewer)
        self._rows: tuple[Row, ...] = ()
        self._view = ""
        self._snapshot: Snapshot | None = None
        self._compared: WeakSet[Layer] = WeakSet()
        self._errors: dict[str, Any] = {}
        self._relative: dict[str, ImageLayer] = {}
        # what the view shows, as far as it is in the viewer
        self._shown: list[ImageLayer] = []
        self._keys: list[Any] = []
        self._working = False
        viewer.layers.events.removed.connect(self._on_removed)
        self.blink.changed.connect(self._show_captions)
        self.curtain.moved.connect(self._show_captions)
        self.curtain.flat_no_more.connect(self._on_3d)

    @property
    def active(self) -> bool:
        return bool(self._rows)

    @property
    def rows(self) -> tuple[Row, ...]:
        """What is compared; nothing where the comparison was left."""
        return self._rows

    @property
    def view(self) -> str:
        """Which view is shown; empty where the comparison was left."""
        return self._view

    @property
    def relative(self) -> bool:
        """Whether differences are shown relative to the engine's error."""
        return bool(self._errors)

    @property
    def headings(self) -> tuple[str, ...]:
        """What the picture says of itself, from left to right."""
        return self._captions.headings

    def show(self, rows: Sequence[Row], view: str = "matrix", *, captions_later: bool = False) -> None:
        """Compare these rows; all other layers are hidden until `leave`.

        Parameters
        ----------
        rows, view
            What to compare, and how. Layers that are not in the viewer yet have their places once they are, and this
            is called again.
        captions_later
            Whether a new view's captions come once its layers are drawn, which is sooner then.

        Raises
        ------
        InputError
            If the view is the curtain and the viewer shows 3D; what was shown stays.
        """
        if view not in VIEWS:
            raise ValueError(f"there is no view {view!r}, only {', '.join(VIEWS)}")
        if not rows:
            self.leave()
            return
        if view == "curtain":
            self.curtain.check()
        if view == self._view and [row.layers for row in rows] == [row.layers for row in self._rows]:
            # the same layers may show another translation now, or be in the viewer at last
            self._settle()
            self._show_captions()
            self.changed.emit()
            return
        for other in list(self._active):
            if other is not self and any(row.real in self._viewer.layers for row in other.rows):
                other.leave()
        self._working = True
        before = self._zoom_to_fit()
        with one_update(self._viewer):
            if self._snapshot is None:
                self._snapshot = Snapshot(self._viewer)
            self._snapshot.remember()
            self._remove(self._end_view())
            self._rows, self._view = tuple(rows), view
            self._active.add(self)
            self._hide_fresh()
            self._begin_view()
        self._keep_in_sight(before)
        self._working = False
        self._show_captions(later=captions_later)
        self.changed.emit()

    def show_relative(self, engine_errors: Mapping[ImageLayer, Any] | None) -> None:
        """Show differences relative to the engine's error, or in the image's own units again.

        Parameters
        ----------
        engine_errors
            For real layers their engine's error: an array (float, at least 0, NaN where unknown) that is addressed as
            the layer's data is, or one plane of it. Rows that are missing stay in their own units. None: all do.
        """
        self._errors = {str(real.unique_id): error for real, error in (engine_errors or {}).items()}
        if self._view == "matrix":
            rows, self._rows = self._rows, ()
            self.show(rows, "matrix")
        else:
            self.changed.emit()

    def refresh(self) -> None:
        """Draw anew what is put together of several layers; to be called when pixels came."""
        self.curtain.refresh()
        for layer in self._relative.values():
            layer.refresh(extent=False)

    def leave(self) -> None:
        """End the comparison: layers, grid and overlays are as they were before it."""
        self._remove(self._leave())

    def _leave(self) -> list[Layer]:
        if self._snapshot is None:
            return []
        self._working = True
        zoom = self._zoom_to_fit()
        with one_update(self._viewer):
            made = self._end_view()
            self._rows, self._view = (), ""
            self._active.discard(self)
            before, self._snapshot = self._snapshot, None
            before.restore()
            for layer in made:
                layer.visible = False
        self._keep_in_sight(zoom)
        self._working = False
        self.changed.emit()
        return made

    def close(self) -> None:
        """Leave, and stop listening to the viewer."""
        self.leave()
        self._captions.close()
        self._viewer.layers.events.removed.disconnect(self._on_removed)

    # ---- a view's beginning and end

    def _begin_view(self) -> None:
        reals, translated = ([getattr(row, name) for row in self._rows] for name in ("real", "translated"))
        count = len(self._rows)
        if self._view == "matrix":
            self._add_relative()
            shown = [layer for row in self._rows for layer in (row.real, row.translated, self._difference(row))]
            grid = {"stride": 1, "shape": (count, 3), "spacing": GAP, "enabled": True}
        elif self._view == "composites":
            shown = [*reals, *translated]
            grid = {"stride": count, "shape": (1, 2), "spacing": GAP, "enabled": True}
        elif self._view == "curtain":
            self.curtain.begin(self._rows)
            shown, grid = list(self.curtain.layers), {"enabled": False}
        else:
            shown, grid = reals, {"enabled": False}
        self._shown = shown
        self._arrange()
        if pixel_size_um(self._rows[0].real):
            # a picture without one says nothing of size
            set_values(self._viewer.canvas.overlays.scale_bar, {"visible": True, "position": "bottom_right"})
        set_values(self._viewer.canvas.grid, grid)
        set_values(self._viewer.canvas.overlay_tiling, {"bottom_left": "vertical"})
        if self._view == "blink":
            self.blink.begin(self._rows)
            self._bind(STEP_KEY, lambda _: self.blink.step())
        elif self._view == "curtain":
            self._bind(LEFT_KEY, lambda _: self._shift(-LINE_STEP))
            self._bind(RIGHT_KEY, lambda _: self._shift(LINE_STEP))

    def _arrange(self) -> None:
        """Show what the view shows, in its places, and hide the rest."""
        layers = self._viewer.layers
        shown = self._shown
        if self._view == "blink" and self.blink.translated:
            shown = [row.translated for row in self._rows]
        if self._view in GRIDS:
            # the grid has no empty cells before full ones: layers after one that is missing have to wait for it
            shown = list(takewhile(lambda layer: layer in layers, shown))
        for layer in layers:
            if layer.visible != (layer in shown):
                layer.visible = layer in shown
        if self._view in GRIDS:
            # The grid is filled in the order of the list.
            put_first(self._viewer, shown)

    def _settle(self) -> None:
        """Give layers that came into the viewer since the view began their places."""
        made = [layer for row in self._rows for layer in row.layers if role(layer) in (TRANSLATED, DIFFERENCE)]
        if self._snapshot is None or all(layer in self._compared or layer not in self._viewer.layers for layer in made):
            return
        self._working = True
        with one_update(self._viewer):
            self._snapshot.remember()
            self._hide_fresh()
            self._arrange()
        self._working = False

    def _end_view(self) -> list[Layer]:
        """Take away what the view added, but for the layers returned."""
        self.blink.end()
        made = [*self.curtain.end(), *self._relative.values()]
        self._relative = {}
        self._captions.clear()
        for key in self._keys:
            self._viewer.bind_key(key, None)
        self._keys = []
        for row in self._rows:
            for layer in row.layers:
                layer.name_overlay.visible = layer.colorbar.visible = False
        return made

    def _remove(self, made: Sequence[Layer]) -> None:
        for layer in made:
            if layer in self._viewer.layers:
                self._viewer.layers.remove(layer)

    def _hide_fresh(self) -> None:
        assert self._snapshot
        for layer in self._viewer.layers:
            made = role(layer) in (TRANSLATED, DIFFERENCE, *HELD) and info(layer).get("of")
            if made and layer not in self._compared:
                self._compared.add(layer)
                self._snapshot.hide(layer)

    def _add_relative(self) -> None:
        for row in self._rows:
            real = str(row.real.unique_id)
            if real in self._errors:
                data = relative_data(row.real, row.difference, self._errors[real])
                self._relative[real] = add_quietly(self._viewer, data)

    def _difference(self, row: Row) -> ImageLayer:
        return self._relative.get(str(row.real.unique_id), row.difference)

    # ---- captions

    def _show_captions(self, *_: Any, later: bool = False) -> None:
        if not self._rows or self._working:
            return
        real, translated = real_heading(self._rows), translated_heading(self._rows)
        reals, shown = [row.real for row in self._rows], [row.translated for row in self._rows]
        if self._view == "matrix":
            differences = [self._difference(row) for row in self._rows]
            third = difference_heading(differences[0], reals[0])
            self._captions.say(real, translated, third, named=reals, scaled=differences, later=later)
        elif self._view == "composites":
            self._captions.say(real, translated, named=reals, later=later)
        elif self._view == "blink":
            now = translated if self.blink.translated else real
            self._captions.say(now, named=[*reals, *shown], later=later)
        else:
            shares = (self.curtain.share, 1 - self.curtain.share)
            self._captions.say(real, translated, shares=shares, named=self.curtain.layers, later=later)

    # ---- camera and keys

    def _zoom_to_fit(self) -> float:
        """Return the zoom at which everything would just fit in a cell of the grid, or in the canvas."""
        viewer = self._viewer
        extent = viewer.layers.extent.world[:, list(viewer.dims.displayed[-2:])]
        size = np.maximum(extent[1] - extent[0], 1e-9)
        return float(np.min(np.asarray(viewer.canvas.viewbox_size(viewer.layers)) / size))

    def _keep_in_sight(self, before: float) -> None:
        """Show as much of the image as before, or all of it where none would be in sight."""
        viewer = self._viewer
        viewer.scene.camera.zoom *= self._zoom_to_fit() / before
        shown = [layer for layer in viewer.layers if layer.visible]
        if not shown or viewer.dims.ndisplay != 2:
            return
        displayed = list(viewer.dims.displayed)
        low = np.min([layer.extent.world[0][-2:] for layer in shown], axis=0)
        high = np.max([layer.extent.world[1][-2:] for layer in shown], axis=0)
        center = np.asarray(viewer.scene.camera.center[-2:])
        if displayed == sorted(displayed) and ((center < low) | (center > high)).any():
            viewer.reset_view(layers=shown)

    def _bind(self, key: str, function: Any) -> None:
        taken = {str(bound) for bound in (*self._viewer.keymap, *type(self._viewer).class_keymap)}
        if key not in taken:
            self._viewer.bind_key(key, function)
            self._keys.append(key)

    def _shift(self, share: float) -> None:
        self.curtain.share += share

    # ---- changes of the viewer from outside

    def _on_removed(self, event: Any) -> None:
        mine = [layer for row in self._rows for layer in row.layers]
        if not self._working and event.value in (*mine, *self.curtain.layers, *self._relative.values()):
            made = self._leave()
            # not at once: whoever removes layers may be about to remove these too
            QTimer.singleShot(0, lambda: self._remove(made))

    def _on_3d(self) -> None:
        show_info("The curtain divides a flat picture: as the viewer shows 3D now, the composites are shown instead.")
        self.show(self._rows, "composites")
