"""*Can you tell?*: crops one by one, translated or real, and how many of them a person told right."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from qtpy.QtCore import Qt, Signal
from qtpy.QtGui import QImage, QKeyEvent, QPixmap
from qtpy.QtWidgets import QDialog, QLabel, QWidget

from napari_phenotrans.checkpoints.told_apart import describe_told, keep_told
from napari_phenotrans.core.errors import InputError
from napari_phenotrans.evaluation.blind import BlindTrial
from napari_phenotrans.widgets.common.form_parts import (
    as_panel,
    as_tooltip,
    in_column,
    in_row,
    plain_label,
    progress_bar,
    push_button,
    wrapped_label,
)

if TYPE_CHECKING:
    from napari_phenotrans.widgets.evaluate.jobs import CropsDrawn

WIDTH = 288  # pixels of the screen that a channel takes, or the next smaller multiple of a crop's side
QUESTION = "Is this crop real, or was it translated?"
KEYS: dict[int | None, bool] = {Qt.Key.Key_R: False, Qt.Key.Key_T: True}


class CanYouTell(QDialog):
    """A window that shows crops and takes answers, by buttons or by the keys R and T; Backspace takes one back.

    Parameters
    ----------
    drawn
        The crops, and where they come from: the share that was told right is kept beside the checkpoint.

    Signals
    -------
    told
        All crops were answered, and the result was kept. Of a trial that was left nothing is: who gives up where crops
        are hard to tell would seem better than they are.
    """

    told = Signal()

    def __init__(self, drawn: CropsDrawn, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setWindowTitle(f"Can you tell? {drawn.direction}")
        self.trial = BlindTrial(drawn.crops)
        self._drawn = drawn
        self.question = wrapped_label(QUESTION, "Half of the crops are translated; the order is random.")
        self.pictures = [QLabel() for _ in drawn.channels]
        columns = []
        for name, picture in zip(drawn.channels, self.pictures, strict=True):
            picture.setAccessibleName(name)
            picture.setToolTip(as_tooltip(f"{name}: one gray scale for all crops."))
            columns.append(as_panel(plain_label(name), picture))
        self.real_button = push_button("Real (R)", "A microscope saw it.")
        self.translated_button = push_button("Translated (T)", "An engine made it.")
        self.back_button = push_button("Back", "Answer the crop before once more (Backspace).")
        for button in (self.real_button, self.translated_button, self.back_button):
            # keys answer, whatever was clicked last
            button.setAutoDefault(False)
            button.setFocusPolicy(Qt.FocusPolicy.TabFocus)
        self.bar = progress_bar("Crops answered", "Crops answered, of all.")
        self.status = wrapped_label(tooltip="Which crop this is; at the end how many were told right.")
        self.real_button.clicked.connect(lambda _: self.answer(translated=False))
        self.translated_button.clicked.connect(lambda _: self.answer(translated=True))
        self.back_button.clicked.connect(lambda _: self.take_back())
        buttons = in_row(self.real_button, self.translated_button, self.back_button, stretch=(2, 2, 1))
        whole = in_column(self.question, in_row(*columns), buttons, self.bar, self.status, of=self)
        whole.setContentsMargins(12, 12, 12, 12)
        self._show()

    def answer(self, *, translated: bool) -> None:
        """Take the shown crop for translated, or for real, and show the next one."""
        if self.trial.done:
            return
        self.trial.answer(translated)
        self._show()
        if self.trial.done:
            self._finish()

    def take_back(self) -> None:
        """Show the crop before once more."""
        self.trial.take_back()
        self._show()

    def keyPressEvent(self, event: QKeyEvent | None) -> None:
        key = event.key() if event else None
        if key in KEYS:
            self.answer(translated=KEYS[key])
        elif key == Qt.Key.Key_Backspace:
            self.take_back()
        else:
            super().keyPressEvent(event)

    def _show(self) -> None:
        trial, crop = self.trial, self.trial.current
        count, answered = len(trial.crops), len(trial.answers)
        self.bar.setValue(round(1000 * answered / count))
        self.back_button.setEnabled(0 < answered < count)
        if crop is None:
            return
        self.status.setText(f"Crop {answered + 1} of {count}. Nothing is kept before the last one is answered.")
        for picture, plane in zip(self.pictures, crop.pixels, strict=True):
            picture.setPixmap(_pixmap(plane))

    def _finish(self) -> None:
        trial, drawn = self.trial, self._drawn
        for widget in (self.real_button, self.translated_button, self.back_button):
            widget.setEnabled(False)
        of_translated = [said for said, crop in zip(trial.answers, trial.crops, strict=True) if crop.translated]
        taken = f"You took {of_translated.count(False)} of {len(of_translated)} translated crops for real."
        try:
            told, path = keep_told(drawn.checkpoint, drawn.direction, trial.right, len(trial.crops), drawn.how)
        except InputError as error:
            self.question.setText(f"You told {trial.right} of {len(trial.crops)} right. {taken}")
            self.status.setText(f"Not kept: {error}")
            return
        self.question.setText(f"{describe_told(told)} {taken}")
        self.status.setText(f"Kept in {path}.")
        self.told.emit()


def _pixmap(plane: np.ndarray) -> QPixmap:
    """Return a plane (side, side) in [0, 1] as it is shown: whole pixels, enlarged without smoothing."""
    gray, side = np.round(255 * plane).astype(np.uint8).tobytes(), len(plane)
    image = QImage(gray, side, side, side, QImage.Format.Format_Grayscale8)
    enlarged = side * max(1, WIDTH // side)
    return QPixmap.fromImage(image).scaled(enlarged, enlarged)
