"""Refusing weights that are no numbers, and configurations that no network has."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from napari_phenotrans.core.errors import InputError
from napari_phenotrans.core.text import few

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

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


def refuse_endless(settings: Mapping[str, Any], where: object) -> None:
    """Refuse configurations from other programs that count more than any network has, and so would never be built.

    Parameters
    ----------
    settings
        Of a card.
    where
        What to call the checkpoint.

    Raises
    ------
    InputError
        If one counts more.
    """
    for part in ("network", "schedule"):
        configuration = settings.get(part)
        for name, value in configuration.items() if isinstance(configuration, dict) else ():
            most = _MOST_LAYERS if "layers" in name else _MOST
            counts = value if isinstance(value, list | tuple) else [value]
            # all lists are of levels, but for the table of a schedule
            longest = _MOST if name == "trained_betas" else _MOST_LAYERS
            if len(counts) > longest or any(isinstance(count, int | float) and count > most for count in counts):
                raise InputError(
                    f"{where} has a card whose {part} says {name}: {str(value)[:60]}. At most {most} are expected, in "
                    f"lists of at most {longest}. Get the file again from where it came."
                )
