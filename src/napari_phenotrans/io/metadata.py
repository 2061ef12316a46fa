"""What a file says about its pixels, in common units."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from napari_phenotrans.core.image import Image

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

# Micrometers per unit, by the symbol in `Image.unit`; the first name is OME-Zarr's, the others are met in files.
_UNITS: dict[str, tuple[float, tuple[str, ...]]] = {
    "µm": (1.0, ("micrometer", "um", "μm", "micron", "microns", "micrometers", "micrometre", "mkm")),
    "nm": (1e-3, ("nanometer", "nanometers", "nanometre")),
    "mm": (1e3, ("millimeter", "millimeters", "millimetre")),
    "cm": (1e4, ("centimeter", "centimeters", "centimetre")),
    "m": (1e6, ("meter", "meters", "metre")),
    "pm": (1e-6, ("picometer", "picometers", "picometre")),
    "Å": (1e-4, ("angstrom", "å")),
    "inch": (25400.0, ("inch", "in", "inches", '"')),
}
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
    description: str = ""
    notes: tuple[str, ...] = ()


def unit_symbol(written: str | None) -> str | None:
    """Return the symbol of a unit of length as files write it, None for one that is unknown."""
    if not written:
        return None
    # ImageJ escapes what is not ASCII
    name = re.sub(r"\\u([0-9a-fA-F]{4})", lambda m: chr(int(m[1], 16)), written).strip().rstrip("\0").lower()
    for symbol, (_, names) in _UNITS.items():
        if name == symbol.lower() or name in names:
            return symbol
    return None


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
    """Build an `Image` from pixels and what their file says; what does not fit the axes is left out, with a note."""
    count = dict(zip(axes, pixels.shape, strict=True)).get("C", 1)
    remarks = [*facts.notes, *notes]
    names = tuple(name or f"channel {i + 1}" for i, name in enumerate(facts.channels)) if any(facts.channels) else ()
    if names and len(names) != count:
        remarks.append(f"The file names {len(names)} channels {list(names)} for {count}; the names were left out.")
        names = ()
    x, y = micrometers(facts.x), micrometers(facts.y)
    size = x if y is None else y if x is None else x
    if x is not None and y is not None and abs(x - y) > 0.01 * min(x, y):
        size = math.sqrt(x * y)
        remarks.append(
            f"Pixels are {x:.4g} µm wide and {y:.4g} µm high; their geometric mean {size:.4g} µm is used as pixel size."
        )
    stated = facts.x or facts.y
    return Image(
        pixels,
        axes,
        channels=names,
        pixel_size_um=size,
        unit=(unit_symbol(stated[1]) if stated and size is not None else None) or "pixel",
        path=path,
        z_step_um=micrometers(facts.z) if "Z" in axes else None,
        frame_interval_s=seconds(facts.interval) if "T" in axes else None,
        colors=facts.colors if len(facts.colors) == count else (),
        pyramid=pyramid,
        notes=tuple(remarks),
        description=facts.description,
    )


def remarks(provenance: Mapping[str, str]) -> list[str]:
    """Return what a user must know of a file that `write` made, by the provenance in it."""
    texts = []
    if provenance.get("translated") == "true":
        kind = "A difference map, translated - real," if provenance.get("role") == "difference" else "Not measured, but"
        texts.append(
            f"{kind} made by an engine: {provenance.get('source')} translated to {provenance.get('target')} with the "
            f"checkpoint {provenance.get('checkpoint')}."
        )
    return [*texts, *filter(None, [provenance.get("partial")])]


def plain_color(red: float, green: float, blue: float) -> str:
    """Return "#rrggbb" of three numbers from 0 to 255."""
    return f"#{round(red):02x}{round(green):02x}{round(blue):02x}"
