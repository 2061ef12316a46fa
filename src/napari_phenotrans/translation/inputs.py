"""Which images are meant: files, folders, patterns and lists of them, and one computer's share of them."""

from __future__ import annotations

import glob
import os
import re
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from napari_phenotrans.core.errors import InputError
from napari_phenotrans.core.kinds import EARLIER_FILE_WORDS, FILE_WORDS, MADE, SAMPLE
from napari_phenotrans.core.text import counted, few, natural_key
from napari_phenotrans.io import find_channel_files, readable
from napari_phenotrans.io.ome_files import once_per_set
from napari_phenotrans.io.registry import is_zarr

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from napari_phenotrans.io import ChannelFiles

# What `ResultFiles` and saving in the dock call their files, or called them once; samples are numbered.
_WORDS = [
    re.escape(words[kind]) + (r"-\d+" if kind == SAMPLE else "")
    for words in (FILE_WORDS, EARLIER_FILE_WORDS)
    for kind in words
    if kind in MADE
]
_OURS = re.compile(rf"_({'|'.join(_WORDS)})(\.ome)?\.(tiff?|zarr)$", re.IGNORECASE)
_WILD = re.compile(r"[*?\[]")


@dataclass(frozen=True)
class FolderImages:
    """What a folder holds: images to translate, results of earlier translations, and how much else.

    ``parts`` counts files that are read as part of an image that is listed.
    """

    images: tuple[Path, ...]
    results: tuple[Path, ...]
    other_files: int
    folders: int
    parts: int = 0

    def words(self) -> str:
        """Say what there is to translate, and what is left out."""
        return f"{counted(len(self.images), 'image')} to translate; left out: {self.rest()}"

    def rest(self) -> str:
        """Say what is left out."""
        kinds = (
            (len(self.results), "result", ""),
            (self.parts, "further file of a set", "further files of sets"),
            (self.other_files, "other file", ""),
            (self.folders, "folder", ""),
        )
        return ", ".join(counted(number, what, many) for number, what, many in kinds if number) or "nothing"


def images_in(folder: Path, *, join: bool | str = False) -> FolderImages:
    """List the images in a folder, by name; what lies in folders inside it is not looked at.

    Parameters
    ----------
    folder
        The folder. OME-Zarr folders in it count as images, an OME-TIFF of several files as one.
    join
        Whether files hold one channel each: then each field of view is listed once, as its first file. May be the
        pattern that says which.

    Raises
    ------
    InputError
        If the folder cannot be read, holds no image, or none that can be joined.
    """
    try:
        paths = [path for path in folder.iterdir() if not path.name.startswith(".")]
    except OSError as error:
        raise InputError(f"{folder} cannot be read: {error.strerror or error}. Choose another folder.") from error
    known = in_order(path for path in paths if readable(path))
    results = tuple(path for path in known if is_result(path))
    others = [path for path in paths if path not in known]
    folders = sum(path.is_dir() for path in others)
    found = [path for path in known if path not in results]
    images, parts = tuple(found), 0
    if join and found:
        images = tuple(_first_file(field) for field in _fields(found, join))
    elif found:
        images = tuple(once_per_set(found))
        parts = len(found) - len(images)
    inside = FolderImages(images, results, len(others) - folders, folders, parts)
    if not images:
        raise InputError(
            f"{folder} holds no image to translate, but {inside.rest()}. Choose the folder that the images lie in."
        )
    return inside


def is_result(path: Path) -> bool:
    """Return whether a file has the name of a result."""
    return bool(_OURS.search(path.name))


def in_order(paths: Iterable[Path]) -> list[Path]:
    """Sort by name, A2 before A10; the order depends on nothing but the names."""
    # A1, a1 and A01 are the same number: what is written decides then
    return sorted(paths, key=lambda path: (natural_key(path.as_posix()), path.as_posix()))


@dataclass(frozen=True)
class Inputs:
    """The images that were asked for, each once, and in sentences what was left out."""

    paths: tuple[Path, ...]
    notes: tuple[str, ...] = ()


def find_inputs(said: Sequence[Path], *, listed: Sequence[Path] = (), join: bool | str = False) -> Inputs:
    """Find the images that are meant.

    Parameters
    ----------
    said
        Files, Zarr folders, folders of images (what lies in folders inside them is not looked at), and patterns with
        ``*``, ``?`` and ``[…]``, where ``**`` stands for any number of folders. Results of earlier translations are
        left out of folders and patterns. A folder that holds the channels of one field of view, one per file and
        nothing else, is one image.
    listed
        More of these, as `read_list` returns them.
    join
        As of `images_in`.

    Returns
    -------
    The images in the order of what was said, those of a folder or a pattern by name. A file that was named and is not
    there is among them: working on it says so.

    Raises
    ------
    InputError
        If nothing was said, a folder holds no image, or a pattern fits none.
    """
    if not said and not listed:
        raise InputError("No image was named. Say files, folders or patterns, or --list FILE.")
    found: list[Path] = []
    notes: list[str] = []
    for path in (*said, *listed):
        if path.is_dir() and not readable(path) and not is_zarr(path):
            images, note = _from_folder(path, join)
        elif _WILD.search(str(path)) and not path.exists():
            images, note = _from_pattern(str(path), join)
        else:
            images, note = [path], ""
        found += images
        notes += [note] if note else []
    once: dict[str, Path] = {}
    for path in found:
        once.setdefault(os.path.abspath(path), path)
    every = list(once.values())
    kept = _once_per_field(every, join) if join else once_per_set(every)
    if left := len(every) - len(kept):
        what = counted(left, "file belongs", "files belong")
        notes.append(
            f"{what} to an image of which another file was named, and {'is' if left == 1 else 'are'} part of it"
        )
    return Inputs(tuple(kept), tuple(notes))


