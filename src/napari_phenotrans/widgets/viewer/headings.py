"""Headings in the picture itself that tell real from translated, so that every screenshot does."""

from __future__ import annotations

import textwrap
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING

from napari.components.overlays import TextOverlay
from qtpy.QtGui import QFont, QFontMetricsF, QGuiApplication

from napari_phenotrans.core.text import counted
from napari_phenotrans.widgets.viewer.difference_scale import RELATIVE, unit_of
from napari_phenotrans.widgets.viewer.layers import (
    ABOVE_ERROR,
    AGREEMENT,
    COMPARED,
    HELD_RESULT,
    MADE,
    OUTLINED,
    SPREAD,
    TURNED,
    info,
    role,
)
from napari_phenotrans.widgets.viewer.snapshot import set_values

if TYPE_CHECKING:
    from collections.abc import Sequence

    from napari import Viewer
    from napari.layers import Image as ImageLayer

    from napari_phenotrans.widgets.viewer.channel_row import Row

# napari measures a text in the whole part of its font's size, after dividing and multiplying it: only where that cuts
# nothing off is the box behind the text as large as the text.
WHOLE = 0.01
FONT_SIZE, SMALLEST = 9 + WHOLE, 6 + WHOLE
# napari measures small letters narrower than it draws them: with these on either side, the box is never too narrow.
PAD = "\u00a0"
# A letter is about so many pixels wide per point of the font's size, in the widest of the usual fonts.
LETTER = 0.9
# napari keeps so many pixels between a text and the edge, on either side.
EDGE = 10
BOX = (0, 0, 0, 0.85)
# Of a line of text, in points of its font; and points in pixels, as napari draws them on a usual screen.
LINE, POINT = 1.36, 4 / 3
KEYS = ("phenotrans_left", "phenotrans_center", "phenotrans_right")
POSITIONS = {1: ("top_left",), 2: ("top_left", "top_right"), 3: ("top_left", "top_center", "top_right")}


# Of a recipe, what most often tells two results apart that are compared.
TOLD_APART = ("strength", "depth", "guidance")


def real_heading(rows: Sequence[Row]) -> str:
    """Return what the real layers show, or a result that stands in their place."""
    if role(rows[0].real) == HELD_RESULT:
        return f"held: {_made_heading([row.real for row in rows], in_full=True)}"
    kind = "synthetic" if info(rows[0].real).get("synthetic") else "real"
    # a translation that is translated once more is none the less made
    kind = str(role(rows[0].real)) if role(rows[0].real) in MADE else kind
    return f"{kind} {_shared_entry([row.translated for row in rows], 'source')}".strip()


def translated_heading(rows: Sequence[Row]) -> str:
    """Return what the translated layers show, and that nobody measured it."""
    return _made_heading([row.translated for row in rows], in_full=role(rows[0].real) == HELD_RESULT)


def _made_heading(layers: Sequence[ImageLayer], *, in_full: bool) -> str:
    """Return what layers of a result show; ``in_full`` with what tells two of them apart."""
    source, target, checkpoint = (_shared_entry(layers, name) for name in ("source", "target", "checkpoint"))
    drawn = info(layers[0]).get("provenance", {}).get("completed")
    made = f"completed: {', '.join(drawn)} drawn" if drawn else "translated"
    way = f" {source} → {target}" if source and target else ""
    way = f" as {target}" if drawn else way
    name = Path(checkpoint).stem if checkpoint.endswith(".safetensors") else checkpoint
    if trainings := info(layers[0]).get("provenance", {}).get("trainings"):
        name = counted(trainings, "training")
    sample = info(layers[0]).get("sample")
    which = f", {sample}" if sample else ""
    for setting in TOLD_APART if in_full else ():
        if value := _shared_entry(layers, setting):
            which = f", {setting} {value}{which}"
    return f"{made}{way}{f' by {name}' if name else ''}{which} (not measured)"


def difference_heading(difference: ImageLayer, real: ImageLayer) -> str:
    """Return what a difference layer shows, and in which units."""
    if role(difference) == RELATIVE:
        return "difference in multiples of the engine's error"
    if role(difference) == SPREAD:
        return f"spread of the samples in {unit_of(real)} (standard deviation)"
    if role(difference) == COMPARED:
        return f"right minus left in {unit_of(real)}"
    if role(difference) == ABOVE_ERROR:
        return f"difference above the engine's error in {unit_of(real)}"
    if role(difference) == TURNED:
        return f"how far the image differs when it is turned, in {unit_of(real)}"
    if role(difference) == AGREEMENT:
        return "agreement of the change (1: all up, −1: all down)"
    if role(difference) == OUTLINED:
        return f"difference in {unit_of(real)}, outlined where it agrees"
    return f"difference in {unit_of(real)} (translated − real)"


