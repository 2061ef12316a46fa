"""How viewers are to show an image: a color and a range of intensities per channel, as files state them."""

from __future__ import annotations

import json
import math
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_phenotrans.core.kinds import AMOUNTS, DIVERGING, SIGNED
from napari_phenotrans.core.stains import stain_in

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from napari_phenotrans.core.image import Image

    Window = tuple[float, float]

#: Colors of channels that state none, in this order; a single one is gray.
PALETTE = ("#00ffff", "#ff00ff", "#ffff00", "#00ff00", "#ff0000", "#0000ff")
GRAY = "#ffffff"
#: What viewers show some stains in where their files state no color.
STAIN_COLORS = {"DNA": "#4488ff", "GFP": "#00ff66", "PH3": "#ff3b30", "ZO1": "#35d04b"}
# Shares of the pixels below the least and the greatest value that is shown: a rare bright marker stays below
# saturation, and hot pixels are left out. Of differences all but this share reach less than the colors do.
LOWEST, HIGHEST, REACHED = 0.1, 99.95, 99.8
# Pixels of a plane that are enough to tell, and rows of a large one that are read together.
ENOUGH, STRIPS = 2**22, 16


def shown_colors(image: Image, kind: str) -> tuple[str, ...]:
    """Return a color for each channel: its own, or one that tells it from the others; differences are gray."""
    count = len(image.channels)
    if kind in SIGNED:
        return (GRAY,) * count
    others = (GRAY,) if count == 1 else tuple(PALETTE[index % len(PALETTE)] for index in range(count))
    return tuple(color or other for color, other in zip(image.colors, others, strict=True))


def viewer_colors(names: Sequence[str], stated: Sequence[str | None] = ()) -> tuple[str, ...]:
    """Return a color for each channel of a picture: the same for the same channels, wherever they are shown.

    Parameters
    ----------
    names
        Of the channels.
    stated
        Their own colors, None where there is none: those are taken as they are.

    Returns
    -------
    "#rrggbb" per channel. One without a color of its own gets its stain's, or else one that no other has; a single
    one is gray.
    """
    colors: list[str | None] = list(stated) or [None] * len(names)
    if len(names) == 1:
        return (colors[0] or GRAY,)
    for place, name in enumerate(names):
        usual = STAIN_COLORS.get(stain_in(name) or "")
        colors[place] = colors[place] or (usual if usual not in colors else None)
    left = [color for color in PALETTE if color not in colors] or list(PALETTE)
    missing = [place for place, color in enumerate(colors) if color is None]
    return tuple(color or left[missing.index(place) % len(left)] for place, color in enumerate(colors))


def lookup_table(color: str, kind: str) -> np.ndarray:
    """Return the (3, 256) uint8 table of a color, which rises from black; of a difference it diverges from black."""
    steps = np.linspace(0, 1, 256)
    if kind in SIGNED:
        anchors = np.asarray(DIVERGING)[:, :3]
        places = np.linspace(0, 1, len(anchors))
        table = np.stack([np.interp(steps, places, anchors[:, part]) for part in range(3)])
    else:
        table = np.outer([int(color[i : i + 2], 16) / 255 for i in (1, 3, 5)], steps)
    shades: np.ndarray = np.rint(255 * table)
    return shades.astype(np.uint8)


def windows(image: Image, kind: str, *others: Image) -> tuple[Window, ...]:
    """Return for each channel the range that shows it: of what the image says itself, else of its pixels.

    Parameters
    ----------
    image
        Its pixels are read in part.
    kind
        What it is, out of `napari_phenotrans.core.kinds`: differences get ranges that are symmetric about 0.
    others
        Images to be compared with it, whose ranges it shares: brightness is often what differs.
    """
    found = []
    for index in range(len(image.channels)):
        own = image.display[index] if image.display else None
        ranges = [own or fitting(_some_pixels(image, index), kind)]
        ranges += [fitting(_some_pixels(other, index), kind) for other in others if index < len(other.channels)]
        found.append((min(low for low, _ in ranges), max(high for _, high in ranges)))
    return tuple(found)


def fitting(pixels: np.ndarray, kind: str) -> Window:
    """Return the range of intensities that shows these pixels; the low end is below the high one."""
    finite = pixels[np.isfinite(pixels)] if pixels.dtype.kind == "f" else pixels.astype(np.float64)
    if not finite.size:
        return (-1.0, 1.0) if kind in SIGNED else (0.0, 1.0)
    if kind in SIGNED:
        limit = float(np.percentile(np.abs(finite), REACHED)) or float(np.abs(finite).max()) or 1.0
        return -limit, limit
    low, high = (float(value) for value in np.percentile(finite, (LOWEST, HIGHEST)))
    if kind in AMOUNTS:
        low = 0.0
    return (low, high) if high > low else (low, low + 1)


def noted_display(value: Any) -> tuple[Window | None, ...]:
    """Read what `write` noted of the ranges that were shown, () where it is nothing of the kind."""
    try:
        entries = json.loads(value) if isinstance(value, str) else value
        ends = [None if entry is None else (float(entry[0]), float(entry[1])) for entry in entries or ()]
    except (TypeError, ValueError, IndexError, KeyError):
        return ()
    fine = all(end is None or (math.isfinite(end[0]) and math.isfinite(end[1]) and end[0] < end[1]) for end in ends)
    return tuple(ends) if fine else ()


def notes_of(image: Image) -> dict[str, Any]:
    """Return what is noted beside an image: which of its colors and ranges it had itself."""
    shown = [None if window is None else list(window) for window in image.display]
    return {"colors": list(image.colors)} | ({"display": shown} if any(shown) else {})


def noted_colors(value: Any, stated: tuple[str | None, ...]) -> tuple[str | None, ...]:
    """Return the colors that `write` noted; those that the file states where it noted none."""
    fits = isinstance(value, list) and all(each is None or isinstance(each, str) for each in value)
    return tuple(value) if fits and len(value) == len(stated or value) else stated


def _some_pixels(image: Image, channel: int) -> np.ndarray:
    """Read some of a channel's pixels: of the first, middle and last plane, of large planes some rows."""
    positions = list(image.positions())
    picked = dict.fromkeys(positions[round(share * (len(positions) - 1))] for share in (0.0, 0.5, 1.0))
    return np.concatenate([_of_plane(image, channel, t, z) for t, z in picked])


def _of_plane(image: Image, channel: int, t: int, z: int) -> np.ndarray:
    height, width = image.sizes["Y"], image.sizes["X"]
    if height * width <= ENOUGH:
        strips = [slice(0, height)]
    else:
        rows = max(1, ENOUGH // width // STRIPS)
        strips = [slice(top, top + rows) for top in np.linspace(0, height - rows, STRIPS).astype(int).tolist()]
    at: Mapping[str, int] = {"T": t, "Z": z, "C": channel}
    parts = []
    for rows_read in strips:
        index = tuple(rows_read if a == "Y" else slice(None) if a == "X" else at[a] for a in image.axes)
        parts.append(np.asarray(image.pixels[index]).ravel())
    return np.concatenate(parts)
