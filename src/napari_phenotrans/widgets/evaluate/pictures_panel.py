"""What translated pictures are like: the gate's words on held-out fields and on these, and a button to try oneself."""

from __future__ import annotations

from typing import TYPE_CHECKING

from qtpy.QtWidgets import QWidget

from napari_phenotrans.widgets.common.form_parts import in_column, push_button
from napari_phenotrans.widgets.common.notices import PLAIN, Notices

if TYPE_CHECKING:
    from collections.abc import Sequence

    from napari_phenotrans.metrics.picture import Verdict

TELL = "Can you tell?"
ASK = "40 crops in random order, half of them translated, half real: you say which is which."


class PicturesPanel(QWidget):
    """Shows sentences about pictures, and has the button that opens *Can you tell?*."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.notices = Notices(kind=PLAIN)
        self.button = push_button(TELL, ASK)
        in_column(self.notices, self.button, of=self)

    def show_known(self, texts: Sequence[str]) -> None:
        """Show what is known of the checkpoint's pictures before anything is computed."""
        self.notices.say("known", texts)

    def show_verdicts(self, verdicts: Sequence[Verdict]) -> None:
        """Show what the picture gate says of the fields that were scored or reported; none hides it."""
        self.notices.say(
            "here", [f"On these fields, {each.direction}, {text}" for each in verdicts for text in each.sentences]
        )
