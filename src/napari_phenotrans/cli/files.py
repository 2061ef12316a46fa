"""Which files a command works on, one after the other, and what becomes of them."""

from __future__ import annotations

import re
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from napari_phenotrans.cli.say import say
from napari_phenotrans.core.errors import InputError
from napari_phenotrans.io.formats import FORMATS

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from napari_phenotrans.cli.progress import Progress
    from napari_phenotrans.translation.batch_summary import Summary

FORMAT = click.option(
    "--format",
    type=click.Choice(list(FORMATS)),
    help="Format of the results; imagej is a hyperstack for ImageJ and Fiji.  [default: that of the input's kind]",
)
# Exit codes: of several images some failed, or none was worked on (as one that is refused).
SOME_FAILED, ALL_FAILED = 1, 2


class Share(click.ParamType):
    """One of so many parts: ``3/64``."""

    name = "NUMBER/OF"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> tuple[int, int]:
        if isinstance(value, tuple):
            return value
        match = re.fullmatch(r"\s*(\d{1,9})\s*/\s*(\d{1,9})\s*", value)
        number, of = (int(part) for part in match.groups()) if match else (0, 0)
        if not 1 <= number <= of:
            hint = " Parts count from 1: give the array job tasks 1 to 64, not 0 to 63." if match and not number else ""
            self.fail(f"{value!r} is no part: expected one such as 3/64, from 1/64 to 64/64.{hint}", param, ctx)
        return number, of


def many_files(command: Callable[..., None]) -> Callable[..., None]:
    """Add what says which files are meant, and which of them are worked on, to a command."""
    for add in (
        click.option(
            "--shard",
            type=Share(),
            help="Work on this part of the images only, as one task of an array job: all tasks get the same images and "
            "each says its own part, 1/64 to 64/64.",
        ),
        click.option(
            "--skip-existing",
            is_flag=True,
            help="Continue a batch: pass over images whose results were made from the same pixels, checkpoint and "
            "settings. Other results are refused, or replaced with --overwrite.",
        ),
        click.option(
            "--list",
            "listed",
            type=click.Path(path_type=Path),
            help="A text file with more INPUTS, one per line; - reads them from the standard input.",
        ),
        click.argument("inputs", nargs=-1, type=click.Path(path_type=Path)),
    ):
        command = add(command)
    return command


def chosen_files(typed: dict[str, Any], join: bool | str) -> dict[str, Any]:
    """Pop what `many_files` added from what was typed; returns the fields of a request for files that it decides.

    Raises
    ------
    InputError
        If nothing was named, or what was named holds no image.
    """
    from napari_phenotrans.translation.inputs import find_inputs, read_list, share_of

    said, listed, shard = typed.pop("inputs"), typed.pop("listed"), typed.pop("shard")
    found = find_inputs(said, listed=read_list(listed) if listed else (), join=join)
    for note in found.notes:
        say(f"note: {note}.", err=True)
    paths = list(found.paths)
    mine = share_of(paths, *shard) if shard else paths
    if shard:
        say(f"part {shard[0]} of {shard[1]}: {len(mine)} of {len(paths)} images", err=True)
    return {"paths": mine, "among": paths, "skip_existing": typed.pop("skip_existing")}


def follow_files(events: Iterator[Any], paths: Sequence[Path], progress: Progress) -> Summary:
    """Draw the progress of a batch and print what it wrote; returns what became of its files.

    Raises
    ------
    InputError
        What the only file failed by; an error that nobody foresaw as it is.
    """
    from napari_phenotrans.core.events import Notice
    from napari_phenotrans.translation.batch import FileCompleted, FileDone, FileFailed, FileSkipped, FileStarted
    from napari_phenotrans.translation.batch_summary import SAME, Summary

    summary = Summary(paths)
    path = paths[0] if paths else None
    for event in _until_stopped(events, summary, paths):
        summary.add(event)
        if isinstance(event, FileStarted):
            path = event.path
            progress.say(path.name if event.total == 1 else f"{path.name} ({event.number} of {event.total})")
        elif isinstance(event, FileDone | FileCompleted):
            for written in event.written:
                say(written)
        elif isinstance(event, FileSkipped):
            say(f"{event.path}: skipped, {SAME}", err=True)
        elif isinstance(event, FileFailed):
            if len(paths) == 1:
                if not event.foreseen:
                    raise event.error
                raise InputError(event.reason) from event.error
            say(f"{event.path}: failed: {event.reason}", err=True)
        elif isinstance(event, Notice):
            say(f"{path}: note: {event.text}", err=True)
        else:
            progress.show(event)
    return summary


def _until_stopped(events: Iterator[Any], summary: Summary, paths: Sequence[Path]) -> Iterator[Any]:
    """Yield the events; where the user stops them by Ctrl+C, print what became of the files so far."""
    try:
        yield from events
    except KeyboardInterrupt:
        if len(paths) > 1:
            say("\n".join(summary.lines()), err=True)
        raise


def end_with(summary: Summary, paths: Sequence[Path]) -> None:
    """Print the table of what became of several files; where some failed name them, and end with an exit code."""
    if len(paths) > 1:
        say("\n".join(summary.lines()), err=True)
    if failed := summary.failed:
        say(f"{len(failed)} of {len(paths)} images failed: {', '.join(map(str, failed))}", err=True)
        sys.exit(ALL_FAILED if summary.nothing_done else SOME_FAILED)
