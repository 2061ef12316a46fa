"""How a synthetic organoid is photographed plane by plane: nuclei are ellipsoids, tissue leans, light is blurred in 3D.

The plane in the middle is the organoid's flat image, nearly; away from it nuclei are cut where they are narrower, until
they end. One layer of nuclei is all there is: a stack of some 12 µm shows it from one side to the other.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
from scipy import ndimage

from napari_phenotrans.core.errors import InputError
from napari_phenotrans.dataset.synthetic_anatomy import (
    COUNTS_PER_PHOTON,
    MITOSIS,
    NUCLEUS,
    OFFSET,
    READ_NOISE,
)

if TYPE_CHECKING:
    from napari_phenotrans.dataset.synthetic_anatomy import Anatomy, Cell

# Micrometers: how far nuclei's centers lie from the middle, what reaches from plane to plane sharp and out of focus.
SCATTER_UM, SHARP_UM, SKIRT_UM = 2.0, 0.9, 3.0
# What structures shift by along X and Y, per length along Z.
LEAN = 0.25
_BEYOND = 2  # planes above and below, whose light is seen


@dataclass(frozen=True)
class Stack:
    """How many planes are taken, and micrometers between them.

    Raises
    ------
    InputError
        If one lies outside its limits.
    """

    planes: int = 8
    z_step_um: float = 1.5

    def __post_init__(self) -> None:
        if not 2 <= self.planes <= 200 or not 0.1 <= self.z_step_um <= 10:
            raise InputError(
                f"A stack of {self.planes} planes with {self.z_step_um} µm between them was asked for. Say 2 to 200 "
                f"planes and 0.1 to 10 µm."
            )

    @property
    def depths_um(self) -> np.ndarray:
        """Where the planes lie; 0 is the middle of the organoid."""
        return (np.arange(self.planes) - (self.planes - 1) / 2) * self.z_step_um


@dataclass(frozen=True, eq=False)
class Depths:
    """Where the centers of the nuclei lie along Z, and their half lengths there, in micrometers."""

    center: np.ndarray
    half: np.ndarray

    @classmethod
    def of(cls, anatomy: Anatomy, seed: int) -> Depths:
        """Draw them; they are the seed's alone, and nothing that the flat image is made of."""
        rng = np.random.default_rng([seed, 3])
        center, uneven = rng.standard_normal((2, len(anatomy.cells)))
        across = np.array([cell.b for cell in anatomy.cells]) / anatomy.per_um
        half = np.clip(1.3 * across * np.exp(0.1 * uneven), 2.5, 6.5)
        return cls(np.clip(SCATTER_UM * center, -2 * SCATTER_UM, 2 * SCATTER_UM), half)


def photograph_stack(
    anatomy: Anatomy, depths: Depths, stack: Stack, missing: set[int], calmed: set[int], seed: int
) -> tuple[np.ndarray, np.ndarray]:
    """Take a stack without the cells ``missing`` and with those ``calmed`` (indices) in interphase.

    Returns
    -------
    (planes, 3, size, size) uint16 image and (planes, size, size) int32 labels, which count nuclei from 1.
    """
    step = stack.z_step_um
    at = np.concatenate(
        [
            stack.depths_um[0] - step * np.arange(_BEYOND, 0, -1),
            stack.depths_um,
            stack.depths_um[-1] + step * np.arange(1, _BEYOND + 1),
        ]
    )
    painted = [_paint(anatomy, depths, depth, missing, calmed, seed) for depth in at]
    scene = np.stack([light for light, _ in painted])
    labels = np.stack([of_plane[anatomy.inner] for _, of_plane in painted[_BEYOND:-_BEYOND]])

    # ---- microscope: a sharp core and a wide skirt, longer along Z than across
    counts = np.empty((stack.planes, 3, anatomy.size, anatomy.size), np.float32)
    for channel in range(3):
        sharp, skirt = (
            ndimage.gaussian_filter(
                scene[:, channel], (along / step, *[across * anatomy.per_um] * 2), mode="nearest", truncate=3
            )[_BEYOND:-_BEYOND]
            for along, across in ((SHARP_UM, 0.45), (SKIRT_UM, 2.2))
        )
        counts[:, channel] = ((0.78 * sharp + 0.22 * skirt) * anatomy.illumination)[:, *anatomy.inner]

    # ---- camera: each plane has noise of its own, both conditions the same
    rng = np.random.default_rng([seed, 4])
    for plane in counts:
        shot, read = rng.standard_normal((2, *plane.shape), dtype=np.float32)
        plane += OFFSET + np.sqrt(COUNTS_PER_PHOTON * np.maximum(plane, 0)) * shot + READ_NOISE * read
    return np.clip(np.rint(counts), 0, 65535).astype(np.uint16), labels.copy()


def _paint(
    anatomy: Anatomy, depths: Depths, depth_um: float, missing: set[int], calmed: set[int], seed: int
) -> tuple[np.ndarray, np.ndarray]:
    """Return what lies at a depth, (3, extent, extent) of light and the labels of it."""
    turn = np.random.default_rng([seed, 5]).uniform(0, 2 * np.pi)
    shift = LEAN * depth_um * anatomy.per_um * np.array([np.sin(turn), np.cos(turn)])
    scene = np.stack([ndimage.shift(plane, shift, order=1, mode="grid-wrap") for plane in anatomy.background])
    labels = np.zeros(anatomy.shape, np.int32)

    # ---- where a nucleus is cut at this depth, it is smaller by so much
    width = np.sqrt(np.maximum(1 - ((depth_um - depths.center) / depths.half) ** 2, 0))
    cut = {i: _section(cell, width[i]) for i, cell in enumerate(anatomy.cells) if width[i] > 0.15 and i not in missing}
    best, owner = np.ones(anatomy.shape, np.float32), np.full(anatomy.shape, -1)
    for index, cell in cut.items():
        won = cell.radius < best[cell.window]
        best[cell.window][won] = cell.radius[won]
        owner[cell.window][won] = index
    for index, cell in cut.items():
        own = owner[cell.window] == index
        dapi, ph3, chromatin = anatomy.light_of(cell, index, calm=index in calmed)
        light = np.where(own | (owner[cell.window] < 0), np.float32(1), np.float32(0.35))
        scene[0][cell.window] += NUCLEUS * light * dapi
        scene[1][cell.window] += MITOSIS * light * ph3
        labels[cell.window][own & chromatin] = index + 1
    return scene, labels


def _section(cell: Cell, width: float) -> Cell:
    """Return a cell as it looks where it is so much narrower than in its middle."""
    along, across, radius = (values / np.float32(width) for values in (cell.along, cell.across, cell.radius))
    return replace(cell, along=along, across=across, radius=radius)
