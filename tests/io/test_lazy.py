from pathlib import Path
from typing import Any

import numpy as np
import pytest

from napari_phenotrans.core.errors import InputError
from napari_phenotrans.io.lazy import LazyPixels, naming_damage

FULL = np.arange(2 * 3 * 5 * 7, dtype=np.uint16).reshape(2, 3, 5, 7)


class Source:
    """Pixels that count which planes were read."""

    def __init__(self, planes: int) -> None:
        self.planes = planes
        self.read: list[tuple[int, ...]] = []

    def __call__(self, position: tuple[int, ...], within: tuple[Any, ...]) -> np.ndarray:
        assert len(position) == self.planes
        self.read.append(position)
        return FULL[position][within]

    def pixels(self) -> LazyPixels:
        return LazyPixels(FULL.shape, FULL.dtype, self.planes, self, path=Path("a.tif"), expected="a TIFF file")


KEYS: list[Any] = [
    ...,
    0,
    -1,
    (1, 2),
    (1, 2, 4, 6),
    (slice(None), 1),
    (slice(None, None, -1), slice(2, 0, -1), 3, slice(None, None, -2)),
    (..., 3),
    (0, ..., slice(1, 4, 2)),
    (slice(1, 1), 0),
    (slice(0, 9), slice(-2, None), slice(4, 1), 0),
    (np.int64(1), np.uint8(0)),
]


@pytest.mark.parametrize("planes", [0, 1, 2])
@pytest.mark.parametrize("key", KEYS, ids=str)
def test_slices_like_numpy(key: Any, planes: int) -> None:
    got = Source(planes).pixels()[key]
    assert isinstance(got, np.ndarray | np.uint16)
    assert got.dtype == FULL.dtype
    np.testing.assert_array_equal(got, FULL[key])


def test_one_plane_reads_one_plane() -> None:
    source = Source(2)
    source.pixels()[1, 2, 2:4]
    assert source.read == [(1, 2)]


def test_an_empty_slice_reads_nothing() -> None:
    source = Source(2)
    assert source.pixels()[1, 1:1].shape == (0, 5, 7)
    assert source.pixels()[0, 0, 3:2].shape == (0, 7)
    assert source.read == []


def test_making_and_describing_it_reads_nothing() -> None:
    source = Source(2)
    pixels = source.pixels()
    assert (pixels.ndim, pixels.size, pixels.nbytes, len(pixels)) == (4, 210, 420, 2)
    assert pixels.chunks == (1, 1, 5, 7)
    assert "a.tif" in repr(pixels)
    assert source.read == []


def test_numpy_and_dask_take_it_for_an_array() -> None:
    array = pytest.importorskip("dask.array", reason="dask is not installed")
    np.testing.assert_array_equal(np.asarray(Source(2).pixels()), FULL)
    assert np.asarray(Source(2).pixels(), np.float32).dtype == np.float32
    source = Source(2)
    lazy = array.from_array(source.pixels())
    assert source.read == []
    np.testing.assert_array_equal(lazy[1, :, 2].compute(), FULL[1, :, 2])


@pytest.mark.parametrize("key", [2, (0, 3), (0, 0, 0, 0, 0), (..., ...)], ids=str)
def test_indices_outside_are_refused(key: Any) -> None:
    with pytest.raises(IndexError):
        Source(2).pixels()[key]


def test_big_endian_files_give_native_numbers() -> None:
    big = FULL.astype(">u2")
    pixels = LazyPixels(FULL.shape, big.dtype, 2, lambda p, w: big[p][w], path=Path("a"), expected="a file")
    assert pixels.dtype.isnative
    assert pixels[0, 0].dtype.isnative
    np.testing.assert_array_equal(pixels[...], FULL)


def test_damage_names_the_file_and_what_was_expected() -> None:
    def broken(*_: Any) -> np.ndarray:
        raise RuntimeError("stream ends early")

    pixels = LazyPixels((2, 2), np.uint8, 0, broken, path=Path("well.tif"), expected="a TIFF file")
    with pytest.raises(InputError, match=r"well\.tif could not be read \(RuntimeError: stream ends early\).*a TIFF"):
        pixels[...]


def test_a_message_for_the_user_stays_as_it_is() -> None:
    with pytest.raises(InputError, match=r"^say it$"), naming_damage(Path("a"), "a file"):
        raise InputError("say it")


def test_an_error_of_ours_is_not_taken_for_damage() -> None:
    with pytest.raises(AssertionError), naming_damage(Path("a"), "a file"):
        raise AssertionError


@pytest.mark.parametrize("error", [MemoryError("3 TB"), RuntimeError("can't start new thread")])
def test_memory_that_runs_out_is_no_damage(error: Exception) -> None:
    with (
        pytest.raises(InputError, match=r"a\.tif asks for more memory than there is"),
        naming_damage(Path("a.tif"), "x"),
    ):
        raise error
