"""Batches that are continued, divided and disturbed: nothing is made twice, and no error ends one."""

from __future__ import annotations

import itertools
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from napari_phenotrans.core.errors import InputError
from napari_phenotrans.core.image import Image
from napari_phenotrans.core.region import Region
from napari_phenotrans.io import read, write
from napari_phenotrans.translation.batch import (
    FileDone,
    FileFailed,
    FileSkipped,
    FilesRequest,
    FileStarted,
    translate_files,
)
from napari_phenotrans.translation.batch_summary import SAME, Summary
from napari_phenotrans.translation.inputs import share_of
from napari_phenotrans.translation.made_from import MADE_FROM, MadeFrom, pixels_digest
from napari_phenotrans.translation.outputs import result_paths
from napari_phenotrans.translation.request import Answers, TranslationRequest
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


def well(path: Path, seed: int = 0, dtype: str = "uint8", **more: Any) -> Path:
    pixels = np.random.default_rng(seed).integers(0, 120, (2, 2, 36, 40)).astype(dtype)
    named = {"channels": ("marker 0", "marker 1"), "pixel_size_um": 0.5, "unit": "µm"} | more
    return write(Image(pixels, "ZCYX", **named), path, overwrite=True)


def ends(events: Any) -> list[Any]:
    return [e for e in events if isinstance(e, FileDone | FileSkipped | FileFailed)]


def ended(request: FilesRequest, translator: Translator) -> list[str]:
    return [type(event).__name__ for event in ends(translate_files(request, translator))]


# ---- continued


@pytest.mark.parametrize("suffix", [".ome.tif", ".ome.zarr"])
def test_a_batch_goes_on_where_it_was(suffix: str, translator: Translator, tmp_path: Path) -> None:
    paths = [well(tmp_path / f"{name}{suffix}", seed) for seed, name in enumerate("abc")]
    request = FilesRequest(paths, tmp_path / "out", REQUEST, skip_existing=True)
    assert ended(replace(request, paths=paths[:2]), translator) == ["FileDone"] * 2
    events = list(translate_files(request, translator))
    assert [type(event).__name__ for event in ends(events)] == ["FileSkipped", "FileSkipped", "FileDone"]
    first = ends(events)[0]
    assert first.done.translated == tmp_path / "out" / f"a_translated{suffix}"
    summary = Summary(paths)
    for event in events:
        summary.add(event)
    assert summary.words() == "3 images: 1 translated, 2 skipped"
    assert SAME in summary.lines()[1]


CHANGES: dict[str, tuple[Callable[[Path], Any], dict[str, Any], str]] = {
    "a pixel": (lambda path: well(path, seed=7), {}, "from other pixels"),
    "a pixel size": (lambda path: well(path, pixel_size_um=0.6), {}, "from other pixels"),
    "names": (lambda path: well(path, channels=("marker 1", "marker 0")), {}, "from other pixels"),
    "the target": (lambda path: None, {"target": "untreated"}, "target treated, now untreated"),
    "the region": (lambda path: None, {"region": Region(0, 0, 32, 32)}, r"region none, now \[0, 0, 32, 32\]"),
    "the background": (lambda path: None, {"how": {"background": "engine"}}, "background source, now engine"),
}


@pytest.mark.parametrize("name", CHANGES)
def test_what_was_made_otherwise_is_not_skipped(name: str, translator: Translator, tmp_path: Path) -> None:
    change, asked, reason = CHANGES[name]
    path = well(tmp_path / "a.ome.tif")
    request = FilesRequest([path], tmp_path / "out", REQUEST, skip_existing=True)
    assert ended(request, translator) == ["FileDone"]
    change(path)
    request = replace(request, translation=replace(REQUEST, **asked))
    before = (tmp_path / "out" / "a_translated.ome.tif").read_bytes()
    (failed,) = ends(translate_files(request, translator))
    assert isinstance(failed, FileFailed)
    with pytest.raises(InputError, match=reason):
        raise failed.error
    assert (tmp_path / "out" / "a_translated.ome.tif").read_bytes() == before
    assert ended(replace(request, overwrite=True), translator) == ["FileDone"]
    assert ended(request, translator) == ["FileSkipped"]


