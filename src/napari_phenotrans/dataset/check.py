"""Checking a data set before training: every field is read once, and all problems are listed."""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from dataclasses import dataclass
from itertools import combinations
from typing import TYPE_CHECKING, Literal

import numpy as np

from napari_phenotrans.core.image import REPEATED
from napari_phenotrans.core.resample import SAME, factor, rescaled_size
from napari_phenotrans.core.text import counted, few, listed
from napari_phenotrans.dataset.channel_differences import ChannelDifference, ShapeSample
from napari_phenotrans.dataset.check_conditions import stack_remarks, unlike_conditions
from napari_phenotrans.dataset.check_report import BINS, PERCENTILES, ConditionFacts, Histogram, Problem, Report
from napari_phenotrans.dataset.dataset import image_of_crop
from napari_phenotrans.dataset.field_stats import Survey, survey
from napari_phenotrans.dataset.size_difference import size_differences

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from napari_phenotrans.core.settings import TrainingSettings
    from napari_phenotrans.dataset.dataset import DataSet, Field
    from napari_phenotrans.dataset.size_difference import SizeDifference

# A nucleus of about so many working pixels lets several cells fit in a crop, each with its texture.
NUCLEUS = 25
_MEASURED, _ENOUGH_NUCLEI = 5, 10  # fields per condition that nuclei are measured in; nuclei for a proposal
_FEW_GROUPS = 5
_BLANK = 0.05  # of the contrast that good fields have
_UNBALANCED, _OTHER_SIZE = 3, 4  # ratios of field counts, and of pixels per field
_TELLS = 0.9  # share of fields whose condition can be guessed from a column
_SMALLEST_CROP = 32
MORE_CONDITIONS = "--engine flow or --engine phendiff"
# Columns of fields.csv that say what was made or imaged together, and whose values do not name wells.
_BATCHES = frozenset({"plate", "batch", "day", "date", "donor", "slide", "experiment", "experimenter", "replicate"})


@dataclass(frozen=True)
class FieldSeen:
    """A field was read, number ``done`` of ``total``."""

    name: str
    done: int
    total: int


def check(training: DataSet, held_out: DataSet | None, settings: TrainingSettings) -> Report:
    """Return the report of `check_each`, which says what the arguments are."""
    *_, report = check_each(training, held_out, settings)
    assert isinstance(report, Report)
    return report


