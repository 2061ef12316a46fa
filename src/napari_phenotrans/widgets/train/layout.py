"""What the training dock looks like: its parts and where they stand, and nothing of what they do."""

from __future__ import annotations

from typing import TYPE_CHECKING

from qtpy.QtCore import Qt
from qtpy.QtWidgets import (
    QFrame,
    QHBoxLayout,
    QProgressBar,
    QPushButton,
    QScrollArea,
    QVBoxLayout,
    QWidget,
)

from napari_phenotrans.widgets.common.dock import Dock
from napari_phenotrans.widgets.common.notices import Notices, wrapped_label
from napari_phenotrans.widgets.common.section import Section
from napari_phenotrans.widgets.runs.runs_panel import RunsPanel
from napari_phenotrans.widgets.train.check_table import CheckTable
from napari_phenotrans.widgets.train.data_panel import DataPanel
from napari_phenotrans.widgets.train.example_crops import ExampleCrops
from napari_phenotrans.widgets.train.run_place import RunPlace
from napari_phenotrans.widgets.train.settings_panel import TrainingSettingsPanel

if TYPE_CHECKING:
    from napari import Viewer


class TrainingForm(Dock):
    """One scroll area with data, check, settings and runs, and below it, always in sight, what is going on."""

    def __init__(self, viewer: Viewer) -> None:
        super().__init__()
        self.setObjectName("phenotrans_train")
        self.notices = Notices()
        self.data = DataPanel(viewer)
        self.check_button = QPushButton("Check the images")
        self.check_button.setToolTip(
            "Read every field once: list all that speaks against training on them, and show example crops."
        )
        self.report = CheckTable()
        self.examples = ExampleCrops()
        self.settings = TrainingSettingsPanel()
        self.place = RunPlace()
        self.copy_button = QPushButton("Copy command")
        self.copy_button.setToolTip(
            "Copy the phenotrans train command that Start runs, for a shell or another computer: the dock watches its "
            "run folder just as well."
        )
        self.runs = RunsPanel(viewer)
        self.start_button = QPushButton("Start training")
        self.cancel_button = QPushButton("Cancel")
        self.cancel_button.setToolTip("Stop checking, writing or estimating. A training is stopped among the runs.")
        self.bar = QProgressBar()
        self.bar.setRange(0, 1000)
        self.bar.setTextVisible(False)
        policy = self.bar.sizePolicy()
        policy.setRetainSizeWhenHidden(True)
        self.bar.setSizePolicy(policy)
        self.bar.setToolTip("Fields read or written.")
        self.status = wrapped_label()
        self.status.setToolTip("What the dock is doing, or what it needs.")

        check = QWidget()
        checked = QVBoxLayout(check)
        checked.setContentsMargins(0, 0, 0, 0)
        checked.addWidget(self.check_button)
        checked.addWidget(self.report)
        checked.addWidget(self.examples)
        how = QWidget()
        settings = QVBoxLayout(how)
        settings.setContentsMargins(0, 0, 0, 0)
        settings.addWidget(self.settings)
        settings.addWidget(self.place)
        settings.addWidget(self.copy_button)

        inside = QWidget()
        column = QVBoxLayout(inside)
        column.setSpacing(8)
        sections = (
            ("Data", "What to train on.", self.data),
            ("Check", "Whether the images are fit to train on, and what of them an engine will see.", check),
            ("Settings", "What learns, how long, and what it costs.", how),
            ("Runs", "Trainings that go on, here or elsewhere, and those that ended.", self.runs),
        )
        self.sections = {
            title: Section(title, tooltip, key=f"train {title}", opened=True) for title, tooltip, _ in sections
        }
        for title, _, part in sections:
            self.sections[title].add(part)
            column.addWidget(self.sections[title])
        column.addStretch(1)
        self.area = QScrollArea()
        self.area.setWidget(inside)
        self.area.setWidgetResizable(True)
        self.area.setFrameShape(QFrame.Shape.NoFrame)
        self.area.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        whole = QVBoxLayout(self)
        whole.addWidget(self.area, 1)
        # what is wrong is said where it is asked for, however far the rest is scrolled
        whole.addWidget(self.notices)
        buttons = QHBoxLayout()
        buttons.addWidget(self.start_button, 2)
        buttons.addWidget(self.cancel_button, 1)
        whole.addLayout(buttons)
        whole.addWidget(self.status)
        whole.addWidget(self.bar)
        self.setMinimumWidth(260)
        self.say_busy(False)

    def say_busy(self, busy: bool) -> None:
        """Show that something is checked, written or estimated, or that nothing is."""
        self.cancel_button.setEnabled(busy)
        self.bar.setVisible(busy)
        if busy:
            self.bar.setValue(0)
