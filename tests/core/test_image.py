import itertools

import dask.array as da
import numpy as np
import pytest

from napari_phenotrans.core.errors import InputError
from napari_phenotrans.core.image import Image
from napari_phenotrans.core.region import Region

SIZES = {"T": 3, "Z": 4, "C": 2, "Y": 5, "X": 6}


def numbered(axes: str) -> np.ndarray:
    return np.arange(np.prod([SIZES[a] for a in axes])).reshape([SIZES[a] for a in axes])


@pytest.mark.parametrize("axes", ["".join(p) for p in itertools.permutations("TZCYX")])
def test_plane_of_any_order_is_the_same_plane(axes: str) -> None:
    pixels = np.transpose(numbered("TZCYX"), ["TZCYX".index(letter) for letter in axes])
    image = Image(pixels, axes)
    np.testing.assert_array_equal(image.plane(t=2, z=1), numbered("TZCYX")[2, 1])


@pytest.mark.parametrize("axes", ["YX", "XY", "ZYX", "YZX", "TXY", "CYX", "YXC", "TCYX"])
def test_plane_is_always_cyx_and_place_undoes_it(axes: str) -> None:
    image = Image(numbered(axes), axes)
    at = {letter.lower(): 1 for letter in "TZ" if letter in axes}
    plane = image.plane(**at)
    assert plane.shape == (image.sizes.get("C", 1), 5, 6)
    into = np.zeros_like(image.pixels)
    for t, z in image.positions():
        plane = image.plane(t=t if "T" in axes else None, z=z if "Z" in axes else None)
        image.write_plane(plane, into, t, z)
    np.testing.assert_array_equal(into, image.pixels)


def test_missing_and_extra_positions_are_refused_with_both_lists() -> None:
    with pytest.raises(InputError, match=r"position along Z is missing.*ZYX.*neither t nor z.*z=0 to z=3"):
        Image(numbered("ZYX"), "ZYX").plane()
    with pytest.raises(InputError, match=r"no axis T.*its axes are ZYX.*t=2, z=0"):
        Image(numbered("ZYX"), "ZYX").plane(t=2, z=0)
    with pytest.raises(InputError, match="z=4 lies outside"):
        Image(numbered("ZYX"), "ZYX").plane(z=4)
    assert Image(numbered("YX"), "YX").plane(t=0, z=0).shape == (1, 5, 6)


@pytest.mark.parametrize("axes", ["YX", "XY", "CYX", "YXC", "TZCYX", "XTCYZ"])
def test_a_region_of_a_plane_is_read_alone(axes: str) -> None:
    pixels = numbered(axes)
    image = Image(pixels, axes)
    at = {letter.lower(): 2 for letter in "TZ" if letter in axes}
    np.testing.assert_array_equal(image.plane(**at, region=Region(1, 2, 3, 4)), image.plane(**at)[:, 1:4, 2:6])


@pytest.mark.parametrize("region", [Region(3, 0, 3, 1), Region(0, 6, 1, 1), Region(-1, 0, 2, 2), Region(2, 2, 0, 1)])
def test_a_region_outside_is_refused(region: Region) -> None:
    with pytest.raises(InputError, match=r"planes have 5 × 6\. Choose a region inside"):
        Image(numbered("YX"), "YX").plane(region=region)


@pytest.mark.parametrize("lazy", [False, True])
def test_a_part_has_the_axes_of_the_whole(lazy: bool) -> None:
    pixels = numbered("TZCYX")
    image = Image(da.from_array(pixels) if lazy else pixels, "TZCYX", ("a", "b"), colors=("#ff0000", None))
    positions = [(t, z) for t in (0, 2) for z in (1, 3)]
    part = image.part(channels=[1, 0], positions=positions, region=Region(1, 2, 3, 4))
    assert isinstance(part.pixels, da.Array) == lazy
    np.testing.assert_array_equal(part.pixels, pixels[::2, 1::2, ::-1, 1:4, 2:6])
    assert (part.axes, part.channels, part.colors) == ("TZCYX", ("b", "a"), (None, "#ff0000"))
    assert image.part() is image
    with pytest.raises(InputError, match="do not make a stack"):
        image.part(positions=positions[1:])
    with pytest.raises(InputError, match="no plane t=3, z=0"):
        image.part(positions=[(3, 0)])
    with pytest.raises(InputError, match="No plane was chosen"):
        image.part(positions=[])


@pytest.mark.parametrize(
    ("axes", "shape", "said"),
    [
        ("CYQ", (1, 2, 3), "each of Y and X once"),
        ("YYX", (1, 2, 3), "each of Y and X once"),
        ("CZ", (1, 2), "each of Y and X once"),
        ("YX", (1, 2, 3), "name 2 axes, but the pixels have 3"),
        ("YX", (0, 2), "empty"),
    ],
)
def test_axes_that_do_not_fit_are_refused(axes: str, shape: tuple[int, ...], said: str) -> None:
    with pytest.raises(InputError, match=said):
        Image(np.zeros(shape), axes)


def test_channel_names_must_fit() -> None:
    assert Image(numbered("CYX"), "CYX").channels == ("channel 1", "channel 2")
    with pytest.raises(InputError, match=r"3 channel names .* came for 2 channels"):
        Image(numbered("CYX"), "CYX", ("a", "b", "c"))


def test_synthetic_is_what_the_description_says() -> None:
    assert Image(numbered("YX"), "YX", description="Synthetic: invented").synthetic
    assert not Image(numbered("YX"), "YX", description="a well").synthetic
