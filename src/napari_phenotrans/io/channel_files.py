"""Channels that lie in separate files: which files are one field of view, and reading them as one image."""

from __future__ import annotations

import glob
import re
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from napari_phenotrans.core.errors import InputError
from napari_phenotrans.core.text import first_of, natural_key
from napari_phenotrans.io.registry import read_one, readable, suffix_of
from napari_phenotrans.io.stain_names import STAINS

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    import numpy as np

    from napari_phenotrans.core.image import Image
    from napari_phenotrans.io.lazy import Within

# Whose names they are, and the pattern; looked for in the path below the folder, without the suffix, in any case.
# What the groups channel, z, t and skip match differs between the files of one field of view.
PATTERNS: dict[str, str] = {
    "MetaXpress": r"^(?:.*?TimePoint_(?P<t>\d+)/)?(?:ZStep_(?P<z>\d+)/)?[^/]*_(?P<channel>w\d)"
    r"(?P<skip>[0-9A-F]{8}(?:-[0-9A-F]{4}){3}-[0-9A-F]{12})?$",
    "Opera and Operetta": r"p(?P<z>\d+)-(?P<channel>ch\d+)sk(?P<t>\d+)(?:fk\d+fl\d+)?$",
    "Yokogawa": r"_T(?P<t>\d+)F\d+L\d+(?P<skip>A\d+)Z(?P<z>\d+)(?P<channel>C\d+)$",
    "Micro-Manager": r"(?P<channel>channel\d+)_position\d+_time(?P<t>\d+)_z(?P<z>\d+)$",
    "Gen5": r"_\d+_(?P<skip>\d+)_\d+_(?P<channel>[^_]*[A-Z][^_]*)_(?P<t>\d{3})$",
    "InCell": r"wv (?P<channel>[^()]+?)(?: z (?P<z>\d+))?(?: time (?P<t>\d+)[^()]*)?\)$",
    "Cellomics": r"f\d+(?P<channel>d\d)$",
    "ch": r"(?:[_-]t(?P<t>\d+))?(?:[_-]z(?P<z>\d+))?[_-](?P<channel>ch\d+)(?![A-Z0-9])",
    "channel": r"(?<![A-Z])(?P<channel>channel[ _-]?\d+)(?![A-Z0-9])",
    "stains": rf"(?<![A-Z0-9])(?P<channel>{STAINS})(?![A-Z0-9])",
    "C at the end": r"[_-](?P<channel>c\d+)$",
    "C at the start": r"(?:^|/)(?P<channel>c\d+)-",
}


@dataclass(frozen=True)
class ChannelFiles:
    """The files of one field of view.

    Attributes
    ----------
    name
        What the names have in common, ``*`` where they differ.
    files
        (t, channel, z) to file; t and z are 0 where names say none.
    pattern
        The regular expression by which they were found.
    guess
        Whose names the pattern is for, where it was guessed; None where it was said.
    """

    name: str
    files: dict[tuple[int, str, int], Path]
    pattern: str
    guess: str | None

    @property
    def channels(self) -> tuple[str, ...]:
        """Names as the file names say them, in the order of those names."""
        first: dict[str, Path] = {}
        for (_, channel, _), path in self.files.items():
            first[channel] = min(first.get(channel, path), path, key=_order)
        return tuple(sorted(first, key=lambda channel: _order(first[channel])))


def find_channel_files(where: str | Path | Sequence[str | Path], pattern: str | None = None) -> list[ChannelFiles]:
    """Find files that hold the channels of one field of view each.

    Parameters
    ----------
    where
        A file (its own field of view is found among the files beside it), a folder (all that are in it, also below
        ``TimePoint_…`` and ``ZStep_…``), a path with ``*``, or the files themselves.
    pattern
        A regular expression with a group ``(?P<channel>…)`` and, where there are stacks or time series, ``(?P<z>…)``
        and ``(?P<t>…)``; ``(?P<skip>…)`` marks what differs and means nothing. It is searched in the path below the
        folder, without the suffix, in any case. Guessed where not said.

    Returns
    -------
    One entry per field of view, by name.

    Raises
    ------
    InputError
        If nothing fits the pattern, or none can be guessed.
    """
    folder, files, only = _listed(where)
    names = {path: path.relative_to(folder).as_posix()[: -len(suffix_of(path) or "")] for path in files}
    if pattern is not None:
        found_fields = _grouped(names, _compiled(pattern), None)
    else:
        # the pattern by which most files find companions; of equals the more specific, which comes first
        tried = [_grouped(names, re.compile(p, re.IGNORECASE), guess) for guess, p in PATTERNS.items()]
        tried = [[field for field in fields if len(field.channels) > 1] for fields in tried]
        if only is not None:
            tried = [[field for field in fields if only in field.files.values()] for fields in tried]
        found_fields = max(tried, key=lambda fields: sum(len(field.files) for field in fields))
    if only is not None:
        found_fields = [field for field in found_fields if only in field.files.values()]
    if not found_fields:
        shown = first_of([path.name for path in (files if only is None else [only])])
        what = "does not fit" if pattern else "could be guessed for"
        raise InputError(
            f"{'The pattern ' + repr(pattern) if pattern else 'No pattern'} {what} the {len(files)} image files in "
            f"{folder} ({shown}). Say what names the channel by a regular "
            f"expression, such as '_(?P<channel>DAPI|GFP)_' or '-(?P<channel>ch\\d+)'."
        )
    return sorted(found_fields, key=lambda field: natural_key(field.name))


