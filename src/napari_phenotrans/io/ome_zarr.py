"""OME-Zarr 0.1 to 0.5: images, containers of images and, refused with directions, plates."""

from __future__ import annotations

import warnings
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
import zarr
from zarr.errors import ContainsArrayError, GroupNotFoundError, NodeNotFoundError, ZarrUserWarning

from napari_phenotrans.core.errors import InputError
from napari_phenotrans.io.axes import settle
from napari_phenotrans.io.display import noted_colors, noted_display
from napari_phenotrans.io.lazy import LazyPixels, naming_damage
from napari_phenotrans.io.metadata import Facts, make_image, remarks, unit_symbol
from napari_phenotrans.io.size_limit import refuse_larger
from napari_phenotrans.io.zarr_chunks import SPARSE, Chunks, finish_reading, missing_text, refuse_foreign_metadata

if TYPE_CHECKING:
    from pathlib import Path

    from napari_phenotrans.core.image import Image
    from napari_phenotrans.io.lazy import Within

EXPECTED = "an OME-Zarr image"
ANNOTATION = "napari-phenotrans"
_KINDS = (ContainsArrayError, GroupNotFoundError, NodeNotFoundError)
_SHOWN = 6


def read_ome_zarr(path: Path, axes: str | None = None, series: int = 0, missing_as_zero: bool = False) -> Image:
    """Open an OME-Zarr image; pixels stay in the folder.

    Parameters
    ----------
    path
        The folder, or one inside it (a field of a plate).
    axes
        The axes that the user said.
    series
        Which of several images in a container that Bio-Formats wrote.
    missing_as_zero
        Whether chunks that are not there are taken as the array's fill value, which most often is 0.

    Raises
    ------
    InputError
        If the folder is no OME-Zarr, is a plate, its axes cannot be mapped, or it lacks chunks.
    """
    with naming_damage(path, EXPECTED, *_KINDS), warnings.catch_warnings():
        # zarr complains of what other writers did, which is no concern of the user's
        warnings.simplefilter("ignore", ZarrUserWarning)
        refuse_foreign_metadata(path)
        node: Any = zarr.open(path, mode="r")
        attributes = _ome(node)
        notes: list[str] = []
        if isinstance(node, zarr.Array):
            letters, guessed = settle(path, _unnamed_axes(node.shape), node.shape, axes)
            pixels = _lazy(path, node, missing_as_zero, notes)
            return make_image(pixels, letters, Facts(), path, notes=(*guessed, *notes))
        if "plate" in attributes or "well" in attributes:
            raise InputError(_directions(path, node, attributes))
        if "bioformats2raw.layout" in attributes and "multiscales" not in attributes:
            present = sorted((name for name in node.group_keys() if name.isdigit()), key=int)
            if str(series) not in present:
                raise InputError(f"{path} holds the images {', '.join(present) or 'none'}; {series} was asked for.")
            if len(present) > 1:
                notes.append(f"The folder holds {len(present)} images; number {series} was read.")
            node = node[str(series)]
            attributes = _ome(node)
        if not attributes.get("multiscales"):
            inside = ", ".join(sorted(node.keys())[:_SHOWN]) or "nothing"
            raise InputError(
                f"{path} is a Zarr group without an OME-Zarr image (no 'multiscales'). Inside it: {inside}. Choose the "
                f"folder of an image."
            )
        image = attributes["multiscales"][0]
        arrays = [node[str(entry["path"])] for entry in image["datasets"]]
        stated, units = _axes(image, arrays[0].shape)
        letters, guessed = settle(path, stated, arrays[0].shape, axes)
        ours = attributes.get(ANNOTATION) or {}
        described = str(ours.get("description", ""))
        notes += remarks(ours.get("provenance") or {})
        facts = _facts(image, attributes.get("omero") or {}, stated, units, described)
        facts = replace(
            facts,
            colors=noted_colors(ours.get("colors"), facts.colors),
            display=noted_display(ours.get("display")),
            provenance={str(k): str(v) for k, v in (ours.get("provenance") or {}).items()},
        )
        fitting = [array for array in arrays if array.ndim == arrays[0].ndim]
        levels = [_lazy(path, array, missing_as_zero, notes if array is arrays[0] else []) for array in fitting]
    return make_image(levels[0], letters, facts, path, pyramid=tuple(levels[1:]), notes=(*notes, *guessed))


def zarr_provenance(path: Path) -> dict[str, str]:
    """Return the provenance that `write` noted in an OME-Zarr, empty for other folders."""
    with naming_damage(path, EXPECTED, *_KINDS):
        refuse_foreign_metadata(path)
        noted: Any = dict(zarr.open(path, mode="r").attrs).get(ANNOTATION) or {}
    return {str(k): str(v) for k, v in (noted.get("provenance") or {}).items()}


def _ome(node: zarr.Group | zarr.Array[Any]) -> dict[str, Any]:
    """Return the OME attributes: at the top up to 0.4, under "ome" since 0.5."""
    attributes: dict[str, Any] = dict(node.attrs)
    return {**attributes, **attributes.get("ome", {})}


def _unnamed_axes(shape: tuple[int, ...]) -> str:
    return "I" * (len(shape) - 2) + "YX"


