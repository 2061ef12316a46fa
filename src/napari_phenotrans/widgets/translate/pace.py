"""How long a translation will take, by what an earlier one with the same engine on the same device took. No Qt."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from napari_phenotrans.core.region import Region
    from napari_phenotrans.translation.effort import Effort
    from napari_phenotrans.widgets.translate.jobs import Recipe, Translate


class Pace:
    """Seconds per pixel, evaluation and answer, by checkpoint and device; before the first one, of a tile tried out.

    A crop is translated with its surroundings, so that what it took for each of its own pixels is too much: a whole
    plane's pace, once there is one, takes the place of a crop's, and not the other way round.
    """

    def __init__(self) -> None:
        self._seconds: dict[tuple[str, str], float] = {}
        self._whole: set[tuple[str, str]] = set()
        self._efforts: dict[tuple[str, str], Effort] = {}

    def expect(self, checkpoint: str, device: str, effort: Effort) -> None:
        """Learn from a tile that was tried out; what was translated since counts more."""
        self._efforts[checkpoint, device] = effort

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

    def seconds(self, job: Translate, zoom: float = 1.0) -> float:
        """Return how long a translation will take; 0 where nothing is known.

        ``zoom`` is how many pixels of the image a working pixel is wide.
        """
        key = _key(job.recipe)
        if key not in self._seconds and key in self._efforts:
            height, width = (size / zoom for size in _size(job))
            plane = self._efforts[key].plane_s(max(1.0, height), max(1.0, width))
            return plane * len(job.positions) * _answers(job)
        return self._seconds.get(key, 0.0) * _work(job)


def _key(recipe: Recipe) -> tuple[str, str]:
    return recipe.checkpoint, recipe.device


def _work(job: Translate) -> float:
    """Return a number that the time is about proportional to."""
    height, width = _size(job)
    return height * width * len(job.positions) * job.recipe.how.get("evaluations", 1) * _answers(job)


def _size(job: Translate) -> tuple[int, int]:
    region: Region | None = job.region
    return (region.height, region.width) if region else (job.image.sizes["Y"], job.image.sizes["X"])


def _answers(job: Translate) -> float:
    samples = job.recipe.answers.samples if not job.preview else 1
    # each answer costs half a translation, and so does the error that their agreement is measured against
    answers = 1.0 if samples == 1 else 1 + (samples + job.recipe.answers.agreement) / 2
    return answers * (1 if job.preview else job.recipe.turns)
