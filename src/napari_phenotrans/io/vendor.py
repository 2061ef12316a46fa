"""Formats of microscope makers, by libraries that are installed with ``napari-phenotrans[formats]``.

ND2 by nd2 (BSD-3-Clause), LIF by liffile (BSD-3-Clause), CZI by pylibCZIrw (LGPL-3.0). Files are opened anew for each
slicing, so that none stays open.
"""

from __future__ import annotations

import threading
from dataclasses import replace
from importlib import import_module
from typing import TYPE_CHECKING, Any
from xml.etree import ElementTree

import numpy as np

from napari_phenotrans.core.errors import InputError
from napari_phenotrans.core.text import first_of
from napari_phenotrans.io.axes import settle
from napari_phenotrans.io.lazy import LazyPixels, naming_damage
from napari_phenotrans.io.metadata import Facts, make_image, plain_color

if TYPE_CHECKING:
    from pathlib import Path
    from types import ModuleType

    from napari_phenotrans.core.image import Image
    from napari_phenotrans.io.lazy import Within

_SAMPLES = ("red", "green", "blue")


def read_nd2(path: Path, axes: str | None = None, series: int = 0) -> Image:
    """Open a Nikon ND2 file; ``series`` is the stage position.

    Raises
    ------
    InputError
        If nd2 is not installed, the file is damaged, or its axes cannot be mapped.
    """
    nd2 = _library("nd2", path)
    with naming_damage(path, "an ND2 file"), nd2.ND2File(path) as file:
        sizes = {letter: n for letter, n in file.sizes.items() if letter in "CYXS"}
        looped = {letter: n for letter, n in file.sizes.items() if letter not in sizes}
        size, dtype = file.voxel_size(), file.dtype
        metadata = file.metadata
        channels = [channel.channel for channel in (getattr(metadata, "channels", None) or ())]
        period = next((p for p in map(_period_ms, file.experiment) if p), None)
        loops = {letter: n for letter, n in file.sizes.items() if letter not in sizes}
        first = [min(series, n - 1) if letter == "P" else 0 for letter, n in loops.items()]
        stage = _stage_um(file, int(np.ravel_multi_index(first, tuple(loops.values()))) if loops else 0)
    notes = _choose(path, "positions", looped.pop("P", 1), series)
    stated = "".join(looped) + "".join(sizes)
    shape = (*looped.values(), *sizes.values())
    letters, guessed = settle(path, stated, shape, axes)

    def read(position: tuple[int, ...], within: Within) -> np.ndarray:
        with nd2.ND2File(path) as file:
            loops = {letter: n for letter, n in file.sizes.items() if letter not in sizes}
            at = dict(zip(looped, position, strict=True))
            where = [at.get(letter, series) for letter in loops]
            frame = file.read_frame(int(np.ravel_multi_index(where, tuple(loops.values()))) if loops else 0)
            # the frame is a view of the file, which is closed below
            return np.array(frame.reshape(tuple(sizes.values()))[within])

    pixels = LazyPixels(shape, dtype, len(looped), read, path=path, expected="an ND2 file")
    facts = Facts(
        channels=tuple(c.name for c in channels) if "S" not in sizes else _SAMPLES,
        colors=tuple(plain_color(c.color.r, c.color.g, c.color.b) for c in channels) if "S" not in sizes else (),
        x=(float(size.x), "µm"),
        y=(float(size.y), "µm"),
        z=(float(size.z), "µm"),
        interval=(period, "ms") if period else None,
        origin=_first_pixel(stage, {"X": (sizes["X"], size.x), "Y": (sizes["Y"], size.y)}),
    )
    return make_image(pixels, letters, facts, path, notes=(*notes, *guessed))


