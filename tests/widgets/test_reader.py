from __future__ import annotations

import subprocess
import sys
from fnmatch import fnmatch
from typing import TYPE_CHECKING

import npe2
import numpy as np
import pytest
from qtpy.QtWidgets import QFileDialog

from napari_phenotrans.core.errors import InputError
from napari_phenotrans.core.image import Image
from napari_phenotrans.io import READERS, write
from napari_phenotrans.io.samples import SAMPLES
from napari_phenotrans.widgets.reader import get_reader
from napari_phenotrans.widgets.sample_data import sample_layers
from napari_phenotrans.widgets.viewer import open_menu
from napari_phenotrans.widgets.viewer.layers import KEY

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from napari import Viewer


def test_what_napari_reads_itself_is_not_asked_about() -> None:
    """napari asks which plugin is to read a file that several offer to read."""
    manifest = npe2.PluginManifest.from_distribution("napari-phenotrans")
    (reader,) = manifest.contributions.readers
    for ending in READERS:
        offered = any(fnmatch(f"a{ending}", pattern) for pattern in reader.filename_patterns)
        assert offered == (ending not in (".tif", ".tiff", ".tf8", ".btf", ".png", ".jpg", ".jpeg")), ending


def test_everything_that_can_be_read_is_taken_where_it_is_chosen(tmp_path: Path) -> None:
    assert all(get_reader(f"a{ending}") for ending in READERS)
    assert get_reader(["a.ome.tif", "b.tif"]) is not None
    for wrong in ("a.txt", ["a.tif", "a.txt"], [], str(tmp_path)):
        assert get_reader(wrong) is None
    (tmp_path / "A01_w1.tif").touch()
    assert get_reader(str(tmp_path)) is not None
    for name in ("a.ome.tif", "A.OME.TIFF", "a.lsm", "folder/a.ome.zarr", "folder/a.ome.zarr/"):
        assert get_reader(name) is not None


def test_layers_carry_scale_units_axes_and_names(well: Path) -> None:
    read = get_reader([str(well)])
    assert read is not None
    dna, gfp = read([str(well)])
    data, options, kind = dna
    assert kind == "image"
    assert data.shape == (2, 96, 128)
    assert (options["name"], gfp[1]["name"]) == ("DNA", "GFP")
    assert options["scale"] == (2.0, 0.5, 0.5)
    assert options["units"] == ("um", "um", "um")
    assert options["axis_labels"] == ("z", "y", "x")


def test_napari_opens_it_through_the_manifest(make_napari_viewer: Callable[..., Viewer], well: Path) -> None:
    viewer = make_napari_viewer()
    layers = viewer.open(str(well), plugin="napari-phenotrans")
    assert [layer.name for layer in layers] == ["DNA", "GFP"]
    assert tuple(layers[0].scale) == (2.0, 0.5, 0.5)
    assert viewer.dims.axis_labels == ("z", "y", "x")


def test_napari_opens_what_only_makers_libraries_read(
    make_napari_viewer: Callable[..., Viewer], tmp_path: Path
) -> None:
    czi = pytest.importorskip(
        "pylibCZIrw.czi", reason="pylibCZIrw comes with the extra formats, which is not installed"
    )
    planes = np.random.default_rng(0).integers(0, 60000, (2, 20, 30)).astype(np.uint16)
    with czi.create_czi(str(tmp_path / "a.czi")) as file:
        for channel, plane in enumerate(planes):
            file.write(plane, plane={"C": channel})
        file.write_metadata("well", channel_names={0: "DAPI", 1: "GFP"}, scale_x=2.5e-7, scale_y=2.5e-7)
    viewer = make_napari_viewer()
    # nobody else reads it, so that napari does not ask who is to
    layers = viewer.open(str(tmp_path / "a.czi"), plugin=None)
    assert [layer.name for layer in layers] == ["DAPI", "GFP"]
    assert tuple(layers[0].scale) == pytest.approx((0.25, 0.25))
    np.testing.assert_array_equal(layers[1].data, planes[1])


@pytest.mark.parametrize(("suffix", "library"), [("nd2", "nd2"), ("lif", "liffile"), ("czi", "pylibCZIrw.czi")])
def test_what_is_not_installed_is_said_with_the_line_that_installs_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, suffix: str, library: str
) -> None:
    (tmp_path / f"a.{suffix}").write_bytes(b"x")
    monkeypatch.setitem(sys.modules, library, None)
    read = get_reader(str(tmp_path / f"a.{suffix}"))
    assert read is not None
    with pytest.raises(InputError, match=r"pip install napari-phenotrans\[formats\]"):
        read([str(tmp_path / f"a.{suffix}")])


def test_a_plain_tiff_opens_by_the_menus_command(
    make_napari_viewer: Callable[..., Viewer], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(Image(np.zeros((2, 9, 9), np.uint8), "CYX", ("DNA", "GFP"), 0.5), tmp_path / "a.tif")
    (tmp_path / "b.tif").write_bytes(b"broken")
    viewer, said = make_napari_viewer(), []
    chosen = [str(tmp_path / name) for name in ("a.tif", "b.tif")]
    monkeypatch.setattr(QFileDialog, "getOpenFileNames", lambda *_: (chosen, ""))
    monkeypatch.setattr(open_menu, "show_error", said.append)
    open_menu.open_images(viewer)
    assert [layer.name for layer in viewer.layers] == ["DNA", "GFP"]
    assert tuple(viewer.layers[0].scale) == (0.5, 0.5)
    assert len(said) == 1 and "b.tif" in said[0]


@pytest.mark.parametrize("key", SAMPLES)
def test_samples_open_with_condition_and_attribution(key: str) -> None:
    layers = sample_layers(key)
    for pixels, options, kind in layers:
        assert kind == "image"
        assert np.ptp(np.asarray(pixels)) > 0
        assert options["metadata"]["attribution"] == SAMPLES[key].attribution
        assert options["metadata"][KEY]["condition"] == SAMPLES[key].condition
        assert options["metadata"][KEY]["synthetic"] == ("synthetic" in key)
    names = [options["name"] for _, options, _ in layers]
    assert names == (["DAPI", "PH3", "ZO1"] if "synthetic" in key else ["DNA", "FKHR-EGFP"])
    if "bbbc" in key:
        assert layers[0][1]["colormap"] == "#4488ff"


def test_napari_lists_and_opens_the_samples(make_napari_viewer: Callable[..., Viewer]) -> None:
    viewer = make_napari_viewer()
    manifest = npe2.PluginManager.instance().get_manifest("napari-phenotrans")
    assert {sample.key for sample in manifest.contributions.sample_data} == set(SAMPLES)
    viewer.open_sample("napari-phenotrans", "bbbc013-untreated")
    assert [layer.name for layer in viewer.layers] == ["DNA", "FKHR-EGFP"]


def test_the_manifest_is_valid() -> None:
    manifest = npe2.PluginManifest.from_distribution("napari-phenotrans")
    manifest.validate_imports()


def test_reader_and_sample_data_load_no_torch() -> None:
    code = (
        "import sys; from napari_phenotrans.widgets import reader, sample_data;"
        "sample_data.bbbc013_untreated();"
        "print('torch' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"
