"""What the docks' forms are put together of: labels, buttons, narrow boxes, bars, rows and columns."""

from __future__ import annotations

import re
from html import escape
from itertools import pairwise
from typing import TYPE_CHECKING

from qtpy.QtCore import QEvent, QSize, Qt
from qtpy.QtWidgets import (
    QComboBox,
    QFormLayout,
    QFrame,
    QHBoxLayout,
    QLabel,
    QLayout,
    QProgressBar,
    QPushButton,
    QSizePolicy,
    QStyle,
    QStyleOptionComboBox,
    QStylePainter,
    QToolTip,
    QVBoxLayout,
    QWidget,
)

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from qtpy.QtGui import QPaintEvent

# ---- single parts

# Pixels that a choice's text may widen a combobox to: with a scroll bar, a dock of 320 pixels has no more.
WIDEST_CHOICE = 232


def as_tooltip(text: str) -> str:
    """Return text as a tooltip shows it letter by letter.

    Names come from files, and Qt takes what looks like HTML for HTML: it would load the pictures that it names.
    """
    return f"<qt>{escape(text)}</qt>".replace("\n", "<br>") if "<" in text else text


def in_words(text: str) -> str:
    """Return a sentence without the command line's names of settings: ``--pixel-size`` is what its field is called."""

    def field(match: re.Match[str]) -> str:
        name = match[1].replace("-", " ")
        return f"‘{name[0].upper()}{name[1:]}’"

    return re.sub(r"(?<![\w-])--([a-z][a-z-]*)", field, text.replace("Say --", "Set --"))


def plain_label(text: str = "") -> QLabel:
    """Return a label that shows its text letter by letter, whatever it looks like."""
    label = QLabel()
    label.setTextFormat(Qt.TextFormat.PlainText)
    label.setText(text)
    return label


def wrapped_label(text: str = "", tooltip: str = "") -> QLabel:
    """Return a label for plain text that wraps at any width and can be copied from."""
    label = plain_label(text)
    label.setWordWrap(True)
    label.setTextInteractionFlags(Qt.TextInteractionFlag.TextSelectableByMouse)
    label.setMinimumWidth(40)
    label.setToolTip(as_tooltip(tooltip))
    return label


def push_button(text: str, tooltip: str = "") -> QPushButton:
    """Return a button with a tooltip."""
    button = QPushButton(text)
    button.setToolTip(as_tooltip(tooltip))
    return button


