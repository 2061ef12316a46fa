"""Recognizing what typically goes wrong in training from a run's events, with advice on what to try."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from napari_phenotrans.runs.history import RunHistory, Series

# Seen on two previews, or three scorings, in a row: single ones swing.
PREVIEWS, SCORINGS = 2, 3
SAME = 0.02  # variance between translated crops, of that between real ones
NEGATIVE = -0.3  # correlation of real and translated pixels
STILL, LITTLE = 0.01, 0.03  # mean change, of the range
NO_GAP, NO_GAIN = 0.1, 0.9  # gap closed, and KID as a share of what copying the source scores
LOSSES = 100  # over which losses are taken
BEATEN, SURE = 0.8, 0.1  # least-squares losses: a generator that deceives nobody, a discriminator that is never wrong
COPIED = 0.25  # of what an engine makes
WORSE = 0.15  # KID above the best one, of the way from floor to copy source
RISEN = 1.1  # held-out loss over the lowest one
# An engine begins with changing nothing; before a quarter of the steps, or so many, that is no finding.
_EARLY_SHARE, _EARLY = 0.25, 1000


@dataclass(frozen=True)
class Finding:
    """Something typical that goes wrong.

    Parameters
    ----------
    name
        Its short name: "collapsed", "inverted contrast", "identity only", "discriminator wins", "memorizing" or
        "overfitting".
    sentence, advice
        What is seen, and what to try.
    """

    name: str
    sentence: str
    advice: str


def diagnose(history: RunHistory) -> tuple[Finding, ...]:
    """Return what looks wrong with a run, the gravest first; nothing where nothing does, or too little is known.

    Parameters
    ----------
    history
        The run's, such as a `RunWatch`.
    """
    checks = (_collapsed, _inverted, _identity_only, _discriminator_wins, _memorizing, _overfitting)
    return tuple(finding for check in checks for finding in list(check(history))[:1])


def _collapsed(history: RunHistory) -> Iterator[Finding]:
    advice = (
        "Try a lower --learning-rate, a larger --batch, or more images; for a GAN also --augment fluorescence. An "
        "earlier checkpoint may still be good."
    )
    at, reason = history.rollbacks[-1] if history.rollbacks else (0, "")
    if "collapsed" in reason and history.step <= at:
        yield Finding("collapsed", f"At step {at} {reason}. It went back and tries again.", advice)
    for direction in _directions(history):
        variety = _recent_median(history.facts.get(f"variety {direction}"), PREVIEWS)
        if variety is not None and variety < SAME:
            yield Finding("collapsed", f"Whatever crop is translated {direction}, the result is the same.", advice)


def _inverted(history: RunHistory) -> Iterator[Finding]:
    for direction in _directions(history):
        for channel, curve in _of_channels(history.facts, f"correlation {direction}"):
            correlation = _recent_median(curve, PREVIEWS)
            if correlation is not None and correlation < NEGATIVE:
                yield Finding(
                    "inverted contrast",
                    f"{direction}, {channel} comes out as a negative: what was dark is bright (correlation with the "
                    f"real crops {correlation:.2f}).",
                    "Start anew with another --seed, or a higher --identity: a negative of a negative is a perfect "
                    "round trip, so that loss alone does not forbid it.",
                )


def _identity_only(history: RunHistory) -> Iterator[Finding]:
    if history.step < min(_EARLY_SHARE * history.steps, _EARLY):
        return
    for direction in _directions(history):
        changes = [_recent_median(curve, PREVIEWS) for _, curve in _of_channels(history.facts, f"change {direction}")]
        known = [change for change in changes if change is not None]
        if not known or len(known) < len(changes):
            continue
        gaps = [_recent_median(curve, SCORINGS) for _, curve in _of_channels(history.scores, f"gap closed {direction}")]
        kid, copied = (
            _recent_median(history.scores.get(f"kid {direction}"), SCORINGS),
            history.copy_source.get(f"kid {direction}"),
        )
        scored = kid is not None and copied is not None
        gained = any(gap is not None and gap > NO_GAP for gap in gaps)
        if kid is not None and copied is not None:
            gained = gained or kid < NO_GAIN * copied
        if not gained and max(known) < (LITTLE if scored else STILL):
            yield Finding(
                "identity only",
                f"{direction} it changes next to nothing ({100 * max(known):.1f} % of the range on average"
                f"{', and scores are those of the untouched images' if scored else ''}).",
                "Give it more steps; then lower --identity and --cycle, or raise --width. Check that the conditions "
                "differ in these channels, and that a crop is large enough to show it.",
            )


def _discriminator_wins(history: RunHistory) -> Iterator[Finding]:
    for condition in history.fields:
        adversarial, discriminator = (
            history.losses.get(f"{name} {condition}") for name in ("adversarial", "discriminator")
        )
        losses = _recent_median(adversarial, LOSSES), _recent_median(discriminator, LOSSES)
        if losses[0] is not None and losses[1] is not None and losses[0] > BEATEN and losses[1] < SURE:
            yield Finding(
                "discriminator wins",
                f"The discriminator of {condition} tells every translated crop from real ones, so the generator learns "
                f"no more from it.",
                "Try --augment fluorescence, a lower --learning-rate, more images, or the engine scgan.",
            )


def _memorizing(history: RunHistory) -> Iterator[Finding]:
    for direction in _directions(history):
        copied = history.scores.get(f"copies {direction}")
        if copied is not None and len(copied) and copied.values[-1] >= COPIED:
            yield Finding(
                "memorizing",
                f"{100 * copied.values[-1]:.0f} % of the crops of {direction.split(' → ')[-1]} that it makes are "
                f"copies of training crops.",
                "Take an earlier checkpoint, and train with more images, fewer steps or a smaller --width.",
            )


def _overfitting(history: RunHistory) -> Iterator[Finding]:
    advice = (
        "Translate with the best checkpoint rather than the last. Next time take more images or fewer steps, or "
        "--early-stop 5, which ends a run by itself."
    )
    for direction in _directions(history):
        key = f"kid {direction}"
        kids, copied = history.scores.get(key), history.copy_source.get(key)
        if kids is None or copied is None or len(kids) < 2 * SCORINGS:
            continue
        smooth = [float(np.median(kids.values[i : i + SCORINGS])) for i in range(len(kids) - SCORINGS + 1)]
        best = int(np.argmin(smooth))
        far = len(smooth) - 1 - best >= SCORINGS
        if far and smooth[-1] - smooth[best] > WORSE * (copied - history.floors.get(key, 0.0)):
            yield Finding(
                "overfitting",
                f"{direction}, the held-out KID was best around step {kids.steps[best + SCORINGS // 2]} "
                f"({smooth[best]:.3g}) and has become worse since ({smooth[-1]:.3g}).",
                advice,
            )
    for name, curve in history.scores.items():
        if name.startswith("held-out ") and len(curve) > SCORINGS:
            before, after = curve.values[:-SCORINGS].min(), curve.values[-SCORINGS:].min()
            if after > RISEN * before:
                yield Finding("overfitting", f"The {name} loss has risen from {before:.3g} to {after:.3g}.", advice)


def _directions(history: RunHistory) -> list[str]:
    directions = [name.removeprefix("variety ") for name in history.facts if name.startswith("variety ")]
    return directions or [name.removeprefix("kid ") for name in history.copy_source if name.startswith("kid ")]


def _of_channels(curves: Mapping[str, Series], what: str) -> list[tuple[str, Series]]:
    return [(name[len(what) + 2 :], curve) for name, curve in curves.items() if name.startswith(f"{what}: ")]


def _recent_median(curve: Series | None, count: int) -> float | None:
    """Return the median of the last values; None where there are fewer."""
    return float(np.median(curve.values[-count:])) if curve is not None and len(curve) >= count else None
