"""No pixel of an OME-Zarr is invented, and none comes from elsewhere."""

import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import zarr

from napari_phenotrans.core.errors import InputError
from napari_phenotrans.core.image import Image
from napari_phenotrans.core.region import Region
from napari_phenotrans.io import read, write
from napari_phenotrans.io.zarr_chunks import SPARSE

RNG = np.random.default_rng(0)
AXES = [{"name": "c", "type": "channel"}, *({"name": a, "type": "space", "unit": "micrometer"} for a in "yx")]


def make(path: Path, zarr_format: Any = 2, **options: Any) -> np.ndarray:
    pixels = RNG.integers(1, 200, (2, 16, 20)).astype(np.uint16)
    group = zarr.open_group(path, mode="w", zarr_format=zarr_format)
    group.create_array("0", data=pixels, **({"chunks": (1, 8, 10)} | options))
    steps = [{"type": "scale", "scale": [1, 0.5, 0.5]}, {"type": "translation", "translation": [0, 30, -40]}]
    datasets = [{"path": "0", "coordinateTransformations": steps}]
    stated = {"multiscales": [{"version": "0.4", "axes": AXES, "datasets": datasets}]}
    group.attrs.update({"ome": stated} if zarr_format == 3 else stated)
    return pixels


def chunks(path: Path) -> list[Path]:
    return sorted(p for p in (path / "0").rglob("*") if p.is_file() and not p.name.startswith((".z", "zarr.")))


KINDS = [(2, {}), (3, {}), (3, {"shards": (2, 8, 20)}), (2, {"chunk_key_encoding": {"name": "v2", "separator": "/"}})]


@pytest.mark.parametrize(("zarr_format", "options"), KINDS)
@pytest.mark.parametrize("count", [1, 2])
def test_missing_chunks_are_counted(tmp_path: Path, zarr_format: int, options: dict[str, Any], count: int) -> None:
    path = tmp_path / "a.ome.zarr"
    pixels = make(path, zarr_format, **options)
    opened = read(path)
    np.testing.assert_array_equal(opened.plane(), pixels)
    every = chunks(path)
    for lost in every[:count]:
        lost.unlink()
    # while it is read
    with pytest.raises(InputError, match=f"lacks {count} of the {len(every)} chunks"):
        opened.plane()
    if count < len(every):
        with pytest.raises(InputError, match=f"lacks {count} of the {len(every)} chunks"):
            read(path)
    else:
        assert "None of its" in " ".join(read(path).notes)
    filled = read(path, missing_as_zero=True)
    assert (filled.plane() == 0).any()
    assert filled.reading == {"missing_as_zero": True}
    assert f"{count} of {len(every)} chunks" in " ".join(filled.notes)


def test_what_states_that_it_is_sparse_is_read(tmp_path: Path) -> None:
    make(tmp_path / "a.zarr")
    zarr.open_group(tmp_path / "a.zarr")["0"].attrs[SPARSE] = True
    chunks(tmp_path / "a.zarr")[0].unlink()
    image = read(tmp_path / "a.zarr")
    assert (image.plane()[0, :8, :10] == 0).all()
    assert "sparse" in image.notes[0]


def test_black_parts_that_are_written_are_there(tmp_path: Path) -> None:
    pixels = np.zeros((2, 40, 50), np.uint8)
    write(Image(pixels, "CYX"), tmp_path / "a.ome.zarr", pyramid=True)
    image = read(tmp_path / "a.ome.zarr")
    assert image.notes == ()
    np.testing.assert_array_equal(image.plane(), pixels)


@pytest.mark.parametrize("what", ["array", "chunk", "path"])
def test_links_out_of_the_store_are_refused(tmp_path: Path, what: str) -> None:
    make(tmp_path / "other.zarr")
    make(tmp_path / "a.zarr")
    array = tmp_path / "a.zarr" / "0"
    if what == "chunk":
        lost = chunks(tmp_path / "a.zarr")[0]
        lost.unlink()
        lost.symlink_to(chunks(tmp_path / "other.zarr")[0])
    elif what == "array":
        array.rename(tmp_path / "elsewhere")
        array.symlink_to(tmp_path / "other.zarr" / "0")
    else:
        group = zarr.open_group(tmp_path / "a.zarr")
        stated: Any = dict(group.attrs)["multiscales"]
        stated[0]["datasets"][0]["path"] = "../other.zarr/0"
        group.attrs["multiscales"] = stated
    with pytest.raises(InputError, match=r"a\.zarr"):
        read(tmp_path / "a.zarr").plane()


@pytest.mark.parametrize("name", ["a.tif", "a.ome.tif", "a.png", "a.zarr", "a.czi"])
def test_pipes_are_refused(tmp_path: Path, name: str) -> None:
    os.mkfifo(tmp_path / name)
    for join in (False, True):
        with pytest.raises(InputError, match="pipe, socket or device"):
            read(tmp_path / name, join=join)