def read_joined(
    files: ChannelFiles | Sequence[str | Path],
    axes: str | None = None,
    channels: Sequence[str] | None = None,
) -> Image:
    """Read files that hold one channel each as one image; pixels stay in the files.

    Parameters
    ----------
    files
        What `find_channel_files` found, or the files of one field of view.
    axes
        Axes of each single file, where they are not plain.
    channels
        Names for the channels, in the order of ``ChannelFiles.channels``.

    Raises
    ------
    InputError
        If files are missing, several fields of view came, or files differ in shape or dtype.
    """
    from napari_phenotrans.io.lazy import LazyPixels

    field = files if isinstance(files, ChannelFiles) else _single(find_channel_files(files))
    names = field.channels
    times = sorted({t for t, _, _ in field.files})
    depths = sorted({z for _, _, z in field.files})
    _refuse_missing(field, times, depths)
    firsts = [read_one(field.files[times[0], name, depths[0]], axes) for name in names]
    first = firsts[0]
    _refuse_unequal(firsts)
    counted = [(letter, values) for letter, values in (("T", times), ("Z", depths)) if len(values) > 1]
    clash = [letter for letter, _ in counted if letter in first.axes]
    if clash:
        raise InputError(
            f"The names of {field.name} count {' and '.join(clash)}, and each file has the axes {first.axes} already. "
            f"Say a pattern without it, or the axes of each file."
        )

    # ---- pixels, each plane from its file
    opened = {(times[0], name, depths[0]): image for name, image in zip(names, firsts, strict=True)}

    def read(position: tuple[int, ...], within: Within) -> np.ndarray:
        at = dict(zip([*(letter for letter, _ in counted), "C"], position, strict=True))
        key = times[at.get("T", 0)], names[at["C"]], depths[at.get("Z", 0)]
        image = opened[key] if key in opened else read_one(field.files[key], axes)
        if image.pixels.shape != first.pixels.shape or image.dtype != first.dtype:
            raise InputError(
                f"{image.path} has shape {image.pixels.shape} and dtype {image.dtype}; {first.path}, to which it was "
                f"joined, has {first.pixels.shape} and {first.dtype}. Leave it out, or say another pattern."
            )
        part: np.ndarray = image.pixels[within]
        return part

    pixels = LazyPixels(
        (*(len(values) for _, values in counted), len(names), *first.pixels.shape),
        first.dtype,
        len(counted) + 1,
        read,
        path=field.files[times[0], names[0], depths[0]],
        expected="the files of one field of view",
    )

    # ---- names, as the files state them where they do
    stated = [image.channels[0] if not re.fullmatch(r"channel \d+", image.channels[0]) else "" for image in firsts]
    named = tuple(stated) if all(stated) and len(set(stated)) == len(stated) else names
    return first.replace(
        pixels=pixels,
        axes="".join(letter for letter, _ in counted) + "C" + first.axes,
        channels=tuple(channels) if channels else named,
        colors=tuple(image.colors[0] for image in firsts),
        path=field.files[times[0], names[0], depths[0]],
        notes=(*first.notes, _joining_note(field, named, firsts)),
        pyramid=(),
    )


def _refuse_missing(field: ChannelFiles, times: Sequence[int], depths: Sequence[int]) -> None:
    names = field.channels
    missing = [(t, c, z) for t in times for c in names for z in depths if (t, c, z) not in field.files]
    if missing:
        t, c, z = missing[0]
        raise InputError(
            f"{field.name} lacks {len(missing)} of {len(times) * len(names) * len(depths)} files: the first has "
            f"channel {c}, t={t}, z={z}. Add what is missing, or say another pattern than {field.pattern!r}."
        )


