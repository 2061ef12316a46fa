"""Channels that an engine is shown and returns as they came."""

from __future__ import annotations

from typing import TYPE_CHECKING

from napari_phenotrans.core.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Sequence


def places_among(
    chosen: Sequence[str], known: Sequence[str] | None, what: str = "to keep", option: str = "--kept"
) -> tuple[int, ...]:
    """Return the places of channels among those that an engine sees, rising.

    Raises
    ------
    InputError
        If a name is not among them; ``what`` and ``option`` say what it was chosen for.
    """
    names = tuple(known or ())
    unknown = [name for name in chosen if name not in names]
    if unknown:
        raise InputError(
            f"The channels {what} are not among the images': {', '.join(unknown)}. Expected some of "
            f"{', '.join(names) or 'the channels, which have no names here'}. Say {option} as they are called there."
        )
    return tuple(sorted({names.index(name) for name in chosen}))


def places_of(kept: Sequence[str], known: Sequence[str] | None, channels: int) -> tuple[int, ...]:
    """Return the places of the kept channels among those that an engine sees.

    Raises
    ------
    InputError
        If a name is not among them, or no channel is left to move.
    """
    places = places_among(kept, known)
    if len(places) == channels:
        raise InputError(
            f"Every channel is to be kept ({', '.join(known or ())}), so that nothing is left to translate. Keep only "
            f"channels that the condition does not act on; the others move."
        )
    return places