def test_another_checkpoint_is_told_by_its_content(
    make_checkpoint: Callable[..., Checkpoint], translator: Translator, tmp_path: Path
) -> None:
    path = well(tmp_path / "a.ome.tif")
    request = FilesRequest([path], tmp_path / "out", REQUEST, skip_existing=True)
    saved = translator.checkpoint.save(tmp_path / "one.safetensors")
    assert ended(request, translator) == ["FileDone"]
    renamed = saved.rename(tmp_path / "renamed.safetensors")
    assert ended(request, Translator(renamed, device="cpu")) == ["FileSkipped"]
    other = make_checkpoint(gain=0.2).save(tmp_path / "one.safetensors")
    (failed,) = ends(translate_files(request, Translator(other, device="cpu")))
    assert "was made by another checkpoint: it is not skipped" in failed.reason


def test_the_same_pixels_are_known_by_any_name_and_in_any_file(translator: Translator, tmp_path: Path) -> None:
    path = well(tmp_path / "a.ome.tif")
    request = FilesRequest([path], tmp_path / "out", REQUEST, skip_existing=True)
    assert ended(request, translator) == ["FileDone"]
    image = read(path)
    path.unlink()
    write(read(well(tmp_path / "elsewhere.ome.tif")), tmp_path / "a.ome.tif", pyramid=True)
    assert ended(request, translator) == ["FileSkipped"]
    assert image.channels == read(path).channels


@pytest.mark.parametrize("rows", [1, 7, 512])
def test_a_digest_does_not_depend_on_how_it_is_read(monkeypatch: pytest.MonkeyPatch, rows: int) -> None:
    pixels = np.random.default_rng(0).integers(0, 9, (2, 3, 20, 11)).astype(np.uint16)
    image = Image(pixels, "ZCYX")
    whole = pixels_digest(image, image.positions())
    monkeypatch.setattr("napari_phenotrans.translation.made_from._ROWS", rows)
    assert pixels_digest(image, image.positions()) == whole
    turned = image.replace(pixels=pixels.transpose(1, 0, 3, 2).astype(">u2"), axes="CZXY")
    assert pixels_digest(turned, image.positions()) == whole
    assert pixels_digest(image, [(0, 0)]) != pixels_digest(image, [(0, 1)]) != whole
    region = Region(2, 3, 9, 5)
    assert pixels_digest(image, [(0, 1)], region) == pixels_digest(image.part(region=region), [(0, 1)])


def test_results_that_do_not_say_what_they_are_of_are_refused(translator: Translator, tmp_path: Path) -> None:
    path = well(tmp_path / "a.ome.tif")
    request = FilesRequest([path], tmp_path / "out", REQUEST, skip_existing=True)
    for kind in ("translated", "difference"):
        write(read(path), tmp_path / "out" / f"a_{kind}.ome.tif", metadata={"translated": True, MADE_FROM: "{}"})
    (failed,) = ends(translate_files(request, translator))
    assert "does not say what it was made from" in failed.reason
    assert ended(replace(request, overwrite=True), translator) == ["FileDone"]


def test_a_result_of_which_a_file_is_gone_is_made_anew(translator: Translator, tmp_path: Path) -> None:
    path = well(tmp_path / "a.ome.tif")
    request = FilesRequest([path], tmp_path / "out", REQUEST, skip_existing=True)
    assert ended(request, translator) == ["FileDone"]
    gone = tmp_path / "out" / "a_translated.ome.tif"
    content = read(gone).plane(z=0)
    gone.unlink()
    assert ended(request, translator) == ["FileDone"]
    np.testing.assert_array_equal(read(gone).plane(z=0), content)


