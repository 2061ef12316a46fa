from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest
from napari.layers import Image as ImageLayer

from napari_phenotrans.checkpoints.checkpoint import Card
from napari_phenotrans.widgets.viewer.layer_info import fitting_checkpoint, known_condition, match_layers
from napari_phenotrans.widgets.viewer.layers import KEY

if TYPE_CHECKING:
    from collections.abc import Callable

CONDITIONS = ("untreated", "drug")


def named(*names: str) -> list[ImageLayer]:
    return [ImageLayer(np.zeros((4, 5)), name=name) for name in names]


@pytest.fixture
def card() -> Callable[..., Card]:
    def make(*channels: str) -> Card:
        n = len(channels)
        return Card(
            engine="shift", settings={}, conditions=CONDITIONS, channels=channels, low=(0,) * n, high=(1,) * n, crop=64
        )

    return make


@pytest.mark.parametrize(
    ("about", "expected"),
    [
        ({"condition": "drug"}, "drug"),
        ({"condition": "healthy", "path": "/data/drug/A01.tif"}, "drug"),
        ({"path": "/data/Untreated/plate/A01.tif"}, "untreated"),
        ({"path": "/data/untreated/plate/drug_A01.tif"}, "untreated"),
        ({"path": "/data/plate/A01_Drug.ome.tif"}, "drug"),
        ({"path": "/data/plate/drug_vs_untreated.tif"}, None),
        ({"path": "/data/plate/drugged.tif"}, None),
        ({}, None),
    ],
)
def test_condition(about: dict[str, str], expected: str | None) -> None:
    layer = ImageLayer(np.zeros((4, 5)), metadata={KEY: about})
    assert known_condition(layer, CONDITIONS) == expected


def test_channels_match_by_name_in_any_order(card: Callable[..., Card]) -> None:
    gfp, dna, other = named("gfp", "D N-A", "other")
    layers, notices = match_layers([gfp, dna, other], card("DNA", "GFP"))
    assert layers == [dna, gfp]
    assert "other" in notices[0]


def test_channels_match_by_position_with_a_warning(card: Callable[..., Card]) -> None:
    layers = named("a", "b")
    matched, notices = match_layers(layers, card("DNA", "GFP"))
    assert matched == layers
    assert "a as DNA, b as GFP" in notices[0]


def test_channels_that_cannot_be_matched_are_left_open(card: Callable[..., Card]) -> None:
    dna, b, c = named("DNA", "b", "c")
    assert match_layers([dna, b], card("DNA", "GFP")) == ([dna, None], [])
    assert match_layers(
        [b, c, dna][:2],
        card(
            "DNA",
        ),
    ) == ([None], [])
    assert match_layers([], card("DNA", "GFP")) == ([None, None], [])


def test_layers_of_the_same_stain_are_matched_though_others_are_missing(card: Callable[..., Card]) -> None:
    hoechst, x = named("Hoechst (405)", "x")
    matched, notices = match_layers([x, hoechst], card("DAPI", "GFP"))
    assert matched == [hoechst, None]
    assert notices == ["Taken by their meaning: Hoechst (405) for DAPI. If that is wrong, say which channel is which."]


def test_fitting_checkpoint(card: Callable[..., Card]) -> None:
    cards = {"two": card("DNA", "GFP"), "other": card("DAPI"), "again": card("dna")}
    assert fitting_checkpoint(named("DNA", "GFP"), cards, "two") == "two"
    assert fitting_checkpoint(named("DAPI"), cards, "two") == "other"
    assert fitting_checkpoint(named("DNA", "GFP"), cards, "again") == "again"  # both fit: the user's choice stays
    assert fitting_checkpoint(named("DNA", "GFP"), cards, "other") == "two"  # what does not fit helps nobody
    assert fitting_checkpoint(named("Hoechst"), cards, "two") == "other"  # by meaning
    assert fitting_checkpoint(named("x"), cards, "two") == "two"
