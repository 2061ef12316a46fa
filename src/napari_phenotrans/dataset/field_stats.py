"""Statistics of one field of view, read plane by plane, for checking a data set."""

from __future__ import annotations

import dataclasses
import math
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from napari_phenotrans.core.digests import digest
from napari_phenotrans.core.errors import InputError

if TYPE_CHECKING:
    from napari_phenotrans.dataset.dataset import Field

DNA = re.compile(r"dna|dapi|hoechst|draq|sytox|syto\d|h2b|propidium|nucle|chromatin", re.IGNORECASE)

# Pixels along a side and planes of a field that are sampled, so that a long stack takes no more memory.
_SAMPLED_SIDE, _SAMPLED_PLANES = 64, 16
_BLOCK = 4  # pixels along a side, averaged for the contrast
_SATURATED = 0.005  # share of pixels at the brightest value
# Share of the range below the brightest value: where fewer pixels lie there than at that value, it is clipped.
_BELOW = 0.02
_SMALLEST_NUCLEUS, _SOLID = 20, 0.9  # pixels, and share of its convex hull
_LEVELS, _WIDEST = 8, 1024  # thresholds, and pixels along the part of a plane that is searched


@dataclass(eq=False)
class Channel:
    """Statistics of one channel of a field, over all its planes.

    Parameters
    ----------
    low, high
        Darkest and brightest pixel, in the file's units.
    contrast
        From the 1st percentile to the 99.95th of the means over 4 × 4 pixels, of the plane where it is largest:
        cells show in it, noise hardly does.
    saturated
        Share of pixels at the brightest value, of the plane where it is largest; 0 where nothing piles up there.
    step
        The largest number that all sampled gray levels are multiples of; 1 for numbers that are no integers.
    sample
        Pixels on a coarse grid.
    """

    low: float = np.inf
    high: float = -np.inf
    contrast: float = 0.0
    saturated: float = 0.0
    step: int = 0
    sample: list[np.ndarray] = dataclasses.field(default_factory=list)


@dataclass(eq=False)
class Survey:
    """Statistics of one field of view.

    Parameters
    ----------
    field
        The field.
    unreadable
        Why it cannot be read; the rest is then worth nothing.
    names, size, planes, axes, pixel_size_um, dtype
        Channel names, (Y, X), number of planes, lengths of all axes, micrometers per pixel, and dtype, as the file
        states them.
    finite
        Whether all pixels are numbers.
    channels
        By name; empty where pixels are not finite.
    hashes
        One per plane that holds more than one single value.
    notes
        What reading had to guess or left out, in sentences.
    nuclei
        Diameters of the nuclei found in one plane, in pixels; empty where they were not looked for.
    alone
        Share of what is bright there that belongs to nuclei which touch no other one.
    """

    field: Field
    unreadable: str = ""
    names: tuple[str, ...] = ()
    size: tuple[int, int] = (0, 0)
    planes: int = 0
    axes: dict[str, int] = dataclasses.field(default_factory=dict)
    pixel_size_um: float | None = None
    dtype: str = ""
    finite: bool = True
    channels: dict[str, Channel] = dataclasses.field(default_factory=dict)
    notes: tuple[str, ...] = ()
    hashes: set[str] = dataclasses.field(default_factory=set)
    nuclei: np.ndarray = dataclasses.field(default_factory=lambda: np.empty(0))
    alone: float = 0.0