def check_each(training: DataSet, held_out: DataSet | None, settings: TrainingSettings) -> Iterator[FieldSeen | Report]:
    """Read every field once, and list all that speaks against training on them.

    Parameters
    ----------
    training
        What would be trained on.
    held_out
        What training must not see: groups of the same data set, or another folder; None where there is none.
    settings
        Channels, pixel size and crop count.

    Yields
    ------
    `FieldSeen` after each field, and last the report; nothing is raised for what is wrong with the data set.
    """
    measured = set()
    for condition in training.conditions:
        names = [f.name for f in training.fields if f.condition == condition]
        measured |= {names[i] for i in np.linspace(0, len(names) - 1, _MEASURED).astype(int) if names}
    held_out_fields = held_out.fields if held_out else ()
    total = len(training.fields) + len(held_out_fields)
    surveys, held_out_surveys = [], []
    shapes = ShapeSample(training, settings)
    for field in training.fields:
        surveys.append(survey(field, nuclei=field.name in measured))
        shapes.add(field)
        yield FieldSeen(field.name, len(surveys), total)
    for field in held_out_fields:
        held_out_surveys.append(survey(field))
        yield FieldSeen(field.name, len(surveys) + len(held_out_surveys), total)
    readable = [s for s in surveys + held_out_surveys if not s.unreadable]

    # ---- channels: those of the settings, else those that all fields have
    all_names = list(dict.fromkeys(name for s in readable for name in s.names))
    channels = settings.channels or tuple(name for name in all_names if all(name in s.names for s in readable))
    # ---- pixel size: in micrometers where files state one; a file that states none is taken for a usual one
    usual_size = _usual_size(readable)
    sizes = [s.pixel_size_um or usual_size for s in readable]
    unequal = bool(sizes) and max(sizes) > (1 + SAME) * min(sizes)
    pixel_size = settings.pixel_size or (sizes[0] if sizes and not unequal else None)
    blank = _blank(readable, channels)
    diameters = np.sort([d * (s.pixel_size_um or usual_size) for s in surveys if s not in blank for d in s.nuclei])
    nucleus = proposed = None
    if len(diameters) >= _ENOUGH_NUCLEI:
        # weighed by area, for debris is many and small
        area = np.cumsum(diameters**2)
        nucleus = float(diameters[np.searchsorted(area, area[-1] / 2)])
        fitting = float(f"{nucleus / NUCLEUS:.2g}")
        proposed = fitting if fitting > (1 + SAME) * max(sizes) else float(f"{max(sizes):.4g}")

    differences = shapes.differences(channels)
    nuclei_differ = size_differences(training.conditions, [s for s in surveys if s not in blank and not s.unreadable])
    problems = [
        *too_many_conditions(training.conditions, settings),
        *_unfit_folders(training, held_out),
        *_unfit_files(readable, [s for s in surveys + held_out_surveys if s.unreadable], settings, channels, proposed),
        *_unfit_pixels(readable, channels, blank),
        *unlike_conditions(training.conditions, readable, channels, blank),
        *_duplicates(surveys, held_out_surveys),
        *telling_columns(training),
        *_kept_that_differ(getattr(settings, "kept", None) or (), differences, nuclei_differ),
    ]
    problems.sort(key=lambda problem: problem.severity == "warning")
    yield Report(
        problems=tuple(problems),
        conditions=tuple(_facts(condition, training, held_out, surveys, channels) for condition in training.conditions),
        channels=channels,
        pixel_size=pixel_size,
        proposed=proposed,
        nucleus=nucleus,
        unit="um" if any(s.pixel_size_um for s in readable) else "pixel",
        crop=settings.crop,
        histograms={channel: _histogram(training.conditions, surveys, channel) for channel in channels},
        differences=differences,
        sizes=nuclei_differ,
        remarks=(*(f"{size}." for size in nuclei_differ), *stack_remarks(readable), *batch_remarks(training, held_out)),
    )


def _kept_that_differ(
    kept: Sequence[str], differences: Sequence[ChannelDifference], sizes: Sequence[SizeDifference]
) -> Iterable[Problem]:
    """List channels that are to come back unchanged although the conditions can be told apart by them."""
    for difference in differences:
        if difference.channel in kept and difference.apart:
            what = f"{difference.channel} is to be kept, but it tells {listed(difference.between)} apart by itself "
            what += f"(AUC {difference.figures}): effects that pass through it will not show."
            do = "Let it move, unless the question is what follows from it."
            yield Problem("warning", what, do)
    for size in sizes:
        if what := size.hidden_by(kept):
            yield Problem("warning", what, f"Let {size.channel} move where size is what you look for.")


def too_many_conditions(conditions: Sequence[str], settings: TrainingSettings) -> Iterable[Problem]:
    """Say where an engine learns between two conditions and there are more."""
    if settings.two_conditions and len(conditions) > 2:
        engine = type(settings).__name__.removesuffix("Settings")
        what = f"{engine} learns between two conditions, and there are {len(conditions)}: {few(conditions)}."
        do = (
            f"Pick two with --conditions {conditions[0]},{conditions[1]}, or take an engine that learns all of them at "
            f"once: {MORE_CONDITIONS}."
        )
        yield Problem("error", what, do)


