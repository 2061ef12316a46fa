"""Refusing weights that are no numbers, and settings of larger networks than the weights are of."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from napari_phenotrans.core.errors import InputError
from napari_phenotrans.core.text import few

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from napari_phenotrans.core.settings import TrainingSettings

_KERNEL = 9  # values of a 3 x 3 convolution, for each pair of channels
_INNERMOST = 4  # times its width a generator is wide between its blocks' layers
_MOST_LAYERS, _MOST = 64, 1_000_000  # of layers, and of anything else that an imported configuration counts


def refuse_not_finite(tensors: Mapping[str, np.ndarray], path: Path) -> None:
    """Refuse weights that are not finite numbers once they are float32, as they are used.

    Raises
    ------
    InputError
        If there are any.
    """
    with np.errstate(over="ignore", invalid="ignore"):
        wrong = [name for name, value in tensors.items() if not np.isfinite(value.astype(np.float32, copy=False)).all()]
    if wrong:
        raise InputError(
            f"{path} holds weights that are not finite as float32, in {few(wrong)}: its training went wrong. Take an "
            f"earlier checkpoint."
        )


def refuse_oversized(settings: TrainingSettings, weights: int, where: object) -> None:
    """Refuse settings of networks that need more weights than there are, before such networks are made.

    Parameters
    ----------
    settings
        Of an engine.
    weights
        How many numbers there are.
    where
        What to call the checkpoint.

    Raises
    ------
    InputError
        If they need more, or an imported configuration counts more than any network has.
    """
    values: dict[str, Any] = dict(settings)
    network, schedule = values.get("network") or {}, values.get("schedule") or {}
    _refuse_endless(network, "network", where)
    _refuse_endless(schedule, "schedule", where)
    if network:
        widths, each = network.get("block_out_channels", ()), _KERNEL * int(network.get("layers_per_block", 1))
        what, needed = f"block_out_channels {list(widths)}", sum(each * int(width) ** 2 for width in widths)
    elif "blocks" in values:
        what = f"width {settings.width}, {values['blocks']} blocks"
        needed = values["blocks"] * 2 * _KERNEL * (_INNERMOST * settings.width) ** 2
    elif "levels" in values:
        what = f"width {settings.width}, {values['levels']} levels"
        needed = values["levels"] * values["layers"] * _KERNEL * settings.width**2
    else:
        return  # an engine without layers
    if needed > weights:
        raise InputError(
            f"{where} does not hold the weights that its card describes: {what} are {needed} weights at least, and "
            f"there are {weights}. Get the file again from where it came."
        )


def _refuse_endless(configuration: Mapping[str, Any], part: str, where: object) -> None:
    for name, value in configuration.items():
        most = _MOST_LAYERS if "layers" in name else _MOST
        counts = value if isinstance(value, list | tuple) else [value]
        # all lists are of levels, but for the table of a schedule
        longest = _MOST if name == "trained_betas" else _MOST_LAYERS
        if len(counts) > longest or any(isinstance(count, int | float) and count > most for count in counts):
            raise InputError(
                f"{where} has a card whose {part} says {name}: {str(value)[:60]}. At most {most} are expected, in "
                f"lists of at most {longest}. Get the file again from where it came."
            )
