"""What the kinds of TIFF other than OME say about their pixels: ImageJ, LSM, STK, MetaXpress, plain."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
from tifffile import PHOTOMETRIC

from napari_phenotrans.io.display import noted_colors, noted_display
from napari_phenotrans.io.imagej_info import ImagejInfo
from napari_phenotrans.io.metadata import PRINT_UM, Facts, plain_color

if TYPE_CHECKING:
    import tifffile

_SAMPLES = {3: ("red", "green", "blue"), 4: ("red", "green", "blue", "alpha")}
_SAMPLE_COLORS: tuple[str | None, ...] = ("#ff0000", "#00ff00", "#0000ff", None)


def tiff_facts(tif: tifffile.TiffFile, series: tifffile.TiffPageSeries) -> Facts:
    """Return what a file that is no OME-TIFF states, according to its kind."""
    if series.kind == "imagej":
        facts = _imagej(tif.imagej_metadata or {}, series)
    elif series.kind == "lsm":
        facts = _lsm(tif.lsm_metadata or {}, series)
    elif series.kind == "stk":
        facts = _stk(tif.stk_metadata or {}, series)
    elif tif.is_metaseries:
        facts = _metaseries(tif.metaseries_metadata or {})
    else:
        # tifffile's own descriptions are JSON, which is no text for people
        facts = Facts(description="" if tif.is_shaped else series.keyframe.description.strip())
    x, y = facts.x or _resolution(series.keyframe, "X"), facts.y or _resolution(series.keyframe, "Y")
    channels, colors = facts.channels, facts.colors
    samples = series.shape[series.axes.index("S")] if "S" in series.axes else 0
    if samples in _SAMPLES and series.keyframe.photometric in (PHOTOMETRIC.RGB, PHOTOMETRIC.YCBCR):
        channels, colors = _SAMPLES[samples], _SAMPLE_COLORS[:samples]
    return replace(facts, channels=channels, colors=colors, x=x, y=y)


def imagej_info(tif: tifffile.TiffFile) -> ImagejInfo:
    """Return ImageJ's free text of a file, empty where it has none."""
    return ImagejInfo.parse(str((tif.imagej_metadata or {}).get("Info", "")) if tif.is_imagej else "")


def _resolution(page: tifffile.TiffPage, along: str) -> tuple[float, str] | None:
    """Read a resolution tag that can be a microscope's."""
    tag = page.tags.get(f"{along}Resolution")
    unit = page.tags.get("ResolutionUnit")
    name = {2: "inch", 3: "cm"}.get(int(unit.value) if unit is not None else 0)
    if tag is None or name is None:
        return None
    pixels, length = tag.value
    if not pixels or not length:
        return None
    micrometers = length / pixels * (25400 if name == "inch" else 10000)
    return (length / pixels, name) if micrometers < PRINT_UM else None


def _imagej(meta: dict[str, Any], series: tifffile.TiffPageSeries) -> Facts:
    unit = str(meta.get("unit", ""))
    info = ImagejInfo.parse(str(meta.get("Info", "")))
    sizes: dict[str, tuple[float, str] | None] = {}
    for along in "XY":
        tag = series.keyframe.tags.get(f"{along}Resolution")
        unit_along = str(meta.get(f"{along.lower()}unit", unit))
        pixels, length = tag.value if tag is not None else (0, 1)
        sizes[along] = (length / pixels, unit_along) if pixels and unit_along and unit_along != "pixel" else None
    spacing, finterval = meta.get("spacing"), meta.get("finterval")
    # ImageJ lets a stack that was scanned downwards have a negative spacing
    sizes["Z"] = (abs(float(spacing)), str(meta.get("zunit", unit))) if spacing else None
    count = dict(zip(series.axes, series.shape, strict=True)).get("C", 1)
    stated = tuple(str(name) for name in info.image.get("channels", ()))
    return Facts(
        channels=stated if len(stated) == count else _labels(meta, series),
        colors=noted_colors(info.image.get("colors"), _luts(meta, series)),
        x=sizes["X"],
        y=sizes["Y"],
        z=sizes["Z"],
        description=info.description,
        interval=(float(finterval), str(meta.get("tunit", "s"))) if finterval else None,
        origin=_origin(meta, sizes) if info.image.get("placed") else {},
        display=_ranges(meta) if info.image.get("display") else (),
        provenance=info.provenance,
    )


