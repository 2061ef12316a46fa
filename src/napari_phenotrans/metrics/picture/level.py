"""Level: a change that one number explains, added everywhere, also where nothing is."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from napari_phenotrans.metrics.picture.measure import Measure, Reading, silent

if TYPE_CHECKING:
    from collections.abc import Sequence

    from napari_phenotrans.metrics.picture.measure import Case

LIMIT = 0.5
DARKEST = 5  # percent of a field's pixels: what is added to these is added everywhere


def level(differences: Sequence[np.ndarray], sources: Sequence[np.ndarray]) -> tuple[float, float]:
    """Return the share of the change that one number explains, and this number.

    The number is the median change of the darkest twentieth of each field, where no object is: a constant that was
    added everywhere shows there, too. Its share is ``1 - mean((D - number)²) / mean(D²)`` of all differences together:
    1 where a constant was added and nothing else happened, near 0 where objects changed. A mean change over all pixels
    would not do: where nuclei are missing their haze is missing, too, and the whole tissue is truly darker.

    A picture that is dimmed in proportion passes: brightness of objects is often the phenotype.

    Parameters
    ----------
    differences, sources
        Translated minus real source, and the source, (H, W) each.
    """
    dark = [
        difference[source <= np.percentile(source, DARKEST)]
        for difference, source in zip(differences, sources, strict=True)
    ]
    number = float(np.median(np.concatenate(dark)))
    pooled = np.concatenate([each.ravel() for each in differences]).astype(np.float64)
    square = np.square(pooled).mean()
    left = np.square(pooled - number).mean()
    return (max(0.0, float(1 - left / square)) if square else 0.0), number


# ---- as a measure


def read_level(case: Case) -> Reading:
    share, number = level(case.differences(), [each.pixels[case.channel] for each in case.source])
    if abs(number) < case.noise():
        return silent("the level stays")
    return Reading(share, LIMIT, more={"offset": number})


LEVEL = Measure(
    read_level,
    lambda found: (
        f"changes brightness only ({found.value:.0%} of the change is one number, {found.more['offset']:+.3g}, added "
        f"everywhere)"
    ),
    paired=True,
)
