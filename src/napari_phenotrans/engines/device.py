"""Which device and precision networks run in, decided once and said to the user."""

from __future__ import annotations

from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

import psutil
import torch

from napari_phenotrans.core.errors import InputError
from napari_phenotrans.core.text import gigabytes

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

Precision = Literal["fp32", "bf16"]


def choose_device(name: str = "auto") -> torch.device:
    """Return the device: ``auto`` takes CUDA where there is one, then Apple's MPS, then the CPU.

    Raises
    ------
    InputError
        If the device was asked for by name and is not there.
    """
    cuda, mps = torch.cuda.is_available(), torch.backends.mps.is_available()
    if name == "auto":
        return torch.device("cuda" if cuda else "mps" if mps else "cpu")
    try:
        device = torch.device(name)
    except RuntimeError as error:
        raise InputError(f"There is no device {name!r}. Say auto, cpu, cuda, cuda:1 or mps.") from error
    there = {"cpu": True, "cuda": cuda and (device.index or 0) < torch.cuda.device_count(), "mps": mps}
    if not there.get(device.type, False):
        raise InputError(
            f"The device {name} is not there: torch {torch.__version__} sees {torch.cuda.device_count()} CUDA devices "
            f"and {'an' if mps else 'no'} MPS device. Say --device auto or cpu."
        )
    return device


def describe_device(device: torch.device) -> str:
    """Return the device in words, as a dock shows it: ``cuda:0 (NVIDIA H200)`` or ``cpu (2 threads)``."""
    if device.type == "cuda":
        return f"cuda:{device.index or 0} ({torch.cuda.get_device_name(device)})"
    if device.type == "mps":
        return "mps (Apple GPU)"
    return f"cpu ({torch.get_num_threads()} threads)"


@dataclass(frozen=True)
class Memory:
    """Bytes of a device: how many there are, and how many a translation could take."""

    free: int
    total: int

    def __str__(self) -> str:
        return f"{gigabytes(self.free).removesuffix(' GB')} of {gigabytes(self.total)} free"


def memory_of(device: torch.device) -> Memory:
    """Return a device's memory; what torch holds there without using it is free."""
    if device.type == "cuda":
        free, total = torch.cuda.mem_get_info(device)
        return Memory(free + torch.cuda.memory_reserved(device) - torch.cuda.memory_allocated(device), total)
    if device.type == "mps":
        total = torch.mps.recommended_max_memory()
        return Memory(max(0, total - torch.mps.current_allocated_memory()), total)
    memory = psutil.virtual_memory()
    return Memory(memory.available, memory.total)


@contextmanager
def peak_memory(device: torch.device) -> Iterator[Callable[[], int]]:
    """Measure how many bytes of a device a block needs at most beside what it finds there.

    Gives a function that returns them; 0 where torch does not count them.
    """
    counts = device.type == "cuda"
    if counts:
        torch.cuda.reset_peak_memory_stats(device)
    before = torch.cuda.memory_allocated(device) if counts else 0
    yield lambda: torch.cuda.max_memory_allocated(device) - before if counts else 0


def computes_in_bf16(device: torch.device) -> bool:
    """Whether a device multiplies in bfloat16, so that it is faster there: GPUs, and processors with AVX-512 or AMX."""
    if device.type != "cpu":
        return device.type == "cuda"
    # older versions of torch do not tell
    known: dict[str, Any] = getattr(torch.cpu, "get_capabilities", dict)()
    return bool(known.get("avx512_bf16") or known.get("amx_bf16"))


def release_memory(device: torch.device) -> None:
    """Give back memory of a GPU that torch holds without using it."""
    if device.type == "cuda":
        torch.cuda.empty_cache()
    elif device.type == "mps":
        torch.mps.empty_cache()


@contextmanager
def one_thread() -> Iterator[None]:
    """Compute on one thread of the processor: for a crop of 64 × 64 that takes half the time of two, or less.

    Threads wait for each other after each of a network's hundreds of layers, the longer the more else is computed.
    """
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)


@contextmanager
def arithmetic(device: torch.device, precision: Precision) -> Iterator[None]:
    """Run networks without gradients in exact float32, or in bfloat16 where that is sound."""
    with ExitStack() as stack:
        stack.enter_context(torch.inference_mode())
        if precision == "bf16":
            stack.enter_context(torch.autocast(device.type, torch.bfloat16))
        else:
            # cuDNN's default rounds float32 to TF32, 10 bits of mantissa
            stack.enter_context(torch.backends.cudnn.flags(allow_tf32=False))
        yield
