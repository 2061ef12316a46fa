"""How far a translation may be believed: the check on request, its numbers per channel, and the card's scores."""

from __future__ import annotations

from typing import TYPE_CHECKING

from qtpy.QtCore import QSignalBlocker, Qt, Signal
from qtpy.QtWidgets import QCheckBox, QDoubleSpinBox, QGridLayout, QLabel, QSlider, QWidget

from napari_phenotrans.checkpoints.describe import measured_words, score_words
from napari_phenotrans.core.text import counted, listed, minus_signs
from napari_phenotrans.translation.trust import FACTOR, MOST, by_chance
from napari_phenotrans.widgets.common.form_parts import Form, in_column, in_row, narrow_box, push_button, wrapped_label
from napari_phenotrans.widgets.common.notices import NOTE, PLAIN, Notices
from napari_phenotrans.widgets.common.settings_form import wheel_where_focused

if TYPE_CHECKING:
    from collections.abc import Sequence

    from napari_phenotrans.checkpoints.checkpoint import Score
    from napari_phenotrans.translation.events import PictureJudged
    from napari_phenotrans.translation.trust import TrustRow

CHECK = "Check this translation"
STEP = 0.1
# Title and tooltip of each column; titles on several lines, so that five columns fit in a narrow dock.
COLUMNS = (
    ("Changes per channel", "A channel, as the checkpoint names it."),
    (
        "Mean\nchange",
        "Translated minus real, averaged over all pixels: how much brighter (+) or darker (−) the channel became as a "
        "whole. In the image's own units; below, in percent of the intensity range of the training images.",
    ),
    (
        "Mean\namount",
        "The same, but brighter and darker do not cancel: how much a pixel changes on average, whichever way. What "
        "merely moves inside the cell shows here and not in the mean change.",
    ),
    (
        "Pixels\nabove\nerror",
        "Share of all pixels, background included, that change by more than the engine gets wrong by itself, times the "
        "factor. Changes below 0.5 % of the range never count. Sparse cells make it small: compare images of equally "
        "dense cells only.",
    ),
    (
        "Round\ntrip\nerror",
        "What does not come back when the translated image is translated back, as a share of the mean amount of "
        "change. Near 0: the engine undoes what it did. Near 100 %: as much is wrong after the round trip as was "
        "changed.",
    ),
)
TURNED_COLUMN = (
    "Upside\ndown",
    "How far the translation of the image upside down, turned back, differs, as a share of the mean amount of change. "
    "Near 0: the same whichever way up. Near 100 %: as much depends on that as is changed.",
)
SCORE_COLUMNS = (
    ("Held-out scores", "What the checkpoint reached on wells or patients that training never saw; from its card."),
    ("This\ncheckpoint", "The score, with its interval where one is known."),
    ("Best\npossible", "What real images score against real images of the target: no engine can do better than this."),
    ("Unchanged\nimage", "What the source images score as they are: an engine that is no better is worth nothing."),
)
# The score that says how far, how many of it are said, and what is said where there is none; and what comes next.
WAY, MOST_WAYS = "gap closed", 2
UNKNOWN = "Nobody has written down how good this checkpoint is on images that it never saw."
NEXT = "Before you draw a conclusion from this image, look for the same in real images of the target, under Evaluate."
TURNS = {1: "as it lies", 2: "mean of 2, also upside down", 8: "mean of all 8 flips and turns"}
# A share of the pixels that is no answer: the table says it, the sentence that there is nothing.
NOTHING = 0.001
CAUTION = (
    "Above the error does not yet mean true: a change that the engine makes and then undoes is no error of the round "
    "trip. Only the held-out scores compare with real images."
)


