"""What to evaluate: a data set, a checkpoint and two of its conditions, what counts as an object, where to keep it."""

from __future__ import annotations

from itertools import permutations
from pathlib import Path
from typing import TYPE_CHECKING, Any

from qtpy.QtCore import QSignalBlocker, Signal
from qtpy.QtWidgets import QCheckBox, QComboBox, QFileDialog, QLineEdit, QWidget

from napari_phenotrans.phenotype.settings import ReportSettings
from napari_phenotrans.runs.family import siblings
from napari_phenotrans.widgets.common.checkpoint_chooser import CheckpointChooser
from napari_phenotrans.widgets.common.condition_chooser import ConditionChooser
from napari_phenotrans.widgets.common.dataset_chooser import DatasetChooser
from napari_phenotrans.widgets.common.engine_form import EngineForm
from napari_phenotrans.widgets.common.form_parts import (
    Form,
    as_panel,
    as_tooltip,
    elided,
    in_column,
    in_row,
    keep_tab_order,
    narrow_box,
    push_button,
)
from napari_phenotrans.widgets.common.section import Section
from napari_phenotrans.widgets.common.settings_form import SettingsForm

if TYPE_CHECKING:
    from collections.abc import Iterable

    from napari_phenotrans.widgets.common.dataset_folder import FolderContents

LABELS = "labels"
OBJECTS = {
    "scikit-image": ("Found by scikit-image", "Nuclei, by one rule for real and translated images."),
    "stardist": ("Found by StarDist", "Needs the packages stardist and tensorflow, and weights (under More)."),
    "cellpose": ("Found by Cellpose", "Needs the package cellpose, and weights (under More)."),
    LABELS: (
        "The viewer's Labels layers",
        "One per field of both conditions, named as its file (A01, or untreated/A01); a translated image has the "
        "objects of its real one.",
    ),
    "none": ("None: whole crops", "Squares of the fields are measured, where nothing can be told apart."),
}
MORE = ("weights", "object_channel", "diameter", "crop", "translate", "seed")
SHOWN_WIDTH = 150


