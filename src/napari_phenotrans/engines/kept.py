"""Channels that an engine is shown and returns as they came."""

from __future__ import annotations

from typing import TYPE_CHECKING

from napari_phenotrans.core.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Sequence


def places_of(kept: Sequence[str], known: Sequence[str] | None, channels: int) -> tuple[int, ...]:
    """Return the places of the kept channels among those that an engine sees.

    Raises
    ------
    InputError
        If a name is not among them, or no channel is left to move.
    """
    names = tuple(known or ())
    unknown = [name for name in kept if name not in names]
    if unknown:
        raise InputError(
            f"The channels to keep are not among the images': {', '.join(unknown)}. Expected some of "
            f"{', '.join(names) or 'the channels, which have no names here'}. Say --kept as they are called there."
        )
    places = tuple(sorted({names.index(name) for name in kept}))
    if len(places) == channels:
        raise InputError(
            f"Every channel is to be kept ({', '.join(names)}), so that nothing is left to translate. Keep only "
            f"channels that the condition does not act on; the others move."
        )
    return places
