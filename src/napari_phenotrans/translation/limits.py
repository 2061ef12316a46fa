"""Sizes that decide whether a plane is translated in one piece or in several."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Limits:
    """How much is done at once.

    Parameters
    ----------
    whole_plane
        Pixels of the largest plane that an imported generator takes in one piece: it normalizes a plane by its own
        statistics, so the plane has to pass the network whole.
    large_plane
        Working pixels above which a plane comes in regions where that is asked for, from engines that evaluate often.
    square
        Side in pixels of the image of those regions.
    strip
        Columns of the image that are translated together, from the first row to the last, by an engine that evaluates
        once: memory grows with them. Where a plane is wider, tiles that two such strips share are computed for each.
    part
        Columns that are given out at once. Strips and parts are whole chunks of the files that we write.
    glimpse
        Side of what is translated first where tiles have at least twice its pixels: a quarter of a usual tile's time.
    """

    whole_plane: int = 2048 * 2048
    large_plane: int = 2048 * 2048
    square: int = 2048
    strip: int = 16384
    part: int = 2048
    glimpse: int = 256


USUAL_LIMITS = Limits()
