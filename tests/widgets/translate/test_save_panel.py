from __future__ import annotations

import re
import shutil
from typing import TYPE_CHECKING

import pytest
from qtpy.QtCore import Qt
from qtpy.QtGui import QGuiApplication
from qtpy.QtWidgets import QFileDialog, QWidget

from napari_phenotrans.core.errors import InputError
from napari_phenotrans.io import read
from napari_phenotrans.translation.batch import FileDone, FileFailed, FileStarted
from napari_phenotrans.widgets.common.worker import Runner
from napari_phenotrans.widgets.translate.folder_job import FileNoticed, FileRunning, TranslateFolder, reading_result
from napari_phenotrans.widgets.translate.jobs import Recipe
from napari_phenotrans.widgets.translate.save_panel import LEAVE, REPLACE, SavePanel

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from pytestqt.qtbot import QtBot

LEFT = Qt.MouseButton.LeftButton


@pytest.fixture
def panel(qtbot: QtBot) -> SavePanel:
    made = SavePanel()
    qtbot.addWidget(made)
    made.show()
    made.set_ready(True)
    made.folder.set_ready(True)
    return made


@pytest.fixture
def choose(monkeypatch: pytest.MonkeyPatch) -> Callable[[object], None]:
    """Return a function that says what the user will choose in the next dialogs."""

    def said(answer: object) -> None:
        monkeypatch.setattr(QFileDialog, "getExistingDirectory", lambda *_: str(answer))

    return said


@pytest.fixture
def plate(tmp_path: Path) -> Path:
    folder = tmp_path / "plate"
    folder.mkdir()
    for name in ("A1.tif", "A2.tif", "A3.tif", "notes.txt"):
        (folder / name).touch()
    return folder


def states(panel: SavePanel) -> list[str]:
    return [panel.folder.table.item(row, 1).text() for row in range(panel.folder.table.rowCount())]


def test_saving_asks_for_a_folder_and_before_it_replaces(
    panel: SavePanel, qtbot: QtBot, choose: Callable[[object], None], tmp_path: Path
) -> None:
    choose("")
    with qtbot.assertNotEmitted(panel.save_requested):
        qtbot.mouseClick(panel.save_button, LEFT)
    choose(tmp_path)
    panel.format_box.setCurrentText("OME-Zarr")
    with qtbot.waitSignal(panel.save_requested) as asked:
        qtbot.mouseClick(panel.save_button, LEFT)
    assert asked.args == [tmp_path, "ome-zarr", False]
    panel.ask_to_replace(tmp_path, "ome-zarr", [tmp_path / "well_to_drug.phenotrans"])
    assert "well_to_drug.phenotrans already. Replace it?" in panel.question.text
    with qtbot.assertNotEmitted(panel.save_requested):
        qtbot.mouseClick(panel.question.buttons[LEAVE], LEFT)
    assert panel.status.text() == "Nothing was saved."
    panel.ask_to_replace(tmp_path, "ome-zarr", [tmp_path / "well_to_drug.phenotrans"])
    with qtbot.waitSignal(panel.save_requested) as asked:
        qtbot.keyClick(panel.question.buttons[REPLACE], Qt.Key.Key_Space)
    assert asked.args == [tmp_path, "ome-zarr", True]


def test_saving_can_be_cancelled(panel: SavePanel, qtbot: QtBot) -> None:
    panel.set_busy(True, 0.5)
    assert panel.status.text() == "saving… 50%"
    assert not panel.save_button.isEnabled()
    with qtbot.waitSignal(panel.cancel_requested):
        qtbot.mouseClick(panel.cancel_button, LEFT)
    panel.set_busy(False)
    assert panel.save_button.isEnabled()
    assert not panel.cancel_button.isVisible()


def test_the_command_goes_to_the_clipboard(panel: SavePanel, qtbot: QtBot) -> None:
    with qtbot.waitSignal(panel.copy_requested):
        qtbot.mouseClick(panel.copy_button, LEFT)
    panel.copy("phenotrans translate a.tif")
    assert QGuiApplication.clipboard().text() == "phenotrans translate a.tif"
    assert panel.status.text() == "copied"
    panel.copy("one\ntwo")
    assert "copied 2 commands" in panel.status.text()
    panel.offer_saving("The image lies in no file.")
    assert "Press Save…" in panel.status.text()


