"""Image: pixels that are addressed by axis letters, never reshaped."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_phenotrans.core.errors import InputError
from napari_phenotrans.core.kinds import kind_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence
    from pathlib import Path

    from napari_phenotrans.core.region import Region

AXES = "TZCYX"
# How the note begins that says that a file's channels were told apart.
REPEATED = "Several channels are called"


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
    reading
        What `napari_phenotrans.io.read` was told of ``axes``, ``series``, ``join`` and the like, to read it again.
    origin_um
        Where the center of the first pixel lies on the stage, micrometers along Z, Y and X, as far as known.
    display
        Per channel the least and the greatest value that was shown when it was kept, or None; () where none is known.
    provenance
        How the image was made where `napari_phenotrans.io.write` noted it, as names and values; its ``kind`` tells a
        translation from a real image.

    Raises
    ------
    InputError
        If axes, pixels and channels do not fit together.

    Examples
    --------
    >>> import numpy as np
    >>> import napari_phenotrans as pt
    >>> stack = pt.Image(np.zeros((5, 2, 32, 48), np.uint16), "ZCYX", ("DNA", "GFP"), pixel_size_um=0.65)
    >>> stack.sizes
    {'Z': 5, 'C': 2, 'Y': 32, 'X': 48}
    >>> stack.plane(z=3).shape
    (2, 32, 48)
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
    reading: Mapping[str, Any] = field(default_factory=dict)
    origin_um: Mapping[str, float] = field(default_factory=dict)
    display: tuple[tuple[float, float] | None, ...] = ()
    provenance: Mapping[str, Any] = field(default_factory=dict)

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
        dtype: np.dtype = np.dtype(self.pixels.dtype)
        return dtype

    @property
    def kind(self) -> str:
        """What the image is, out of `napari_phenotrans.core.kinds`: ``real`` unless its provenance says otherwise."""
        return kind_of(self.provenance)

    @property
    def synthetic(self) -> bool:
        """Whether the image says of itself that it was invented."""
        return "synthetic" in self.description.casefold()

    def plane(self, t: int | None = None, z: int | None = None, region: Region | None = None) -> np.ndarray:
        """Read one plane, or a region of it, into memory.

        Parameters
        ----------
        t, z
            Position along T and Z; must be said where the image has the axis (0 is accepted where it has not).
        region
            The part to read; of a lazy image nothing else is.

        Returns
        -------
        (C, Y, X) array in the image's dtype; C is 1 for an image without that axis.

        Raises
        ------
        InputError
            If an axis is missing in the call or in the image, or a position or the region lies outside.
        """
        within: dict[str, slice] = {}
        if region is not None:
            self.refuse_outside(region)
            within = dict(zip("YX", region.slices, strict=True))
        index = tuple(within.get(letter, self._position(letter, {"T": t, "Z": z})) for letter in self.axes)
        self._refuse_extra({"T": t, "Z": z})
        plane = np.asarray(self.pixels[index])
        rest = [letter for letter in self.axes if letter in "CYX"]
        if "C" not in rest:
            plane, rest = plane[np.newaxis], ["C", *rest] if rest[0] == "Y" else ["C", "X", "Y"]
        return np.transpose(plane, [rest.index(letter) for letter in "CYX"])

    def refuse_outside(self, region: Region) -> None:
        """Raise InputError if a region is empty, or not all of it lies in the image's planes."""
        height, width = self.sizes["Y"], self.sizes["X"]
        empty = region.height < 1 or region.width < 1
        if empty or region.top < 0 or region.left < 0 or region.bottom > height or region.right > width:
            raise InputError(
                f"The region of {region.height} × {region.width} pixels at row {region.top}, column {region.left} "
                f"{'is empty' if empty else 'does not lie in the image'}, whose planes have {height} × {width}. "
                f"Choose a region inside."
            )

    def positions(self) -> Iterator[tuple[int, int]]:
        """Every (t, z), T outermost; an image without T and Z has one position, (0, 0)."""
        for t in range(self.sizes.get("T", 1)):
            for z in range(self.sizes.get("Z", 1)):
                yield t, z

    def checked_positions(self, wanted: Iterable[tuple[int, int]] | None) -> list[tuple[int, int]]:
        """Return the wanted (t, z), each once in the order of `positions`; None wants all.

        Raises
        ------
        InputError
            If the image has no such plane, or none is wanted.
        """
        existing = list(self.positions())
        if wanted is None:
            return existing
        wanted = set(wanted)
        outside = sorted(wanted - set(existing))
        if outside or not wanted:
            t, z = outside[0] if outside else (None, None)
            raise InputError(
                f"{f'There is no plane t={t}, z={z}' if outside else 'No plane was chosen'}: the image has the sizes "
                f"{self.sizes}. Choose t from 0 to {existing[-1][0]} and z from 0 to {existing[-1][1]}."
            )
        return [position for position in existing if position in wanted]

    def part(
        self,
        *,
        channels: Sequence[int] | None = None,
        positions: Iterable[tuple[int, int]] | None = None,
        region: Region | None = None,
    ) -> Image:
        """Return a part of the image with the same axes; lazy where the image is.

        Parameters
        ----------
        channels
            Indices, in the wanted order.
        positions
            The (t, z): all those of some T with some Z.
        region
            The part of each plane.

        Raises
        ------
        InputError
            If positions are none or no such product, or they or the region lie outside.
        """
        wanted = self.checked_positions(positions)
        ts, zs = (sorted(set(values)) for values in zip(*wanted, strict=True))
        if len(ts) * len(zs) != len(wanted):
            raise InputError(
                f"The {len(wanted)} planes do not make a stack: expected each of the T {ts} with each of the Z {zs}."
            )
        if region is not None:
            self.refuse_outside(region)
        index: dict[str, Any] = dict(zip("YX", region.slices, strict=True)) if region else {}
        index |= {letter: some for letter, some in (("T", ts), ("Z", zs)) if len(some) < self.sizes.get(letter, 1)}
        if channels is not None and list(channels) != list(range(len(self.channels))):
            index["C"] = list(channels)
        index = {letter: taken for letter, taken in index.items() if letter in self.axes}
        if not index:
            return self
        indices = range(len(self.channels)) if channels is None else channels
        return self.replace(
            pixels=_taken(self.pixels, self.axes, index),
            channels=tuple(self.channels[i] for i in indices),
            colors=tuple(self.colors[i] for i in indices),
            display=tuple(self.display[i] for i in indices) if self.display else (),
            # smaller versions do not know the region's pixels
            pyramid=() if region else tuple(_taken(level, self.axes, index) for level in self.pyramid),
            origin_um=self._moved_origin({"Z": zs[0]} | ({"Y": region.top, "X": region.left} if region else {})),
        )

    def _moved_origin(self, first: Mapping[str, int]) -> dict[str, float]:
        """Return the origin of a part that begins at these positions."""
        steps = {"Z": self.z_step_um, "Y": self.pixel_size_um, "X": self.pixel_size_um}
        return {a: start + first.get(a, 0) * (steps[a] or 0) for a, start in self.origin_um.items()}

    def write_plane(self, plane: np.ndarray, into: Any, t: int = 0, z: int = 0, top: int = 0, left: int = 0) -> None:
        """Write a (C, Y, X) plane, or a rectangle of one, into an array laid out like ``pixels``."""
        rows, columns = slice(top, top + plane.shape[1]), slice(left, left + plane.shape[2])
        index_of = {"T": t, "Z": z, "Y": rows, "X": columns, "C": slice(None)}
        index = tuple(index_of[letter] for letter in self.axes)
        rest = [letter for letter in self.axes if letter in "CYX"]
        if "C" not in rest:
            plane, letters = plane[0], "YX"
        else:
            letters = "CYX"
        into[index] = np.transpose(plane, [letters.index(letter) for letter in rest])

    def replace(self, **changes: Any) -> Image:
        """Return a copy in which some fields differ."""
        return replace(self, **changes)

    def _position(self, letter: str, asked: dict[str, int | None]) -> slice | int:
        if letter in "CYX":
            return slice(None)
        position = asked[letter]
        if position is None:
            raise InputError(
                f"A position along {letter} is missing: the image has the axes {self.axes} with sizes {self.sizes}, "
                f"the plane was asked for with {_spoken(asked)}. Say {letter.lower()}=0 to "
                f"{letter.lower()}={self.sizes[letter] - 1}."
            )
        if not -self.sizes[letter] <= position < self.sizes[letter]:
            raise InputError(
                f"{letter.lower()}={position} lies outside the image, whose sizes are {self.sizes}. "
                f"Say 0 to {self.sizes[letter] - 1}."
            )
        return position

    def _refuse_extra(self, asked: dict[str, int | None]) -> None:
        for letter, position in asked.items():
            if letter not in self.axes and position not in (None, 0):
                raise InputError(
                    f"The image has no axis {letter}: its axes are {self.axes}, the plane was asked for with "
                    f"{_spoken(asked)}. Leave {letter.lower()} out."
                )


