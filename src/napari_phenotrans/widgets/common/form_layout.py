"""Choosing a layer per channel, and source and target condition."""

from __future__ import annotations

from itertools import pairwise

from qtpy.QtWidgets import (
    QComboBox,
    QFormLayout,
    QLabel,
    QLayout,
    QSizePolicy,
    QWidget,
)


def narrow_box(tooltip: str) -> QComboBox:
    """Return a combobox that gives way in a narrow dock instead of widening it."""
    box = QComboBox()
    box.setSizeAdjustPolicy(QComboBox.SizeAdjustPolicy.AdjustToMinimumContentsLengthWithIcon)
    box.setMinimumContentsLength(6)
    box.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)
    box.setToolTip(tooltip)
    return box


def keep_tab_order(*widgets: QWidget) -> None:
    """Let the Tab key go through widgets in this order; those that are made later come last otherwise."""
    for before, after in pairwise(widgets):
        QWidget.setTabOrder(before, after)


class Form(QFormLayout):
    """Rows of a label and a field; labels of several forms are equally wide, so that fields stand in one column."""

    LABEL_WIDTH = 84

    def __init__(self) -> None:
        super().__init__()
        self.setContentsMargins(0, 0, 0, 0)
        self.setFieldGrowthPolicy(QFormLayout.FieldGrowthPolicy.AllNonFixedFieldsGrow)

    def add(self, text: str, field: QWidget | QLayout, buddy: QWidget | None = None) -> None:
        """Add a row; of a layout, ``buddy`` is the widget that the label speaks of."""
        label = QLabel(text)
        label.setMinimumWidth(self.LABEL_WIDTH)
        buddy = field if isinstance(field, QWidget) else buddy
        # an empty combobox is false
        if buddy is not None:
            label.setToolTip(buddy.toolTip())
            label.setBuddy(buddy)
        self.addRow(label, field)
