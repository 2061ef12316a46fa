"""Whether conditions were recorded alike: the same numbers have to mean the same light in all of them."""

from __future__ import annotations

from itertools import combinations
from typing import TYPE_CHECKING

import numpy as np

from napari_phenotrans.core.text import counted, listed
from napari_phenotrans.dataset.check_report import Problem

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from napari_phenotrans.dataset.field_stats import Survey

# So many times brighter in one channel is no phenotype that is usual; in all channels together less is odd.
BRIGHTER, BRIGHTER_IN_ALL = 8.0, 3.5
_DO = (
    "Record and convert all conditions in one way: the engine learns whatever differs between them, be it the camera's "
    "doing."
)


def unlike_conditions(
    conditions: Sequence[str], surveys: Sequence[Survey], channels: Sequence[str], blank: Sequence[Survey]
) -> Iterable[Problem]:
    """Name conditions that have dtypes, bit depths or a brightness of their own.

    Parameters
    ----------
    conditions
        Their names.
    surveys, blank
        The training fields that can be read, and those of them that show nothing.
    channels
        Those that all fields have.
    """
    every = [s for s in surveys if s.field.condition in conditions]
    dtypes = {c: {s.dtype for s in every if s.field.condition == c} for c in conditions}
    dtypes = {condition: kinds for condition, kinds in dtypes.items() if kinds}
    if any(not dtypes[a] & dtypes[b] for a, b in combinations(dtypes, 2)):
        each = listed([f"{condition} is {' and '.join(sorted(kinds))}" for condition, kinds in dtypes.items()])
        yield Problem("warning", f"Conditions have dtypes of their own: {each}.", _DO)
    elif len(set.union(set(), *dtypes.values())) > 1:
        counts = {kind: sum(s.dtype == kind for s in every) for kind in dict.fromkeys(s.dtype for s in every)}
        common = max(counts, key=lambda kind: counts[kind])
        what = f"Fields have different dtypes ({', '.join(f'{n} × {kind}' for kind, n in counts.items())})."
        do = "Their intensities may not mean the same: convert them in one way, or the engine learns the conversion."
        yield Problem("warning", what, do, tuple(s.field.name for s in every if s.dtype != common))
    of = {c: [s for s in every if s.field.condition == c and s not in blank and s.channels] for c in dtypes}
    of = {condition: fields for condition, fields in of.items() if fields}
    for first, second in combinations(of, 2):
        yield from _brighter((first, of[first]), (second, of[second]), channels)
    yield from _coarser(of, channels)


def _brighter(
    one: tuple[str, Sequence[Survey]], other: tuple[str, Sequence[Survey]], channels: Sequence[str]
) -> Iterable[Problem]:
    """Say of two conditions which is many times brighter, and in which channels."""
    ratios = {}
    for channel in channels:
        sides = [[s.channels[channel].contrast for s in fields if channel in s.channels] for _, fields in (one, other)]
        contrasts = [float(np.median(side)) if side else 0.0 for side in sides]
        if min(contrasts) > 0:
            ratios[channel] = contrasts[1] / contrasts[0]
    yield from many_times_brighter((one[0], other[0]), ratios, channels)


def many_times_brighter(
    conditions: tuple[str, str], ratios: Mapping[str, float], channels: Sequence[str]
) -> Iterable[Problem]:
    """Say which of two conditions is many times brighter, and in which channels.

    Parameters
    ----------
    conditions
        Their names.
    ratios
        Of their contrasts, the second's over the first's, by channel, where both have one.
    channels
        All there are.
    """
    one, other = conditions
    for bright, dim, sign in ((other, one, 1), (one, other, -1)):
        times = {channel: ratio**sign for channel, ratio in ratios.items()}
        in_all = len(times) == len(channels) and min(times.values(), default=0) >= BRIGHTER_IN_ALL
        found = {channel: t for channel, t in times.items() if t >= (BRIGHTER_IN_ALL if in_all else BRIGHTER)}
        if not found:
            continue
        each = ", ".join(f"{channel} {t:.2g} times" for channel, t in found.items())
        if in_all:
            what = f"{bright} is many times brighter than {dim} in every channel ({each}), as with another bit depth "
            yield Problem("warning", f"{what}or exposure.", _DO)
        else:
            what = f"{bright} is many times brighter than {dim} in {listed([*found])} ({each})."
            do = f"Unless that is what the condition does, look at exposure and bit depth. {_DO}"
            yield Problem("warning", what, do)


def _coarser(of: dict[str, list[Survey]], channels: Sequence[str]) -> Iterable[Problem]:
    """Name conditions whose gray levels lie apart where others' do not: images that were stretched after recording."""
    for channel in channels:
        steps = {c: [s.channels[channel].step for s in fields if channel in s.channels] for c, fields in of.items()}
        stretched = {c: min(each) for c, each in steps.items() if each and min(each) > 1}
        others = [c for c, each in steps.items() if each and max(each) == 1]
        if stretched and others:
            each = listed([f"those of {c} are multiples of {step}" for c, step in stretched.items()])
            what = f"The gray levels of {channel} in {listed(others)} are single numbers, {each}: another bit depth."
            yield Problem("warning", what, _DO)
            return


def stack_remarks(surveys: Sequence[Survey]) -> tuple[str, ...]:
    """Say how stacks and time series are taken, plane by plane; nothing where there are none."""
    deep = [s for s in surveys if s.planes > 1]
    if not deep:
        return ()
    number = counted(len(deep), "field is a stack or time series", "fields are stacks or time series")
    fewest, most = min(s.planes for s in deep), max(s.planes for s in deep)
    planes = str(most) if fewest == most else f"{fewest} to {most}"
    axes = ", ".join(f"{letter} {n}" for letter, n in deep[0].axes.items() if letter in "TZ" and n > 1)
    flat = len(surveys) - len(deep)
    beside = f", {counted(flat, 'other is', 'others are')} flat" if flat else ""
    return (
        f"{number} of {planes} planes ({axes} in {deep[0].field.name}){beside}. Every plane counts as a picture of its "
        f"own, those out of focus too: take such planes out, or project each stack to one plane, where they are not "
        f"what you will translate.",
    )
