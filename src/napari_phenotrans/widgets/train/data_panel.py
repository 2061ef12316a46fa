"""What to train on: a data set folder, which of its conditions and channels, and what is held out."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from qtpy.QtCore import Signal
from qtpy.QtWidgets import QFileDialog, QHBoxLayout, QPushButton, QVBoxLayout, QWidget

from napari_phenotrans.widgets.common.form_layout import Form, narrow_box
from napari_phenotrans.widgets.common.notices import wrapped_label
from napari_phenotrans.widgets.common.section import Section
from napari_phenotrans.widgets.common.tick_list import TickList
from napari_phenotrans.widgets.train.collect_panel import CollectPanel
from napari_phenotrans.widgets.train.held_out_chooser import HeldOutChooser

if TYPE_CHECKING:
    from collections.abc import Iterable

    from napari import Viewer

    from napari_phenotrans.widgets.common.dataset_folder import Found


NOTHING = "One folder of images per condition, side by side in a folder."


class DataPanel(QWidget):
    """Asks for a data set and shows what it holds.

    Signals
    -------
    folder_chosen
        A folder to look into, a path.
    changed
        Other conditions, channels or held-out fields were chosen.
    """

    folder_chosen = Signal(object)
    changed = Signal()

    def __init__(self, viewer: Viewer, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.folder: Path | None = None
        #: Where the dialog begins.
        self.start_in = ""
        self.choose_button = QPushButton("Choose a data set…")
        self.choose_button.setToolTip("A folder that holds one folder of images per condition.")
        self.hint = wrapped_label("or drop it here")
        self.hint.setToolTip(
            "A data set folder, the folders of its conditions, images, or a run folder whose settings are to be loaded."
        )
        self.about = wrapped_label(NOTHING)
        self.about.setToolTip("The data set.")
        self.conditions = TickList("Conditions to train between: the folders of the data set.")
        self.control_box = narrow_box("The condition that all others are compared with.")
        self.channels = TickList("Channels to train on, by name; fields must have all of them.")
        self.held_out = HeldOutChooser()
        self.collect = CollectPanel(viewer)
        self.section = Section(
            "Make a data set", "Of open layers, rectangles drawn on them, and folders.", key="train collect"
        )
        self.section.add(self.collect)

        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        row = QHBoxLayout()
        row.addWidget(self.choose_button)
        row.addWidget(self.hint, 1)
        column.addLayout(row)
        column.addWidget(self.about)
        self._choices = QWidget()
        rows = Form()
        rows.add("Conditions", self.conditions)
        rows.add("Control", self.control_box)
        rows.add("Channels", self.channels)
        rows.add("Held out", self.held_out)
        self._rows = rows
        self._choices.setLayout(rows)
        self._choices.hide()
        column.addWidget(self._choices)
        column.addWidget(self.section)

        self.choose_button.clicked.connect(lambda _: self._ask())
        self.conditions.changed.connect(self._on_conditions)
        self.control_box.activated.connect(lambda _: self.changed.emit())
        self.channels.changed.connect(self.changed)
        self.held_out.changed.connect(self.changed)

    @property
    def chosen_conditions(self) -> tuple[str, ...]:
        """The ticked conditions; where there are more than two, the control comes first."""
        ticked = self.conditions.ticked
        control = self.control_box.currentData()
        return tuple(sorted(ticked, key=lambda name: name != control)) if len(ticked) > 2 else ticked

    def show_found(self, found: Found) -> None:
        """Show a data set; conditions and channels that all its fields may have are ticked."""
        self.folder = found.folder
        self.about.setText(f"{found.folder.name}: {sum(found.fields.values())} fields")
        self.about.setToolTip(str(found.folder))
        self.conditions.show_names({name: f"{name} ({count})" for name, count in found.fields.items()}, found.fields)
        ticked = [name for name, everywhere in found.channels.items() if everywhere]
        texts = {name: name if everywhere else f"{name} (not in all)" for name, everywhere in found.channels.items()}
        self.channels.show_names(texts, ticked)
        self.held_out.offer(found.groups)
        self._show_control()
        self._choices.show()
        self.changed.emit()

    def show_nothing(self, why: str) -> None:
        """Show that a folder is no data set."""
        self.folder = None
        self.about.setText(why)
        self._choices.hide()
        self.changed.emit()

    def choose(self, conditions: Iterable[str], channels: Iterable[str] | None) -> None:
        """Tick conditions, the control first, and channels where some are said."""
        conditions = list(conditions)
        self.conditions.tick(conditions)
        self._show_control(conditions[0] if conditions else None)
        if channels is not None:
            self.channels.tick(channels)
        self.changed.emit()

    def _ask(self) -> None:
        chosen = QFileDialog.getExistingDirectory(self, "Data set", str(self.folder or self.start_in))
        if chosen:
            self.folder_chosen.emit(Path(chosen))

    def _on_conditions(self) -> None:
        self._show_control(self.control_box.currentData())
        self.changed.emit()

    def _show_control(self, control: str | None = None) -> None:
        ticked = self.conditions.ticked
        self.control_box.clear()
        for name in ticked:
            self.control_box.addItem(name, name)
        self.control_box.setCurrentIndex(max(0, self.control_box.findData(control)))
        self._rows.setRowVisible(self.control_box, len(ticked) > 2)
