"""The picture that shows a package: real beside translated, all channels in their colors."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from napari_phenotrans.core.kinds import REAL
from napari_phenotrans.core.text import without_math
from napari_phenotrans.io.display import fitting, viewer_colors

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from napari_phenotrans.checkpoints.interop.zoo.example import Example

SIDE, DPI = 4.0, 120  # inches of each of the two pictures: twice as wide as high, as the zoo asks for


def draw_cover(
    path: Path, example: Example, translated: np.ndarray, names: Sequence[str], words: Sequence[str]
) -> None:
    """Draw a PNG file; ``words`` stand above real and translated, both (C, H, W) in the image's units."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    colors = viewer_colors(names)
    ranges = [fitting(np.stack(both), REAL) for both in zip(example.pixels, translated, strict=True)]
    figure = Figure(figsize=(2 * SIDE, SIDE), dpi=DPI, facecolor="black")
    FigureCanvasAgg(figure)
    for place, (pixels, word) in enumerate(zip((example.pixels, translated), words, strict=True)):
        axis = figure.add_axes((0.5 * place + 0.004, 0.0, 0.492, 0.92))
        axis.imshow(_mixed(pixels, colors, ranges), interpolation="antialiased")
        axis.set_axis_off()
        figure.text(0.5 * place + 0.25, 0.96, word, color="white", ha="center", va="center", fontsize=13)
    along = np.linspace(0.015, 0.485, len(names) + 1)
    for name, color, start in zip(names, colors, along, strict=False):
        figure.text(start, 0.03, name, color=color, fontsize=11, va="center")
    without_math(figure)
    figure.savefig(path, format="png", facecolor="black")


def _mixed(pixels: np.ndarray, colors: Sequence[str], ranges: Sequence[tuple[float, float]]) -> np.ndarray:
    """Return (H, W, 3) of channels that are added up in their colors."""
    picture = np.zeros((*pixels.shape[1:], 3))
    for channel, color, (low, high) in zip(pixels, colors, ranges, strict=True):
        light = np.clip((channel - low) / (high - low), 0, 1)
        picture += light[..., None] * np.array([int(color[i : i + 2], 16) / 255 for i in (1, 3, 5)])
    return np.clip(picture, 0, 1)