class Headings:
    """One to three texts at the top of the canvas, each over the column that it is about and no wider.

    Parameters
    ----------
    viewer
        In whose canvas they are.
    keys
        Three names that nobody else calls overlays by.
    """

    def __init__(self, viewer: Viewer, keys: Sequence[str] = KEYS) -> None:
        self._viewer, self._keys = viewer, keys
        self._texts: tuple[str, ...] = ()
        self._shares: tuple[float, ...] = ()
        self._beside = 0.0
        viewer.canvas.events.size.connect(self._fit)

    def say(self, *texts: str, shares: Sequence[float] = (), beside: float = 0.0, first: int = 3) -> None:
        """Show these texts in place of the earlier ones.

        Parameters
        ----------
        texts
            None to three.
        shares
            Of the canvas's width for each of them, which then stand at its edges. Where none are given all columns
            are as wide, and each text stands over the middle of its own.
        beside
            Pixels at the right of each column that its picture does not take.
        first
            How many of them are shown now; the others stay where they are, or come with another call.
        """
        overlays = self._viewer.canvas.overlays
        if len(texts) != len(self._texts):
            for key in self._keys:
                overlays.pop(key, None)
        for key, position in list(zip(self._keys, POSITIONS.get(len(texts), ()), strict=False))[:first]:
            if key not in overlays:
                overlays[key] = TextOverlay(position=position, color="white", box_color=BOX, visible=True)
        self._texts, self._shares, self._beside = texts, tuple(shares), beside
        self._fit()

    def height(self, *texts: str) -> float:
        """Return how many pixels at the top of the canvas such texts take over columns of one width."""
        width = self._viewer.canvas.size[1] / max(len(texts), 1) - 2 * EDGE
        size = min((fitted(text, width)[1] for text in texts), default=FONT_SIZE)
        lines = max((fitted(text, width, size)[0].count("\n") + 1 for text in texts), default=0)
        return lines * size * POINT * LINE + 2 * EDGE if lines else 0.0

    def close(self) -> None:
        """Show nothing, and stop listening to the viewer."""
        self.say()
        self._viewer.canvas.events.size.disconnect(self._fit)

    def _fit(self) -> None:
        shares = self._shares or (1 / max(len(self._texts), 1),) * len(self._texts)
        columns = [self._viewer.canvas.size[1] * share for share in shares]
        widths = [column - 2 * EDGE for column in columns]
        # one size for all, so that none looks more important
        size = min((fitted(text, width)[1] for text, width in zip(self._texts, widths, strict=True)), default=FONT_SIZE)
        for key, text, width in zip(self._keys, self._texts, widths, strict=False):
            lines, _ = fitted(text, width, size)
            room = 0.0 if self._shares else width - self._beside
            if key not in self._viewer.canvas.overlays:
                continue
            padded = _placed(lines.split("\n"), size, room, self._beside)
            set_values(self._viewer.canvas.overlays[key], {"font_size": size, "text": padded})


def _placed(lines: Sequence[str], size: float, room: float, beside: float) -> str:
    """Return lines in the middle of ``room`` pixels, with spaces that fill these and the ``beside`` ones at the right.

    So the box behind them is as wide as their column, whatever is in it. Where they are longer than the room they reach
    over what is beside it. With no room they have a space on either side.
    """
    space, lengths = _drawn(PAD, size), [_drawn(line, size) for line in lines]
    over = max(0.0, max(lengths) - room) if room else 0.0
    placed = []
    for line, length in zip(lines, lengths, strict=True):
        free = max(0.0, (room + over - length) / 2)
        behind = free + max(0.0, beside - over)
        placed.append(f"{PAD * max(1, round(free / space))}{line}{PAD * max(1, round(behind / space))}")
    return "\n".join(placed)


@lru_cache(maxsize=256)
def _drawn(text: str, size: float) -> float:
    """Return how many pixels wide napari draws a text."""
    metrics = QFontMetricsF(QFont(QGuiApplication.font().family(), int(size)))
    return max(1.0, metrics.horizontalAdvance(text) * POINT)


def fitted(text: str, width: float, largest: float = FONT_SIZE, lines: int = 3) -> tuple[str, float]:
    """Return a text broken into lines that are at most ``width`` pixels wide, and the size of its font in points.

    The font is made smaller, down to a limit, where a word would be cut or there would be more lines than ``lines``.
    Lines are about equally long.
    """
    size = largest
    while size > SMALLEST and not _fits(text, width / (size * LETTER), lines):
        size -= 1
    letters = int(width / (size * LETTER))
    broken = _wrapped(text, letters)
    while len(narrower := _wrapped(text, letters - 1)) == len(broken) and letters > 1:
        letters, broken = letters - 1, narrower
    return "\n".join(broken), size


def _fits(text: str, letters: float, lines: int) -> bool:
    broken = _wrapped(text, int(letters))
    return len(broken) <= lines and max(map(len, broken), default=0) <= letters


def _wrapped(text: str, letters: int) -> list[str]:
    return textwrap.wrap(text, max(letters, 1), break_long_words=False, break_on_hyphens=False)


def _shared_entry(layers: Sequence[ImageLayer], name: str) -> str:
    # empty where layers differ
    values = {str(info(layer).get("provenance", {}).get(name) or "") for layer in layers}
    return values.pop() if len(values) == 1 else ""
