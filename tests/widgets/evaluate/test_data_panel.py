"""What to evaluate: the whole family of a checkpoint, where it has one."""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING

from napari_phenotrans.checkpoints.checkpoint import BUNDLED
from napari_phenotrans.runs.family import Family
from napari_phenotrans.widgets.evaluate.data_panel import EvaluationDataPanel

if TYPE_CHECKING:
    from pathlib import Path

    from pytestqt.qtbot import QtBot


def test_a_family_is_offered_where_the_checkpoint_has_one(qtbot: QtBot, tmp_path: Path) -> None:
    panel = EvaluationDataPanel()
    qtbot.addWidget(panel)
    panel.family_box.setChecked(True)
    assert not panel.family_box.isEnabled() and not panel.repeats

    family = Family(tmp_path, (0, 1))
    family.write()
    for folder in family.members.values():
        folder.mkdir()
        shutil.copy(BUNDLED / "bbbc013-cyclegan.safetensors", folder / "best.safetensors")
    panel.checkpoints.choose(str(tmp_path / "seed-1" / "best.safetensors"))
    assert panel.family_box.isEnabled() and panel.repeats
    panel.family_box.setChecked(False)
    assert not panel.repeats
