"""Training: an engine, crops and settings in; events out. ``run`` writes them into a run folder."""

from __future__ import annotations

import json
import os
import platform
import time
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib.metadata import version
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from skimage.io import imsave

from napari_phenotrans.checkpoint import Card, Checkpoint
from napari_phenotrans.dataset import Crops
from napari_phenotrans.engines import engine_entry
from napari_phenotrans.engines.device import choose_device, describe_device
from napari_phenotrans.errors import InputError
from napari_phenotrans.events import Failed, Finished, Losses, Preview, Saved, Started, to_json
from napari_phenotrans.intensity import Intensity
from napari_phenotrans.io.replacing import replacing

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from napari_phenotrans.dataset import DataSet
    from napari_phenotrans.engines.base import Engine
    from napari_phenotrans.settings import TrainingSettings

Event = Started | Losses | Preview | Saved | Finished | Failed

STATISTICS_PLANES = 25
PREVIEW_CROPS = 4


def train(engine: Engine, draw: Callable[[str, int], torch.Tensor], settings: TrainingSettings) -> Iterator[Losses]:
    """Update an engine step by step.

    Parameters
    ----------
    engine
        After `Engine.start_training`.
    draw
        Gives (count, C, crop, crop) of a condition, on the engine's device.
    settings
        The engine's settings.
    """
    for step in range(settings.steps):
        losses = engine.training_step(step, {c: draw(c, settings.batch) for c in engine.conditions})
        yield Losses(step + 1, losses)


def fix_statistics(engine: Engine, planes: dict[str, torch.Tensor]) -> None:
    """Average each direction's normalization statistics over pieces of what it will translate, and keep them.

    Only the translating networks are settled: those in training go on normalizing each crop by itself. (Training on
    with fixed statistics was tried: without normalization the same learning rate blows the losses up, and what comes
    back is the identity.)

    Parameters
    ----------
    engine
        Any engine.
    planes
        (N, C, H, W) of each condition, as `Crops.large` gives them: over small crops, most of which hold no mitosis,
        the variance comes out too small, and every mitosis is translated into a blaze.
    """
    for target in engine.conditions:
        sources = torch.cat([planes[condition] for condition in engine.conditions if condition != target])
        engine.fix_statistics(target, sources.split(1))


def start_from(engine: Engine, name: str, channels: tuple[str, ...], checkpoint: str) -> None:
    """Give an engine the weights of an earlier checkpoint of the same kind.

    Raises
    ------
    InputError
        If the checkpoint is of another engine, of other channels or conditions, or of other networks.
    """
    earlier = Checkpoint.load(checkpoint)
    theirs = (earlier.card.engine, earlier.card.channels, earlier.card.conditions)
    if theirs != (name, channels, engine.conditions):
        raise InputError(
            f"Training cannot start from {checkpoint}: it is {theirs[0]} for {', '.join(theirs[1])} and "
            f"{', '.join(theirs[2])}, the run is {name} for {', '.join(channels)} and {', '.join(engine.conditions)}."
        )
    state = earlier.build_engine().translators.state_dict()
    try:
        engine.translators.load_state_dict(state)
    except RuntimeError as error:
        raise InputError(
            f"Training cannot start from {checkpoint}: its networks have another shape. Take its settings: "
            f"{earlier.card.settings}."
        ) from error