class TrustPanel(QWidget):
    """A button that starts a check, the factor, and the tables of the results.

    Signals
    -------
    check_requested
        The user wants the shown translation checked.
    factor_changed
        How many times the engine's error a change has to exceed.
    turns_changed
        The image is to be translated in other turns.
    """

    check_requested = Signal()
    factor_changed = Signal(float)
    turns_changed = Signal()

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.check_button = push_button(
            CHECK,
            "Measure what the engine gets wrong by itself in this very image: translate the translated image back and "
            "see what does not come back (PhenDiff: also translate from source to source). Takes about as long as "
            "translating did, and adds two layers per channel.",
        )
        self.check_button.clicked.connect(lambda _: self.check_requested.emit())
        self.upside_down = QCheckBox("Also upside down")
        self.upside_down.setToolTip(
            "The same cells upside down have to translate alike. How far they do not stands below, per channel, beside "
            "the round trip; it takes two translations more."
        )
        self.turns_box = narrow_box(
            "In how many of its 8 flips and quarter turns the image is translated. Of several the translation is their "
            "mean, turned back, and a map says how far they differ. It takes as many times as long; of the bundled "
            "checkpoints the mean blurs, and comes no closer to the target.",
            {str(turns): (text, "") for turns, text in TURNS.items()},
        )
        self._about_turns = self.turns_box.toolTip()
        self.turns_box.activated.connect(lambda _: self.turns_changed.emit())
        # the slider goes in steps, the number beside it is the factor
        self.factor_slider = QSlider(Qt.Orientation.Horizontal)
        self.factor_slider.setRange(0, round(MOST / STEP))
        self.factor_slider.setPageStep(5)
        self.factor_box = QDoubleSpinBox()
        self.factor_box.setRange(0, MOST)
        self.factor_box.setDecimals(1)
        self.factor_box.setSingleStep(STEP)
        for field in (self.factor_slider, self.factor_box):
            field.setToolTip(
                "How many times the engine's error a change has to exceed to be shown in the layers called difference "
                "above the engine's error, and to count in the table. 0 shows every change."
            )
            wheel_where_focused(field)
        self.factor_slider.valueChanged.connect(lambda step: self.factor_box.setValue(step * STEP))
        self.factor_box.valueChanged.connect(self._on_factor)
        self.chance = wrapped_label(
            tooltip="Errors scatter: some are larger than usual. So many would pass at this factor although nothing "
            "but error is there (normal distribution). Move the factor up to let fewer pass."
        )
        self.known_heading = wrapped_label(
            "Its pictures", "What the picture gate, and people, said of this checkpoint."
        )
        self.known = Notices(kind=PLAIN)
        self.here = Notices(kind=NOTE)
        self.said = Notices(kind=PLAIN)
        self.summary = wrapped_label(tooltip="What the table below says, in words.")
        self.summary.setStyleSheet("QLabel { font-weight: bold; }")
        self.how_far = wrapped_label(tooltip="What speaks for this translation, and what to do next.")
        self.caution = wrapped_label(CAUTION, "What this check can and cannot tell.")
        self.samples = wrapped_label(tooltip="Choose a sample, or the spread, above.")
        self.samples.hide()
        self.table = QWidget()
        self.scores = QWidget()

        label = QLabel("Times the error")
        label.setToolTip(self.factor_slider.toolTip())
        label.setBuddy(self.factor_box)
        factor = in_row(label, self.factor_slider, self.factor_box, stretch=(0, 1, 0))
        # the answer stands where the question was asked, before all that it is made of
        texts = (self.samples, self.chance, self.here, self.table, self.caution, self.scores)
        turns = Form({"Turns": self.turns_box})
        asked = (self.known_heading, self.known, turns, self.said, self.check_button, self.upside_down)
        answered = (self.summary, self.how_far, factor, *texts)
        self._column = in_column(*asked, *answered, of=self)
        self.set_factor(FACTOR)
        self.clear()

    @property
    def factor(self) -> float:
        """How many times the engine's error a change has to exceed."""
        return round(self.factor_box.value(), 1)

    def set_factor(self, factor: float) -> None:
        """Show another factor, without emitting `factor_changed`."""
        with QSignalBlocker(self.factor_slider), QSignalBlocker(self.factor_box):
            self.factor_slider.setValue(round(factor / STEP))
            self.factor_box.setValue(factor)
        self._show_chance()

    @property
    def turns(self) -> int:
        """In how many turns the image is to be translated."""
        return int(self.turns_box.currentData()) if self.turns_box.isEnabled() else 1

    def allow_turns(self, why_not: str = "") -> None:
        """Let the user choose turns, or say why they are not for what is chosen."""
        for widget in (self.turns_box, self.upside_down):
            widget.setEnabled(not why_not)
        self.turns_box.setToolTip(why_not or self._about_turns)

    def show_said(self, about: str, text: str) -> None:
        """Show what a map of the translation comes to, a sentence; an empty one hides it."""
        self.said.say(about, [text])

    def say_samples(self, count: int) -> None:
        """Say what several answers tell; nothing where there are none."""
        self.samples.setText(
            f"{count} samples were drawn. What they disagree on, the image does not decide: where their spread is as "
            f"large as the difference, do not read anything into a single one."
        )
        self.samples.setVisible(count > 1)

    def set_busy(self, busy: bool) -> None:
        """Show that a check runs, or that none does."""
        self.check_button.setEnabled(not busy)
        self.check_button.setText("Checking…" if busy else CHECK)

    def clear(self) -> None:
        """Show no numbers: nothing is checked."""
        self.summary.setText("Not checked yet.")
        self.here.say("picture")
        self.here.say("stack")
        for widget in (self.how_far, self.table, self.caution, self.scores):
            widget.hide()

    def show_known(self, texts: Sequence[str]) -> None:
        """Show what is known of the checkpoint's pictures before it translates anything."""
        self.known.say("known", texts)
        self.known_heading.setVisible(bool(texts))

    def show_judged(self, judged: PictureJudged | None) -> None:
        """Show what the picture gate says of the checked picture; None where nothing is there to judge it by."""
        self.here.say("picture", judged_words(judged))

    def show_stack(self, texts: Sequence[str]) -> None:
        """Show whether the translated planes around the checked one agree with each other."""
        self.here.say("stack", texts)

    def show_table(self, rows: Sequence[TrustRow]) -> None:
        """Show the numbers of a check, one row per channel; nothing where there are none."""
        if not rows:
            self.clear()
            return
        self.summary.setText(summary(rows))
        self.how_far.setText(how_far(rows))
        self.how_far.show()
        tried = any(row.turned is not None for row in rows)
        columns = (*COLUMNS, TURNED_COLUMN) if tried else COLUMNS
        self.table = self._replace(self.table, _grid(columns, [_cells(row)[: len(columns)] for row in rows]))
        scores = list(dict.fromkeys(score for row in rows for score in row.scores))
        self.scores = self._replace(self.scores, _grid(SCORE_COLUMNS, [_score_cells(s) for s in scores]))
        self.caution.show()
        self.table.show()
        self.scores.setVisible(bool(scores))

    def _replace(self, old: QWidget, new: QWidget) -> QWidget:
        self._column.replaceWidget(old, new)
        old.setParent(None)
        old.deleteLater()
        return new

    def _on_factor(self, factor: float) -> None:
        self.set_factor(factor)
        self.factor_changed.emit(self.factor)

    def _show_chance(self) -> None:
        share = by_chance(self.factor)
        percent = f"{100 * share:.0f} %" if share >= 0.01 else "less than 1 %"
        self.chance.setText(f"Where nothing changed, {percent} of the pixels would pass by chance.")