def read_lif(path: Path, axes: str | None = None, series: int = 0) -> Image:
    """Open a Leica LIF file; ``series`` is the image in it.

    Raises
    ------
    InputError
        If liffile is not installed, the file is damaged, or its axes cannot be mapped.
    """
    liffile = _library("liffile", path)
    with naming_damage(path, "a LIF file", ElementTree.ParseError), liffile.LifFile(path) as file:
        notes = _choose(path, "images", len(file.images), series, [image.name for image in file.images])
        image = file.images[series]
        sizes, dtype = dict(image.sizes), image.dtype
        lengths = {a: (abs(c[-1] - c[0]) / max(1, len(c) - 1)) for a, c in image.coords.items() if a in "XYZT"}
        luts = [e.get("LUTName", "") for e in image.xml_element.iter("ChannelDescription")]
        tiles = [e.attrib for e in image.xml_element.iter("Tile") if {"PosX", "PosY"} <= set(e.attrib)]
    stated, shape = "".join(a if len(a) == 1 else "?" for a in sizes), tuple(sizes.values())
    letters, guessed = settle(path, stated, shape, axes)
    planes = next((i for i, letter in enumerate(stated) if letter in "YX"), 0)

    def read(position: tuple[int, ...], within: Within) -> np.ndarray:
        with liffile.LifFile(path) as file:
            frame = file.images[series].frame(**dict(zip(stated, position, strict=False)))
            return np.array(np.asarray(frame).reshape(shape[planes:])[within])

    pixels = LazyPixels(shape, dtype, planes, read, path=path, expected="a LIF file")
    facts = Facts(
        colors=tuple(_NAMED.get(name.lower()) for name in luts),
        x=(lengths["X"] * 1e6, "µm") if "X" in lengths else None,
        y=(lengths["Y"] * 1e6, "µm") if "Y" in lengths else None,
        z=(lengths["Z"] * 1e6, "µm") if "Z" in lengths else None,
        interval=(lengths["T"], "s") if "T" in lengths else None,
        origin=_lif_origin(tiles, sizes, lengths),
    )
    return make_image(pixels, letters, facts, path, notes=(*notes, *guessed))


def _lif_origin(
    tiles: list[dict[str, str]], sizes: dict[str, int], lengths: dict[str, float]
) -> dict[str, tuple[float, str]]:
    """Return where the first pixel lies, by the place of the only tile, in meters."""
    if len(tiles) != 1 or not {"X", "Y"} <= set(lengths):
        return {}
    try:
        stage = {a: float(tiles[0][f"Pos{a}"]) * 1e6 for a in "XY"}
    except ValueError:
        return {}
    return _first_pixel(stage, {a: (sizes[a], lengths[a] * 1e6) for a in "XY"})


def read_czi(path: Path, axes: str | None = None, series: int = 0) -> Image:
    """Open a Zeiss CZI file; ``series`` is the scene.

    Raises
    ------
    InputError
        If pylibCZIrw is not installed, the file is damaged, or its axes cannot be mapped.
    """
    czi = _library("pylibCZIrw.czi", path)
    # libCZI keeps state that threads may not share
    lock = threading.Lock()
    with naming_damage(path, "a CZI file"), lock, czi.open_czi(str(path)) as file:
        bounds = file.total_bounding_box
        scenes = sorted(file.scenes_bounding_rectangle.items())
        kinds = sorted(set(file.pixel_types.values()))
        document = file.metadata.get("ImageDocument", {}).get("Metadata", {})
    notes = _choose(path, "scenes", max(1, len(scenes)), series)
    scene, box = scenes[series] if scenes else (None, None)
    left, top = (box.x, box.y) if box else (bounds["X"][0], bounds["Y"][0])
    wide, high = (box.w, box.h) if box else (bounds["X"][1] - left, bounds["Y"][1] - top)
    dtypes = {"Gray8": "u1", "Gray16": "u2", "Gray32Float": "f4", "Bgr24": "u1", "Bgr48": "u2"}
    if len(kinds) != 1 or kinds[0] not in dtypes:
        raise InputError(f"{path} holds pixels of type {', '.join(kinds)}. Expected one of {', '.join(dtypes)}.")
    colored = kinds[0].startswith("Bgr")
    counted = {letter: bounds[letter][1] - bounds[letter][0] for letter in bounds if letter not in "XYS"}
    looped = {letter: n for letter, n in counted.items() if n > 1}
    stated = "".join(looped) + ("YXS" if colored else "YX")
    shape = (*looped.values(), high, wide, *((3,) if colored else ()))
    letters, guessed = settle(path, stated, shape, axes)

    def read(position: tuple[int, ...], within: Within) -> np.ndarray:
        rows, columns = (k if isinstance(k, slice) else slice(k, k + 1, 1) for k in within[:2])
        roi = (left + columns.start, top + rows.start, columns.stop - columns.start, rows.stop - rows.start)
        plane = {letter: start for letter, (start, _) in bounds.items() if letter not in "XYS"}
        plane.update({letter: plane[letter] + i for letter, i in zip(looped, position, strict=True)})
        with lock, czi.open_czi(str(path)) as file:
            part = file.read(roi=roi, plane=plane, scene=scene)
        part = part[..., ::-1] if colored else part[..., 0]
        inner = tuple(0 if isinstance(k, int) else slice(None, None, k.step) for k in within[:2])
        return np.array(part[inner + within[2:]])

    pixels = LazyPixels(shape, dtypes[kinds[0]], len(looped), read, path=path, expected="a CZI file")
    facts = _czi_facts(document, colored)
    if len(scenes) > 1:
        # scenes lie where they were on the slide, in pixels
        places = {"X": (left, facts.x), "Y": (top, facts.y)}
        facts = replace(facts, origin={a: (n * size[0], size[1]) for a, (n, size) in places.items() if size})
    return make_image(pixels, letters, facts, path, notes=(*notes, *guessed))


