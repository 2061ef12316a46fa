"""Families, turns and the maps that come with them, in the dock."""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from qtpy.QtWidgets import QFileDialog

from napari_phenotrans.core import kinds
from napari_phenotrans.io import read
from napari_phenotrans.runs.family import Family
from napari_phenotrans.translation.family import TranslatorFamily
from napari_phenotrans.translation.translate import translate_image
from napari_phenotrans.widgets.common.checkpoint_chooser import CHOOSE_FAMILY
from napari_phenotrans.widgets.translate.save_job import layers_to_save
from napari_phenotrans.widgets.translate.view_bar import AGREES, OUTLINES, TURNS, WHOLE
from napari_phenotrans.widgets.viewer.layers import AGREEMENT, OUTLINED, TURNED, info, role
from tests.widgets.gestures import drop
from tests.widgets.translate.test_dock import WAIT_MS, wait_for

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from pytestqt.qtbot import QtBot

    from napari_phenotrans.widgets.translate.dock import TranslateDock

    Open = Callable[..., TranslateDock]


@pytest.fixture
def family(checkpoint: Path, tmp_path: Path) -> Family:
    made = Family(tmp_path / "twice", (0, 1))
    made.write()
    for folder in made.members.values():
        folder.mkdir()
        shutil.copy(checkpoint, folder / "last.safetensors")
    return made


def roles(dock: TranslateDock) -> list[Any]:
    return [role(layer) for layer in dock.viewer.layers if role(layer) in (AGREEMENT, OUTLINED, TURNED)]


def offered(dock: TranslateDock) -> set[str]:
    units = dock.view_bar.units
    return {units.itemData(place) for place in range(units.count())} & {AGREES, OUTLINES, TURNS}


def test_a_family_translates_as_a_checkpoint_and_says_where_it_agrees(
    open_dock: Open, checkpoint: Path, family: Family, well: Path, qtbot: QtBot, monkeypatch: pytest.MonkeyPatch
) -> None:
    dock = open_dock()
    box = dock.checkpoints.box
    failed: list[str] = []
    dock.checkpoints.failed.connect(failed.append)
    for answer in (str(well.parent), str(family.folder)):
        monkeypatch.setattr(QFileDialog, "getExistingDirectory", lambda *_, answer=answer: answer)
        box.setCurrentIndex(box.findData(CHOOSE_FAMILY))
        box.activated.emit(box.currentIndex())
    assert len(failed) == 1 and "holds no family of trainings" in failed[0]
    assert box.currentText() == "twice: all 2 trainings"
    assert not dock.trust_panel.turns_box.isEnabled()
    assert not dock.trust_panel.upside_down.isEnabled()
    drop(dock, well)
    wait_for(qtbot, dock, "translated in")

    # What the command line makes of both, per channel.
    z = dock.viewer.dims.current_step[0]
    way = {"source": "untreated", "target": "drug", "positions": [(0, z)]}
    expected = translate_image(read(well), TranslatorFamily(family.checkpoints()), **way)
    assert expected.agreement is not None
    for place, name in enumerate(("DNA", "GFP")):
        made = dock.viewer.layers[f"{name} – agreement of the change"]
        np.testing.assert_allclose(made.data[z], expected.agreement.pixels[0, place])
        assert made.data[z].max() == 1
        assert list(made.contrast_limits) == [-1, 1]
        assert info(made)["provenance"]["family"] == str(family.folder)
    (said,) = dock.trust_panel.said.texts
    assert said.startswith("Over 2 trainings the change agrees by DNA 1.00")

    # In place of the difference, and around it.
    units = dock.view_bar.units
    assert offered(dock) == {AGREES, OUTLINES}
    units.setCurrentIndex(units.findData(OUTLINES))
    outlined = dock.viewer.layers["GFP – difference outlined where it agrees"]
    assert dock.views.comparison.rows[1].difference is outlined
    assert dock.views.comparison.headings[2] == "difference in counts, outlined where it agrees"
    assert "by 2 trainings" in dock.views.comparison.headings[1]
    difference = dock.viewer.layers["GFP – difference"].data[z]
    # all of it agrees, until a part does not
    np.testing.assert_array_equal(outlined.data[z], difference)
    dock.viewer.layers["GFP – agreement of the change"].data[z, 20:40, 30:60] = 0
    rim = np.isnan(np.asarray(outlined.data[z]))
    assert rim[19, 30:60].all() and not rim[21:39, 31:59].any() and not rim[:18].any()
    np.testing.assert_array_equal(np.asarray(outlined.data[z])[~rim], difference[~rim])
    assert kinds.AGREEMENT in {part.kind for part in layers_to_save(dock.viewer, dock.selection.rows())}

    # A check takes all of them; another checkpoint's result has no such maps.
    dock.trust_panel.check_requested.emit()
    wait_for(qtbot, dock, "checked DNA")
    dock.checkpoints.choose(checkpoint)
    dock.conditions.choose("untreated", "drug")
    dock.engine.changed.emit()
    dock.translate()
    qtbot.waitUntil(lambda: not roles(dock), timeout=WAIT_MS)
    wait_for(qtbot, dock, "translated in")
    assert not offered(dock) and units.currentData() == WHOLE
    assert not dock.trust_panel.said.texts


def test_turns_are_averaged_and_how_far_they_differ_is_a_layer(
    open_dock: Open, checkpoint: Path, well: Path, qtbot: QtBot
) -> None:
    dock = open_dock(checkpoint)
    panel = dock.trust_panel
    panel.turns_box.setCurrentIndex(2)
    panel.turns_box.activated.emit(2)
    assert panel.turns == 8
    drop(dock, well)
    wait_for(qtbot, dock, "translated in")
    turned = dock.viewer.layers["GFP – turned disagreement"]
    # this engine adds a number everywhere: it cannot tell up from down
    assert np.abs(np.asarray(turned.data)).max() < 1e-3
    assert info(turned)["provenance"]["turns"] == 8
    (said,) = panel.said.texts
    assert said.startswith("The same in 8 turns within, of the range: DNA")
    assert offered(dock) == {TURNS}

    # Of several samples there are no turns.
    panel.allow_turns("not now")
    assert panel.turns == 1
    assert panel.turns_box.toolTip() == "not now"
    panel.allow_turns()
    assert panel.turns == 8
