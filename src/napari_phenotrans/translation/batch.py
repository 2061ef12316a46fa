"""Translating file after file, for the command line and the dock alike."""

from __future__ import annotations

import time
from dataclasses import dataclass, field, replace
from itertools import product
from typing import TYPE_CHECKING, Any

from napari_phenotrans.core.errors import InputError, why_stopped
from napari_phenotrans.core.events import Notice
from napari_phenotrans.io import provenance, read
from napari_phenotrans.io.atomic import clear_leftovers, refuse_unwritable
from napari_phenotrans.io.formats import refuse_dtype
from napari_phenotrans.translation.made_from import MADE_FROM, MadeFrom, refuse_other
from napari_phenotrans.translation.outputs import (
    PYRAMID,
    ResultFiles,
    completed_paths,
    refuse_existing_results,
    result_paths,
)
from napari_phenotrans.translation.provenance import decoded

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence
    from pathlib import Path

    from napari_phenotrans.core.image import Image
    from napari_phenotrans.translation.complete import CompletionRequest
    from napari_phenotrans.translation.events import Event
    from napari_phenotrans.translation.outputs import CompletedResults, Results
    from napari_phenotrans.translation.request import TranslationRequest
    from napari_phenotrans.translation.translate import Translation, Translator


@dataclass(frozen=True)
class FileStarted:
    """A file was opened; ``planes`` of it will be translated. It is ``number`` of ``total``, from 1."""

    path: Path
    number: int
    total: int
    planes: int


@dataclass(frozen=True)
class FileDone:
    """The results of a file are written, after so many ``seconds``.

    ``provenance`` is the translation's, with the places of its files; empty where the file was skipped.
    """

    path: Path
    translated: Path
    difference: Path
    answers: tuple[Path, ...] = ()
    provenance: Mapping[str, Any] = field(default_factory=dict)
    seconds: float = 0.0
    extras: tuple[Path, ...] = ()

    @property
    def written(self) -> tuple[Path, ...]:
        """All files of its results."""
        return self.translated, self.difference, *self.extras, *self.answers


@dataclass(frozen=True)
class FileCompleted:
    """The completions of a file are written, after so many ``seconds``."""

    path: Path
    written: tuple[Path, ...]
    seconds: float = 0.0


@dataclass(frozen=True)
class FileSkipped:
    """A file was not worked on: its results are there, made from the same pixels, checkpoint and settings.

    ``done`` is what ended its file then.
    """

    path: Path
    done: FileDone | FileCompleted
    seconds: float = 0.0


@dataclass(frozen=True)
class FileFailed:
    """A file could not be translated; nothing was written for it."""

    path: Path
    error: Exception
    seconds: float = 0.0

    @property
    def foreseen(self) -> bool:
        """Whether it is the user's to mend: a file, a setting, memory, a disk."""
        return isinstance(self.error, InputError | RuntimeError | MemoryError | OSError)

    @property
    def reason(self) -> str:
        """Why, in words for the user."""
        if isinstance(self.error, InputError):
            return str(self.error)
        if not self.foreseen:
            first = next(iter(str(self.error).splitlines()), type(self.error).__name__)
            return (
                f"Nobody foresaw this error: {type(self.error).__name__}: {first} Please report it; it does not "
                f"concern other images."
            )
        return why_stopped(self.error)


@dataclass(frozen=True)
class FilesRequest:
    """Which files to translate, how, and where to.

    Parameters
    ----------
    paths
        The files; results are named after them, see `napari_phenotrans.translation.outputs.result_paths`.
    out
        Folder for the results.
    translation
        What is asked of each file, without positions.
    ts, zs
        Planes of each file to translate; all where none are said.
    reading
        Arguments for `napari_phenotrans.io.read`.
    overwrite
        Whether results that exist may be replaced.
    pyramid_above
        Pixels of a plane above which results are written with smaller versions of themselves, for viewers.
    format
        One of `io.FORMATS`; the usual one of each input where none is said.
    skip_existing
        Whether a file is passed over whose results exist and were made from the same pixels, by the same checkpoint
        and with the same settings. Other results are refused, or replaced where that is allowed.
    among
        All files of a batch of which ``paths`` are a part: results are named so that those of no two of them collide.
    """

    paths: Sequence[Path]
    out: Path
    translation: TranslationRequest
    ts: Sequence[int] = ()
    zs: Sequence[int] = ()
    reading: Mapping[str, Any] = field(default_factory=dict)
    overwrite: bool = False
    pyramid_above: int = PYRAMID
    format: str | None = None
    skip_existing: bool = False
    among: Sequence[Path] = ()


