"""A part of a dock that folds away under its title."""

from __future__ import annotations

from typing import TYPE_CHECKING

from qtpy.QtCore import QSignalBlocker, Qt, Signal
from qtpy.QtWidgets import QLayout, QSizePolicy, QToolButton, QWidget

from napari_phenotrans.widgets.common.form_parts import in_column
from napari_phenotrans.widgets.common.preferences import last_choices, remember

if TYPE_CHECKING:
    from qtpy.QtGui import QKeyEvent


class _Title(QToolButton):
    """The title, which Enter opens too; an arrow says whether the section is open."""

    def keyPressEvent(self, a0: QKeyEvent | None) -> None:
        if a0 is not None and a0.key() in (Qt.Key.Key_Return, Qt.Key.Key_Enter):
            self.click()
            return
        super().keyPressEvent(a0)


class Section(QWidget):
    """A title button and the part that it opens; whether it is open is remembered between sessions.

    Parameters
    ----------
    title
        The button's text.
    tooltip
        What is inside.
    key
        Under what it is remembered; the title where none is said.
    opened
        Whether it is open where nothing is remembered.

    Signals
    -------
    toggled
        The user opened (True) or closed it.
    """

    toggled = Signal(bool)

    def __init__(
        self, title: str, tooltip: str, *, key: str = "", opened: bool = False, parent: QWidget | None = None
    ) -> None:
        super().__init__(parent)
        self._key = key or title
        self.button = _Title()
        self.button.setText(title)
        self.button.setToolTip(tooltip)
        self.button.setToolButtonStyle(Qt.ToolButtonStyle.ToolButtonTextBesideIcon)
        self.button.setCheckable(True)
        self.button.setAutoRaise(True)
        self.button.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
        self.button.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)
        self.body = QWidget()
        self._body_column = in_column(of=self.body)
        in_column(self.button, self.body, of=self, spacing=4)
        self.button.toggled.connect(self._on_toggled)
        self.set_open(last_choices().open_sections.get(self._key, opened))

    @property
    def opened(self) -> bool:
        return self.button.isChecked()

    def set_open(self, opened: bool) -> None:
        """Open or close it; only what the user does is remembered."""
        with QSignalBlocker(self.button):
            self.button.setChecked(opened)
        self._show(opened)

    def add(self, part: QWidget | QLayout) -> None:
        """Add a part below those that are inside already."""
        if isinstance(part, QWidget):
            self._body_column.addWidget(part)
        else:
            self._body_column.addLayout(part)

    def _show(self, opened: bool) -> None:
        self.button.setArrowType(Qt.ArrowType.DownArrow if opened else Qt.ArrowType.RightArrow)
        self.body.setVisible(opened)

    def _on_toggled(self, opened: bool) -> None:
        self._show(opened)
        remember(open_sections={self._key: opened})
        self.toggled.emit(opened)
