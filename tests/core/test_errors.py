"""What is said of errors that come from elsewhere."""

from __future__ import annotations

import errno
import os

import pytest

from napari_phenotrans.core.errors import ran_out_of_memory, why_stopped


@pytest.mark.parametrize(
    ("error", "is_it"),
    [
        (MemoryError(), True),
        (RuntimeError("can't start new thread"), True),
        (
            RuntimeError("[enforce fail at alloc_cpu.cpp:126] err == 0. DefaultCPUAllocator: can't allocate memory"),
            True,
        ),
        (OSError(errno.ENOMEM, os.strerror(errno.ENOMEM)), True),
        (type("OutOfMemoryError", (RuntimeError,), {})(), True),
        (RuntimeError("the network melted"), False),
        (OSError(errno.ENOSPC, os.strerror(errno.ENOSPC)), False),
        (ValueError("out of memory"), False),
    ],
)
def test_memory_that_ran_out_is_told_from_other_errors(error: Exception, is_it: bool) -> None:
    assert ran_out_of_memory(error) == is_it


def test_why_a_computation_stopped_is_a_sentence() -> None:
    assert why_stopped(MemoryError()).startswith("Memory ran out. Close other programs, or do less at a time")
    assert why_stopped(RuntimeError("CUDA out of memory.\nand pages")).startswith(
        "Memory ran out (CUDA out of memory). "
    )
    assert why_stopped(RuntimeError("it melted.\nand pages")) == (
        "The computation stopped: it melted. Choose another device, or translate less at a time."
    )
    assert why_stopped(OSError()).startswith("The computation stopped: OSError ")
