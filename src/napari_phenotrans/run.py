"""A run folder: one training, written down so that it can be watched from anywhere and resumed."""

from __future__ import annotations

import hashlib
import time
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from napari_phenotrans.chance import Chance
from napari_phenotrans.checkpoint import Card, Checkpoint
from napari_phenotrans.crops import Crops
from napari_phenotrans.dataset import DataSet
from napari_phenotrans.engines import engine_entry
from napari_phenotrans.engines.device import describe_device
from napari_phenotrans.engines.update import Part
from napari_phenotrans.errors import InputError
from napari_phenotrans.events import (
    Divided,
    Failed,
    Finished,
    Losses,
    Notice,
    Preview,
    RolledBack,
    Saved,
    Scored,
    Started,
    Stopped,
    to_json,
)
from napari_phenotrans.intensity import Intensity
from napari_phenotrans.previews import write_preview
from napari_phenotrans.processes import FabricUpdate, gather, start_processes
from napari_phenotrans.resume import Progress, load_state, save_state
from napari_phenotrans.run_folder import (
    STOP,
    Log,
    fields_from,
    fields_to,
    read_decided,
    refuse_living,
    write_decided,
)
from napari_phenotrans.scoring import HeldOut, HeldOutScores
from napari_phenotrans.train import fix_statistics, is_finite, start_from, train

if TYPE_CHECKING:
    from collections.abc import Iterator

    from napari_phenotrans.engines.base import Engine
    from napari_phenotrans.settings import TrainingSettings

Event = Started | Notice | Losses | Divided | RolledBack | Preview | Scored | Saved | Stopped | Finished | Failed

STATISTICS_PLANES = 25
PREVIEW_CROPS = 4
HELD_OUT_CROPS = 16
COPIES = 8
MEDIAN_OF = 5  # single held-out scores swing
ROLLBACKS = 3
# crops that are drawn for looking and measuring belong to no update
PREVIEW_STEP, HELD_OUT_STEP = 2**31, 2**31 + 1


