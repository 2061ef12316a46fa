"""Saving a run into its folder: previews, checkpoints, and the state that resuming starts from."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import torch

from napari_phenotrans.checkpoints.checkpoint import Card, Checkpoint, PictureVerdict
from napari_phenotrans.runs.paths import BEST, CHECKPOINT, CHECKPOINTS, LAST, PREVIEW, PREVIEWS, step_name, thin
from napari_phenotrans.training.events import Preview, Saved
from napari_phenotrans.training.previews import write_preview
from napari_phenotrans.training.state import Progress, save_state

if TYPE_CHECKING:
    from collections.abc import Iterator

    from napari_phenotrans.training.prepare import Prepared
    from napari_phenotrans.training.run import Run
    from napari_phenotrans.training.validation import HeldOutScores

PREVIEWS_KEPT = 40  # of their pixels, beside the newest; the pictures, which are small, are all kept


class Saver:
    """Writes a run's previews, checkpoints and state.

    Parameters
    ----------
    run
        The run: its folder, settings and fields.
    prepared
        Its engine and what was drawn from the data set.
    """

    def __init__(self, run: Run, prepared: Prepared) -> None:
        self.run, self.prepared = run, prepared
        s, size_um = run.settings, run.dataset.pixel_size_um()
        self.card = Card(
            engine=run.engine,
            settings=s.model_dump(mode="json"),
            conditions=run.dataset.conditions,
            channels=prepared.channels,
            low=prepared.intensity.low,
            high=prepared.intensity.high,
            pixel_size=s.pixel_size or size_um,
            pixel_unit="um" if size_um else "pixel",
            crop=s.crop,
            synthetic=run.synthetic,
            about=run.about,
            attribution=run.attribution,
        )

    def write_preview(self, step: int) -> Iterator[Preview]:
        """Write the preview of a step, and thin out the pixels of earlier ones."""
        p = self.prepared
        yield write_preview(self.run.folder, p.engine, p.preview_crops, step, p.channels, p.intensity)
        thin(self.run.folder / PREVIEWS, PREVIEW, PREVIEWS_KEPT, self.run.settings.save_every)

    def save_scored(self, progress: Progress, scores: HeldOutScores, *, best: bool) -> Iterator[Saved]:
        """Write the checkpoint of a scored step, also as the best one where it is, and thin out earlier ones."""
        s = self.run.settings
        if best:
            yield self._save_checkpoint(BEST, progress, scores)
        if s.keep:
            yield self._save_checkpoint(f"{CHECKPOINTS}/{step_name(progress.step)}{CHECKPOINT}", progress, scores)
        thin(self.run.folder / CHECKPOINTS, CHECKPOINT, s.keep, s.score_every)

    def save_last(self, progress: Progress, scores: HeldOutScores | None, own: dict[int, Any]) -> Iterator[Saved]:
        """Write the last checkpoint, and the state; ``own`` is `Engine.own_state` of all processes together."""
        yield self._save_checkpoint(LAST, progress, scores)
        self.save_state(progress, own)

    def save_state(self, progress: Progress, own: dict[int, Any]) -> None:
        """Write what resuming and going back start from."""
        save_state(self.run.folder, self.prepared.engine, progress, own)

    def _save_checkpoint(self, name: str, progress: Progress, scores: HeldOutScores | None) -> Saved:
        run, rejected = self.run, self.prepared.crops.rejected
        provenance = {
            "steps": progress.step,
            "fields": run.dataset.count(),
            "held-out fields": run.held_out.count() if run.held_out else {},
            "rejected crops": {c: round(share, 4) for c, share in rejected.items()},
            "seed": run.settings.seed,
            "torch": torch.__version__,
        }
        if run.settings.dated:
            provenance |= {"seconds": round(progress.seconds), "date": datetime.now(UTC).date().isoformat()}
        # scores of an earlier step are not this checkpoint's
        own = scores if scores and scores.step == progress.step else None
        card = self.card.model_copy(
            update={
                "training": provenance,
                "scores": own.scores if own else (),
                "pictures": tuple(PictureVerdict.of(verdict) for verdict in own.verdicts) if own else (),
                "background": self.prepared.engine.offsets,
            }
        )
        Checkpoint.of(self.prepared.engine, card).save(run.folder / name, overwrite=True)
        return Saved(progress.step, name)
