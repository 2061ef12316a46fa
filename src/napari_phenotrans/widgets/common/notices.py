"""What a dock tells its user: sentences that stay until they no longer hold, and one question."""

from __future__ import annotations

from typing import TYPE_CHECKING

from qtpy.QtCore import Qt, Signal
from qtpy.QtWidgets import QHBoxLayout, QToolButton, QWidget

from napari_phenotrans.core.text import counted
from napari_phenotrans.widgets.common.curves import COLORS
from napari_phenotrans.widgets.common.form_parts import in_column, in_words, push_button, wrapped_label

if TYPE_CHECKING:
    from collections.abc import Iterable

    from qtpy.QtWidgets import QLabel, QPushButton

# What a sentence is, the gravest first: nothing comes of it; what comes of it is doubtful; good to know; one of a list.
ERROR, WARNING, NOTE, PLAIN = KINDS = ("error", "warning", "note", "plain")
# Beside the word, for who reads quickly: colors that color-blind people tell apart, on dark and on light.
COLOR = {ERROR: COLORS[3], WARNING: COLORS[6], NOTE: COLORS[0]}
# So many sentences are read; more would be skipped, and are counted.
SHOWN = 2


def sentence_label(kind: str, text: str, tooltip: str = "") -> QLabel:
    """Return a label that tells an error, a warning and a note apart, by word and by color."""
    text = in_words(text)
    if kind == PLAIN:
        return wrapped_label(f"• {text}", tooltip)
    label = wrapped_label(f"{kind.capitalize()}: {text}", tooltip)
    label.setStyleSheet(f"QLabel {{ border-left: 3px solid {COLOR[kind]}; padding-left: 6px; }}")
    return label


class Notices(QWidget):
    """Sentences for the user, by the subject that they are about; more than a few fold to a line that counts them.

    Parameters
    ----------
    kind
        What sentences are where `say` does not tell: ``error``, ``warning``, ``note``, or ``plain``, one of a list.
    shown
        How many are shown before the rest is folded.

    Signals
    -------
    changed
        Other sentences are shown, or more or fewer of them.
    """

    changed = Signal()

    def __init__(self, parent: QWidget | None = None, *, kind: str = WARNING, shown: int = SHOWN) -> None:
        super().__init__(parent)
        self._kind, self._shown = kind, shown
        self._said: dict[str, list[tuple[str, str]]] = {}
        self._labels: list[QLabel] = []
        self._layout = in_column(spacing=6)
        self.more_button = QToolButton()
        self.more_button.setCheckable(True)
        self.more_button.setAutoRaise(True)
        self.more_button.setToolButtonStyle(Qt.ToolButtonStyle.ToolButtonTextBesideIcon)
        self.more_button.setToolTip("Show all of them, or only the first again.")
        self.more_button.toggled.connect(lambda _: self._show())
        in_column(self._layout, self.more_button, of=self, spacing=2)
        self.hide()

    @property
    def texts(self) -> list[str]:
        """All sentences, folded ones too, each once, the gravest first."""
        return [text for _, text in self._sentences]

    @property
    def kinds(self) -> dict[str, str]:
        """What each sentence is."""
        return {text: kind for kind, text in self._sentences}

    @property
    def _sentences(self) -> list[tuple[str, str]]:
        said = sorted((pair for pairs in self._said.values() for pair in pairs), key=lambda pair: KINDS.index(pair[0]))
        once: dict[str, str] = {}
        for kind, text in said:
            once.setdefault(text, kind)
        return [(kind, text) for text, kind in once.items()]

    def say(self, subject: str, texts: Iterable[str] = (), kind: str = "") -> None:
        """Show these sentences about a subject in place of its earlier ones; nothing clears the subject."""
        before = self._sentences
        self._said[subject] = [(kind or self._kind, in_words(text)) for text in texts if text]
        if self._sentences != before:
            self._make()

    def add(self, subject: str, text: str, kind: str = "") -> None:
        """Show one more sentence about a subject."""
        before = self._sentences
        self._said.setdefault(subject, []).append((kind or self._kind, in_words(text)))
        if self._sentences != before:
            self._make()

    def _make(self) -> None:
        for label in self._labels:
            self._layout.removeWidget(label)
            label.hide()
            label.deleteLater()
        self._labels = [
            sentence_label(kind, text, "Stays here until it no longer holds.") for kind, text in self._sentences
        ]
        for label in self._labels:
            self._layout.addWidget(label)
        self._show()

    def _show(self) -> None:
        opened, few = self.more_button.isChecked(), len(self._labels) <= self._shown
        for place, label in enumerate(self._labels):
            label.setVisible(opened or few or place < self._shown)
        self.more_button.setVisible(not few)
        self.more_button.setArrowType(Qt.ArrowType.DownArrow if opened else Qt.ArrowType.RightArrow)
        self.more_button.setText(
            "Fewer"
            if opened
            else _counts([kind for kind, _ in self._sentences[self._shown :]], all_of_it=not self._shown)
        )
        self.setVisible(bool(self._labels))
        self.changed.emit()


def _counts(kinds: list[str], *, all_of_it: bool) -> str:
    """Return how many sentences of each kind are folded, as in "2 more: 1 warning and 1 note"."""
    named = [counted(kinds.count(kind), kind) for kind in KINDS if kind != PLAIN and kind in kinds]
    many = counted(len(kinds), "sentence") if all_of_it else f"{len(kinds)} more"
    return many + (f": {' and '.join(named)}" if named else "")


class Question(QWidget):
    """A question with one button per answer.

    Signals
    -------
    answered
        The text of the button.
    """

    answered = Signal(str)

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._label = wrapped_label()
        self._row = QHBoxLayout()
        in_column(self._label, self._row, of=self)
        self.buttons: dict[str, QPushButton] = {}
        self.hide()

    @property
    def text(self) -> str:
        return self._label.text()

    def ask(self, text: str, answers: Iterable[str], tooltip: str) -> None:
        """Ask, with one button per answer; ``tooltip`` is that of all buttons."""
        self._label.setText(text)
        for button in self.buttons.values():
            self._row.removeWidget(button)
            button.deleteLater()
        self.buttons = {answer: push_button(answer, tooltip) for answer in answers}
        for answer, button in self.buttons.items():
            button.clicked.connect(lambda _=False, answer=answer: self._answer(answer))
            self._row.addWidget(button)
        self.show()

    def _answer(self, answer: str) -> None:
        self.hide()
        self.answered.emit(answer)
