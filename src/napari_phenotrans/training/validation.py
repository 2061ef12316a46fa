"""Scoring an engine on held-out fields while it trains, beside floors and what copying the source scores."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from napari_phenotrans.checkpoints.checkpoint import Score
from napari_phenotrans.core.crop_grid import evenly, spread
from napari_phenotrans.core.intensity import RANGE
from napari_phenotrans.core.keyed_random import KeyedRandom
from napari_phenotrans.core.turns import turned, turned_back
from napari_phenotrans.engines.base import directions
from napari_phenotrans.engines.effect import run_kept
from napari_phenotrans.features.profile import Profile
from napari_phenotrans.metrics import METRICS, Features, floor
from napari_phenotrans.metrics.memorization import copy_gauge
from napari_phenotrans.training.held_out_crops import HeldOutCrops, ScoringPlan, crops_of
from napari_phenotrans.training.picture_check import PictureCheck

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from torch import Tensor

    from napari_phenotrans.core.settings import TranslationSettings
    from napari_phenotrans.engines.base import Engine
    from napari_phenotrans.metrics.picture import Verdict

FITTED = 256  # training crops per condition that the profile is fitted to
SAME = 1e-3  # of the variance between real crops: less between translated crops, and they are all the same
TURNED_PIECES = 4  # held-out pieces of a direction that are translated upside down besides
FLAT = 1e-4  # of the variance within real crops: less within translated crops, and nothing is on them

NOT_FINITE = "translations are not finite"


@dataclass(frozen=True)
class HeldOutScores:
    """What an engine reaches on the held-out fields at ``step``.

    Parameters
    ----------
    step
        Number of updates made.
    scores
        As a checkpoint's card lists them: per direction KID and the faults of the pictures, and per channel the gap
        closed, the round trip's and the identity control's mean absolute error, and how far the translation of what is
        turned upside down is from it (shares of the range). Empty where
        translations are not finite.
    collapsed
        What is wrong with the translations, in words; None where nothing is.
    verdicts
        What the gate says of the pictures, per direction.
    """

    step: int
    scores: tuple[Score, ...]
    collapsed: str | None = None
    verdicts: tuple[Verdict, ...] = ()

    @property
    def flat(self) -> dict[str, float]:
        """The scores as an event has them: ``kid untreated → treated``, ``gap closed untreated → treated: DAPI``."""
        values: dict[str, float] = {}
        for score in self.scores:
            for which, value in (("", score.value), (" low", score.low), (" high", score.high)):
                if value is not None:
                    values[_key(score.metric + which, score.direction, score.what)] = value
        return values

    @property
    def passed(self) -> bool:
        """Whether the pictures of all directions pass the gate."""
        return bool(self.verdicts) and all(verdict.passed for verdict in self.verdicts)

    @property
    def rank(self) -> float:
        """The number that chooses the best checkpoint among those that pass the gate, or fail it; lower is better.

        What is left of the gap, averaged over the directions and the channels that differ; KID where none does.
        """
        gaps = [score.value for score in self.scores if score.metric == "gap closed"]
        return 1 - float(np.mean(gaps)) if gaps else self.summary

    @property
    def summary(self) -> float:
        """KID, averaged over the directions; lower is better. Infinite where translations are not finite."""
        kids = [score.value for score in self.scores if score.metric == "kid"]
        return float(np.mean(kids)) if kids else math.inf

    @property
    def copies(self) -> float:
        """The largest share, over the directions, of crops copied from training crops; 0 where not measured."""
        return max((score.value for score in self.scores if score.metric == "copies"), default=0.0)


@dataclass(frozen=True)
class Trial:
    """What translation settings reach on the held-out fields.

    Parameters
    ----------
    gap
        How much of it is closed, averaged over the directions and the channels that differ.
    faults
        Measures, over directions and channels, that do not let the pictures pass.
    """

    gap: float
    faults: int


class HeldOut:
    """Held-out fields, cut and measured once, against which a run's engine is scored again and again.

    From each field a centered piece of up to 4 × 4 crops is translated, and measured crop by crop; crops do not
    overlap, because those that do look more alike than the condition is. Directions: each pair of two conditions both
    ways; with more conditions, the first to every other and back.

    Parameters
    ----------
    planes
        Per condition (group, plane) of held-out fields; planes float32 (C, Y, X) in about [-1, 1].
    training
        Per condition the training planes, in the same units: what the features are standardized by, and what copies
        are looked for in.
    channels
        Names of the channels.
    plan
        Which crops are translated and measured.

    Attributes
    ----------
    directions
        (source, target) pairs.
    floors, copy_source
        What two random halves of the real target, and the real source, score: by the same names as the scores.
    notes
        What cannot be scored on these held-out fields, in sentences.

    Raises
    ------
    InputError
        If a condition has no held-out field, or fewer than two crops fit into its fields.
    """

    def __init__(
        self,
        planes: Mapping[str, Sequence[tuple[str, np.ndarray]]],
        training: Mapping[str, Sequence[np.ndarray]],
        channels: Sequence[str],
        plan: ScoringPlan,
    ) -> None:
        self.channels, self.plan = tuple(channels), plan
        self._training = training
        conditions = list(planes)
        self.directions = directions(conditions)
        self.profile = Profile.fit(np.concatenate([evenly(training[c], plan.crop, FITTED) for c in conditions]))
        self._held = {c: HeldOutCrops.cut(c, fields, plan, self.profile) for c, fields in planes.items()}
        self.pictures = PictureCheck({c: held.batches for c, held in self._held.items()}, self.channels)
        notes = [note for condition, held in self._held.items() for note in held.notes(condition)]

        # ---- what no engine can beat, and what doing nothing scores
        self.floors: dict[str, float] = {}
        self.copy_source: dict[str, float] = {}
        self._differing: dict[tuple[str, str], list[int]] = {pair: [] for pair in self.directions}
        for source, target in self.directions:
            self._score_reference("kid", source, target)
            for index, channel in enumerate(self.channels):
                if self._is_same(source, target, index):
                    notes.append(f"{channel} is the same in the held-out fields of {source} and {target}: no gap.")
                    continue
                self._differing[source, target].append(index)
                self._score_reference("gap closed", source, target, index)
        self.notes = tuple(dict.fromkeys(notes))

    @property
    def markers(self) -> list[str]:
        """The channels that show rare bright objects, as the picture gate finds them."""
        shared = self.pictures.gate.limits.shared
        return [name for name in self.channels if "marker" in shared[name]]

    def score(self, engine: Engine, step: int, how: TranslationSettings | None = None) -> HeldOutScores:
        """Translate the held-out pieces there and back, and score them.

        Parameters
        ----------
        engine
            Its translating networks as a checkpoint would hold them: averaged, normalization statistics fixed.
        step
            Number of updates made.
        how
            The engine's translation settings; its defaults where None.
        """
        scores: list[Score] = []
        collapses: list[str] = []
        verdicts: list[Verdict] = []
        kept = [self.channels[place] for place in engine.kept_by(how or engine.translation_settings.make())]
        for source, target in self.directions:
            held, direction = self._held[source], f"{source} → {target}"
            translated = [_translate(engine, batch, source, target, how) for batch in held.batches]
            crops = crops_of(translated, self.plan.crop)
            reason = collapsed(crops, crops_of(self._held[target].batches, self.plan.crop))
            if reason:
                collapses.append(f"{direction}: {reason}")
            if reason == NOT_FINITE:
                return HeldOutScores(step, (), collapses[-1])
            back = [_translate(engine, batch, target, source, how, way_back=True) for batch in translated]
            if not all(np.isfinite(batch).all() for batch in back):
                return HeldOutScores(step, (), f"{direction} → {source}: {NOT_FINITE}")

            # ---- against the real target
            features = Features(self.profile(crops), held.groups)
            scores.append(self._score("kid", source, target, features))
            gaps = [self._score("gap closed", source, target, features, i) for i in self._differing[source, target]]
            verdict = self.pictures.judge(source, target, translated, gaps, kept)
            verdicts.append(verdict)
            scores += [*gaps, _faults(verdict, len(features.names))]

            # ---- against the training images, and the engine's own error
            if self.plan.copies:
                scores += self._score_copies(engine, step, crops, direction, target, len(features.names))
            scores += self._score_errors("round trip", direction, held.batches, back, len(held.features.names))
            scores += self._score_turned(engine, (source, target), translated, how)
        for condition, held in self._held.items():
            same = [_translate(engine, batch, condition, condition, how) for batch in held.batches]
            if not all(np.isfinite(batch).all() for batch in same):
                return HeldOutScores(step, (), f"{condition} → {condition}: {NOT_FINITE}")
            groups = len(held.features.names)
            scores += self._score_errors("identity", f"{condition} → {condition}", held.batches, same, groups)
        return HeldOutScores(step, tuple(scores), "; ".join(collapses) or None, tuple(verdicts))

    @property
    def differs(self) -> bool:
        """Whether there is a gap to close, both ways."""
        return all(self._differing.values())

    def try_out(self, engine: Engine, how: TranslationSettings, known: dict[Any, dict[Any, Tensor]]) -> Trial:
        """Translate the held-out pieces there, not back, and judge them.

        Parameters
        ----------
        engine, how
            As of `score`.
        known
            Evaluations that trials share, by pieces; filled as they are made.
        """
        gaps: list[float] = []
        faults = 0
        kept = [self.channels[place] for place in engine.kept_by(how)]
        for source, target in self.directions:
            held, translated = self._held[source], []
            for number, batch in enumerate(held.batches):
                x = torch.from_numpy(np.ascontiguousarray(batch, np.float32)).to(engine.device)
                made = run_kept(engine, x, (source, target), how, known.setdefault((source, number), {}))
                translated.append(made.float().cpu().numpy())
            if not all(np.isfinite(batch).all() for batch in translated):
                return Trial(-math.inf, sum(map(len, self._differing.values())))
            features = Features(self.profile(crops_of(translated, self.plan.crop)), held.groups)
            scores = [self._score("gap closed", source, target, features, i) for i in self._differing[source, target]]
            gaps.append(float(np.mean([score.value for score in scores])))
            faults += len(self.pictures.judge(source, target, translated, scores, kept).failed)
        return Trial(float(np.mean(gaps)), faults)

    def _is_same(self, source: str, target: str, channel: int) -> bool:
        """Return whether a channel looks alike in two conditions, crop for crop."""
        columns = self.profile.of_channel(channel)
        in_source, in_target = (np.sort(self._held[c].features.values[:, columns], axis=0) for c in (source, target))
        return np.array_equal(in_source, in_target)

    def _sides(self, source: str, target: str, translated: Features | None, channel: int | None) -> list[Features]:
        """Return real, translated and source features, of one channel or of all; translated None means the source's."""
        real, from_ = self._held[target].features, self._held[source].features
        columns = slice(None) if channel is None else self.profile.of_channel(channel)
        return [side.columns(columns) for side in (real, translated or from_, from_)]

    def _score_reference(self, metric: str, source: str, target: str, channel: int | None = None) -> None:
        """Note a metric's floor and what copying the source scores."""
        key = _key(metric, f"{source} → {target}", "" if channel is None else self.channels[channel])
        real, copied, from_ = self._sides(source, target, None, channel)
        self.copy_source[key] = METRICS[metric](real, copied, from_, resamples=0).value
        lowest = floor(METRICS[metric], real, from_, seed=self.plan.seed)
        if lowest is not None:
            self.floors[key] = lowest.value

    def _score(self, metric: str, source: str, target: str, translated: Features, channel: int | None = None) -> Score:
        direction, what = f"{source} → {target}", "" if channel is None else self.channels[channel]
        measured = METRICS[metric](*self._sides(source, target, translated, channel), seed=self.plan.seed)
        return Score(
            metric=metric,
            direction=direction,
            value=measured.value,
            low=measured.low,
            high=measured.high,
            floor=self.floors.get(_key(metric, direction, what)),
            copy_source=self.copy_source[_key(metric, direction, what)],
            groups=len(translated.names),
            what=what,
        )

    def _score_copies(
        self, engine: Engine, step: int, translated: np.ndarray, direction: str, target: str, groups: int
    ) -> list[Score]:
        """Return how near what the engine makes lies to training crops, and what share of it is copied from them."""
        # what an engine learned by heart shows best where nothing but a condition is given
        with torch.no_grad():
            generated = engine.generate(target, KeyedRandom(self.plan.seed, step, 0, self.plan.copies), self.plan.crop)
        made = translated[spread(len(translated), self.plan.copies)] if generated is None else generated.cpu().numpy()
        nearest = copy_gauge(made, self._training[target])
        values = {
            "copy ratio": float(np.median([each.ratio for each in nearest])),
            "copies": float(np.mean([each.is_copy for each in nearest])),
        }
        return [Score(metric=name, direction=direction, value=v, groups=groups) for name, v in values.items()]

    def _score_turned(
        self, engine: Engine, way: tuple[str, str], translated: Sequence[np.ndarray], how: TranslationSettings | None
    ) -> list[Score]:
        """Return how far what is made of pieces upside down, turned back, is from what is made of them as they lie."""
        # of engines that depend on their tile a batch holds many crops already
        few = 1 if self.plan.tile else TURNED_PIECES
        held = self._held[way[0]]
        again = [turned_back(_translate(engine, turned(each, 1), *way, how), 1) for each in held.batches[:few]]
        crops = sum(each[:, 0].size for each in again) // self.plan.crop**2
        groups = len(set(held.groups[:crops].tolist()))
        return self._score_errors("turned disagreement", " → ".join(way), translated[:few], again, groups)

    def _score_errors(
        self, metric: str, direction: str, before: Sequence[np.ndarray], after: Sequence[np.ndarray], groups: int
    ) -> list[Score]:
        """Return the mean absolute error per channel of what should be the same before and after."""
        return [
            Score(metric=metric, direction=direction, value=error, groups=groups, what=channel)
            for channel, error in zip(self.channels, _errors(before, after), strict=True)
        ]


