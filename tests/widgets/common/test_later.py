from __future__ import annotations

from typing import TYPE_CHECKING

from qtpy.QtCore import QEvent, QObject

from napari_phenotrans.widgets.common.later import later

if TYPE_CHECKING:
    from pytestqt.qtbot import QtBot
    from qtpy.QtWidgets import QApplication


def test_it_happens_later_and_not_where_its_owner_is_gone(qapp: QApplication, qtbot: QtBot) -> None:
    done: list[str] = []
    stays, goes = QObject(), QObject()
    later(stays, lambda: done.append("stays"), 1)
    later(goes, lambda: done.append("goes"), 1)
    goes.deleteLater()
    qapp.sendPostedEvents(goes, QEvent.Type.DeferredDelete)
    assert not done
    qtbot.waitUntil(lambda: bool(done), timeout=5000)
    qtbot.wait(20)
    assert done == ["stays"]
