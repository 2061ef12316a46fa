"""What translating says while it runs."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from napari_phenotrans.core.events import Notice

if TYPE_CHECKING:
    import numpy as np

    from napari_phenotrans.metrics.agreement import AgreementSums
    from napari_phenotrans.metrics.flicker import FlickerRow
    from napari_phenotrans.metrics.picture import Verdict
    from napari_phenotrans.metrics.turned import TurnRow


@dataclass(frozen=True)
class EvaluationDone:
    """One network evaluation of one tile; ``done`` of ``total`` for the current plane."""

    t: int
    z: int
    done: int
    total: int


@dataclass(frozen=True, eq=False)
class TileDone:
    """A rectangle of the translated plane that is as good as it will get until its neighbors come.

    A glimpse, which may come before the first tile, is 0 of ``total``.

    Parameters
    ----------
    t, z
        Which plane.
    top, left
        Its place in the plane, in pixels.
    translated
        (C, h, w) in the image's own units and dtype.
    done, total
        How many of the plane's tiles are done.

    Examples
    --------
    >>> import napari_phenotrans as pt
    >>> events = pt.translate(
    ...     pt.sample("bbbc013-untreated"), "bbbc013-cyclegan", source="untreated", target="wortmannin",
    ...     region=pt.Region(0, 0, 64, 64),
    ... )
    >>> [(event.top, event.left, event.translated.shape) for event in events if isinstance(event, pt.TileDone)]
    [(0, 0, (2, 64, 64))]
    """

    t: int
    z: int
    top: int
    left: int
    translated: np.ndarray
    done: int
    total: int


@dataclass(frozen=True, eq=False)
class _Finished:
    """Pixels that are finished.

    Parameters
    ----------
    t, z
        Which plane.
    translated
        (C, Y, X) in the image's units and dtype.
    difference
        Translated - real before rounding to the dtype, float32 in the image's units.
    clipped
        Per channel the number of pixels that the dtype could not hold.
    done, total
        How many planes are finished.
    top, left
        The place in the plane, in pixels.
    to_come
        Share of the last plane's work that is left: other answers.
    """

    t: int
    z: int
    translated: np.ndarray
    difference: np.ndarray
    clipped: tuple[int, ...]
    done: int
    total: int
    top: int = 0
    left: int = 0
    to_come: float = field(default=0.0, kw_only=True)

    @property
    def planes(self) -> float:
        """How many planes' worth is finished."""
        return self.done - self.to_come


@dataclass(frozen=True, eq=False)
class PlaneDone(_Finished):
    """One plane, or of each plane the region that was asked for.

    Parameters
    ----------
    t, z
        Which plane.
    translated
        (C, Y, X) in the image's units and dtype.
    difference
        Translated - real before rounding to the dtype, float32 in the image's units.
    clipped
        Per channel the number of pixels that the dtype could not hold.
    done, total
        How many planes are finished.
    top, left
        The place in the plane, in pixels.
    to_come
        Share of the last plane's work that is left: other answers.

    Examples
    --------
    >>> import numpy as np
    >>> import napari_phenotrans as pt
    >>> pixels = np.zeros((1, 4, 4), np.uint8)
    >>> plane = pt.PlaneDone(0, 0, pixels, pixels.astype(np.float32), clipped=(0,), done=1, total=3)
    >>> plane.planes
    1.0
    """


@dataclass(frozen=True, eq=False)
class RegionDone(_Finished):
    """A rectangle of a plane that does not come whole, as a `PlaneDone`; ``share`` of that (0 to 1) is finished."""

    share: float = 1.0

    @property
    def planes(self) -> float:
        # with its last rectangle a plane is among those that are done
        return self.done + self.share % 1


@dataclass(frozen=True, eq=False)
class SampleDone(_Finished):
    """One of several answers, ``sample`` from 1, for what a `PlaneDone` or `RegionDone` before it is about."""

    sample: int = 1
    samples: int = 1


@dataclass(frozen=True, eq=False)
class SpreadDone:
    """What several answers have in common and where they differ, after the last `SampleDone` of a place.

    ``mean`` (C, h, w) is their mean in the image's units and dtype, ``spread`` their standard deviation, float32, 0 in
    channels that do not move. ``top`` and ``left`` are the place in the plane.
    """

    t: int
    z: int
    mean: np.ndarray
    spread: np.ndarray
    top: int = 0
    left: int = 0


@dataclass(frozen=True, eq=False)
class TurnedDone:
    """How a place translates when the image is turned, after its `PlaneDone` or `RegionDone`, which is the mean.

    ``upright`` (C, h, w) is the translation of the image as it lies, in its units and dtype; ``disagreement`` how far
    the others, turned back, differ from it on average, float32, at least 0. ``top`` and ``left`` are the place.
    """

    t: int
    z: int
    upright: np.ndarray
    disagreement: np.ndarray
    top: int = 0
    left: int = 0


@dataclass(frozen=True, eq=False)
class AgreementDone:
    """Where several trainings, or samples, change the same, after the last of them is done there.

    ``agreement`` (C, h, w) is the share that shows the same sign above the engine's error, float32: 1 where all go up,
    -1 where all go down, 0 where fewer than two thirds agree. ``sums`` is what the place adds to the number of each
    channel; ``top`` and ``left`` are the place.
    """

    t: int
    z: int
    agreement: np.ndarray
    sums: AgreementSums
    top: int = 0
    left: int = 0


@dataclass(frozen=True, eq=False)
class ErrorDone:
    """What an engine gets wrong by itself in a plane, or in a region of one whose place is ``top`` and ``left``.

    ``round_trip`` is source → target → source minus real, signed; ``engine_error`` its local amount, at least 0 (see
    `trust.check_translation`). Both float32 (C, h, w) in the image's units.
    """

    t: int
    z: int
    top: int
    left: int
    round_trip: np.ndarray
    engine_error: np.ndarray


@dataclass(frozen=True)
class PictureJudged:
    """What the picture gate says of one translated picture, beside so many real images of the target."""

    verdict: Verdict
    fields: int


@dataclass(frozen=True)
class TurnTested:
    """How far what was translated depends on which way up it lies, a row per channel."""

    rows: tuple[TurnRow, ...]


@dataclass(frozen=True)
class FlickerDone:
    """Whether the planes beside each other agree that were translated; no rows where there are no such planes."""

    rows: tuple[FlickerRow, ...]


Event = (
    Notice | EvaluationDone | TileDone | PlaneDone | RegionDone | SampleDone | SpreadDone | TurnedDone | AgreementDone
)
"""What translating an image yields."""
