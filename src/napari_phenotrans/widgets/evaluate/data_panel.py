"""What to evaluate: a data set, a checkpoint and two of its conditions, what counts as an object, where to keep it."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from qtpy.QtCore import QSignalBlocker, Qt, Signal
from qtpy.QtWidgets import QCheckBox, QComboBox, QFileDialog, QHBoxLayout, QLineEdit, QPushButton, QVBoxLayout, QWidget

from napari_phenotrans.phenotype.settings import ReportSettings
from napari_phenotrans.widgets.common.checkpoint_chooser import CheckpointChooser
from napari_phenotrans.widgets.common.condition_chooser import ConditionChooser
from napari_phenotrans.widgets.common.engine_form import EngineForm
from napari_phenotrans.widgets.common.form_layout import Form, keep_tab_order, narrow_box
from napari_phenotrans.widgets.common.notices import wrapped_label
from napari_phenotrans.widgets.common.section import Section
from napari_phenotrans.widgets.common.settings_form import SettingsForm

if TYPE_CHECKING:
    from collections.abc import Iterable

    from napari_phenotrans.widgets.common.dataset_folder import Found

NOTHING = "A folder with one folder of images per condition."
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
SHOWN = 150


class FolderRow(QWidget):
    """A folder that may be chosen, and taken back.

    Signals
    -------
    changed
        Another one was chosen, or none.
    """

    changed = Signal()

    def __init__(self, title: str, nothing: str, tooltip: str, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._title, self._nothing, self._tooltip = title, nothing, tooltip
        self.folder: Path | None = None
        self.button = QPushButton()
        self.clear_button = QPushButton("✕")
        self.clear_button.setAccessibleName(f"Forget the folder: {title}")
        self.clear_button.setToolTip("Choose none.")
        self.clear_button.setFixedWidth(28)
        row = QHBoxLayout(self)
        row.setContentsMargins(0, 0, 0, 0)
        row.addWidget(self.button, 1)
        row.addWidget(self.clear_button)
        self.setToolTip(tooltip)
        self.button.clicked.connect(lambda _: self._ask())
        self.clear_button.clicked.connect(lambda _: self._take(None))
        self.choose(None)

    def choose(self, folder: Path | None) -> None:
        """Show another folder, or none."""
        self.folder = folder
        shown = self.button.fontMetrics().elidedText(str(folder or ""), Qt.TextElideMode.ElideMiddle, SHOWN)
        self.button.setText(shown or self._nothing)
        self.button.setToolTip(f"{self._tooltip} {folder or ''}".strip())
        self.clear_button.setVisible(folder is not None)

    def _ask(self) -> None:
        chosen = QFileDialog.getExistingDirectory(self, self._title, str(self.folder or ""))
        if chosen:
            self._take(Path(chosen))

    def _take(self, folder: Path | None) -> None:
        self.choose(folder)
        self.changed.emit()


class EvaluateData(QWidget):
    """Asks for all that a report needs.

    Signals
    -------
    folder_chosen
        A folder to look into, a path.
    changed
        Something else was chosen.
    failed
        A file that was chosen is no checkpoint; the message for the user.
    """

    folder_chosen = Signal(object)
    changed = Signal()
    failed = Signal(str)

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.found: Found | None = None
        #: Where the dialog begins.
        self.start_in = ""
        self.choose_button = QPushButton("Choose a data set…")
        self.choose_button.setToolTip("A folder that holds one folder of images per condition.")
        self.hint = wrapped_label("or drop it here")
        self.hint.setToolTip("A data set folder, a checkpoint, or a run folder, which names both.")
        self.about = wrapped_label(NOTHING)
        self.about.setToolTip("The data set.")
        self.checkpoints = CheckpointChooser()
        self.conditions = ConditionChooser()
        self.engine = EngineForm()
        self.objects_box = narrow_box("What is measured.")
        for name, (text, tooltip) in OBJECTS.items():
            self.objects_box.addItem(text, name)
            self.objects_box.setItemData(self.objects_box.count() - 1, tooltip, Qt.ItemDataRole.ToolTipRole)
        self.control = FolderRow(
            "A run between halves of one condition",
            "none",
            "Run folder of an engine that was trained between two halves of one condition, where nothing differs: what "
            "it changes all the same, any engine may invent.",
        )
        self.out = FolderRow(
            "Where the report is kept", "nowhere", "Folder for report.html and its tables; a folder of its own."
        )
        self.replace_box = QCheckBox("Replace a report that is there")
        self.replace_box.setToolTip("Else nothing is computed where a report would take the place of another.")
        self.more = SettingsForm(ReportSettings, MORE)
        self.groups_edit = QLineEdit()
        self.groups_edit.setPlaceholderText("A01, A02")
        self.groups_edit.setToolTip(
            "Names of groups that training did not see, separated by commas; of a checkpoint in its run folder the run "
            "says so."
        )
        self.section = Section("More", "Objects, held-out groups and the like, as on the command line.", key="evaluate")
        self._channel_boxes: dict[str, QComboBox] = {}

        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        row = QHBoxLayout()
        row.addWidget(self.choose_button)
        row.addWidget(self.hint, 1)
        column.addLayout(row)
        for widget in (self.about, self.checkpoints, self.conditions):
            column.addWidget(widget)
        self._channels = QWidget()
        self._channel_rows = Form()
        self._channels.setLayout(self._channel_rows)
        self._channels.hide()
        column.addWidget(self._channels)
        column.addWidget(self.engine)
        rows = Form()
        rows.add("Objects", self.objects_box)
        rows.add("Control run", self.control)
        rows.add("Keep in", self.out)
        rows.add("", self.replace_box)
        self._rows = rows
        rows.setRowVisible(self.replace_box, False)
        column.addLayout(rows)
        held_out = Form()
        held_out.add("Held out", self.groups_edit)
        self.section.add(self.more)
        self.section.add(held_out)
        column.addWidget(self.section)
        keep_tab_order(self.objects_box, self.control.button, self.out.button, self.replace_box, self.section.button)

        self.choose_button.clicked.connect(lambda _: self._ask())
        self.checkpoints.changed.connect(self._on_checkpoint)
        self.checkpoints.failed.connect(self.failed)
        self.conditions.changed.connect(self.changed)
        self.engine.changed.connect(self.changed)
        self.objects_box.activated.connect(lambda _: self.changed.emit())
        self.control.changed.connect(self.changed)
        self.out.changed.connect(self._on_out)
        self.more.changed.connect(self.changed)
        self.groups_edit.editingFinished.connect(self.changed)
        self._on_checkpoint()

    # ---- what is chosen

    @property
    def objects(self) -> str:
        return self.objects_box.currentData()

    @property
    def held_out(self) -> tuple[str, ...] | None:
        """Groups that the user said; None where none are said."""
        return tuple(name.strip() for name in self.groups_edit.text().split(",") if name.strip()) or None

    @property
    def channels(self) -> dict[str, str]:
        """The images' name for each channel of the checkpoint that they do not call so."""
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
        """What has to be chosen first, in words; nothing where all is there."""
        card, found = self.checkpoints.card, self.found
        if found is None:
            return "Choose a data set, or drop one here."
        if card is None:
            return "Choose a checkpoint."
        source, target = self.conditions.source, self.conditions.target
        if source is None or target is None:
            return "Choose source and target."
        if source == target:
            return "Choose two conditions: a report compares them. Its own controls translate each to itself."
        absent = [name for name in (source, target) if name not in found.fields]
        if absent:
            return (
                f"{found.folder.name} has no {' and no '.join(absent)}, only {', '.join(found.fields)}. Choose another "
                f"data set or checkpoint."
            )
        unsaid = [name for name, box in self._channel_boxes.items() if box.currentData() is None]
        return f"Say which channel is {', '.join(unsaid)}." if unsaid else ""

    # ---- what is shown

    def show_found(self, found: Found) -> None:
        """Show a data set; conditions are chosen that it and the checkpoint have."""
        self.found = found
        fields = ", ".join(f"{name} {count}" for name, count in found.fields.items())
        self.about.setText(f"{found.folder.name}: {fields} fields")
        self.about.setToolTip(str(found.folder))
        self._fit()

    def show_nothing(self, why: str) -> None:
        """Show that a folder is no data set."""
        self.found = None
        self.about.setText(why)
        self.changed.emit()

    def _ask(self) -> None:
        folder = self.found.folder if self.found else self.start_in
        chosen = QFileDialog.getExistingDirectory(self, "Data set", str(folder))
        if chosen:
            self.folder_chosen.emit(Path(chosen))

    def _on_checkpoint(self) -> None:
        card = self.checkpoints.card
        with QSignalBlocker(self.conditions), QSignalBlocker(self.engine):
            self.conditions.set_card(card)
            self.engine.set_card(card)
        self._fit()

    def _on_out(self) -> None:
        self._rows.setRowVisible(self.replace_box, self.out.folder is not None)
        self.changed.emit()

    def _fit(self) -> None:
        """Let conditions and channels be those that data set and checkpoint share, as far as they say."""
        card, found = self.checkpoints.card, self.found
        if card and found and not {self.conditions.source, self.conditions.target} <= set(found.fields):
            shared = [name for name in card.conditions if name in found.fields]
            ways = [(one, other) for one in shared for other in shared if one != other and other in card.targets]
            if ways:
                with QSignalBlocker(self.conditions):
                    self.conditions.choose(*ways[0])
        known = {name.casefold() for name in found.channels} if found else set()
        self._ask_channels([name for name in card.channels if name.casefold() not in known] if card and found else [])
        self.changed.emit()

    def _ask_channels(self, names: Iterable[str]) -> None:
        for box in self._channel_boxes.values():
            self._channel_rows.removeRow(box)
        self._channel_boxes = {}
        for name in names:
            box = narrow_box(f"Which channel of the images is what the checkpoint calls {name}.")
            box.addItem("choose a channel", None)
            for channel in self.found.channels if self.found else ():
                box.addItem(channel, channel)
            box.activated.connect(lambda _: self.changed.emit())
            self._channel_rows.add(name, box)
            self._channel_boxes[name] = box
        self._channels.setVisible(bool(self._channel_boxes))
