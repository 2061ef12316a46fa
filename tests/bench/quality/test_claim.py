from __future__ import annotations

from pathlib import Path

from bench.quality.claim import TRIALS, equal_steps, few_wells, most_apart, verdict
from napari_phenotrans.dataset.dataset import DataSet, Field
from napari_phenotrans.metrics import Measured

BETTER, WORSE = Measured(-0.1, -0.2, -0.05), Measured(-0.1, -0.2, 0.05)


def test_every_seed_has_both_engines_with_both_identity_weights() -> None:
    assert len({trial.folder for trial in TRIALS}) == len(TRIALS) == 12
    assert TRIALS[0].folder == "cyclegan-0.5-0"


def test_three_wells_are_trained_on_and_all_others_unseen() -> None:
    wells = {"untreated": 8, "wortmannin": 16}
    fields = tuple(
        Field(Path(f"{condition}/{condition[0]}{well}.tif"), condition, f"{condition[0]}{well}")
        for condition, count in wells.items()
        for well in range(count)
    )
    dataset = DataSet(Path("."), tuple(wells), fields)
    training, unseen = few_wells(dataset, 0)
    assert training.count() == {"untreated": 1, "wortmannin": 2}
    assert unseen.count() == {"untreated": 7, "wortmannin": 14}
    assert not {field.group for field in training.fields} & {field.group for field in unseen.fields}
    assert training.fields != few_wells(dataset, 1)[0].fields


def test_what_is_equal_steps_and_what_equal_minutes() -> None:
    rows = {
        "cyclegan": [{"step": 200, "minutes": 1.0}, {"step": 400, "minutes": 2.0}, {"step": 600, "minutes": 3.0}],
        "scgan": [{"step": 200, "minutes": 1.5}, {"step": 400, "minutes": 3.0}, {"step": 600, "minutes": 4.5}],
    }
    assert equal_steps(rows) == {
        "steps": {"cyclegan": 600, "scgan": 600},
        "minutes": {"cyclegan": 600, "scgan": 400},
    }


def test_the_largest_gap_of_either_condition_counts() -> None:
    assert most_apart([{"apart": {"a": 0.1, "b": -0.3}}, {"apart": {"a": 0.0, "b": 0.25}}]) == 0.25


def test_the_claim_holds_where_every_interval_lies_below_zero() -> None:
    assert "the claim holds here" in verdict([(0.3, BETTER), (0.4, BETTER), (0.1, WORSE)])
    assert "below 0 in 1 of 2 comparisons: the claim does not hold" in verdict([(0.3, BETTER), (0.4, WORSE)])
    # too few wells for an interval say nothing for it
    assert "does not hold" in verdict([(0.3, Measured(-0.1))])


def test_without_learning_by_heart_nothing_was_tested() -> None:
    assert "at most +0.15, 0.2 were asked" in verdict([(0.15, BETTER), (0.1, WORSE)])
    assert verdict([]) == "Nothing was trained yet."
