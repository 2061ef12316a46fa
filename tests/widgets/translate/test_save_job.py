from __future__ import annotations

from typing import TYPE_CHECKING, Any

import dask.array as da
import numpy as np
import pytest
from napari.components import ViewerModel
from napari.layers import Layer

from napari_phenotrans.core.errors import InputError
from napari_phenotrans.core.image import Image
from napari_phenotrans.core.kinds import ROUND_TRIP
from napari_phenotrans.io import FORMATS, provenance, read
from napari_phenotrans.translation.events import PlaneDone
from napari_phenotrans.translation.kept import ABOUT
from napari_phenotrans.widgets.common.worker import Engines
from napari_phenotrans.widgets.reader import read_layers
from napari_phenotrans.widgets.translate.result_layers import ResultLayers
from napari_phenotrans.widgets.translate.save_job import (
    Save,
    Saved,
    Saving,
    layers_to_save,
    note_saved,
    translated_parts,
)
from napari_phenotrans.widgets.viewer.layers import KEY, info, layer_data, round_trip_data

if TYPE_CHECKING:
    from pathlib import Path

HOW = {"translated": True, "checkpoint": "shift", "source": "untreated", "target": "drug", "strength": 0.5, "real": ""}
KINDS = ["real", "translated", "difference"]


@pytest.fixture
def viewer() -> ViewerModel:
    return ViewerModel()


def translated(
    viewer: ViewerModel, path: Path | None = None, pixels: Any = None, planes: int = 3, **loading: int
) -> ResultLayers:
    """Translate some planes of a stack of three."""
    rng = np.random.default_rng(0)
    if pixels is None:
        pixels = rng.integers(0, 200, (3, 2, 24, 30)).astype(np.uint8)
    image = Image(pixels, "ZCYX", ("DNA", "GFP"), 0.5, "µm", path, z_step_um=2.0, colors=("#0000ff", "#00ff00"))
    reals = [viewer.add_layer(Layer.create(*data)) for data in layer_data(image, **loading)]
    results = ResultLayers(viewer, reals, HOW | {"real": str(path or "")})
    for z in range(planes):
        plane = rng.integers(0, 200, (2, 24, 30)).astype(np.uint8)
        results.add_plane(PlaneDone(0, z, plane, plane.astype(np.float32) - 0.5, (0, 0), z + 1, planes))
    results.add_notices(["mind this"])
    return results


def run(job: Save) -> list[Any]:
    return list(job.events(Engines(), lambda: None))


@pytest.mark.parametrize("format", FORMATS)
def test_what_is_saved_is_read(viewer: ViewerModel, tmp_path: Path, format: str) -> None:
    results = translated(viewer, tmp_path / "raw" / "well.ome.tif")
    *shares, saved = run(Save(layers_to_save(viewer, results.rows), tmp_path / "out", format))
    assert [event.share for event in shares if isinstance(event, Saving)] == pytest.approx([1 / 3, 2 / 3, 1])
    assert saved.folder == tmp_path / "out" / "well_to_drug.phenotrans"
    assert [path.name for path in saved.paths.values()] == [f"well_{kind}{FORMATS[format].suffix}" for kind in KINDS]
    assert {path.name for path in saved.folder.iterdir()} == {*(p.name for p in saved.paths.values()), ABOUT}
    for (kind, path), place in zip(saved.paths.items(), range(3), strict=True):
        image, said = read(path), provenance(path)
        assert (image.channels, image.pixel_size_um, image.z_step_um) == (("DNA", "GFP"), 0.5, 2.0)
        assert image.dtype == (np.float32 if kind == "difference" else np.uint8)
        for channel, row in enumerate(results.rows):
            for z in range(3):
                np.testing.assert_array_equal(image.plane(z=z)[channel], row.layers[place].data[z])
        assert (said["kind"], said["real"]) == (kind, "well.ome.tif")
        assert "partial" not in said and "channel" not in said
        assert said.get("unit", "counts") == "counts"
        shown = read_layers(str(path))
        words = {"real": "", "translated": " – translated to drug", "difference": " – difference"}
        assert [options["name"] for _, options, _ in shown] == [f"DNA{words[kind]}", f"GFP{words[kind]}"]
        limits = [tuple(options["contrast_limits"]) for _, options, _ in shown]
        assert limits == [tuple(row.layers[place].contrast_limits) for row in results.rows]
        diverging = [isinstance(options["colormap"], dict) for _, options, _ in shown]
        assert diverging == [kind == "difference"] * 2
        assert all(tuple(options["scale"]) == (2.0, 0.5, 0.5) for _, options, _ in shown)
    assert read(saved.paths["real"]).colors == ("#0000ff", "#00ff00")
    said = provenance(saved.paths["difference"])
    assert (said["target"], said["strength"], said["notices"]) == ("drug", "0.5", '["mind this"]')
    assert "untreated translated to drug" in read(saved.paths["translated"]).notes[0]
    assert "A difference map" in read(saved.paths["difference"]).notes[0]
    assert not read(saved.paths["real"]).notes


