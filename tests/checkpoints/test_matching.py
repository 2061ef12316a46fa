from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest

from napari_phenotrans.checkpoints.checkpoint import Card
from napari_phenotrans.checkpoints.matching import (
    check_conditions,
    match_channels,
    outside_intensities,
    why_none_fits,
    working_scale,
)
from napari_phenotrans.core.errors import InputError
from napari_phenotrans.core.image import Image

if TYPE_CHECKING:
    from typing import Any


def card(**more: Any) -> Card:
    said = {
        "engine": "shift",
        "settings": {},
        "conditions": ("untreated", "treated"),
        "channels": ("DAPI", "PH3"),
        "low": (0, 0),
        "high": (1, 1),
        "crop": 32,
    }
    return Card(**(said | more))


def image(*channels: str, **more: Any) -> Image:
    return Image(np.zeros((len(channels), 4, 4)), "CYX", channels, **more)


def test_why_no_checkpoint_fits_is_one_sentence_for_all_of_them() -> None:
    cards = [card(), card(), card(channels=("DNA", "GFP"))]
    assert why_none_fits(["ph3", "Hoechst", "ZO1"], cards) == ""
    assert why_none_fits(["actin", "tubulin"], cards) == (
        "None of the 3 checkpoints fits this image, which shows actin, tubulin: they translate DAPI, PH3; DNA, GFP."
    )
    assert why_none_fits(["actin"], cards[:1]).startswith("The only checkpoint does not fit this image")
    assert why_none_fits(["actin"], []) == "There is no checkpoint yet."
    assert why_none_fits([], cards) == ""


def test_channels_are_found_by_name_whatever_their_order_and_spelling() -> None:
    assert match_channels(image("ph3", "Dapi"), card(), {}) == ([1, 0], [])
    indices, notices = match_channels(image("DAPI", "ZO1", "pH-3"), card(), {})
    assert indices == [0, 2]
    assert "Not translated" in notices[0]
    assert "ZO1" in notices[0]


def test_synonyms_are_the_users_to_say() -> None:
    assert match_channels(image("Hoechst", "PH3"), card(), {"DAPI": "Hoechst"})[0] == [0, 1]
    with pytest.raises(InputError, match=r"Hoecst.*the image Hoechst, PH3"):
        match_channels(image("Hoechst", "PH3"), card(), {"DAPI": "Hoecst"})
    with pytest.raises(InputError, match="same channel"):
        match_channels(image("Hoechst", "PH3"), card(), {"DAPI": "PH3"})


@pytest.mark.parametrize(
    ("names", "places"),
    [
        (("pHH3", "Hoechst 33342"), [1, 0]),
        (("phospho-histone H3 (Ser10)", "DNA"), [1, 0]),
        (("Alexa 647 - pHH3", "TJP1", "DAPI [405 nm]"), [2, 0]),
    ],
)
def test_names_of_one_stain_find_each_other_and_it_says_so(names: tuple[str, ...], places: list[int]) -> None:
    indices, notices = match_channels(image(*names), card(), {})
    assert indices == places
    assert notices[0].startswith("Taken by their meaning: ")
    assert f"{names[places[1]]} for PH3" in notices[0]
    assert "say which channel is which" in notices[0]


def test_a_dye_beside_the_name_is_no_guess() -> None:
    assert match_channels(image("PH3 (Cy5)", "DAPI-405"), card(), {}) == ([1, 0], [])


@pytest.mark.parametrize(
    ("names", "wanted"),
    [
        (("Hoechst", "DRAQ5", "PH3"), ("DAPI", "PH3")),  # which of the two is DAPI?
        (("PH3 (488)", "PH3 (647)", "DAPI"), ("DAPI", "PH3")),
        (("DRAQ5", "PH3", "GFP"), ("DAPI", "Hoechst", "PH3")),  # which of the two is DRAQ5?
        (("FITC", "DAPI"), ("GFP", "DAPI")),  # any stain may be seen through this filter
    ],
)
def test_what_could_mean_two_things_is_left_to_the_user(names: tuple[str, ...], wanted: tuple[str, ...]) -> None:
    with pytest.raises(InputError, match="Say which is which"):
        match_channels(image(*names), card(channels=wanted, low=(0,) * len(wanted), high=(1,) * len(wanted)), {})


def test_the_same_name_goes_before_the_same_meaning() -> None:
    indices, notices = match_channels(image("Hoechst", "DAPI", "PH3"), card(), {})
    assert indices == [1, 2]
    assert notices == ["Not translated, for the checkpoint does not know them: Hoechst."]