def test_a_damaged_result_is_not_skipped(translator: Translator, tmp_path: Path) -> None:
    path = well(tmp_path / "a.ome.tif")
    request = FilesRequest([path], tmp_path / "out", REQUEST, skip_existing=True)
    assert ended(request, translator) == ["FileDone"]
    result = tmp_path / "out" / "a_difference.ome.tif"
    result.write_bytes(result.read_bytes()[:700])
    assert ended(request, translator) == ["FileFailed"]
    assert ended(replace(request, overwrite=True), translator) == ["FileDone"]
    assert ended(request, translator) == ["FileSkipped"]


def test_tiles_that_memory_made_smaller_are_no_other_settings(translator: Translator, tmp_path: Path) -> None:
    path = well(tmp_path / "a.ome.tif")
    request = FilesRequest([path], tmp_path / "out", REQUEST, skip_existing=True)
    translator._driver.tile //= 2
    assert ended(request, translator) == ["FileDone"]
    translator._driver.tile *= 2
    assert ended(request, translator) == ["FileSkipped"]


def test_samples_and_completions_are_continued_too(make_checkpoint: Callable[..., Checkpoint], tmp_path: Path) -> None:
    flow = Translator(make_checkpoint("flow"), device="cpu")
    path = well(tmp_path / "a.ome.tif")
    request = FilesRequest(
        [path], tmp_path / "out", replace(REQUEST, answers=Answers(2, seed=1)), zs=[0], skip_existing=True
    )
    assert ended(request, flow) == ["FileDone"]
    assert ended(request, flow) == ["FileSkipped"]
    other = replace(request, translation=replace(REQUEST, answers=Answers(2, seed=2)))
    (failed,) = ends(translate_files(other, flow))
    assert "seed 1, now 2" in failed.reason


# ---- divided


def test_two_parts_at_once_write_nothing_twice(translator: Translator, tmp_path: Path) -> None:
    # two plates that call their wells the same: a part alone would call both results A01
    paths = [well(tmp_path / plate / f"A0{n}.ome.tif", n) for plate in ("p1", "p2") for n in range(1, 3)]
    out = tmp_path / "out"
    parts = [
        translate_files(FilesRequest(share_of(paths, n, 2), out, REQUEST, among=paths), translator) for n in (1, 2)
    ]
    events = [event for pair in itertools.zip_longest(*parts) for event in pair]
    done = ends(events)
    assert [type(event).__name__ for event in done] == ["FileDone"] * 4
    assert {event.path for event in done} == set(paths)
    written = [path for event in done for path in event.written]
    assert len(set(written)) == len(written) == 8
    expected = [each for results in result_paths(paths, out).values() for each in results.all]
    assert sorted(out.iterdir()) == sorted(expected) == sorted(written)
    assert all(MadeFrom.recorded(path) is not None for path in written)
    # a third process that asks for all has nothing to do
    assert ended(FilesRequest(paths, out, REQUEST, skip_existing=True), translator) == ["FileSkipped"] * 4


def test_a_part_without_images_does_nothing(translator: Translator, tmp_path: Path) -> None:
    paths = [well(tmp_path / "a.ome.tif")]
    assert share_of(paths, 2, 3) == []
    assert list(translate_files(FilesRequest([], tmp_path / "out", REQUEST, among=paths), translator)) == []


def test_a_file_that_is_named_twice_is_counted_once(translator: Translator, tmp_path: Path) -> None:
    paths = [well(tmp_path / f"{name}.ome.tif") for name in "ab"]
    events = list(translate_files(FilesRequest([*paths, paths[0]], tmp_path / "out", REQUEST), translator))
    started = [event for event in events if isinstance(event, FileStarted)]
    assert [(event.number, event.total) for event in started] == [(1, 2), (2, 2)]


# ---- disturbed


