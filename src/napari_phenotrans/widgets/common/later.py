"""Doing something a moment later, for as long as whose it is exists."""

from __future__ import annotations

from typing import TYPE_CHECKING

from qtpy.QtCore import QTimer

if TYPE_CHECKING:
    from collections.abc import Callable

    from qtpy.QtCore import QObject


def later(owner: QObject, do: Callable[[], object], milliseconds: int = 0) -> None:
    """Call a function once the event loop is back, or later; never after ``owner`` is deleted.

    `QTimer.singleShot` would call a method of what PySide6 has deleted meanwhile, which is an error then.
    """
    timer = QTimer(owner)
    timer.setSingleShot(True)
    timer.timeout.connect(do)
    timer.timeout.connect(timer.deleteLater)
    timer.start(milliseconds)
