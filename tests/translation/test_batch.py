from __future__ import annotations

import gc
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from napari_phenotrans.core.errors import InputError
from napari_phenotrans.core.events import Notice
from napari_phenotrans.core.image import Image
from napari_phenotrans.core.region import Region
from napari_phenotrans.io import read, write
from napari_phenotrans.translation.batch import (
    FileDone,
    FileFailed,
    FilesRequest,
    FileStarted,
    read_result,
    translate_files,
)
from napari_phenotrans.translation.events import EvaluationDone, PlaneDone, RegionDone
from napari_phenotrans.translation.inputs import images_in
from napari_phenotrans.translation.request import TranslationRequest
from napari_phenotrans.translation.translate import Translator

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from napari_phenotrans.checkpoints.checkpoint import Checkpoint

WAY: dict[str, Any] = {"source": "untreated", "target": "treated"}
REQUEST = TranslationRequest(**WAY)


@pytest.fixture
def translator(make_checkpoint: Callable[..., Checkpoint]) -> Translator:
    return Translator(make_checkpoint(), device="cpu")


def well(path: Path, channels: int = 2, planes: int = 2, height: int = 36) -> Path:
    pixels = np.random.default_rng(0).integers(0, 200, (planes, channels, height, 40)).astype(np.uint8)
    return write(Image(pixels, "ZCYX", tuple(f"marker {i}" for i in range(channels)), pixel_size_um=0.5), path)


def test_files_are_translated_and_failures_do_not_stop_the_others(translator: Translator, tmp_path: Path) -> None:
    broken, foreign = tmp_path / "broken.tif", well(tmp_path / "foreign.ome.tif", channels=1)
    broken.write_bytes(b"no TIFF")
    good = [well(tmp_path / name) for name in ("a.ome.tif", "b.ome.zarr")]
    events = list(
        translate_files(FilesRequest([broken, good[0], foreign, good[1]], tmp_path / "out", REQUEST), translator)
    )
    files = [event for event in events if isinstance(event, (FileStarted, FileDone, FileFailed))]
    assert [(type(event).__name__, event.path) for event in files] == [
        ("FileFailed", broken),
        ("FileStarted", good[0]),
        ("FileDone", good[0]),
        ("FileStarted", foreign),
        ("FileFailed", foreign),
        ("FileStarted", good[1]),
        ("FileDone", good[1]),
    ]
    assert [(e.number, e.total, e.planes) for e in files if isinstance(e, FileStarted)] == [
        (2, 4, 2),
        (3, 4, 2),
        (4, 4, 2),
    ]
    assert "damaged" in files[0].reason and "channel" in files[4].reason
    assert {EvaluationDone, RegionDone} <= {type(event) for event in events}
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == [
        f"{name}_{kind}.ome.{suffix}"
        for name, suffix in (("a", "tif"), ("b", "zarr"))
        for kind in ("difference", "translated")
    ]


def test_only_the_planes_that_were_asked_for(translator: Translator, tmp_path: Path) -> None:
    events = list(translate_files(FilesRequest([well(tmp_path / "a.ome.tif")], tmp_path, REQUEST, zs=[1]), translator))
    assert [event.z for event in events if isinstance(event, RegionDone) and event.share == 1] == [1]
    assert {event.z for event in events if isinstance(event, RegionDone)} == {1}
    done = events[-1]
    assert isinstance(done, FileDone)
    result = read_result(done)
    assert result.real.sizes == result.translated.sizes == {"Z": 1, "C": 2, "Y": 36, "X": 40}
    np.testing.assert_array_equal(result.real.plane(z=0), read(done.path).plane(z=1))
    assert (result.provenance["target"], result.provenance["positions"]) == ("treated", [[0, 1]])


