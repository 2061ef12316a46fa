"""Real, translated and difference side by side in napari's grid, with everybody else's layers out of the way."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from weakref import WeakSet

from psygnal import Signal

from napari_phenotrans.widgets.layers import DIFFERENCE, TRANSLATED, info, role

if TYPE_CHECKING:
    from collections.abc import Sequence

    from napari import Viewer
    from napari.layers import Image as ImageLayer
    from napari.layers import Layer


@dataclass(frozen=True, eq=False)
class Row:
    """One channel of a comparison."""

    real: ImageLayer
    translated: ImageLayer
    difference: ImageLayer

    @property
    def layers(self) -> tuple[ImageLayer, ImageLayer, ImageLayer]:
        return self.real, self.translated, self.difference


def find_row(viewer: Viewer, real: ImageLayer) -> Row | None:
    """Find what was made of a real layer, whoever made it; None where something is missing."""
    made = {info(layer)["role"]: layer for layer in viewer.layers if info(layer).get("of") == str(real.unique_id)}
    if real in viewer.layers and {TRANSLATED, DIFFERENCE} <= set(made):
        return Row(real, made[TRANSLATED], made[DIFFERENCE])
    return None


def link(viewer: Viewer, row: Row) -> None:
    """Let a translated layer's contrast and gamma follow its real layer's, and the other way round."""
    row.translated.contrast_limits_range = row.real.contrast_limits_range
    viewer.layers.link_layers([row.real, row.translated], ("contrast_limits", "gamma"))


class Comparison:
    """The grid of a viewer: rows = channels, columns = real | translated | difference.

    Knows no Qt. Leaving restores the grid's settings and which layers were visible.

    Signals
    -------
    changed
        A comparison was begun or left.
    """

    changed = Signal()

    def __init__(self, viewer: Viewer) -> None:
        self._viewer = viewer
        self._rows: tuple[Row, ...] = ()
        self._hidden: WeakSet[Layer] = WeakSet()
        self._grid: dict[str, Any] = {}
        viewer.layers.events.removed.connect(self._on_removed)

    @property
    def active(self) -> bool:
        return bool(self._rows)

    @property
    def rows(self) -> tuple[Row, ...]:
        """What is compared; nothing where the comparison was left."""
        return self._rows

    def show(self, rows: Sequence[Row]) -> None:
        """Compare these rows; all other layers are hidden until `leave`."""
        if not rows:
            self.leave()
            return
        again = [row.layers for row in rows] == [row.layers for row in self._rows]
        began = not self._rows
        self._rows = tuple(rows)
        shown = [layer for row in rows for layer in row.layers]
        grid = self._viewer.canvas.grid
        if began:
            self._grid = {name: getattr(grid, name) for name in ("enabled", "stride", "shape", "spacing")}
        for layer in self._viewer.layers:
            if layer not in shown and layer.visible:
                layer.visible = False
                if role(layer) not in (TRANSLATED, DIFFERENCE):
                    self._hidden.add(layer)
        for layer in shown:
            layer.visible = True
            # the cells say what they show, in every screenshot too
            layer.name_overlay.font_size = 8
            layer.name_overlay.visible = True
        if not again:
            # The grid is filled in the order of the list and leaves out what is hidden.
            layers = self._viewer.layers
            for place, layer in enumerate(shown):
                layers.move(layers.index(layer), place)
            grid.stride, grid.shape, grid.spacing = 1, (len(rows), 3), 0.02
            grid.enabled = True
            self._viewer.reset_view()
        self.changed.emit()

    def leave(self) -> None:
        """End the comparison: real layers stay visible, other layers are as they were, the grid too."""
        if not self._rows:
            return
        rows, self._rows = self._rows, ()
        for row in rows:
            row.translated.visible = row.difference.visible = False
            row.real.name_overlay.visible = False
        for layer in list(self._hidden):
            if layer in self._viewer.layers:
                layer.visible = True
        self._hidden.clear()
        grid = self._viewer.canvas.grid
        grid.enabled = False
        for name, value in self._grid.items():
            setattr(grid, name, value)
        self._viewer.reset_view()
        self.changed.emit()

    def close(self) -> None:
        """Leave, and stop listening to the viewer."""
        self.leave()
        self._viewer.layers.events.removed.disconnect(self._on_removed)

    def _on_removed(self, event: Any) -> None:
        kept = tuple(row for row in self._rows if event.value not in row.layers)
        if len(kept) < len(self._rows):
            self.leave()