def translate_files(
    request: FilesRequest, translator: Translator, *, tick: Callable[[], None] | None = None
) -> Iterator[FileStarted | FileDone | FileSkipped | FileFailed | Event]:
    """Translate files one after the other and write their results; one that fails does not stop the others.

    Parameters
    ----------
    request
        The files.
    translator
        What translates.
    tick
        Called before every network evaluation; raise in it to stop.

    Returns
    -------
    Iterator of `FileStarted`, then what translating yields (among it `Notice` of what reading had to guess), then
    `FileDone` for each file; `FileSkipped` and `FileFailed`, wherever they come, end a file.

    Raises
    ------
    InputError
        If the folder for the results cannot be written to.
    """
    from napari_phenotrans.translation.translate import translating

    def asked(image: Image, positions: list[tuple[int, int]]) -> TranslationRequest:
        return replace(request.translation, positions=positions)

    def work(image: Image, positions: list[tuple[int, int]], files: ResultFiles, stop: _Stop) -> Iterator[Any]:
        return translating(image, translator, asked(image, positions), rooms=files.rooms, tick=stop)

    def done(path: Path, to: Results, seconds: float, told: Mapping[str, Any]) -> FileDone:
        return FileDone(path, to.translated, to.difference, to.answers, told, seconds, to.extras)

    samples, extras = request.translation.answers.samples, translator.extras(request.translation)
    results_of = result_paths(request.among or request.paths, request.out, samples, request.format, extras)
    yield from _file_by_file(request, _Work(translator, asked, work, done), results_of, tick)


@dataclass(frozen=True)
class CompleteFiles:
    """Which files to complete, how, and where to; other fields as of `FilesRequest`."""

    paths: Sequence[Path]
    out: Path
    completion: CompletionRequest
    ts: Sequence[int] = ()
    zs: Sequence[int] = ()
    reading: Mapping[str, Any] = field(default_factory=dict)
    overwrite: bool = False
    pyramid_above: int = PYRAMID
    format: str | None = None
    skip_existing: bool = False
    among: Sequence[Path] = ()


def complete_files(
    request: CompleteFiles, translator: Translator, *, tick: Callable[[], None] | None = None
) -> Iterator[FileStarted | FileCompleted | FileSkipped | FileFailed | Event]:
    """Complete files one after the other, as `translate_files` translates them; each ends with a `FileCompleted`."""
    from napari_phenotrans.translation.complete import CompletionPlan, completing

    def asked(image: Image, positions: list[tuple[int, int]]) -> TranslationRequest:
        return CompletionPlan.of(image, translator, replace(request.completion, positions=positions)).request

    def work(image: Image, positions: list[tuple[int, int]], files: ResultFiles, stop: _Stop) -> Iterator[Any]:
        completion = replace(request.completion, positions=positions)
        return completing(image, translator, completion, rooms=files.rooms, tick=stop)

    def done(path: Path, to: CompletedResults, seconds: float, _: Mapping[str, Any]) -> FileCompleted:
        return FileCompleted(path, to.all, seconds)

    samples = request.completion.answers.samples
    results_of = completed_paths(request.among or request.paths, request.out, samples, request.format)
    yield from _file_by_file(request, _Work(translator, asked, work, done), results_of, tick)


class _Stop:
    """Asks whether everything is to stop, and knows whether that was said: no other error ends a batch."""

    def __init__(self, tick: Callable[[], None] | None) -> None:
        self._tick = tick
        self.said: BaseException | None = None

    def __call__(self) -> None:
        try:
            if self._tick:
                self._tick()
        except BaseException as error:
            self.said = error
            raise


@dataclass(frozen=True)
class _Work:
    """What is done with each image of a batch.

    ``asked`` returns the request that its results depend on, ``work`` does it, and ``done`` ends its file.
    """

    translator: Translator
    asked: Callable[[Image, list[tuple[int, int]]], TranslationRequest]
    work: Callable[[Image, list[tuple[int, int]], ResultFiles, _Stop], Iterator[Any]]
    done: Callable[[Path, Any, float, Mapping[str, Any]], Any]

    def made_from(self, image: Image, positions: list[tuple[int, int]], format: str, stop: _Stop) -> MadeFrom:
        return MadeFrom.of(image, self.translator, self.asked(image, positions), format=format, tick=stop)


