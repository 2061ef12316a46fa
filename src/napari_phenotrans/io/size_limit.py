"""How much one piece of a file may hold once it is decoded: a few kilobytes may claim all memory that there is."""

from __future__ import annotations

import math
import os
from typing import TYPE_CHECKING

from napari_phenotrans.core.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

#: The environment variable that sets another limit, in GB.
VARIABLE = "PHENOTRANS_LARGEST_GB"
USUAL_GB = 4.0
MOST_CHANNELS, MOST_PLANES = 10_000, 10_000_000  # of an image


def refuse_larger(path: Path, what: str, shape: Sequence[int], itemsize: int) -> None:
    """Refuse a piece of a file that would be larger than the limit, before it is decoded.

    Parameters
    ----------
    path, what
        The file, and which piece of it.
    shape, itemsize
        Of its pixels.

    Raises
    ------
    InputError
        Also if the limit that was set is none.
    """
    limit = _limit_gb()
    size = math.prod(int(length) for length in shape) * itemsize / 1e9
    if size > limit:
        raise InputError(
            f"{path} says that {what} is {' × '.join(map(str, shape))} pixels, {size:.3g} GB. Up to {limit:g} GB are "
            f"read in one piece: the file is damaged, or its pieces are that large. Then say "
            f"{VARIABLE}={math.ceil(size)} in the environment."
        )


def _limit_gb() -> float:
    said = os.environ.get(VARIABLE, "")
    try:
        limit = float(said) if said else USUAL_GB
    except ValueError:
        limit = 0.0
    if not 0 < limit < math.inf:
        raise InputError(f"{VARIABLE}={said!r} is no limit. Expected a number of GB above 0, or nothing.")
    return limit