def judged_words(judged: PictureJudged | None) -> list[str]:
    """Return what the picture gate says of one picture, in sentences."""
    if judged is None:
        return ["Open a real image of the target beside it: a check then also says what this picture is like."]
    beside = counted(judged.fields, "real image of the target", "real images of the target")
    return [f"This picture, beside {beside}:", *judged.verdict.sentences]


def summary(rows: Sequence[TrustRow]) -> str:
    """Return in one sentence which channels change beyond the engine's error, those that change most first."""
    if all(row.above < NOTHING for row in rows):
        return "Nothing to speak of changes by more than what the engine gets wrong by itself."
    first, *others = sorted(rows, key=lambda row: row.above, reverse=True)
    beyond = "what" if first.factor == 1 else f"{first.factor:g} times what"
    rest = "".join(f"; in {row.channel}, {_percent(row.above)}" for row in others)
    return (
        f"In {first.channel}, {_percent(first.above)} of all pixels change by more than {beyond} the engine gets wrong "
        f"by itself, on average by {_percent(first.mean_amount / first.span)} of the range{rest}."
    )


def how_far(rows: Sequence[TrustRow]) -> str:
    """Return in a sentence or two what speaks for the translation, and what to do next."""
    scores = dict.fromkeys(score for row in rows for score in row.scores if score.metric == WAY)
    ways = []
    for score in list(scores)[:MOST_WAYS]:
        best = "" if score.floor is None else f", where real images reach {minus_signs(f'{score.floor:.2f}')}"
        what = f" ({measured_words(score.what)})" if score.what else ""
        ways.append(f"{minus_signs(f'{score.value:.2f}')} of the way to the target{what}{best}")
    known = f"On images that it never saw this checkpoint went {listed(ways)}." if ways else UNKNOWN
    return f"{known} {NEXT}"