def _file_by_file(
    request: FilesRequest | CompleteFiles,
    work: _Work,
    results_of: Mapping[Path, Any],
    tick: Callable[[], None] | None,
) -> Iterator[Any]:
    """Yield what working on each file yields and write its result; one that fails does not stop the others."""
    from napari_phenotrans.translation.complete import Completion
    from napari_phenotrans.translation.translate import Translation

    paths, stop = list(dict.fromkeys(request.paths)), _Stop(tick)
    refuse_unwritable(request.out)
    for number, path in enumerate(paths, start=1):
        began, results = time.monotonic(), results_of[path]
        told: Mapping[str, Any] = {}
        try:
            clear_leftovers(request.out)
            earlier = [each for each in results.all if each.exists()] if request.skip_existing else []
            if not earlier:
                refuse_existing_results(results, request.overwrite)
            image = read(path, **request.reading)
            refuse_dtype(image.dtype, results.format)
            positions = _positions(image, request)
            yield FileStarted(path, number, len(paths), len(positions))

            # ---- what is there already
            made_from = work.made_from(image, positions, results.format, stop) if earlier else None
            if made_from and _same(earlier, made_from, request.overwrite) and len(earlier) == len(results.all):
                seconds = time.monotonic() - began
                yield FileSkipped(path, work.done(path, results, seconds, {}), seconds)
                continue

            # ---- what is to be made; of results of which some are gone all are made anew
            yield from (Notice(note) for note in image.notes)
            replaced = request.overwrite or bool(earlier)
            with ResultFiles(results, overwrite=replaced, pyramid_above=request.pyramid_above) as files:
                for event in work.work(image, positions, files, stop):
                    if isinstance(event, Translation | Completion):
                        made_from = made_from or work.made_from(image, positions, results.format, stop)
                        told = event.provenance
                        files.finish(replace(event, provenance=told | made_from.as_provenance()))
                    else:
                        yield event
        except Exception as error:
            if error is stop.said:
                raise
            yield FileFailed(path, error, time.monotonic() - began)
        else:
            yield work.done(path, results, time.monotonic() - began, told)


def _same(earlier: Sequence[Path], made_from: MadeFrom, overwrite: bool) -> bool:
    """Return whether results were made from the same; others are refused, or False where they may be replaced."""
    try:
        refuse_other(earlier, made_from)
    except InputError:
        if not overwrite:
            raise
        return False
    return True


def _positions(image: Image, request: FilesRequest | CompleteFiles) -> list[tuple[int, int]]:
    ts, zs = request.ts or range(image.sizes.get("T", 1)), request.zs or range(image.sizes.get("Z", 1))
    return list(product(ts, zs))


def read_result(done: FileDone, reading: Mapping[str, Any] | None = None) -> Translation:
    """Read a file and its results again, the channels and planes that were translated; pixels stay in the files.

    Parameters
    ----------
    done
        The file.
    reading
        As of `FilesRequest`.

    Raises
    ------
    InputError
        If one of the files is gone or damaged.
    """
    from napari_phenotrans.core.region import Region
    from napari_phenotrans.translation.translate import Translation

    image, translated, difference = read(done.path, **(reading or {})), read(done.translated), read(done.difference)
    recorded = dict(done.provenance)
    if not recorded:
        recorded = decoded(provenance(done.translated))
    # that is the file's: pixels that are read into layers may become others
    recorded.pop(MADE_FROM, None)
    real = image.part(
        channels=[image.channels.index(name) for name in translated.channels],
        positions=[tuple(position) for position in recorded["positions"]] if recorded["positions"] else None,
        region=Region(*recorded["region"]) if recorded["region"] else None,
    )
    made = [read(answer) for answer in done.answers]
    *samples, mean, spread = made or (None, None)
    whole = real, translated, difference, tuple(recorded["notices"]), recorded
    maps = {each.kind: each for each in map(read, done.extras)}
    return Translation(*whole, tuple(samples), mean, spread, maps)
