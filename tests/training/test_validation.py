"""Scores on held-out fields: engines whose translations are known, few groups, collapse."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np
import pytest
import torch
from torch import Tensor

from napari_phenotrans.core.errors import InputError
from napari_phenotrans.engines.base import Engine, NetworkCall
from napari_phenotrans.training.held_out_crops import ScoringPlan
from napari_phenotrans.training.validation import NOT_FINITE, HeldOut, collapsed

if TYPE_CHECKING:
    from collections.abc import Callable, Generator

    from napari_phenotrans.core.settings import TranslationSettings

CONDITIONS = ("untreated", "treated")
CHANNELS = ("DNA", "GFP")
SHIFT = 0.3


class Known(Engine):
    """Translates by a known function of the crop, the source and the target; notes what it was asked."""

    def __init__(self, rule: Callable[[Tensor, str, str], Tensor], conditions: tuple[str, ...] = CONDITIONS) -> None:
        super().__init__(None, 2, conditions)
        self.translators["0"] = torch.nn.Linear(1, 1)
        self.rule, self.asked = rule, []

    def translation(
        self, x: Tensor, source: str, target: str, how: TranslationSettings, *, way_back: bool = False
    ) -> Generator[NetworkCall, Tensor, Tensor]:
        self.asked.append((source, target, tuple(x.shape)))
        return (yield NetworkCall(lambda crop: self.rule(crop, source, target), x, final=True))

    def start_training(self) -> None: ...
    def training_step(self, step, parts, update): ...
    def training_state(self): ...
    def load_training_state(self, state): ...


def perfect(x: Tensor, source: str, target: str) -> Tensor:
    """Conditions differ in the second channel's brightness."""
    return x + SHIFT * (CONDITIONS.index(target) - CONDITIONS.index(source)) * torch.tensor([0.0, 1.0])[:, None, None]


