"""The captions of a view: headings, each layer's name in its cell, and color bars beside differences."""

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
        self._texts_and_shares: tuple[tuple[str, ...], Sequence[float]] = ((), ())
        self._named_layers: Sequence[ImageLayer] = ()
        self._scaled_layers: Sequence[ImageLayer] = ()
        # for what names and color bars were made
        self._names_made_for: object = None
        self._bars_made_for: object = None
        self._steps_left: list[Callable[[], None]] = []
        self._timer = QTimer()
        self._timer.setSingleShot(True)
        self._timer.timeout.connect(self._take_step)
        viewer.canvas.events.size.connect(self.fit)

    @property
    def headings(self) -> tuple[str, ...]:
        """The headings, from left to right."""
        return self._texts_and_shares[0]

    def say(
        self,
        *headings: str,
        shares: Sequence[float] = (),
        named: Sequence[ImageLayer] = (),
        scaled: Sequence[ImageLayer] = (),
        later: bool = False,
    ) -> None:
        """Show these captions in place of the earlier ones.

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
        before = self._texts_and_shares, self._named_layers, self._scaled_layers
        self._texts_and_shares, self._named_layers, self._scaled_layers = (headings, shares), list(named), list(scaled)
        if later:
            self._steps_left = self._steps()
            self._timer.start(FIRST_MS)
        elif not self._steps_left:
            self._head()
            self.fit()
        elif before != (self._texts_and_shares, self._named_layers, self._scaled_layers):
            self._steps_left = self._steps()

    def fit(self) -> None:
        """Let everything fit the canvas."""
        # what is still to come will fit
        if not self._steps_left:
            self._name()
            self._scale()

    def clear(self) -> None:
        """Show nothing; the overlays stay with their layers, unchanged."""
        self._timer.stop()
        self._steps_left = []
        self._names_made_for = self._bars_made_for = None
        self._texts_and_shares, self._named_layers, self._scaled_layers = ((), ()), (), ()
        self._head()

    def close(self) -> None:
        """Show nothing, and stop listening to the viewer."""
        self.clear()
        self._headings.close()
        self._viewer.canvas.events.size.disconnect(self.fit)

    def _steps(self) -> list[Callable[[], None]]:
        """Return what is to be done, in parts that take napari about as long as drawing a picture does."""
        names = [partial(self._name, layer) for layer in self._named_layers]
        return [self._head, *names, *(partial(self._scale, layer) for layer in self._scaled_layers)]

    def _take_step(self) -> None:
        self._steps_left.pop(0)()
        if self._steps_left:
            self._timer.start(STEP_MS)

    def _head(self) -> None:
        headings, shares = self._texts_and_shares
        self._headings.say(*headings, shares=shares)

    def _name(self, only: ImageLayer | None = None) -> None:
        _, width = self._viewer.canvas.viewbox_size(self._viewer.layers)
        wanted = width, [(layer, layer.name, layer.colormap) for layer in self._named_layers]
        if wanted == self._names_made_for:
            return
        if only is None or only in self._named_layers[-1:]:
            self._names_made_for = wanted
        for layer in self._named_layers if only is None else [only]:
            _, size = fitted(layer.name, width, NAME_SIZE, lines=1)
            # the color of its pixels, lighter, to be read on black
            color = 0.65 * layer.colormap.colors[-1] + 0.35
            look = {"font_size": size, "position": "bottom_left", "box_color": BOX, "color": color, "visible": True}
            set_values(layer.name_overlay, look)

    def _scale(self, only: ImageLayer | None = None) -> None:
        height, _ = self._viewer.canvas.viewbox_size(self._viewer.layers)
        wanted = height, list(self._scaled_layers)
        if wanted == self._bars_made_for:
            return
        if only is None or only in self._scaled_layers[-1:]:
            self._bars_made_for = wanted
        for layer in self._scaled_layers if only is None else [only]:
            show_bar(layer, height)
