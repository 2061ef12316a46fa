"""What the dock says to the user: lines that stay until what they are about changes, and one question."""

from __future__ import annotations

from typing import TYPE_CHECKING

from qtpy.QtCore import Qt, Signal
from qtpy.QtWidgets import QHBoxLayout, QLabel, QPushButton, QVBoxLayout, QWidget

if TYPE_CHECKING:
    from collections.abc import Iterable


def wrapped_label(text: str = "") -> QLabel:
    """Return a label for plain text that wraps at any width and can be copied from."""
    label = QLabel(text)
    label.setWordWrap(True)
    label.setTextFormat(Qt.TextFormat.PlainText)
    label.setTextInteractionFlags(Qt.TextInteractionFlag.TextSelectableByMouse)
    label.setMinimumWidth(40)
    return label


class Notices(QWidget):
    """Sentences for the user, each under the subject that it is about; a new word on a subject replaces the old."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._said: dict[str, list[str]] = {}
        self._labels: list[QLabel] = []
        self._layout = QVBoxLayout(self)
        self._layout.setContentsMargins(0, 0, 0, 0)
        self._layout.setSpacing(6)
        self.hide()

    @property
    def texts(self) -> list[str]:
        """All sentences that are shown, each once."""
        return list(dict.fromkeys(text for texts in self._said.values() for text in texts))

    def say(self, subject: str, texts: Iterable[str] = ()) -> None:
        """Say something about a subject; nothing takes back what was said."""
        before = self.texts
        self._said[subject] = [text for text in texts if text]
        if self.texts == before:
            return
        for label in self._labels:
            self._layout.removeWidget(label)
            label.deleteLater()
        self._labels = [wrapped_label("• " + text) for text in self.texts]
        for label in self._labels:
            label.setToolTip("Stays here until it no longer holds.")
            self._layout.addWidget(label)
        self.setVisible(bool(self.texts))

    def add(self, subject: str, text: str) -> None:
        """Say one thing more about a subject."""
        self.say(subject, [*self._said.get(subject, []), text])


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
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        self._label = wrapped_label()
        layout.addWidget(self._label)
        self._row = QHBoxLayout()
        layout.addLayout(self._row)
        self.buttons: dict[str, QPushButton] = {}
        self.hide()

    @property
    def text(self) -> str:
        return self._label.text()

    def ask(self, text: str, answers: Iterable[str], tooltip: str) -> None:
        self._label.setText(text)
        for button in self.buttons.values():
            self._row.removeWidget(button)
            button.deleteLater()
        self.buttons = {answer: QPushButton(answer) for answer in answers}
        for answer, button in self.buttons.items():
            button.setToolTip(tooltip)
            button.clicked.connect(lambda _=False, answer=answer: self._answer(answer))
            self._row.addWidget(button)
        self.show()

    def _answer(self, answer: str) -> None:
        self.hide()
        self.answered.emit(answer)