_NAMED = {
    "red": "#ff0000",
    "green": "#00ff00",
    "blue": "#0000ff",
    "cyan": "#00ffff",
    "magenta": "#ff00ff",
    "yellow": "#ffff00",
    "gray": "#ffffff",
}


def _czi_facts(document: dict[str, Any], colored: bool) -> Facts:
    def entries(*keys: str) -> list[dict[str, Any]]:
        node: Any = document
        for key in keys:
            node = (node or {}).get(key)
        return node if isinstance(node, list) else [node] if node else []

    lengths = {
        e.get("@Id"): (float(e["Value"]) * 1e6, "µm") for e in entries("Scaling", "Items", "Distance") if e.get("Value")
    }
    channels = entries("Information", "Image", "Dimensions", "Channels", "Channel")
    shown = {e.get("@Id"): str(e.get("Color") or "") for e in entries("DisplaySetting", "Channels", "Channel")}
    colors = [shown.get(channel.get("@Id"), "") for channel in channels]
    return Facts(
        channels=_SAMPLES if colored else tuple(channel.get("@Name") for channel in channels),
        # colors are written as #AARRGGBB
        colors=() if colored else tuple(f"#{c[-6:].lower()}" if len(c) in (7, 9) else None for c in colors),
        x=lengths.get("X"),
        y=lengths.get("Y"),
        z=lengths.get("Z"),
    )


def _stage_um(file: Any, frame: int) -> dict[str, float]:
    """Return where the stage stood for a frame of an ND2 file, in micrometers, as far as it is noted."""
    channels = getattr(file.frame_metadata(frame), "channels", None) or ()
    position = getattr(getattr(next(iter(channels), None), "position", None), "stagePositionUm", None)
    return {} if position is None else {a: float(getattr(position, a.lower())) for a in "XY"}


def _first_pixel(stage: dict[str, float], sides: dict[str, tuple[int, float]]) -> dict[str, tuple[float, str]]:
    """Return where the first pixel lies of a field whose center the stage stood at; (pixels, micrometers) per side."""
    return {a: (stage[a] - (count - 1) / 2 * size, "µm") for a, (count, size) in sides.items() if a in stage}


def _period_ms(loop: Any) -> float | None:
    """Return the period of a time loop of an ND2 file, the measured one if the planned one is missing."""
    parameters = getattr(loop, "parameters", None)
    measured = getattr(getattr(parameters, "periodDiff", None), "avg", None)
    return getattr(parameters, "periodMs", None) or measured or None


def _choose(path: Path, what: str, count: int, series: int, names: list[str] | None = None) -> tuple[str, ...]:
    if not 0 <= series < count:
        raise InputError(f"{path} holds {count} {what}; number {series} was asked for. Say 0 to {count - 1}.")
    if count == 1:
        return ()
    listed = f" ({first_of(names)})" if names else ""
    return (f"The file holds {count} {what}{listed}; number {series} was read. Others open with series=1 and so on.",)


def _library(name: str, path: Path) -> ModuleType:
    try:
        return import_module(name)
    except ImportError as error:
        raise InputError(
            f"{path} needs {name.split('.')[0]}, which is not installed. Install it with "
            f"'pip install napari-phenotrans[formats]', or convert the file to OME-TIFF."
        ) from error
