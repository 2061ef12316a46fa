"""The turn test as a part of a check in the dock."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.widgets.gestures import drop
from tests.widgets.translate.test_dock import WAIT_MS, wait_for

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from pytestqt.qtbot import QtBot

    from napari_phenotrans.widgets.translate.dock import TranslateDock


@pytest.mark.slow
def test_a_check_says_whether_the_same_upside_down_would_be_translated_alike(
    open_dock: Callable[..., TranslateDock], checkpoint: Path, well: Path, qtbot: QtBot
) -> None:
    dock = open_dock(checkpoint)
    drop(dock, well)
    wait_for(qtbot, dock, "translated in")
    panel = dock.trust_panel

    panel.check_requested.emit()
    wait_for(qtbot, dock, "checked DNA")
    assert not any("upside down" in text for text in panel.here.texts)

    panel.upside_down.setChecked(True)
    panel.check_requested.emit()
    qtbot.waitUntil(lambda: any("upside down" in text for text in panel.here.texts), timeout=WAIT_MS)
    (sentence,) = [text for text in panel.here.texts if "upside down" in text]
    # this engine adds a number everywhere: it cannot tell up from down
    assert sentence.startswith("The same upside down within, of the range: ") and "0 %" in sentence