def told_apart(names: Sequence[str]) -> tuple[tuple[str, ...], str | None]:
    """Number names that come more than once, "DAPI" and "DAPI (2)"; the note is None where all are different."""
    taken, result = set(names), []
    for index, name in enumerate(names):
        number = 1 + sum(other == name for other in names[:index])
        while number > 1 and f"{name} ({number})" in taken:
            number += 1
        result.append(name if number == 1 else f"{name} ({number})")
        taken.add(result[-1])
    changed = [(name, new) for name, new in zip(names, result, strict=True) if name != new]
    if not changed:
        return tuple(result), None
    repeated = ", ".join(dict.fromkeys(name for name, _ in changed))
    numbered = ", ".join(repr(new) for _, new in changed)
    return tuple(result), (
        f"{REPEATED} {repeated}: the first of a name keeps it, the others are {numbered}, in the order of the file."
    )


def _taken(pixels: Any, axes: str, index: dict[str, Any]) -> Any:
    """Index some axes of an array; what is lazy becomes a Dask array and stays lazy."""
    if not isinstance(pixels, np.ndarray):
        from dask import array

        pixels = array.asarray(pixels) if hasattr(pixels, "dask") else array.from_array(pixels, name=False)
    # one axis after the other, for lists of indices in two axes would be paired
    for axis, letter in enumerate(axes):
        if letter in index:
            pixels = pixels[(slice(None),) * axis + (index[letter],)]
    return pixels


def _spoken(asked: dict[str, int | None]) -> str:
    parts = [f"{letter.lower()}={position}" for letter, position in asked.items() if position is not None]
    return ", ".join(parts) or "neither t nor z"
