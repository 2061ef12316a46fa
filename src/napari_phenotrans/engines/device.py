"""Which device and precision networks run in, decided once and said to the user."""

from __future__ import annotations

from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING, Any, Literal

import torch

from napari_phenotrans.core.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Iterator

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


def computes_in_bf16(device: torch.device) -> bool:
    """Whether a device multiplies in bfloat16, so that it is faster there: GPUs, and processors with AVX-512 or AMX."""
    if device.type != "cpu":
        return device.type == "cuda"
    # older versions of torch do not tell
    known: dict[str, Any] = getattr(torch.cpu, "get_capabilities", dict)()
    return bool(known.get("avx512_bf16") or known.get("amx_bf16"))


def ran_out_of_memory(error: RuntimeError) -> bool:
    """Whether an error of torch's says that memory ran out; of the processor's and Apple's only the text says so."""
    text = str(error).casefold()
    messages = ("out of memory", "can't allocate memory", "not enough memory", "alloc_failed")
    return isinstance(error, torch.OutOfMemoryError) or any(words in text for words in messages)


def release_memory(device: torch.device) -> None:
    """Give back memory of a GPU that torch holds without using it."""
    if device.type == "cuda":
        torch.cuda.empty_cache()
    elif device.type == "mps":
        torch.mps.empty_cache()


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
