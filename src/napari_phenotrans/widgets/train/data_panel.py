"""What to train on: a data set folder, which of its conditions and channels, and what is held out."""

from __future__ import annotations

from typing import TYPE_CHECKING

from qtpy.QtCore import Signal
from qtpy.QtWidgets import QWidget

from napari_phenotrans.widgets.common.dataset_chooser import DatasetChooser
from napari_phenotrans.widgets.common.form_parts import Form, as_panel, in_column, narrow_box
from napari_phenotrans.widgets.common.section import Section
from napari_phenotrans.widgets.common.tick_list import TickList
from napari_phenotrans.widgets.train.collect_panel import CollectPanel
from napari_phenotrans.widgets.train.held_out_chooser import HeldOutChooser

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from napari import Viewer

    from napari_phenotrans.widgets.common.dataset_folder import FolderContents


NO_DATASET = "One folder of images per condition, side by side in a folder."


class TrainingDataPanel(QWidget):
    """Asks for a data set and shows what it holds.

    Signals
    -------
    changed
        Other conditions, channels or held-out fields were chosen.
    """

    changed = Signal()

    def __init__(self, viewer: Viewer, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.folder: Path | None = None
        self.dataset = DatasetChooser(
            "A data set folder, the folders of its conditions, images, or a run folder whose settings are to be "
            "loaded.",
            NO_DATASET,
        )
        self.conditions = TickList("Conditions to train between: the folders of the data set.")
        self.control_box = narrow_box("The condition that all others are compared with.")
        self.channels = TickList("Channels to train on, by name; fields must have all of them.")
        self.held_out = HeldOutChooser()
        self.collect = CollectPanel(viewer)
        self.section = Section(
            "Make a data set", "Of open layers, rectangles drawn on them, and folders.", key="train collect"
        )
        self.section.add(self.collect)

        self._form = Form(
            {
                "Conditions": self.conditions,
                "Control": self.control_box,
                "Channels": self.channels,
                "Held out": self.held_out,
            }
        )
        self._choices = as_panel(self._form)
        self._choices.hide()
        in_column(self.dataset, self._choices, self.section, of=self)

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

    def show_contents(self, contents: FolderContents) -> None:
        """Show a data set; conditions and channels that all its fields may have are ticked."""
        self.folder, fields, channels = contents.folder, contents.fields, contents.channels
        self.dataset.show_folder(contents.folder, str(sum(fields.values())))
        self.conditions.show_names({name: f"{name} ({count})" for name, count in fields.items()}, fields)
        ticked = [name for name, everywhere in channels.items() if everywhere]
        texts = {name: name if everywhere else f"{name} (not in all)" for name, everywhere in channels.items()}
        self.channels.show_names(texts, ticked)
        self.held_out.offer(contents.groups)
        self._show_control()
        self._choices.show()
        self.changed.emit()

    def show_problem(self, problem: str) -> None:
        """Show why a folder is no data set."""
        self.folder = None
        self.dataset.show_problem(problem)
        self._choices.hide()
        self.changed.emit()

    def choose(self, conditions: Iterable[str], channels: Iterable[str] | None) -> None:
        """Tick conditions, the control first, and channels where some are given."""
        conditions = list(conditions)
        self.conditions.tick(conditions)
        self._show_control(conditions[0] if conditions else None)
        if channels is not None:
            self.channels.tick(channels)
        self.changed.emit()

    def _on_conditions(self) -> None:
        self._show_control(self.control_box.currentData())
        self.changed.emit()

    def _show_control(self, control: str | None = None) -> None:
        ticked = self.conditions.ticked
        self.control_box.clear()
        for name in ticked:
            self.control_box.addItem(name, name)
        self.control_box.setCurrentIndex(max(0, self.control_box.findData(control)))
        self._form.setRowVisible(self.control_box, len(ticked) > 2)