def _refuse_unequal(images: Sequence[Image]) -> None:
    first = images[0]
    for image in images:
        alike = (image.axes, image.pixels.shape, image.dtype) == (first.axes, first.pixels.shape, first.dtype)
        if "C" in image.axes or not alike:
            raise InputError(
                f"{image.path} (axes {image.axes}, shape {image.pixels.shape}, {image.dtype}) cannot be joined to "
                f"{first.path} (axes {first.axes}, shape {first.pixels.shape}, {first.dtype}). Expected one channel "
                f"per file, and the same shape and dtype in all."
            )


def _joining_note(field: ChannelFiles, names: Sequence[str], images: Sequence[Image]) -> str:
    """Return how files were joined, in a sentence."""
    how = f"a pattern guessed from the names ({field.guess})" if field.guess else "the said pattern"
    pairs = zip(names, images, strict=True)
    paired = ", ".join(f"{name} = {image.path.name if image.path else ''}" for name, image in pairs)
    return (
        f"{len(field.files)} files were joined to one image by {how}: {field.pattern} – {paired}. If that is wrong, "
        f"say the pattern, with (?P<channel>…)."
    )


def _single(fields: list[ChannelFiles]) -> ChannelFiles:
    if len(fields) > 1:
        names = first_of([field.name for field in fields])
        raise InputError(
            f"{len(fields)} fields of view were found, one was expected: {names}. Name one file of "
            f"the wanted one, or a pattern such as A01*."
        )
    return fields[0]


def _listed(where: Any) -> tuple[Path, list[Path], Path | None]:
    """Return a folder, the readable files to look at, and the one file that was named, if one was."""
    only: Path | None = None
    if not isinstance(where, str | Path):
        files = [Path(path) for path in where]
    elif Path(where).is_dir():
        files = list(_inside(Path(where)))
    elif Path(where).exists():
        only = Path(where)
        files = list(_inside(only.parent))
    else:
        files = [Path(path) for path in glob.glob(str(where))]
    files = sorted((path for path in files if readable(path) and "_thumb" not in path.name), key=_order)
    if not files:
        raise InputError(f"There are no image files at {where}. Check the path.")
    folder = Path(where) if isinstance(where, str | Path) and Path(where).is_dir() else files[0].parent
    while not all(path.is_relative_to(folder) for path in files):
        folder = folder.parent
    return folder, files, only


def _inside(folder: Path) -> Iterable[Path]:
    for path in folder.iterdir():
        if path.is_dir() and re.fullmatch(r"(TimePoint|ZStep)_\d+", path.name, re.IGNORECASE):
            yield from _inside(path)
        elif path.is_file() and not path.name.startswith("."):
            yield path


def _compiled(pattern: str) -> re.Pattern[str]:
    try:
        compiled = re.compile(pattern, re.IGNORECASE)
    except re.error as error:
        raise InputError(f"{pattern!r} is no regular expression: {error}. Expected one with (?P<channel>…).") from error
    if "channel" not in compiled.groupindex:
        raise InputError(f"{pattern!r} says no channel. Expected a group, as in '_(?P<channel>w\\d)'.")
    return compiled


def _grouped(names: dict[Path, str], pattern: re.Pattern[str], guess: str | None) -> list[ChannelFiles]:
    fields: dict[str, dict[tuple[int, str, int], Path]] = {}
    for path, name in names.items():
        match = pattern.search(name)
        if match is None:
            continue
        groups = match.groupdict()
        spans = sorted(match.span(group) for group, text in groups.items() if text is not None)
        common, end = "", 0
        for start, stop in spans:
            common, end = f"{common}{name[end:start]}*", max(end, stop)
        files = fields.setdefault(re.sub(r"\*+", "*", common + name[end:]), {})
        key = (_count(groups, "t"), groups["channel"], _count(groups, "z"))
        if key in files and guess is not None:
            return []
        if key in files:
            raise InputError(
                f"{path} and {files[key]} are both channel {key[1]} at t={key[0]}, z={key[2]} by the pattern "
                f"{pattern.pattern!r}. Say one that tells them apart."
            )
        files[key] = path
    return [ChannelFiles(name, files, pattern.pattern, guess) for name, files in fields.items()]


def _order(path: Path) -> list[tuple[int, str]]:
    return natural_key(path.as_posix())


def _count(groups: dict[str, str | None], group: str) -> int:
    return int(re.sub(r"\D", "", groups.get(group) or "") or 0)