@pytest.mark.parametrize(("version", "shards"), [(2, None), (3, None), (3, (1, 8, 8))])
@pytest.mark.parametrize("bytes_left", [0, 5])
def test_a_chunk_that_is_cut_short_is_no_zero(
    tmp_path: Path, version: int, shards: tuple[int, ...] | None, bytes_left: int
) -> None:
    pixels = np.random.default_rng(0).integers(1, 99, (2, 16, 16)).astype(np.uint8)
    group = zarr.open_group(tmp_path / "a.zarr", mode="w", zarr_format=version)
    group.create_array("0", data=pixels, chunks=(1, 4, 4), shards=shards)
    axes = [{"name": "c", "type": "channel"}, {"name": "y", "type": "space"}, {"name": "x", "type": "space"}]
    group.attrs["multiscales"] = [{"version": "0.4", "axes": axes, "datasets": [{"path": "0"}]}]
    np.testing.assert_array_equal(read(tmp_path / "a.zarr").plane(), pixels)
    file = chunks(tmp_path / "a.zarr")[0]
    file.write_bytes(file.read_bytes()[:bytes_left])
    with pytest.raises(InputError, match=r"lacks 1 of|could not be read"):
        read(tmp_path / "a.zarr").plane()


def test_a_pipe_for_a_chunk_is_refused(tmp_path: Path) -> None:
    make(tmp_path / "a.zarr")
    lost = chunks(tmp_path / "a.zarr")[0]
    lost.unlink()
    os.mkfifo(lost)
    with pytest.raises(InputError, match="is no file"):
        read(tmp_path / "a.zarr").plane()


@pytest.mark.parametrize("what", ["pipe", "link", "folder"])
@pytest.mark.parametrize(
    ("version", "name"),
    [
        (2, ".zgroup"),
        (2, ".zattrs"),
        (2, ".zmetadata"),
        (2, "0/.zarray"),
        (2, "0/.zattrs"),
        (2, "0/.zgroup"),
        (3, "zarr.json"),
        (3, "0/zarr.json"),
        (2, "A/1/0/.zattrs"),
    ],
)
def test_descriptions_are_files_of_the_store(tmp_path: Path, version: int, name: str, what: str) -> None:
    """Zarr would wait for ever for a pipe, and follow a link."""
    group = zarr.open_group(tmp_path / "a.zarr", mode="w", zarr_format=version)
    group.create_array("0", shape=(4, 4), chunks=(4, 4), dtype="uint8")
    group.require_group("A/1/0")
    other = tmp_path / "other"
    path = tmp_path / "a.zarr" / name
    other.write_bytes(path.read_bytes() if path.exists() else b"{}")
    path.unlink(missing_ok=True)
    if what == "pipe":
        os.mkfifo(path)
    elif what == "link":
        path.symlink_to(other)
    else:
        path.mkdir()
    with pytest.raises(InputError, match="leads out of" if what == "link" else "is no file"):
        read(tmp_path / "a.zarr")


def test_links_inside_the_store_are_its_own(tmp_path: Path) -> None:
    make(tmp_path / "a.zarr")
    attributes = tmp_path / "a.zarr" / "zarr.json"
    if not attributes.exists():
        attributes = tmp_path / "a.zarr" / ".zattrs"
    attributes.rename(tmp_path / "a.zarr" / "kept")
    attributes.symlink_to("kept")
    assert read(tmp_path / "a.zarr").plane().any()


@pytest.mark.parametrize("suffix", [".ome.zarr", ".ome.tif"])
@pytest.mark.parametrize("pyramid", [False, True])
def test_the_position_on_the_stage_is_written_back(tmp_path: Path, suffix: str, pyramid: bool) -> None:
    make(tmp_path / "a.zarr")
    image = read(tmp_path / "a.zarr")
    assert image.origin_um == {"Y": 30, "X": -40}
    write(image, tmp_path / f"b{suffix}", pyramid=pyramid)
    assert read(tmp_path / f"b{suffix}").origin_um == {"Y": 30, "X": -40}
    part = image.part(region=Region(2, 4, 6, 8))
    write(part, tmp_path / f"c{suffix}")
    assert read(tmp_path / f"c{suffix}").origin_um == {"Y": 31, "X": -38}


def test_a_negative_scale_is_named(tmp_path: Path) -> None:
    make(tmp_path / "a.zarr")
    group = zarr.open_group(tmp_path / "a.zarr")
    stated: Any = dict(group.attrs)["multiscales"]
    stated[0]["datasets"][0]["coordinateTransformations"] = [{"type": "scale", "scale": [1, -0.5, 0.5]}]
    group.attrs["multiscales"] = stated
    image = read(tmp_path / "a.zarr")
    assert image.pixel_size_um == 0.5
    assert "negative" in image.notes[0]