@dataclass(frozen=True)
class Run:
    """A run folder.

    It holds ``run.json`` (what was decided), ``events.jsonl`` (what happened), ``previews/``, ``last.safetensors``,
    ``best.safetensors`` where held-out fields are scored, and ``resume.pt``. A file named ``stop`` in it ends the run
    within one step.

    Parameters
    ----------
    folder
        Is made.
    dataset
        What to train on.
    engine
        Name in `ENGINES`.
    settings
        Of that engine.
    held_out
        Fields that training must not see; scores come from them.
    about, attribution, synthetic
        Go into the checkpoint's card.
    """

    folder: Path
    dataset: DataSet
    engine: str
    settings: TrainingSettings
    held_out: DataSet | None = None
    about: str = ""
    attribution: str = ""
    synthetic: bool = False

    @classmethod
    def load(cls, folder: str | Path) -> Run:
        """Read what was decided in an earlier run.

        Raises
        ------
        InputError
            If the folder holds no run.
        """
        folder = Path(folder)
        decided = read_decided(folder / "run.json")
        settings = engine_entry(decided["engine"]).settings.make(**decided["settings"])
        training, held_out = (
            fields_from(decided[part], tuple(decided["conditions"])) for part in ("training", "held-out")
        )
        return cls(
            folder,
            training,
            decided["engine"],
            settings,
            held_out if held_out.fields else None,
            decided["about"],
            decided["attribution"],
            decided["synthetic"],
        )

    def for_steps(self, steps: int | None) -> Run:
        """Return the same run with another number of steps; itself where none is said."""
        if steps is None:
            return self
        return replace(self, settings=self.settings.model_copy(update={"steps": steps}))

    def events(self, *, resume: bool = False) -> Iterator[Event]:
        """Train, writing every event down as it is given out; only the first of several processes gives any.

        Parameters
        ----------
        resume
            Go on from the folder's last state. On the CPU the steps are, bit for bit, those of a run that was never
            interrupted. Events after that state happened, but are overruled by the new `Started`.

        Raises
        ------
        InputError
            If the folder holds a run already (or, resuming, none that can go on), or the data set cannot be used;
            nothing is written then.
        """
        if not resume and (self.folder / "run.json").exists():
            raise InputError(
                f"{self.folder} holds a run already. Choose another folder for --out, or go on with --resume."
            )
        if resume:
            refuse_living(self.folder)
        fabric = start_processes(self.settings)
        for event in self._events(fabric, resume):
            if fabric.is_global_zero:
                yield event

    def _events(self, fabric: Any, resume: bool) -> Iterator[Event]:
        s, device, first_process = self.settings, fabric.device, fabric.is_global_zero

        share = s.batch // fabric.world_size
        places = range(fabric.global_rank * share, (fabric.global_rank + 1) * share)

        # What is trained, and on what.
        channels = s.channels or self.dataset.channels()
        size_um = self.dataset.pixel_size_um()
        planes = self.dataset.planes(channels, s.pixel_size)
        intensity = Intensity.fit(plane for some in planes.values() for plane in some)
        crops = Crops(planes, intensity, s.crop, device)
        torch.manual_seed(s.seed)
        engine = engine_entry(self.engine).load()(s, len(channels), self.dataset.conditions).to(device)
        if s.start_from and not resume:
            start_from(engine, self.engine, channels, s.start_from)
        engine.start_training()
        progress = Progress(images=_digest(planes))
        if resume:
            loaded = load_state(self.folder, engine, places)
            if loaded.images != progress.images:
                raise InputError(
                    f"{self.folder} cannot be resumed: the training images are others than when it started. "
                    f"Bring them back, or start anew with --start-from {self.folder / 'last.safetensors'}."
                )
            progress = loaded
            crops.drawn.update(progress.drawn)
            crops.blank.update(progress.blank)
            if progress.step >= s.steps:
                raise InputError(
                    f"{self.folder} has made all its {s.steps} steps. Say --steps to let it go on for more."
                )
        unseen = self._held_out_planes(channels)
        held_out = None
        if s.score_every and all(unseen.values()):
            normalized = {c: [(group, intensity.normalize(p)) for group, p in some] for c, some in unseen.items()}
            seen = {c: [plane.cpu().numpy() for plane in some] for c, some in crops.planes.items()}
            held_out = HeldOut(
                normalized, seen, channels, s.crop, stride=engine.stride, tile=engine.tile,
                copies=COPIES if engine.tile else 0, seed=s.seed,
            )  # fmt: skip
            unseen_crops = Crops({c: [p for _, p in some] for c, some in unseen.items()}, intensity, s.crop, device)
        card = Card(
            engine=self.engine,
            settings=s.model_dump(mode="json"),
            conditions=self.dataset.conditions,
            channels=channels,
            low=intensity.low,
            high=intensity.high,
            pixel_size=s.pixel_size or size_um,
            pixel_unit="um" if size_um else "pixel",
            crop=s.crop,
            synthetic=self.synthetic,
            about=self.about,
            attribution=self.attribution,
        )
        fixed = {c: crops.draw(c, Chance(s.seed, PREVIEW_STEP, 0, PREVIEW_CROPS)) for c in engine.conditions}
        measured = {c: crops.large(c, STATISTICS_PLANES) for c in engine.conditions}

        # The folder.
        if first_process:
            self.folder.mkdir(parents=True, exist_ok=True)
            (self.folder / STOP).unlink(missing_ok=True)
            self._write_decided(device)
            if not resume:
                save_state(self.folder, engine, progress, {})
        fabric.barrier()
        log = Log(self.folder / "events.jsonl") if first_process else None

        def say(event: Event) -> Event:
            if log:
                log.write(to_json(event))
            return event

        counted = self.held_out.count() if self.held_out else {}
        yield say(Started(progress.step, s.steps, describe_device(device), self.dataset.count(), counted))

        for note in held_out.notes if held_out else ():
            yield say(Notice(note))

        # Step by step; after a step that went wrong, again from the last good state.
        step = good = progress.step
        latest = time.monotonic()
        scores: HeldOutScores | None = None
        try:
            while True:
                wrong = ""
                for event in train(
                    engine, crops.draw, s, first_step=progress.step, update=FabricUpdate(fabric),
                    process=fabric.global_rank, processes=fabric.world_size,
                ):  # fmt: skip
                    yield say(event)
                    if not isinstance(event, Losses):
                        continue
                    step = event.step
                    if not is_finite(event.losses):
                        wrong = "a loss is not a number"
                        break
                    last = step == s.steps
                    ending = fabric.broadcast("stopped by request" if (self.folder / STOP).exists() else "")
                    saving = last or bool(ending) or step % s.save_every == 0
                    scoring = held_out is not None and (last or step % s.score_every == 0)
                    if not (saving or scoring):
                        continue
                    if not _all_finite(engine):
                        wrong = "a weight is not a number"
                        break
                    fix_statistics(engine, measured)
                    progress.step = step
                    progress.drawn, progress.blank = dict(crops.drawn), dict(crops.blank)
                    progress.seconds += time.monotonic() - latest
                    latest = time.monotonic()
                    if saving and first_process:
                        yield say(write_preview(self.folder, engine, fixed, step))
                    if held_out is not None and scoring:
                        scores = held_out.score(engine, step)
                        if scores.collapsed:
                            wrong = f"the engine has collapsed: {scores.collapsed}"
                            break
                        on_crops, best = self._note(progress, scores, engine, unseen_crops)
                        floors = {} if progress.history[1:] else held_out.floors
                        yield say(Scored(step, scores.flat | on_crops, best, floors))
                        ending = ending or self._reason_to_end(progress, scores)
                        if best and first_process:
                            yield say(self._save(engine, card, crops, progress, scores, "best"))
                    if saving or ending:
                        good, own = step, gather(fabric, engine.own_state())
                        if first_process:
                            yield say(self._save(engine, card, crops, progress, scores, "last"))
                            save_state(self.folder, engine, progress, own)
                    if ending and not last:
                        yield say(Stopped(step, ending))
                        return
                if not wrong:
                    yield say(Finished(step))
                    return
                fabric.barrier()
                rollbacks = progress.rollbacks + 1
                if rollbacks > ROLLBACKS:
                    raise InputError(
                        f"At step {step} {wrong}, for the {rollbacks}th time. The last good state, of step "
                        f"{good}, is saved. Try a lower --learning-rate or a larger --batch."
                    )
                lower = engine.rate / 2  # than at this attempt, not than when the state was saved
                progress = load_state(self.folder, engine, places)
                progress.rollbacks, engine.rate = rollbacks, lower
                yield say(RolledBack(step, progress.step, engine.rate, wrong))
        except Exception as error:
            # written down for whoever watches the folder; the error itself goes on to the caller
            text = str(error) if isinstance(error, InputError) else f"{type(error).__name__}: {error}"
            say(Failed(step, text))
            raise
        finally:
            if log:
                log.close()

    # ---- scores

    def _held_out_planes(self, channels: tuple[str, ...]) -> dict[str, list[tuple[str, np.ndarray]]]:
        """Return the group and the pixels of every held-out plane, by condition."""
        planes: dict[str, list[tuple[str, np.ndarray]]] = {c: [] for c in self.dataset.conditions}
        for one in self.held_out.fields if self.held_out else ():
            alone = DataSet(self.dataset.folder, self.dataset.conditions, (one,))
            for plane in alone.planes(channels, self.settings.pixel_size)[one.condition]:
                planes[one.condition].append((one.group, plane))
        return planes

    def _note(
        self, progress: Progress, scores: HeldOutScores, engine: Engine, crops: Crops
    ) -> tuple[dict[str, float], bool]:
        """Add scores to the progress; returns the engine's own losses on held-out crops, and whether it is best now."""
        chance = Chance(self.settings.seed, HELD_OUT_STEP, 0, HELD_OUT_CROPS)
        losses = engine.held_out_loss(Part({c: crops.draw(c, chance) for c in engine.conditions}, chance))
        if losses:
            progress.held_out_losses.append(sum(losses.values()))
        progress.history.append(scores.summary)
        middle = median(progress.history[-MEDIAN_OF:])
        best = progress.best is None or middle < progress.best
        progress.best, progress.since_best = (middle, 0) if best else (progress.best, progress.since_best + 1)
        return {f"held-out {name}": value for name, value in losses.items()}, best

    def _reason_to_end(self, progress: Progress, scores: HeldOutScores) -> str:
        patience = self.settings.early_stop
        if not patience:
            return ""
        if progress.since_best >= patience:
            return f"no better score in {patience} scorings"
        copies = [score.value for score in scores.scores if score.metric == "copies"]
        if copies and max(copies) >= 0.5:
            return "half of what the engine makes is copied from training crops"
        losses = progress.held_out_losses
        if len(losses) > patience and min(losses[-patience:]) > min(losses[:-patience]):
            return f"the loss on held-out crops has not fallen in {patience} scorings: the engine learns by heart"
        return ""

    # ---- files

    def _write_decided(self, device: torch.device) -> None:
        write_decided(
            self.folder,
            {
                "engine": self.engine,
                "settings": self.settings.model_dump(mode="json"),
                "conditions": self.dataset.conditions,
                "training": fields_to(self.dataset),
                "held-out": fields_to(self.held_out or DataSet(self.dataset.folder, self.dataset.conditions, ())),
                "about": self.about,
                "attribution": self.attribution,
                "synthetic": self.synthetic,
                "device": describe_device(device),
                "torch": torch.__version__,
            },
        )

    def _save(
        self, engine: Engine, card: Card, crops: Crops, progress: Progress, scores: HeldOutScores | None, name: str
    ) -> Saved:
        provenance = {
            "steps": progress.step,
            "seconds": round(progress.seconds),
            "fields": self.dataset.count(),
            "held-out fields": self.held_out.count() if self.held_out else {},
            "rejected crops": {c: round(share, 4) for c, share in crops.rejected.items()},
            "seed": self.settings.seed,
            "date": datetime.now(UTC).date().isoformat(),
            "torch": torch.__version__,
        }
        # scores of an earlier step are not this checkpoint's
        own = scores.scores if scores and scores.step == progress.step else ()
        card = card.model_copy(update={"training": provenance, "scores": own})
        Checkpoint.of(engine, card).save(self.folder / f"{name}.safetensors", overwrite=True)
        return Saved(progress.step, f"{name}.safetensors")


def _digest(planes: dict[str, list[np.ndarray]]) -> str:
    digest = hashlib.sha256()
    for condition, some in planes.items():
        digest.update(condition.encode())
        for plane in some:
            digest.update(np.ascontiguousarray(plane).tobytes())
    return digest.hexdigest()


def _all_finite(engine: Engine) -> bool:
    return all(bool(torch.isfinite(value).all()) for value in engine.translators.parameters())