def test_unnamed_channels_are_matched_by_position_and_it_says_so() -> None:
    unnamed = Image(np.zeros((2, 4, 4)), "CYX")
    indices, notices = match_channels(unnamed, card(), {})
    assert indices == [0, 1]
    assert "The image names no channels" in notices[0]
    assert "channel 1 as DAPI, channel 2 as PH3" in notices[0]
    indices, notices = match_channels(image("DAPI", "PH3"), card(channels=("channel 1", "channel 2")), {})
    assert indices == [0, 1]
    assert "The checkpoint names no channels" in notices[0]


@pytest.mark.parametrize("channels", [("DAPI",), ("DAPI", "GFP"), ("GFP", "RFP", "BFP")])
def test_wrong_channels_are_refused_with_both_lists(channels: tuple[str, ...]) -> None:
    with pytest.raises(InputError, match=rf"DAPI, PH3; the image has {len(channels)}: {', '.join(channels)}"):
        match_channels(image(*channels), card(), {})


def test_unknown_conditions_are_refused() -> None:
    check_conditions(card(), "treated", "treated")
    with pytest.raises(InputError, match=r"source condition 'sick'.*untreated and treated"):
        check_conditions(card(), "sick", "treated")


def test_pixel_size_decides_the_scale() -> None:
    trained = card(pixel_size=0.5, pixel_unit="um")
    assert working_scale(image("a", pixel_size_um=0.25), trained) == (0.5, [])
    assert working_scale(image("a", pixel_size_um=0.51), trained) == (1.0, [])
    scale, notices = working_scale(image("a"), trained)
    assert scale == 1
    assert "unknown" in notices[0]
    assert "doubtful" in working_scale(image("a", pixel_size_um=5), trained)[1][0]
    assert working_scale(image("a"), card(pixel_size=2)) == (0.5, [])
    assert working_scale(image("a"), card()) == (1.0, [])


def test_pixel_sizes_that_cannot_be_compared_are_said() -> None:
    for trained, expected in ((card(pixel_size=2), 0.5), (card(), 1.0)):
        scale, (notice,) = working_scale(image("a", pixel_size_um=5), trained)
        assert scale == expected
        assert "does not know the pixel size" in notice


def test_intensities_outside_are_said_by_channel() -> None:
    x = np.zeros((2, 10, 10), np.float32)
    assert outside_intensities(x, card()) == {}
    # a few pixels are noise; and one channel alone counts, however many there are
    x[1, 0, 0] = 2
    assert outside_intensities(x, card()) == {}
    x[1, 0] = -2
    (said,) = outside_intensities(x, card()).items()
    assert said[0] == "PH3"
    assert "10% of the pixels lie outside the intensities that training saw (0 to 1)" in said[1]
    assert list(outside_intensities(np.full((2, 40, 40), -0.99), card())) == [""]
    # one channel may be empty: the condition may have lost the marker
    x = np.full((2, 40, 40), -0.99)
    x[0, :2] = 0.5
    assert outside_intensities(x, card()) == {}


def test_synthetic_checkpoints_warn_on_any_other_image() -> None:
    invented = card(synthetic=True)
    assert "means nothing" in working_scale(image("a"), invented)[1][0]
    assert working_scale(image("a", description="Synthetic: invented"), invented)[1] == []


@pytest.mark.parametrize("names", [("DAPI", "PH3", "DAPI (2)"), ("DAPI", "PH3", "dapi"), ("DAPI (2)", "DAPI", "PH3")])
def test_a_channel_that_comes_twice_is_asked_for(names: tuple[str, ...]) -> None:
    with pytest.raises(InputError, match=r"asks for DAPI, of which the image has 2.*DAPI="):
        match_channels(image(*names), card(), {})

    both = card(channels=("DAPI", "DAPI (2)"), low=(0, 0), high=(1, 1))
    assert match_channels(image("DAPI (2)", "DAPI", "PH3"), both, {})[0] == [1, 0]


@pytest.mark.parametrize("size", [0.5 * 16.5, 500.0, 0.5 / 17, 0.0005])
def test_extreme_scales_are_refused(size: float) -> None:
    with pytest.raises(InputError, match="more than 16 times apart"):
        working_scale(image("DAPI", "PH3", pixel_size_um=size), card(pixel_size=0.5, pixel_unit="um"))


@pytest.mark.parametrize("size", [0.5 * 15, 0.5 / 15])
def test_large_scales_are_doubted_only(size: float) -> None:
    scale, notices = working_scale(image("DAPI", "PH3", pixel_size_um=size), card(pixel_size=0.5, pixel_unit="um"))
    assert scale == pytest.approx(size / 0.5)
    assert "doubtful" in notices[0]


@pytest.mark.parametrize(("said", "index"), [("DAPI", 0), ("DAPI (2)", 2), ("dapi", 3)])
def test_the_said_one_of_several_alike_is_taken(said: str, index: int) -> None:
    several = image("DAPI", "PH3", "DAPI (2)", "dapi")
    assert match_channels(several, card(), {"DAPI": said})[0] == [index, 1]
