"""A contact sheet: real | translated | difference, one row per channel, as one picture to look at."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from napari_phenotrans.core.text import without_math
from napari_phenotrans.io.atomic import replacing

if TYPE_CHECKING:
    from pathlib import Path

    from napari_phenotrans.translation.translate import Translation

INCHES = 3.6


def contact_sheet(translation: Translation, path: Path, *, overwrite: bool = False) -> Path:
    """Draw the first plane of a translation.

    Real and translated share their gray scale per channel; the difference is in the image's units, symmetric about 0.

    Parameters
    ----------
    translation
        What to draw.
    path
        A ``.png`` file.
    overwrite
        Whether the file may exist.

    Raises
    ------
    InputError
        If the file exists and may not be overwritten, or cannot be written.
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    t, z = next(translation.real.positions())
    real, translated, difference = (
        image.plane(t, z) for image in (translation.real, translation.translated, translation.difference)
    )
    said = translation.provenance
    height = INCHES * real.shape[1] / real.shape[2]
    figure = Figure(figsize=(3 * INCHES + 1.2, len(real) * (height + 0.12) + 0.8), dpi=110, layout="constrained")
    FigureCanvasAgg(figure)
    made = "synthetic image, " if translation.real.synthetic else ""
    name = translation.real.path.name if translation.real.path else "image"
    figure.suptitle(f"{name}: {made}{said['source']} → {said['target']} by {said['checkpoint']}", fontsize=11)
    axes = figure.subplots(len(real), 3, squeeze=False)
    for row, channel in zip(range(len(real)), translation.real.channels, strict=True):
        both = np.concatenate([real[row].ravel(), translated[row].ravel()])
        low, high = np.percentile(both, [0.1, 99.9])
        # a channel that did not change at all gets a bar of one count
        largest = float(np.percentile(np.abs(difference[row]), 99.9)) or 1.0
        gray = {"cmap": "gray", "vmin": low, "vmax": max(high, low + 1e-6), "interpolation": "antialiased"}
        pictures = [
            axes[row, 0].imshow(real[row], **gray),
            axes[row, 1].imshow(translated[row], **gray),
            axes[row, 2].imshow(difference[row], cmap="RdBu_r", vmin=-largest, vmax=largest),
        ]
        axes[row, 0].set_ylabel(channel, fontsize=11)
        for picture, axis in ((pictures[1], axes[row, 1]), (pictures[2], axes[row, 2])):
            bar = figure.colorbar(picture, ax=axis, fraction=0.045, pad=0.02)
            bar.ax.tick_params(labelsize=7)
        for axis in axes[row]:
            axis.set_xticks([])
            axis.set_yticks([])
    for axis, title in zip(axes[0], ("real", "translated", "difference (translated − real)"), strict=True):
        axis.set_title(title, fontsize=10)
    without_math(figure)
    with replacing(path, overwrite=overwrite) as temporary:
        figure.savefig(temporary)
    return path
