"""Nothing in any dock is cut or elided: every dock, in every state, on a small screen, in both themes.

With ``PHENOTRANS_PICTURES=folder`` each state is saved there as a picture, to be looked at.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from qtpy.QtCore import QPoint
from qtpy.QtWidgets import QApplication, QLabel, QWidget

from napari_phenotrans.checkpoints.checkpoint import Checkpoint
from napari_phenotrans.core.image import Image
from napari_phenotrans.io import write
from napari_phenotrans.widgets.common.form_parts import FittingBox, narrow_box
from napari_phenotrans.widgets.common.notices import ERROR, NOTE
from napari_phenotrans.widgets.evaluate.dock import EvaluateDock
from napari_phenotrans.widgets.train.dock import TrainingDock
from napari_phenotrans.widgets.translate.dock import TranslateDock
from tests.widgets.fit import misfits

if TYPE_CHECKING:
    from collections.abc import Callable

    from napari import Viewer
    from pytestqt.qtbot import QtBot

    from napari_phenotrans.widgets.common.dock import Dock

WAIT_MS = 60_000
SCREEN = 1280, 720
LONG = "bbbc013_untreated_D02.ome.tif"


@pytest.fixture(params=["dark", pytest.param("light", marks=pytest.mark.slow)])
def viewer(request: pytest.FixtureRequest, make_napari_viewer: Callable[..., Viewer], qtbot: QtBot) -> Viewer:
    made = make_napari_viewer()
    made.theme = request.param
    made.show()
    made.window.resize(*SCREEN)
    qtbot.wait(50)
    return made


class Looked:
    """Looks at a dock as it stands, at the width that napari gives it."""

    def __init__(self, viewer: Viewer, dock: Dock, qtbot: QtBot) -> None:
        self.viewer, self.dock, self.qtbot = viewer, dock, qtbot
        viewer.window.add_dock_widget(dock, name=f"{type(dock).__name__}")

    def wait(self, *words: str) -> None:
        def there() -> None:
            assert not self.dock.busy
            assert self.dock.status.text().startswith(words), (self.dock.status.text(), self.dock.notices.texts)

        self.qtbot.waitUntil(there, timeout=WAIT_MS)

    def at(self, state: str) -> None:
        for _ in range(3):
            QApplication.processEvents()
        self.qtbot.wait(30)
        if folder := os.environ.get("PHENOTRANS_PICTURES"):
            Path(folder).mkdir(exist_ok=True)
            path = str(Path(folder) / f"{self.dock.objectName()}_{state}_{self.viewer.theme}.png")
            self.viewer.window._qt_window.grab().save(path)
            self.dock.area.widget().grab().save(path.replace(".png", "_inside.png"))
        assert self.viewer.window._qt_window.width() <= SCREEN[0], f"the dock widens the window: {state}"
        assert not misfits(self.dock), state


def in_sight(part: QWidget, share: float = 1.0) -> bool:
    """Whether a part is not scrolled out of sight, at least so much of it."""
    return part.visibleRegion().boundingRect().height() >= share * part.height() > 0


def long_named(folder: Path, conditions: tuple[str, ...] = ("untreated", "treated"), fields: int = 1) -> Path:
    """Write fields with long names: nuclei of any brightness, in one channel brighter in the second condition."""
    rng = np.random.default_rng(0)
    y, x = np.mgrid[:80, :96]
    for condition in conditions:
        for number in range(fields):
            planes = np.full((2, 80, 96), 20.0)
            for top, left in [(a, b) for a in (16, 40, 64) for b in (16, 48, 80)]:
                jitter = rng.uniform(-3, 3, 2)
                inside = (y - top - jitter[0]) ** 2 + (x - left - jitter[1]) ** 2 < rng.uniform(5, 7) ** 2
                gain = 1 + (condition == conditions[-1])
                planes[:, inside] = [[rng.uniform(60, 90)], [gain * rng.uniform(20, 40)]]
            image = Image(rng.poisson(planes).astype(np.uint8), "CYX", ("DNA", "FKHR-EGFP"), pixel_size_um=0.65)
            write(image, folder / condition / LONG.replace("D02", f"D{number:02}"))
    return folder


def test_the_translate_dock(
    viewer: Viewer, make_checkpoint: Callable[..., Checkpoint], tmp_path: Path, qtbot: QtBot
) -> None:
    def checkpoint(engine: str, settings: dict[str, Any] | None = None, **more: Any) -> Path:
        made = make_checkpoint(engine, **more)
        update = {"channels": ("DNA", "FKHR-EGFP"), "conditions": ("untreated", "treated")}
        update |= {"targets": update["conditions"], "settings": made.card.settings | (settings or {})}
        card = made.card.model_copy(update=update)
        return Checkpoint(card, made.tensors).save(tmp_path / f"bbbc013-{engine}-of-two-channels.safetensors")

    dock = TranslateDock(viewer)
    looked = Looked(viewer, dock, qtbot)
    qtbot.waitUntil(lambda: dock.devices.loaded, timeout=WAIT_MS)
    looked.at("empty")
    dock.checkpoints.choose(checkpoint("phendiff", translation={"evaluations": 4, "strength": 0.5}))
    dock.open_files([long_named(tmp_path / "images") / "untreated" / LONG.replace("D02", "D00")], translate=True)
    looked.wait("translated in")
    looked.at("translated")
    for section in (*dock.sections.values(), dock.engine.section):
        section.set_open(True)
    looked.at("opened")
    for view in ("matrix", "blink", "composites", "curtain"):
        if dock.view_bar.view != view:
            dock.view_bar.buttons[view].click()
        looked.at(view)
    dock.trust_panel.check_button.click()
    looked.wait("checked", "not checked")
    looked.at("checked")
    # the answer is in sight, in the view that shows differences
    qtbot.waitUntil(lambda: in_sight(dock.trust_panel.summary), timeout=WAIT_MS)
    assert dock.view_bar.view == "matrix"
    for place in range(dock.view_bar.units.count()):
        dock.view_bar.units.setCurrentIndex(place)
        looked.at(f"units {place}")
    for number in range(4):
        dock.notices.add("a test", f"Sentence {number} says what somebody should read of the image.", ERROR)
        dock.notices.add("a test", f"A note, the {number}th, of a folder that somebody chose.", NOTE)
    looked.at("told much")
    dock.notices.more_button.click()
    looked.at("told all")
    dock.notices.say("a test")
    dock.checkpoints.choose(checkpoint("flow", {"kept": ["DNA"]}))
    for place in range(dock.answers.what.count()):
        dock.answers.what.setCurrentIndex(place)
        looked.at(f"flow {place}")


def test_the_training_dock(viewer: Viewer, tmp_path: Path, qtbot: QtBot, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("platformdirs.user_data_path", lambda *_, **__: tmp_path / "data")
    dock = TrainingDock(viewer)
    looked = Looked(viewer, dock, qtbot)
    looked.at("empty")
    dock.open_dataset(long_named(tmp_path / "a-plate-with-a-long-name", fields=3))
    looked.wait("checked")
    looked.at("checked")
    for section in (dock.settings.section, dock.data.section):
        section.set_open(True)
    for place in range(dock.settings.engine_box.count()):
        dock.settings.choose(dock.settings.engine_box.itemData(place), "look")
        looked.at(f"engine {dock.settings.engine}")
    for place in range(dock.data.held_out.box.count()):
        dock.data.held_out.box.setCurrentIndex(place)
        dock.data.held_out.box.activated.emit(place)
        looked.at(f"held out {place}")


def test_the_evaluate_dock(viewer: Viewer, save_checkpoint: Callable[..., Path], tmp_path: Path, qtbot: QtBot) -> None:
    dock = EvaluateDock(viewer)
    looked = Looked(viewer, dock, qtbot)
    qtbot.waitUntil(lambda: dock.devices.loaded, timeout=WAIT_MS)
    looked.at("empty")
    conditions = ("untreated", "treated")
    path = save_checkpoint("a-checkpoint-with-a-long-name", channels=("DNA", "FKHR-EGFP"), conditions=conditions)
    dock.take([path, long_named(tmp_path / "a-plate-with-a-long-name", fields=2)])
    looked.wait("ready")
    looked.at("ready")
    dock.start_button.click()
    looked.wait("the report is made")
    qtbot.waitUntil(lambda: dock.effects is not None and dock.effects.paired is not None, timeout=WAIT_MS)
    # the answer and the plot are in sight
    qtbot.waitUntil(lambda: in_sight(dock.answer) and in_sight(dock.effects.plot, 0.5), timeout=WAIT_MS)
    looked.at("answered")
    for section in (*dock.sections.values(), dock.data.section, dock.data.engine.section):
        section.set_open(True)
    looked.at("report")
    dock.scores.button.click()
    looked.wait("done")
    looked.at("scores")


def test_what_is_cut_is_found(qtbot: QtBot) -> None:
    box = narrow_box("")
    qtbot.addWidget(box)
    box.addItem("a text that is somewhat long")
    box.setFixedWidth(60)
    box.show()
    assert isinstance(box, FittingBox)
    assert "…" in box.shown_text
    label = QLabel("hundredsandhundreds", parent := QWidget())
    qtbot.addWidget(parent)
    label.setFixedWidth(30)
    parent.show()
    from tests.widgets.fit import _cut

    assert any("its text takes" in text for text in _cut(label))
    assert any("which takes" in text for text in _cut(box))
    assert label.mapTo(parent, QPoint(0, 0)).x() == 0
