"""What the translate dock looks like: its parts and where they stand, and nothing of what they do."""

from __future__ import annotations

from typing import TYPE_CHECKING

from qtpy.QtCore import Qt
from qtpy.QtWidgets import (
    QCheckBox,
    QFrame,
    QHBoxLayout,
    QLabel,
    QLineEdit,
    QProgressBar,
    QPushButton,
    QScrollArea,
    QVBoxLayout,
    QWidget,
)

from napari_phenotrans.widgets.checkpoint_chooser import CheckpointChooser
from napari_phenotrans.widgets.choosers import ChannelChooser, ConditionChooser, Form, narrow_box
from napari_phenotrans.widgets.device_chooser import DeviceChooser
from napari_phenotrans.widgets.notices import Notices, Question, wrapped_label
from napari_phenotrans.widgets.opening import DropTarget

if TYPE_CHECKING:
    from napari import Viewer


class TranslateForm(DropTarget):
    """One scroll area with what can be chosen, and below it, always in sight, what is going on."""

    def __init__(self, viewer: Viewer) -> None:
        super().__init__()
        self.setObjectName("phenotrans_translate")
        self.open_button = QPushButton("Open images…")
        self.open_button.setToolTip("TIFF, OME-Zarr, PNG and more; or drop files anywhere on this dock.")
        self.hint = wrapped_label("or drop files here")
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
        self.devices = DeviceChooser()
        self.scope_box = narrow_box("Translate the plane that the viewer shows, or every plane of the image.")
        self.scope_box.addItem("Shown plane", "plane")
        self.scope_box.addItem("Whole image", "all")
        self.compare_box = QCheckBox("Side by side")
        self.compare_box.setChecked(True)
        self.compare_box.setToolTip(
            "Show real, translated and difference beside each other, one row per channel; other layers are hidden "
            "meanwhile."
        )
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
        column.setSpacing(10)
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
        rows.add("Axes", axes)
        column.addLayout(rows)
        column.addWidget(_line())
        column.addWidget(self.checkpoints)
        column.addWidget(self.conditions)
        column.addWidget(_line())
        column.addWidget(self.devices)
        rows = Form()
        rows.add("Scope", self.scope_box)
        rows.add("Compare", self.compare_box)
        column.addLayout(rows)
        column.addWidget(_line())
        column.addWidget(QLabel("About the checkpoint"))
        column.addWidget(self.checkpoints.about)
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
        """Show that a translation runs, or that none does."""
        self.cancel_button.setEnabled(busy)
        self.bar.setVisible(busy)
        self.translate_button.setText("Translate anew" if busy else "Translate")


def _line() -> QFrame:
    line = QFrame()
    line.setFrameShape(QFrame.Shape.HLine)
    line.setFrameShadow(QFrame.Shadow.Sunken)
    return line