def _unfit_folders(training: DataSet, held_out: DataSet | None) -> Iterable[Problem]:
    """List problems of folders, groups and ``fields.csv``."""
    apart = held_out is not None and held_out.folder != training.folder
    for table in dict.fromkeys(d.table for d in (training, held_out) if d and d.table):
        where = f"{table.path.parent.name}/{table.path.name}"
        if table.ambiguous:
            do = "Write condition/file there, as in untreated/A01.tif."
            yield Problem("error", f"{where} lists names that several conditions have.", do, table.ambiguous)
        if table.repeated:
            do = "Keep one line for each."
            yield Problem("error", f"{where} lists files twice, with different values.", do, table.repeated)
        if table.missing:
            do = "Correct the names, or remove the lines."
            yield Problem("warning", f"{where} lists files that are not there.", do, table.missing)
        if table.unlisted:
            what = f"{where} does not list all fields: each of the others counts as a group of its own."
            do = "Add them, or fields of one well may come to lie in both training and held-out."
            yield Problem("warning", what, do, table.unlisted)
    crops = [field for field in training.fields if not field.grouped and image_of_crop(field.path)]
    if crops:
        images = len({field.group for field in crops})
        what = f"{counted(len(crops), 'field')} are crops of {counted(images, 'image')}, as their names say."
        do = "Each image counts as one group; say the groups in fields.csv where that is wrong."
        yield Problem("warning", what, do, tuple(field.name for field in crops))
    count = training.count()
    held_out_count = held_out.count() if held_out else {}
    for condition in training.conditions:
        groups = len(training.groups(condition))
        if not count[condition]:
            do = f"Put images into {training.folder / condition}, or choose others with --conditions."
            yield Problem("error", f"{condition} has no fields.", do)
        elif groups < 2:
            what = f"{condition} has a single group (well, patient, organoid) to train on; 2 are needed, 5 are better."
            yield Problem("error", what, "Add groups, hold out fewer, or say the groups in fields.csv.")
        elif groups < _FEW_GROUPS:
            what = f"{condition} has {groups} groups to train on: what is particular to one of them will be learned."
            yield Problem("warning", what, f"Add groups until there are {_FEW_GROUPS}, or hold out fewer.")
        if held_out and apart and count[condition] and not held_out_count[condition]:
            do = f"Put held-out images into {held_out.folder / condition}, or hold out groups of the data set."
            yield Problem("error", f"The held-out folder has no fields of {condition}.", do)
        elif held_out_count and sum(held_out_count.values()) and not held_out_count[condition]:
            what = f"No group of {condition} is held out, so that it cannot be scored."
            yield Problem("warning", what, "Hold out a larger share, or name groups of every condition.")
    present = {condition: n for condition, n in count.items() if n}
    if present and max(present.values()) >= _UNBALANCED * min(present.values()):
        what = f"Field counts are unbalanced: {', '.join(f'{c} {n}' for c, n in present.items())}."
        do = "All conditions are drawn equally often, so the small one is learned by heart sooner: add fields to it."
        yield Problem("warning", what, do)
    if held_out and apart:
        shared = {f.group for f in training.fields if f.grouped} & {f.group for f in held_out.fields if f.grouped}
        if shared:
            what = f"Groups are both in training and in the held-out folder: {few(sorted(shared))}."
            do = "Remove them from one, or give them different names in fields.csv if they are not the same."
            files = tuple(f.name for f in held_out.fields if f.group in shared)
            yield Problem("error", what, do, files)


