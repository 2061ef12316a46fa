"""What the evaluate dock looks like: its parts and where they stand, and nothing of what they do."""

from __future__ import annotations

from typing import TYPE_CHECKING

from napari_phenotrans.widgets.common.device_chooser import DeviceChooser
from napari_phenotrans.widgets.common.dock import Dock
from napari_phenotrans.widgets.common.form_parts import as_panel, in_column, in_row, push_button, wrapped_label
from napari_phenotrans.widgets.common.notices import PLAIN, Notices
from napari_phenotrans.widgets.evaluate.data_panel import EvaluationDataPanel
from napari_phenotrans.widgets.evaluate.pictures_panel import PicturesPanel
from napari_phenotrans.widgets.evaluate.scores_panel import ScoresPanel

if TYPE_CHECKING:
    from napari import Viewer


class EvaluateForm(Dock):
    """Sections for the data, the report, the scores, and what is wanted less often."""

    def __init__(self, viewer: Viewer) -> None:
        super().__init__(
            viewer,
            "evaluate",
            start="Make the report",
            cancel_tooltip="Stop before the next tile or plane; what was measured is kept for the next time.",
            bar_tooltip="Fields read, translated and measured.",
        )
        self.data = EvaluationDataPanel()
        self.answer = wrapped_label(tooltip="What the report comes to; all of it stands below, and on its page.")
        self.answer.setStyleSheet("QLabel { font-weight: bold; }")
        self.read_first, self.limits = Notices(), Notices(kind=PLAIN)
        # what repeats and a control say stands beside the answer, and the rest is folded
        self.believed, self.in_short = Notices(kind=PLAIN), Notices(kind=PLAIN, shown=0)
        self.open_button = push_button(
            "Open the report", "The whole report as one page, in the browser; it can be printed and sent."
        )
        self.leave_button = push_button(
            "Leave the view", "Take the ring away and show the viewer as it was; opened fields stay."
        )
        #: Where the panel of effects will stand, which is made with the first report.
        self.effects_column = in_column()
        self.scores = ScoresPanel()
        self.pictures = PicturesPanel()
        self.devices = DeviceChooser()
        buttons = in_row(self.open_button, self.leave_button)
        report = as_panel(self.answer, self.believed, self.in_short, buttons, self.effects_column)
        for title, tooltip, part in (
            ("Data", "What to evaluate.", self.data),
            ("Report", "What differs between the conditions, and what of it the engine shows.", report),
            ("Read first", "What makes these numbers mean less than they seem to.", self.read_first),
            ("What the data cannot tell", "Limits of this report.", self.limits),
            ("Pictures", "What translated pictures are like, and whether you can tell them.", self.pictures),
            (
                "Scores",
                "How far translated images are from real ones, and what doing nothing scores.",
                self.scores,
            ),
        ):
            self.add_section(title, tooltip, part, opened=True)
        self.add_section("Device", "Where the networks run, and how exactly.", self.devices)
        self.add_section("About the checkpoint", "What it is, and its scores.", self.data.checkpoints.about)
        self.lay_out()
        self.show_report_sections(False)

    def show_report_sections(self, shown: bool) -> None:
        """Show the parts that a report fills, or hide them."""
        for title in ("Read first", "Report", "What the data cannot tell"):
            self.sections[title].setVisible(shown)
