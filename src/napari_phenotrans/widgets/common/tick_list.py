"""A list of names with a check box each."""

from __future__ import annotations

from typing import TYPE_CHECKING

from qtpy.QtCore import QSignalBlocker, Signal
from qtpy.QtWidgets import QCheckBox, QWidget

from napari_phenotrans.widgets.common.form_parts import in_column

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping


class TickList(QWidget):
    """A check box per name.

    Signals
    -------
    changed
        The user has ticked or unticked one.
    """

    changed = Signal()

    def __init__(self, tooltip: str, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setToolTip(tooltip)
        self._tooltip = tooltip
        self.boxes: dict[str, QCheckBox] = {}
        self._column = in_column(of=self, spacing=2)
        self._column.setContentsMargins(0, 3, 0, 3)

    @property
    def ticked(self) -> tuple[str, ...]:
        """The names that are ticked."""
        return tuple(name for name, box in self.boxes.items() if box.isChecked())

    def show_names(self, texts: Mapping[str, str], ticked: Iterable[str]) -> None:
        """Show other names, each with its text, some of them ticked."""
        for box in self.boxes.values():
            self._column.removeWidget(box)
            box.hide()
            box.deleteLater()
        self.boxes = {}
        for name, text in texts.items():
            box = QCheckBox(text)
            box.setToolTip(self._tooltip)
            self.boxes[name] = box
            self._column.addWidget(box)
            box.toggled.connect(lambda _: self.changed.emit())
        self.tick(ticked)

    def tick(self, names: Iterable[str]) -> None:
        """Tick these and no others, without emitting `changed`."""
        wanted = set(names)
        for name, box in self.boxes.items():
            with QSignalBlocker(box):
                box.setChecked(name in wanted)
