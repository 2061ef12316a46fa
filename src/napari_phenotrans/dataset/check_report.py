"""The report of checking a data set: problems and facts, and its lines for a terminal."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal

from napari_phenotrans.core.resample import factor
from napari_phenotrans.core.text import few, table
from napari_phenotrans.dataset.channel_differences import ChannelDifference, proposed_kept

if TYPE_CHECKING:
    from napari_phenotrans.dataset.size_difference import SizeDifference

PERCENTILES = (1, 50, 99, 99.9)
BINS = 96  # of a histogram
AREA = "Brightness and contrast are taken out; with an AUC of 0.5 a channel tells nothing, with 1 everything."


@dataclass(frozen=True)
class Problem:
    """Something that forbids training (error) or may spoil it (warning).

    Parameters
    ----------
    severity
        "error" or "warning".
    what, do
        What was found, and what to do about it: sentences.
    files
        All fields concerned, as ``condition/file``.
    """

    severity: Literal["error", "warning"]
    what: str
    do: str
    files: tuple[str, ...] = ()

    def __str__(self) -> str:
        return f"{self.what}{f' [{few(self.files)}]' if self.files else ''} {self.do}"


@dataclass(frozen=True)
class ConditionFacts:
    """What a condition consists of.

    Parameters
    ----------
    condition
        Its name.
    fields, groups, planes
        How many training sees.
    held_out_fields, held_out_groups
        How many it does not.
    smallest, largest
        (Y, X) of the fields with the fewest and the most pixels, as the files have them.
    channels, dtypes
        All that occur.
    pixel_sizes_um
        All that occur; None where a file states none.
    percentiles
        Per channel that training uses, the intensities at `PERCENTILES`, in the files' units.
    """

    condition: str
    fields: int
    groups: int
    planes: int
    held_out_fields: int
    held_out_groups: int
    smallest: tuple[int, int]
    largest: tuple[int, int]
    channels: tuple[str, ...]
    dtypes: tuple[str, ...]
    pixel_sizes_um: tuple[float | None, ...]
    percentiles: dict[str, tuple[float, ...]]


@dataclass(frozen=True)
class Histogram:
    """How intensities of a channel are spread, per condition.

    Parameters
    ----------
    edges
        Of `BINS` bins, in the files' units; empty where no pixel could be read.
    shares
        Per condition, the share of its pixels (of those that were sampled) in each bin.
    """

    edges: tuple[float, ...]
    shares: dict[str, tuple[float, ...]]


@dataclass(frozen=True)
class Report:
    """What `check` found.

    Parameters
    ----------
    problems
        Errors first.
    conditions
        In the data set's order.
    channels
        Those that training uses: as in the settings, else those that all fields have.
    pixel_size
        Working pixel size in ``unit``; None where the files differ and the settings have none.
    proposed
        Pixel size at which a nucleus has about 25 pixels, but none finer than the files'; None where no nuclei were
        found.
    nucleus
        Median diameter of nuclei in ``unit``, every pixel of a nucleus counting the same; None where none were found.
    unit
        "um", or "pixel" (of the files) where they state no pixel size.
    crop
        Side in working pixels.
    histograms
        Per channel that training uses.
    differences
        How surely each of these channels tells the conditions apart; those are left out that have too few groups.
    sizes
        Between which conditions nuclei differ in size.
    remarks
        How files are taken, in sentences, where nothing is wrong with that.
    """

    problems: tuple[Problem, ...]
    conditions: tuple[ConditionFacts, ...]
    channels: tuple[str, ...]
    pixel_size: float | None
    proposed: float | None
    nucleus: float | None
    unit: str
    crop: int
    histograms: dict[str, Histogram] = field(default_factory=dict)
    differences: tuple[ChannelDifference, ...] = ()
    sizes: tuple[SizeDifference, ...] = ()
    remarks: tuple[str, ...] = ()

    @property
    def errors(self) -> tuple[Problem, ...]:
        """What forbids training."""
        return tuple(p for p in self.problems if p.severity == "error")

    @property
    def warnings(self) -> tuple[Problem, ...]:
        """What may spoil it."""
        return tuple(p for p in self.problems if p.severity == "warning")

    def table(self) -> list[tuple[str, ...]]:
        """Return the facts of each condition as rows of words, headings first."""
        rows: list[tuple[str, ...]] = [
            ("condition", "fields", "groups", "held-out", "planes", "size", "pixel size", "dtype", "channels")
        ]
        for c in self.conditions:
            sizes = dict.fromkeys(" × ".join(map(str, size)) for size in (c.smallest, c.largest) if c.planes)
            known = [f"{size:.4g} µm" if size else "unknown" for size in c.pixel_sizes_um]
            held_out = f"{c.held_out_fields} in {c.held_out_groups}"
            counts = (c.condition, str(c.fields), str(c.groups), held_out, str(c.planes))
            rows.append((*counts, " to ".join(sizes), ", ".join(known), ", ".join(c.dtypes), ", ".join(c.channels)))
        return rows

    def lines(self) -> list[str]:
        """Return everything as lines for a terminal."""
        brightness = [("channel", "condition", *(f"{p:g} %" for p in PERCENTILES))]
        for channel in self.channels:
            for c in self.conditions:
                if channel in c.percentiles:
                    brightness.append((channel, c.condition, *(f"{v:.5g}" for v in c.percentiles[channel])))
        settings = [("channels", ", ".join(self.channels) or "none in common")]
        unit = "µm" if self.unit == "um" else "pixel of the files"
        working = f"{self.pixel_size:.4g} {unit}" if self.pixel_size else "not decided"
        if self.nucleus and self.pixel_size:
            working += f", a nucleus is {self.nucleus / self.pixel_size:.0f} working pixels wide"
        if self.proposed and (not self.pixel_size or factor(self.pixel_size, self.proposed) != 1):
            working += f"; proposed: --pixel-size {self.proposed:g}"
        settings.append(("pixel size", working))
        wide = f" ({self.crop * self.pixel_size:.4g} µm)" if self.pixel_size and self.unit == "um" else ""
        settings.append(("crop", f"{self.crop} × {self.crop} working pixels{wide}"))
        problems = [f"{problem.severity}: {problem}" for problem in self.problems]
        remarks = [f"note: {remark}" for remark in self.remarks]
        blocks = [table(self.table()), table(brightness), self.difference_lines(), table(settings), remarks, problems]
        return [line for block in blocks if block for line in ("", *block)][1:]

    def difference_lines(self) -> list[str]:
        """Return in sentences which channels tell the conditions apart, and which are proposed to be kept."""
        if not self.differences:
            return []
        kept = ",".join(proposed_kept(self.differences)) or "none"
        return [
            *(f"{difference}." for difference in self.differences),
            f"{AREA} A flow may keep channels that tell next to nothing; proposed: --kept {kept}",
        ]