def read_list(file: Path) -> list[Path]:
    """Read names of images, one per line; ``-`` reads them from the standard input.

    Empty lines and those that begin with ``#`` mean nothing. Names are relative to the current folder, as typed ones.

    Raises
    ------
    InputError
        If there is no such file, it is no text, or names nothing.
    """
    if str(file) == "-":
        text = sys.stdin.read()
    else:
        try:
            text = file.read_text(encoding="utf-8-sig")
        except (OSError, UnicodeDecodeError) as error:
            reason = error.strerror if isinstance(error, OSError) else "it is no text in UTF-8"
            raise InputError(f"The list {file} cannot be read: {reason}. Expected a name per line.") from error
    lines = [line.strip() for line in text.splitlines()]
    names = [Path(line) for line in lines if line and not line.startswith("#")]
    if not names:
        raise InputError(f"The list {'from the standard input' if str(file) == '-' else file} names no image.")
    return names


def share_of(paths: Sequence[Path], number: int, of: int) -> list[Path]:
    """Return one of ``of`` parts of a list of images, ``number`` from 1; every image lies in exactly one of them.

    Every ``of``-th of the sorted list: neighbors by name, which often are alike, go to different parts.
    """
    return in_order(paths)[number - 1 :: of]


def _from_folder(folder: Path, join: bool | str) -> tuple[list[Path], str]:
    """Return the images of a folder, and what was left out."""
    if not join and _is_one_field(folder):
        return [folder], ""
    inside = images_in(folder, join=join)
    rest = inside.rest()
    return list(inside.images), "" if rest == "nothing" else f"{folder}: {inside.words()}"


def _from_pattern(pattern: str, join: bool | str) -> tuple[list[Path], str]:
    """Return the images that a pattern fits, and what was left out; folders count as their images."""
    anywhere = "**" in pattern
    fitting = in_order(Path(name) for name in glob.glob(pattern, recursive=True))
    known = [path for path in fitting if readable(path) or (path.is_dir() and is_zarr(path))]
    # what lies in an OME-Zarr is part of it, but where the pattern leads into one
    if ".zarr" not in pattern.lower():
        known = [path for path in known if not any(parent.suffix.lower() == ".zarr" for parent in path.parents)]
    images = [path for path in known if not is_result(path)]
    for folder in (path for path in fitting if not anywhere and path.is_dir() and path not in set(known)):
        images += _from_folder(folder, join)[0]
    results = len(known) - sum(not is_result(path) for path in known)
    if not images:
        what = f"{counted(results, 'result')} of earlier translations" if results else few(list(map(str, fitting)))
        raise InputError(
            f"{pattern!r} fits no image{f', only {what}' if what else ''}. Check it; ** stands for any folders."
        )
    return images, f"{pattern}: {counted(results, 'result')} left out" if results else ""


def _is_one_field(folder: Path) -> bool:
    """Return whether a folder holds nothing but the channels of one field of view, in files of one channel each."""
    from napari_phenotrans.io import read

    try:
        (field,) = find_channel_files(folder)
        first = read(_first_file(field))
    except (InputError, ValueError):
        return False
    files = {path for path in folder.iterdir() if readable(path)}
    return "C" not in first.axes and files <= set(field.files.values())


def _fields(paths: Sequence[Path], join: bool | str) -> list[ChannelFiles]:
    return find_channel_files([*map(str, paths)], join if isinstance(join, str) else None)


def _first_file(field: ChannelFiles) -> Path:
    return next(iter(field.files.values()))


def _once_per_field(paths: Sequence[Path], join: bool | str) -> list[Path]:
    """Leave out files that are joined to an image by an earlier one; what fits no field stays, for reading says why."""
    others: set[Path] = set()
    by_folder: dict[Path, list[Path]] = {}
    for path in paths:
        by_folder.setdefault(path.parent, []).append(path)
    for mine in by_folder.values():
        try:
            fields = _fields([path for path in mine if path.is_file()], join)
        except InputError:
            continue
        for field in fields:
            listed = [path for path in mine if path in set(field.files.values())]
            others |= set(listed[1:])
    return [path for path in paths if path not in others]
