"""The picture gate beside the real fields of the images at hand."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest

from napari_phenotrans.core.image import Image
from napari_phenotrans.core.intensity import Intensity
from napari_phenotrans.translation.pictures import PictureJudge, Pictures, judge_image, middle
from napari_phenotrans.translation.request import TranslationRequest
from napari_phenotrans.translation.translator import Translator

if TYPE_CHECKING:
    from collections.abc import Callable

    from napari_phenotrans.checkpoints.checkpoint import Checkpoint

CHANNELS = ("DNA", "stain")
LIMITS = Intensity((0.0, 0.0), (1500.0, 1500.0))


def draw(seed: int, gain: float = 1.0, side: int = 160) -> np.ndarray:
    """Nuclei on a jittered grid, and a stain that lies in them: ``gain`` times as bright."""
    rng = np.random.default_rng(seed)
    y, x = np.indices((side, side))
    field = np.zeros((2, side, side))
    for row, column in np.ndindex(side // 30, side // 30):
        center = np.array([row, column]) * 30 + 15 + rng.uniform(-4, 4, 2)
        disc = np.hypot(y - center[0], x - center[1]) < rng.uniform(6, 8)
        field[:, disc] = [[rng.uniform(700, 1000)], [gain * rng.uniform(200, 400)]]
    return (field + 100 + rng.normal(0, 12, field.shape)).astype(np.float32)


@pytest.fixture(scope="module")
def judge() -> PictureJudge:
    real = {"a": [draw(seed) for seed in range(4)], "b": [draw(seed, 3.0) for seed in range(10, 14)]}
    return PictureJudge({name: Pictures(planes) for name, planes in real.items()}, CHANNELS, LIMITS)


SOURCE = Pictures([draw(seed) for seed in (20, 21, 22)], ("w1", "w2", "w3"))


def test_the_same_cells_in_the_other_condition_pass(judge: PictureJudge) -> None:
    truth = Pictures([draw(seed, 3.0) for seed in (20, 21, 22)], SOURCE.groups)
    verdict = judge.judge(truth, SOURCE, "b", direction="a → b", kept=("DNA",))
    assert verdict.passed, verdict.sentences
    assert verdict.direction == "a → b"
    change = verdict.row("stain", "change")
    assert change.value is not None
    assert change.value > 0.6


def test_what_changes_nothing_is_said(judge: PictureJudge) -> None:
    verdict = judge.judge(SOURCE, SOURCE, "b")
    assert verdict.row("stain", "change").value == 0
    assert any("stain: changes nothing that differs" in text for text in verdict.sentences)


def test_a_kept_channel_has_to_come_back(judge: PictureJudge) -> None:
    moved = Pictures([plane + np.array([[[1.0]], [[0.0]]]) for plane in SOURCE.planes])
    assert ("DNA", "scar") in {
        (row.channel, row.measure) for row in judge.judge(moved, SOURCE, "b", kept=("DNA",)).failed
    }


def test_without_its_source_a_picture_is_judged_by_what_needs_none(judge: PictureJudge) -> None:
    verdict = judge.judge(Pictures([draw(30, 3.0)]), None, "b")
    assert verdict.row("DNA", "lattice").why == "the source of each field is not known"
    assert verdict.row("DNA", "ring").value is not None
    assert not any(row.measure == "change" for row in verdict.rows)


def test_the_middle_of_a_field_is_judged() -> None:
    plane = np.arange(7 * 10).reshape(1, 7, 10)
    assert np.array_equal(middle(plane, 4), plane[:, 1:5, 3:7])
    assert middle(plane, 100) is not None
    assert middle(plane, 100).shape == plane.shape


def test_one_image_is_judged_by_open_images_of_the_target(make_checkpoint: Callable[..., Checkpoint]) -> None:
    translator = Translator(make_checkpoint("shift", high=1500.0), device="cpu")
    names = translator.card.channels
    image, target = (Image(draw(seed, gain), "CYX", names) for seed, gain in ((20, 1.0), (10, 3.0)))
    request = TranslationRequest(*translator.card.conditions, positions=[(0, 0)])
    truth = draw(20, 3.0) - draw(20)
    checked = judge_image(translator, image, request, truth, [(target, {})])
    assert checked.fields == 1
    assert checked.verdict.passed, checked.verdict.sentences
    board = np.where(np.indices((160, 160)).sum(axis=0) % 2, 15.0, -15.0).astype(np.float32)
    bad = judge_image(translator, image, request, truth + board, [(target, {})])
    assert "lattice" in {row.measure for row in bad.verdict.failed}
