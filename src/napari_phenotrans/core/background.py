"""What a direction adds to the background of a translation, as a checkpoint's card keeps it."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict


class Offset(BaseModel):
    """What is added to each channel of a translation, in the scale that engines see (2 is the limits' range).

    Attributes
    ----------
    source, target
        The direction.
    way_back
        Whether it is for images that are translations themselves.
    to_source, to_target
        Per channel, what brings the background back to the source's, and to the target's.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    source: str
    target: str
    way_back: bool = False
    to_source: tuple[float, ...]
    to_target: tuple[float, ...]
