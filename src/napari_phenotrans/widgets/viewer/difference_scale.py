"""The units and the color bar of differences: the image's own units, or multiples of the engine's error."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from napari_phenotrans.core.kinds import unit_word
from napari_phenotrans.widgets.viewer.layers import DIVERGING, KEY, channel_name, info, like
from napari_phenotrans.widgets.viewer.lazy_array import Lazy

if TYPE_CHECKING:
    from napari.layers import Image as ImageLayer

    from napari_phenotrans.widgets.viewer.lazy_array import Index

RELATIVE = "relative difference"
# Ratios are cut here: where the engine errs by nothing at all, any difference would be infinitely many times that.
MOST = 1000.0
# What the colors of a relative difference reach, in multiples of the engine's error.
SHOWN = 5.0
BAR_WIDTH = 10
BAR_HEIGHTS = (40.0, 150.0)
# Pixels that the bar takes beside a picture, with its numbers and what napari keeps around it; and above and below it.
BAR_ROOM = 64.0
BAR_MARGINS = 40.0


class BarPlace(NamedTuple):
    """Where color bars stand in the cells of their differences.

    Attributes
    ----------
    position
        As napari calls it.
    height
        Of the bar, in pixels of the canvas.
    beside, below
        Pixels of each cell that its picture leaves free, at the right and at the bottom.
    """

    position: str
    height: float
    beside: float
    below: float


def bar_place(cell: tuple[float, float], shape: tuple[float, float]) -> BarPlace:
    """Return where a color bar leaves the larger picture: at its right, or, in high cells, below it.

    Parameters
    ----------
    cell
        Height and width of what captions leave of a cell, in pixels of the canvas.
    shape
        Height and width of the picture, in any units.
    """
    (height, width), high_over_wide = cell, shape[0] / max(shape[1], 1e-9)
    low, high = BAR_HEIGHTS
    at_right = min(width - BAR_ROOM, height / high_over_wide)
    above = min(width, (height - low - BAR_MARGINS) / high_over_wide)
    if above <= at_right:
        return BarPlace("middle_right", float(np.clip(height / 2, low, high)), BAR_ROOM, 0.0)
    bar = float(np.clip(height - width * high_over_wide - BAR_MARGINS, low, high))
    return BarPlace("bottom_right", bar, 0.0, bar + BAR_MARGINS)


def relative(difference: np.ndarray, engine_error: np.ndarray) -> np.ndarray:
    """Return how many times the engine's error a difference is.

    Parameters
    ----------
    difference
        translated - real, signed, any shape.
    engine_error
        What the engine changes where nothing should, at least 0, in the same units, of a shape that fits; NaN where
        it is not known.

    Returns
    -------
    float32 from -1000 to 1000 with the sign of the difference: 0 where nothing changed, NaN where the error is not
    known.
    """
    difference = np.asarray(difference, np.float32)
    error = np.asarray(engine_error, np.float32)
    with np.errstate(divide="ignore", invalid="ignore"):
        ratio = np.clip(difference / error, -MOST, MOST)
    return np.where((difference == 0) & (error == 0), np.float32(0), ratio)


def relative_data(real: ImageLayer, difference: ImageLayer, engine_error: Any) -> tuple[Any, dict[str, Any], str]:
    """Return the layer of a difference in multiples of the engine's error; it follows the difference layer.

    Parameters
    ----------
    real, difference
        The layers of one channel.
    engine_error
        An array that is addressed as the difference layer's data is, or one plane of it for all planes.
    """
    planes = difference.ndim - np.ndim(engine_error)

    def read(indices: tuple[Index, ...]) -> np.ndarray:
        return relative(np.asarray(difference.data[indices]), np.asarray(engine_error[indices[planes:]]))

    options = like(difference) | {
        "name": f"{channel_name(real)} – difference / engine error",
        "colormap": DIVERGING,
        "contrast_limits": (-SHOWN, SHOWN),
        "blending": "additive",
        "rgb": False,
        "multiscale": False,
        "metadata": {KEY: {**info(difference), "role": RELATIVE, "of": str(real.unique_id)}},
    }
    return Lazy(read, difference.data.shape, np.dtype(np.float32)), options, "image"


def unit_of(layer: ImageLayer) -> str:
    """Return what a layer's intensities are counted in, as a word behind a number."""
    return unit_word(np.dtype(layer.dtype))


def show_bar(difference: ImageLayer, place: BarPlace) -> None:
    """Show what a difference layer's colors mean, where they stand in its cell."""
    bar = difference.colorbar
    bar.position = place.position
    bar.size = (BAR_WIDTH, place.height)
    bar.font_size = 7
    bar.color, bar.box_color = "white", (0, 0, 0, 0.85)
    bar.visible = True
