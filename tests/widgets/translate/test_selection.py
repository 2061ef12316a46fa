from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from napari_phenotrans.core.errors import InputError
from tests.widgets.conftest import WAIT_MS

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from pytestqt.qtbot import QtBot

    from napari_phenotrans.widgets.translate.dock import TranslateDock

    Open = Callable[..., TranslateDock]


def test_what_is_missing_is_said_one_by_one(
    open_dock: Open, save_checkpoint: Callable[..., Path], well: Path, qtbot: QtBot
) -> None:
    more = save_checkpoint("more", channels=("DNA", "GFP", "PH3"), conditions=("healthy", "diseased"))
    two = save_checkpoint("two", channels=("DNA", "GFP"), conditions=("healthy", "diseased"))
    dock = open_dock(more)
    chosen = dock.selection
    assert chosen.missing == "Open an image, or drop one here."
    assert chosen.first is None and chosen.crop() is None and chosen.rows() == []
    dock.open_files([well])
    qtbot.waitUntil(lambda: len(dock.viewer.layers) == 2, timeout=WAIT_MS)
    assert "choose the layer for PH3" in chosen.missing
    assert chosen.reals == [] and chosen.first is dock.viewer.layers["DNA"]
    dock.checkpoints.choose(two)
    assert chosen.missing == "Choose the source condition: what the image shows."
    with pytest.raises(InputError, match="the conditions that the images show"):
        chosen.recipe()
    dock.conditions.choose("healthy")
    assert chosen.missing == ""
    assert (chosen.recipe().source, chosen.recipe().target) == ("healthy", "diseased")


def test_a_crop_is_a_preview_of_the_shown_plane_whatever_the_scope(
    open_dock: Open, checkpoint: Path, well: Path, qtbot: QtBot
) -> None:
    dock = open_dock(checkpoint)
    dock.open_files([well])
    qtbot.waitUntil(lambda: dock.status.text() == "ready", timeout=WAIT_MS)
    dock.scope.choose("stack")
    whole = dock.selection.job()
    assert (len(whole.positions), whole.region, whole.preview) == (2, None, False)
    crop = dock.selection.crop()
    assert crop is not None and crop.height <= 96 and crop.width <= 128
    preview = dock.selection.job(crop)
    assert (len(preview.positions), preview.region, preview.preview) == (1, crop, True)
