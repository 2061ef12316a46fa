"""What a dock tells its user: sentences that stay until they no longer hold, and one question."""

from __future__ import annotations

from typing import TYPE_CHECKING

from qtpy.QtCore import Signal
from qtpy.QtWidgets import QHBoxLayout, QWidget

from napari_phenotrans.widgets.common.form_parts import in_column, push_button, wrapped_label

if TYPE_CHECKING:
    from collections.abc import Iterable

    from qtpy.QtWidgets import QLabel, QPushButton


class Notices(QWidget):
    """Sentences for the user, by the subject that they are about."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._texts: dict[str, list[str]] = {}
        self._labels: list[QLabel] = []
        self._layout = in_column(of=self, spacing=6)
        self.hide()

    @property
    def texts(self) -> list[str]:
        """All sentences that are shown, each once."""
        return list(dict.fromkeys(text for texts in self._texts.values() for text in texts))

    def say(self, subject: str, texts: Iterable[str] = ()) -> None:
        """Show these sentences about a subject in place of its earlier ones; nothing clears the subject."""
        before = self.texts
        self._texts[subject] = [text for text in texts if text]
        if self.texts == before:
            return
        for label in self._labels:
            self._layout.removeWidget(label)
            label.deleteLater()
        self._labels = [wrapped_label("• " + text, "Stays here until it no longer holds.") for text in self.texts]
        for label in self._labels:
            self._layout.addWidget(label)
        self.setVisible(bool(self.texts))

    def add(self, subject: str, text: str) -> None:
        """Show one more sentence about a subject."""
        self.say(subject, [*self._texts.get(subject, []), text])


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
