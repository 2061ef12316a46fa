"""A comparison that is kept, and shown again where its folder is dropped."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from qtpy.QtGui import QGuiApplication

from napari_phenotrans.core.errors import InputError
from napari_phenotrans.core.kinds import ABOVE_ERROR
from napari_phenotrans.io import FORMATS, read
from napari_phenotrans.translation.kept import ABOUT, is_kept, read_kept
from napari_phenotrans.widgets.reader import get_reader
from napari_phenotrans.widgets.translate.dock import TranslateDock
from napari_phenotrans.widgets.translate.kept_layers import kept_data
from napari_phenotrans.widgets.translate.view_bar import ABOVE
from napari_phenotrans.widgets.viewer.channel_row import find_row
from napari_phenotrans.widgets.viewer.layers import info, role
from tests.widgets.gestures import drop

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from napari import Viewer
    from pytestqt.qtbot import QtBot

    Open = Callable[..., TranslateDock]

WAIT_MS = 60_000


OTHERS = [each for each in FORMATS if each != "ome-tiff"]


@pytest.fixture
def keep(open_dock: Open, checkpoint: Path, well: Path, qtbot: QtBot) -> Callable[..., tuple[TranslateDock, Path]]:
    """Return a function that translates a well, changes how it is shown, and keeps it."""

    def kept(out: Path, format: str = "ome-tiff", *, check: bool = False) -> tuple[TranslateDock, Path]:
        dock = open_dock(checkpoint)
        drop(dock, well)
        qtbot.waitUntil(lambda: "translated in" in dock.status.text(), timeout=WAIT_MS)
        if check:
            dock.trust_panel.check_requested.emit()
            qtbot.waitUntil(lambda: dock.trust.layers is not None and not dock.busy, timeout=WAIT_MS)
        dna, gfp = dock.selection.rows()
        dna.real.contrast_limits, dna.real.gamma, dna.real.colormap = (3, 140), 0.7, "#4488ff"
        gfp.real.colormap = "viridis"
        dna.difference.contrast_limits = (-25, 25)
        if not check:
            dock.views.choose_view("composites")
        dock.saving.save(out, format, False)
        qtbot.waitUntil(lambda: "saved" in dock.save_panel.status.text(), timeout=WAIT_MS)
        return dock, out / "well_to_drug.phenotrans"

    return kept


def state(viewer: Viewer) -> dict[str, Any]:
    """What the layers of a comparison look like, by name."""
    return {
        layer.name: (
            role(layer),
            tuple(map(float, layer.contrast_limits)),
            float(layer.gamma),
            np.asarray(layer.colormap.colors).round(3).tolist(),
            tuple(layer.scale),
            tuple(map(str, layer.units)),
            np.asarray(layer.data).tolist(),
        )
        for layer in viewer.layers
    }


@pytest.mark.parametrize("format", ["ome-tiff", *(pytest.param(each, marks=pytest.mark.slow) for each in OTHERS)])
def test_what_is_dropped_is_shown_as_it_was(keep: Any, open_dock: Open, tmp_path: Path, format: str) -> None:
    before, folder = keep(tmp_path / "kept", format)
    layers, headings, view = state(before.viewer), before.views.comparison.headings, before.views.comparison.view
    assert view == "composites"
    before.viewer.layers.clear()
    dock = open_dock(tmp_path / "shift.safetensors")
    dock.views.choose_view("blink")
    drop(dock, folder)
    assert dock.views.comparison.view == "composites"
    assert dock.views.comparison.headings == headings
    assert "not measured" in headings[1]
    assert state(dock.viewer) == layers
    rows = dock.selection.rows()
    assert [row.real.name for row in rows] == ["DNA", "GFP"]
    assert (dock.conditions.source, dock.conditions.target) == ("untreated", "drug")
    # real and translated stay comparable
    rows[0].real.contrast_limits = (0, 99)
    assert tuple(rows[0].translated.contrast_limits) == (0, 99)
    dock.views.choose_view("")
    assert [layer.visible for layer in (rows[0].real, rows[0].translated)] == [True, False]


@pytest.mark.slow
def test_it_can_be_made_and_kept_again(keep: Any, open_dock: Open, tmp_path: Path, qtbot: QtBot) -> None:
    before, folder = keep(tmp_path / "kept")
    before.viewer.layers.clear()
    dock = open_dock(tmp_path / "shift.safetensors")
    drop(dock, folder)
    dock.saving.copy()
    assert f"{folder / 'well_real.ome.tif'} --checkpoint shift.safetensors" in QGuiApplication.clipboard().text()
    dock.saving.save(tmp_path / "again", "ome-zarr", False)
    qtbot.waitUntil(lambda: "saved" in dock.save_panel.status.text(), timeout=WAIT_MS)
    again = read_kept(tmp_path / "again" / folder.name)
    assert again.images["real"].name == "well_real.ome.zarr"
    for kind, file in read_kept(folder).images.items():
        for z in range(2):
            np.testing.assert_array_equal(read(again.images[kind]).plane(z=z), read(file).plane(z=z))


@pytest.mark.slow
def test_what_lies_above_the_error_is_shown_where_it_was(keep: Any, open_dock: Open, tmp_path: Path) -> None:
    before, folder = keep(tmp_path / "kept", check=True)
    heading = before.views.comparison.headings
    assert "above" in heading[2]
    before.viewer.layers.clear()
    dock = open_dock(tmp_path / "shift.safetensors")
    drop(dock, folder)
    assert dock.views.comparison.headings == heading
    assert dock.view_bar.units.currentData() == ABOVE
    assert sum(role(layer) == ABOVE_ERROR for layer in dock.viewer.layers) == 2


@pytest.mark.slow
def test_napari_opens_it_without_a_dock(
    keep: Any, make_napari_viewer: Callable[..., Viewer], tmp_path: Path, qtbot: QtBot
) -> None:
    before, folder = keep(tmp_path / "kept")
    headings = before.views.comparison.headings
    before.viewer.layers.clear()
    viewer = make_napari_viewer()
    for path in (folder, folder / ABOUT):
        # nobody is asked which plugin is to
        viewer.open(str(path), plugin=None)
        reals = [layer for layer in viewer.layers if role(layer) == "real"]
        qtbot.waitUntil(lambda reals=reals: find_row(viewer, reals[0]) is not None, timeout=WAIT_MS)
        (dock,) = (widget for widget in viewer.window.dock_widgets.values() if isinstance(widget, TranslateDock))
        assert dock.views.comparison.headings == headings
        assert all("kept" not in info(layer) for layer in viewer.layers)
        viewer.layers.clear()


def test_a_folder_that_is_not_whole_is_refused(keep: Any, tmp_path: Path) -> None:
    dock, folder = keep(tmp_path / "kept")
    assert is_kept(folder) and is_kept(folder / ABOUT) and get_reader(str(folder))
    assert not is_kept(tmp_path)
    (folder / "well_difference.ome.tif").rename(tmp_path / "elsewhere.ome.tif")
    with pytest.raises(InputError, match=r"not whole: well_difference\.ome\.tif is missing"):
        kept_data(folder)
    count = len(dock.viewer.layers)
    drop(dock, folder)
    assert len(dock.viewer.layers) == count
    assert any("not whole" in text for text in dock.notices.texts)
    (folder / ABOUT).write_text("no JSON")
    with pytest.raises(InputError, match="no comparison that was kept"):
        kept_data(folder)
    (folder / ABOUT).write_text('{"napari-phenotrans comparison": 99, "images": {}}')
    with pytest.raises(InputError, match="later version"):
        kept_data(folder)


def test_files_are_those_of_the_folder_whoever_wrote_the_text(keep: Any, tmp_path: Path) -> None:
    _, folder = keep(tmp_path / "kept")
    text = (folder / ABOUT).read_text().replace("well_real.ome.tif", "../../untreated/well.ome.tif")
    (folder / ABOUT).write_text(text)
    with pytest.raises(InputError, match=r"well\.ome\.tif is missing"):
        read_kept(folder)
