"""What a file says about its pixels, in common units."""

from __future__ import annotations

import html
import math
import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_phenotrans.core.errors import InputError
from napari_phenotrans.core.image import Image, told_apart
from napari_phenotrans.core.kinds import sentence_of
from napari_phenotrans.io.size_limit import MOST_CHANNELS
from napari_phenotrans.io.stain_names import number_planes

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

# Micrometers per unit, by the symbol in `Image.unit`; the first name is OME-Zarr's, the others are met in files.
_UNITS: dict[str, tuple[float, tuple[str, ...]]] = {
    "µm": (1.0, ("micrometer", "um", "micron", "micro", "mkm", "mcm", "µ", "u", "mu", "mum")),
    "nm": (1e-3, ("nanometer", "nano", "nanon")),
    "mm": (1e3, ("millimeter", "milli", "millimetr")),
    "cm": (1e4, ("centimeter", "centi")),
    "m": (1e6, ("meter",)),
    "pm": (1e-6, ("picometer", "pico")),
    "Å": (1e-4, ("angstrom", "å", "ångström", "ångstrom")),
    "inch": (25400.0, ("inch", "in", "inche", '"', "zoll")),
}
# What stands for a unit where there is none.
_NO_UNIT = ("", "pixel", "px", "none", "unknown", "undefined", "reference frame", "null", "1")
# Scanners, printers and drawing programs state pixels per inch of a print; no microscope has pixels this wide, and some
# converters write them in micrometers.
PRINT_UM = 20.0
_PRINT_DPI = (72, 96, 150, 200, 240, 300, 360, 400, 600, 1200)
_SECONDS = {
    1.0: ("s", "sec", "secs", "second", "seconds"),
    1e-3: ("ms", "msec", "millisecond", "milliseconds"),
    1e-6: ("µs", "us", "μs", "microsecond", "microseconds"),
    60.0: ("min", "minute", "minutes"),
    3600.0: ("h", "hour", "hours"),
    86400.0: ("d", "day", "days"),
}


@dataclass(frozen=True)
class Facts:
    """What a file states; lengths come as (value, unit as written), None where it states nothing."""

    channels: tuple[str | None, ...] = ()
    colors: tuple[str | None, ...] = ()
    x: tuple[float, str] | None = None
    y: tuple[float, str] | None = None
    z: tuple[float, str] | None = None
    interval: tuple[float, str] | None = None
    origin: dict[str, tuple[float, str]] = field(default_factory=dict)
    description: str = ""
    notes: tuple[str, ...] = ()
    display: tuple[tuple[float, float] | None, ...] = ()
    provenance: Mapping[str, str] = field(default_factory=dict)


def unit_symbol(written: str | None) -> str | None:
    """Return the symbol of a unit of length as files write it, None for one that is unknown."""
    name = _plain_unit(written)
    for symbol, (_, names) in _UNITS.items():
        if name and (name == symbol.lower() or name in names):
            return symbol
    return None


def _plain_unit(written: str | None) -> str:
    """Return a unit in lower case and in American singular, with one µ for all that stand for it."""
    # ImageJ escapes what is not ASCII, XML may have been escaped twice, and UTF-8 may have been taken for Latin-1
    name = re.sub(r"\\u([0-9a-fA-F]{4})", lambda m: chr(int(m[1], 16)), written or "")
    name = html.unescape(html.unescape(name)).split("\0")[0].strip().lower()
    name = re.sub("(?:â|ã)?(?:µ|μ|âµ|î¼)", "µ", name)
    name = re.sub(r"\s*(?:/|per)\s*(?:pixel|px|voxel|pix)s?$|[\s.\])]+$|^[\s(\[]+", "", name)
    name = re.sub(r"^(micro|nano|milli|centi|pico)[\s-]+", r"\1", name).replace("metre", "meter")
    return name[:-1] if len(name) > 2 and name.endswith("s") else name.replace("µmeter", "µm")


def unit_name(symbol: str) -> str:
    """Return the name that OME-Zarr has for a unit's symbol."""
    return _UNITS[symbol][1][0]


def micrometers(length: tuple[float, str] | None) -> float | None:
    """Convert a stated length; None where it, or its unit, is unknown or it is not positive."""
    symbol = unit_symbol(length[1]) if length else None
    if length is None or symbol is None or not math.isfinite(length[0]) or length[0] <= 0:
        return None
    return length[0] * _UNITS[symbol][0]


def from_micrometers(value: float, symbol: str) -> float:
    """Return a length in another unit."""
    return value / _UNITS[symbol][0]


def seconds(duration: tuple[float, str] | None) -> float | None:
    """Convert a stated duration; None where it, or its unit, is unknown or it is not positive."""
    if duration is None or not math.isfinite(duration[0]) or duration[0] <= 0:
        return None
    return next((duration[0] * s for s, names in _SECONDS.items() if duration[1].strip().lower() in names), None)


