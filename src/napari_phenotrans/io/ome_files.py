"""Which files an OME-XML block refers to: those it may, and which of its images have planes in which."""

from __future__ import annotations

from pathlib import Path, PurePosixPath, PureWindowsPath
from typing import TYPE_CHECKING

from napari_phenotrans.core.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from napari_phenotrans.io.ome_xml import OmeXml

COMPANION = ".companion.ome"
_TIFF = (".tif", ".tiff", ".tf2", ".tf8", ".btf")


def refuse_foreign(path: Path, ome: OmeXml) -> None:
    """Refuse a block that refers to what does not lie beside its file, or is no file of bytes.

    Raises
    ------
    InputError
        Naming the reference.
    """
    # what has the file's own identity is read from it, whatever name is written there
    named = {name for i in range(len(ome.images)) for name, uuid in ome.planes_in(i) if name and uuid != ome.uuid}
    named |= {ome.companion} if ome.companion else set()
    for name in sorted(named):
        parts = PureWindowsPath(name).parts
        absolute = PurePosixPath(name).is_absolute() or PureWindowsPath(name).is_absolute() or ":" in parts[0]
        if absolute or parts[0] in ("/", "\\\\") or ".." in parts:
            raise InputError(
                f"{path} refers to {name!r} for its planes, which does not lie beside it. An image reads only itself: "
                f"put the files of a set into one folder, and write it anew from there."
            )
        target = path.parent / name
        if target.exists() and not target.is_file():
            raise InputError(
                f"{path} refers to {name!r} for its planes, which is no file. Remove it, or get the set anew."
            )


def images_by_file(path: Path, ome: OmeXml) -> tuple[list[int], list[int]]:
    """Return the images that have planes in this file, and those that have some in other files that are there."""
    own, others = [], []
    for index in range(len(ome.images)):
        planes = ome.planes_in(index)
        here = [
            name is None or uuid == ome.uuid is not None or name.casefold() == path.name.casefold()
            for name, uuid in planes
        ]
        if any(here):
            own.append(index)
        elif any(name and (path.parent / name).is_file() for name, _ in planes):
            others.append(index)
    return own, others


def once_per_set(paths: Sequence[Path]) -> list[Path]:
    """Leave out files that are read as part of an image that an earlier file of the same OME-TIFF set gives already.

    Files that cannot be read stay, for reading names what is wrong with them.
    """
    there = {path.name for path in paths}
    kept: list[Path] = []
    seen: set[tuple[Path, int, tuple[str, ...]]] = set()
    for path in paths:
        ome = _described(path)
        if ome is None:
            kept.append(path)
            continue
        own = images_by_file(path, ome)[0]
        index = own[0] if own else 0
        files = sorted({name for name, _ in ome.planes_in(index) if name}) if ome.images else []
        if path.name.lower().endswith(COMPANION):
            # its files are read by themselves, each with this description
            kept += [] if there & set(ome.files()) else [path]
        elif len(files) < 2:
            kept.append(path)
        elif (path.parent, index, tuple(files)) not in seen:
            seen.add((path.parent, index, tuple(files)))
            kept.append(path)
    return kept


def _described(path: Path) -> OmeXml | None:
    """Return the OME-XML that a file is read by, None where it has none or cannot be read."""
    import tifffile

    from napari_phenotrans.io.ome_xml import OmeXml, read_companion

    name = path.name.lower()
    if not path.is_file() or ".ome." not in name + "." or not name.endswith((COMPANION, *_TIFF)):
        return None
    try:
        if name.endswith(COMPANION):
            return read_companion(path)[0]
        with tifffile.TiffFile(path) as tif:
            ome = OmeXml.parse(tif.ome_metadata) if tif.ome_metadata else None
        if ome is not None and ome.companion:
            companion = path.with_name(ome.companion)
            return read_companion(companion)[0] if companion.is_file() else None
    except (OSError, ValueError, tifffile.TiffFileError):
        return None
    return ome
