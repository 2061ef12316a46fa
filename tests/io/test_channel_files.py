from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile

from napari_phenotrans.core.errors import InputError
from napari_phenotrans.io import find_channel_files, read, read_joined

DATA = Path(__file__).parents[1] / "data"
GUID = "1D5F8F51A-3E85-4358-AE51-A465AF8738{:02d}"


def fill(folder: Path, names: list[str], **options: Any) -> dict[str, np.ndarray]:
    """Write one plane per name, each of its own brightness."""
    pixels = {}
    for i, name in enumerate(names):
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        pixels[name] = np.full((4, 6), 10 + i, np.uint16)
        tifffile.imwrite(path, pixels[name], metadata=None, **options)
    return pixels


SETS = {
    "MetaXpress": (["A01_s1_w1" + GUID.format(1)[1:], "A01_s1_w2" + GUID.format(2)[1:]], ("w1", "w2")),
    "MetaXpress without GUID": (["plate_C07_s1_w1", "plate_C07_s1_w2", "plate_C07_s1_w3"], ("w1", "w2", "w3")),
    "Phenix": (["r02c03f01p01-ch1sk1fk1fl1", "r02c03f01p01-ch2sk1fk1fl1"], ("ch1", "ch2")),
    "Yokogawa": (["x_B03_T0001F001L01A01Z01C01", "x_B03_T0001F001L01A02Z01C02"], ("C01", "C02")),
    "Micro-Manager": (["img_channel000_position000_time000000000_z000",
                       "img_channel001_position000_time000000000_z000"], ("channel000", "channel001")),
    "Gen5": (["D6_01_1_2_DAPI_001", "D6_01_2_2_GFP_001", "D6_01_3_2_RFP_001"], ("DAPI", "GFP", "RFP")),
    "InCell": (["A - 01(fld 01 wv DAPI - DAPI)", "A - 01(fld 01 wv FITC - FITC)"], ("DAPI - DAPI", "FITC - FITC")),
    "Cellomics": (["AS_09125_050116030001_D03f00d0", "AS_09125_050116030001_D03f00d1"], ("d0", "d1")),
    "Leica": (["well_ch00", "well_ch01"], ("ch00", "ch01")),
    "Operetta": (["007003-1-001001001-ch1", "007003-1-001001001-ch2"], ("ch1", "ch2")),
    "numbers": (["Channel_0", "Channel_1", "Channel_10"], ("Channel_0", "Channel_1", "Channel_10")),
    "stains": (["well3_DAPI_x", "well3_PH3_x", "well3_ZO1_x"], ("DAPI", "PH3", "ZO1")),
    "BBBC020": (["jw-1h 1_c1", "jw-1h 1_c5"], ("c1", "c5")),
    "CV7000": (["P1_A01_C01", "P1_A01_C02"], ("C01", "C02")),
    "ImageJ": (["C1-cells", "C2-cells"], ("C1", "C2")),
}  # fmt: skip


@pytest.mark.parametrize("kind", SETS)
def test_patterns_are_guessed(tmp_path: Path, kind: str) -> None:
    stems, channels = SETS[kind]
    names = [f"{stem}.TIF" for stem in stems]
    pixels = fill(tmp_path, names)
    for image in (read(tmp_path), read(tmp_path / names[-1], join=True), read([tmp_path / n for n in names])):
        assert image.channels == channels
        assert image.axes == "CYX"
        np.testing.assert_array_equal(image.pixels, [pixels[name] for name in names])
        assert image.path == tmp_path / names[0]
        (note,) = image.notes
        assert "guessed from the names" in note
        assert f"{channels[1]} = {names[1]}" in note


def test_one_file_stays_one_file_unless_asked(tmp_path: Path) -> None:
    names = ["a_w1.tif", "a_w2.tif"]
    fill(tmp_path, names)
    image = read(tmp_path / "a_w1.tif")
    assert (image.axes, image.notes) == ("YX", ())
    assert read([tmp_path / "a_w1.tif"]).axes == "YX"


def test_a_said_pattern_with_stacks_and_time(tmp_path: Path) -> None:
    names = [f"{c}/f-{z:02d}-{t}.tif" for c in ("nuclei", "ring") for z in (2, 10) for t in (1, 2, 3)]
    pixels = fill(tmp_path, names)
    pattern = r"(?P<channel>nuclei|ring)/f-(?P<z>\d+)-(?P<t>\d)"
    (field,) = find_channel_files([tmp_path / n for n in names], pattern)
    image = read_joined(field)
    assert (image.axes, image.channels) == ("TZCYX", ("nuclei", "ring"))
    assert image.pixels.shape == (3, 2, 2, 4, 6)
    np.testing.assert_array_equal(image.plane(t=2, z=1)[0], pixels["nuclei/f-10-3.tif"])
    np.testing.assert_array_equal(image.pixels[1, 0, 1], pixels["ring/f-02-2.tif"])
    assert "the said pattern" in image.notes[0]


def test_metaxpress_folders_are_time_and_depth(tmp_path: Path) -> None:
    names = [f"TimePoint_{t}/ZStep_{z}/p_B02_s1_w{c}.tif" for t in (1, 2) for z in (1, 2, 3) for c in (1, 2)]
    pixels = fill(tmp_path, names)
    fill(tmp_path / "TimePoint_1", ["p_B02_s1_w1_thumb.tif"])
    image = read(tmp_path)
    assert (image.axes, image.channels) == ("TZCYX", ("w1", "w2"))
    np.testing.assert_array_equal(image.plane(t=1, z=2)[1], pixels["TimePoint_2/ZStep_3/p_B02_s1_w2.tif"])