def make_image(
    pixels: Any,
    axes: str,
    facts: Facts,
    path: Path,
    *,
    pyramid: tuple[Any, ...] = (),
    notes: tuple[str, ...] = (),
) -> Image:
    """Build an `Image` from pixels and what their file says; what does not fit the axes is left out, with a note.

    Raises
    ------
    InputError
        If pixels are no intensities: complex numbers, texts or records.
    """
    kind = np.dtype(pixels.dtype)
    if kind.kind not in "biuf":
        raise InputError(
            f"{path} holds pixels of type {kind.name}, which are no intensities. Expected integers or floating-point "
            f"numbers: convert them, as complex ones to their amount."
        )
    count = dict(zip(axes, pixels.shape, strict=True)).get("C", 1)
    if count > MOST_CHANNELS:
        raise InputError(
            f"{path} holds {count} channels (axes {axes}, shape {tuple(pixels.shape)}). Up to {MOST_CHANNELS} are "
            f"expected: the file is damaged, or say what its axes are with --axes."
        )
    remarks = [*facts.notes, *notes]
    names = _names(facts.channels, count, path, remarks)
    size = _pixel_size(facts, remarks)
    stated = facts.x or facts.y
    origin = {a: _signed(length) for a, length in facts.origin.items() if a in axes and size is not None}
    return Image(
        pixels,
        axes,
        channels=names,
        pixel_size_um=size,
        unit=(unit_symbol(stated[1]) if stated and size is not None else None) or "pixel",
        path=path,
        z_step_um=abs(_signed(facts.z) or 0) or None if "Z" in axes else None,
        frame_interval_s=seconds(facts.interval) if "T" in axes else None,
        colors=facts.colors if len(facts.colors) == count else (),
        pyramid=pyramid,
        notes=tuple(remarks),
        description=_without_sentence(facts.description, facts.provenance),
        display=facts.display if len(facts.display) == count else (),
        provenance=dict(facts.provenance),
        origin_um={a: value for a, value in origin.items() if value is not None},
    )


def _names(stated: tuple[str | None, ...], count: int, path: Path, remarks: list[str]) -> tuple[str, ...]:
    """Return channel names that stand for stains, each once; () where the file has none."""
    if not any(stated):
        return ()
    names = tuple(name or f"channel {i + 1}" for i, name in enumerate(stated))
    if len(names) != count:
        remarks.append(f"The file names {len(names)} channels {list(names)} for {count}; the names were left out.")
        return ()
    if number_planes(names, path):
        remarks.append(
            f"The file's channel names {list(names)} number planes or repeat a file's name and name no stain; they "
            f"were left out."
        )
        return ()
    names, note = told_apart(names)
    remarks += [note] if note else []
    return names


def _pixel_size(facts: Facts, remarks: list[str]) -> float | None:
    """Return micrometers per pixel where what is stated can be a microscope's; else None, and why in the remarks."""
    sides: dict[str, float | None] = {}
    for letter, length in (("X", facts.x), ("Y", facts.y)):
        if length is not None and unit_symbol(length[1]) is None and _plain_unit(length[1]) not in _NO_UNIT:
            remarks.append(
                f"The file states its pixel size as {length[0]:.4g} {length[1]!r}, which is no unit of length that is "
                f"known; the pixel size is taken as unknown."
            )
            return None
        value = _signed(length)
        if value is not None and value < 0:
            remarks.append(f"The file states a negative pixel size along {letter}; its sign was left out.")
        sides[letter] = abs(value) if value else None
    x, y = sides["X"], sides["Y"]
    size = x if y is None else y if x is None else x
    if size is not None and is_print_resolution(size, (facts.x or facts.y or (0, ""))[1]):
        remarks.append(
            f"The file states {25400 / size:.4g} pixels per inch ({size:.4g} µm per pixel), which is the resolution of "
            f"a print or screen and no microscope's; the pixel size is taken as unknown."
        )
        return None
    if x is not None and y is not None and abs(x - y) > 0.01 * min(x, y):
        size = math.sqrt(x * y)
        remarks.append(
            f"Pixels are {x:.4g} µm wide and {y:.4g} µm high; their geometric mean {size:.4g} µm is used as pixel size."
        )
    return size


def is_print_resolution(size: float, unit: str) -> bool:
    """Return whether pixels of this size, in micrometers, are those of a print or screen."""
    if size < PRINT_UM:
        return False
    return unit_symbol(unit) in ("inch", "cm") or any(abs(size * dpi / 25400 - 1) < 1e-3 for dpi in _PRINT_DPI)


def _signed(length: tuple[float, str] | None) -> float | None:
    """Convert a stated length of either sign to micrometers."""
    symbol = unit_symbol(length[1]) if length else None
    if length is None or symbol is None or not math.isfinite(length[0]):
        return None
    return length[0] * _UNITS[symbol][0]


def remarks(provenance: Mapping[str, str]) -> list[str]:
    """Return what a user must know of a file that `write` made, by the provenance in it."""
    return [text for text in (sentence_of(provenance), provenance.get("partial")) if text]


def with_sentence(description: str, provenance: Mapping[str, Any]) -> str:
    """Return an image's free text for a file, which begins with what it is where nobody measured it."""
    return "\n".join(text for text in (sentence_of(provenance), description) if text)


def _without_sentence(description: str, provenance: Mapping[str, Any]) -> str:
    """Undo `with_sentence`."""
    sentence = sentence_of(provenance)
    return description.removeprefix(sentence).lstrip("\n") if sentence else description


def plain_color(red: float, green: float, blue: float) -> str:
    """Return "#rrggbb" of three numbers from 0 to 255."""
    return f"#{round(red):02x}{round(green):02x}{round(blue):02x}"
