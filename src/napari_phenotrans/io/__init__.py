"""Reading and writing images: ``read(path) -> Image``, ``write(image, path)``.

Importing this package is cheap: tifffile, zarr and the like are imported by the first file that needs them. Pixels
stay in their files until they are sliced (`LazyPixels`), and no file stays open in between.
"""

from __future__ import annotations

from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any

from napari_phenotrans.core.errors import InputError
from napari_phenotrans.core.text import first_of
from napari_phenotrans.io.atomic import replacing
from napari_phenotrans.io.channel_files import ChannelFiles, find_channel_files, read_joined
from napari_phenotrans.io.formats import FORMATS, WRITERS, format_of, refuse_dtype
from napari_phenotrans.io.portable import portable, titled
from napari_phenotrans.io.registry import READERS, is_zarr, read_one, readable, suffix_of

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from napari_phenotrans.core.image import Image

__all__ = [
    "FORMATS",
    "READERS",
    "WRITERS",
    "ChannelFiles",
    "find_channel_files",
    "provenance",
    "read",
    "read_joined",
    "readable",
    "write",
]


def read(
    path: str | Path | Sequence[str | Path],
    *,
    axes: str | None = None,
    channels: Sequence[str] | None = None,
    join: bool | str = False,
    series: int = 0,
    missing_as_zero: bool = False,
) -> Image:
    """Open an image; its pixels stay in the file until they are used.

    A file is read as it is, unless ``join`` asks for the channels that lie in files beside it. A folder, a path with
    ``*`` or several files are joined to one image.

    Parameters
    ----------
    path
        File, Zarr folder, folder of files with one channel each, path with ``*``, or such files.
    axes
        Letters out of TZCYX for the axes of the file (of each file, where files are joined), in place of what it says.
    channels
        Names in place of the file's.
    join
        True joins files by a pattern that is guessed from their names; a regular expression with ``(?P<channel>…)``,
        and ``(?P<z>…)`` and ``(?P<t>…)`` where needed, says the pattern. See `find_channel_files`.
    series
        Which image of a file that holds several, from 0.
    missing_as_zero
        Whether an OME-Zarr may lack chunks, which are then taken as zero; they are an error otherwise.

    Returns
    -------
    The image; what had to be guessed stands in its ``notes``.

    Raises
    ------
    InputError
        If there is no such file, it is damaged or of no known kind, axes or names do not fit it, or the files to join
        are several fields of view.

    Examples
    --------
    >>> import napari_phenotrans as pt
    >>> from napari_phenotrans.io.samples import SAMPLES
    >>> image = pt.read(SAMPLES["bbbc013-untreated"].path)
    >>> image.axes, image.dtype.name, image.plane().shape
    ('CYX', 'uint8', (2, 640, 640))

    Files that hold a channel each are joined, and channels get other names:

    >>> import numpy as np
    >>> for channel in ("w1", "w2"):
    ...     _ = pt.write(pt.Image(np.zeros((8, 8), np.uint16), "YX"), f"A01_{channel}.tif")
    >>> pt.read("A01_w1.tif", join=True).channels
    ('w1', 'w2')
    >>> pt.read(["A01_w1.tif", "A01_w2.tif"], channels=["DNA", "actin"]).channels
    ('DNA', 'actin')
    """
    if not isinstance(path, str | Path) and len(path) == 1:
        path = path[0]
    many = {"missing_as_zero": True} if missing_as_zero else {}
    single = Path(path) if isinstance(path, str | Path) else None
    reading: dict[str, Any] = {name: value for name, value in (("axes", axes), ("series", series)) if value} | many
    special = single is not None and single.exists() and not single.is_file() and not single.is_dir()
    if single is not None and (special or (not join and (single.is_file() or (single.is_dir() and is_zarr(single))))):
        image = read_one(single, axes, series, missing_as_zero=missing_as_zero)
    elif single is not None and not single.exists() and not set("*?[") & set(str(single)):
        raise InputError(f"There is no file {single}. Check the path.")
    elif single is not None and single.is_dir() and readable(single):
        image = read_one(single, axes, series, missing_as_zero=missing_as_zero)
    else:
        fields = find_channel_files(path, join if isinstance(join, str) else None)
        if len(fields) > 1:
            shown = first_of([field.name for field in fields])
            raise InputError(
                f"{path} holds {len(fields)} fields of view ({shown}), one was expected. Name one file of the wanted "
                f"one and join the files beside it."
            )
        image = read_joined(fields[0], axes)
        reading["join"] = join or True
    image = image.replace(reading=reading)
    return image if channels is None else _with_channels(image, channels)


