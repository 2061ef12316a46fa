"""What the translate dock looks like: its parts and where they stand, and nothing of what they do."""

from __future__ import annotations

from typing import TYPE_CHECKING

from qtpy.QtCore import Qt
from qtpy.QtWidgets import (
    QFrame,
    QHBoxLayout,
    QLineEdit,
    QProgressBar,
    QPushButton,
    QScrollArea,
    QVBoxLayout,
    QWidget,
)

from napari_phenotrans.widgets.common.checkpoint_chooser import CheckpointChooser
from napari_phenotrans.widgets.common.condition_chooser import ConditionChooser
from napari_phenotrans.widgets.common.device_chooser import DeviceChooser
from napari_phenotrans.widgets.common.dock import Dock
from napari_phenotrans.widgets.common.engine_form import EngineForm
from napari_phenotrans.widgets.common.form_layout import Form
from napari_phenotrans.widgets.common.notices import Notices, Question, wrapped_label
from napari_phenotrans.widgets.common.section import Section
from napari_phenotrans.widgets.translate.channel_chooser import ChannelChooser
from napari_phenotrans.widgets.translate.save_panel import KeepPanel
from napari_phenotrans.widgets.translate.scope import ScopeChooser
from napari_phenotrans.widgets.translate.trust_panel import TrustPanel
from napari_phenotrans.widgets.translate.view_bar import ViewBar

if TYPE_CHECKING:
    from napari import Viewer


class TranslateForm(Dock):
    """One scroll area with what can be chosen, and below it, always in sight, what is going on."""

    def __init__(self, viewer: Viewer) -> None:
        super().__init__()
        self.setObjectName("phenotrans_translate")
        self.open_button = QPushButton("Open images…")
        self.open_button.setToolTip("TIFF, OME-Zarr, PNG and more; or drop files anywhere on this dock.")
        self.hint = wrapped_label("or drop files here")
        self.hint.setToolTip("A dropped image is translated at once where its condition is known.")
        self.notices = Notices()
        self.channels = ChannelChooser(viewer)
        self.axes_edit = QLineEdit()
        self.axes_edit.setAcceptDrops(False)
        self.axes_edit.setMaxLength(6)
        self.axes_edit.setToolTip(
            "One letter per axis: T time, Z depth, C channel, Y and X. Change them where the guess is wrong."
        )
        self.axes_button = QPushButton("Apply")
        self.axes_button.setToolTip(
            "Read the image again with these axes; an axis C is split into one layer per channel."
        )
        self.checkpoints = CheckpointChooser()
        self.conditions = ConditionChooser()
        self.engine = EngineForm()
        self.scope = ScopeChooser()
        self.view_bar = ViewBar()
        self.trust_panel = TrustPanel()
        self.keep_panel = KeepPanel()
        self.devices = DeviceChooser()
        self.question = Question()
        self.translate_button = QPushButton("Translate")
        self.cancel_button = QPushButton("Cancel")
        self.cancel_button.setToolTip("Stop before the next tile; what is translated stays.")
        self.cancel_button.setEnabled(False)
        self.bar = QProgressBar()
        self.bar.setRange(0, 1000)
        self.bar.setTextVisible(False)
        policy = self.bar.sizePolicy()
        policy.setRetainSizeWhenHidden(True)
        self.bar.setSizePolicy(policy)
        self.bar.hide()
        self.bar.setToolTip("Tiles and planes translated.")
        self.status = wrapped_label()
        self.status.setToolTip("What the dock is doing, or what it needs.")

        inside = QWidget()
        column = QVBoxLayout(inside)
        column.setSpacing(8)
        opened = QHBoxLayout()
        opened.addWidget(self.open_button)
        opened.addWidget(self.hint, 1)
        column.addLayout(opened)
        column.addWidget(self.notices)
        column.addWidget(self.channels)
        axes = QHBoxLayout()
        axes.addWidget(self.axes_edit)
        axes.addWidget(self.axes_button)
        rows = Form()
        rows.add("Axes", axes, buddy=self.axes_edit)
        column.addLayout(rows)
        column.addWidget(_line())
        column.addWidget(self.checkpoints)
        column.addWidget(self.conditions)
        column.addWidget(self.engine)
        column.addWidget(self.scope)
        column.addWidget(_line())
        column.addWidget(self.view_bar)
        column.addWidget(_line())
        sections = (
            ("Trust", "What of the difference may be believed.", self.trust_panel),
            ("Keep", "Save layers, repeat this on the command line, translate a folder.", self.keep_panel),
            ("Device", "Where the networks run, how exactly, and what memory they hold.", self.devices),
            ("About the checkpoint", "What it is, and how good on images it never saw.", self.checkpoints.about),
        )
        self.sections = {title: Section(title, tooltip, key=f"translate {title}") for title, tooltip, _ in sections}
        for title, _, part in sections:
            self.sections[title].add(part)
            column.addWidget(self.sections[title])
        column.addStretch(1)
        area = QScrollArea()
        area.setWidget(inside)
        area.setWidgetResizable(True)
        area.setFrameShape(QFrame.Shape.NoFrame)
        area.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        whole = QVBoxLayout(self)
        whole.addWidget(area, 1)
        whole.addWidget(self.question)
        buttons = QHBoxLayout()
        buttons.addWidget(self.translate_button, 2)
        buttons.addWidget(self.cancel_button, 1)
        whole.addLayout(buttons)
        whole.addWidget(self.status)
        whole.addWidget(self.bar)
        self.setMinimumWidth(260)

    def say_busy(self, busy: bool) -> None:
        """Show that something is computed, or that nothing is."""
        self.cancel_button.setEnabled(busy)
        self.bar.setVisible(busy)
        self.translate_button.setText("Translate anew" if busy else "Translate")


def _line() -> QFrame:
    line = QFrame()
    line.setFrameShape(QFrame.Shape.HLine)
    line.setFrameShadow(QFrame.Shadow.Sunken)
    return line
