"""Saving results, copying the command that makes them again, and translating a folder: the form."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from qtpy.QtCore import Signal
from qtpy.QtGui import QGuiApplication
from qtpy.QtWidgets import QFileDialog, QWidget

from napari_phenotrans.widgets.common.form_parts import in_column, in_row, narrow_box, push_button, wrapped_label
from napari_phenotrans.widgets.common.notices import Question
from napari_phenotrans.widgets.translate.folder_panel import FolderPanel
from napari_phenotrans.widgets.translate.save_job import TITLES

if TYPE_CHECKING:
    from collections.abc import Sequence

SAVE = (
    "Save real, translated and difference as one folder of files, with how they were made and shown. Dropped on the "
    "viewer, it shows the comparison again."
)
COPY = "Copy the phenotrans translate command that makes this translation again, with the same pixels."
REPLACE, LEAVE = "Replace them", "Keep them"


class SavePanel(QWidget):
    """Buttons for saving, copying the command and translating a folder; what they do is the `SaveController`'s.

    Signals
    -------
    save_requested
        A folder, one of `napari_phenotrans.io.FORMATS`, and whether what is there may be replaced.
    copy_requested
        The command is to be copied; answered with `copy` or `offer_saving`.
    cancel_requested
        Saving is to stop.
    """

    save_requested = Signal(object, str, bool)
    copy_requested = Signal()
    cancel_requested = Signal()

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setObjectName("phenotrans_keep")
        self._ready, self._busy, self._reason = False, False, ""
        # folder and format of what is to be replaced, as is asked
        self._to_replace: tuple[Path, str] | None = None
        #: Where the dialogs begin.
        self.start_in = ""
        self.format_box = narrow_box(
            "OME-TIFF opens in most programs; OME-Zarr suits large images, and 0.5 is its newest version; ImageJ TIFF "
            "opens in ImageJ and Fiji as one hyperstack, in colors."
        )
        for name, key in TITLES.items():
            self.format_box.addItem(name, key)
        self.save_button = push_button("Save…")
        self.copy_button = push_button("Copy command")
        self.cancel_button = push_button("Cancel", "Stop saving; nothing half is left.")
        self.cancel_button.hide()
        self.question = Question()
        self.status = wrapped_label(tooltip="What became of saving and copying.")
        self.status.hide()
        self.folder = FolderPanel()
        buttons = in_row(self.save_button, self.format_box, self.cancel_button, stretch=(1, 1, 1))
        in_column(buttons, self.copy_button, self.question, self.status, self.folder, of=self)

        self.save_button.clicked.connect(lambda _: self._choose_folder())
        self.copy_button.clicked.connect(lambda _: self.copy_requested.emit())
        self.cancel_button.clicked.connect(lambda _: self.cancel_requested.emit())
        self.question.answered.connect(self._on_answered)
        self.set_ready(False, "Translate something first.")

    # ---- what the dock tells

    def set_ready(self, ready: bool, reason: str = "") -> None:
        """Let results be saved, or give the reason why there are none."""
        self._ready, self._reason = ready, reason
        self._update()

    def set_busy(self, busy: bool, share: float | None = None) -> None:
        """Show that files are being saved, and how much of it is done, from 0 to 1."""
        self._busy = busy
        if busy:
            self.say("saving…" if share is None else f"saving… {share:.0%}")
        self._update()

    def say(self, text: str) -> None:
        """Show what became of saving or copying; an empty text hides it."""
        self.status.setText(text)
        self.status.setVisible(bool(text))

    def ask_to_replace(self, folder: Path, format: str, existing: Sequence[Path]) -> None:
        """Ask whether files may be replaced; asks for saving once more where the answer is yes."""
        self._to_replace = folder, format
        self.say("")
        self.question.ask(
            f"{folder} holds {', '.join(path.name for path in existing)} already. Replace "
            f"{'it' if len(existing) == 1 else 'them'}?",
            [REPLACE, LEAVE],
            "Replacing cannot be undone.",
        )
        self.question.buttons[LEAVE].setFocus()

    def copy(self, command: str) -> None:
        """Put a command, or several lines of them, on the clipboard."""
        clipboard = QGuiApplication.clipboard()
        assert clipboard is not None
        clipboard.setText(command)
        lines = command.count("\n") + 1
        self.say("copied" if lines == 1 else f"copied {lines} commands: what is translated was translated in parts")

    def offer_saving(self, reason: str) -> None:
        """Show why there is no command, where saving first helps."""
        self.say(f"{reason} Press Save… first: the command is then made for the saved image.")
        self.save_button.setFocus()

    # ---- what the user does

    def _choose_folder(self) -> None:
        folder = QFileDialog.getExistingDirectory(self, "Save the comparison as a folder in", self.start_in)
        if folder:
            self.question.hide()
            self.start_in = folder
            self.save_requested.emit(Path(folder), self.format_box.currentData(), False)

    def _on_answered(self, answer: str) -> None:
        assert self._to_replace is not None
        if answer == REPLACE:
            self.save_requested.emit(*self._to_replace, True)
        else:
            self.say("Nothing was saved.")

    def _update(self) -> None:
        for button, tooltip in ((self.save_button, SAVE), (self.copy_button, COPY)):
            button.setEnabled(self._ready and not self._busy)
            button.setToolTip(tooltip if self._ready else f"{tooltip} {self._reason}".strip())
        self.format_box.setVisible(not self._busy)
        self.cancel_button.setVisible(self._busy)