@pytest.mark.parametrize("error", [KeyError("a tag"), ValueError("shape"), ZeroDivisionError(), AssertionError("x")])
@pytest.mark.parametrize("where", ["read", "translate", "finish"])
def test_no_error_of_one_image_ends_a_batch(
    error: Exception, where: str, translator: Translator, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    paths = [well(tmp_path / f"{name}.ome.tif", seed) for seed, name in enumerate("ab")]
    target = {
        "read": "napari_phenotrans.translation.batch.read",
        "translate": "napari_phenotrans.translation.translate.translating",
        "finish": "napari_phenotrans.translation.outputs.write_as",
    }[where]
    import importlib

    module, name = target.rsplit(".", 1)
    original, calls = getattr(importlib.import_module(module), name), []

    def first_fails(*arguments: Any, **more: Any) -> Any:
        calls.append(1)
        if len(calls) == 1:
            raise error
        return original(*arguments, **more)

    monkeypatch.setattr(target, first_fails)
    events = ends(translate_files(FilesRequest(paths, tmp_path / "out", REQUEST), translator))
    assert [type(event).__name__ for event in events] == ["FileFailed", "FileDone"]
    assert type(error).__name__ in events[0].reason and not events[0].foreseen
    assert not list((tmp_path / "out").glob(".*part*"))


def test_an_error_that_stops_everything_is_passed_on_whatever_it_is(translator: Translator, tmp_path: Path) -> None:
    path = well(tmp_path / "a.ome.tif")

    def tick() -> None:
        raise InputError("enough")

    with pytest.raises(InputError, match="enough"):
        list(translate_files(FilesRequest([path, path], tmp_path / "out", REQUEST), translator, tick=tick))


@pytest.mark.parametrize("dtype", ["int64", "uint64", "float16"])
def test_a_dtype_that_cannot_be_written_is_refused_before_anything_is_computed(
    dtype: str, translator: Translator, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import tifffile

    pixels = np.random.default_rng(0).integers(0, 100, (2, 32, 32)).astype(dtype)
    tifffile.imwrite(tmp_path / "a.tif", pixels, metadata={"axes": "CYX"})
    ticked: list[int] = []
    request = FilesRequest([tmp_path / "a.tif"], tmp_path / "out", REQUEST)
    (failed,) = translate_files(request, translator, tick=lambda: ticked.append(1))
    assert isinstance(failed, FileFailed)
    assert f"cannot hold pixels of type {dtype}" in failed.reason and ".ome.zarr" in failed.reason
    assert not ticked
    # the format that can does
    zarr = write(read(tmp_path / "a.tif", axes="CYX"), tmp_path / "b.ome.zarr")
    assert ended(replace(request, paths=[zarr]), translator) == ["FileDone"]
    assert read(tmp_path / "out" / "b_translated.ome.zarr").dtype == dtype


def test_a_folder_that_cannot_be_written_to_is_refused_at_once(translator: Translator, tmp_path: Path) -> None:
    path = well(tmp_path / "a.ome.tif")
    (tmp_path / "file").touch()
    with pytest.raises(InputError, match="is no folder"):
        list(translate_files(FilesRequest([path], tmp_path / "file" / "out", REQUEST), translator))


def test_a_summary_counts_every_image_once(tmp_path: Path) -> None:
    paths = [tmp_path / f"{n}.tif" for n in range(5)]
    summary = Summary([*paths, paths[0]])
    done = FileDone(paths[0], paths[0], paths[0], seconds=1.25)
    for event in (done, done, FileSkipped(paths[1], done, 0.5), FileFailed(paths[2], InputError("No.\nWhy" * 40), 2)):
        summary.add(event)
    assert summary.words() == "5 images: 1 translated, 1 skipped, 1 failed, 2 not done"
    lines = summary.lines()
    assert [line.split()[1:3] for line in lines[1:4]] == [["translated", "1.2"], ["skipped", "0.5"], ["failed", "2.0"]]
    assert lines[3].endswith("…") and len(lines[3]) < len(str(paths[2])) + 150
    assert not summary.nothing_done and summary.failed == (paths[2],)
    only = Summary(paths[:1])
    only.add(FileFailed(paths[0], InputError("No.")))
    assert only.nothing_done
