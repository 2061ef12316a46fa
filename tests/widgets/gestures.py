"""What a user does with mouse and keyboard, for tests of all docks."""

from __future__ import annotations

from typing import TYPE_CHECKING

from qtpy.QtCore import QMimeData, QPoint, QPointF, Qt, QUrl
from qtpy.QtGui import QDragEnterEvent, QDropEvent
from qtpy.QtWidgets import QApplication

if TYPE_CHECKING:
    from pathlib import Path

    from pytestqt.qtbot import QtBot
    from qtpy.QtWidgets import QAbstractButton

    from napari_phenotrans.widgets.common.dock import Dock


def click(qtbot: QtBot, button: QAbstractButton) -> None:
    """Click a button that can be clicked."""
    assert button.isEnabled(), button.text()
    qtbot.mouseClick(button, Qt.MouseButton.LeftButton)


def drop(dock: Dock, *paths: Path) -> None:
    """Drop files on a dock as a file manager does."""
    data = QMimeData()
    data.setUrls([QUrl.fromLocalFile(str(path)) for path in paths])
    how = Qt.DropAction.CopyAction, data, Qt.MouseButton.LeftButton, Qt.KeyboardModifier.NoModifier
    enter = QDragEnterEvent(QPoint(9, 9), *how)
    QApplication.sendEvent(dock, enter)
    assert enter.isAccepted()
    QApplication.sendEvent(dock, QDropEvent(QPointF(9, 9), *how))
