"""What goes wrong is recognized, and what goes well is not."""

from __future__ import annotations

from typing import Any

import pytest

from napari_phenotrans.runs.diagnosis import diagnose
from napari_phenotrans.runs.history import RunHistory

THERE, BACK = "a → b", "b → a"
FINE = {
    f"{name} {way}{channel}": value
    for way in (THERE, BACK)
    for name, channel, value in (
        ("change", ": DNA", 0.02), ("change", ": GFP", 0.2), ("correlation", ": DNA", 0.95),
        ("correlation", ": GFP", 0.4), ("variety", "", 0.8),
    )
}  # fmt: skip


def story(
    facts: list[dict[str, float]] | None = None,
    scores: list[dict[str, float]] | None = None,
    losses: dict[str, float] | None = None,
    *,
    step: int = 900,
    more: tuple[dict[str, Any], ...] = (),
) -> RunHistory:
    """Return a run of 1000 steps that is at ``step``; facts and scores were told every 100 steps before."""
    told = RunHistory()
    told.add_event(
        {"event": "Started", "step": 0, "steps": 1000, "device": "", "fields": {"a": 3, "b": 3}, "held_out": {}}
    )
    for number, each in enumerate(facts or [], start=1):
        told.add_event({"event": "Preview", "step": 100 * number, "path": "", "facts": each})
    for number, each in enumerate(scores or [], start=1):
        copied = {f"kid {THERE}": 0.9, f"kid {BACK}": 0.9}
        told.add_event(
            {
                "event": "Scored",
                "step": 100 * number,
                "scores": each,
                "best": False,
                "floors": {},
                "copy_source": copied,
            }
        )
    for number in range(step - 200, step + 1):
        told.add_event({"event": "Losses", "step": number, "losses": losses or {"cycle a": 0.1}, "time": number})
    for event in more:
        told.add_event(event)
    told.update_curves()
    return told


def names(*args: Any, **more: Any) -> list[str]:
    return [finding.name for finding in diagnose(story(*args, **more))]


def test_a_good_run_is_not_blamed() -> None:
    scores = [
        {f"kid {THERE}": kid, f"kid {BACK}": 0.3, f"gap closed {THERE}: GFP": 0.8, f"copies {THERE}": 0.125,
         "held-out denoising a": 0.2}
        for kid in (0.8, 0.5, 0.3, 0.25, 0.2, 0.22, 0.19, 0.24, 0.2)
    ]  # fmt: skip
    losses = {"adversarial a": 0.4, "discriminator a": 0.2, "adversarial b": 0.9, "discriminator b": 0.4}
    assert names([FINE] * 5, scores, losses) == []
    assert names() == []


def test_identity_only_needs_time_and_stillness() -> None:
    still = FINE | {f"change {THERE}: DNA": 0.001, f"change {THERE}: GFP": 0.004}
    assert names([still] * 5) == ["identity only"]
    assert names([still] * 2, step=240) == []
    assert names([still]) == []
    assert names([FINE | {f"change {THERE}: GFP": 0.001}] * 5) == []
    # small changes may be all that there is to do, and scores know
    little = FINE | {f"change {THERE}: DNA": 0.001, f"change {THERE}: GFP": 0.02}
    as_source = {f"kid {THERE}": 0.88, f"gap closed {THERE}: DNA": 0.0, f"gap closed {THERE}: GFP": 0.05}
    assert names([little] * 5) == []
    assert names([little] * 5, [as_source] * 3) == ["identity only"]
    assert names([still] * 5, [as_source | {f"gap closed {THERE}: GFP": 0.7}] * 3) == []
    sentence = diagnose(story([little] * 5, [as_source] * 3))[0].sentence
    assert sentence.startswith("a → b it changes next to nothing (2.0 % of the range")


def test_collapse_shows_in_crops_and_in_going_back() -> None:
    assert names([FINE, FINE | {f"variety {THERE}": 0.001}]) == []
    assert names([FINE | {f"variety {BACK}": 0.001}] * 2) == ["collapsed"]
    back = {"event": "RolledBack", "step": 900, "to_step": 800, "rate": 0.5}
    reason = "the engine has collapsed: a → b: translations are blank"
    collapsed = diagnose(story(more=(back | {"reason": reason},)))
    assert [finding.name for finding in collapsed] == ["collapsed"]
    assert "At step 900 the engine has collapsed" in collapsed[0].sentence
    assert names(more=(back | {"reason": "a loss is not a number"},)) == []
    beyond = {"event": "Losses", "step": 901, "losses": {"cycle a": 0.1}}
    assert names(more=(back | {"reason": reason}, beyond)) == []


def test_a_negative_is_told_by_its_channel() -> None:
    found = diagnose(story([FINE | {f"correlation {BACK}: GFP": -0.7}] * 2))
    assert [finding.name for finding in found] == ["inverted contrast"]
    assert "b → a, GFP comes out as a negative" in found[0].sentence


def test_a_discriminator_that_is_never_wrong_has_won() -> None:
    losses = {"adversarial b": 0.97, "discriminator b": 0.01, "adversarial a": 0.3, "discriminator a": 0.2}
    found = diagnose(story(losses=losses))
    assert [finding.name for finding in found] == ["discriminator wins"]
    assert "discriminator of b" in found[0].sentence
    assert names(losses=losses | {"discriminator b": 0.4}) == []


def test_copies_are_memorized() -> None:
    assert names(scores=[{f"copies {THERE}": 0.0}, {f"copies {THERE}": 0.375}]) == ["memorizing"]


@pytest.mark.parametrize(
    ("kids", "found"),
    [
        ((0.8, 0.4, 0.2, 0.2, 0.2, 0.4, 0.5, 0.5, 0.5), ["overfitting"]),
        ((0.8, 0.4, 0.2, 0.2, 0.2, 0.22, 0.25, 0.24, 0.23), []),
        ((0.8, 0.4, 0.2, 0.2, 0.9), []),
        ((0.8, 0.7, 0.6, 0.5, 0.4, 0.3, 0.2, 0.9), []),
    ],
)
def test_a_score_that_gets_worse_for_good_is_overfitting(kids: tuple[float, ...], found: list[str]) -> None:
    assert names(scores=[{f"kid {THERE}": kid} for kid in kids]) == found


def test_a_held_out_loss_that_rises_is_overfitting() -> None:
    curve = (0.5, 0.3, 0.2, 0.24, 0.25, 0.26)
    assert names(scores=[{"held-out denoising a": value} for value in curve]) == ["overfitting"]
    assert names(scores=[{"held-out denoising a": value} for value in curve[:4]]) == []
