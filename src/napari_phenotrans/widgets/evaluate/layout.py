"""What the evaluate dock looks like: its parts and where they stand, and nothing of what they do."""

from __future__ import annotations

from qtpy.QtCore import Qt
from qtpy.QtWidgets import QFrame, QHBoxLayout, QProgressBar, QPushButton, QScrollArea, QVBoxLayout, QWidget

from napari_phenotrans.widgets.common.device_chooser import DeviceChooser
from napari_phenotrans.widgets.common.dock import Dock
from napari_phenotrans.widgets.common.notices import Notices, wrapped_label
from napari_phenotrans.widgets.common.section import Section
from napari_phenotrans.widgets.evaluate.data_panel import EvaluateData
from napari_phenotrans.widgets.evaluate.scores_panel import ScoresPanel


class EvaluateForm(Dock):
    """One scroll area with data, report and scores, and below it, always in sight, what is going on."""

    def __init__(self) -> None:
        super().__init__()
        self.setObjectName("phenotrans_evaluate")
        self.notices = Notices()
        self.data = EvaluateData()
        self.in_short = Notices()
        self.effects_place = QVBoxLayout()
        self.open_button = QPushButton("Open the report")
        self.open_button.setToolTip("The whole report as one page, in the browser; it can be printed and sent.")
        self.leave_button = QPushButton("Leave the view")
        self.leave_button.setToolTip("Take the ring away and show the viewer as it was; opened fields stay.")
        self.read_first, self.limits = Notices(), Notices()
        self.scores = ScoresPanel()
        self.devices = DeviceChooser()
        self.run_button = QPushButton("Make the report")
        self.cancel_button = QPushButton("Cancel")
        self.cancel_button.setToolTip(
            "Stop before the next tile or plane; what was measured is kept for the next time."
        )
        self.bar = QProgressBar()
        self.bar.setRange(0, 1000)
        self.bar.setTextVisible(False)
        self.bar.setAccessibleName("Progress")
        self.bar.setToolTip("Fields read, translated and measured.")
        policy = self.bar.sizePolicy()
        policy.setRetainSizeWhenHidden(True)
        self.bar.setSizePolicy(policy)
        self.status = wrapped_label()
        self.status.setToolTip("What the dock is doing, or what it needs.")

        self.report = QWidget()
        found = QVBoxLayout(self.report)
        found.setContentsMargins(0, 0, 0, 0)
        found.addWidget(self.in_short)
        buttons = QHBoxLayout()
        buttons.addWidget(self.open_button)
        buttons.addWidget(self.leave_button)
        found.addLayout(buttons)
        found.addLayout(self.effects_place)

        inside = QWidget()
        column = QVBoxLayout(inside)
        column.setSpacing(8)
        sections = (
            ("Data", "What to evaluate.", self.data, True),
            ("Read first", "What makes these numbers mean less than they seem to.", self.read_first, True),
            ("Report", "What differs between the conditions, and what of it the engine shows.", self.report, True),
            ("What the data cannot tell", "Limits of this report.", self.limits, True),
            (
                "Scores",
                "How far translated images are from real ones, beside floor and copy source.",
                self.scores,
                True,
            ),
            ("Device", "Where the networks run, and how exactly.", self.devices, False),
            ("About the checkpoint", "What it is, and its scores.", self.data.checkpoints.about, False),
        )
        self.sections = {
            title: Section(title, tooltip, key=f"evaluate {title}", opened=opened)
            for title, tooltip, _, opened in sections
        }
        for title, _, part, _ in sections:
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
        below = QHBoxLayout()
        below.addWidget(self.run_button, 2)
        below.addWidget(self.cancel_button, 1)
        whole.addLayout(below)
        whole.addWidget(self.status)
        whole.addWidget(self.bar)
        self.setMinimumWidth(260)
        self.show_found(False)
        self.say_busy(False)

    def say_busy(self, busy: bool) -> None:
        """Show that something is computed, or that nothing is."""
        self.cancel_button.setEnabled(busy)
        self.bar.setVisible(busy)
        if busy:
            self.bar.setValue(0)

    def show_found(self, found: bool) -> None:
        """Show the parts that a report fills, or hide them."""
        for title in ("Read first", "Report", "What the data cannot tell"):
            self.sections[title].setVisible(found)
