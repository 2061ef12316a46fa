"""The request for a translation."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from napari_phenotrans.core.region import Region


@dataclass(frozen=True)
class TranslationRequest:
    """From which condition to which, what of an image, and how.

    Parameters
    ----------
    source, target
        Conditions that the checkpoint knows; equal ones are the identity control.
    channels
        The image's name for a channel of the checkpoint where they differ: ``{"DAPI": "Hoechst"}``.
    positions
        The (t, z) to translate; all where none are said.
    region
        The part of each plane to translate, in pixels of the image. It comes out as in the whole plane, except from
        imported networks that normalize by the statistics of what they see.
    how
        What the engine is told this time, such as PhenDiff's ``strength``; goes before what the translator was told.
    way_back
        Whether the image is a translation from ``target`` to ``source`` itself, which networks tell from a real one.
    """

    source: str
    target: str
    channels: Mapping[str, str] = field(default_factory=dict)
    positions: Sequence[tuple[int, int]] | None = None
    region: Region | None = None
    how: Mapping[str, Any] = field(default_factory=dict)
    way_back: bool = False
