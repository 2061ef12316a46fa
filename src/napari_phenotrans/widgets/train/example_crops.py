"""Example crops of each condition, as an engine will see them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from qtpy.QtCore import QRectF, QSize, Qt, Signal
from qtpy.QtGui import QColor, QImage, QPainter, QPaintEvent, QPalette
from qtpy.QtWidgets import QWidget

from napari_phenotrans.io.display import GRAY, viewer_colors
from napari_phenotrans.widgets.common.form_parts import in_column, in_row, narrow_box, push_button, wrapped_label

if TYPE_CHECKING:
    from napari_phenotrans.training.example_crops import Examples

ACROSS = 4
GAP = 3
# Brightens what is drawn, as previews of a run are: limits leave room above the brightest pixel.
GAMMA = 0.6
ALL = "all channels"


class ExampleCrops(QWidget):
    """A few crops per condition, with a button for others.

    Signals
    -------
    more_requested
        All crops that were drawn have been shown.
    """

    more_requested = Signal()

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._examples: Examples | None = None
        self._page = 0
        self.caption = wrapped_label(tooltip="What the pictures show.")
        self.channel_box = narrow_box("Show all channels together, or one of them.")
        self.channel_box.setAccessibleName("Channels of the example crops")
        self.others_button = push_button("Others", "Show other crops.")
        self.sheet = Sheet()
        controls = in_row(self.channel_box, self.others_button, stretch=(1, 0))
        in_column(self.caption, controls, self.sheet, of=self)
        self.channel_box.activated.connect(lambda _: self._draw())
        self.others_button.clicked.connect(lambda _: self._show_others())
        self.clear()

    def clear(self) -> None:
        """Show nothing."""
        self._examples = None
        self.hide()

    def show_examples(self, examples: Examples, crop_size: str) -> None:
        """Show crops; ``crop_size`` says how large they are."""
        before = self.channel_box.currentText()
        self._examples, self._page = examples, 0
        self.channel_box.clear()
        self.channel_box.addItem(ALL, None)
        for number, name in enumerate(examples.channels):
            self.channel_box.addItem(name, number)
        self.channel_box.setCurrentIndex(max(0, self.channel_box.findText(before)))
        self.channel_box.setVisible(len(examples.channels) > 1)
        sentences = [f"Crops as the engine will see them: {crop_size}, turned and mirrored at random."]
        if examples.augmented:
            sentences.append("Below each, what the discriminators are shown of it: augmented.")
        empty = [f"{share:.0%} of {name}" for name, share in examples.rejected.items() if share >= 0.005]
        if empty:
            sentences.append(f"Drawn again because they held nothing but background: {', '.join(empty)}.")
        if not examples.all_fields:
            sentences.append(f"From {examples.fields} of the fields, with their intensity limits.")
        self.caption.setText(" ".join(sentences))
        self._draw()
        self.show()

    def _show_others(self) -> None:
        assert self._examples is not None
        self._page += 1
        if (self._page + 1) * ACROSS > min(map(len, self._examples.crops.values())):
            self.more_requested.emit()
        else:
            self._draw()

    def _draw(self) -> None:
        e = self._examples
        assert e is not None
        channel = self.channel_box.currentData()
        channels = range(len(e.channels)) if channel is None else [channel]
        usual = viewer_colors(e.channels, e.colors)
        colors = [usual[i] if len(channels) > 1 else GRAY for i in channels]
        rows = []
        for condition, crops in e.crops.items():
            shown = slice(self._page * ACROSS, (self._page + 1) * ACROSS)
            rows.append((condition, picture(crops[shown][:, channels], colors)))
            if condition in e.augmented:
                rows.append((f"{condition}, augmented", picture(e.augmented[condition][shown][:, channels], colors)))
        self.sheet.show_rows(rows)


class Sheet(QWidget):
    """Rows of pictures, each under its title, as wide as there is room."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._rows: list[tuple[str, list[QImage]]] = []
        self.setToolTip("Brightened for the eye; the engine sees what the histograms show.")
        self.setMinimumWidth(120)
        policy = self.sizePolicy()
        policy.setHeightForWidth(True)
        self.setSizePolicy(policy)

    @property
    def rows(self) -> list[str]:
        """The titles that are shown."""
        return [title for title, _ in self._rows]

    def show_rows(self, rows: list[tuple[str, np.ndarray]]) -> None:
        """Show rows of uint8 (n, h, w, 3) pictures."""
        self._rows = [(title, [_image(picture) for picture in pictures]) for title, pictures in rows]
        self.setAccessibleName("Example crops of " + ", ".join(self.rows))
        self.updateGeometry()
        self.update()

    def hasHeightForWidth(self) -> bool:
        return True

    def heightForWidth(self, a0: int) -> int:
        return round(len(self._rows) * (self._side(a0) + self._line + 2 * GAP))

    def sizeHint(self) -> QSize:
        return QSize(280, self.heightForWidth(280))

    def minimumSizeHint(self) -> QSize:
        return QSize(120, self.heightForWidth(max(120, self.width())))

    @property
    def _line(self) -> int:
        return self.fontMetrics().height()

    def _side(self, width: int) -> float:
        return (width - (ACROSS - 1) * GAP) / ACROSS

    def paintEvent(self, a0: QPaintEvent | None) -> None:
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.SmoothPixmapTransform)
        painter.setPen(self.palette().color(QPalette.ColorRole.WindowText))
        side, y = self._side(self.width()), 0.0
        for title, pictures in self._rows:
            painter.drawText(QRectF(0, y, self.width(), self._line), Qt.AlignmentFlag.AlignLeft, title)
            y += self._line + GAP
            for number, image in enumerate(pictures):
                painter.drawImage(QRectF(number * (side + GAP), y, side, side), image)
            y += side + GAP
        painter.end()


def picture(crops: np.ndarray, colors: list[str]) -> np.ndarray:
    """Add channels in their colors up.

    Parameters
    ----------
    crops
        Float (n, C, h, w) in about [-1, 1].
    colors
        One "#rrggbb" per channel.

    Returns
    -------
    uint8 (n, h, w, 3).
    """
    light = np.clip((crops + 1) / 2, 0, 1) ** GAMMA
    mixed = np.zeros((*crops.shape[:1], *crops.shape[2:], 3), np.float32)
    for number, color in enumerate(colors):
        parts = QColor(color)
        mixed += light[:, number, :, :, None] * np.array([parts.redF(), parts.greenF(), parts.blueF()], np.float32)
    return (255 * np.clip(mixed, 0, 1)).astype(np.uint8)


def _image(pixels: np.ndarray) -> QImage:
    height, width = pixels.shape[:2]
    held = np.ascontiguousarray(pixels)
    # copied: the image only borrows the array's memory
    return QImage(held.tobytes(), width, height, 3 * width, QImage.Format.Format_RGB888).copy()
