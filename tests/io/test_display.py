import numpy as np
import pytest

from napari_phenotrans.core.image import Image
from napari_phenotrans.core.kinds import DIFFERENCE, REAL, SIGNED, SPREAD, TRANSLATED
from napari_phenotrans.io.display import (
    ENOUGH,
    PALETTE,
    STAIN_COLORS,
    fitting,
    lookup_table,
    noted_colors,
    noted_display,
    shown_colors,
    viewer_colors,
    windows,
)

RNG = np.random.default_rng(0)


def test_a_range_holds_a_rare_bright_marker_and_leaves_hot_pixels_out() -> None:
    plane = RNG.integers(100, 200, (1000, 1000)).astype(np.uint16)
    plane[:30, :30] = 4000
    plane[500, 500:510] = 65535
    low, high = fitting(plane, REAL)
    assert low == pytest.approx(100, abs=1)
    assert high == 4000


@pytest.mark.parametrize("kind", sorted(SIGNED))
def test_differences_are_symmetric(kind: str) -> None:
    low, high = fitting(RNG.normal(30, 5, 10_000).astype(np.float32), kind)
    assert low == -high and 40 < high < 50
    assert fitting(np.zeros(100, np.float32), kind) == (-1, 1)
    assert fitting(np.full(100, np.nan, np.float32), kind) == (-1, 1)
    one = np.zeros(10_000, np.float32)
    one[5] = -7
    assert fitting(one, kind) == (-7, 7)


def test_a_spread_begins_at_nothing_and_constant_pixels_have_a_range() -> None:
    assert fitting(np.full(100, 5.0), SPREAD) == (0, 5)
    assert fitting(np.full(100, 5, np.uint8), REAL) == (5, 6)
    assert fitting(np.ones(100, bool), REAL) == (1, 2)


def test_images_that_are_compared_share_their_range() -> None:
    dark, bright = (Image(np.arange(200).reshape(1, 10, 20) * k, "CYX") for k in (1, 10))
    ((low, high),) = windows(dark, TRANSLATED, bright)
    assert low <= 1 and high > 1900
    assert windows(dark.replace(display=((3.0, 4.0),)), REAL) == ((3, 4),)


def test_a_large_plane_is_looked_at_in_strips() -> None:
    class Counted:
        shape, dtype, read = (8, ENOUGH), np.dtype(np.uint8), 0

        def __getitem__(self, index: tuple[slice, ...]) -> np.ndarray:
            part = np.zeros(self.shape, np.uint8)[index]
            part[-1:, -1:] = 9
            self.read += part.size
            return part

    pixels = Counted()
    ((low, high),) = windows(Image(pixels, "YX"), REAL)
    assert low < high
    assert pixels.read <= 16 * ENOUGH


def test_every_channel_has_a_color_of_its_own() -> None:
    three = Image(np.zeros((3, 2, 2)), "CYX", colors=("#0000ff", None, None))
    assert shown_colors(three, REAL) == ("#0000ff", "#ff00ff", "#ffff00")
    assert shown_colors(three, DIFFERENCE) == ("#ffffff",) * 3
    assert shown_colors(Image(np.zeros((2, 2)), "YX"), REAL) == ("#ffffff",)


def test_tables_rise_from_black_and_differences_diverge_from_it() -> None:
    table = lookup_table("#ff8000", REAL)
    assert table[:, 0].tolist() == [0, 0, 0] and table[:, -1].tolist() == [255, 128, 0]
    diverging = lookup_table("#ff8000", DIFFERENCE)
    assert diverging[:, 127:129].max() <= 4
    assert diverging[2, 0] > diverging[0, 0] and diverging[0, -1] > diverging[2, -1]


def test_what_was_noted_by_hand_is_no_range() -> None:
    assert noted_display("[[1, 2], null]") == ((1, 2), None)
    for wrong in ("nonsense", "[[2, 1]]", "[[1]]", "[1]", '[["a", 2]]', "[[0, NaN]]", None):
        assert noted_display(wrong) == ()
    assert noted_colors([None, "#ff0000"], ("#00ff00", "#ff0000")) == (None, "#ff0000")
    assert noted_colors("nonsense", ("#00ff00",)) == noted_colors([None, None], ("#00ff00",)) == ("#00ff00",)


def test_the_same_channel_has_the_same_color_wherever_it_is_shown() -> None:
    dna, gfp = STAIN_COLORS["DNA"], STAIN_COLORS["GFP"]
    assert viewer_colors(("DNA", "FKHR-EGFP")) == viewer_colors(("DAPI", "EGFP")) == (dna, gfp)
    assert viewer_colors(("GFP", "DNA", "other")) == (gfp, dna, PALETTE[0])
    # what a file says counts more, and no other channel takes that color
    assert viewer_colors(("DNA", "GFP"), ("#123456", None)) == ("#123456", gfp)
    assert viewer_colors(("a", "b"), (None, PALETTE[0])) == (PALETTE[1], PALETTE[0])
    assert viewer_colors(("DNA", "DAPI")) == (dna, PALETTE[0])
    assert viewer_colors(("DNA",)) == ("#ffffff",)
    many = viewer_colors([f"channel {number}" for number in range(8)])
    assert set(many) == set(PALETTE)