class FittingBox(QComboBox):
    """A combobox as wide as the longest of its choices, up to a limit; of a longer one the middle is left out."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setSizeAdjustPolicy(QComboBox.SizeAdjustPolicy.AdjustToMinimumContentsLengthWithIcon)
        self.setMinimumContentsLength(6)
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)
        model = self.model()
        assert model is not None
        for signal in (model.rowsInserted, model.rowsRemoved, model.dataChanged, model.modelReset):
            # Qt asks anew only for boxes that follow their contents altogether
            signal.connect(lambda *_: self.updateGeometry())

    def minimumSizeHint(self) -> QSize:
        hint, metrics = super().minimumSizeHint(), self.fontMetrics()
        texts = [self.itemText(index) for index in range(self.count())]
        longest = max((metrics.horizontalAdvance(text) for text in texts), default=0)
        option = QStyleOptionComboBox()
        self.initStyleOption(option)
        style = self.style()
        assert style is not None
        edit = QStyle.SubControl.SC_ComboBoxEditField
        around = self.width() - style.subControlRect(QStyle.ComplexControl.CC_ComboBox, option, edit, self).width()
        # the field's own margins on either side of the text
        hint.setWidth(max(hint.width(), min(longest, WIDEST_CHOICE) + around + 6))
        return hint

    def sizeHint(self) -> QSize:
        return self.minimumSizeHint()

    @property
    def shown_text(self) -> str:
        """The chosen text as it is drawn."""
        option = QStyleOptionComboBox()
        self.initStyleOption(option)
        style = self.style()
        assert style is not None
        edit = QStyle.SubControl.SC_ComboBoxEditField
        room = style.subControlRect(QStyle.ComplexControl.CC_ComboBox, option, edit, self).width()
        return elided(self.currentText(), self, room - 2)

    def paintEvent(self, e: QPaintEvent | None) -> None:
        if self.isEditable():
            super().paintEvent(e)
            return
        painter, option = QStylePainter(self), QStyleOptionComboBox()
        self.initStyleOption(option)
        option.currentText = self.shown_text
        painter.drawComplexControl(QStyle.ComplexControl.CC_ComboBox, option)
        painter.drawControl(QStyle.ControlElement.CE_ComboBoxLabel, option)

    def event(self, event: QEvent | None) -> bool:
        if event is not None and event.type() == QEvent.Type.ToolTip and self.shown_text != self.currentText():
            lines = f"{self.currentText()}\n{self.toolTip()}"
            QToolTip.showText(self.mapToGlobal(self.rect().bottomLeft()), as_tooltip(lines), self)
            return True
        return super().event(event)


def narrow_box(tooltip: str, choices: Mapping[str, tuple[str, str]] | None = None) -> QComboBox:
    """Return a combobox that shows its choices whole as far as a narrow dock has room for them.

    Parameters
    ----------
    tooltip
        Of the whole box.
    choices
        By the value of each choice its text and its own tooltip.
    """
    box = FittingBox()
    box.setToolTip(as_tooltip(tooltip))
    for value, (text, choice_tooltip) in (choices or {}).items():
        add_choice(box, value, text, choice_tooltip)
    return box


def add_choice(box: QComboBox, value: str, text: str, tooltip: str) -> None:
    """Add a choice with a tooltip of its own to a combobox."""
    box.addItem(text, value)
    box.setItemData(box.count() - 1, as_tooltip(tooltip), Qt.ItemDataRole.ToolTipRole)


def progress_bar(name: str, tooltip: str) -> QProgressBar:
    """Return a bar without numbers, for shares in thousandths; the room that it takes stays when it is hidden."""
    bar = QProgressBar()
    bar.setRange(0, 1000)
    bar.setTextVisible(False)
    bar.setAccessibleName(name)
    bar.setToolTip(tooltip)
    policy = bar.sizePolicy()
    policy.setRetainSizeWhenHidden(True)
    bar.setSizePolicy(policy)
    return bar


def separator() -> QFrame:
    """Return a thin line across."""
    line = QFrame()
    line.setFrameShape(QFrame.Shape.HLine)
    line.setFrameShadow(QFrame.Shadow.Sunken)
    return line


def elided(text: str, widget: QWidget, width: int) -> str:
    """Return a text without its middle where it would be wider than so many pixels on a widget."""
    return widget.fontMetrics().elidedText(text, Qt.TextElideMode.ElideMiddle, width)


# ---- parts beside and below each other


def in_column(*parts: QWidget | QLayout, of: QWidget | None = None, spacing: int | None = None) -> QVBoxLayout:
    """Put parts below each other without margins, as the layout of a widget or to be added to another layout."""
    layout = QVBoxLayout() if of is None else QVBoxLayout(of)
    layout.setContentsMargins(0, 0, 0, 0)
    if spacing is not None:
        layout.setSpacing(spacing)
    for part in parts:
        if isinstance(part, QLayout):
            layout.addLayout(part)
        else:
            layout.addWidget(part)
    return layout


def in_row(*widgets: QWidget, of: QWidget | None = None, stretch: Sequence[int] = ()) -> QHBoxLayout:
    """Put widgets beside each other without margins; ``stretch`` are their shares of the room that is left."""
    layout = QHBoxLayout() if of is None else QHBoxLayout(of)
    layout.setContentsMargins(0, 0, 0, 0)
    for number, widget in enumerate(widgets):
        layout.addWidget(widget, stretch[number] if stretch else 0)
    return layout


def as_panel(*parts: QWidget | QLayout) -> QWidget:
    """Return a widget that holds parts below each other."""
    widget = QWidget()
    in_column(*parts, of=widget)
    return widget


def keep_tab_order(*widgets: QWidget) -> None:
    """Let the Tab key go through widgets in this order; those that are made later come last otherwise."""
    for before, after in pairwise(widgets):
        QWidget.setTabOrder(before, after)


class Form(QFormLayout):
    """Rows of a label and a field; labels of several forms are equally wide, so that fields stand in one column.

    A field that is too wide to stand beside its label stands below it.
    """

    LABEL_WIDTH = 84

    def __init__(self, fields: Mapping[str, QWidget] | None = None) -> None:
        super().__init__()
        self.setContentsMargins(0, 0, 0, 0)
        self.setRowWrapPolicy(QFormLayout.RowWrapPolicy.WrapLongRows)
        self.setFieldGrowthPolicy(QFormLayout.FieldGrowthPolicy.AllNonFixedFieldsGrow)
        for text, field in (fields or {}).items():
            self.add(text, field)

    def add(self, text: str, field: QWidget | QLayout, buddy: QWidget | None = None) -> None:
        """Add a row; of a layout, ``buddy`` is the widget that the label speaks of."""
        label = plain_label(text)
        label.setMinimumWidth(self.LABEL_WIDTH)
        buddy = field if isinstance(field, QWidget) else buddy
        # an empty combobox is false
        if buddy is not None:
            label.setToolTip(buddy.toolTip())
            label.setBuddy(buddy)
        self.addRow(label, field)
