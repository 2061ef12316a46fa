"""Comparing real, translated and difference layers in one viewer, with all other layers hidden."""

from __future__ import annotations

from itertools import takewhile
from typing import TYPE_CHECKING, Any, ClassVar
from weakref import ReferenceType, WeakSet, ref

import numpy as np
from napari.utils.notifications import show_info
from psygnal import Signal
from qtpy.QtCore import QTimer

from napari_phenotrans.widgets.viewer.batched_update import one_update
from napari_phenotrans.widgets.viewer.blink import Blink
from napari_phenotrans.widgets.viewer.captions import NO_BARS, Captions
from napari_phenotrans.widgets.viewer.curtain import Curtain
from napari_phenotrans.widgets.viewer.difference_scale import BarPlace, bar_place, relative_data
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
# The share of a canvas that napari lets a picture take.
WHOLE = 0.95
# Pixels of a cell that are left to a picture, whatever its captions take.
LEAST_ROOM = 40.0
# A zoom of so many times what fits still counts as all in sight.
ALL_IN_SIGHT = 1.01
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
        # the layer that was selected before one that is shown took its place, and that one
        self._selected: tuple[ReferenceType[Layer], ReferenceType[Layer]] | None = None
        # what the view shows, as far as it is in the viewer
        self._shown: list[ImageLayer] = []
        self._keys: list[Any] = []
        # the zoom at which the picture fitted the canvas when it was placed
        self._fitting = 0.0
        self._working = False
        viewer.layers.events.removed.connect(self._on_removed)
        viewer.events.reset_view.connect(self._on_reset)
        viewer.canvas.events.size.connect(self._on_size)
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

    def show(
        self, rows: Sequence[Row], view: str = "matrix", *, captions_later: bool = False, anew: bool = False
    ) -> None:
        """Compare these rows; all other layers are hidden until `leave`.

        Parameters
        ----------
        rows, view
            What to compare, and how. Layers that are not in the viewer yet have their places once they are, and this
            is called again.
        captions_later
            Whether a new view's captions come once its layers are drawn, which is sooner then.
        anew
            Whether the view begins anew where it shows these rows already.

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
        same = view == self._view and [row.layers for row in rows] == [row.layers for row in self._rows]
        if same and not anew:
            # the same layers may show another translation now, or be in the viewer at last
            self._settle()
            self._show_captions()
            self.changed.emit()
            return
        for other in list(self._active):
            if other is not self and any(row.real in self._viewer.layers for row in other.rows):
                other.leave()
        self._working = True
        zoom, fitting = self._viewer.scene.camera.zoom, self._zoom_to_fit(rows)
        placed = self._view in GRIDS
        with one_update(self._viewer):
            if self._snapshot is None:
                self._snapshot = Snapshot(self._viewer)
            self._snapshot.remember()
            self._remove(self._end_view())
            self._rows, self._view = tuple(rows), view
            self._active.add(self)
            self._hide_fresh()
            self._begin_view()
        self._keep_in_sight(rows, zoom, fitting, placed=placed)
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
            self.show(self._rows, "matrix", anew=True)
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
        rows, zoom, fitting = self._rows, self._viewer.scene.camera.zoom, self._zoom_to_fit(self._rows)
        placed = self._view in GRIDS
        with one_update(self._viewer):
            made = self._end_view()
            for layer in (layer for row in rows for layer in row.layers if layer not in self._viewer.layers):
                # it is still to come, and would add up with the real image
                layer.visible = False
            self._rows, self._view = (), ""
            self._active.discard(self)
            before, self._snapshot = self._snapshot, None
            before.restore()
            self._unselect()
            for layer in made:
                layer.visible = False
        self._keep_in_sight(rows, zoom, fitting, placed=placed)
        self._working = False
        self.changed.emit()
        return made

    def close(self) -> None:
        """Leave, and stop listening to the viewer."""
        self.leave()
        self._captions.close()
        self._viewer.layers.events.removed.disconnect(self._on_removed)
        self._viewer.events.reset_view.disconnect(self._on_reset)
        self._viewer.canvas.events.size.disconnect(self._on_size)

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
            position = "bottom_center" if self._view == "matrix" else "bottom_right"
            set_values(self._viewer.canvas.overlays.scale_bar, {"visible": True, "position": position})
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
        self._select(shown)

    def _select(self, shown: Sequence[ImageLayer]) -> None:
        """Select what is shown of a channel whose selected layer is not: napari's controls act on what is selected."""
        selection = self._viewer.layers.selection
        active = selection.active
        if active is None or active in shown:
            return
        row = next((row for row in self._rows if active in row.layers or _is_of(active, row)), None)
        there = [layer for layer in shown if layer in self._viewer.layers]
        layer = next((layer for layer in there if row and (layer is row.real or _is_of(layer, row))), None)
        if layer is not None:
            first = self._selected[0] if self._selected and self._selected[1]() is active else ref(active)
            self._selected = first, ref(layer)
            selection.active = layer

    def _unselect(self) -> None:
        """Select again what was selected before, unless the user selected something else meanwhile."""
        selected, self._selected = self._selected, None
        layers = self._viewer.layers
        if selected and layers.selection.active is selected[1]():
            layers.selection.active = before if (before := selected[0]()) in layers else None

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
        if self._viewer.layers.selection.active in made:
            # not what napari selects when it is removed
            self._select([row.real for row in self._rows])
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

    @property
    def _headings(self) -> tuple[str, ...]:
        real, translated = real_heading(self._rows), translated_heading(self._rows)
        if self._view == "matrix":
            return real, translated, difference_heading(self._difference(self._rows[0]), self._rows[0].real)
        if self._view == "blink":
            return (translated if self.blink.translated else real,)
        return real, translated

    def _show_captions(self, *_: Any, later: bool = False) -> None:
        if not self._rows or self._working:
            return
        reals, shown = [row.real for row in self._rows], [row.translated for row in self._rows]
        captions = self._captions
        if self._view == "matrix":
            scaled = [self._difference(row) for row in self._rows]
            # a row's name on its picture, as its color bar beside it, however high the cell is
            place, bars = "middle_left", self._bars(self._rows)
            captions.say(*self._headings, named=reals, place=place, scaled=scaled, bars=bars, later=later)
        elif self._view == "composites":
            captions.say(*self._headings, named=reals, later=later)
        elif self._view == "blink":
            captions.say(*self._headings, shares=(1.0,), named=[*reals, *shown], later=later)
        else:
            shares = (self.curtain.share, 1 - self.curtain.share)
            captions.say(*self._headings, shares=shares, named=self.curtain.layers, later=later)

    # ---- camera and keys

    def _cell(self) -> tuple[float, float]:
        """Return height and width of what headings leave of a cell, or of the canvas, in pixels."""
        height, width = self._viewer.canvas.viewbox_size(self._viewer.layers)
        return height - (self._captions.height(*self._headings) if self._view in GRIDS else 0.0), width

    def _bars(self, rows: Sequence[Row]) -> BarPlace:
        low, high = self._corners(rows)
        return bar_place(self._cell(), tuple(high - low)) if self._view == "matrix" else NO_BARS

    def _corners(self, rows: Sequence[Row]) -> tuple[np.ndarray, np.ndarray]:
        """Return the least and the greatest place of a picture in the world, (down, across)."""
        ndim, displayed = self._viewer.dims.ndim, self._viewer.dims.displayed[-2:]
        worlds = [row.real.extent.world[:, [axis - ndim + row.real.ndim for axis in displayed]] for row in rows]
        return np.min([world[0] for world in worlds], axis=0), np.max([world[1] for world in worlds], axis=0)

    def _zoom_to_fit(self, rows: Sequence[Row]) -> float:
        """Return the zoom at which a picture would just fit in what captions leave of a cell, or of the canvas."""
        low, high = self._corners(rows)
        bars = self._bars(rows)
        room = np.asarray(self._cell()) - (bars.below, bars.beside)
        return float(np.min(np.maximum(room, LEAST_ROOM) / np.maximum(high - low, 1e-9)))

    def _keep_in_sight(self, rows: Sequence[Row], zoom: float, fitting: float, *, placed: bool = True) -> None:
        """Show as much as with a zoom when another one fitted, and beside its captions where all or none is in sight.

        ``placed`` says that the picture lay beside captions, too, which it does in a grid.
        """
        viewer, (low, high) = self._viewer, self._corners(rows)
        camera = viewer.scene.camera
        self._fitting = self._zoom_to_fit(rows)
        camera.zoom = zoom / fitting * self._fitting
        if viewer.dims.ndisplay != 2 or list(viewer.dims.displayed) != sorted(viewer.dims.displayed):
            return
        center = np.asarray(camera.center[-2:])
        if ((center < low) | (center > high)).any():
            camera.zoom = self._fitting
        elif zoom > fitting or not (placed or self._view in GRIDS):
            return
        bars, height = self._bars(rows), viewer.canvas.viewbox_size(viewer.layers)[0]
        top = height - self._cell()[0]
        y, x = (low + high) / 2
        y += (bars.below - top) / 2 / camera.zoom
        camera.center = (*camera.center[:-2], y, x + bars.beside / 2 / camera.zoom)

    def _on_reset(self, _: Any = None) -> None:
        """Leave room for captions where napari fitted the picture to the whole of a cell."""
        if self._view in GRIDS and not self._working:
            fitting = self._zoom_to_fit(self._rows)
            self._keep_in_sight(self._rows, WHOLE * fitting, fitting)

    def _on_size(self, _: Any = None) -> None:
        """Keep all of the picture in sight where it was: docks that grow make the canvas smaller."""
        zoom = self._viewer.scene.camera.zoom
        if self._rows and not self._working and zoom <= self._fitting * ALL_IN_SIGHT:
            self._keep_in_sight(self._rows, zoom, self._fitting, placed=False)
        self._show_captions()

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


def _is_of(layer: Layer, row: Row) -> bool:
    return info(layer).get("of") == str(row.real.unique_id)
