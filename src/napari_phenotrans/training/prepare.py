"""Preparing a training: the engine, the crops that it trains on, and those that it is scored on."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, cast

import torch

from napari_phenotrans.core.digests import sha256_of
from napari_phenotrans.core.intensity import Intensity
from napari_phenotrans.core.keyed_random import KeyedRandom
from napari_phenotrans.dataset.dataset import DataSet
from napari_phenotrans.dataset.masks import Masks, find_masks, read_masks
from napari_phenotrans.engines import engine_entry
from napari_phenotrans.engines.update import BatchPart
from napari_phenotrans.training.crops import Crops
from napari_phenotrans.training.held_out_crops import ScoringPlan
from napari_phenotrans.training.loop import start_from
from napari_phenotrans.training.validation import HeldOut

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    import numpy as np

    from napari_phenotrans.core.settings import TrainingSettings
    from napari_phenotrans.engines.base import Engine
    from napari_phenotrans.engines.settings import GANSettings

STATISTICS_PLANES = 25  # per condition, that normalization statistics are averaged over
PREVIEW_CROPS = 4  # per condition
HELD_OUT_CROPS = 16  # per condition, that the engine's own loss is computed on
COPIES = 8  # per direction, that are looked up in the training planes
# Steps that key the random numbers of previews and held-out crops; no update has them.
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
    draw_masks
        Gives the objects in these crops, for engines that ask for them; None for others.
    held_out, held_out_crops
        What it is scored on, and crops of it; None where it is not scored.
    preview_crops
        Crops of each condition for previews, (N, C, H, W) in about [-1, 1].
    statistics_pieces
        Pieces of each condition that statistics are taken over.
    images, held_out_images
        Digests of the training images, and of the held-out ones; empty where there are none.
    """

    engine: Engine
    channels: tuple[str, ...]
    intensity: Intensity
    crops: Crops
    draw_masks: Callable[[str, KeyedRandom], torch.Tensor] | None
    held_out: HeldOut | None
    held_out_crops: Crops | None
    preview_crops: dict[str, torch.Tensor]
    statistics_pieces: dict[str, list[torch.Tensor]]
    images: str
    held_out_images: str

    def held_out_loss(self, seed: int) -> dict[str, float]:
        """Return the engine's own losses on held-out crops, the same ones each time."""
        if self.held_out_crops is None:
            return {}
        chance = KeyedRandom(seed, HELD_OUT_STEP, 0, HELD_OUT_CROPS)
        drawn = {c: self.held_out_crops.draw(c, chance) for c in self.engine.conditions}
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
        Whether its weights will be replaced, so that those of ``start_from`` need not be read.

    Raises
    ------
    InputError
        If the data set cannot be trained on.
    """
    channels = settings.channels or dataset.channels()
    # an engine that is told of a channel by name finds it so
    s = settings.model_copy(update={"channels": channels})
    planes = dataset.planes(channels, s.pixel_size)
    intensity = Intensity.fit(plane for of_condition in planes.values() for plane in of_condition)
    masks = _masks(dataset, planes, s)
    crops = Crops(planes, intensity, s.crop, device, masks)
    torch.manual_seed(s.seed)
    engine = engine_entry(engine_name).load()(s, len(channels), dataset.conditions).to(device)
    pieces = {c: crops.large(c, STATISTICS_PLANES) for c in engine.conditions}
    engine.measure(pieces)
    if s.start_from and not resume:
        start_from(engine, engine_name, channels, s.start_from)
    engine.start_training()

    # ---- what it is scored on
    held_out_planes = _planes_by_group(held_out, channels, s.pixel_size) if held_out else {}
    scored_on = held_out_crops = None
    if s.score_every and held_out_planes and all(held_out_planes.values()):
        normalized = {
            c: [(group, intensity.normalize(p)) for group, p in pairs] for c, pairs in held_out_planes.items()
        }
        training_planes = {c: [plane.cpu().numpy() for plane in tensors] for c, tensors in crops.planes.items()}
        plan = ScoringPlan(s.crop, engine.stride, engine.tile, copies=COPIES if engine.tile else 0, seed=s.seed)
        scored_on = HeldOut(normalized, training_planes, channels, plan)
        held_out_crops = Crops(
            {c: [p for _, p in pairs] for c, pairs in held_out_planes.items()}, intensity, s.crop, device
        )
    return Prepared(
        engine,
        channels,
        intensity,
        crops,
        crops.draw_masks if masks else None,
        scored_on,
        held_out_crops,
        preview_crops={
            c: crops.draw(c, KeyedRandom(s.seed, PREVIEW_STEP, 0, PREVIEW_CROPS)) for c in engine.conditions
        },
        statistics_pieces=pieces,
        images=_digest(planes),
        held_out_images=_digest({c: [p for _, p in pairs] for c, pairs in held_out_planes.items()}) if held_out else "",
    )


def _masks(dataset: DataSet, planes: dict[str, list[np.ndarray]], s: TrainingSettings) -> Masks | None:
    """Return the objects whose shape the engine is to keep; None where it does not look at shapes."""
    if not getattr(s, "shape", 0.0):
        return None
    said = cast("GANSettings", s)
    if said.masks:
        return read_masks(said.masks, dataset, planes)
    return find_masks(planes, s.channels or (), said.shape_channel)


def _digest(planes: dict[str, list[np.ndarray]]) -> str:
    digested: list[str | np.ndarray] = []
    for condition, of_condition in planes.items():
        digested += [condition, *of_condition]
    return sha256_of(digested)


def _planes_by_group(
    dataset: DataSet, channels: Sequence[str], pixel_size: float | None
) -> dict[str, list[tuple[str, np.ndarray]]]:
    """Return (group, plane) of every plane, per condition."""
    planes: dict[str, list[tuple[str, np.ndarray]]] = {condition: [] for condition in dataset.conditions}
    for field in dataset.fields:
        of_field = DataSet(dataset.folder, dataset.conditions, (field,)).planes(channels, pixel_size)
        planes[field.condition] += [(field.group, plane) for plane in of_field[field.condition]]
    return planes
