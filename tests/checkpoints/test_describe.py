from __future__ import annotations

import numpy as np

from napari_phenotrans.checkpoints.checkpoint import Card, Checkpoint, PictureVerdict, Score
from napari_phenotrans.checkpoints.describe import (
    NONE_PASSED,
    NOT_JUDGED,
    card_lines,
    card_warnings,
    describe_card,
    describe_effect,
    describe_image,
    describe_score,
    picture_words,
)
from napari_phenotrans.core.effect import Effect
from napari_phenotrans.core.image import Image


def test_image_in_words_says_what_is_unknown_and_what_was_guessed() -> None:
    image = Image(np.zeros((3, 2, 5, 4), np.int8), "ZCYX", ("DAPI", "PH3"), z_step_um=2, notes=("Axes were guessed.",))
    lines = dict(line.split(maxsplit=1) for line in describe_image(image).splitlines() if line.split()[1:])
    assert lines["axes"] == "ZCYX (Z 3 × C 2 × Y 5 × X 4)"
    assert lines["dtype"] == "int8"
    assert lines["pixel"] == "size  unknown"
    assert lines["note"] == "Axes were guessed."
    assert "interval" not in lines


def test_score_in_words_has_its_interval_and_what_it_is_measured_against() -> None:
    score = Score(
        metric="gap closed", direction="a → b", value=0.912, low=0.8, high=0.95, floor=0.97, copy_source=0, groups=4
    )
    assert describe_score(score) == (
        "Share of the way to the target, a → b: 0.912 [0.8, 0.95] "
        "(unchanged image 0, best possible here 0.97, 4 groups)"
    )
    bare = Score(metric="IoU", direction="a → b", value=0.7, groups=2, what="nuclei")
    assert describe_score(bare) == "Overlap: nuclei, a → b: 0.7 (2 groups)"


def test_card_in_words_warns() -> None:
    card = Card(
        engine="shift", settings={"width": 8}, conditions=("a", "b"), channels=("DAPI",), low=(1,), high=(2,), crop=32,
        synthetic=True, targets=("b",),
    )  # fmt: skip
    said = describe_card("mine", card)
    assert "synthetic images; means nothing on any other" in said
    assert "no held-out score" in said
    assert "translates to  b" in said
    assert "DAPI 1 to 2" in said
    assert "no held-out score" not in describe_card(
        "mine", card.model_copy(update={"scores": (Score(metric="m", direction="d", value=1, groups=1),)})
    )


def test_what_is_known_of_pictures_is_said_of_one_direction_and_that_none_passed() -> None:
    card = Card(engine="shift", settings={}, conditions=("a", "b"), channels=("DAPI",), low=(1,), high=(2,), crop=32)
    assert picture_words(card) == [NOT_JUDGED]
    there = PictureVerdict(direction="a → b", passed=False, sentences=("DAPI: leaves a fine grid.",))
    back = PictureVerdict(direction="b → a", passed=True, sentences=("Passes: nothing is seen.",))
    card = card.model_copy(update={"pictures": (there, back)})
    assert picture_words(card, "a", "b") == ["On held-out fields, a → b: DAPI: leaves a fine grid.", NONE_PASSED]
    assert len(picture_words(card)) == 3
    good = card.model_copy(update={"pictures": (back,)})
    assert picture_words(good) == ["On held-out fields, b → a: Passes: nothing is seen."]


def test_a_depth_is_also_said_in_noise() -> None:
    effect = Effect(sigmas=(0.01, 0.1, 1.0, 10.0), shares=(0.0, 0.25, 0.75, 1.0), sds=(0.1, 0.4))
    assert describe_effect(effect) == (
        "0.5 SDs at 0.25, 1.58 SDs at 0.5, 5 SDs at 0.75, 50 SDs at 1 of the greatest change"
    )
    card = Checkpoint.read_card("bbbc013-phendiff")
    assert card.effect is not None
    assert describe_effect(card.effect) in describe_card("bbbc013-phendiff", card)


def test_a_few_lines_for_the_dock_say_the_same_as_the_card() -> None:
    score = Score(metric="gap closed", direction="a → b", value=0.9, floor=0.97, copy_source=0, groups=4)
    card = Card(
        engine="shift", settings={}, conditions=("a", "b"), channels=("DAPI",), low=(1,), high=(2,), crop=32,
        about="One sentence", pixel_size=0.5, pixel_unit="um", scores=(score,),
    )  # fmt: skip
    lines = card_lines(card)
    assert lines[:2] == ["One sentence", "Engine: shift"]
    assert "Pixel size: 0.5 µm per pixel" in lines
    assert lines[-1] == (
        "Held-out: Share of the way to the target, a → b: 0.9 (unchanged image 0, best possible here 0.97, 4 groups)"
    )
    assert card_warnings(card) == []
    (warning,) = card_warnings(card.model_copy(update={"scores": ()}))
    assert "may be right or invented" in warning


def test_a_look_says_everywhere_that_it_is_one() -> None:
    score = Score(metric="gap closed", direction="a → b", value=0.9, groups=4)
    card = Card(
        engine="flow", settings={"batch": 4}, conditions=("a", "b"), channels=("DAPI",), low=(1,), high=(2,), crop=64,
        training={"steps": 1000}, scores=(score,),
    )  # fmt: skip
    (warning,) = card_warnings(card)
    assert "is a look" in warning
    assert warning in describe_card("mine", card)
    assert any(line.startswith("Trained for: a look") for line in card_lines(card))
    longer = card.model_copy(update={"training": {"steps": 6000}})
    assert card_warnings(longer) == []
    assert "look" not in describe_card("mine", longer) + "\n".join(card_lines(longer))