def plane(seed: int, condition: str, height: int = 72, width: int = 100) -> np.ndarray:
    rng = np.random.default_rng(seed)
    coarse = rng.normal(-0.3, 0.25, (2, height // 4 + 1, width // 4 + 1)).repeat(4, axis=1).repeat(4, axis=2)
    fine = coarse[:, :height, :width] + rng.normal(0, 0.05, (2, height, width)) + rng.normal(0, 0.03, (2, 1, 1))
    fine[1] += SHIFT * CONDITIONS.index(condition)
    return fine.astype(np.float32)


def planes(groups: int, fields: int = 1, first: int = 0) -> dict[str, list[tuple[str, np.ndarray]]]:
    return {
        condition: [
            (f"well {group}", plane(first + 1000 * number + 10 * group + field, condition))
            for group in range(groups)
            for field in range(fields)
        ]
        for number, condition in enumerate(CONDITIONS)
    }


TRAINING = {condition: [one for _, one in fields] for condition, fields in planes(5, first=500).items()}


def held_out(groups: int = 4, **plan) -> HeldOut:
    return HeldOut(planes(groups), TRAINING, CHANNELS, ScoringPlan(32, **plan))


def test_a_perfect_engine_reaches_the_floor_and_one_that_copies_what_copying_scores():
    held = held_out(8)
    there = "untreated → treated"
    known, copied = (held.score(Known(rule), 7) for rule in (perfect, lambda x, source, target: x))
    assert held.directions == [CONDITIONS, CONDITIONS[::-1]]
    assert known.step == 7 and known.collapsed is None
    for source, target in held.directions:
        key = f"kid {source} → {target}"
        assert copied.flat[key] == pytest.approx(held.copy_source[key])
        assert known.flat[key] < 0.1 * copied.flat[key]
        assert abs(held.floors[key]) < 0.1 * copied.flat[key]
        assert (
            known.flat[f"kid low {source} → {target}"] < known.flat[key] < known.flat[f"kid high {source} → {target}"]
        )
        assert copied.flat[f"gap closed {source} → {target}: GFP"] == held.copy_source[f"gap closed {there}: GFP"] == 0
    gap = f"gap closed {there}: GFP"
    assert 0.5 < known.flat[gap] < 1
    assert known.flat[gap] == pytest.approx(held.floors[gap], abs=0.25)
    assert (
        known.summary
        < copied.summary
        == pytest.approx(np.mean([copied.flat[f"kid {s} → {t}"] for s, t in held.directions]))
    )


def test_errors_of_round_trip_and_identity_control_are_shares_of_the_range():
    def sloppy(x: Tensor, source: str, target: str) -> Tensor:
        off = 0.04 if source == target else 0.1
        return perfect(x, source, target) + torch.tensor([off, 0.0])[:, None, None]

    scores = held_out().score(Known(sloppy), 0).flat
    assert scores["identity treated → treated: DNA"] == pytest.approx(0.02, rel=1e-4)
    assert scores["round trip untreated → treated: DNA"] == pytest.approx(0.1, rel=1e-4)
    assert scores["round trip treated → untreated: GFP"] == pytest.approx(0, abs=1e-6)
    assert all(math.isfinite(value) for value in scores.values())


def test_scores_go_into_a_checkpoints_card_with_their_places():
    held = held_out(3)
    cards = {(s.metric, s.direction, s.what): s for s in held.score(Known(perfect), 0).scores}
    kid = cards["kid", "treated → untreated", ""]
    assert kid.groups == 3
    assert kid.low < kid.value < kid.high
    assert kid.floor == held.floors["kid treated → untreated"]
    assert kid.copy_source == held.copy_source["kid treated → untreated"]
    assert cards["round trip", "treated → untreated", "GFP"].floor is None


@pytest.mark.parametrize(("groups", "interval", "lowest"), [(1, False, False), (2, False, True), (3, True, True)])
def test_few_groups_leave_out_what_they_cannot_say_and_say_so(groups, interval, lowest):
    held = held_out(groups)
    scores = held.score(Known(perfect), 0).flat
    assert ("kid low untreated → treated" in scores) is interval
    assert ("kid untreated → treated" in held.floors) is lowest
    assert any("without an interval or a floor" in note for note in held.notes) is (not lowest)
    assert any("An interval needs 3 groups" in note for note in held.notes) is (not interval)
    assert all(math.isfinite(value) for value in [*scores.values(), *held.floors.values(), *held.copy_source.values()])


def test_pieces_are_whole_crops_from_as_many_groups_as_possible():
    engine = Known(perfect)
    held = HeldOut(planes(3, fields=4), TRAINING, CHANNELS, ScoringPlan(32, stride=4, pieces=3))
    held.score(engine, 0)
    assert {shape for _, _, shape in engine.asked} == {(1, 2, 64, 96)}
    # per piece: there, back and upside down in two directions, and each condition to itself
    assert len(engine.asked) == 3 * (2 * 3 + 2)
    assert {score.groups for score in held.score(engine, 0).scores} == {3}
    assert "Scores use 3 of 12 held-out fields of treated." in held.notes


def test_an_engine_that_depends_on_its_tile_gets_crops_of_all_groups():
    engine = Known(perfect)
    held = HeldOut(planes(4), TRAINING, CHANNELS, ScoringPlan(32, tile=32, crops=20))
    scores = held.score(engine, 0).scores
    assert {shape for _, _, shape in engine.asked} == {(16, 2, 32, 32), (4, 2, 32, 32)}
    assert {score.groups for score in scores} == {4}


def test_more_conditions_are_translated_from_the_first_and_back():
    three = planes(3) | {"washed": planes(3, first=70)["treated"]}
    training = TRAINING | {"washed": TRAINING["treated"]}
    held = HeldOut(three, training, CHANNELS, ScoringPlan(32))
    assert held.directions == [
        ("untreated", "treated"), ("treated", "untreated"), ("untreated", "washed"), ("washed", "untreated"),
    ]  # fmt: skip


def test_training_images_learned_by_heart_are_noticed():
    remembered = torch.from_numpy(np.stack([TRAINING["treated"][i][:, 5:37, 9:41] for i in range(4)]))

    def copying(x: Tensor, source: str, target: str) -> Tensor:
        return remembered[torch.arange(len(x)) % 4] if target == "treated" else x

    held = HeldOut(planes(3), TRAINING, CHANNELS, ScoringPlan(32, tile=32, copies=4))
    scores = held.score(Known(copying), 0).flat
    assert scores["copies untreated → treated"] == 1
    assert scores["copy ratio untreated → treated"] < 0.01
    assert scores["copies treated → untreated"] == 0
    assert scores["copy ratio treated → untreated"] > 0.7


def test_a_channel_without_a_gap_is_left_out_and_named():
    blank = {c: [(g, p * [[[0.0]], [[1.0]]]) for g, p in fields] for c, fields in planes(3).items()}
    held = HeldOut(blank, TRAINING, CHANNELS, ScoringPlan(32))
    scores = held.score(Known(perfect), 0).flat
    assert "gap closed untreated → treated: GFP" in scores
    assert not any("gap closed" in key and "DNA" in key for key in scores)
    assert any("DNA is the same" in note for note in held.notes)


def test_collapse_is_said_in_words_and_numbers_that_are_none_score_worst():
    real = np.stack([plane(seed, "treated", 32, 32) for seed in range(6)])
    assert collapsed(real, real) is None
    assert collapsed(0.1 * real, real) is None
    assert collapsed(real[:1], real) is None
    same = np.repeat(real[:1], 6, axis=0) + np.random.default_rng(0).normal(0, 1e-3, real.shape)
    assert "all the same" in collapsed(same, real)
    flat = real.mean(axis=(2, 3), keepdims=True) + 0 * real
    assert "blank" in collapsed(flat, real)
    assert collapsed(np.where(real > 0.5, np.nan, real), real) == NOT_FINITE
    held = held_out(3)
    result = held.score(Known(lambda x, s, t: 0 * x), 0)
    assert (
        result.collapsed == "untreated → treated: translations are blank; treated → untreated: translations are blank"
    )
    broken = held.score(Known(lambda x, s, t: x / 0 if s == "treated" else x), 0)
    assert broken.summary == math.inf and broken.scores == () and NOT_FINITE in broken.collapsed


@pytest.mark.parametrize("name", ["cyclegan", "shift"])
def test_a_fresh_engine_is_no_collapse(make_engine, name):
    engine = make_engine(name)
    held = held_out(3, stride=engine.stride, tile=engine.tile)
    crops = [torch.from_numpy(np.stack(TRAINING["treated"]))[:, :, :64, :64]]
    for target in CONDITIONS:
        engine.fix_statistics(target, crops)
    scores = held.score(engine, 0)
    assert scores.collapsed is None
    assert math.isfinite(scores.summary)


def test_held_out_fields_that_cannot_be_scored_are_refused():
    with pytest.raises(InputError, match="treated has 0 fields with room for 0"):
        HeldOut({"untreated": planes(1)["untreated"], "treated": []}, TRAINING, CHANNELS, ScoringPlan(32))
    with pytest.raises(InputError, match="room for 1"):
        HeldOut(planes(1), TRAINING, CHANNELS, ScoringPlan(64))
    with pytest.raises(InputError, match="multiples of 5"):
        held_out(stride=5)


def test_an_engine_that_knows_up_from_down_is_told_by_the_turn_test() -> None:
    def leaning(x: Tensor, source: str, target: str) -> Tensor:
        rows = torch.linspace(0, 0.2, x.shape[2])[:, None]
        return x + rows * torch.tensor([1.0, 0.0])[:, None, None]

    scores = held_out(3).score(Known(leaning), 0)
    mine = {(s.direction, s.what): s for s in scores.scores if s.metric == "turned disagreement"}
    assert mine["untreated → treated", "DNA"].value == pytest.approx(0.05, rel=0.05)
    assert mine["treated → untreated", "GFP"].value == 0
    assert mine["untreated → treated", "DNA"].groups == 3