def collapsed(translated: np.ndarray, real: np.ndarray) -> str | None:
    """Return what is wrong with translations of different crops, in words; None where nothing is.

    Wrong is: values that are not finite; crops that are all the same (variance between crops below a thousandth of
    that between real ones); crops with nothing on them (variance within crops below 1/10000). All channels count
    together: a condition may lose one.

    Parameters
    ----------
    translated
        (n, C, h, w), translated from n different crops.
    real
        Real crops of the target, (m, C, h, w).
    """
    if not np.isfinite(translated).all():
        return NOT_FINITE
    within, between = ([float(side.var(axis=axes).mean()) for side in (translated, real)] for axes in ((2, 3), 0))
    if within[0] < FLAT * within[1]:
        return "translations are blank"
    if len(translated) > 1 and between[0] < SAME * between[1]:
        return "translations of different crops are all the same"
    return None


def _translate(
    engine: Engine,
    batch: np.ndarray,
    source: str,
    target: str,
    how: TranslationSettings | None,
    *,
    way_back: bool = False,
) -> np.ndarray:
    x = torch.from_numpy(np.ascontiguousarray(batch, np.float32)).to(engine.device)
    return engine.translate(x, source, target, how, way_back=way_back).float().cpu().numpy()


def _errors(before: Sequence[np.ndarray], after: Sequence[np.ndarray]) -> list[float]:
    """Return the mean absolute error per channel, as a share of the range."""
    sums = sum(np.abs(b - a).sum(axis=(0, 2, 3), dtype=np.float64) for a, b in zip(before, after, strict=True))
    return (sums / sum(a[:, 0].size for a in before) / RANGE).tolist()


def _faults(verdict: Verdict, groups: int) -> Score:
    """Return the number of measures, over the channels, that do not let the pictures pass."""
    return Score(metric="picture faults", direction=verdict.direction, value=float(len(verdict.failed)), groups=groups)


def _key(metric: str, direction: str, what: str) -> str:
    return f"{metric} {direction}" + (f": {what}" if what else "")