def test_several_fields_of_view_are_listed(tmp_path: Path) -> None:
    fill(tmp_path, [f"A0{well}_s1_w{c}.tif" for well in (1, 2, 3) for c in (1, 2)])
    fields = find_channel_files(tmp_path)
    assert [field.name for field in fields] == ["A01_s1_*", "A02_s1_*", "A03_s1_*"]
    assert fields[0].channels == ("w1", "w2")
    with pytest.raises(InputError, match=r"3 fields of view \(A01_s1_\*, A02"):
        read(tmp_path)
    assert read(tmp_path / "A02_s1_w1.tif", join=True).path == tmp_path / "A02_s1_w1.tif"
    assert read(str(tmp_path / "A03*")).channels == ("w1", "w2")
    with pytest.raises(InputError, match="3 fields of view were found"):
        read_joined([path for field in fields for path in field.files.values()])


def test_thumbnails_are_left_out(tmp_path: Path) -> None:
    fill(tmp_path, [f"a_{stain}{thumb}.tif" for stain in ("DAPI", "GFP") for thumb in ("", "_thumb")])
    assert [field.name for field in find_channel_files(tmp_path)] == ["a_*"]


def test_files_without_companions_are_no_channels(tmp_path: Path) -> None:
    fill(tmp_path, ["A01_w1.tif", "A02_w1.tif"])
    for where in (tmp_path, tmp_path / "A01_w1.tif"):
        with pytest.raises(InputError, match="No pattern could be guessed"):
            find_channel_files(where)
    assert len(find_channel_files(tmp_path, r"(?P<channel>w\d)")) == 2


def test_channels_sort_by_number(tmp_path: Path) -> None:
    fill(tmp_path, [f"x_c{i}.tif" for i in (1, 2, 10, 9)])
    assert read(tmp_path).channels == ("c1", "c2", "c9", "c10")


def test_names_in_the_files_win() -> None:
    image = read(DATA / "metaxpress")
    assert image.channels == ("FITC", "Cy3")
    assert image.pixel_size_um == pytest.approx(13.5504)
    expected = [tifffile.imread(path) for path in sorted((DATA / "metaxpress").iterdir())]
    np.testing.assert_array_equal(image.pixels, expected)


def test_names_and_axes_can_be_said(tmp_path: Path) -> None:
    for c in (1, 2):
        tifffile.imwrite(tmp_path / f"a_ch{c}.tif", np.zeros((6, 4, 6), np.uint8), metadata=None)
    assert read(tmp_path, axes="TYX", channels=["DNA", "PH3"]).axes == "CTYX"
    assert read(tmp_path, axes="TYX", channels=["DNA", "PH3"]).channels == ("DNA", "PH3")


def test_only_the_plane_asked_for_is_read(tmp_path: Path) -> None:
    names = [f"a_z{z}_ch{c}.tif" for z in range(3) for c in (1, 2)]
    pixels = fill(tmp_path, names)
    image = read(tmp_path)
    (tmp_path / "a_z2_ch2.tif").write_bytes(b"damaged")
    np.testing.assert_array_equal(image.plane(z=1), [pixels["a_z1_ch1.tif"], pixels["a_z1_ch2.tif"]])
    with pytest.raises(InputError, match=r"a_z2_ch2\.tif could not be read"):
        image.plane(z=2)


def test_what_does_not_fit_is_refused(tmp_path: Path) -> None:
    fill(tmp_path, ["a_z1_ch1.tif", "a_z1_ch2.tif", "a_z2_ch1.tif"])
    with pytest.raises(InputError, match=r"lacks 1 of 4 files: the first has channel ch2, t=0, z=2"):
        read(tmp_path)
    tifffile.imwrite(tmp_path / "a_z2_ch2.tif", np.zeros((4, 7), np.uint16))
    with pytest.raises(InputError, match=r"ch2\.tif has shape \(4, 7\)"):
        read(tmp_path).plane(z=1)
    tifffile.imwrite(tmp_path / "b_w1.tif", np.zeros((4, 7), np.uint16))
    tifffile.imwrite(tmp_path / "b_w2.tif", np.zeros((4, 7), np.uint8))
    with pytest.raises(InputError, match=r"uint8\) cannot be joined to .*uint16"):
        read(tmp_path / "b_w1.tif", join=True)


def test_what_cannot_be_guessed_says_how_to_say_it(tmp_path: Path) -> None:
    fill(tmp_path, ["one.tif", "two.tif"])
    with pytest.raises(InputError, match=r"No pattern could be guessed.*one\.tif, two\.tif.*\(\?P<channel>"):
        read(tmp_path)
    assert read(tmp_path, join="(?P<channel>one|two)").channels == ("one", "two")
    with pytest.raises(InputError, match="does not fit the 2 image files"):
        read(tmp_path, join="(?P<channel>three)")
    with pytest.raises(InputError, match="no regular expression"):
        read(tmp_path, join="(")
    with pytest.raises(InputError, match="says no channel"):
        read(tmp_path, join="one|two")
    with pytest.raises(InputError, match="are both channel o"):
        read(tmp_path, join=r"(?P<skip>\w*)(?P<channel>o)(?P<skip2>\w*)")
