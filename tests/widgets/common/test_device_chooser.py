from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from qtpy.QtCore import Qt

from napari_phenotrans.widgets.common.device_chooser import DeviceChooser

if TYPE_CHECKING:
    from pytestqt.qtbot import QtBot

FOUND = {"auto": "cuda:0 (a GPU)", "cuda:0": "cuda:0 (a GPU)", "cpu": "cpu (2 threads)"}


@pytest.fixture
def chooser(qtbot: QtBot) -> DeviceChooser:
    made = DeviceChooser(load_devices=lambda: FOUND)
    qtbot.addWidget(made)
    made.show()
    return made


@pytest.mark.parametrize(
    ("wanted", "device"), [("auto", "auto"), ("cuda", "cuda:0"), ("cuda:0", "cuda:0"), ("cpu", "cpu"), ("mps", "auto")]
)
def test_a_preferred_device_is_chosen_once_it_is_known(
    wanted: str, device: str, chooser: DeviceChooser, qtbot: QtBot
) -> None:
    chooser.choose(wanted, "fp32")
    assert chooser.device == "auto"
    qtbot.waitUntil(lambda: chooser.loaded)
    assert chooser.device == device
    assert chooser.line.text() == f"runs on {FOUND[device]}"
    assert chooser.precision == "fp32"


def test_precision_and_unloading(chooser: DeviceChooser, qtbot: QtBot) -> None:
    assert chooser.precision == "auto"
    with qtbot.waitSignal(chooser.unload_requested):
        qtbot.mouseClick(chooser.unload_button, Qt.MouseButton.LeftButton)
    with qtbot.waitSignal(chooser.changed):
        chooser.precision_box.setFocus()
        qtbot.keyClick(chooser.precision_box, Qt.Key.Key_Down)
    assert chooser.precision == "fp32"
    assert chooser.precision_box.currentText() == "Exact (fp32)"
    assert all(w.toolTip() for w in (chooser.box, chooser.precision_box, chooser.unload_button))


def test_the_free_memory_of_the_device_that_runs_is_said(qtbot: QtBot) -> None:
    free = {"auto": "3.0 of 8.0 GB free", "cpu": "20.0 of 32.0 GB free"}
    made = DeviceChooser(load_devices=lambda: FOUND, memory=free.__getitem__)
    qtbot.addWidget(made)
    qtbot.waitUntil(lambda: made.line.text() == "runs on cuda:0 (a GPU), 3.0 of 8.0 GB free")
    # a translation took some
    free["auto"] = "1.0 of 8.0 GB free"
    made.update_memory()
    qtbot.waitUntil(lambda: made.line.text() == "runs on cuda:0 (a GPU), 1.0 of 8.0 GB free")
    made.box.setCurrentIndex(made.box.findData("cpu"))
    made.box.activated.emit(made.box.currentIndex())
    qtbot.waitUntil(lambda: made.line.text() == "runs on cpu (2 threads), 20.0 of 32.0 GB free")
    # a device that does not tell
    made.box.setCurrentIndex(made.box.findData("cuda:0"))
    made.box.activated.emit(made.box.currentIndex())
    qtbot.waitUntil(lambda: not made._timer.isActive())
    assert made.line.text() == "runs on cuda:0 (a GPU)"
