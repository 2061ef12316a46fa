from __future__ import annotations

import io
import itertools
import random
from pathlib import Path

import numpy as np
import pytest
import tifffile

from napari_phenotrans.core.errors import InputError
from napari_phenotrans.core.image import Image
from napari_phenotrans.io import write
from napari_phenotrans.translation.inputs import find_inputs, images_in, in_order, read_list, share_of


@pytest.fixture
def plates(tmp_path: Path) -> Path:
    """Two plates of images, results of earlier translations, notes and a hidden file."""
    for plate in ("p1", "p2"):
        (tmp_path / plate / "translated").mkdir(parents=True)
        for name in ("A2.tif", "A10.tif", ".A3.tif", "notes.txt", "A2_translated.ome.tif"):
            (tmp_path / plate / name).touch()
        (tmp_path / plate / "translated" / "A2_difference.ome.tif").touch()
        (tmp_path / plate / "stack.ome.zarr" / "0").mkdir(parents=True)
        (tmp_path / plate / "stack.ome.zarr" / "0" / "0.tif").touch()
    return tmp_path


def names(paths: tuple[Path, ...], root: Path) -> list[str]:
    return [path.relative_to(root).as_posix() for path in paths]


OF_P1 = ["p1/A2.tif", "p1/A10.tif", "p1/stack.ome.zarr"]
OF_P2 = [name.replace("p1", "p2") for name in OF_P1]


@pytest.mark.parametrize(
    ("said", "expected"),
    [
        (["p1"], OF_P1),
        (["p2", "p1"], OF_P2 + OF_P1),
        (["p1/*.tif"], OF_P1[:2]),
        (["p1/A[0-9].tif"], OF_P1[:1]),
        (["p?/A2.tif"], ["p1/A2.tif", "p2/A2.tif"]),
        (["**/*.tif"], OF_P1[:2] + OF_P2[:2]),
        (["**/*"], OF_P1 + OF_P2),
        (["p1/stack.ome.zarr/0/*"], ["p1/stack.ome.zarr/0/0.tif"]),
        (["p*"], OF_P1 + OF_P2),
        (["p1/A2.tif", "p1", "p1/../p1/A10.tif"], OF_P1),
        (["p1/none.tif", "p1/A2.tif"], ["p1/none.tif", "p1/A2.tif"]),
    ],
)
def test_files_folders_and_patterns(plates: Path, said: list[str], expected: list[str]) -> None:
    found = find_inputs([plates / each for each in said])
    assert names(found.paths, plates) == expected


def test_what_is_left_out_is_said(plates: Path) -> None:
    (note,) = find_inputs([plates / "p1"]).notes
    assert note.endswith("3 images to translate; left out: 1 result, 1 other file, 1 folder")
    (note,) = find_inputs([plates / "p1" / "A2*"]).notes
    assert note.endswith("1 result left out")


@pytest.mark.parametrize(
    ("said", "reason"),
    [
        ([], "No image was named"),
        (["p3*"], "fits no image"),
        (["p1/*_translated*"], "only 1 result of earlier translations"),
        (["p1/*.txt"], "fits no image, only"),
        (["p1/translated"], "no image to translate, but 1 result"),
    ],
)
def test_what_names_no_image_is_refused(plates: Path, said: list[str], reason: str) -> None:
    with pytest.raises(InputError, match=reason):
        find_inputs([plates / each for each in said])


def test_a_pattern_that_is_a_files_name_is_that_file(tmp_path: Path) -> None:
    (tmp_path / "A[1].tif").touch()
    (tmp_path / "A1.tif").touch()
    assert find_inputs([tmp_path / "A[1].tif"]).paths == (tmp_path / "A[1].tif",)


