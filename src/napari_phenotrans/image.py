"""Image: pixels that are addressed by axis letters, never reshaped."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_phenotrans.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

AXES = "TZCYX"


@dataclass(frozen=True, eq=False)
class Image:
    """A multichannel image, stack or time series, with what is known about it.

    Parameters
    ----------
    pixels
        NumPy, Dask or Zarr array; only its ``shape``, ``dtype`` and slicing are used, so that it may be lazy.
    axes
        One letter out of ``TZCYX`` per axis of ``pixels``, in any order; Y and X are needed, the rest is optional.
    channels
        Names, one per channel; an image without the axis C has one channel.
    pixel_size_um
        Micrometers per pixel along Y and X, None where unknown.
    unit
        Unit in which the file stated its pixel size ("µm", "nm", …), "pixel" where it stated none.
    path
        File or folder that the pixels come from.
    z_step_um, frame_interval_s
        Micrometers between planes, seconds between time points, None where unknown.
    colors
        One "#rrggbb" per channel, or None for a channel whose color is not known.
    pyramid
        The same pixels at falling resolution (without the full one), for display only.
    notes
        What reading had to guess, in sentences for the user.
    description
        The file's free text, kept when writing; "synthetic" in it marks an image that was invented, not measured.

    Raises
    ------
    InputError
        If axes, pixels and channels do not fit together.
    """

    pixels: Any
    axes: str
    channels: tuple[str, ...] = ()
    pixel_size_um: float | None = None
    unit: str = "pixel"
    path: Path | None = None
    z_step_um: float | None = None
    frame_interval_s: float | None = None
    colors: tuple[str | None, ...] = ()
    pyramid: tuple[Any, ...] = ()
    notes: tuple[str, ...] = ()
    description: str = ""

    def __post_init__(self) -> None:
        shape = tuple(self.pixels.shape)
        wrong = [letter for letter in self.axes if letter not in AXES]
        if wrong or len(set(self.axes)) != len(self.axes) or not {"Y", "X"} <= set(self.axes):
            raise InputError(
                f"Axes {self.axes!r} cannot be used: expected each of Y and X once and at most one each of T, Z "
                f"and C, as in 'CYX' or 'TZCYX'."
            )
        if len(self.axes) != len(shape):
            raise InputError(
                f"Axes {self.axes!r} name {len(self.axes)} axes, but the pixels have {len(shape)}: shape {shape}. "
                f"Say one letter out of {AXES} per axis."
            )
        if 0 in shape:
            raise InputError(f"The image is empty: shape {shape} along {self.axes}. Choose a file that holds pixels.")
        count = self.sizes.get("C", 1)
        if not self.channels:
            names = tuple(f"channel {index + 1}" for index in range(count))
            object.__setattr__(self, "channels", names)
        if len(self.channels) != count:
            raise InputError(
                f"{len(self.channels)} channel names {list(self.channels)} came for {count} channels "
                f"(axes {self.axes}, shape {shape}). Say one name per channel."
            )
        if not self.colors:
            object.__setattr__(self, "colors", (None,) * count)

    @property
    def sizes(self) -> dict[str, int]:
        """Length of each axis, in the order of the axes: ``{"C": 2, "Y": 640, "X": 640}``."""
        return dict(zip(self.axes, (int(n) for n in self.pixels.shape), strict=True))

    @property
    def dtype(self) -> np.dtype:
        return np.dtype(self.pixels.dtype)

    @property
    def synthetic(self) -> bool:
        """Whether the image says of itself that it was invented."""
        return "synthetic" in self.description.casefold()

    def plane(self, t: int | None = None, z: int | None = None) -> np.ndarray:
        """Read one plane into memory.

        Parameters
        ----------
        t, z
            Position along T and Z; must be said where the image has the axis (0 is accepted where it has not).

        Returns
        -------
        (C, Y, X) array in the image's dtype; C is 1 for an image without that axis.

        Raises
        ------
        InputError
            If an axis is missing in the call or in the image, or a position lies outside.
        """
        index = tuple(self._position(letter, {"T": t, "Z": z}) for letter in self.axes)
        self._refuse_extra({"T": t, "Z": z})
        plane = np.asarray(self.pixels[index])
        rest = [letter for letter in self.axes if letter in "CYX"]
        if "C" not in rest:
            plane, rest = plane[np.newaxis], ["C", *rest] if rest[0] == "Y" else ["C", "X", "Y"]
        return np.transpose(plane, [rest.index(letter) for letter in "CYX"])

    def positions(self) -> Iterator[tuple[int, int]]:
        """Every (t, z), T outermost; an image without T and Z has one position, (0, 0)."""
        for t in range(self.sizes.get("T", 1)):
            for z in range(self.sizes.get("Z", 1)):
                yield t, z

    def place(self, plane: np.ndarray, into: Any, t: int = 0, z: int = 0) -> None:
        """Write a (C, Y, X) plane into an array laid out like ``pixels``."""
        index = tuple({"T": t, "Z": z}.get(letter, slice(None)) for letter in self.axes)
        rest = [letter for letter in self.axes if letter in "CYX"]
        if "C" not in rest:
            plane, letters = plane[0], "YX"
        else:
            letters = "CYX"
        into[index] = np.transpose(plane, [letters.index(letter) for letter in rest])

    def replace(self, **changes: Any) -> Image:
        """Return a copy in which some fields differ."""
        return replace(self, **changes)

    def _position(self, letter: str, said: dict[str, int | None]) -> slice | int:
        if letter in "CYX":
            return slice(None)
        position = said[letter]
        if position is None:
            raise InputError(
                f"A position along {letter} is missing: the image has the axes {self.axes} with sizes {self.sizes}, "
                f"the plane was asked for with {_spoken(said)}. Say {letter.lower()}=0 to "
                f"{letter.lower()}={self.sizes[letter] - 1}."
            )
        if not -self.sizes[letter] <= position < self.sizes[letter]:
            raise InputError(
                f"{letter.lower()}={position} lies outside the image, whose sizes are {self.sizes}. "
                f"Say 0 to {self.sizes[letter] - 1}."
            )
        return position

    def _refuse_extra(self, said: dict[str, int | None]) -> None:
        for letter, position in said.items():
            if letter not in self.axes and position not in (None, 0):
                raise InputError(
                    f"The image has no axis {letter}: its axes are {self.axes}, the plane was asked for with "
                    f"{_spoken(said)}. Leave {letter.lower()} out."
                )


def _spoken(said: dict[str, int | None]) -> str:
    words = [f"{letter.lower()}={position}" for letter, position in said.items() if position is not None]
    return ", ".join(words) or "neither t nor z"
