"""No test of reading or writing may leave a file open."""

from __future__ import annotations

import gc
import os
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

DATA = Path(__file__).parents[1] / "data"
OTHERS = Path(__file__).parents[3] / "shared" / "data" / "fixtures"


def _open_files() -> set[str]:
    folder = Path("/proc/self/fd")
    links = []
    for entry in folder.iterdir():
        try:
            links.append(os.readlink(entry))
        except OSError:  # the descriptor that lists the folder is closed by now
            continue
    endings = (".tif", ".tiff", ".png", ".jpg", ".lsm", ".stk", ".c01", ".nd2", ".czi", ".lif")
    return {link for link in links if link.lower().endswith(endings) or ".zarr/" in link}


@pytest.fixture
def open_files() -> Callable[[], set[str]]:
    """Return a function that lists the image files that this process holds open."""
    if not Path("/proc/self/fd").is_dir():
        pytest.skip("the operating system does not list open files in /proc")
    return _open_files


@pytest.fixture(autouse=True)
def _no_file_stays_open() -> Iterator[None]:
    listed = Path("/proc/self/fd").is_dir()
    before = _open_files() if listed else set()
    yield
    if listed and _open_files() - before:
        gc.collect()
        assert _open_files() - before == set()
