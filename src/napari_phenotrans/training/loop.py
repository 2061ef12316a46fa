"""Updating an engine step by step; `run.Run` writes a run folder around it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch

from napari_phenotrans.checkpoints.checkpoint import Checkpoint
from napari_phenotrans.core.errors import InputError, ran_out_of_memory
from napari_phenotrans.core.keyed_random import KeyedRandom
from napari_phenotrans.engines.background import measure_offsets, spread_planes
from napari_phenotrans.engines.update import BatchPart, Update
from napari_phenotrans.training.events import Divided, Losses

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from napari_phenotrans.core.settings import TrainingSettings
    from napari_phenotrans.engines.base import Engine


def train(
    engine: Engine,
    draw: Callable[[str, KeyedRandom], torch.Tensor],
    settings: TrainingSettings,
    *,
    first_step: int = 0,
    update: Update | None = None,
    process: int = 0,
    processes: int = 1,
    draw_masks: Callable[[str, KeyedRandom], torch.Tensor] | None = None,
) -> Iterator[Losses | Divided]:
    """Update an engine step by step.

    On a processor a batch is computed in several parts at once, see `parts_at_once`. Where a step runs out of memory,
    its batch is computed in more parts from then on. All randomness comes from `KeyedRandom`, so the parts give the
    step that the whole batch would have given.

    Parameters
    ----------
    engine
        After `Engine.start_training`, and `Engine.load_training_state` where ``first_step`` is not 0.
    draw
        Gives (count, C, crop, crop) of a condition for the crops of a `KeyedRandom`, on the engine's device.
    settings
        The engine's settings.
    first_step
        Number of updates that were made already.
    update
        Precision and processes; float32 in one process where none is given.
    process, processes
        Which share of every batch this process computes.
    draw_masks
        Gives (count, 1, crop, crop) of the objects in the same crops; None where the engine asks for none.

    Raises
    ------
    InputError
        If memory does not suffice for a single crop of each condition.
    """
    update = update or Update()
    own = settings.batch // processes
    parts = parts_at_once(engine, own)

    def draw_parts(step: int) -> list[BatchPart]:
        size = own // parts
        chances = [KeyedRandom(settings.seed, step, process * own + i * size, size) for i in range(parts)]
        return [
            BatchPart(
                {c: draw(c, chance) for c in engine.conditions},
                chance,
                {c: draw_masks(c, chance) for c in engine.conditions} if draw_masks else {},
            )
            for chance in chances
        ]

    for step in range(first_step, settings.steps):
        while True:
            try:
                losses = engine.training_step(step, draw_parts(step), update)
                break
            except (RuntimeError, MemoryError) as error:
                if not ran_out_of_memory(error):
                    raise
                # processes would have to agree on their parts in the middle of a step
                smaller = [n for n in range(parts + 1, own + 1) if own % n == 0]
                if not smaller or processes > 1:
                    raise InputError(
                        f"Memory does not suffice for {own // parts} crops of each condition at once "
                        f"({settings.crop} × {settings.crop}, width {settings.width})"
                        f"{' in each of ' + str(processes) + ' processes' if processes > 1 else ''}. "
                        f"Choose a smaller --crop, --width{' or --batch' if processes > 1 else ''}."
                    ) from error
                parts = smaller[0]
                engine.clear_gradients()
                if torch.cuda.is_available():
                    torch.cuda.empty_cache()
                yield Divided(step, own // parts, parts)
        yield Losses(step + 1, losses)


def fix_statistics(engine: Engine, planes: dict[str, list[torch.Tensor]]) -> None:
    """Average normalization statistics over pieces of what each network will translate, and keep them.

    With them fixed, what each direction adds to the background is measured too, of engines that shift it.

    A network meets its own condition (the identity control), the other one, and on the way back what was translated
    from its own: the statistics of these differ, and each has its own. (Those of the other condition alone, used for
    all, cost ten gray levels of 255 under identity and doubled the round trip's error.)

    Only the translating networks use them: those in training go on normalizing each crop by itself. (Training with
    fixed statistics was tried: without normalization losses diverge at the same learning rate, and the engine falls
    back to the identity.)

    Parameters
    ----------
    engine
        Any engine.
    planes
        (C, H, W) pieces of each condition, as `Crops.large` gives them: over small crops, most of which hold no
        mitosis, the variance comes out too small, and every mitosis is translated far too bright.
    """
    if not engine.stores_statistics and not engine.shifts_background:
        return
    for target in engine.conditions:
        for source in engine.conditions:
            engine.fix_statistics(target, (piece[None] for piece in planes[source]), source)
    engine.offsets = measure_offsets(engine, planes)
    for target in engine.conditions:
        others = [condition for condition in engine.conditions if condition != target]
        pieces = spread_planes(planes[target])
        translated = (engine.translate(piece[None], target, to) for to in others for piece in pieces)
        engine.fix_statistics(target, translated, way_back=True)
    engine.offsets += measure_offsets(engine, planes, way_back=True)


def start_from(engine: Engine, name: str, channels: tuple[str, ...], checkpoint: str) -> None:
    """Give an engine the translating networks of an earlier checkpoint.

    An engine takes those of another where they are the same: CycleGAN and SCGAN have the same generators.

    Raises
    ------
    InputError
        If the checkpoint is of other channels or conditions, or of other networks.
    """
    earlier = Checkpoint.load(checkpoint)
    card = earlier.card
    if (card.channels, card.conditions) != (channels, engine.conditions):
        raise InputError(
            f"Training cannot start from {checkpoint}: it is for {', '.join(card.channels)} and "
            f"{', '.join(card.conditions)}, the run is for {', '.join(channels)} and {', '.join(engine.conditions)}."
        )
    state = earlier.build_engine().translators.state_dict()
    try:
        engine.translators.load_state_dict(state)
    except RuntimeError as error:
        raise InputError(
            f"Training cannot start from {checkpoint}: the networks of {card.engine} with its settings, "
            f"{card.settings}, are not those of {name} with this run's. Take the same settings, or another checkpoint."
        ) from error


def parts_at_once(engine: Engine, crops: int) -> int:
    """Return into how many parts a batch of so many crops of each condition is divided to be computed fastest."""
    if engine.device.type != "cpu" or not engine.judges_crops_alone:
        return 1
    return max(count for count in range(1, min(crops, torch.get_num_threads()) + 1) if crops % count == 0)