class FolderChooser(QWidget):
    """A button that chooses a folder, and one that takes it back.

    Parameters
    ----------
    title
        Of the dialog.
    placeholder
        What stands on the button while no folder is chosen.
    tooltip
        What the folder is for.

    Signals
    -------
    changed
        Another folder was chosen, or none.
    """

    changed = Signal()

    def __init__(self, title: str, placeholder: str, tooltip: str, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._title, self._placeholder, self._tooltip = title, placeholder, tooltip
        self.folder: Path | None = None
        self.button = push_button("")
        self.clear_button = push_button("✕", "Choose none.")
        self.clear_button.setAccessibleName(f"Forget the folder: {title}")
        self.clear_button.setFixedWidth(28)
        in_row(self.button, self.clear_button, of=self, stretch=(1, 0))
        self.setToolTip(tooltip)
        self.button.clicked.connect(lambda _: self._ask())
        self.clear_button.clicked.connect(lambda _: self._change(None))
        self.choose(None)

    def choose(self, folder: Path | None) -> None:
        """Show another folder, or none."""
        self.folder = folder
        self.button.setText(elided(str(folder or ""), self.button, SHOWN_WIDTH) or self._placeholder)
        self.button.setToolTip(as_tooltip(f"{self._tooltip} {folder or ''}".strip()))
        self.clear_button.setVisible(folder is not None)

    def _ask(self) -> None:
        folder = QFileDialog.getExistingDirectory(self, self._title, str(self.folder or ""))
        if folder:
            self._change(Path(folder))

    def _change(self, folder: Path | None) -> None:
        self.choose(folder)
        self.changed.emit()


class EvaluationDataPanel(QWidget):
    """Asks for all that a report needs.

    Signals
    -------
    changed
        Something else was chosen.
    failed
        A file that was chosen is no checkpoint; the message for the user.
    """

    changed = Signal()
    failed = Signal(str)

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        #: What the chosen data set holds; None while none is chosen.
        self.contents: FolderContents | None = None
        self.dataset = DatasetChooser(
            "A data set folder, a checkpoint, or a run folder, which names both.",
            "A folder with one folder of images per condition.",
        )
        self.checkpoints = CheckpointChooser()
        self.conditions = ConditionChooser()
        self._channel_boxes: dict[str, QComboBox] = {}
        self._channel_form = Form()
        self._channels = as_panel(self._channel_form)
        self._channels.hide()
        self.engine = EngineForm()
        self._report_form = self._make_report_form()
        self.section = Section("More", "Objects, held-out groups and the like, as on the command line.", key="evaluate")
        self.more = SettingsForm(ReportSettings, MORE)
        self.groups_edit = QLineEdit()
        self.groups_edit.setPlaceholderText("A01, A02")
        self.groups_edit.setToolTip(
            "Names of groups that training did not see, separated by commas; of a checkpoint in its run folder the run "
            "says so."
        )
        self.family_box = QCheckBox("All trainings of the family")
        self.family_box.setToolTip(
            "Where the checkpoint is of a training with --repeats: all others translate the same fields, and the "
            "report says which changes would come out again. It takes as many times as long."
        )
        self.section.add(self.more)
        self.section.add(self.family_box)
        self.section.add(Form({"Held out": self.groups_edit}))
        above = (self.dataset, self.checkpoints, self.conditions, self._channels, self.engine)
        in_column(*above, self._report_form, self.section, of=self)
        keep_tab_order(self.objects_box, self.control.button, self.out.button, self.replace_box, self.section.button)

        self.checkpoints.changed.connect(self._on_checkpoint)
        self.checkpoints.failed.connect(self.failed)
        for signal in (
            self.conditions.changed,
            self.engine.changed,
            self.control.changed,
            self.more.changed,
            self.groups_edit.editingFinished,
            self.family_box.clicked,
        ):
            signal.connect(self.changed)
        self.objects_box.activated.connect(lambda _: self.changed.emit())
        self.out.changed.connect(self._on_out)
        self._on_checkpoint()

    def _make_report_form(self) -> Form:
        """Make the fields that are the report's alone: what is measured, its control, and where it is kept."""
        self.objects_box = narrow_box("What is measured.", OBJECTS)
        self.control = FolderChooser(
            "A run between halves of one condition",
            "none",
            "Run folder of an engine that was trained between two halves of one condition, where nothing differs: what "
            "it changes all the same, any engine may invent.",
        )
        self.out = FolderChooser(
            "Where the report is kept", "not kept", "Folder for report.html and its tables; a folder of its own."
        )
        self.replace_box = QCheckBox("Replace a report that is there")
        self.replace_box.setToolTip("Else nothing is computed where a report would take the place of another.")
        fields = {"Objects": self.objects_box, "Control run": self.control, "Keep in": self.out, "": self.replace_box}
        form = Form(fields)
        form.setRowVisible(self.replace_box, False)
        return form

    # ---- what is chosen

    @property
    def objects(self) -> str:
        """What is measured, a key of `OBJECTS`."""
        return self.objects_box.currentData()

    @property
    def held_out(self) -> tuple[str, ...] | None:
        """Groups that the user named; None where none are named."""
        return tuple(name.strip() for name in self.groups_edit.text().split(",") if name.strip()) or None

    @property
    def channels(self) -> dict[str, str]:
        """The images' names for those channels of the checkpoint that they call otherwise."""
        return {name: box.currentData() for name, box in self._channel_boxes.items() if box.currentData()}

    @property
    def settings(self) -> ReportSettings:
        """Of the report.

        Raises
        ------
        InputError
            If a field holds what cannot be used.
        """
        values: dict[str, Any] = dict(self.more.values)
        objects = "scikit-image" if self.objects == LABELS else self.objects
        return ReportSettings.make(objects=objects, **values)

    @property
    def missing(self) -> str:
        """What has to be chosen first, as a sentence; empty where nothing is missing."""
        card, contents = self.checkpoints.card, self.contents
        if contents is None:
            return "Choose a data set, or drop one here."
        if card is None:
            return "Choose a checkpoint."
        source, target = self.conditions.source, self.conditions.target
        if source is None or target is None:
            return "Choose source and target."
        if source == target:
            return "Choose two conditions: a report compares them. Its own controls translate each to itself."
        absent = [name for name in (source, target) if name not in contents.fields]
        if absent:
            return (
                f"{contents.folder.name} has no {' and no '.join(absent)}, only {', '.join(contents.fields)}. Choose "
                f"another data set or checkpoint."
            )
        unmatched = [name for name, box in self._channel_boxes.items() if box.currentData() is None]
        return f"Say which channel is {', '.join(unmatched)}." if unmatched else ""

    # ---- what is shown

    def show_contents(self, contents: FolderContents) -> None:
        """Show a data set; conditions are chosen that it and the checkpoint have."""
        self.contents = contents
        self.dataset.show_folder(contents.folder, ", ".join(f"{name} {n}" for name, n in contents.fields.items()))
        self._fit()

    def show_problem(self, problem: str) -> None:
        """Show why a folder is no data set."""
        self.contents = None
        self.dataset.show_problem(problem)
        self.changed.emit()

    @property
    def repeats(self) -> bool:
        """Whether all trainings of the checkpoint's family are reported."""
        return self.family_box.isEnabled() and self.family_box.isChecked()

    def _on_checkpoint(self) -> None:
        self.family_box.setEnabled(bool(self.checkpoints.name and siblings(self.checkpoints.name)))
        card = self.checkpoints.card
        with QSignalBlocker(self.conditions), QSignalBlocker(self.engine):
            self.conditions.set_card(card)
            self.engine.set_card(card)
        self._fit()

    def _on_out(self) -> None:
        self._report_form.setRowVisible(self.replace_box, self.out.folder is not None)
        self.changed.emit()

    def _fit(self) -> None:
        """Choose conditions that data set and checkpoint share, and ask for channels that the data set has not."""
        card, contents = self.checkpoints.card, self.contents
        if card is None or contents is None:
            self._ask_channels([])
        else:
            if not {self.conditions.source, self.conditions.target} <= set(contents.fields):
                shared = [name for name in card.conditions if name in contents.fields]
                pairs = [(source, target) for source, target in permutations(shared, 2) if target in card.targets]
                if pairs:
                    with QSignalBlocker(self.conditions):
                        self.conditions.choose(*pairs[0])
            known = {name.casefold() for name in contents.channels}
            self._ask_channels([name for name in card.channels if name.casefold() not in known])
        self.changed.emit()

    def _ask_channels(self, names: Iterable[str]) -> None:
        for box in self._channel_boxes.values():
            self._channel_form.removeRow(box)
        self._channel_boxes = {}
        for name in names:
            box = narrow_box(f"Which channel of the images is what the checkpoint calls {name}.")
            box.addItem("choose a channel", None)
            for channel in self.contents.channels if self.contents else ():
                box.addItem(channel, channel)
            box.activated.connect(lambda _: self.changed.emit())
            self._channel_form.add(name, box)
            self._channel_boxes[name] = box
        self._channels.setVisible(bool(self._channel_boxes))
