"""Whether all that stands in a dock can be read: measured in pixels, whatever the font and the theme."""

from __future__ import annotations

from typing import TYPE_CHECKING

from qtpy.QtCore import QPoint
from qtpy.QtWidgets import (
    QAbstractButton,
    QAbstractItemView,
    QCheckBox,
    QComboBox,
    QLabel,
    QPushButton,
    QStyle,
    QStyleOptionComboBox,
    QToolButton,
    QWidget,
)

from napari_phenotrans.widgets.common.form_parts import WIDEST_CHOICE, FittingBox

if TYPE_CHECKING:
    from collections.abc import Iterator

    from napari_phenotrans.widgets.common.dock import Dock

# A pixel or two are rounding, not a cut letter.
TOLERANCE = 2


def misfits(dock: Dock) -> list[str]:
    """Return what is cut or elided in a dock that is on the screen, one line each."""
    found = list(_beyond_the_edge(dock))
    for widget in dock.findChildren(QWidget):
        if widget.isVisibleTo(dock) and not _in_a_table(widget):
            found += _cut(widget)
    return found


def _in_a_table(widget: QWidget) -> bool:
    parent = widget.parentWidget()
    while parent is not None:
        if isinstance(parent, QAbstractItemView):
            return True
        parent = parent.parentWidget()
    return False


def _beyond_the_edge(dock: Dock) -> Iterator[str]:
    """Parts that reach beyond the area that scrolls, whose right side no scroll bar brings into sight."""
    viewport = dock.area.viewport()
    for widget in dock.area.widget().findChildren(QWidget):
        if widget.isVisibleTo(dock) and not _in_a_table(widget):
            right = widget.mapTo(dock.area.widget(), QPoint(widget.width(), 0)).x()
            if right > viewport.width() + TOLERANCE:
                yield f"{_name(widget)} ends at {right}, the dock at {viewport.width()}"
    for button in (dock.start_button, dock.cancel_button):
        if button.mapTo(dock, QPoint(button.width(), 0)).x() > dock.width():
            yield f"{_name(button)} reaches beyond the dock"


def _cut(widget: QWidget) -> Iterator[str]:
    metrics = widget.fontMetrics()
    if isinstance(widget, QComboBox):
        option = QStyleOptionComboBox()
        widget.initStyleOption(option)
        edit = QStyle.SubControl.SC_ComboBoxEditField
        room = widget.style().subControlRect(QStyle.ComplexControl.CC_ComboBox, option, edit, widget).width()
        wanted = metrics.horizontalAdvance(widget.currentText())
        if isinstance(widget, FittingBox):
            # of names of files that no dock has room for, both ends are shown, and all of it when pointed at
            wanted = min(wanted, WIDEST_CHOICE)
        if wanted > room + TOLERANCE:
            yield f"{_name(widget)} has {room} pixels for {widget.currentText()!r}, which takes {wanted}"
    elif isinstance(widget, QPushButton | QToolButton | QCheckBox):
        wanted = max((metrics.horizontalAdvance(line) for line in widget.text().split("\n")), default=0)
        if isinstance(widget, QCheckBox):
            wanted += 16
        if wanted > widget.width() + TOLERANCE or ("…" in widget.text()[:-1] and "/" not in widget.text()):
            yield f"{_name(widget)} is {widget.width()} wide, its text takes {wanted}"
        if widget.height() + TOLERANCE < metrics.height():
            yield f"{_name(widget)} is only {widget.height()} high"
    elif isinstance(widget, QLabel) and widget.text() and widget.pixmap().isNull():
        longest = max(metrics.horizontalAdvance(word) for word in (widget.text().split() or [""]))
        if widget.wordWrap():
            # of a field's or a folder's name, which has no blanks, any letter may end a line
            if longest > widget.width() + TOLERANCE and "/" not in widget.text():
                yield f"{_name(widget)} is {widget.width()} wide, a word of it {longest}"
            if widget.heightForWidth(widget.width()) > widget.height() + metrics.height() // 2:
                yield f"{_name(widget)} is {widget.height()} high, its lines take more"
        else:
            wanted = max(metrics.horizontalAdvance(line) for line in widget.text().split("\n"))
            if wanted > widget.width() + TOLERANCE:
                yield f"{_name(widget)} is {widget.width()} wide, its text takes {wanted}"


def _name(widget: QWidget) -> str:
    text = getattr(widget, "text", lambda: "")() if isinstance(widget, QLabel | QAbstractButton) else ""
    if isinstance(widget, QComboBox):
        text = widget.currentText()
    return f"{type(widget).__name__} {widget.objectName() or widget.accessibleName()} {text[:60]!r}".replace("  ", " ")
