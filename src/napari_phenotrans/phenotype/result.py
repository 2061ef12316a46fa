"""A finished report, as a page, a dock or a script needs it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pathlib import Path

    import numpy as np

    from napari_phenotrans.metrics.picture import Verdict
    from napari_phenotrans.phenotype.ground_truth import Truth
    from napari_phenotrans.phenotype.objects.measure import Scale
    from napari_phenotrans.phenotype.objects.pairs import Pairs
    from napari_phenotrans.phenotype.objects.tables import Table
    from napari_phenotrans.phenotype.selection import ControlRun, Subject
    from napari_phenotrans.phenotype.statistics.effects import Effect, Effects, Role


@dataclass(frozen=True, eq=False)
class Control:
    """What an engine changes that was trained between two halves of one condition, where nothing differs.

    Parameters
    ----------
    name, conditions
        The checkpoint, and what its halves are called.
    groups
        How many groups each half has.
    effects
        Judged as the report's own.
    made_sd
        Its change of each measurement, by key, in the report's standard deviations between objects.
    called
        Share of measurements called changed; by its own groups where there are five in each half, else by the margins
        of the report, widened for the number of its groups; None where neither can be said.
    own_groups
        Whether by its own groups.
    """

    name: str
    conditions: tuple[str, str]
    groups: tuple[int, int]
    effects: Effects
    made_sd: dict[str, float]
    called: float | None
    own_groups: bool

    @classmethod
    def of(cls, run: ControlRun, judged: Effects, main: Effects) -> Control:
        """Compare what an engine changed between halves with what counts as changed."""
        rows = {row.measurement.key: row for row in judged.rows}
        compared = [(row, rows[row.measurement.key]) for row in main.rows if row.measurement.key in rows]
        own = judged.made_tested
        if own:
            called = [row.changed for row in judged.rows if row.margin is not None]
        else:
            # fewer groups differ by more: the report's margins are widened as standard errors are
            ours, halves = (1 / len(e.source_groups) + 1 / len(e.target_groups) for e in (main, judged))
            wider = max(1.0, (halves / ours) ** 0.5)
            called = [
                abs(null.made) > null.error + wider * row.margin for row, null in compared if row.margin is not None
            ]
        return cls(
            name=f"{run.checkpoint.parent.name}, {run.checkpoint.stem}",
            conditions=run.conditions,
            groups=(len(judged.source_groups), len(judged.target_groups)),
            effects=judged,
            made_sd={row.measurement.key: null.made / row.spread for row, null in compared},
            called=sum(called) / len(called) if called else None,
            own_groups=own,
        )


@dataclass(frozen=True, eq=False)
class Repeat:
    """What another training of the same engine changes.

    Parameters
    ----------
    name
        The checkpoint.
    made_sd
        Its change of each measurement, by key, in the report's standard deviations between objects.
    beyond
        Keys of the measurements that it changes beyond its own error, and beyond what counts as a change where that is
        tested.
    """

    name: str
    made_sd: dict[str, float]
    beyond: frozenset[str]

    @classmethod
    def of(cls, name: str, judged: Effects, main: Effects) -> Repeat:
        """Take what another training changed of the report's measurements."""
        rows = {row.measurement.key: row for row in judged.rows}
        pairs = [(row, rows[row.measurement.key]) for row in main.rows if row.measurement.key in rows]
        beyond = [key for row, again in pairs if goes_beyond(again) for key in (row.measurement.key,)]
        return cls(name, {row.measurement.key: again.made / row.spread for row, again in pairs}, frozenset(beyond))


def goes_beyond(row: Effect) -> bool:
    """Return whether an engine changes a measurement beyond its own error, and is said to where that is tested."""
    return row.changed if row.margin is not None else abs(row.made) > row.error


@dataclass(frozen=True, eq=False)
class PhenotypeReport:
    """A finished report.

    Parameters
    ----------
    source, target
        The conditions.
    channels, objects
        Names of the channels, and of what was measured: "nuclei" or "crops".
    subject
        Which fields.
    scale
        What pixels mean in the values.
    tables
        Real source, real target, translated, source again, target again by role; and truth where it is known.
    pairs
        Rows of the tables of source and translated that are the same object.
    thresholds
        Per channel the signal from which an object counts as positive, as a share of the range.
    effects
        What differs and what the engine changes.
    control, truth
        None where there is none.
    repeats
        What other trainings of the engine change.
    confounders
        Columns of ``fields.csv`` that coincide with the condition, in sentences.
    notices
        What was said on the way.
    gallery
        Crops of objects, see `gallery`.
    given
        Whether the objects were known, not found: then translated images have those of the real ones.
    made
        How it was made: data set, checkpoint, versions, settings.
    verdict
        What the picture gate says of the translated fields; None where it was not asked.
    doubts
        What makes the checkpoint doubtful whatever it translates, in sentences.
    known_pictures
        What else is known of the checkpoint's pictures, in sentences.
    first_look
        From how many fields it is, and of how many, while the others are being measured; None where it is from all.
    """

    source: str
    target: str
    channels: tuple[str, ...]
    objects: str
    subject: Subject
    scale: Scale
    tables: dict[Role, Table]
    pairs: Pairs
    thresholds: dict[str, float]
    effects: Effects
    control: Control | None
    truth: Truth | None
    confounders: tuple[str, ...]
    notices: tuple[str, ...]
    gallery: tuple[GalleryRow, ...]
    given: bool = False
    made: dict[str, Any] = field(default_factory=dict)
    verdict: Verdict | None = None
    doubts: tuple[str, ...] = ()
    known_pictures: tuple[str, ...] = ()
    repeats: tuple[Repeat, ...] = ()
    first_look: tuple[int, int] | None = None

    def __str__(self) -> str:
        """Return what was found in short, as the command line prints it."""
        from napari_phenotrans.phenotype.page.text import in_short

        return "\n".join(in_short(self))

    @property
    def trainings(self) -> int:
        """How many trainings of the engine were looked at, this one included."""
        return 1 + len(self.repeats)

    def again(self, row: Effect) -> int:
        """Return in how many trainings, this one included, a measurement changes in this one's direction.

        Beyond each training's own error; 0 where this one's change is within it.
        """
        if not goes_beyond(row):
            return 0
        key = row.measurement.key
        return 1 + sum(key in each.beyond and each.made_sd[key] * row.made > 0 for each in self.repeats)


@dataclass(frozen=True, eq=False)
class GalleryRow:
    """Crops of objects before and after, in one row of the page.

    Parameters
    ----------
    title
        What they have in common.
    before, after
        (n, C, h, w) in the images' units.
    captions
        n texts.
    """

    title: str
    before: np.ndarray
    after: np.ndarray
    captions: tuple[str, ...]


@dataclass(frozen=True, eq=False)
class FirstLook:
    """A report of the first few fields is there, and its page where a folder was named; the whole one comes later."""

    report: PhenotypeReport
    files: dict[str, Path]


@dataclass(frozen=True, eq=False)
class ReportDone:
    """The report is finished, and written to these files where a folder was named."""

    report: PhenotypeReport
    files: dict[str, Path]
