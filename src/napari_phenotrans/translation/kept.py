"""A comparison that was kept: one folder with an image file for each thing that is compared, and how it was shown."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from napari_phenotrans.core.errors import InputError
from napari_phenotrans.core.kinds import DIFFERENCE, FILE_WORDS, REAL, TRANSLATED
from napari_phenotrans.io.atomic import replacing

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from napari_phenotrans.core.image import Image

#: What the folder's name ends in, and the file in it that says what is what.
SUFFIX, ABOUT = ".phenotrans", "comparison.json"
_VERSION = 1


@dataclass(frozen=True)
class Kept:
    """What stands in a kept comparison.

    Attributes
    ----------
    folder
        Where it lies.
    images
        File of each kind, out of `napari_phenotrans.core.kinds`: at least real, translated and difference.
    shown
        How it was shown: ``view``, ``difference`` and, by kind, ``layers`` with what files of images do not hold.
    """

    folder: Path
    images: dict[str, Path]
    shown: dict[str, Any] = field(default_factory=dict)


def is_kept(path: Path) -> bool:
    """Return whether a path is a kept comparison, or the file in one that says what is what."""
    return (path.is_dir() and (path / ABOUT).is_file()) or (path.name == ABOUT and path.is_file())


def kept_folder(parent: Path, stem: str, target: str) -> Path:
    """Return the folder in which a comparison of an image is kept: ``<image>_to_<condition>.phenotrans``."""
    # a condition may be called by characters that no file may be
    word = "".join("_" if character in '\\/:*?"<>|' or character.isspace() else character for character in target)
    return parent / f"{stem}_to_{word or 'target'}{SUFFIX}"


def keep(
    folder: Path,
    names: Mapping[str, str],
    shown: Mapping[str, Any],
    write_image: Callable[[str, Path], None],
    *,
    overwrite: bool = False,
) -> Iterator[str]:
    """Write a comparison; the folder appears when it is complete, and yields each kind once its file is written.

    Parameters
    ----------
    folder
        See `kept_folder`.
    names
        Name of the file for each kind.
    shown
        As of `Kept`.
    write_image
        Called with a kind and the file to write.
    overwrite
        Whether a comparison that is there may be replaced.

    Raises
    ------
    InputError
        If the folder is there, or cannot be written.
    """
    with replacing(folder, overwrite=overwrite) as temporary:
        temporary.mkdir()
        for kind, name in names.items():
            write_image(kind, temporary / name)
            yield kind
        about = {"napari-phenotrans comparison": _VERSION, "images": dict(names), "shown": dict(shown)}
        (temporary / ABOUT).write_text(json.dumps(about, indent=1, ensure_ascii=False), encoding="utf-8")


def read_kept(path: Path) -> Kept:
    """Read what a kept comparison is, by its folder or the file in it; its images are not opened.

    Raises
    ------
    InputError
        If it is none, or a file of it is gone.
    """
    folder = path if path.is_dir() else path.parent
    try:
        said = json.loads((folder / ABOUT).read_text(encoding="utf-8"))
        version, named = said["napari-phenotrans comparison"], dict(said["images"])
        shown = dict(said.get("shown") or {})
        # a file is one of this folder, whoever wrote the text
        images = {str(kind): folder / Path(str(name)).name for kind, name in named.items()}
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise InputError(
            f"{folder} is no comparison that was kept: its {ABOUT} cannot be read ({error}). Open its images one by "
            f"one."
        ) from error
    if not isinstance(version, int) or version > _VERSION:
        raise InputError(f"{folder} was kept by a later version of napari-phenotrans. Update it, or open its images.")
    lacking = [kind for kind in (REAL, TRANSLATED, DIFFERENCE) if kind not in images]
    gone = [file.name for file in images.values() if not file.exists()]
    if lacking or gone:
        raise InputError(
            f"{folder} is not whole: {', '.join(lacking or gone)} is missing. Get the whole folder again, or open its "
            f"images one by one."
        )
    return Kept(folder, {kind: file for kind, file in images.items() if kind in FILE_WORDS}, shown)


def open_kept(kept: Kept) -> dict[str, Image]:
    """Open the images of a kept comparison; pixels stay in the files.

    Raises
    ------
    InputError
        If one cannot be read, or they do not go together.
    """
    from napari_phenotrans.io import read

    images = {kind: read(file) for kind, file in kept.images.items()}
    first = images[TRANSLATED]
    planes = {letter: n for letter, n in first.sizes.items() if letter != "C"}
    for kind, image in images.items():
        # what a completion drew may be absent in the real image
        channels = set(image.channels) <= set(first.channels) if kind == REAL else image.channels == first.channels
        if not channels or {letter: n for letter, n in image.sizes.items() if letter != "C"} != planes:
            raise InputError(
                f"{kept.images[kind]} does not go with {kept.images[TRANSLATED].name}: it has {list(image.channels)} "
                f"with {image.sizes}, not {list(first.channels)} with {first.sizes}. Get the whole folder again."
            )
    return images