def test_what_is_missing_is_said(panel: SavePanel) -> None:
    panel.set_ready(False, "Translate something first.")
    assert not panel.save_button.isEnabled() and not panel.copy_button.isEnabled()
    assert "Translate something first." in panel.copy_button.toolTip()


def test_a_folder_is_listed_and_shown_file_by_file(
    panel: SavePanel, qtbot: QtBot, choose: Callable[[object], None], plate: Path
) -> None:
    choose(plate)
    qtbot.mouseClick(panel.folder.choose_button, LEFT)
    folder, table = panel.folder, panel.folder.table
    assert folder.about.text() == "plate: 3 images to translate; left out: 1 other file."
    assert states(panel) == ["waiting"] * 3
    panel.folder.set_ready(False, "Choose the source condition.")
    assert not folder.start_button.isEnabled()
    assert "Choose the source condition." in folder.start_button.toolTip()
    panel.folder.set_ready(True)
    choose(plate / "elsewhere")
    qtbot.mouseClick(folder.out_button, LEFT)
    qtbot.keyClick(folder.replace_box, Qt.Key.Key_Space)
    with qtbot.waitSignal(panel.folder.batch_requested) as asked:
        qtbot.mouseClick(folder.start_button, LEFT)
    paths, out, more = asked.args
    assert ([path.name for path in paths], out) == (["A1.tif", "A2.tif", "A3.tif"], plate / "elsewhere")
    assert more == {"overwrite": True, "skip_existing": False, "reading": {"join": False}}
    assert not folder.choose_button.isEnabled()

    done = FileDone(paths[0], out / "t", out / "d")
    for event in (
        FileStarted(paths[0], 1, 3, 2),
        FileNoticed(paths[0], "Pixel size unknown."),
        FileRunning(paths[0], 0.42),
    ):
        panel.folder.show_event(event)
    assert states(panel) == ["running 42 %", "waiting", "waiting"]
    panel.folder.show_event(done)
    panel.folder.show_event(FileFailed(paths[1], InputError("It has 3 channels.\nChoose others.")))
    panel.folder.show_event(FileStarted(paths[2], 3, 3, 1))
    assert states(panel) == ["done (1 note)", "failed: It has 3 channels. Choose others.", "running 0 %"]
    assert folder.status.text() == "1 done, 1 failed of 3"
    assert "Pixel size unknown." in table.item(0, 1).toolTip()
    table.setCurrentCell(1, 0)
    assert folder.details.text().startswith("A2.tif: failed: It has 3 channels.")
    with qtbot.waitSignal(panel.folder.cancel_requested):
        qtbot.mouseClick(folder.cancel_button, LEFT)
    panel.folder.end()
    assert states(panel)[2] == "cancelled"
    assert folder.choose_button.isEnabled()

    with qtbot.waitSignal(panel.folder.open_requested) as opened:
        folder.table.cellDoubleClicked.emit(0, 1)
    assert opened.args == [done]
    with qtbot.assertNotEmitted(panel.folder.open_requested):
        folder.table.cellDoubleClicked.emit(1, 1)
    table.setCurrentCell(0, 0)
    with qtbot.waitSignal(panel.folder.open_requested):
        qtbot.keyClick(table, Qt.Key.Key_Return)


def test_a_folder_without_images_is_said(
    panel: SavePanel, qtbot: QtBot, choose: Callable[[object], None], tmp_path: Path, plate: Path
) -> None:
    choose(tmp_path)
    qtbot.mouseClick(panel.folder.choose_button, LEFT)
    assert "no image to translate, but 1 folder" in panel.folder.status.text()
    assert not panel.folder.batch.isVisible()
    choose(plate)
    qtbot.mouseClick(panel.folder.choose_button, LEFT)
    qtbot.mouseClick(panel.folder.join_box, LEFT)
    assert "No pattern could be guessed" in panel.folder.status.text()
    assert not panel.folder.join_box.isChecked()
    assert states(panel) == ["waiting"] * 3