def _unfit_files(
    readable: Sequence[Survey],
    damaged: Sequence[Survey],
    settings: TrainingSettings,
    channels: Sequence[str],
    proposed: float | None,
) -> Iterable[Problem]:
    """List problems of files, their channels, pixel sizes and sizes."""
    if damaged:
        what = f"Files cannot be read ({len(damaged)}); {damaged[0].unreadable}"
        yield Problem("error", what, "Mend the files, or take them out of the data set.", _names(damaged))
    # ---- what reading guessed; files of which the same is said but for names and numbers come together
    guesses: dict[str, list[tuple[str, Survey]]] = defaultdict(list)
    for s in readable:
        for note in (note for note in s.notes if not note.startswith(REPEATED)):
            guesses[re.sub(r"\S+\.\w+|\d+", "", note)].append((note, s))
    for noted in guesses.values():
        do = "Check that it is right: training goes by it."
        yield Problem("warning", noted[0][0], do, _names([s for _, s in noted]))
    # ---- channels
    twice = [s for s in readable if any(note.startswith(REPEATED) for note in s.notes)]
    if twice:
        stated = [re.sub(r" \(\d+\)$", "", name) for name in twice[0].names]
        what = f"A channel's name occurs twice: {', '.join(stated)}."
        yield Problem("error", what, "Give every channel a name of its own in the files.", _names(twice))
    common, _ = Counter(frozenset(s.names) for s in readable).most_common(1)[0] if readable else (frozenset(), 0)
    wanted = frozenset(settings.channels or common)
    unequal = [s for s in readable if (wanted - set(s.names) if settings.channels else wanted != set(s.names))]
    if unequal:
        kinds = dict.fromkeys(", ".join(s.names) for s in unequal)
        what = f"Channels are unequal: {'; '.join(kinds)}, where {', '.join(_in_order(readable, wanted))} is expected."
        shared = [name for name in _in_order(readable, common) if all(name in s.names for s in readable)]
        do = f"Say --channels {','.join(shared)}." if shared else "No channel is common to all: rename or remove files."
        yield Problem("error", what, do, _names(unequal))
    # ---- pixel sizes
    usual = _usual_size(readable)
    known = sorted({s.pixel_size_um for s in readable if s.pixel_size_um})
    unknown = [s for s in readable if not s.pixel_size_um]
    if unknown and known:
        what = f"Pixel sizes are unknown in some files; others have {few([f'{size:.4g} µm' for size in known])}."
        do = "Write the pixel size into all files, or into none."
        yield Problem("error", what, do, _names(unknown))
    elif unknown:
        what = "No file states its pixel size, so that --pixel-size counts pixels of the files."
        do = "Make sure that all were taken at one magnification; checkpoints cannot tell later."
        yield Problem("warning", what, do)
    if known and known[-1] > (1 + SAME) * known[0] and not settings.pixel_size:
        what = f"Pixel sizes are unequal: {few([f'{size:.4g} µm' for size in known])}."
        odd = [s for s in readable if s.pixel_size_um and factor(s.pixel_size_um, usual) != 1]
        do = f"Say --pixel-size {proposed or float(f'{known[-1]:.4g}'):g}, to which all are resampled."
        yield Problem("error", what, do, _names(odd))
    # ---- sizes, in working pixels
    working = {}
    for s in readable:
        scale = factor(s.pixel_size_um or usual, settings.pixel_size) if settings.pixel_size else 1.0
        working[s] = rescaled_size(*s.size, scale)
    small = [s for s, size in working.items() if min(size) < settings.crop]
    if small:
        side = min(min(size) for size in working.values()) // 4 * 4
        what = f"Fields are smaller ({len(small)}) than a crop of {settings.crop} × {settings.crop} working pixels."
        if side >= _SMALLEST_CROP:
            yield Problem("error", what, f"Say --crop {side} or less.", _names(small))
        else:
            yield Problem("error", what, "Take them out, or choose a smaller --pixel-size.", _names(small))
    area = sorted(working, key=lambda s: working[s][0] * working[s][1])
    if area and np.prod(working[area[-1]]) >= _OTHER_SIZE * np.prod(working[area[0]]):
        first, last = (f"{' × '.join(map(str, working[s]))} ({s.field.name})" for s in (area[0], area[-1]))
        what = f"Fields are of very different sizes: from {first} to {last} working pixels."
        do = "All are drawn equally often, so a small one weighs as much as a large one: cut the large ones up."
        yield Problem("warning", what, do)


def _unfit_pixels(readable: Sequence[Survey], channels: Sequence[str], blank: Sequence[Survey]) -> Iterable[Problem]:
    """List problems of intensities."""
    broken = [s for s in readable if not s.finite]
    if broken:
        what = "Pixels are not finite (NaN or infinite)."
        yield Problem("error", what, "Replace them, or take the files out.", _names(broken))
    for channel in channels:
        limits = [s.channels[channel] for s in readable if channel in s.channels]
        if limits and min(c.low for c in limits) >= max(c.high for c in limits):
            what = f"Channel {channel} holds one single value in all fields."
            yield Problem("error", what, "Leave it out: name the others with --channels.")
    if blank:
        what = f"Fields are blank ({len(blank)}): no channel shows anything but background."
        yield Problem("warning", what, "Look at them; take out what was not meant to be empty.", _names(blank))
    for channel in channels:
        cut = [s for s in readable if channel in s.channels and s.channels[channel].saturated]
        if cut:
            share = max(s.channels[channel].saturated for s in cut)
            what = f"Channel {channel} is saturated ({len(cut)} fields, up to {100 * share:.1f} % of the pixels)."
            do = "What is brighter cannot be learned: image with less exposure, or take the fields out."
            yield Problem("warning", what, do, _names(cut))


