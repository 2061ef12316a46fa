"""Mapping the axes that a file states to letters out of TZCYX."""

from __future__ import annotations

from typing import TYPE_CHECKING

from napari_phenotrans.core.errors import InputError
from napari_phenotrans.core.image import AXES

if TYPE_CHECKING:
    from pathlib import Path

# Samples of a color picture and wavelengths are channels; I and Q are pages of which the file says nothing.
_KNOWN = {"S": "C", "E": "C"}
_OPEN = "IQ"
_FEW = 5


def settle(path: Path, stated: str, shape: tuple[int, ...], user_axes: str | None) -> tuple[str, tuple[str, ...]]:
    """Find the axes of an image.

    Parameters
    ----------
    path
        The file, for messages.
    stated
        One letter per axis as the file (or tifffile's code for it) states them, such as ``IYX`` or ``TYXS``.
    shape
        Lengths of the axes.
    user_axes
        The axes that the user named, which win.

    Returns
    -------
    Letters out of TZCYX, and what was guessed, in sentences.

    Raises
    ------
    InputError
        If the user's axes do not fit the shape, or the stated ones cannot be mapped.
    """
    description = f"{path} holds the axes {stated or 'unknown'} with shape {shape}"
    if user_axes is not None:
        if (
            len(user_axes) != len(shape)
            or len(set(user_axes)) != len(user_axes)
            or not {"Y", "X"} <= set(user_axes) <= set(AXES)
        ):
            raise InputError(
                f"{description}; the axes {user_axes!r} were said for it. Expected {len(shape)} different letters out "
                f"of {AXES}, Y and X among them, as in --axes {_example(len(shape))}."
            )
        return user_axes, ()
    if len(shape) > len(AXES) or not {"Y", "X"} <= set(stated):
        raise InputError(
            f"{description}. Expected Y, X and at most one each of T, Z and C. Export a part that has those."
        )
    letters = list(stated)
    for i, letter in enumerate(letters):
        if letter in _KNOWN and "C" not in letters:
            letters[i] = _KNOWN[letter]
    strange = [letter for letter in letters if letter not in AXES + _OPEN]
    if strange or len(set(letters) - set(_OPEN)) != sum(letter not in _OPEN for letter in letters):
        raise InputError(
            f"{description}, which cannot be mapped to {AXES}: {', '.join(strange) or 'a letter'} stands for something "
            f"else or comes twice. Say what each axis is, as in --axes {_example(len(shape))}."
        )
    guessed = []
    for i in reversed(range(len(letters))):
        if letters[i] in _OPEN:
            # few pages are most often stains, many are a stack
            order = "CZT" if shape[i] <= _FEW else "ZTC"
            letters[i] = next(letter for letter in order if letter not in letters)
            guessed.append(f"{shape[i]} pages were taken as {letters[i]}")
    axes = "".join(letters)
    if not guessed:
        return axes, ()
    note = (
        f"The file does not say what all its axes are: {', '.join(guessed)}, so the axes are {axes}. If that is "
        f"wrong, say them, as in --axes {_other(axes)}."
    )
    return axes, (note,)


def _example(count: int) -> str:
    return {2: "YX", 3: "CYX", 4: "ZCYX"}.get(count, AXES)


def _other(axes: str) -> str:
    swap = {"C": "Z", "Z": "T", "T": "Z"}
    other = next(letter for letter in axes if letter not in "YX")
    return axes.replace(other, swap[other]) if swap[other] not in axes else axes[::-1][2:] + "YX"