def _with_channels(image: Image, channels: Sequence[str]) -> Image:
    """Return the image with other names of its channels, told apart where one comes twice."""
    if len(channels) != len(image.channels):
        raise InputError(
            f"{len(channels)} channel names were said ({', '.join(channels)}) for {image.path}, which has "
            f"{len(image.channels)} ({', '.join(image.channels)}; axes {image.axes}, sizes {image.sizes})."
        )
    from napari_phenotrans.core.image import told_apart

    names, note = told_apart(tuple(channels))
    return image.replace(channels=names, notes=(*image.notes, *([note] if note else [])))


def write(
    image: Image,
    path: str | Path,
    *,
    format: str | None = None,
    overwrite: bool = False,
    pyramid: bool = False,
    metadata: Mapping[str, Any] | None = None,
) -> Path:
    """Write an image with its dtype, axes, names, colors, pixel size, unit, and how it was made.

    Planes are read and written one at a time. The file appears under its name when it is complete.

    Parameters
    ----------
    image
        The image; lazy pixels stay lazy.
    path
        ``.ome.tif``, ``.ome.tiff``, ``.ome.zarr``, or ``.tif`` and ``.tiff`` for a hyperstack of ImageJ.
    format
        One of `FORMATS`, where the suffix leaves it open: ``ome-zarr-0.5``.
    overwrite
        Whether something under that name may be replaced.
    pyramid
        Add smaller versions, for viewers of large images.
    metadata
        Provenance: names and values, which are written as text (JSON where they are none); the image's own where none
        is given. `provenance` reads it.

    Returns
    -------
    The path.

    Raises
    ------
    InputError
        If the suffix is unknown, the path exists and may not be replaced, cannot be written, or the format cannot hold
        the pixels.

    Examples
    --------
    >>> import numpy as np
    >>> import napari_phenotrans as pt
    >>> image = pt.Image(np.zeros((2, 16, 16), np.uint16), "CYX", ("DNA", "GFP"), pixel_size_um=0.65, unit="µm")
    >>> pt.write(image, "well.ome.tif").name
    'well.ome.tif'
    >>> pt.read("well.ome.tif").pixel_size_um
    0.65
    """
    path = Path(path)
    key = checked_format(path.name, format)
    refuse_dtype(image.dtype, key)
    with replacing(path, overwrite=overwrite) as temporary:
        write_as(path.name, image, temporary, format=key, pyramid=pyramid, metadata=metadata)
    return path


def checked_format(name: str, format: str | None = None) -> str:
    """Return which of `FORMATS` a file of this name is written in.

    Raises
    ------
    InputError
        If there is no such format, or the name is none of its files'.
    """
    if format is not None and format not in FORMATS:
        raise InputError(f"There is no format {format!r} to write: expected one of {', '.join(FORMATS)}.")
    key = format or format_of(name)
    if key is None or not name.lower().endswith(FORMATS[key].suffixes):
        expected = FORMATS[key].suffixes if key else WRITERS
        raise InputError(f"{name} cannot be written: expected a name that ends in {', '.join(expected)}.")
    return key


def write_as(
    name: str,
    image: Image,
    file: Path,
    *,
    format: str | None = None,
    pyramid: bool,
    metadata: Mapping[str, Any] | None,
) -> None:
    """Write an image to a file that is not there yet and gets the name ``name``; other parameters as of `write`."""
    from napari_phenotrans.io.write_planes import halvings

    key = checked_format(name, format)
    refuse_dtype(image.dtype, key)
    suffix = next(suffix for suffix in FORMATS[key].suffixes if name.lower().endswith(suffix))
    module, function = FORMATS[key].writer.split(":")
    writer = getattr(import_module(f"napari_phenotrans.io.{module}"), function)
    levels = halvings(image) if pyramid else 0
    own = image.provenance
    # what an image is stands in it, whatever is said of how it was made
    kind = {entry: own[entry] for entry in ("kind", "unit") if entry in own}
    noted = portable(own if metadata is None else kind | dict(metadata))
    writer(image, file, levels=levels, metadata=noted, name=titled(name[: -len(suffix)], noted))


def provenance(path: str | Path) -> dict[str, str]:
    """Return what `write` was given as metadata, as text; empty for files of other origin.

    Raises
    ------
    InputError
        If the file cannot be read.
    """
    path = Path(path)
    reader_name = READERS.get((suffix_of(path) or "").lower(), "")
    found: dict[str, str] = {}
    if reader_name.startswith("tiff:"):
        found = import_module("napari_phenotrans.io.tiff").tiff_provenance(path)
    elif reader_name.startswith("ome_zarr:") or is_zarr(path):
        found = import_module("napari_phenotrans.io.ome_zarr").zarr_provenance(path)
    return found