def _duplicates(surveys: Sequence[Survey], held_out_surveys: Sequence[Survey]) -> Iterable[Problem]:
    """List planes that occur in several fields."""
    holders = defaultdict(list)
    for first_role, of_role in (("training", surveys), ("held-out", held_out_surveys)):
        for s in of_role:
            for content in s.hashes:
                holders[content].append((first_role, s.field))
    pairs: dict[str, dict[str, None]] = defaultdict(dict)
    for fields in holders.values():
        for (first_role, first), (second_role, second) in combinations(fields, 2):
            kind = (
                "roles"
                if first_role != second_role
                else "conditions"
                if first.condition != second.condition
                else "within"
            )
            pairs[kind][f"{first.name} = {second.name}"] = None
    texts: tuple[tuple[str, Literal["error", "warning"], str, str], ...] = (
        ("roles", "error", "training and held-out fields", "Scores would flatter: take them out of one."),
        ("conditions", "error", "two conditions", "One of them lies in the wrong folder: take it out."),
        ("within", "warning", "two fields of one condition", "They count twice: take one out."),
    )
    for kind, severity, where, do in texts:
        if pairs[kind]:
            yield Problem(severity, f"The same pixels occur in {where}.", do, tuple(pairs[kind]))


def telling_columns(training: DataSet) -> Iterable[Problem]:
    """Name the columns of ``fields.csv`` from which the condition can be told.

    A pair of conditions is told apart by a column where guessing the condition from the column's value, both conditions
    weighing the same, is right for at least 90 % of the fields.
    """
    for column in dict.fromkeys(name for f in training.fields for name in f.columns):
        fields = [f for f in training.fields if f.columns.get(column)]
        values = {f.columns[column] for f in fields}
        groups = {(f.columns[column], f.group) for f in fields}
        itself = all(f.columns[column].casefold() == f.condition.casefold() for f in fields)
        if itself or len(groups) == len(values):
            # names the condition, or every value belongs to one group only: a name of the field or of the group
            continue
        told_apart, surest = [], 0.0
        for pair in combinations(training.conditions, 2):
            share: dict[str, list[float]] = defaultdict(lambda: [0.0, 0.0])
            count = Counter(f.condition for f in fields if f.condition in pair)
            for f in fields:
                if f.condition in pair:
                    share[f.columns[column]][pair.index(f.condition)] += 0.5 / count[f.condition]
            right = sum(max(shares) for shares in share.values())
            if len(count) == 2 and len(share) > 1 and right >= _TELLS - 1e-9:
                told_apart.append(" from ".join(pair))
                surest = max(surest, right)
        if told_apart:
            which = "; ".join(f"{c}: {_values(fields, c, column)}" for c in dict.fromkeys(f.condition for f in fields))
            how = "always" if surest > 1 - 1e-9 else f"for {100 * surest:.0f} % of the fields"
            what = f"The column {column} of fields.csv tells the conditions apart: {few(told_apart)}, {how} ({which})."
            do = (
                f"Unless it is the condition itself (as a dose is), the engine may learn {column} in its place: add "
                f"fields that have both, or train between two values of {column} in one condition as a control."
            )
            yield Problem("warning", what, do)


def batch_remarks(training: DataSet, held_out: DataSet | None) -> tuple[str, ...]:
    """Say of which batches scores know nothing else: those that training and held-out fields share.

    Only where whole ones could be held out: each condition has several.
    """
    said = []
    for column in dict.fromkeys(name for f in training.fields for name in f.columns):
        if held_out is None or column.strip().casefold() not in _BATCHES:
            continue
        sides = [{f.columns.get(column) for f in of.fields} - {None, ""} for of in (training, held_out)]
        each = [
            {f.columns.get(column) for f in (*training.fields, *held_out.fields) if f.condition == condition}
            for condition in training.conditions
        ]
        if sides[0] & sides[1] and all(len(values) > 1 for values in each):
            said.append(
                f"Held-out fields are of the same {column} as training fields: scores say nothing of another {column}. "
                f"--split-by {column} holds whole ones out."
            )
    return tuple(said)