def test_what_is_not_translated_yet_is_said(viewer: ViewerModel, tmp_path: Path) -> None:
    (*_, saved) = run(Save(layers_to_save(viewer, translated(viewer, planes=1).rows), tmp_path, "ome-tiff"))
    expected = "Translated in part: 1 of 3 planes (z=0). Everything else is 0."
    assert provenance(saved.paths["translated"])["partial"] == expected
    assert expected in read(saved.paths["difference"]).notes
    assert "partial" not in provenance(saved.paths["real"])


def test_what_is_there_is_replaced_only_where_that_was_allowed(viewer: ViewerModel, tmp_path: Path) -> None:
    parts = layers_to_save(viewer, translated(viewer, tmp_path / "well.tif").rows)
    folder = tmp_path / "well_to_drug.phenotrans"
    folder.mkdir()
    (folder / "precious").touch()
    job = Save(parts, tmp_path, "ome-tiff")
    assert job.existing == [folder]
    with pytest.raises(InputError, match=r"well_to_drug.phenotrans already. Nothing was saved"):
        run(job)
    assert [path.name for path in folder.iterdir()] == ["precious"]
    run(Save(parts, tmp_path, "ome-tiff", overwrite=True))
    assert len(list(folder.iterdir())) == 4
    assert read(folder / "well_difference.ome.tif").dtype == np.float32
    assert [path.name for path in tmp_path.iterdir()] == [folder.name]


def test_stopping_leaves_nothing(viewer: ViewerModel, tmp_path: Path) -> None:
    class Enough(Exception):
        pass

    ticks = 0

    def tick() -> None:
        nonlocal ticks
        ticks += 1
        if ticks == 9:
            raise Enough

    job = Save(layers_to_save(viewer, translated(viewer, tmp_path / "well.tif").rows), tmp_path / "out", "ome-tiff")
    with pytest.raises(Enough):
        list(job.events(Engines(), tick))
    assert list((tmp_path / "out").iterdir()) == []


def test_pixels_that_a_format_cannot_hold_are_refused_before_anything_is_written(
    viewer: ViewerModel, tmp_path: Path
) -> None:
    parts = layers_to_save(viewer, translated(viewer, pixels=np.zeros((3, 2, 24, 30), np.int32)).rows)
    with pytest.raises(InputError, match=r"ImageJ TIFF cannot hold pixels of type int32.*--format ome-tiff"):
        Save(parts, tmp_path, "imagej")
    assert list(tmp_path.iterdir()) == []