def _cells(row: TrustRow) -> list[str]:
    return [
        row.channel,
        f"{row.mean_change:+.3g}\n{_percent(row.mean_change / row.span, signed=True)}".replace("-", "−"),
        f"{row.mean_amount:.3g}\n{_percent(row.mean_amount / row.span)}",
        _percent(row.above),
        "–" if row.round_trip is None else _percent(row.round_trip),
        "–" if row.turned is None else _percent(row.turned),
    ]


def _score_cells(score: Score) -> list[str]:
    name = score_words(score.metric, score.what or "")
    spread = f"\n{score.low:.3g} to {score.high:.3g}" if score.low is not None and score.high is not None else ""
    beside = ["–" if value is None else f"{value:.3g}" for value in (score.floor, score.copy_source)]
    return [f"{name} ({score.groups} groups)", f"{score.value:.3g}{spread}", *beside]


def _percent(share: float, *, signed: bool = False) -> str:
    digits = 1 if abs(share) < 0.1 else 0
    return f"{100 * share:{'+' if signed else ''}.{digits}f} %"


def _grid(columns: Sequence[tuple[str, str]], rows: Sequence[Sequence[str]]) -> QWidget:
    """Return a table for narrow docks: the first cell of each row, which may be long, stands above the others.

    It has no scroll bar of its own; the first column's title stands above the titles of the others.
    """
    table = QWidget()
    grid = QGridLayout(table)
    grid.setContentsMargins(0, 0, 0, 0)
    grid.setHorizontalSpacing(8)
    grid.setVerticalSpacing(0)
    for number, (name, *values) in enumerate([[title for title, _ in columns], *rows]):
        heading = wrapped_label(name)
        heading.setToolTip(columns[0][1])
        grid.addWidget(heading, 2 * number, 0, 1, len(values))
        for column, (value, (_, tooltip)) in enumerate(zip(values, columns[1:], strict=True)):
            label = wrapped_label(value)
            label.setWordWrap(False)
            label.setToolTip(tooltip)
            # titles stand on their column, numbers hang from their line
            up = Qt.AlignmentFlag.AlignBottom if number == 0 else Qt.AlignmentFlag.AlignTop
            label.setAlignment(up | Qt.AlignmentFlag.AlignRight)
            grid.addWidget(label, 2 * number + 1, column)
            grid.setColumnStretch(column, 1)
    return table
