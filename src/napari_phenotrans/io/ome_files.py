"""Which files an OME-XML block refers to: those it may, and which of its images have planes in which."""

from __future__ import annotations

from pathlib import Path, PurePosixPath, PureWindowsPath
from typing import TYPE_CHECKING

from napari_phenotrans.core.errors import InputError

if TYPE_CHECKING:
    from napari_phenotrans.io.ome_xml import OmeXml


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
