"""Real to the left of a line, translated to the right, in one picture; the line can be dragged."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from napari.components.overlays import ZoomOverlay
from psygnal import Signal
from qtpy.QtCore import QTimer

from napari_phenotrans.core.errors import InputError
from napari_phenotrans.widgets.viewer.curtain_pixels import compose, reduced
from napari_phenotrans.widgets.viewer.layers import KEY, channel_name, full_resolution, info, like
from napari_phenotrans.widgets.viewer.lazy_array import Lazy
from napari_phenotrans.widgets.viewer.snapshot import add_quietly
from napari_phenotrans.widgets.viewer.visible_region import to_data

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from napari import Viewer
    from napari.layers import Image as ImageLayer

    from napari_phenotrans.widgets.viewer.channel_row import Row
    from napari_phenotrans.widgets.viewer.lazy_array import Index

CURTAIN = "curtain"
LINE = "phenotrans_line"
# The line stays in sight: so much of the view's width is left on either side of it.
LEAST = 0.02
# Within this distance of the line the mouse takes hold of it, in pixels of the canvas.
GRAB_DISTANCE = 8
# While the line is dragged the picture is put together at most so often.
COMPOSE_EVERY_MS = 30
LINKED = ("contrast_limits", "gamma", "colormap", "opacity", "interpolation2d")


class Curtain:
    """One composed layer per channel, put together of what the viewer shows and of nothing else.

    The line is upright on the canvas and keeps its place in the image; where the view leaves it behind, it comes along
    at the view's edge, so that the left of the picture is always real and the right always translated.

    Signals
    -------
    moved
        The line is somewhere else on the canvas.
    flat_no_more
        The viewer was switched to 3D, where there is no curtain.
    """

    moved = Signal()
    flat_no_more = Signal()

    def __init__(self, viewer: Viewer) -> None:
        self._viewer = viewer
        self._rows: tuple[Row, ...] = ()
        self._composed: tuple[ImageLayer, ...] = ()
        self._at = 0.0
        self._drawn: Any = None
        self._held = False
        self._before: tuple[bool, Any] | None = None
        self._timer: QTimer | None = None

    @property
    def layers(self) -> tuple[ImageLayer, ...]:
        """The composed layers, one per row; none while there is no curtain."""
        return self._composed

    @property
    def share(self) -> float:
        """Where the line is: 0 at the left edge of the view, 1 at its right edge."""
        left, right = self._edges()
        return float((self._at - left) / (right - left))

    @share.setter
    def share(self, share: float) -> None:
        left, right = self._edges()
        self._move(left + share * (right - left))

    def check(self) -> None:
        """Raise InputError where the viewer shows 3D."""
        if self._viewer.dims.ndisplay != 2:
            raise InputError(
                "The viewer shows 3D, and the curtain's line divides a flat picture. Switch the viewer to 2D (Ctrl+Y), "
                "or compare as matrix or composites."
            )

    def begin(self, rows: Sequence[Row]) -> None:
        """Add the composed layers and draw the line in the middle of the view.

        Raises
        ------
        InputError
            Where the viewer shows 3D.
        """
        self.check()
        viewer = self._viewer
        self._rows = tuple(rows)
        self._drawn = None
        self._timer = QTimer()
        self._timer.setSingleShot(True)
        self._timer.setInterval(COMPOSE_EVERY_MS)
        self._timer.timeout.connect(self.refresh)
        left, right = self._edges()
        self._at = (left + right) / 2
        self._composed = tuple(self._add(row) for row in rows)
        viewer.canvas.overlays[LINE] = ZoomOverlay(box=False, visible=True)
        viewer.scene.camera.events.connect(self._on_view)
        viewer.canvas.events.size.connect(self._on_view)
        viewer.dims.events.ndisplay.connect(self._on_ndisplay)
        viewer.dims.events.order.connect(self._on_order)
        viewer.mouse_move_callbacks.append(self._on_mouse_move)
        viewer.mouse_drag_callbacks.append(self._on_mouse_drag)
        self._draw_line()

    def end(self) -> tuple[ImageLayer, ...]:
        """Take away the line, and return the composed layers, which are left to be removed."""
        if not self._rows:
            return ()
        viewer = self._viewer
        assert self._timer
        self._timer.stop()
        self._timer = None
        self._release()
        viewer.mouse_move_callbacks.remove(self._on_mouse_move)
        viewer.mouse_drag_callbacks.remove(self._on_mouse_drag)
        viewer.scene.camera.events.disconnect(self._on_view)
        viewer.canvas.events.size.disconnect(self._on_view)
        viewer.dims.events.ndisplay.disconnect(self._on_ndisplay)
        viewer.dims.events.order.disconnect(self._on_order)
        viewer.canvas.overlays.pop(LINE, None)
        composed, self._rows, self._composed = self._composed, (), ()
        return composed

    def refresh(self) -> None:
        """Put the picture together anew, for the line or the translation changed."""
        for layer in self._composed:
            if layer.multiscale:
                # napari keeps the coarsest level of a pyramid until it is given other data
                layer.data = list(layer.data)
            else:
                layer.refresh(extent=False)

    # ---- the picture

    def _add(self, row: Row) -> ImageLayer:
        real = row.real
        levels = [self._level(row, level) for level in (real.data if real.multiscale else [real.data])]
        options = like(real) | {
            "name": f"{channel_name(real)} – real | translated",
            "colormap": real.colormap,
            "contrast_limits": tuple(real.contrast_limits),
            "gamma": real.gamma,
            "opacity": real.opacity,
            "interpolation2d": real.interpolation2d,
            "blending": "additive",
            "rgb": False,
            "multiscale": real.multiscale,
            "metadata": {KEY: {**info(row.translated), "role": CURTAIN, "of": str(real.unique_id)}},
        }
        layer = add_quietly(self._viewer, (levels if real.multiscale else levels[0], options, "image"))
        layer.contrast_limits_range = real.contrast_limits_range
        self._viewer.layers.link_layers([real, layer], LINKED)
        return layer

    def _level(self, row: Row, real: Any) -> Lazy:
        """Return one level of a row's composed picture."""

        def read(indices: tuple[Index, ...]) -> np.ndarray:
            dims = self._viewer.dims
            shown = sorted(axis - dims.ndim + len(indices) for axis in dims.displayed)
            if len(shown) != 2 or not all(axis >= 0 and isinstance(indices[axis], slice) for axis in shown):
                # in 3D, for the moment until the view is left
                return np.zeros([index.stop - index.start for index in indices if isinstance(index, slice)], dtype)
            normal, offset = self._line_in(row.real, shown)
            steps = np.asarray(full_resolution(row.real).shape) / np.asarray(real.shape)
            distances = {
                axis: part * ((np.arange(real.shape[axis])[indices[axis]] + 0.5) * steps[axis] - 0.5) - offset / 2
                for axis, part in zip(shown, normal, strict=True)
            }
            return compose(
                lambda indices: np.asarray(real[indices]),
                lambda indices: reduced(full_resolution(row.translated), real.shape, indices),
                indices,
                distances,
            )

        dtype = np.dtype(real.dtype)
        return Lazy(read, real.shape, dtype)

    def _line_in(self, layer: ImageLayer, shown: list[int]) -> tuple[np.ndarray, float]:
        """Return the line in a layer's pixels (n, c): to the right of it n · pixel > c."""
        viewer = self._viewer
        down, across = viewer.dims.displayed[-2:]
        left, right = self._edges()
        points = np.tile(np.asarray(viewer.dims.point, float), (3, 1))
        points[:, across] = self._at
        points[:, down] = viewer.scene.camera.center[-2]
        # one more on the line, and one to the right of it
        points[1, down] += abs(right - left)
        points[2, across] = right + (right - left)
        on, also, beside = (to_data(viewer, layer, point)[shown] for point in points)
        normal = np.array([also[1] - on[1], on[0] - also[0]])
        if normal @ (beside - on) < 0:
            normal = -normal
        normal /= np.linalg.norm(normal)
        return normal, float(normal @ on)

    # ---- the line

    def _edges(self) -> tuple[float, float]:
        """Return where the view's left and right edges are along the axis that lies across."""
        camera = self._viewer.scene.camera
        half = self._viewer.canvas.viewbox_size(self._viewer.layers)[1] / camera.zoom / 2
        if str(camera.orientation2d[1]) == "left":
            half = -half
        return camera.center[-1] - half, camera.center[-1] + half

    def _move(self, at: float) -> None:
        left, right = self._edges()
        low, high = sorted((left + LEAST * (right - left), right - LEAST * (right - left)))
        at = float(np.clip(at, low, high))
        if at != self._at:
            self._at = at
            if self._timer and not self._timer.isActive():
                self._timer.start()
        self._draw_line()

    def _draw_line(self) -> None:
        height, width = self._viewer.canvas.size
        drawn = (self.share * width, height)
        if drawn != self._drawn:
            self._drawn = drawn
            self._viewer.canvas.overlays[LINE].position = ((-9, drawn[0]), (height + 9, drawn[0]))
            self.moved.emit()

    def _on_view(self, _: Any = None) -> None:
        self._move(self._at)

    def _on_order(self, _: Any = None) -> None:
        left, right = self._edges()
        self._at = (left + right) / 2
        self._draw_line()
        self.refresh()

    def _on_ndisplay(self, _: Any = None) -> None:
        if self._viewer.dims.ndisplay != 2:
            self.flat_no_more.emit()

    # ---- the mouse

    def _on_mouse_move(self, _: Viewer, event: Any) -> None:
        if self._is_near_line(event):
            self._hold()
        else:
            self._release()

    def _on_mouse_drag(self, _: Viewer, event: Any) -> Iterator[None]:
        if not self._is_near_line(event):
            return
        self._hold()
        self._held = True
        yield
        while event.type == "mouse_move":
            self._move(event.position[self._viewer.dims.displayed[-1]])
            yield
        self._held = False
        self._release()

    def _is_near_line(self, event: Any) -> bool:
        away = event.position[self._viewer.dims.displayed[-1]] - self._at
        return abs(away) * self._viewer.scene.camera.zoom <= GRAB_DISTANCE

    def _hold(self) -> None:
        viewer = self._viewer
        if self._before is None:
            self._before = viewer.scene.camera.mouse_pan, viewer.cursor.style
            viewer.scene.camera.mouse_pan = False
            viewer.cursor.style = "pointing"

    def _release(self) -> None:
        if self._before is not None and not self._held:
            viewer = self._viewer
            viewer.scene.camera.mouse_pan, viewer.cursor.style = self._before
            self._before = None