def _blank(readable: Sequence[Survey], channels: Sequence[str]) -> list[Survey]:
    """Return the fields whose contrast is under 5 % of what good fields of their condition have, in every channel.

    A condition that is darker as a whole was recorded in another way, and is not blank.
    """
    complete = [s for s in readable if all(name in s.channels for name in channels)]
    if not complete or not channels:
        return []
    blank: set[Survey] = set()
    for condition in {s.field.condition for s in complete}:
        mine = [s for s in complete if s.field.condition == condition]
        contrast = np.array([[s.channels[name].contrast for name in channels] for s in mine])
        dim = (contrast <= _BLANK * np.percentile(contrast, 90, axis=0)).all(axis=1)
        blank |= {s for s, nothing in zip(mine, dim, strict=True) if nothing}
    return [s for s in complete if s in blank]


def _facts(
    condition: str, training: DataSet, held_out: DataSet | None, surveys: Sequence[Survey], channels: Sequence[str]
) -> ConditionFacts:
    mine = [s for s in surveys if s.field.condition == condition and not s.unreadable]
    sizes = sorted((s.size for s in mine), key=lambda size: size[0] * size[1]) or [(0, 0)]
    percentiles = {}
    for channel in channels:
        pixels = [part for s in mine if channel in s.channels for part in s.channels[channel].sample]
        if pixels:
            percentiles[channel] = tuple(np.percentile(np.concatenate(pixels), PERCENTILES).tolist())
    return ConditionFacts(
        condition=condition,
        fields=training.count()[condition],
        groups=len(training.groups(condition)),
        planes=sum(s.planes for s in mine),
        held_out_fields=held_out.count()[condition] if held_out else 0,
        held_out_groups=len(held_out.groups(condition)) if held_out else 0,
        smallest=sizes[0],
        largest=sizes[-1],
        channels=tuple(dict.fromkeys(name for s in mine for name in s.names)),
        dtypes=tuple(dict.fromkeys(s.dtype for s in mine)),
        pixel_sizes_um=tuple(dict.fromkeys(s.pixel_size_um for s in mine)),
        percentiles=percentiles,
    )


def _histogram(conditions: Sequence[str], surveys: Sequence[Survey], channel: str) -> Histogram:
    """Count the sampled pixels of a channel in bins that all conditions share."""
    pixels = {
        condition: [part for s in surveys if s.field.condition == condition and channel in s.channels
                    for part in s.channels[channel].sample]
        for condition in conditions
    }  # fmt: skip
    joined = {condition: np.concatenate(parts) for condition, parts in pixels.items() if parts}
    if not joined:
        return Histogram((), {})
    low, high = min(p.min() for p in joined.values()), max(p.max() for p in joined.values())
    edges = np.linspace(low, high if high > low else low + 1, BINS + 1, dtype=float)
    shares = {c: tuple((np.histogram(p, edges)[0] / p.size).tolist()) for c, p in joined.items()}
    return Histogram(tuple(edges.tolist()), shares)


def _usual_size(readable: Sequence[Survey]) -> float:
    known = Counter(s.pixel_size_um for s in readable if s.pixel_size_um)
    return known.most_common(1)[0][0] if known else 1.0


def _in_order(readable: Sequence[Survey], wanted: Iterable[str]) -> list[str]:
    names = dict.fromkeys(name for s in readable for name in s.names)
    return [*(name for name in names if name in set(wanted)), *(name for name in wanted if name not in names)]


def _names(surveys: Sequence[Survey]) -> tuple[str, ...]:
    return tuple(s.field.name for s in surveys)


def _values(fields: Sequence[Field], condition: str, column: str) -> str:
    return few(list(dict.fromkeys(f.columns[column] for f in fields if f.condition == condition)))