def test_a_folder_is_translated_beside_the_gui(
    panel: SavePanel, qtbot: QtBot, checkpoint: Path, well: Path, tmp_path: Path
) -> None:
    (well.parent / "broken.tif").write_bytes(b"no TIFF")
    (well.parent / "notes.txt").touch()
    runner = Runner()
    runner.came.connect(lambda _, event: panel.folder.show_event(event))
    panel.folder.batch_requested.connect(
        lambda paths, out, more: runner.start(
            TranslateFolder(Recipe(str(checkpoint), "untreated", "drug", "cpu"), paths, out, more)
        )
    )
    panel.folder.show_folder(well.parent)
    with qtbot.waitSignal(runner.ended, timeout=60_000) as ended:
        qtbot.mouseClick(panel.folder.start_button, LEFT)
    assert ended.args[1] is None
    panel.folder.end()
    assert [state.split(":")[0].split(" (")[0] for state in states(panel)] == ["failed", "done"]
    assert panel.folder.status.text().startswith("1 done, 1 failed of 2, in ")
    done = panel.folder._done[well]
    assert read(done.translated).channels == ("DNA", "GFP")
    worker = reading_result(done)
    with qtbot.waitSignal(worker.returned, timeout=60_000) as returned:
        worker.start()
    assert returned.args[0].provenance["target"] == "drug"
    assert returned.args[0].real.sizes == read(well).sizes


def test_a_folder_is_continued_and_no_count_exceeds_its_images(
    panel: SavePanel, qtbot: QtBot, checkpoint: Path, well: Path
) -> None:
    shutil.copy(well, well.with_name("zz.ome.tif"))
    runner, folder, counts = Runner(), panel.folder, []

    def show(event: object) -> None:
        folder.show_event(event)
        counts.append(folder.status.text())

    runner.came.connect(lambda _, event: show(event))
    folder.batch_requested.connect(
        lambda paths, out, more: runner.start(
            TranslateFolder(Recipe(str(checkpoint), "untreated", "drug", "cpu"), paths, out, more)
        )
    )
    folder.show_folder(well.parent)
    folder.skip_box.setChecked(True)

    def translate() -> list[str]:
        with qtbot.waitSignal(runner.ended, timeout=60_000) as ended:
            qtbot.mouseClick(folder.start_button, LEFT)
        assert ended.args[1] is None
        folder.end()
        return [state.split(" (")[0] for state in states(panel)]

    assert translate() == ["done", "done"]
    assert translate() == ["skipped", "skipped"]
    assert folder.status.text().startswith("2 skipped of 2, in ")
    folder.table.setCurrentCell(0, 0)
    assert "made before from the same pixels" in folder.details.text()
    with qtbot.waitSignal(folder.open_requested) as opened:
        qtbot.keyClick(folder.table, Qt.Key.Key_Return)
    assert opened.args[0].translated.is_file()
    # what is gone is made anew
    opened.args[0].translated.unlink()
    assert translate() == ["done", "skipped"]
    numbers = [(sum(map(int, re.findall(r"(\d+) (?:done|skipped)", text))), text) for text in counts]
    assert max(numbers)[0] == 2 and all(text == "translating of 2" or text.endswith(" of 2") for _, text in numbers)


def test_it_fits_a_narrow_dock_and_explains_itself(panel: SavePanel, plate: Path) -> None:
    panel.folder.show_folder(plate)
    panel.ask_to_replace(plate, "ome-tiff", [plate / "a_name_that_is_rather_long_for_a_dock_to_drug.phenotrans"])
    assert panel.minimumSizeHint().width() <= 320
    shown = [w for w in panel.findChildren(QWidget) if w.isVisible() and w.objectName() == ""]
    kinds = ("QPushButton", "QComboBox", "QCheckBox", "QTableWidget")
    assert all(w.toolTip() for w in shown if type(w).__name__ in kinds)
