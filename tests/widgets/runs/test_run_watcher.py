"""One folder that cannot be watched does not blind the others, and is looked at less and less often."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from napari_phenotrans.runs.monitor import RunWatch
from napari_phenotrans.widgets.runs import run_watcher
from napari_phenotrans.widgets.runs.run_watcher import RunWatcher

if TYPE_CHECKING:
    from pathlib import Path

    import pytest
    from pytestqt.qtbot import QtBot


def test_a_folder_that_cannot_be_watched_is_said_and_left_alone_for_longer_each_time(
    qtbot: QtBot, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    bad, good = tmp_path / "bad", tmp_path / "good"
    polls: list[Path] = []
    poll = RunWatch.poll

    def broken(self: RunWatch) -> bool:
        polls.append(self.folder)
        if self.folder == bad:
            raise RecursionError("as deep as it goes")
        return poll(self)

    monkeypatch.setattr(RunWatch, "poll", broken)
    monkeypatch.setattr(run_watcher, "BACK_OFF_S", 0.02)
    monkeypatch.setattr(run_watcher, "POLL_ENDED_EVERY_S", 0.02)
    watcher = RunWatcher()
    shown: dict[Path, Any] = {}
    watcher.polled.connect(lambda runs: shown.update({run.folder: run for run in runs}))
    for folder in (bad, good):
        watcher.watch(folder)
    qtbot.waitUntil(lambda: polls.count(good) > 8)
    watcher.close()
    assert "bad cannot be watched (RecursionError: as deep as it goes)" in shown[bad].description
    assert shown[good].state == "gone" and "cannot be watched" not in shown[good].description
    # after 0.02, 0.04, 0.08 s and so on
    assert 2 <= polls.count(bad) < polls.count(good)
    qtbot.waitUntil(lambda: not watcher._polling)
