"""How long a translation will take, by what an earlier one with the same engine on the same device took. No Qt."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from napari_phenotrans.core.region import Region
    from napari_phenotrans.widgets.translate.jobs import Recipe, Translate


class Pace:
    """Seconds per pixel, evaluation and answer, by checkpoint and device.

    A crop is translated with its surroundings, so that what it took for each of its own pixels is too much: a whole
    plane's pace, once there is one, takes the place of a crop's, and not the other way round.
    """

    def __init__(self) -> None:
        self._seconds: dict[tuple[str, str], float] = {}
        self._whole: set[tuple[str, str]] = set()

    def note(self, job: Translate, seconds: float) -> None:
        """Learn from a translation that has ended; nothing from a quick look, which leaves most of the work out."""
        if job.quick:
            return
        key = _key(job.recipe)
        if job.region is None:
            self._whole.add(key)
        elif key in self._whole:
            return
        if seconds > 0:
            self._seconds[key] = seconds / _work(job)

    def seconds(self, job: Translate) -> float:
        """Return how long a translation will take; 0 where nothing is known."""
        return self._seconds.get(_key(job.recipe), 0.0) * _work(job)


def _key(recipe: Recipe) -> tuple[str, str]:
    return recipe.checkpoint, recipe.device


def _work(job: Translate) -> float:
    """Return a number that the time is about proportional to."""
    sizes = job.image.sizes
    region: Region | None = job.region
    pixels = region.height * region.width if region else sizes["Y"] * sizes["X"]
    samples = job.recipe.answers.samples if not job.preview else 1
    # each answer costs half a translation
    answers = 1.0 if samples == 1 else 1 + samples / 2
    return pixels * len(job.positions) * job.recipe.how.get("evaluations", 1) * answers
