"""Whether a change would come out again, and whether it comes out of nothing: repeats, and control against control."""

from __future__ import annotations

from typing import TYPE_CHECKING

from qtpy.QtCore import QSignalBlocker, Signal
from qtpy.QtWidgets import QSpinBox, QWidget

from napari_phenotrans.widgets.common.form_parts import Form, in_column, in_row, narrow_box, push_button
from napari_phenotrans.widgets.common.settings_form import wheel_where_focused

if TYPE_CHECKING:
    from collections.abc import Sequence

# More tell little that three do not.
MOST = 5
SUFFIX = ", one by one"


class RepeatsForm(QWidget):
    """How often to train, and a button that trains a control.

    Signals
    -------
    changed
        Another number was chosen.
    control_requested
        A control is to be trained, between two halves of this condition.
    """

    changed = Signal()
    control_requested = Signal(str)

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.count_box = QSpinBox()
        self.count_box.setRange(1, MOST)
        self.count_box.setKeyboardTracking(False)
        self.count_box.setToolTip(
            "Train so often, one seed after the other and all else alike, into one folder: a family. A change that "
            "appears in one training and not in the next is no phenotype; translating and reporting with the family "
            "say which would come out again. It takes as many times as long."
        )
        wheel_where_focused(self.count_box)
        self.control_box = narrow_box("The condition whose groups are divided into two random halves.")
        self.control_box.setAccessibleName("Condition of the control")
        self.control_button = push_button(
            "Train it",
            "Control against control: the same training, started now, between two random halves of one condition, "
            "where nothing differs. What it changes all the same is the size of what this procedure finds in nothing; "
            "choose it as Control run in the Evaluate dock, and each effect is held against it.",
        )
        form = Form()
        form.add("Trainings", self.count_box)
        form.add("Control", in_row(self.control_box, self.control_button, stretch=(1, 0)), buddy=self.control_box)
        in_column(form, of=self)
        self.count_box.valueChanged.connect(self._on_count)
        self.control_button.clicked.connect(lambda _: self.control_requested.emit(self.control_box.currentData()))
        self.show_conditions(())

    @property
    def count(self) -> int:
        """How many trainings."""
        return self.count_box.value()

    def show_conditions(self, conditions: Sequence[str]) -> None:
        """Offer other conditions for the control; the chosen one stays where it is among them."""
        before = self.control_box.currentData()
        if [self.control_box.itemData(place) for place in range(self.control_box.count())] != list(conditions):
            with QSignalBlocker(self.control_box):
                self.control_box.clear()
                for condition in conditions:
                    self.control_box.addItem(condition, condition)
                self.control_box.setCurrentIndex(max(0, self.control_box.findData(before)))
        self.control_button.setEnabled(bool(conditions))

    def _on_count(self, count: int) -> None:
        self.count_box.setSuffix("" if count == 1 else SUFFIX)
        self.changed.emit()
