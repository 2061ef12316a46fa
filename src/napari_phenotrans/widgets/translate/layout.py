"""What the translate dock looks like: its parts and where they stand, and nothing of what they do."""

from __future__ import annotations

from typing import TYPE_CHECKING

from qtpy.QtWidgets import QLineEdit

from napari_phenotrans.widgets.common.checkpoint_chooser import CheckpointChooser
from napari_phenotrans.widgets.common.condition_chooser import ConditionChooser
from napari_phenotrans.widgets.common.device_chooser import DeviceChooser
from napari_phenotrans.widgets.common.dock import Dock
from napari_phenotrans.widgets.common.engine_form import EngineForm
from napari_phenotrans.widgets.common.form_parts import Form, in_row, plain_label, push_button, separator, wrapped_label
from napari_phenotrans.widgets.common.notices import Question
from napari_phenotrans.widgets.common.settings_form import NumberBox, wheel_where_focused
from napari_phenotrans.widgets.translate.answers_form import AnswersForm
from napari_phenotrans.widgets.translate.channel_chooser import ChannelChooser
from napari_phenotrans.widgets.translate.save_panel import SavePanel
from napari_phenotrans.widgets.translate.scope import ScopeChooser
from napari_phenotrans.widgets.translate.trust_panel import TrustPanel
from napari_phenotrans.widgets.translate.view_bar import ViewBar

if TYPE_CHECKING:
    from napari import Viewer


# Wider than any pixel of a light microscope, and than the field of view of most.
MOST_UM = 1000.0


class TranslateForm(Dock):
    """Image, checkpoint, what is shown of the translation, and sections for what is wanted less often."""

    failed_status = "not translated"

    def __init__(self, viewer: Viewer) -> None:
        super().__init__(
            viewer,
            "translate",
            start="Translate",
            cancel_tooltip="Stop before the next tile; what is translated stays.",
            bar_tooltip="Tiles and planes translated.",
        )
        # ---- the image
        self.open_button = push_button(
            "Open images…", "TIFF, OME-Zarr, PNG and more; or drop files anywhere on this dock."
        )
        hint = wrapped_label(
            "or drop files here", "A dropped image is translated at once where its condition is known."
        )
        self.channels = ChannelChooser(viewer)
        self.axes_edit = QLineEdit()
        self.axes_edit.setAcceptDrops(False)
        self.axes_edit.setMaxLength(6)
        self.axes_edit.setToolTip(
            "One letter per axis: T time, Z depth, C channel, Y and X. Change them where the guess is wrong."
        )
        self.axes_button = push_button(
            "Apply", "Read the image again with these axes; an axis C is split into one layer per channel."
        )
        self.size_box = NumberBox()
        self.size_box.setRange(0, MOST_UM)
        self.size_box.setSpecialValueText("unknown")
        self.size_box.setKeyboardTracking(False)
        self.size_box.setToolTip(
            "How wide a pixel is, in micrometers: the image does not say it. Cells are resampled to the size that "
            "training saw."
        )
        wheel_where_focused(self.size_box)
        self.reading = Form()
        self.reading.add("Axes", in_row(self.axes_edit, self.axes_button), buddy=self.axes_edit)
        self.size_row = in_row(self.size_box, plain_label("µm"), stretch=(1, 0))
        self.reading.add("Pixel size", self.size_row, buddy=self.size_box)
        opening = in_row(self.open_button, hint, stretch=(0, 1))
        self.add(opening, self.channels.image_part, self.reading, separator())

        # ---- its translation
        self.checkpoints = CheckpointChooser(families=True)
        self.conditions = ConditionChooser()
        self.engine = EngineForm()
        self.answers = AnswersForm()
        self.scope = ScopeChooser()
        self.view_bar = ViewBar()
        choices = (self.checkpoints, self.channels, self.conditions, self.engine, self.answers, self.scope)
        self.add(*choices, separator(), self.view_bar, separator())

        # ---- what is wanted less often
        self.trust_panel = TrustPanel()
        self.save_panel = SavePanel()
        self.devices = DeviceChooser()
        self.add_section("Trust", "What of the difference may be believed.", self.trust_panel)
        self.add_section("Keep", "Save layers, repeat this on the command line, translate a folder.", self.save_panel)
        self.add_section("Device", "Where the networks run, how exactly, and what memory they hold.", self.devices)
        self.add_section(
            "About the checkpoint", "What it is, and how good on images it never saw.", self.checkpoints.about
        )
        self.question = Question()
        self.train_button = push_button(
            "Train one on images like this…",
            "Open the Train dock with this image's folder, where it holds the other conditions too; else the image is "
            "put where a data set is made.",
        )
        self.train_button.hide()
        self.lay_out(self.question, self.train_button)

    def show_busy(self, busy: bool) -> None:
        super().show_busy(busy)
        if not busy:
            self.start_button.setText("Translate")