def _axes(image: dict[str, Any], shape: tuple[int, ...]) -> tuple[str, dict[str, str]]:
    """Return the letters of the axes and the unit of each that has one."""
    axes = image.get("axes")
    if axes is None:  # before 0.3 every image was TCZYX
        return ("TCZYX" if len(shape) == 5 else _unnamed_axes(shape)), {}
    entries = [{"name": axis} if isinstance(axis, str) else axis for axis in axes]
    letters = [str(entry.get("name", "?")).upper() for entry in entries]
    # a name such as "channel" or "time" says by its first letter what its type says
    letters = [a if len(a) == 1 else a[0] if a in ("CHANNEL", "TIME") else "?" for a in letters]
    units = {a: str(entry["unit"]) for a, entry in zip(letters, entries, strict=True) if entry.get("unit")}
    return "".join(letters), units


def _facts(image: dict[str, Any], omero: dict[str, Any], axes: str, units: dict[str, str], described: str) -> Facts:
    scale = np.ones(len(axes))
    for transform in (image["datasets"][0].get("coordinateTransformations"), image.get("coordinateTransformations")):
        for step in transform or ():
            if step.get("type") == "scale" and len(step.get("scale", ())) == len(axes):
                scale = scale * np.asarray(step["scale"], float)
    origin = np.zeros(len(axes))
    moved = False
    for transform in (image["datasets"][0].get("coordinateTransformations"), image.get("coordinateTransformations")):
        for step in transform or ():
            values = step.get(step.get("type"), ())
            if step.get("type") == "scale" and len(values) == len(axes):
                origin = origin * np.asarray(values, float)
            if step.get("type") == "translation" and len(values) == len(axes):
                origin, moved = origin + np.asarray(values, float), True
    steps = {a: (float(s), units[a]) for a, s in zip(axes, scale, strict=True) if a in units}
    notes = []
    if steps.get("X") is None and any(s != 1 for a, s in zip(axes, scale, strict=True) if a in "YX"):
        notes.append("The file scales its pixels but says no unit, so the pixel size is unknown.")
    channels = omero.get("channels") or ()
    return Facts(
        channels=tuple(str(channel["label"]) if "label" in channel else None for channel in channels),
        colors=tuple(_color(channel.get("color")) for channel in channels),
        x=steps.get("X") if unit_symbol(units.get("X")) else None,
        y=steps.get("Y") if unit_symbol(units.get("Y")) else None,
        z=steps.get("Z"),
        interval=steps.get("T"),
        origin={
            a: (float(o), units[a]) for a, o in zip(axes, origin, strict=True) if moved and a in "ZYX" and a in units
        },
        description=described,
        notes=tuple(notes),
    )


def _color(value: Any) -> str | None:
    digits = str(value or "").lstrip("#").lower()[:6]
    return f"#{digits}" if len(digits) == 6 and set(digits) <= set("0123456789abcdef") else None


def _lazy(path: Path, array: zarr.Array[Any], missing_as_zero: bool, notes: list[str]) -> LazyPixels:
    """Return an array's pixels; some chunks that are not there are refused now, or else when they are read."""
    refuse_larger(path, "a chunk", array.shards or array.chunks, array.dtype.itemsize)
    chunks = Chunks(path, array)
    sparse = bool(array.attrs.get(SPARSE))
    absent = chunks.missing()
    if absent > 0 and (sparse or missing_as_zero):
        why = "the image states that it is sparse" if sparse else "as was said"
        notes.append(f"{absent} of {chunks.count} chunks are not there and were taken as {array.fill_value}: {why}.")
    elif 0 < absent < chunks.count:
        raise InputError(missing_text(path, absent, chunks.count))
    elif absent:
        notes.append(f"None of its {chunks.count} chunks of pixels is there.")

    def read(_: tuple[int, ...], within: Within) -> np.ndarray:
        if not sparse and not missing_as_zero:
            chunks.refuse_missing(within)
        try:
            return np.asarray(array[within])
        except Exception:
            finish_reading()
            raise

    return LazyPixels(
        array.shape, array.dtype, 0, read, path=path, expected=EXPECTED, chunks=tuple(array.chunks), kinds=_KINDS
    )


def _fields(well: zarr.Group) -> list[str]:
    stated = [image["path"] for image in _ome(well).get("well", {}).get("images", ())]
    return stated or [name for name, group in well.groups() if "multiscales" in _ome(group)]


def _directions(path: Path, node: Any, attributes: dict[str, Any]) -> str:
    """Say which folders of a plate or well can be opened."""
    wells = [well["path"] for well in attributes.get("plate", {}).get("wells", ())]
    fields = [] if wells else _fields(node)
    for well in wells[:_SHOWN]:
        fields += [f"{well}/{name}" for name in (_fields(node[well]) if well in node else ())]
    listed = "\n".join(f"  {path / field}" for field in fields[:_SHOWN])
    return (
        f"{path} is a {'plate' if wells or 'plate' in attributes else 'well'} of {len(wells) or 1} well(s), not one "
        f"image. Open one of its fields of view:\n{listed or '  (none found inside)'}"
        + ("\n  …" if len(fields) > _SHOWN or len(wells) > _SHOWN else "")
    )