@dataclass(frozen=True)
class Run:
    """A run folder: ``run.json``, ``events.jsonl``, ``previews/`` and ``last.safetensors``.

    Parameters
    ----------
    folder
        Is made; must not hold a run.
    dataset
        What to train on.
    engine
        Name in `ENGINES`.
    settings
        Of that engine.
    held_out
        Fields that training must not see; only counted and written down.
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

    def events(self) -> Iterator[Event]:
        """Train, writing every event down as it is given out.

        Raises
        ------
        InputError
            If the folder holds a run already, or the data set cannot be used; nothing is written then.
        """
        if (self.folder / "run.json").exists():
            raise InputError(f"{self.folder} holds a run already. Choose another folder for --out.")
        s = self.settings
        device = choose_device(s.device)
        channels = s.channels or self.dataset.channels()
        size_um = self.dataset.pixel_size_um()
        planes = self.dataset.planes(channels, s.pixel_size)
        intensity = Intensity.fit(plane for some in planes.values() for plane in some)
        crops = Crops(planes, intensity, s.crop, s.seed)
        torch.manual_seed(s.seed)
        engine = engine_entry(self.engine).load()(s, len(channels), self.dataset.conditions).to(device)
        if s.start_from:
            start_from(engine, self.engine, channels, s.start_from)
        engine.start_training()

        def draw(condition: str, count: int) -> torch.Tensor:
            return torch.from_numpy(crops.draw(condition, count)).to(device)

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
        self.folder.mkdir(parents=True, exist_ok=True)
        self._write_run(device)
        fixed = {c: draw(c, PREVIEW_CROPS) for c in self.dataset.conditions}
        measured = {
            c: torch.from_numpy(np.stack(crops.large(c, STATISTICS_PLANES))).to(device) for c in self.dataset.conditions
        }
        started = time.monotonic()
        step = 0
        with (self.folder / "events.jsonl").open("a", encoding="utf-8", buffering=1) as log:

            def say(event: Event) -> Event:
                log.write(to_json(event) + "\n")
                return event

            held_out = self.held_out.count() if self.held_out else {}
            yield say(Started(0, s.steps, describe_device(device), self.dataset.count(), held_out))
            try:
                for event in train(engine, draw, s):
                    step = event.step
                    yield say(event)
                    if step % s.save_every == 0 or step == s.steps:
                        fix_statistics(engine, measured)
                        yield say(self._preview(engine, fixed, step))
                        yield say(self._save(engine, card, crops, step, started))
                yield say(Finished(step))
            except Exception as error:
                # written down for whoever watches the folder; the error itself goes on to the caller
                say(Failed(step, f"{type(error).__name__}: {error}"))
                raise

    def _write_run(self, device: torch.device) -> None:
        decided = {
            "engine": self.engine,
            "settings": self.settings.model_dump(mode="json"),
            "dataset": str(self.dataset.folder),
            "conditions": self.dataset.conditions,
            "training fields": [str(f.path.relative_to(self.dataset.folder)) for f in self.dataset.fields],
            "held-out fields": [str(f.path.relative_to(self.dataset.folder)) for f in self._held_out_fields()],
            "device": describe_device(device),
            "host": platform.node(),
            "pid": os.getpid(),
            "started": datetime.now(UTC).isoformat(timespec="seconds"),
            "napari-phenotrans": version("napari-phenotrans"),
            "torch": torch.__version__,
        }
        with replacing(self.folder / "run.json") as temporary:
            temporary.write_text(json.dumps(decided, indent=2), encoding="utf-8")

    def _held_out_fields(self) -> tuple[Any, ...]:
        return self.held_out.fields if self.held_out else ()

    def _save(self, engine: Engine, card: Card, crops: Crops, step: int, started: float) -> Saved:
        provenance = {
            "steps": step,
            "seconds": round(time.monotonic() - started),
            "fields": self.dataset.count(),
            "held-out fields": self.held_out.count() if self.held_out else {},
            "rejected crops": {c: round(share, 4) for c, share in crops.rejected.items()},
            "seed": self.settings.seed,
            "date": datetime.now(UTC).date().isoformat(),
            "torch": torch.__version__,
        }
        card = card.model_copy(update={"training": provenance})
        Checkpoint.of(engine, card).save(self.folder / "last.safetensors", overwrite=True)
        return Saved(step, "last.safetensors")

    def _preview(self, engine: Engine, fixed: dict[str, torch.Tensor], step: int) -> Preview:
        rows = []
        for source in engine.conditions:
            for target in (c for c in engine.conditions if c != source):
                translated = engine.translate(fixed[source], source, target)
                back = engine.translate(translated, target, source)
                rows.append(torch.cat([fixed[source], translated, back], dim=3).float().cpu().numpy())
        path = self.folder / "previews" / f"step_{step:07d}.png"
        path.parent.mkdir(exist_ok=True)
        with replacing(path, overwrite=True) as temporary:
            imsave(temporary, _sheet(np.concatenate(rows)), check_contrast=False)
        return Preview(step, str(path.relative_to(self.folder)))


def _sheet(crops: np.ndarray) -> np.ndarray:
    """Lay (N, C, H, W) out as a gray picture: crops below each other, channels beside each other."""
    picture = np.concatenate([np.concatenate(list(crop), axis=1) for crop in crops])
    return (255 * np.clip((picture + 1) / 2, 0, 1) ** 0.6).astype(np.uint8)
