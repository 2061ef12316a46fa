from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest
import tifffile

from napari_phenotrans.widgets.common.dataset_folder import FolderContents, FolderInspector, contents_of
from tests.widgets.conftest import WAIT_MS

if TYPE_CHECKING:
    from pathlib import Path

    from pytestqt.qtbot import QtBot


@pytest.fixture
def plate(tmp_path: Path) -> Path:
    for condition, channels in (("drug", ("DNA", "GFP")), ("untreated", ("DNA",))):
        (tmp_path / "plate" / condition).mkdir(parents=True)
        for well in ("A1", "A2"):
            pixels = np.zeros((len(channels), 8, 8), np.uint8)
            path = tmp_path / "plate" / condition / f"{well}.ome.tif"
            tifffile.imwrite(path, pixels, metadata={"axes": "CYX", "Channel": {"Name": list(channels)}})
    return tmp_path / "plate"


def test_a_data_set_is_told_by_conditions_fields_and_channels(plate: Path) -> None:
    contents = contents_of(plate)
    assert contents.fields == {"drug": 2, "untreated": 2}
    assert contents.channels == {"DNA": True, "GFP": False}
    assert contents.problem == ""


def test_a_folder_of_images_is_no_data_set(plate: Path) -> None:
    contents = contents_of(plate / "drug")
    assert contents.images == 2
    assert "two or more conditions" in contents.problem


def test_only_the_folder_asked_for_last_is_told(plate: Path, qtbot: QtBot) -> None:
    inspector = FolderInspector()
    told: list[FolderContents] = []
    inspector.inspected.connect(told.append)
    inspector.inspect(plate / "drug")
    with qtbot.waitSignal(inspector.inspected, timeout=WAIT_MS):
        inspector.inspect(plate)
    qtbot.wait(200)
    assert [contents.folder for contents in told] == [plate]
