"""Provenance as it may leave this machine: files by name and by what is in them, never by where they lie."""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

from napari_phenotrans.core.digests import content_sha256
from napari_phenotrans.core.kinds import FILE_WORDS, MADE, kind_of

if TYPE_CHECKING:
    from collections.abc import Mapping

# Entries that are paths while the program runs.
_PATHS = ("real", "checkpoint file", "family")
_PATH_LISTS = ("training files",)
REAL_DIGEST = "real sha256"
# Where it stands, the pixels themselves are known by their digest, and the file need not be read once more.
PIXELS_DIGEST = "made from"


def portable(metadata: Mapping[str, Any] | None, *, read: bool = True) -> dict[str, Any]:
    """Return provenance without the folders of this machine.

    Parameters
    ----------
    metadata
        What `Translator.provenance` returned, or any names and values.
    read
        Whether the real image's file is read for its digest, where that is not known yet.
    """
    found = dict(metadata or {})
    for name in _PATH_LISTS:
        if name in found:
            # checkpoints of a family are called alike, their folders not
            found[name] = ["/".join(Path(str(path)).parts[-2:]) for path in found[name]]
    paths = {name: Path(str(found[name])) for name in _PATHS if found.get(name)}
    real = paths.get("real")
    known = REAL_DIGEST in found or PIXELS_DIGEST in found
    if read and real is not None and not known and real.is_absolute():
        # a file that is gone, or a name with *: known by its name alone
        with suppress(OSError):
            found[REAL_DIGEST] = content_sha256(real) if real.exists() else ""
    folders = sorted({str(path.parent) for path in paths.values() if path.is_absolute()}, key=len, reverse=True)
    return {
        name: paths[name].name if name in paths else _without(value, folders)
        for name, value in found.items()
        if name != REAL_DIGEST or value
    }


def titled(name: str, metadata: Mapping[str, Any]) -> str:
    """Return what an image is called inside its file: what it is, where its file's name does not say so."""
    kind = kind_of(metadata)
    said = FILE_WORDS.get(kind, kind).replace("_", " ").replace("-", " ")
    plain = name.casefold().replace("_", " ").replace("-", " ")
    return name if kind not in MADE or said in plain else f"{name} ({kind})"


def _without(value: Any, folders: list[str]) -> Any:
    """Return text, or what holds texts, in which these folders are left out."""
    if isinstance(value, str):
        for folder in folders:
            value = value.replace(folder.rstrip(os.sep) + os.sep, "")
        return value
    if isinstance(value, dict):
        return {name: _without(inner, folders) for name, inner in value.items()}
    if isinstance(value, list | tuple):
        return [_without(inner, folders) for inner in value]
    return value