def survey(field: Field, *, nuclei: bool = False) -> Survey:
    """Read a field of view, one plane at a time, and compute its statistics.

    Parameters
    ----------
    field
        The field.
    nuclei
        Whether to measure nuclei in its middle plane: in the channel whose name says DNA, else in the first.

    Returns
    -------
    The statistics; a file that cannot be read is no error here, see ``unreadable``.
    """
    result = Survey(field)
    try:
        image = field.image()
        result.names, result.dtype, result.pixel_size_um = image.channels, str(image.dtype), image.pixel_size_um
        result.notes = image.notes
        result.size, result.axes = (image.sizes["Y"], image.sizes["X"]), image.sizes
        positions = list(image.positions())
        result.planes = len(positions)
        sampled = set(np.linspace(0, len(positions) - 1, min(len(positions), _SAMPLED_PLANES)).astype(int).tolist())
        channels = {name: Channel() for name in image.channels}
        for number, (t, z) in enumerate(positions):
            plane = image.plane(t=t, z=z)
            if not np.isfinite(plane).all():
                result.finite = False
                continue
            if plane.min() < plane.max():
                result.hashes.add(digest(plane))
            for name, pixels in zip(image.channels, plane, strict=True):
                _add(channels[name], pixels, number in sampled)
            if nuclei and number == len(positions) // 2:
                dna = next((i for i, name in enumerate(image.channels) if DNA.search(name)), 0)
                result.nuclei, result.alone = measure_nuclei(plane[dna])
        if result.finite:
            result.channels = channels
    except InputError as error:
        result.unreadable = str(error)
    return result


def _add(channel: Channel, pixels: np.ndarray, sampled: bool) -> None:
    """Add a plane to a channel's statistics."""
    low, high = float(pixels.min()), float(pixels.max())
    channel.low, channel.high = min(channel.low, low), max(channel.high, high)
    if sampled:
        step = [max(1, n // _SAMPLED_SIDE) for n in pixels.shape]
        some = pixels[:: step[0], :: step[1]].ravel()
        channel.sample.append(some.astype(np.float32))
        whole = some.dtype.kind in "iu" and some.dtype.itemsize < 8
        channel.step = math.gcd(channel.step, int(np.gcd.reduce(some.astype(np.int64)))) if whole else 1
    if low == high:
        return
    height, width = (n // _BLOCK * _BLOCK for n in pixels.shape)
    if height and width:
        blocks = pixels[:height, :width].reshape(height // _BLOCK, _BLOCK, width // _BLOCK, _BLOCK)
        dark, bright = np.percentile(blocks.mean(axis=(1, 3), dtype=np.float32), (1, 99.95))
        channel.contrast = max(channel.contrast, float(bright - dark))
    if pixels.dtype.kind in "iu":
        share = float((pixels == pixels.max()).mean())
        if share > _SATURATED:
            below = pixels >= high - max(1.0, _BELOW * (high - low))
            piled = high == np.iinfo(pixels.dtype).max or share > float(below.mean()) - share
            channel.saturated = max(channel.saturated, share if piled else 0.0)


def measure_nuclei(plane: np.ndarray) -> tuple[np.ndarray, float]:
    """Find nuclei that stand alone, or come apart at a higher threshold, in the middle of a plane.

    Connected objects above Otsu's threshold of the blurred plane. One that has waists or holes (several nuclei that
    touch) is cut at rising thresholds until its parts have none; those that the border cuts or that have fewer than 20
    pixels are left out.

    Parameters
    ----------
    plane
        (Y, X) in any units.

    Returns
    -------
    Diameters of circles of the same area, in pixels, and the share of what is bright that belongs to nuclei which stand
    alone. Nuclei that touch come out too small, the more so the more of them do.
    """
    # loaded when first used: a dock opens without it
    from skimage.filters import gaussian, threshold_otsu
    from skimage.measure import label, regionprops
    from skimage.segmentation import clear_border

    top, left = (max(0, (n - _WIDEST) // 2) for n in plane.shape)
    plane = plane[top : top + _WIDEST, left : left + _WIDEST]
    blurred = gaussian(plane.astype(np.float32), sigma=1.5, preserve_range=True)
    if blurred.min() == blurred.max():
        return np.empty(0), 0.0
    areas: list[float] = []
    lowest = threshold_otsu(blurred)
    bright, alone = int((blurred > lowest).sum()), 0.0
    for threshold in np.linspace(lowest, np.percentile(blurred, 99.9), _LEVELS, endpoint=False):
        for r in regionprops(clear_border(label(blurred > threshold))):
            if r.area >= _SMALLEST_NUCLEUS and r.solidity >= _SOLID:
                areas.append(r.area)
                blurred[r.slice][r.image] = -np.inf
        if threshold == lowest:
            alone = sum(areas) / bright
    return 2 * np.sqrt(np.array(areas, float) / np.pi), alone
