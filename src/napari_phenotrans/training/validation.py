"""Scores on held-out fields while training: how far translated source is from real target, beside its floor."""

from __future__ import annotations

import math
from dataclasses import dataclass
from itertools import zip_longest
from typing import TYPE_CHECKING

import numpy as np
import torch

from napari_phenotrans.checkpoints.checkpoint import Score
from napari_phenotrans.core.crop_grid import center, evenly, grid, spread
from napari_phenotrans.core.errors import InputError
from napari_phenotrans.core.keyed_random import KeyedRandom
from napari_phenotrans.core.text import counted
from napari_phenotrans.engines.base import directions
from napari_phenotrans.features.profile import Profile
from napari_phenotrans.metrics import METRICS, Features, floor
from napari_phenotrans.metrics.groups import LEAST_GROUPS
from napari_phenotrans.metrics.memorization import copy_gauge

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from napari_phenotrans.core.settings import TranslationSettings
    from napari_phenotrans.engines.base import Engine

WIDEST = 4  # crops along a piece's side
FITTED = 256  # training crops per condition that the profile is fitted to
AT_ONCE = 16  # crops that an engine which depends on its tile translates at once
RANGE = 2.0  # of the intensity limits, as engines see them
SAME = 1e-3  # of the variance between real crops: less between translated crops, and they are all the same
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
        As a checkpoint's card lists them: per direction KID, and per channel the gap closed, the round trip's and the
        identity control's mean absolute error (shares of the range). Empty where translations are not finite.
    collapsed
        What is wrong with the translations, in words; None where nothing is.
    """

    step: int
    scores: tuple[Score, ...]
    collapsed: str | None = None

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
    def summary(self) -> float:
        """The one number that chooses the best checkpoint: KID, averaged over the directions; lower is better.

        Infinite where translations are not finite.
        """
        kids = [score.value for score in self.scores if score.metric == "kid"]
        return float(np.mean(kids)) if kids else math.inf

    @property
    def copies(self) -> float:
        """The largest share over the directions of what is copied from training crops; 0 where it was not looked."""
        return max((score.value for score in self.scores if score.metric == "copies"), default=0.0)


@dataclass(frozen=True, eq=False)
class _Held:
    """Held-out pieces of one condition as they are translated, and the group of each crop that is cut from them."""

    batches: list[np.ndarray]  # (n, C, h, w), each side a multiple of the crop
    groups: np.ndarray
    features: Features


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
    crop
        Side of the run's crops.
    stride, tile
        The engine's. Where it depends on its tile, pieces are single crops, because anything larger would have to
        be translated tile by tile at every evaluation.
    pieces
        Most fields per condition, spread over the groups: what scoring costs.
    crops
        Most crops per condition of an engine that depends on its tile.
    copies
        Crops per direction that are looked up in the training planes: generated from noise alone by engines that can,
        translated by others; 0 leaves the copy gauge out.
    seed
        Of the choice of fields and the intervals.

    Attributes
    ----------
    directions
        (source, target) pairs.
    floors, copy_source
        What two random halves of the real target, and the real source, score: by the same names as the scores.
    notes
        What the held-out fields do not allow to be said, in sentences.

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
        crop: int,
        *,
        stride: int = 1,
        tile: int | None = None,
        pieces: int = 8,
        crops: int = 32,
        copies: int = 0,
        seed: int = 0,
    ) -> None:
        if crop % stride:
            raise InputError(f"--crop is {crop}, but this engine's crops must be multiples of {stride}.")
        self.channels, self.crop, self.copies, self.seed = tuple(channels), crop, copies, seed
        self._training = training
        conditions = list(planes)
        self.directions = directions(conditions)
        self.profile = Profile.fit(np.concatenate([evenly(training[c], crop, FITTED) for c in conditions]))
        notes: list[str] = []

        # ---- held-out pieces, spread over the groups
        self._held: dict[str, _Held] = {}
        for condition, fields in planes.items():
            fitting = [(group, plane) for group, plane in fields if min(plane.shape[1:]) >= crop]
            of_group: dict[str, list[int]] = {}
            for index in np.random.default_rng(seed).permutation(len(fitting)):
                of_group.setdefault(fitting[index][0], []).append(int(index))
            rounds = [index for turn in zip_longest(*of_group.values()) for index in turn if index is not None]
            chosen = sorted(rounds[:pieces])
            cut = [(fitting[i][0], center(fitting[i][1], crop, WIDEST)) for i in chosen]
            if tile is None:
                batches = [piece[None] for _, piece in cut]
                groups = [group for group, piece in cut for _ in range(piece[0].size // crop**2)]
            else:
                singles = [(group, single) for group, piece in cut for single in grid(piece[None], crop)]
                kept = [singles[i] for i in spread(len(singles), crops)]
                stacked = np.stack([single for _, single in kept]) if kept else np.zeros((0, len(channels), crop, crop))
                batches = [stacked[i : i + AT_ONCE] for i in range(0, len(stacked), AT_ONCE)]
                groups = [group for group, _ in kept]
            if len(groups) < METRICS["kid"].least:
                raise InputError(
                    f"Scoring needs two crops of {crop} × {crop} or more of each condition's held-out fields; "
                    f"{condition} has {len(fields)} fields with room for {len(groups)}. Hold out more fields, choose a "
                    f"smaller --crop, or train without scores (--score-every 0)."
                )
            names = np.array(groups)
            features = Features(self.profile(self._cut(batches)), names)
            self._held[condition] = _Held(batches, names, features)
            if len(chosen) < len(fields):
                notes.append(f"Scores use {len(chosen)} of {len(fields)} held-out fields of {condition}.")
            count = len(features.names)
            if count < LEAST_GROUPS:
                without = "an interval or a floor" if count < 2 else "an interval"
                notes.append(
                    f"{condition} has {counted(count, 'held-out group')}: scores come without {without}. "
                    f"An interval needs {LEAST_GROUPS} groups of each condition, a floor 2 of the target."
                )

        # ---- what no engine can beat, and what doing nothing scores
        self.floors: dict[str, float] = {}
        self.copy_source: dict[str, float] = {}
        self._gaps: dict[tuple[str, str], list[int]] = {}
        for source, target in self.directions:
            self._gaps[source, target] = []
            self._place("kid", source, target)
            for index, channel in enumerate(self.channels):
                own = self.profile.of_channel(index)
                one, other = (np.sort(self._held[c].features.values[:, own], axis=0) for c in (source, target))
                if np.array_equal(one, other):
                    notes.append(f"{channel} is the same in the held-out fields of {source} and {target}: no gap.")
                    continue
                self._gaps[source, target].append(index)
                self._place("gap closed", source, target, index)
        self.notes = tuple(dict.fromkeys(notes))

    def score(self, engine: Engine, step: int, how: TranslationSettings | None = None) -> HeldOutScores:
        """Translate the held-out pieces there and back, and score them.

        Parameters
        ----------
        engine
            Its translating networks as a checkpoint would hold them: averaged, normalization statistics fixed.
        step
            Number of updates made.
        how
            How the engine is told to translate; its defaults where nothing is said.
        """
        scores: list[Score] = []
        collapses: list[str] = []
        for source, target in self.directions:
            held = self._held[source]
            translated = [_translate(engine, batch, source, target, how) for batch in held.batches]
            crops = self._cut(translated)
            reason = collapsed(crops, self._cut(self._held[target].batches))
            if reason:
                collapses.append(f"{source} → {target}: {reason}")
            if reason == NOT_FINITE:
                return HeldOutScores(step, (), collapses[-1])
            back = [_translate(engine, batch, target, source, how) for batch in translated]
            if not all(np.isfinite(batch).all() for batch in back):
                return HeldOutScores(step, (), f"{source} → {target} → {source}: {NOT_FINITE}")

            # ---- against the real target
            features = Features(self.profile(crops), held.groups)
            scores.append(self._score("kid", source, target, features))
            scores += [self._score("gap closed", source, target, features, i) for i in self._gaps[source, target]]

            # ---- against the training images, and the engine's own error
            said = _say(f"{source} → {target}", len(features.names))
            if self.copies:
                # what an engine learned by heart shows best where nothing but a condition is given
                with torch.no_grad():
                    free = engine.generate(target, KeyedRandom(self.seed, step, 0, self.copies), self.crop)
                looked_up = crops[spread(len(crops), self.copies)] if free is None else free.cpu().numpy()
                nearest = copy_gauge(looked_up, self._training[target])
                scores.append(said("copy ratio", float(np.median([each.ratio for each in nearest]))))
                scores.append(said("copies", float(np.mean([each.is_copy for each in nearest]))))
            errors = _errors(held.batches, back)
            scores += [said("round trip", e, name) for name, e in zip(self.channels, errors, strict=True)]
        for condition, held in self._held.items():
            same = [_translate(engine, batch, condition, condition, how) for batch in held.batches]
            if not all(np.isfinite(batch).all() for batch in same):
                return HeldOutScores(step, (), f"{condition} → {condition}: {NOT_FINITE}")
            said = _say(f"{condition} → {condition}", len(held.features.names))
            errors = _errors(held.batches, same)
            scores += [said("identity", e, name) for name, e in zip(self.channels, errors, strict=True)]
        return HeldOutScores(step, tuple(scores), "; ".join(collapses) or None)

    def _sides(self, source: str, target: str, translated: Features | None, channel: int | None) -> list[Features]:
        """Return real, translated and source features, of one channel or of all; no translation is copy source."""
        real, from_ = self._held[target].features, self._held[source].features
        columns = slice(None) if channel is None else self.profile.of_channel(channel)
        return [side.columns(columns) for side in (real, translated or from_, from_)]

    def _place(self, metric: str, source: str, target: str, channel: int | None = None) -> None:
        """Note a metric's floor and what copying the source scores."""
        key = _key(metric, f"{source} → {target}", "" if channel is None else self.channels[channel])
        real, copied, from_ = self._sides(source, target, None, channel)
        self.copy_source[key] = METRICS[metric](real, copied, from_, resamples=0).value
        lowest = floor(METRICS[metric], real, from_, seed=self.seed)
        if lowest is not None:
            self.floors[key] = lowest.value

    def _score(self, metric: str, source: str, target: str, translated: Features, channel: int | None = None) -> Score:
        direction, what = f"{source} → {target}", "" if channel is None else self.channels[channel]
        measured = METRICS[metric](*self._sides(source, target, translated, channel), seed=self.seed)
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

    def _cut(self, batches: Sequence[np.ndarray]) -> np.ndarray:
        return np.concatenate([grid(batch, self.crop) for batch in batches])


def collapsed(translated: np.ndarray, real: np.ndarray) -> str | None:
    """Say what is wrong with translations of different crops, or None.

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
    engine: Engine, batch: np.ndarray, source: str, target: str, how: TranslationSettings | None
) -> np.ndarray:
    x = torch.from_numpy(np.ascontiguousarray(batch, np.float32)).to(engine.device)
    return engine.translate(x, source, target, how).float().cpu().numpy()


def _errors(before: Sequence[np.ndarray], after: Sequence[np.ndarray]) -> list[float]:
    """Return the mean absolute error per channel, as a share of the range."""
    sums = sum(np.abs(b - a).sum(axis=(0, 2, 3), dtype=np.float64) for a, b in zip(before, after, strict=True))
    return (sums / sum(a[:, 0].size for a in before) / RANGE).tolist()


def _key(metric: str, direction: str, what: str) -> str:
    return f"{metric} {direction}" + (f": {what}" if what else "")


def _say(direction: str, groups: int) -> Callable[..., Score]:
    def said(metric: str, value: float, what: str = "") -> Score:
        return Score(metric=metric, direction=direction, value=value, groups=groups, what=what)

    return said
