"""Saying what becomes of files that are worked on one after the other."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

from napari_phenotrans.cli.say import say

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from napari_phenotrans.cli.progress import Progress


def follow_files(events: Iterator[Any], paths: Sequence[Path], progress: Progress) -> list[Path]:
    """Draw the progress of a batch and print what it wrote; returns the files that failed.

    Raises
    ------
    Exception
        What the only file failed by.
    """
    from napari_phenotrans.core.events import Notice
    from napari_phenotrans.translation.batch import FileCompleted, FileDone, FileFailed, FileStarted

    failed: list[Path] = []
    path = paths[0]
    for event in events:
        if isinstance(event, FileStarted):
            path = event.path
            progress.say(path.name)
        elif isinstance(event, FileDone | FileCompleted):
            for written in event.written:
                say(written)
        elif isinstance(event, FileFailed):
            if len(paths) == 1:
                raise event.error
            failed.append(event.path)
            say(f"{event.path}: failed: {event.reason}", err=True)
        elif isinstance(event, Notice):
            say(f"{path}: note: {event.text}", err=True)
        else:
            progress.show(event)
    return failed


def end_with(failed: Sequence[Path], paths: Sequence[Path]) -> None:
    """Name the files that failed, if any, and end with exit code 1."""
    if failed:
        say(f"{len(failed)} of {len(paths)} images failed: {', '.join(map(str, failed))}", err=True)
        sys.exit(1)
