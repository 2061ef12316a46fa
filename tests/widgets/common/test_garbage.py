"""Tests of napari_phenotrans.widgets.common.garbage."""

from __future__ import annotations

import gc
import threading
from typing import TYPE_CHECKING

import pytest

from napari_phenotrans.widgets.common.garbage import collect_here, collected_elsewhere
from napari_phenotrans.widgets.common.worker import background

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pytestqt.qtbot import QtBot


class Cycle:
    """Garbage that only a collection finds, and that tells which thread did."""

    def __init__(self, freed_by: list[threading.Thread]) -> None:
        self.itself, self.freed_by = self, freed_by

    def __del__(self) -> None:
        self.freed_by.append(threading.current_thread())


@pytest.fixture
def quick_to_collect() -> Iterator[None]:
    thresholds = gc.get_threshold()
    gc.set_threshold(50, 5, 5)
    yield
    gc.set_threshold(*thresholds)


def allocate(much: int = 100_000) -> int:
    return len([[index] for index in range(much)])


@pytest.mark.usefixtures("quick_to_collect")
def test_no_garbage_is_collected_on_the_thread_that_computes(qtbot: QtBot) -> None:
    collect_here()
    freed_by: list[threading.Thread] = []
    with collected_elsewhere():  # made in one go: nothing is collected while it is
        for _ in range(40):
            Cycle(freed_by)
        done = background().submit(allocate)
        assert done.result() == 100_000
        assert threading.main_thread() not in freed_by
        qtbot.waitUntil(lambda: len(freed_by) == 40)
    assert set(freed_by) == {threading.main_thread()}


def test_whatever_runs_in_the_background_holds_collections_back() -> None:
    assert gc.isenabled()
    assert background().submit(gc.isenabled).result() is False
    assert background().submit(lambda word, times: word * times, "a", times=3).result() == "aaa"


def test_python_collects_by_itself_again_after_the_last_block() -> None:
    assert gc.isenabled()
    with collected_elsewhere():
        assert not gc.isenabled()
        with collected_elsewhere():
            assert not gc.isenabled()
        assert not gc.isenabled()
    assert gc.isenabled()
    with pytest.raises(ZeroDivisionError), collected_elsewhere():
        _ = 1 / 0
    assert gc.isenabled()
    gc.disable()
    try:
        with collected_elsewhere():
            pass
        assert not gc.isenabled(), "what the user turned off stays off"
    finally:
        gc.enable()


@pytest.mark.usefixtures("quick_to_collect")
def test_the_window_collects_nothing_while_nobody_holds_it_back(qtbot: QtBot) -> None:
    collect_here()
    gc.disable()
    try:
        freed_by: list[threading.Thread] = []
        for _ in range(200):
            Cycle(freed_by)
        qtbot.wait(700)
        assert not freed_by
    finally:
        gc.enable()
    gc.collect()
    assert len(freed_by) == 200
