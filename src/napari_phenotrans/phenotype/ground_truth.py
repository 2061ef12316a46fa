"""Comparing translations with a known counterfactual: how far off they are, and whether the engine's error says so."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from napari_phenotrans.core.errors import InputError
from napari_phenotrans.core.events import Progressed
from napari_phenotrans.io import read
from napari_phenotrans.phenotype.objects.tables import Table
from napari_phenotrans.translation.events import ErrorDone, PlaneDone
from napari_phenotrans.translation.trust import FACTOR, believed, check_translation

if TYPE_CHECKING:
    from collections.abc import Generator, Sequence
    from pathlib import Path

    from napari_phenotrans.core.image import Image
    from napari_phenotrans.dataset.dataset import Field
    from napari_phenotrans.phenotype.objects.measure_cached import Measuring
    from napari_phenotrans.phenotype.pipeline import Gathered, Optics
    from napari_phenotrans.phenotype.statistics.effects import Effect
    from napari_phenotrans.translation.request import TranslationRequest

# Of the range, mean over an object: it truly changed where it changed by more.
CHANGED = 0.02


@dataclass(frozen=True)
class TrueEffect:
    """One measurement against the truth; effects as in `Effect`, means over the translated groups.

    Parameters
    ----------
    effect
        What was judged without knowing the truth.
    true
        Truth - real source.
    reach
        How far the truth may lie from the engine's change: the engine's error and the 95 % interval over groups.
    """

    effect: Effect
    true: float
    reach: float

    @property
    def covered(self) -> bool:
        return abs(self.effect.made - self.true) <= self.reach


@dataclass(frozen=True)
class TrueChanges:
    """Objects of real source in one channel: those that truly change, and those that do not.

    Parameters
    ----------
    channel
        Its name.
    changed, found
        How many truly change, and of how many the difference above the engine's error says so, in the right direction.
    unchanged, invented
        How many do not, and of how many it says that they do.
    covered_changed, covered_unchanged
        Of how many the true change lies within twice the engine's error of the translated one.
    """

    channel: str
    changed: int
    found: int
    unchanged: int
    invented: int
    covered_changed: int
    covered_unchanged: int


@dataclass(frozen=True, eq=False)
class Truth:
    """How a report compares with the truth."""

    effects: tuple[TrueEffect, ...]
    changes: tuple[TrueChanges, ...]

    @property
    def covered(self) -> float:
        """Share of measurements whose true effect lies where the report says that it may."""
        return float(np.mean([row.covered for row in self.effects]))


def measure_truth(
    fields: Sequence[Field],
    folder: Path,
    conditions: tuple[str, str],
    gathered: Gathered,
    optics: Optics,
    measuring: Measuring,
) -> Generator[Progressed, None, tuple[Table, tuple[TrueChanges, ...]]]:
    """Measure the truth, and compare it with translations object by object.

    Parameters
    ----------
    fields
        Of real source, those that were translated.
    folder
        Holds for each of them a file of the same name: the field as it would be in the target condition.
    conditions
        Source and target.
    gathered
        What was measured before.
    optics, measuring
        As they were; known objects of a field are its truth's, too.

    Raises
    ------
    InputError
        If a file is missing or of another size.
    """
    places = {(place.field, place.t, place.z): place for place in gathered.tables["translated"].places}
    measured = []
    changes = []
    for number, field in enumerate(fields):
        yield Progressed(f"truth of {field.name}", number, len(fields))
        path = folder / field.path.name
        if not path.exists():
            raise InputError(
                f"{folder} has no {path.name}: expected the truth of every translated field under its own name."
            )
        image = field.image()
        truth = {(t, z): plane for t, z, plane in optics.planes(read(path))}
        for t, z, real in optics.planes(image):
            true_plane = truth.get((t, z))
            if true_plane is None or true_plane.shape != real.shape:
                raise InputError(f"{path} is not of the size of {field.path}, whose truth it was said to be.")
            labels = optics.objects(field, image, t, z)
            measured.append((places[field.name, t, z], measuring(true_plane, labels)[1]))
            objects, values = measuring(real, labels)
            request = optics.request(*conditions, t, z)
            maps = (true_plane.astype(np.float32) - real, *_engine_maps(optics, image, request, measuring))
            changes.append(np.stack([_means(optics.resampled(each, image), objects, values.labels) for each in maps]))
    card = optics.translator.card
    span = np.array(card.intensity.range).ravel()
    shares = np.concatenate(changes, axis=2) / span[:, None]
    return Table.of(measured, gathered.tables["source"].columns), _true_changes(card.channels, *shares)


def _engine_maps(
    optics: Optics, image: Image, request: TranslationRequest, measuring: Measuring
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Translate a plane; returns its difference map, the engine's error, and what of the first goes beyond that."""
    translator, tick = optics.translator, measuring.tick
    difference = next(
        event.difference for event in translator.translate(image, request, tick=tick) if isinstance(event, PlaneDone)
    )
    error = next(
        event.engine_error
        for event in check_translation(translator, image, request, difference, tick=tick)
        if isinstance(event, ErrorDone)
    )
    return difference, error, believed(difference, error, FACTOR)


def _true_changes(
    channels: Sequence[str], true: np.ndarray, made: np.ndarray, error: np.ndarray, above: np.ndarray
) -> tuple[TrueChanges, ...]:
    """Count objects that truly change, and those that the engine says do; all (C, objects), as shares of the range."""
    covered = np.abs(made - true) <= FACTOR * error
    changed = np.abs(true) > CHANGED
    believed_changed = np.abs(above) > CHANGED
    right_way = above * true > 0
    return tuple(
        TrueChanges(
            channel=name,
            changed=int(changed[c].sum()),
            found=int((changed[c] & believed_changed[c] & right_way[c]).sum()),
            unchanged=int((~changed[c]).sum()),
            invented=int((~changed[c] & believed_changed[c]).sum()),
            covered_changed=int((changed[c] & covered[c]).sum()),
            covered_unchanged=int((~changed[c] & covered[c]).sum()),
        )
        for c, name in enumerate(channels)
    )


def true_effects(effects: Sequence[Effect], source: Table, truth: Table) -> tuple[TrueEffect, ...]:
    """Set each effect against the true one; measurements that cannot be made of the truth are left out."""
    after, before = truth.by_group(), source.by_group()
    change = after.values - before.of_names(after.names).values
    index_of = {measurement: index for index, measurement in enumerate(after.measurements)}
    rows = []
    for effect in effects:
        true = float(np.mean(change[:, index_of[effect.measurement]]))
        if np.isfinite(true):
            sampling = 0.0 if effect.made_high is None else effect.made_high - effect.made
            rows.append(TrueEffect(effect, true, effect.error + sampling))
    return tuple(rows)


def _means(maps: np.ndarray, objects: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """Return the mean of (C, Y, X) over each object, (C, n)."""
    from scipy import ndimage

    return np.stack([np.asarray(ndimage.mean(channel, objects, labels)).reshape(-1) for channel in maps])
