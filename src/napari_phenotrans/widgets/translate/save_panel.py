"""The part of the dock that keeps results: saving, the command that makes them again, and a whole folder."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from qtpy.QtCore import Signal
from qtpy.QtGui import QGuiApplication
from qtpy.QtWidgets import QFileDialog, QHBoxLayout, QPushButton, QVBoxLayout, QWidget

from napari_phenotrans.widgets.common.form_layout import narrow_box
from napari_phenotrans.widgets.common.notices import Question, wrapped_label
from napari_phenotrans.widgets.translate.batch_panel import FolderPanel
from napari_phenotrans.widgets.translate.save_job import FORMATS

if TYPE_CHECKING:
    from collections.abc import Sequence

SAVE = "Save real, translated and difference, each to a file of its own, with how they were made."
COPY = "Copy the phenotrans translate command that makes this translation again, with the same pixels."
REPLACE, LEAVE = "Replace them", "Keep them"


class KeepPanel(QWidget):
    """Save…, Copy command and Translate a folder…; says what is wanted and shows what it is told.

    Signals
    -------
    save_requested
        A folder, the suffix of the format (see `save_job.FORMATS`) and whether files may be replaced.
    copy_requested
        The command is wanted; answer with `copy` or `say`.
    batch_requested
        Files, the folder for their results, and further arguments of `batch.translate_files`, a dictionary.
    open_requested
        The `FileDone` of a file whose results are to be shown.
    cancel_requested
        Saving, or translating the folder, is to stop.
    """

    save_requested = Signal(object, str, bool)
    copy_requested = Signal()
    batch_requested = Signal(list, object, dict)
    open_requested = Signal(object)
    cancel_requested = Signal()

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setObjectName("phenotrans_keep")
        self._ready, self._busy, self._why = False, False, ""
        self._asked: tuple[Path, str] | None = None
        #: Where the dialogs begin.
        self.start_in = ""
        self.format_box = narrow_box(
            "OME-TIFF is one file that most programs open; OME-Zarr, a folder, suits large images."
        )
        for name, suffix in FORMATS.items():
            self.format_box.addItem(name, suffix)
        self.save_button = QPushButton("Save…")
        self.copy_button = QPushButton("Copy command")
        self.cancel_button = QPushButton("Cancel")
        self.cancel_button.setToolTip("Stop saving; files that are complete stay, no half file is left.")
        self.cancel_button.hide()
        self.question = Question()
        self.said = wrapped_label()
        self.said.setToolTip("What became of saving and copying.")
        self.said.hide()
        self.folder = FolderPanel()

        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        row = QHBoxLayout()
        row.addWidget(self.save_button, 1)
        row.addWidget(self.format_box, 1)
        row.addWidget(self.cancel_button, 1)
        column.addLayout(row)
        column.addWidget(self.copy_button)
        column.addWidget(self.question)
        column.addWidget(self.said)
        column.addWidget(self.folder)

        self.save_button.clicked.connect(lambda _: self._choose_folder())
        self.copy_button.clicked.connect(lambda _: self.copy_requested.emit())
        self.cancel_button.clicked.connect(lambda _: self.cancel_requested.emit())
        self.question.answered.connect(self._on_answered)
        self.folder.batch_requested.connect(self.batch_requested)
        self.folder.open_requested.connect(self.open_requested)
        self.folder.cancel_requested.connect(self.cancel_requested)
        self.set_ready(False, "Translate something first.")

    # ---- what the dock tells

    def set_ready(self, ready: bool, why: str = "") -> None:
        """Say whether there is something to save; ``why`` not, in words."""
        self._ready, self._why = ready, why
        self._update()

    def set_folder_ready(self, ready: bool, why: str = "") -> None:
        """Say whether a folder can be translated, that is, whether checkpoint and conditions are chosen."""
        self.folder.set_ready(ready, why)

    def set_busy(self, busy: bool, share: float | None = None) -> None:
        """Show that files are being saved, and how much of it is done, from 0 to 1."""
        self._busy = busy
        if busy:
            self.say("saving…" if share is None else f"saving… {share:.0%}")
        self._update()

    def say(self, text: str) -> None:
        """Say what became of it; nothing takes back what was said."""
        self.said.setText(text)
        self.said.setVisible(bool(text))

    def ask_to_replace(self, folder: Path, suffix: str, existing: Sequence[Path]) -> None:
        """Ask whether files may be replaced; asks for saving once more where the answer is yes."""
        self._asked = folder, suffix
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

    def offer_saving(self, why: str) -> None:
        """Say why there is no command, where saving first helps."""
        self.say(f"{why} Press Save… first: the command is then made for the saved image.")
        self.save_button.setFocus()

    def show_event(self, event: Any) -> None:
        """Show an event of `batch_job.TranslateFolder`."""
        self.folder.show_event(event)

    def end_batch(self, problem: str = "") -> None:
        """Show that no folder is being translated any more; ``problem`` is what stopped it, if anything did."""
        self.folder.end(problem)

    # ---- what the user does

    def _choose_folder(self) -> None:
        chosen = QFileDialog.getExistingDirectory(self, "Save real, translated and difference in", self.start_in)
        if chosen:
            self.question.hide()
            self.start_in = chosen
            self.save_requested.emit(Path(chosen), self.format_box.currentData(), False)

    def _on_answered(self, answer: str) -> None:
        assert self._asked is not None
        if answer == REPLACE:
            self.save_requested.emit(*self._asked, True)
        else:
            self.say("Nothing was saved.")

    def _update(self) -> None:
        for button, tooltip in ((self.save_button, SAVE), (self.copy_button, COPY)):
            button.setEnabled(self._ready and not self._busy)
            button.setToolTip(tooltip if self._ready else f"{tooltip} {self._why}".strip())
        self.format_box.setVisible(not self._busy)
        self.cancel_button.setVisible(self._busy)
