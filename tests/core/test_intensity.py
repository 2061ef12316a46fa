import numpy as np
import pytest

from napari_phenotrans.core.errors import InputError
from napari_phenotrans.core.intensity import RANGE, Intensity, to_dtype


def field(seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).integers(90, 110, (2, 64, 64)).astype(np.uint16)


def test_limits_reach_a_rare_bright_marker_but_not_a_hot_pixel() -> None:
    plane = field()
    plane[0, 10:14, 10:14] = 4000  # 16 of 4096 pixels: a percentile of 99.5 would miss them
    plane[1, 30, 30] = 60000
    limits = Intensity.fit([field(1), plane])
    assert limits.high[0] > 4000
    assert limits.high[1] < 120


def test_headroom_is_a_tenth_above_and_a_fiftieth_below() -> None:
    plane = np.full((1, 8, 8), 100, np.uint16)
    plane[0, :, 4:] = 200
    limits = Intensity.fit([plane])
    assert limits.low == pytest.approx((98.0,))
    assert limits.high == pytest.approx((210.0,))


def test_limits_span_what_engines_see() -> None:
    limits = Intensity((10.0,), (30.0,))
    ends = limits.normalize(np.array([[[10, 30]]]))
    assert ends[0, 0, 1] - ends[0, 0, 0] == RANGE


@pytest.mark.parametrize(("pixels", "seen"), [(5, True), (4, False)])
def test_five_of_nine_neighbors_are_no_chance(pixels: int, seen: bool) -> None:
    plane = field()
    for row, column in [(9, 9), (8, 9), (10, 9), (9, 8), (9, 10)][:pixels]:
        plane[0, row, column] = 4000
    assert (Intensity.fit([plane]).high[0] > 4000) == seen


def test_limits_belong_to_all_conditions_together() -> None:
    dim, bright = field(), field() * 10
    assert Intensity.fit([dim, bright]) == Intensity.fit([bright, dim])
    assert Intensity.fit([dim, bright]).high[0] > bright[0].max() * 0.95
    assert Intensity.fit([dim, bright]).low[0] < dim[0].min()


def test_a_small_range_is_one() -> None:
    assert Intensity.fit([field().astype(np.float32) / 1000]).high[0] < 0.2


def test_limits_stay_as_they_are() -> None:
    with pytest.raises(AttributeError):
        Intensity((1.0,), (2.0,)).low = (0.0,)


@pytest.mark.parametrize("dtype", [np.int8, np.uint8, np.int16, np.uint16, np.float32])
def test_normalizing_is_undone_exactly(dtype: type) -> None:
    info = np.iinfo(dtype) if np.issubdtype(dtype, np.integer) else None
    low, high = (info.min, info.max) if info else (-5.0, 7.5)
    plane = np.linspace(low, high, 2 * 33 * 7).reshape(2, 33, 7).astype(dtype)
    limits = Intensity((float(low), float(low)), (float(high), float(high) / 2 + 1))
    back, clipped = to_dtype(limits.denormalize(limits.normalize(plane)), np.dtype(dtype))
    assert back.dtype == dtype
    if info:
        np.testing.assert_array_equal(back, plane)
    else:
        np.testing.assert_allclose(back, plane, atol=1e-5)
    assert clipped == (0, 0)


def test_limits_become_minus_one_and_one() -> None:
    limits = Intensity((10.0,), (30.0,))
    np.testing.assert_allclose(limits.normalize(np.array([[[10, 20, 30, 50]]])), [[[-1, 0, 1, 3]]])


def test_nothing_wraps_and_what_does_not_fit_is_counted() -> None:
    plane = np.array(
        [[[-3.0, 0.4, 254.6, 255.9, 300.0]], [[1.0, 1.0, 1.0, 1.0, 256.5]], [[-1.5, -1.0, 256.0, 1.0, 1.0]]]
    )
    back, clipped = to_dtype(plane, np.dtype(np.uint8))
    np.testing.assert_array_equal(back[0], [[0, 0, 255, 255, 255]])
    assert clipped == (2, 1, 1)
    # of which float32 cannot hold the largest
    back, clipped = to_dtype(np.full((1, 1, 1), 5e9, np.float32), np.dtype(np.uint32))
    assert (int(back[0, 0, 0]), clipped) == (2**32 - 1, (1,))


def test_unusable_planes_are_refused() -> None:
    with pytest.raises(InputError, match="No plane came"):
        Intensity.fit([])
    with pytest.raises(InputError, match="Channel 2 holds one single intensity"):
        Intensity.fit([np.stack([field()[0], np.full((64, 64), 7)])])
    nan = field().astype(np.float32)
    nan[0, :8, :8] = np.nan
    with pytest.raises(InputError, match="not finite"):
        Intensity.fit([nan])
    with pytest.raises(InputError, match="low below"):
        Intensity((1.0,), (1.0,))
    for low, high in (((), ()), ((1.0,), ())):
        with pytest.raises(InputError, match="one low and one high per channel"):
            Intensity(low, high)
