"""Evaluating: known translations get the scores they must get; what is missing is said and the rest goes on."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from napari_phenotrans.core.errors import InputError
from napari_phenotrans.core.events import Notice, Progressed
from napari_phenotrans.core.intensity import Intensity
from napari_phenotrans.evaluation import evaluate as module
from napari_phenotrans.evaluation.evaluate import Evaluation, EvaluationRequest, evaluate
from napari_phenotrans.evaluation.inputs import Comparison, Cut, EvaluationSet
from napari_phenotrans.features import ExtractorResources
from napari_phenotrans.features.cache import Cache
from napari_phenotrans.metrics import METRICS

LIMITS = Intensity((-1.0, -1.0), (1.0, 1.0))
SHIFT = 0.4


def fields(seed: int, shift: float = 0.0, *, groups: int = 6, tag: str = "") -> list[tuple[str, np.ndarray]]:
    """Planes of four crops of 32 × 32: conditions differ in the brightness of the second channel."""
    made = []
    for group in range(groups):
        rng = np.random.default_rng(100 * seed + group)
        coarse = rng.normal(-0.3, 0.2, (2, 16, 16)).repeat(4, axis=1).repeat(4, axis=2)
        made.append((f"{tag}{group}", (coarse + rng.normal(0, 0.05, (2, 64, 64)) + [[[0]], [[shift]]]).astype("f4")))
    return made


def side(some: list[tuple[str, np.ndarray]], kept: int = 4) -> tuple[Cut, ...]:
    return tuple(Cut(name, name, lambda p=plane: [p], LIMITS, 32, tuple(range(kept))) for name, plane in some)


def material(made: float = SHIFT, **more) -> EvaluationSet:
    """Sources moved by ``made`` as translations; both directions share sides, as in a run."""
    untreated, treated = fields(1, tag="U"), fields(2, SHIFT, tag="T")
    there = [(name, plane + np.float32([[[0]], [[made]]])) for name, plane in untreated]
    real, source = side(treated), side(untreated)
    fit = {
        "untreated": np.concatenate([c.crops() for c in source]),
        "treated": np.concatenate([c.crops() for c in real]),
    }
    comparison = Comparison("untreated → treated", real, side(there), source)
    return EvaluationSet((comparison,), ("DNA", "GFP"), fit, {"crop": 32}, **more)


def run(evaluation_set, resources=None, **asked) -> tuple[Evaluation, list]:
    *events, last = evaluate(EvaluationRequest(evaluation_set, **asked), resources)
    assert isinstance(last, Evaluation)
    return last, events


@pytest.fixture(scope="module")
def perfect():
    return run(material(), resamples=50)


def test_a_perfect_translation_is_not_told_from_real_and_copying_is_no_better_than_copying(perfect):
    rows, copied = (
        {(row.metric, row.channel): row for row in evaluation.rows if row.features == "profile"}
        for evaluation in (perfect[0], run(material(0.0), resamples=50)[0])
    )
    assert set(rows) == {(name, channel) for name in METRICS for channel in ("", "DNA", "GFP")}
    for name in METRICS:
        assert rows[name, "GFP"].verdict == "not told from real", name
        assert copied[name, "GFP"].verdict == "not shown to be better than copying", name
    assert rows["c2st", ""].p > 0.05
    assert copied["c2st", ""].p < 0.01
    assert {row.features for row in perfect[0].rows} == {"profile", "profile, background subtracted"}
    assert {row.direction for row in perfect[0].rows} == {"untreated → treated"}


def test_progress_comes_in_parts_and_ends_with_where_the_scores_come_from(perfect):
    evaluation, events = perfect
    progress = [event for event in events if isinstance(event, Progressed)]
    assert all(0 <= event.done < event.total for event in progress)
    assert {event.what for event in progress} >= {"measuring crops: profile", "scoring kid", "scoring c2st"}
    assert evaluation.about["crop"] == 32
    assert list(evaluation.about["features"]) == ["profile"]


def test_the_same_again_is_measured_from_what_was_kept(tmp_path, monkeypatch):
    resources = ExtractorResources(cache=Cache(tmp_path))
    first, _ = run(material(), metrics=["kid"], resamples=0, resources=resources)

    def refuse(*_):
        raise AssertionError("measured again")

    built = module.extractor_entry("profile").build

    def build(fit, resources):
        extractor = yield from built(fit, resources)
        return dataclasses.replace(extractor, measure=refuse)

    entry = dataclasses.replace(module.extractor_entry("profile"), build=build)
    monkeypatch.setattr(module, "extractor_entry", lambda name: entry)
    assert run(material(), metrics=["kid"], resamples=0, resources=resources)[0].rows == first.rows
    with pytest.raises(AssertionError, match="measured again"):
        run(material(0.1), metrics=["kid"], resamples=0, resources=resources)


def test_features_that_cannot_be_had_are_said_and_the_others_go_on(tmp_path, monkeypatch):
    pytest.importorskip("torch_fidelity", reason="torch-fidelity is an extra")
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    evaluation, events = run(material(), features=["inception", "profile"], metrics=["kid"], resamples=0)
    assert {row.features for row in evaluation.rows} == {"profile", "profile, background subtracted"}
    assert any(isinstance(event, Notice) and "inception are left out" in event.text for event in events)
    with pytest.raises(InputError, match="Nothing is downloaded by itself"):
        run(material(), features=["inception"])


def test_measurements_alone_have_a_gap_to_close():
    quick = ExtractorResources(in_domain_steps=2)
    evaluation, _ = run(material(), quick, features=["in-domain"], metrics=["kid", "gap closed"], resamples=0)
    assert [(row.metric, row.channel) for row in evaluation.rows] == [("kid", "")]


def test_too_few_crops_for_one_metric_leave_the_others():
    few = material()
    comparison = few.comparisons[0]
    few = dataclasses.replace(few, comparisons=(dataclasses.replace(comparison, translated=comparison.translated[:1]),))
    rows = {row.metric: row for row in run(few, resamples=0)[0].rows if not row.channel}
    assert rows["density"].note == "needs 6 crops and 1 group on each side, got 4 and 1"
    assert rows["c2st"].value is None
    assert rows["kid"].value is not None


def test_black_translations_are_said_and_scored_and_black_targets_refused():
    black = material()
    comparison = black.comparisons[0]
    empty = side([(cut.group, np.full((2, 64, 64), -1, np.float32)) for cut in comparison.source])
    dark = dataclasses.replace(black, comparisons=(dataclasses.replace(comparison, translated=empty),))
    evaluation, _ = run(dark, resamples=0)
    assert any(
        "100% of the translated crops (untreated → treated) are empty, all of them" in n for n in evaluation.notes
    )
    assert all(np.isfinite(row.value) for row in evaluation.rows)
    turned = dataclasses.replace(black, comparisons=(dataclasses.replace(comparison, real=empty),))
    with pytest.raises(InputError, match=r"All real crops of the target.*are empty"):
        run(turned)


def test_one_channel_is_scored_once():
    one = material()
    single = Intensity((-1.0,), (1.0,))

    def alone(cuts):
        return tuple(
            dataclasses.replace(cut, planes=lambda c=cut: [p[1:] for p in c.planes()], intensity=single) for cut in cuts
        )

    comparison = Comparison(
        "",
        *(alone(cuts) for cuts in (one.comparisons[0].real, one.comparisons[0].translated, one.comparisons[0].source)),
    )
    fit = {name: crops[:, 1:] for name, crops in one.fit.items()}
    rows = run(EvaluationSet((comparison,), ("GFP",), fit), metrics=["kid"], resamples=0)[0].rows
    assert [(row.channel, row.features) for row in rows] == [
        ("GFP", "profile"), ("GFP", "profile, background subtracted"),
    ]  # fmt: skip


def test_a_background_that_drifted_is_told_from_what_cells_do():
    true = material()
    drifted = material(SHIFT + 0.3)
    scored = {}
    for name, one in (("true", true), ("drifted", drifted)):
        for row in run(one, metrics=["kid", "gap closed", "fid"], resamples=0)[0].rows:
            scored[name, row.features, row.metric, row.channel] = row.value
    plain, anchored = "profile", "profile, background subtracted"
    assert scored["drifted", plain, "kid", "GFP"] > scored["true", plain, "kid", "GFP"] + 0.1
    same = scored["true", anchored, "kid", "GFP"]
    assert scored["drifted", anchored, "kid", "GFP"] == pytest.approx(same, abs=1e-3)
    assert ("true", anchored, "fid", "GFP") not in scored, "what is read first is scored twice, and no more"


def test_pictures_are_judged_in_every_direction():
    comparison = material().comparisons[0]
    board = np.where(np.indices((64, 64)).sum(axis=0) % 2, 0.1, -0.1).astype(np.float32)
    spoiled = tuple(
        dataclasses.replace(cut, planes=lambda c=cut: [p + board for p in c.planes()]) for cut in comparison.translated
    )
    made = dataclasses.replace(material(), comparisons=(dataclasses.replace(comparison, translated=spoiled),))
    (verdict,) = run(made, metrics=["kid"], resamples=0)[0].pictures
    assert verdict.direction == "untreated → treated"
    assert "lattice" in {row.measure for row in verdict.failed}

    # in another order nothing is known of what was made from what
    turned = dataclasses.replace(comparison, translated=comparison.translated[::-1])
    evaluation, _ = run(dataclasses.replace(made, comparisons=(turned,)), metrics=["kid"], resamples=0)
    assert evaluation.pictures[0].row("GFP", "lattice").why == "the source of each field is not known"
    assert any("Which source image each translated one was made from is not known" in n for n in evaluation.notes)


def test_it_stops_when_it_is_told_to():
    calls = []

    def tick() -> None:
        calls.append(1)
        if len(calls) == 3:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run(material(), ExtractorResources(tick=tick))


def test_unknown_names_are_refused_before_anything_is_read():
    with pytest.raises(InputError, match=r"no metric lpips.*kid"):
        run(material(), metrics=["lpips"])
    with pytest.raises(InputError, match="no features 'dino'"):
        run(material(), features=["dino"])
