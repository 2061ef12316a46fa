"""What a training needs before its first step: the engine, the crops that it sees, and those that it is scored on."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import torch

from napari_phenotrans.core.intensity import Intensity
from napari_phenotrans.core.keyed_random import KeyedRandom
from napari_phenotrans.dataset.dataset import DataSet
from napari_phenotrans.engines import engine_entry
from napari_phenotrans.engines.update import BatchPart
from napari_phenotrans.training.crops import Crops
from napari_phenotrans.training.loop import start_from
from napari_phenotrans.training.validation import HeldOut

if TYPE_CHECKING:
    from napari_phenotrans.core.settings import TrainingSettings
    from napari_phenotrans.engines.base import Engine

STATISTICS_PLANES = 25
PREVIEW_CROPS = 4
HELD_OUT_CROPS = 16
COPIES = 8
# crops that are drawn for looking and measuring belong to no update
PREVIEW_STEP, HELD_OUT_STEP = 2**31, 2**31 + 1


@dataclass(frozen=True, eq=False)
class Prepared:
    """An engine ready to train, and all that is drawn from the data set.

    Parameters
    ----------
    engine
        After `Engine.start_training`.
    channels
        Names of those that it sees.
    intensity
        The data set's intensity limits.
    crops
        What it trains on.
    held_out, unseen
        What it is scored on, and crops of it; None where it is not scored.
    fixed
        Crops of each condition for previews, (N, C, H, W) in about [-1, 1].
    measured
        Pieces of each condition that statistics are taken over.
    images
        Digest of the training images.
    """

    engine: Engine
    channels: tuple[str, ...]
    intensity: Intensity
    crops: Crops
    held_out: HeldOut | None
    unseen: Crops | None
    fixed: dict[str, torch.Tensor]
    measured: dict[str, list[torch.Tensor]]
    images: str

    def held_out_loss(self, seed: int) -> dict[str, float]:
        """Return the engine's own losses on held-out crops, the same ones each time."""
        if self.unseen is None:
            return {}
        chance = KeyedRandom(seed, HELD_OUT_STEP, 0, HELD_OUT_CROPS)
        drawn = {c: self.unseen.draw(c, chance) for c in self.engine.conditions}
        return self.engine.held_out_loss(BatchPart(drawn, chance))


def prepare(
    dataset: DataSet,
    held_out: DataSet | None,
    engine_name: str,
    settings: TrainingSettings,
    device: torch.device,
    *,
    resume: bool = False,
) -> Prepared:
    """Read the data set and make the engine.

    Parameters
    ----------
    dataset
        What to train on.
    held_out
        Fields that training must not see.
    engine_name
        Name in `ENGINES`.
    settings
        Of that engine.
    device
        Where it trains.
    resume
        Its weights will be replaced: those of ``start_from`` are not read.

    Raises
    ------
    InputError
        If the data set cannot be trained on.
    """
    channels = settings.channels or dataset.channels()
    # an engine that is told of a channel by name finds it so
    s = settings.model_copy(update={"channels": channels})
    planes = dataset.planes(channels, s.pixel_size)
    intensity = Intensity.fit(plane for some in planes.values() for plane in some)
    crops = Crops(planes, intensity, s.crop, device)
    torch.manual_seed(s.seed)
    engine = engine_entry(engine_name).load()(s, len(channels), dataset.conditions).to(device)
    measured = {c: crops.large(c, STATISTICS_PLANES) for c in engine.conditions}
    engine.measure(measured)
    if s.start_from and not resume:
        start_from(engine, engine_name, channels, s.start_from)
    engine.start_training()

    # What it is scored on: group and pixels of every held-out plane.
    kept: dict[str, list[tuple[str, np.ndarray]]] = {c: [] for c in dataset.conditions}
    for one in held_out.fields if held_out else ():
        alone = DataSet(dataset.folder, dataset.conditions, (one,))
        for plane in alone.planes(channels, s.pixel_size)[one.condition]:
            kept[one.condition].append((one.group, plane))
    scored_on = unseen = None
    if s.score_every and all(kept.values()):
        normalized = {c: [(group, intensity.normalize(p)) for group, p in some] for c, some in kept.items()}
        seen = {c: [plane.cpu().numpy() for plane in some] for c, some in crops.planes.items()}
        scored_on = HeldOut(
            normalized, seen, channels, s.crop, stride=engine.stride, tile=engine.tile,
            copies=COPIES if engine.tile else 0, seed=s.seed,
        )  # fmt: skip
        unseen = Crops({c: [p for _, p in some] for c, some in kept.items()}, intensity, s.crop, device)
    return Prepared(
        engine,
        channels,
        intensity,
        crops,
        scored_on,
        unseen,
        fixed={c: crops.draw(c, KeyedRandom(s.seed, PREVIEW_STEP, 0, PREVIEW_CROPS)) for c in engine.conditions},
        measured=measured,
        images=_digest(planes),
    )


def _digest(planes: dict[str, list[np.ndarray]]) -> str:
    digest = hashlib.sha256()
    for condition, some in planes.items():
        digest.update(condition.encode())
        for plane in some:
            digest.update(np.ascontiguousarray(plane).tobytes())
    return digest.hexdigest()