def _origin(meta: dict[str, Any], sizes: dict[str, tuple[float, str] | None]) -> dict[str, tuple[float, str]]:
    """Return where the first pixel lies, of where 0 is in pixels; in files of others that is no place on a stage."""
    found = {}
    for letter in "XYZ":
        length, zero = sizes[letter], meta.get(f"{letter.lower()}origin")
        if zero is not None:
            found[letter] = (-float(zero) * (length[0] if length else 1.0), length[1] if length else "µm")
    return found


def _ranges(meta: dict[str, Any]) -> tuple[tuple[float, float] | None, ...]:
    ends = [float(end) for end in meta.get("Ranges", ())]
    return noted_display([list(pair) for pair in zip(ends[::2], ends[1::2], strict=False)])


def _labels(meta: dict[str, Any], series: tifffile.TiffPageSeries) -> tuple[str | None, ...]:
    """Labels are per plane: names of channels where each channel has its own, the same at every Z and T."""
    count = series.shape[series.axes.index("C")] if "C" in series.axes else 1
    labels = meta.get("Labels", ())
    labels = [labels] if isinstance(labels, str) else [str(label).split("\n")[0].strip() for label in labels]
    planes = int(np.prod([n for n, a in zip(series.shape, series.axes, strict=True) if a in "TZC"] or [1]))
    if len(labels) != planes or count < 2 or "CYX" not in series.axes:
        return ()
    names = labels[:count]
    if len(set(names)) != count or not all(names) or any(labels[i] != names[i % count] for i in range(planes)):
        return ()
    return tuple(names)


def _luts(meta: dict[str, Any], series: tifffile.TiffPageSeries) -> tuple[str | None, ...]:
    """Lookup tables that rise straight from black are colors; any other table is left out."""
    colors: list[str | None] = []
    for lut in meta.get("LUTs", ()):
        table = np.asarray(lut, float)
        straight = table.shape == (3, 256) and np.abs(table - np.outer(table[:, -1], np.arange(256) / 255)).max() <= 1
        colors.append(plain_color(*table[:, -1]) if straight and table[:, -1].any() else None)
    return tuple(colors) if len(colors) == dict(zip(series.axes, series.shape, strict=True)).get("C", 1) else ()


def _lsm(meta: dict[str, Any], series: tifffile.TiffPageSeries) -> Facts:
    stated = meta.get("ChannelColors") or {}
    count = dict(zip(series.axes, series.shape, strict=True)).get("C", 1)
    names = tuple(stated.get("ColorNames") or ())
    interval = float(meta.get("TimeIntervall") or 0)
    return Facts(
        channels=names if len(names) == count else (),
        colors=tuple(plain_color(*color[:3]) for color in stated.get("Colors") or ()),
        x=(float(meta.get("VoxelSizeX", 0)) * 1e6, "µm"),
        y=(float(meta.get("VoxelSizeY", 0)) * 1e6, "µm"),
        z=(float(meta.get("VoxelSizeZ", 0)) * 1e6, "µm"),
        interval=(interval, "s") if interval else None,
    )


def _stk(meta: dict[str, Any], series: tifffile.TiffPageSeries) -> Facts:
    unit = str(meta.get("CalibrationUnits", ""))
    known = bool(meta.get("SpatialCalibration"))
    distances = np.atleast_1d(meta.get("ZDistance", 0.0)).astype(float)
    name = meta.get("Name")
    return Facts(
        channels=(str(name),) if name and "I" not in series.axes else (),
        x=(float(meta.get("XCalibration", 0)), unit) if known else None,
        y=(float(meta.get("YCalibration", 0)), unit) if known else None,
        z=(float(np.median(distances[distances > 0])), "µm") if (distances > 0).any() else None,
    )


def _metaseries(meta: dict[str, Any]) -> Facts:
    plane = meta.get("PlaneInfo") or {}
    unit = str(plane.get("spatial-calibration-units", ""))
    known = bool(plane.get("spatial-calibration-state"))
    name = plane.get("_IllumSetting_") or re.sub(r"^Copy of ", "", str(plane.get("image-name", "")))
    return Facts(
        channels=(str(name),) if name else (),
        x=(float(plane.get("spatial-calibration-x", 0)), unit) if known else None,
        y=(float(plane.get("spatial-calibration-y", 0)), unit) if known else None,
    )
