"""What a view says of itself: headings, each layer's name in its cell, and color bars beside differences."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from qtpy.QtCore import QTimer

from napari_phenotrans.widgets.viewer.difference_scale import show_bar
from napari_phenotrans.widgets.viewer.headings import BOX, WHOLE, Headings, fitted
from napari_phenotrans.widgets.viewer.snapshot import set_values

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from napari import Viewer
    from napari.layers import Image as ImageLayer

NAME_SIZE = 8 + WHOLE
# Before and between the steps in which captions come later, so that napari draws what is there already.
FIRST_MS, STEP_MS = 700, 30


class Captions:
    """The captions of the view that is shown.

    napari takes longer to build them than to build the layers, and sets them anew even where nothing changes: so they
    may come later, one kind at a time, and what is there already is left alone.
    """

    def __init__(self, viewer: Viewer) -> None:
        self._viewer = viewer
        self._headings = Headings(viewer)
        self._said: tuple[tuple[str, ...], Sequence[float]] = ((), ())
        self._named: Sequence[ImageLayer] = ()
        self._scaled: Sequence[ImageLayer] = ()
        # for what names and color bars were made
        self._names: object = None
        self._bars: object = None
        self._to_come: list[Callable[[], None]] = []
        self._timer = QTimer()
        self._timer.setSingleShot(True)
        self._timer.timeout.connect(self._take_step)
        viewer.canvas.events.size.connect(self.fit)

    @property
    def headings(self) -> tuple[str, ...]:
        """The headings, from left to right."""
        return self._said[0]

    def say(
        self,
        *headings: str,
        shares: Sequence[float] = (),
        named: Sequence[ImageLayer] = (),
        scaled: Sequence[ImageLayer] = (),
        later: bool = False,
    ) -> None:
        """Say this in place of what was said.

        Parameters
        ----------
        headings, shares
            As of `Headings.say`.
        named
            Layers whose names stand in their cells.
        scaled
            Differences whose color bars are shown.
        later
            Whether all of it comes in steps, after what is there is drawn.
        """
        before = self._said, self._named, self._scaled
        self._said, self._named, self._scaled = (headings, shares), list(named), list(scaled)
        if later:
            self._to_come = self._steps()
            self._timer.start(FIRST_MS)
        elif not self._to_come:
            self._head()
            self.fit()
        elif before != (self._said, self._named, self._scaled):
            self._to_come = self._steps()

    def fit(self) -> None:
        """Let everything fit the canvas."""
        # what is still to come will fit
        if not self._to_come:
            self._name()
            self._scale()

    def clear(self) -> None:
        """Say nothing. The layers keep their overlays."""
        self._timer.stop()
        self._to_come = []
        self._names = self._bars = None
        self._said, self._named, self._scaled = ((), ()), (), ()
        self._head()

    def close(self) -> None:
        """Say nothing, and stop listening to the viewer."""
        self.clear()
        self._headings.close()
        self._viewer.canvas.events.size.disconnect(self.fit)

    def _steps(self) -> list[Callable[[], None]]:
        """Return what is to be done, in parts that take napari about as long as drawing a picture does."""
        names = [partial(self._name, layer) for layer in self._named]
        return [self._head, *names, *(partial(self._scale, layer) for layer in self._scaled)]

    def _take_step(self) -> None:
        self._to_come.pop(0)()
        if self._to_come:
            self._timer.start(STEP_MS)

    def _head(self) -> None:
        headings, shares = self._said
        self._headings.say(*headings, shares=shares)

    def _name(self, only: ImageLayer | None = None) -> None:
        _, width = self._viewer.canvas.viewbox_size(self._viewer.layers)
        wanted = width, [(layer, layer.name, layer.colormap) for layer in self._named]
        if wanted == self._names:
            return
        if only is None or only in self._named[-1:]:
            self._names = wanted
        for layer in self._named if only is None else [only]:
            _, size = fitted(layer.name, width, NAME_SIZE, lines=1)
            # the color of its pixels, lighter, to be read on black
            color = 0.65 * layer.colormap.colors[-1] + 0.35
            look = {"font_size": size, "position": "bottom_left", "box_color": BOX, "color": color, "visible": True}
            set_values(layer.name_overlay, look)

    def _scale(self, only: ImageLayer | None = None) -> None:
        height, _ = self._viewer.canvas.viewbox_size(self._viewer.layers)
        wanted = height, list(self._scaled)
        if wanted == self._bars:
            return
        if only is None or only in self._scaled[-1:]:
            self._bars = wanted
        for layer in self._scaled if only is None else [only]:
            show_bar(layer, height)