@pytest.mark.parametrize("suffix", [".ome.tif", ".ome.zarr"])
def test_large_planes_are_written_as_they_come_and_are_the_same(
    suffix: str, translator: Translator, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path, asked = well(tmp_path / f"a{suffix}", height=530), replace(REQUEST, region=Region(3, 5, 520, 31))
    with monkeypatch.context() as patch:
        patch.setattr("napari_phenotrans.translation.tiled_inference.TiledInference.evaluates_once", lambda *_: False)
        events = list(translate_files(FilesRequest([path], tmp_path / "whole", asked, pyramid_above=900), translator))
    assert PlaneDone in {type(event) for event in events}
    whole = read_result(events[-1])
    events = list(translate_files(FilesRequest([path], tmp_path / "parts", asked, pyramid_above=900), translator))
    assert RegionDone in {type(event) for event in events}
    assert PlaneDone not in {type(event) for event in events}
    parts = read_result(events[-1])
    for mine, theirs in ((parts.translated, whole.translated), (parts.difference, whole.difference)):
        assert mine.sizes == {"Z": 2, "C": 2, "Y": 520, "X": 31} or suffix == ".ome.zarr"
        assert len(mine.pyramid) == 1
        for z in range(2):
            np.testing.assert_allclose(mine.plane(z=z), theirs.plane(z=z), atol=1e-3)
    assert parts.provenance["region"] == [3, 5, 520, 31]


def test_what_stops_half_way_leaves_no_zarr(translator: Translator, tmp_path: Path) -> None:
    path = well(tmp_path / "a.ome.zarr")
    for event in translate_files(FilesRequest([path], tmp_path / "out", REQUEST), translator):
        if isinstance(event, RegionDone):
            break
    gc.collect()
    assert list((tmp_path / "out").iterdir()) == []


def test_existing_results_are_kept_unless_said(translator: Translator, tmp_path: Path) -> None:
    path = well(tmp_path / "a.ome.tif", planes=1)
    assert isinstance([*translate_files(FilesRequest([path], tmp_path, REQUEST), translator)][-1], FileDone)
    (failed,) = translate_files(FilesRequest([path], tmp_path, REQUEST), translator)
    assert isinstance(failed, FileFailed) and failed.reason.startswith(
        f"{tmp_path / 'a_translated.ome.tif'} exists already"
    )
    assert isinstance(
        [*translate_files(FilesRequest([path], tmp_path, REQUEST, overwrite=True), translator)][-1], FileDone
    )


def test_memory_that_runs_out_fails_one_file(
    translator: Translator, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    paths = [well(tmp_path / f"{name}.ome.tif", planes=1) for name in "ab"]
    before = translator.translate

    def translate(image: Image, request: TranslationRequest, **more: Any) -> Any:
        if image.path == paths[0]:
            raise MemoryError("of 3 TB there is none\nand so on for pages")
        return before(image, request, **more)

    monkeypatch.setattr(translator, "translate", translate)
    events = [
        e
        for e in translate_files(FilesRequest(paths, tmp_path, REQUEST), translator)
        if isinstance(e, (FileDone, FileFailed))
    ]
    assert isinstance(events[0], FileFailed) and isinstance(events[1], FileDone)
    assert events[0].reason.startswith("Memory ran out (of 3 TB there is none). Close other programs")


def test_tick_stops_everything(translator: Translator, tmp_path: Path) -> None:
    class Enough(Exception):
        pass

    def tick() -> None:
        raise Enough

    paths = [well(tmp_path / f"{name}.ome.tif") for name in "ab"]
    with pytest.raises(Enough):
        list(translate_files(FilesRequest(paths, tmp_path / "out", REQUEST), translator, tick=tick))
    assert not (tmp_path / "out").exists()


def test_what_reading_noticed_is_said(translator: Translator, tmp_path: Path) -> None:
    path = tmp_path / "half.ome.tif"
    write(read(well(tmp_path / "a.ome.tif")), path, metadata={"partial": "Half of it is 0."})
    events = list(translate_files(FilesRequest([path], tmp_path, REQUEST), translator))
    assert isinstance(events[0], FileStarted)
    assert events[1] == Notice("Half of it is 0.")


def test_a_folder_lists_images_and_counts_the_rest(tmp_path: Path) -> None:
    for name in ("A10.tif", "a2.ome.tif", "A1.png", "notes.txt", "a2_translated.ome.tif", "a2_difference.ome.zarr",
                 ".hidden.tif", "Thumbs.db"):  # fmt: skip
        (tmp_path / name).touch()
    (tmp_path / "sub").mkdir()
    (tmp_path / "stack.ome.zarr").mkdir()
    found = images_in(tmp_path)
    assert [path.name for path in found.images] == ["A1.png", "a2.ome.tif", "A10.tif", "stack.ome.zarr"]
    assert found.words() == "4 images to translate; left out: 2 results, 2 other files, 1 folder"
    with pytest.raises(InputError, match="no image to translate, but nothing"):
        images_in(tmp_path / "sub")
    with pytest.raises(InputError, match="cannot be read"):
        images_in(tmp_path / "none")


def test_a_folder_of_files_with_one_channel_each(tmp_path: Path) -> None:
    for field in ("A01", "A02"):
        for channel in ("w1", "w2"):
            (tmp_path / f"{field}_{channel}.tif").touch()
    assert [path.name for path in images_in(tmp_path, join=True).images] == ["A01_w1.tif", "A02_w1.tif"]
