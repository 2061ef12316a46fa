"""What images are: measured, made by an engine, or differences of both; every file and layer says which."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping

    import numpy as np

REAL, TRANSLATED, COMPLETED, DIFFERENCE = "real", "translated", "completed", "difference"
ROUND_TRIP, ABOVE_ERROR = "round-trip error", "difference above the engine's error"
SAMPLE, MEAN, SPREAD = "sample", "mean of the samples", "spread of the samples"
TURNED, AGREEMENT = "turned disagreement", "agreement of the change"
# Signed: 0 is no change.
SIGNED = frozenset({DIFFERENCE, ROUND_TRIP, ABOVE_ERROR, AGREEMENT})
# Never negative: 0 is where nothing is in doubt.
AMOUNTS = frozenset({SPREAD, TURNED})
# Numbers about pictures, and none themselves.
MAPS = SIGNED | AMOUNTS
# Everything but what a microscope, or a program that invents cells, made.
MADE = frozenset({TRANSLATED, COMPLETED, SAMPLE, MEAN}) | MAPS

#: Kind to what files are called after the image's name, in the order in which they are written.
FILE_WORDS = {
    REAL: "real",
    TRANSLATED: "translated",
    COMPLETED: "completed",
    DIFFERENCE: "difference",
    ROUND_TRIP: "round_trip",
    ABOVE_ERROR: "above_error",
    TURNED: "turned",
    AGREEMENT: "agreement",
    SAMPLE: "sample",
    MEAN: "samples-mean",
    SPREAD: "samples-spread",
}
#: The same of files that earlier versions wrote, where they called them otherwise.
EARLIER_FILE_WORDS = {ABOVE_ERROR: "believed"}
# Black where nothing changes, as a dark field is; blue and orange differ to every eye.
DIVERGING = ((0.65, 0.9, 1, 1), (0.1, 0.4, 1, 1), (0, 0, 0, 1), (1, 0.45, 0, 1), (1, 0.92, 0.65, 1))


def kind_of(provenance: Mapping[str, Any]) -> str:
    """Return what an image is by its provenance; `REAL` where that says nothing."""
    # earlier versions called it a role, or said no more than that an image is translated
    stated = str(provenance.get("kind") or provenance.get("role") or "")
    if stated in MADE or stated == REAL:
        return stated
    return TRANSLATED if str(provenance.get("translated", "")).lower() == "true" else REAL


def way_of(provenance: Mapping[str, Any]) -> str:
    """Return from where to where an image was made and by what, as far as its provenance says."""
    source, target = provenance.get("source"), provenance.get("target")
    checkpoint = provenance.get("checkpoint")
    way = f"{source} translated to {target}" if source and target else "made by an engine"
    if kind_of(provenance) == COMPLETED or provenance.get("completed"):
        way = f"drawn as {target}" if target else way
    return way + (f" with the checkpoint {checkpoint}" if checkpoint else "")


def sentence_of(provenance: Mapping[str, Any]) -> str:
    """Return what a user must know of an image that was not measured; empty for others."""
    kind = kind_of(provenance)
    if kind not in MADE:
        return ""
    what = {
        DIFFERENCE: "A difference map, translated - real, of what was made by an engine",
        ROUND_TRIP: "What a round trip through the engine changes, made by an engine",
        ABOVE_ERROR: "A difference map where it exceeds the engine's error, of what was made by an engine",
        TURNED: "How far translations of the turned image differ, made by an engine",
        AGREEMENT: "Which share of trainings or samples changes this in the same direction, made by an engine",
        SPREAD: "How much samples differ (standard deviation), made by an engine",
        MEAN: "Not measured, but the mean of samples made by an engine",
    }.get(kind, "Not measured, but made by an engine")
    return f"{what}: {way_of(provenance)}."


def unit_word(dtype: np.dtype) -> str:
    """Return what intensities of this dtype are counted in, as a word behind a number."""
    return "counts" if dtype.kind in "ui" else "intensity units"
