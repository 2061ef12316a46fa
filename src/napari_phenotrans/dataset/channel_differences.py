"""Whether each channel tells a data set's conditions apart by itself, and which ones an engine may therefore keep."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from itertools import combinations
from typing import TYPE_CHECKING

import numpy as np

from napari_phenotrans.core.crop_grid import spread
from napari_phenotrans.core.errors import InputError
from napari_phenotrans.core.resample import factor, to_size
from napari_phenotrans.core.text import listed, natural_key
from napari_phenotrans.metrics.channel_auc import auc_between, shape_features
from napari_phenotrans.metrics.groups import Features

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from napari_phenotrans.core.settings import TrainingSettings
    from napari_phenotrans.dataset.dataset import DataSet, Field
    from napari_phenotrans.dataset.size_difference import SizeDifference

# Below the first a channel may be kept, from the second on it must not. Between them it may be kept if its interval
# reaches below the first: two halves of one condition, eight groups each, come out between 0.35 and 0.65 by chance.
ALIKE, APART = 0.6, 0.7
FIELDS = 2  # of each group that are looked at
LEAST = 4  # groups of each condition, where there are many conditions


@dataclass(frozen=True)
class ChannelDifference:
    """How surely a channel tells two conditions apart by what it shows, its level and gain taken out.

    Parameters
    ----------
    channel
        Its name.
    between
        The two conditions, those of the data set's that it tells apart best.
    auc
        As of `auc_between`: 0.5 where one can only guess, 1 where it always tells.
    low, high
        Its interval; None where there are too few groups for one.
    """

    channel: str
    between: tuple[str, str]
    auc: float
    low: float | None = None
    high: float | None = None

    @property
    def may_be_kept(self) -> bool:
        """Whether the conditions look alike in it, as far as these images tell."""
        return self.auc < ALIKE or (not self.apart and self.low is not None and self.low < ALIKE)

    @property
    def apart(self) -> bool:
        """Whether it tells the conditions apart beyond doubt: effects that pass through it do not show if kept."""
        return self.auc >= APART

    def __str__(self) -> str:
        tells = "does not tell" if self.auc < ALIKE else "tells" if self.apart else "may tell"
        if tells == "may tell" and self.may_be_kept:
            tells = "hardly tells"
        return f"{self.channel} {tells} {listed(self.between)} apart (AUC {self.figures})"

    @property
    def figures(self) -> str:
        """The area with its interval: ``0.97 [0.93, 1.00]``."""
        return f"{self.auc:.2f}" + (f" [{self.low:.2f}, {self.high:.2f}]" if self.low is not None else "")


def proposed_kept(differences: Sequence[ChannelDifference]) -> tuple[str, ...]:
    """Return the channels that an engine may keep; none where all may be, for then nothing would be left to move."""
    kept = tuple(difference.channel for difference in differences if difference.may_be_kept)
    return () if len(kept) == len(differences) else kept


def explain_kept(
    differences: Sequence[ChannelDifference], kept: Sequence[str], sizes: Sequence[SizeDifference] = ()
) -> str:
    """Return in sentences which channels are kept, what was measured of all of them, and what that means."""
    names = [difference.channel for difference in differences]
    measured = (
        f": {'; '.join(map(str, differences))}." if names else ", and how much the conditions differ is not known."
    )
    if not kept:
        return (
            f"No channel is kept, all move{measured} That works, but with nothing to hold on to, objects may change "
            f"their places, and an effect cannot be followed from object to object."
        )
    apart = [difference.channel for difference in differences if difference.apart and difference.channel in kept]
    warning = f" Effects that pass through {listed(apart)} will not show." if apart else ""
    warning += "".join(f" {hidden}" for size in sizes if (hidden := size.hidden_by(kept)))
    return f"{listed(kept)} {'is' if len(kept) == 1 else 'are'} kept, the others move{measured}{warning}"


class ShapeSample:
    """Features of a bounded number of crops, gathered field by field, without a data set's being in memory.

    Parameters
    ----------
    training
        The data set.
    settings
        Of the training: working pixel size, crop size and seed.
    groups, crops
        How many groups are looked at, of all conditions together, and how many crops of each.
    """

    def __init__(self, training: DataSet, settings: TrainingSettings, *, groups: int = 48, crops: int = 24) -> None:
        self._conditions, self._settings = training.conditions, settings
        self._crops: dict[Field, int] = {}
        self._features: dict[str, dict[str, list[Features]]] = defaultdict(lambda: defaultdict(list))
        for condition in training.conditions:
            names = sorted(training.groups(condition), key=natural_key)
            for index in spread(len(names), max(LEAST, groups // len(training.conditions))):
                fields = [f for f in training.fields if (f.condition, f.group) == (condition, names[index])]
                chosen = [fields[i] for i in spread(len(fields), FIELDS)]
                self._crops |= dict.fromkeys(chosen, -(-crops // len(chosen)))

    def add(self, field: Field) -> None:
        """Read crops of a field's middle plane, where it is one of those that are looked at.

        A file that cannot be read, or has other channels or pixels than numbers, adds nothing: the check names it.
        """
        if field not in self._crops:
            return
        try:
            image = field.image()
            positions = list(image.positions())
            t, z = positions[len(positions) // 2]
            plane = image.plane(t=t, z=z)
        except InputError:
            return
        s = self._settings
        scale = factor(image.pixel_size_um or 1.0, s.pixel_size) if s.pixel_size else 1.0
        side = round(s.crop / scale)
        corners = [
            (top, left)
            for top in range(0, plane.shape[1] - side + 1, side)
            for left in range(0, plane.shape[2] - side + 1, side)
        ]
        if side < 1 or not corners or not np.isfinite(plane).all():
            return
        drawn = np.random.default_rng(s.seed).permutation(len(corners))[: self._crops[field]]
        cut = (plane[:, top : top + side, left : left + side] for top, left in (corners[index] for index in drawn))
        crops = np.stack([to_size(crop, s.crop, s.crop) for crop in cut])
        for index, channel in enumerate(image.channels):
            of_channel = crops[:, index]
            of_channel = of_channel[np.ptp(of_channel, axis=(1, 2)) > 0]
            if len(of_channel):
                groups = np.full(len(of_channel), field.group)
                self._features[channel][field.condition].append(Features(shape_features(of_channel), groups))

    def differences(self, channels: Iterable[str]) -> tuple[ChannelDifference, ...]:
        """Return how surely each channel tells the two conditions apart that it tells apart best.

        A channel without two groups of each of two conditions is left out.
        """
        found = []
        for channel in channels:
            of_channel = {c: _joined(parts) for c, parts in self._features[channel].items()}
            compared = []
            for pair in combinations([c for c in self._conditions if c in of_channel], 2):
                try:
                    area = auc_between(*(of_channel[condition] for condition in pair), seed=self._settings.seed)
                except InputError:
                    # too few groups
                    continue
                compared.append(ChannelDifference(channel, pair, area.value, area.low, area.high))
            if compared:
                found.append(max(compared, key=lambda difference: difference.auc))
        return tuple(found)


def _joined(parts: Sequence[Features]) -> Features:
    return Features(np.concatenate([part.values for part in parts]), np.concatenate([part.groups for part in parts]))