def test_no_folder_of_this_machine_is_written(viewer: ViewerModel, tmp_path: Path) -> None:
    parts = layers_to_save(viewer, translated(viewer, tmp_path / "raw" / "well.tif").rows)
    for format in FORMATS:
        (*_, saved) = run(Save(parts, tmp_path / format, format))
        for file in saved.folder.rglob("*"):
            assert not file.is_file() or str(tmp_path).encode() not in file.read_bytes(), file.name


def test_lazy_layers_are_read_plane_by_plane(viewer: ViewerModel, tmp_path: Path) -> None:
    largest = 0

    class Counted:
        shape, dtype, ndim, chunks = (3, 2, 24, 30), np.dtype(np.uint8), 4, (1, 1, 24, 30)

        def __getitem__(self, index: Any) -> np.ndarray:
            nonlocal largest
            part = np.full(self.shape, 7, np.uint8)[index]
            largest = max(largest, part.size)
            return part

    results = translated(viewer, pixels=da.from_array(Counted(), Counted.chunks, name="counted"), in_memory=0)
    (*_, saved) = run(Save(layers_to_save(viewer, results.rows), tmp_path, "ome-zarr"))
    assert (read(saved.paths["real"]).plane(z=2) == 7).all()
    assert largest == 24 * 30


def test_what_was_found_out_besides_is_saved_too(viewer: ViewerModel, tmp_path: Path) -> None:
    results = translated(viewer, tmp_path / "well.tif")
    for row in results.rows:
        data = round_trip_data(row.real, np.full((3, 24, 30), 2, np.float32), 9)
        layer = viewer.add_layer(Layer.create(*data))
        layer.metadata[KEY] |= {"checked": [(0, 0, 0, 0, 24, 30)]}
    (*_, saved) = run(Save(layers_to_save(viewer, results.rows), tmp_path, "ome-tiff"))
    assert list(saved.paths) == [*KINDS, ROUND_TRIP]
    assert saved.paths[ROUND_TRIP].name == "well_round_trip.ome.tif"
    assert (read(saved.paths[ROUND_TRIP]).plane(z=1) == 2).all()
    assert provenance(saved.paths[ROUND_TRIP])["checked"] == "[[0, 0, 0, 0, 24, 30]]"


def test_layers_without_a_file_have_one_once_they_are_saved(viewer: ViewerModel, tmp_path: Path) -> None:
    results = translated(viewer)
    (*_, saved) = run(Save(layers_to_save(viewer, results.rows), tmp_path, "ome-tiff"))
    assert isinstance(saved, Saved)
    note_saved(results.rows, saved)
    real = str(tmp_path / "DNA_to_drug.phenotrans" / "DNA_real.ome.tif")
    assert info(results.rows[1].translated)["provenance"]["real"] == info(results.rows[0].real)["path"] == real
    other = translated(viewer, tmp_path / "well.tif")
    note_saved(other.rows, saved)
    assert info(other.rows[0].real)["path"] == str(tmp_path / "well.tif")


@pytest.mark.parametrize(
    ("planes", "regions", "partial", "expected"),
    [
        ([], [], True, [(None, [[0, 7]])]),
        ([(0, 0), (0, 1)], [], False, [(None, None)]),
        ([(0, 1), (0, 0)], [], True, [(None, [[0, 0], [0, 1]])]),
        ([(0, 0), (1, 1), (2, 1)], [], True, [(None, [[0, 0]]), (None, [[1, 1], [2, 1]])]),
        ([(0, 0)], [(0, 1, 4, 5, 8, 9)], True, [(None, [[0, 0]]), ([4, 5, 8, 9], [[0, 1]])]),
    ],
)
def test_translations_that_make_a_layer_again(planes: Any, regions: Any, partial: bool, expected: Any) -> None:
    said = {**HOW, "planes": planes, "regions": regions, "region": None, "positions": [[0, 7]]}
    found = translated_parts(said | ({"partial": "in part"} if partial else {}))
    assert [(piece["region"], piece["positions"]) for piece in found] == expected
    assert all(piece["target"] == "drug" for piece in found)
