"""A biologist's first hour, through the docks alone: from a sample image to an engine that was trained and is used."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest
from qtpy.QtCore import Qt
from qtpy.QtWidgets import QAbstractSpinBox, QComboBox, QFileDialog, QWidget

from napari_phenotrans.dataset.synthetic import write_dataset
from napari_phenotrans.runs import launch
from napari_phenotrans.widgets.translate.view_bar import HELD_RESULT
from napari_phenotrans.widgets.viewer.layers import info, role
from tests.widgets.gestures import click, drop

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from napari import Viewer
    from pytestqt.qtbot import QtBot

    from napari_phenotrans.widgets.common.dock import Dock

WAIT_MS = 240_000
# Two bundled engines of one pass, which translate the sample in seconds.
FIRST, SECOND = "synthetic-organoids-cyclegan", "synthetic-organoids-scgan"
# A look at a few steps, whatever it shows; made tiny under More, as a user may.
TINY = {"steps": 2, "width": 8, "blocks": 1, "crop": 32, "batch": 1, "save_every": 1, "score_every": 2}


class Hour:
    """A napari with the plugin, and the user before it."""

    def __init__(self, viewer: Viewer, qtbot: QtBot) -> None:
        self.viewer, self.qtbot = viewer, qtbot

    def open(self, dock: str) -> Dock:
        """Open a dock by napari's menu."""
        return self.viewer.window.add_plugin_dock_widget("napari-phenotrans", dock)[1]

    def choose(self, box: QComboBox, data: object) -> None:
        """Choose an entry of a box."""
        place = box.findData(data)
        assert place >= 0, [box.itemText(index) for index in range(box.count())]
        box.setCurrentIndex(place)
        box.activated.emit(place)

    def wait(self, dock: Dock, *words: str) -> None:
        """Wait until a dock has nothing more to do and says one of these."""

        def there() -> None:
            assert not dock.busy
            assert dock.status.text().startswith(words), (dock.status.text(), dock.notices.texts)

        self.qtbot.waitUntil(there, timeout=WAIT_MS)

    def type_into(self, field: QWidget, value: object) -> None:
        """Type a number into a field."""
        assert isinstance(field, QAbstractSpinBox)
        field.selectAll()
        self.qtbot.keyClicks(field, str(value))
        self.qtbot.keyClick(field, Qt.Key.Key_Return)


@pytest.mark.slow
def test_the_first_hour(
    make_napari_viewer: Callable[[], Viewer], qtbot: QtBot, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("platformdirs.user_data_path", lambda *_, **__: tmp_path / "data")
    monkeypatch.setattr(QFileDialog, "getExistingDirectory", lambda *_: str(tmp_path))
    viewer = make_napari_viewer()
    viewer.show()
    hour = Hour(viewer, qtbot)

    # ---- a sample, translated
    viewer.open_sample("napari-phenotrans", "synthetic-organoid-healthy")
    dock = hour.open("Translate")
    hour.choose(dock.checkpoints.box, FIRST)
    hour.wait(dock, "ready")
    assert (dock.conditions.source, dock.conditions.target) == ("healthy", "diseased")
    click(qtbot, dock.start_button)
    hour.wait(dock, "translated in")
    first = np.array(dock.selection.rows()[0].translated.data)

    # ---- two engines beside each other
    click(qtbot, dock.view_bar.hold_button)
    hour.choose(dock.checkpoints.box, SECOND)
    click(qtbot, dock.start_button)
    hour.wait(dock, "translated in")
    assert dock.view_bar.beside.currentData() == HELD_RESULT
    held, second, _ = dock.views.comparison.rows[0].layers
    np.testing.assert_array_equal(held.data, first)
    assert not np.array_equal(second.data, first)
    assert FIRST in dock.views.comparison.headings[0] and SECOND in dock.views.comparison.headings[1]

    # ---- what of it may be believed
    dock.sections["Trust"].set_open(True)
    click(qtbot, dock.trust_panel.check_button)
    hour.wait(dock, "checked")
    assert "of all pixels change by more than" in dock.trust_panel.summary.text()

    # ---- kept, and opened again
    dock.sections["Keep"].set_open(True)
    click(qtbot, dock.save_panel.save_button)
    qtbot.waitUntil(lambda: dock.save_panel.status.text().startswith("saved"), timeout=WAIT_MS)
    (kept,) = tmp_path.glob("*.phenotrans")
    viewer.layers.clear()
    drop(dock, kept)
    qtbot.waitUntil(lambda: bool(dock.selection.rows()), timeout=WAIT_MS)
    row = dock.selection.rows()[0]
    assert info(row.translated)["provenance"]["checkpoint"] == SECOND
    np.testing.assert_array_equal(row.translated.data, second.data)

    # ---- a look of one's own
    plate = write_dataset(tmp_path / "plate", 3, size=64)
    training = hour.open("Train")
    drop(training, plate)
    hour.wait(training, "checked: ready to train")
    assert training.report.verdict.text().startswith("This can be trained on")
    hour.choose(training.settings.engine_box, "cyclegan")
    hour.choose(training.settings.preset_box, "look")
    training.settings.section.set_open(True)
    for name, value in TINY.items():
        hour.type_into(training.settings.form.fields[name], value)
    click(qtbot, training.start_button)
    assert "goes on when napari is closed" in training.status.text()
    folder = tmp_path / "plate-cyclegan-1"
    assert training.runs.list.selected == [folder]

    def finished() -> bool:
        view = training.runs.view
        return view is not None and "Finished after" in view.heading.text() and view.translate_button.isEnabled()

    qtbot.waitUntil(finished, timeout=WAIT_MS)
    assert any("This checkpoint is a look" in text for text in training.runs.view.picture_notices.texts)

    # ---- and used: it is called what it is
    click(qtbot, training.runs.view.translate_button)
    assert str(dock.checkpoints.name).startswith(str(folder))
    assert dock.checkpoints.box.currentText().endswith("(look)")
    assert any("This checkpoint is a look" in text for text in dock.notices.texts)
    click(qtbot, dock.start_button)
    hour.wait(dock, "translated in")
    made = dock.selection.rows()
    assert [role(each.translated) for each in made] == ["translated"] * 3
    assert info(made[0].translated)["provenance"]["checkpoint file"].startswith(str(folder))
    for process in launch._started:
        process.wait()
