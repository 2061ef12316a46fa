"""What a machine can do at most, what a computation needs, and how far a measured time is from that."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor
from torch.nn.modules import module
from torch.profiler import ProfilerActivity, profile
from torch.utils.flop_counter import FlopCounterMode

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from torch import nn

# Sides of the matrices, and megabytes copied: far more than any cache holds, and a fraction of a second.
SIDE = {"cpu": 2048, "cuda": 8192}
MEGABYTES = {"cpu": 256, "cuda": 2048}
# Going back, every layer takes and gives gradients of inputs and weights: about as much again, twice.
TRAINING = 3


def ceilings(
    device: torch.device | str, *, rounds: int = 8, side: int | None = None, megabytes: int | None = None
) -> dict[str, float]:
    """Measure a machine's ceilings with torch's default threads: the best of some rounds, after one uncounted.

    Parameters
    ----------
    device
        Where to measure.
    rounds
        How often each is timed.
    side
        Of the square matrices; 2048 on a processor and 8192 on a GPU where none is said.
    megabytes
        Copied; 256 on a processor and 2048 on a GPU where none are said.

    Returns
    -------
    ``float32 GFLOP/s`` of a matrix product, on CUDA also ``tf32 GFLOP/s`` and ``bfloat16 GFLOP/s``; ``GB/s`` of a
    copy, bytes read and written both counted.
    """
    device = torch.device(device)
    side = side or SIDE.get(device.type, SIDE["cpu"])
    found = {"float32 GFLOP/s": _product(side, torch.float32, device, rounds)}
    if device.type == "cuda":
        before = torch.get_float32_matmul_precision()
        torch.set_float32_matmul_precision("high")
        found["tf32 GFLOP/s"] = _product(side, torch.float32, device, rounds)
        torch.set_float32_matmul_precision(before)
        found["bfloat16 GFLOP/s"] = _product(side, torch.bfloat16, device, rounds)
    megabytes = megabytes or MEGABYTES.get(device.type, MEGABYTES["cpu"])
    there = torch.zeros(megabytes * 1_000_000, dtype=torch.uint8, device=device)
    here = torch.empty_like(there)
    found["GB/s"] = 2 * there.numel() / 1e9 / _best(lambda: here.copy_(there), device, rounds)
    return {name: round(value, 1) for name, value in found.items()}


def work_of(call: Callable[[], object], *, training: bool = False) -> tuple[int, int]:
    """Return the floating point operations and the bytes that a call needs.

    Operations are those of products and convolutions as they are called, an addition and a multiplication being two;
    of a convolution by patches they are its products, a quarter of the direct way's. Bytes are those of every layer's
    inputs, outputs and weights, once each: what would have to be moved if nothing stayed in a cache and no two layers
    were computed together. For a ``training`` step three times these, as backward passes them twice more.
    """
    calls: list[int] = []
    total = 0

    def enter(_: nn.Module, __: Any) -> None:
        # whoever calls another layer is no leaf
        if calls:
            calls[-1] += 1
        calls.append(0)

    def leave(layer: nn.Module, inputs: Any, output: Any) -> None:
        nonlocal total
        if not calls.pop():
            own = [*layer.parameters(recurse=False), *layer.buffers(recurse=False)]
            total += sum(t.numel() * t.element_size() for t in (*_tensors(inputs), *_tensors(output), *own))

    hooks = [module.register_module_forward_pre_hook(enter), module.register_module_forward_hook(leave)]
    try:
        with FlopCounterMode(display=False) as counter:
            call()
    finally:
        for hook in hooks:
            hook.remove()
    return counter.get_total_flops(), total * (TRAINING if training else 1)


def least_seconds(work: tuple[int, int], limits: dict[str, float], arithmetic: str = "float32") -> dict[str, float]:
    """Return the seconds that the arithmetic alone and the bytes alone would take at the ceilings."""
    flops, moved = work
    return {"arithmetic": flops / limits[f"{arithmetic} GFLOP/s"] / 1e9, "bytes": moved / limits["GB/s"] / 1e9}


def distance(
    seconds: float, work: tuple[int, int], limits: dict[str, float], arithmetic: str = "float32"
) -> dict[str, Any]:
    """Return how far a measured time is from the machine's limit, in figures and, as ``said``, in words.

    Parameters
    ----------
    seconds
        Measured.
    work
        What `work_of` returned.
    limits
        What `ceilings` returned.
    arithmetic
        ``float32``, or on CUDA ``tf32`` or ``bfloat16``: which of the ceilings holds.
    """
    least = least_seconds(work, limits, arithmetic)
    bound = max(least, key=lambda name: least[name])
    times = seconds / least[bound]
    flops, moved = work
    alone = "the arithmetic" if bound == "arithmetic" else "moving the bytes"
    return {
        "gflop": round(flops / 1e9, 3),
        "gigabytes": round(moved / 1e9, 4),
        "least_seconds": {name: float(f"{value:.4g}") for name, value in least.items()},
        "times_the_limit": round(times, 3),
        "said": (
            f"{times:.2f} times what {alone} alone would take "
            f"({flops / 1e9:.3g} GFLOP in {least['arithmetic']:.3g} s, {moved / 1e9:.3g} GB in {least['bytes']:.3g} s)"
        ),
    }


def describe(limits: dict[str, float]) -> str:
    """Return the ceilings in words."""
    return ", ".join(f"{value:,.0f} {name}" for name, value in limits.items()) + " (copy, read and written)"


def wait_for(device: torch.device) -> None:
    """Wait until a GPU has done what it was told."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)


def _product(side: int, dtype: torch.dtype, device: torch.device, rounds: int) -> float:
    a, b = (torch.ones(side, side, dtype=dtype, device=device) / side for _ in range(2))
    out = torch.empty_like(a)
    return 2 * side**3 / 1e9 / _best(lambda: torch.mm(a, b, out=out), device, rounds)


def _best(call: Callable[[], object], device: torch.device, rounds: int) -> float:
    call()
    seconds = []
    for _ in range(rounds):
        wait_for(device)
        start = time.perf_counter()
        call()
        wait_for(device)
        seconds.append(time.perf_counter() - start)
    return min(seconds)


def _tensors(nested: Any) -> Iterator[Tensor]:
    if isinstance(nested, Tensor):
        yield nested
    elif isinstance(nested, dict):
        for value in nested.values():
            yield from _tensors(value)
    elif isinstance(nested, list | tuple):
        for value in nested:
            yield from _tensors(value)


def shares_of(call: Callable[[], object], device: torch.device, most: int = 6) -> dict[str, float]:
    """Return where a call's time goes: the share of each of torch's operators by itself, the largest first.

    On a processor its own time on the thread that calls it, on CUDA that of its kernels.
    """
    activity = ProfilerActivity.CUDA if device.type == "cuda" else ProfilerActivity.CPU
    with profile(activities=[activity]) as found:
        call()
    kind = "self_device_time_total" if device.type == "cuda" else "self_cpu_time_total"
    times = {each.key: float(getattr(each, kind)) for each in found.key_averages()}
    whole = sum(times.values()) or 1.0
    ordered = sorted(times, key=lambda key: -times[key])
    return {key.removeprefix("aten::"): round(times[key] / whole, 3) for key in ordered[:most]}
