"""The captions of a view: headings, each layer's name in its cell, and color bars beside differences."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, ClassVar
from weakref import WeakKeyDictionary

from napari.components.overlays import TextOverlay
from qtpy.QtCore import QTimer

from napari_phenotrans.widgets.viewer.difference_scale import BarPlace, show_bar
from napari_phenotrans.widgets.viewer.headings import BOX, WHOLE, Headings, fitted
from napari_phenotrans.widgets.viewer.snapshot import set_values

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from napari import Viewer
    from napari.layers import Image as ImageLayer

NAME_SIZE = 8 + WHOLE
# Before and between the steps in which captions come later, so that napari draws what is there already.
FIRST_MS, STEP_MS = 300, 60
# napari takes a hundredth of a second for a letter that it has not drawn before: so many come at a time, unseen, before
# the texts that they are in. The first of them it measures every text with, the others stand beside color bars.
LETTERS_AT_ONCE = 6
USUAL_LETTERS = "ÅÉÑŐjgpqy 0123456789.-−"
LETTERS = "phenotrans_letters"
CLEAR = (0, 0, 0, 0)
# What is said at the top of nothing.
NOTHING: tuple[tuple[str, ...], Sequence[float], float] = ((), (), 0.0)
NO_BARS = BarPlace("middle_right", 0.0, 0.0, 0.0)


class Captions:
    """The captions of the view that is shown.

    napari takes longer to build them than to build the layers, and sets them anew even where nothing changes: so they
    may come later, one kind at a time, and what is there already is left alone.
    """

    # what each viewer has drawn before
    _drawn_letters: ClassVar[WeakKeyDictionary[Viewer, set[str]]] = WeakKeyDictionary()

    def __init__(self, viewer: Viewer) -> None:
        self._viewer = viewer
        self._headings = Headings(viewer)
        self._said: tuple[tuple[str, ...], Sequence[float], float] = NOTHING
        self._named_layers: Sequence[ImageLayer] = ()
        self._place = "bottom_left"
        self._scaled_layers: Sequence[ImageLayer] = ()
        self._bars = NO_BARS
        # for what names and color bars were made
        self._names_made_for: object = None
        self._bars_made_for: object = None
        self._steps_left: list[Callable[[], None]] = []
        self._timer = QTimer()
        self._timer.setSingleShot(True)
        self._timer.timeout.connect(self._take_step)

    @property
    def headings(self) -> tuple[str, ...]:
        """The headings, from left to right."""
        return self._said[0]

    def height(self, *headings: str) -> float:
        """Return how many pixels at the top of the canvas headings take, see `Headings.height`."""
        return self._headings.height(*headings)

    def say(
        self,
        *headings: str,
        shares: Sequence[float] = (),
        named: Sequence[ImageLayer] = (),
        place: str = "bottom_left",
        scaled: Sequence[ImageLayer] = (),
        bars: BarPlace = NO_BARS,
        later: bool = False,
    ) -> None:
        """Show these captions in place of the earlier ones.

        Parameters
        ----------
        headings, shares
            As of `Headings.say`.
        named
            Layers whose names stand in their cells.
        place
            Where there, as napari calls it.
        scaled
            Differences whose color bars are shown.
        bars
            Where these stand.
        later
            Whether all of it comes in steps, after what is there is drawn.
        """
        before = self._said, self._named_layers, self._scaled_layers
        self._place, self._bars = place, bars
        said = headings, shares, bars.beside
        self._said, self._named_layers, self._scaled_layers = said, list(named), list(scaled)
        if later:
            self._steps_left = self._steps()
            self._timer.start(FIRST_MS)
        elif not self._steps_left:
            self._head()
            self.fit()
        elif before != (self._said, self._named_layers, self._scaled_layers):
            self._steps_left = self._steps()

    def fit(self) -> None:
        """Let everything fit the canvas."""
        # captions that are added later will fit
        if not self._steps_left:
            self._name()
            self._scale()

    def clear(self) -> None:
        """Show nothing; the overlays stay with their layers, unchanged."""
        self._timer.stop()
        self._steps_left = []
        self._end_letters()
        self._names_made_for = self._bars_made_for = None
        self._said, self._named_layers, self._scaled_layers = NOTHING, (), ()
        self._head()

    def close(self) -> None:
        """Show nothing, and stop listening to the viewer."""
        self.clear()
        self._headings.close()

    def _steps(self) -> list[Callable[[], None]]:
        """Return what is to be done, in parts that take napari about as long as drawing a picture does."""
        texts = "".join([*self._said[0], *(layer.name for layer in self._named_layers)])
        drawn = self._drawn_letters.setdefault(self._viewer, set())
        new = [letter for letter in dict.fromkeys(USUAL_LETTERS + texts) if letter not in drawn]
        parts = ["".join(new[first : first + LETTERS_AT_ONCE]) for first in range(0, len(new), LETTERS_AT_ONCE)]
        letters: list[Callable[[], None]] = [partial(self._draw_letters, part) for part in parts]
        if new:
            letters.append(self._end_letters)
        names = [partial(self._name, layer) for layer in self._named_layers]
        heads = [partial(self._head, first) for first in range(1, len(self._said[0]) + 1)]
        return [*letters, *heads, *names, *(partial(self._scale, layer) for layer in self._scaled_layers)]

    def _take_step(self) -> None:
        if any(layer not in self._viewer.layers for layer in (*self._named_layers, *self._scaled_layers)):
            # these come one by one, and napari has enough to draw
            self._timer.start(FIRST_MS)
            return
        self._steps_left.pop(0)()
        if self._steps_left:
            self._timer.start(STEP_MS)

    def _draw_letters(self, letters: str) -> None:
        """Have napari draw letters where nobody sees them."""
        overlays = self._viewer.canvas.overlays
        if LETTERS not in overlays:
            overlays[LETTERS] = TextOverlay(position="top_left", color=CLEAR, box=False, visible=True)
        overlays[LETTERS].text = letters
        self._drawn_letters.setdefault(self._viewer, set()).update(letters)

    def _end_letters(self) -> None:
        self._viewer.canvas.overlays.pop(LETTERS, None)

    def _head(self, first: int = 3) -> None:
        headings, shares, beside = self._said
        self._headings.say(*headings, shares=shares, beside=beside, first=first)

    def _name(self, only: ImageLayer | None = None) -> None:
        _, width = self._viewer.canvas.viewbox_size(self._viewer.layers)
        wanted = width, self._place, [(layer, layer.name, layer.colormap) for layer in self._named_layers]
        if wanted == self._names_made_for:
            return
        if only is None or only in self._named_layers[-1:]:
            self._names_made_for = wanted
        for layer in self._named_layers if only is None else [only]:
            _, size = fitted(layer.name, width, NAME_SIZE, lines=1)
            # the color of its pixels, lighter, to be read on black
            color = 0.65 * layer.colormap.colors[-1] + 0.35
            look = {"font_size": size, "position": self._place, "box_color": BOX, "color": color, "visible": True}
            set_values(layer.name_overlay, look)

    def _scale(self, only: ImageLayer | None = None) -> None:
        wanted = self._bars, list(self._scaled_layers)
        if wanted == self._bars_made_for:
            return
        if only is None or only in self._scaled_layers[-1:]:
            self._bars_made_for = wanted
        for layer in self._scaled_layers if only is None else [only]:
            show_bar(layer, self._bars)