def test_a_list(plates: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(plates)
    text = "# wells of interest\r\n\r\n  p1/A2.tif  \r\np2\r\n"
    Path("list.txt").write_bytes(b"\xef\xbb\xbf" + text.encode())
    listed = read_list(Path("list.txt"))
    assert listed == [Path("p1/A2.tif"), Path("p2")]
    assert [path.as_posix() for path in find_inputs([Path("p2")], listed=listed).paths] == [*OF_P2, "p1/A2.tif"]
    monkeypatch.setattr("sys.stdin", io.StringIO("p1/A10.tif\n"))
    assert read_list(Path("-")) == [Path("p1/A10.tif")]


@pytest.mark.parametrize("content", [b"\n# nothing\n", b"II*\x00\xff\xfe\xfa", None])
def test_a_list_that_names_nothing_is_refused(tmp_path: Path, content: bytes | None) -> None:
    file = tmp_path / "list.txt"
    if content is not None:
        file.write_bytes(content)
    with pytest.raises(InputError, match=r"list"):
        read_list(file)


@pytest.mark.parametrize("of", [1, 2, 3, 7, 64])
@pytest.mark.parametrize("count", [1, 5, 40])
def test_shares_are_a_partition_whoever_asks_and_whatever_the_order(of: int, count: int) -> None:
    # numbers that are equal as numbers, and names that are equal but for their case
    paths = [Path(f"p/{a}{n}.tif") for a, n in itertools.product("aAb", ("1", "01", "001", *range(2, 30)))][:count]
    shares = []
    for number in range(1, of + 1):
        listed = paths[:]
        random.Random(number).shuffle(listed)
        shares.append(share_of(listed, number, of))
    assert sorted(itertools.chain(*shares)) == sorted(paths)
    assert max(map(len, shares)) - min(map(len, shares)) <= 1
    assert in_order(paths)[:1] == shares[0][:1]


# ---- several files that are one image


def channel_files(folder: Path, fields: tuple[str, ...] = ("A01", "A02")) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    for field in fields:
        for channel in ("w1", "w2"):
            tifffile.imwrite(folder / f"{field}_{channel}.tif", np.zeros((8, 9), np.uint8))
    return folder


@pytest.mark.parametrize("join", [True, r"_(?P<channel>w\d)"])
@pytest.mark.parametrize("said", [".", "*.tif", "files"])
def test_fields_of_one_channel_per_file_come_once(tmp_path: Path, join: bool | str, said: str) -> None:
    folder = channel_files(tmp_path / "plate")
    given = sorted(folder.iterdir()) if said == "files" else [folder / said]
    assert [path.name for path in find_inputs(given, join=join).paths] == ["A01_w1.tif", "A02_w1.tif"]
    assert len(find_inputs(given).paths) == 4


def test_a_folder_that_is_one_field_is_one_image(tmp_path: Path) -> None:
    folder = channel_files(tmp_path / "A01", ("A01",))
    assert find_inputs([folder]).paths == (folder,)
    (folder / "other.tif").touch()
    assert len(find_inputs([folder]).paths) == 3


def test_a_folder_of_images_of_several_channels_is_no_field(tmp_path: Path) -> None:
    for name in ("mouse_c1.ome.tif", "mouse_c2.ome.tif"):
        write(Image(np.zeros((2, 8, 9), np.uint8), "CYX"), tmp_path / name)
    assert len(find_inputs([tmp_path]).paths) == 2


@pytest.mark.parametrize("said", [".", "*.ome.tif", "files"])
def test_an_image_in_several_files_comes_once(tmp_path: Path, said: str) -> None:
    pixels = [np.full((8, 9), number, np.uint8) for number in range(2)]
    planes = "".join(
        f'<TiffData FirstZ="{i}" IFD="0" PlaneCount="1"><UUID FileName="z{i}.ome.tif">urn:uuid:0-{i}</UUID></TiffData>'
        for i in range(2)
    )
    for i, plane in enumerate(pixels):
        xml = (
            f'<OME xmlns="http://www.openmicroscopy.org/Schemas/OME/2016-06" UUID="urn:uuid:0-{i}"><Image ID="Image:0">'
            '<Pixels ID="Pixels:0" DimensionOrder="XYZCT" Type="uint8" SizeX="9" SizeY="8" SizeC="1" SizeZ="2" '
            f'SizeT="1"><Channel ID="Channel:0:0" Name="DNA"/>{planes}</Pixels></Image></OME>'
        )
        tifffile.imwrite(tmp_path / f"z{i}.ome.tif", plane, description=xml.encode(), metadata=None)
    given = sorted(tmp_path.iterdir()) if said == "files" else [tmp_path / said]
    found = find_inputs(given)
    assert names(found.paths, tmp_path) == ["z0.ome.tif"]
    if said == ".":
        assert "1 further file of a set" in images_in(tmp_path).words()
        assert "1 further file of a set" in found.notes[0]
    else:
        assert "1 file belongs to an image of which another file was named" in found.notes[0]
