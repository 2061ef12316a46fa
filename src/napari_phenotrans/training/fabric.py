"""Device, precision and processes of training, by Lightning Fabric."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any, Literal, cast

import psutil
import torch
from lightning_fabric import Fabric
from lightning_fabric.utilities import move_data_to_device

from napari_phenotrans.core.errors import InputError
from napari_phenotrans.engines.device import choose_device
from napari_phenotrans.engines.update import Update

if TYPE_CHECKING:
    from collections.abc import Sequence
    from contextlib import AbstractContextManager

    from torch import Tensor

    from napari_phenotrans.core.settings import TrainingSettings


def choose_precision(setting: str, device: torch.device) -> Literal["32-true", "bf16-mixed"]:
    """Return Fabric's name of the precision to train in; ``auto`` is bf16 where a GPU computes in it, never fp16.

    Weights, optimizers and losses stay float32 in both.
    """
    capable = device.type == "cuda" and torch.cuda.is_bf16_supported(including_emulation=False)
    return "bf16-mixed" if setting == "bf16" or (setting == "auto" and capable) else "32-true"


def start_processes(settings: TrainingSettings) -> Fabric:
    """Return Fabric on the settings' device, with its processes started: all of them run on from here.

    With ``devices`` above 1 Fabric starts the same command again for each further process, unless torchrun or SLURM
    have started them already.

    Raises
    ------
    InputError
        If the device is not there, there are too few GPUs, or the batch cannot be shared evenly.
    """
    device = choose_device(settings.device)
    count = settings.devices
    if settings.batch % count:
        raise InputError(
            f"A batch of {settings.batch} cannot be shared by {count} processes evenly. "
            f"Choose a --batch that is a multiple of {count}."
        )
    if device.type == "mps" and count > 1:
        raise InputError(f"There is one MPS device, got --devices {count}. Leave --devices out.")
    if device.type == "cuda" and count > torch.cuda.device_count() and "SLURM_NTASKS" not in os.environ:
        raise InputError(
            f"{count} GPUs were asked for, but torch sees {torch.cuda.device_count()}. "
            f"Choose a smaller --devices, or start the processes with torchrun or SLURM."
        )
    if count == 1 and device.type == "cuda":
        devices: int | list[int] = [device.index or 0]
    else:
        devices = count
    fabric = Fabric(
        accelerator=device.type,
        devices=devices,
        strategy="ddp" if count > 1 else "auto",
        precision=choose_precision(settings.precision, device),
    )
    fabric.launch()
    return fabric


def memory_in_use(device: torch.device) -> int:
    """Return bytes of memory: what the GPU held for this process at most; of other devices what it takes now."""
    if device.type == "cuda":
        return torch.cuda.max_memory_allocated(device)
    return psutil.Process().memory_info().rss


def own_places(fabric: Fabric, batch: int) -> range:
    """Return which crops of every batch this process computes, by their places in it."""
    share = batch // fabric.world_size
    return range(fabric.global_rank * share, (fabric.global_rank + 1) * share)


def gather(fabric: Fabric, own: dict[int, Any]) -> dict[int, Any]:
    """Return the states of all processes together, by places in the batch; each place belongs to one process."""
    if fabric.world_size == 1:
        return own
    of_processes: list[dict[int, Any]] = [{}] * fabric.world_size
    torch.distributed.all_gather_object(of_processes, move_data_to_device(own, torch.device("cpu")))
    return {place: state for states in of_processes for place, state in states.items()}


class FabricUpdate(Update):
    """An update in Fabric's precision, its gradients averaged over Fabric's processes."""

    def __init__(self, fabric: Fabric) -> None:
        self.fabric = fabric

    def precision(self) -> AbstractContextManager[object]:
        return self.fabric.autocast()

    def share(self, gradients: Sequence[Tensor]) -> None:
        if self.fabric.world_size == 1 or not gradients:
            return
        # in one message: many small ones would wait for each other
        flat = torch.cat([gradient.flatten() for gradient in gradients])
        shared = cast("Tensor", self.fabric.all_reduce(flat, reduce_op="mean"))
        for gradient, mean in zip(gradients, shared.split([g.numel() for g in gradients]), strict=True):
            gradient.copy_(mean.view_as(gradient))
