"""Translating file after file, for the command line and the dock alike."""

from __future__ import annotations

import re
from dataclasses import dataclass, field, replace
from itertools import product
from typing import TYPE_CHECKING, Any

from napari_phenotrans.core.errors import InputError
from napari_phenotrans.core.events import Notice
from napari_phenotrans.core.text import counted, natural_key
from napari_phenotrans.io import find_channel_files, provenance, read, readable
from napari_phenotrans.io.formats import refuse_dtype
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
    from napari_phenotrans.translation.request import TranslationRequest
    from napari_phenotrans.translation.translate import Translation, Translator

# What `ResultFiles` and saving in the dock call their files.
_OURS = re.compile(
    r"_(translated|difference|round_trip|above_error|believed|completed|sample-\d+|samples-mean|samples-spread)"
    r"(\.ome)?\.(tiff?|zarr)$",
    re.IGNORECASE,
)


@dataclass(frozen=True)
class FileStarted:
    """A file was opened; ``planes`` of it will be translated. It is ``number`` of ``total``, from 1."""

    path: Path
    number: int
    total: int
    planes: int


@dataclass(frozen=True)
class FileDone:
    """The results of a file are written; ``provenance`` is the translation's, with the places of its files."""

    path: Path
    translated: Path
    difference: Path
    answers: tuple[Path, ...] = ()
    provenance: Mapping[str, Any] = field(default_factory=dict)

    @property
    def written(self) -> tuple[Path, ...]:
        """All files of its results."""
        return self.translated, self.difference, *self.answers


@dataclass(frozen=True)
class FileFailed:
    """A file could not be translated; nothing was written for it."""

    path: Path
    error: Exception

    @property
    def reason(self) -> str:
        """Why, in words for the user."""
        if isinstance(self.error, InputError):
            return str(self.error)
        # torch's own errors, out of memory among them; its messages go on for pages after the first line
        lines = str(self.error).splitlines() or [type(self.error).__name__]
        return f"The computation stopped: {lines[0]} Choose another device, or translate less at a time."


@dataclass(frozen=True)
class FolderImages:
    """What a folder holds: images to translate, results of earlier translations, and how much else."""

    images: tuple[Path, ...]
    results: tuple[Path, ...]
    other_files: int
    folders: int

    def words(self) -> str:
        """Say what there is to translate, and what is left out."""
        return f"{counted(len(self.images), 'image')} to translate; left out: {self.rest()}"

    def rest(self) -> str:
        """Say what is left out."""
        kinds = ((len(self.results), "result"), (self.other_files, "other file"), (self.folders, "folder"))
        return ", ".join(counted(number, what) for number, what in kinds if number) or "nothing"


def images_in(folder: Path, *, join: bool = False) -> FolderImages:
    """List the images in a folder, by name; what lies in folders inside it is not looked at.

    Parameters
    ----------
    folder
        The folder. OME-Zarr folders in it count as images.
    join
        Whether files hold one channel each: then each field of view is listed once, as its first file.

    Raises
    ------
    InputError
        If the folder cannot be read, holds no image, or none that can be joined.
    """
    try:
        paths = [path for path in folder.iterdir() if not path.name.startswith(".")]
    except OSError as error:
        raise InputError(f"{folder} cannot be read: {error.strerror or error}. Choose another folder.") from error
    known = sorted((path for path in paths if readable(path)), key=lambda path: natural_key(path.name))
    results = tuple(path for path in known if _OURS.search(path.name))
    images = tuple(path for path in known if path not in results)
    others = [path for path in paths if path not in known]
    if images and join:
        images = tuple(next(iter(field.files.values())) for field in find_channel_files([*map(str, images)]))
    folders = sum(path.is_dir() for path in others)
    inside = FolderImages(images, results, len(others) - folders, folders)
    if not images:
        raise InputError(
            f"{folder} holds no image to translate, but {inside.rest()}. Choose the folder that the images lie in."
        )
    return inside


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


def translate_files(
    request: FilesRequest, translator: Translator, *, tick: Callable[[], None] | None = None
) -> Iterator[FileStarted | FileDone | FileFailed | Event]:
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
    `FileDone` for each file; `FileFailed`, wherever it comes, ends a file.
    """
    from napari_phenotrans.translation.translate import translating

    def work(image: Image, positions: list[tuple[int, int]], files: ResultFiles) -> Iterator[Any]:
        asked = replace(request.translation, positions=positions)
        return translating(image, translator, asked, rooms=files.rooms, tick=tick)

    results_of = result_paths(request.paths, request.out, request.translation.answers.samples, request.format)
    yield from _file_by_file(
        request,
        results_of,
        work,
        lambda path, to, made: FileDone(path, to.translated, to.difference, to.answers, made.provenance),
    )


@dataclass(frozen=True)
class FileCompleted:
    """The completions of a file are written."""

    path: Path
    written: tuple[Path, ...]


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


def complete_files(
    request: CompleteFiles, translator: Translator, *, tick: Callable[[], None] | None = None
) -> Iterator[FileStarted | FileCompleted | FileFailed | Event]:
    """Complete files one after the other, as `translate_files` translates them; each ends with a `FileCompleted`."""
    from napari_phenotrans.translation.complete import completing

    def work(image: Image, positions: list[tuple[int, int]], files: ResultFiles) -> Iterator[Any]:
        asked = replace(request.completion, positions=positions)
        return completing(image, translator, asked, rooms=files.rooms, tick=tick)

    results_of = completed_paths(request.paths, request.out, request.completion.answers.samples, request.format)
    yield from _file_by_file(request, results_of, work, lambda path, to, _: FileCompleted(path, to.all))


def _file_by_file(
    request: FilesRequest | CompleteFiles,
    results_of: Mapping[Path, Any],
    work: Callable[[Image, list[tuple[int, int]], ResultFiles], Iterator[Any]],
    done: Callable[[Path, Any, Any], Any],
) -> Iterator[Any]:
    """Yield what ``work`` yields for each file and write its result; one that fails does not stop the others."""
    from napari_phenotrans.translation.complete import Completion
    from napari_phenotrans.translation.translate import Translation

    for number, (path, results) in enumerate(results_of.items(), start=1):
        made: Translation | Completion | None = None
        try:
            refuse_existing_results(results, request.overwrite)
            image = read(path, **request.reading)
            refuse_dtype(image.dtype, results.format)
            positions = _positions(image, request)
            yield FileStarted(path, number, len(results_of), len(positions))
            yield from (Notice(note) for note in image.notes)
            with ResultFiles(results, overwrite=request.overwrite, pyramid_above=request.pyramid_above) as files:
                for event in work(image, positions, files):
                    if isinstance(event, Translation | Completion):
                        files.finish(event)
                        made = event
                    else:
                        yield event
        except (InputError, RuntimeError, MemoryError, OSError) as error:
            yield FileFailed(path, error)
        else:
            yield done(path, results, made)


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
    real = image.part(
        channels=[image.channels.index(name) for name in translated.channels],
        positions=[tuple(position) for position in recorded["positions"]] if recorded["positions"] else None,
        region=Region(*recorded["region"]) if recorded["region"] else None,
    )
    made = [read(answer) for answer in done.answers]
    *samples, mean, spread = made or (None, None)
    return Translation(real, translated, difference, tuple(recorded["notices"]), recorded, tuple(samples), mean, spread)
