"""What each of the docks is: files can be dropped on it, and it ends when napari takes it out of its window."""

from __future__ import annotations

import gc
from pathlib import Path
from typing import TYPE_CHECKING

from qtpy.QtCore import QEvent, QTimer, Signal
from qtpy.QtWidgets import QWidget

if TYPE_CHECKING:
    from qtpy.QtGui import QDragEnterEvent, QDropEvent

# Until what napari drops together with a dock is gone.
COLLECT_AFTER_MS = 200


class Dock(QWidget):
    """What the user sees as a dock of the viewer.

    Signals
    -------
    dropped
        The paths of the files that were dropped, a list.
    """

    dropped = Signal(list)

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setAcceptDrops(True)

    def end(self) -> None:
        """Stop what runs and release what is held; called once, when the dock was closed."""
        raise NotImplementedError

    def dragEnterEvent(self, event: QDragEnterEvent | None) -> None:
        if event is not None and _paths(event):
            event.acceptProposedAction()

    def dropEvent(self, event: QDropEvent | None) -> None:
        if event is not None and (paths := _paths(event)):
            event.acceptProposedAction()
            self.dropped.emit(paths)

    def event(self, event: QEvent | None) -> bool:
        # napari takes the widget out of its dock when that is closed, and merely hides it otherwise
        if event is not None and event.type() == QEvent.Type.ParentChange and self.parent() is None:
            self.end()
            # Its parts refer to each other, so that the garbage collector has to find them, which runs in whatever
            # thread comes to it. Parts of a plot that are deleted outside the GUI's thread take the process with them.
            QTimer.singleShot(COLLECT_AFTER_MS, gc.collect)
        return super().event(event)


def _paths(event: QDropEvent | QDragEnterEvent) -> list[Path]:
    data = event.mimeData()
    return [Path(url.toLocalFile()) for url in data.urls() if url.isLocalFile()] if data else []
