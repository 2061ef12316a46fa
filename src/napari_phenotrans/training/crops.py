"""Random square crops of each condition, turned and mirrored, which training sees."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import torch
from skimage.filters import threshold_otsu
from torch import Tensor

from napari_phenotrans.core.errors import InputError

if TYPE_CHECKING:
    from napari_phenotrans.core.intensity import Intensity
    from napari_phenotrans.core.keyed_random import KeyedRandom

FOREGROUND_SHARE = 0.005  # of a crop's pixels, in any channel: less, and the crop is background
DRAWS = 50  # after so many crops of background one is taken all the same
# A data set lives on the GPU where it takes no more than this share of the memory that is free there.
SHARE_OF_GPU = 0.25


@dataclass(frozen=True)
class _Place:
    """Where in which plane a crop is cut out, how many quarters it is turned, and whether mirrored then."""

    number: int
    top: int
    left: int
    turns: int
    mirrored: bool


class Crops:
    """Random square crops of each condition, turned and mirrored.

    A crop is drawn again only where all its channels are background, by one threshold for all conditions: how
    densely cells stand may be the phenotype. How often that happened is in `rejected`.

    Parameters
    ----------
    planes
        Float32 (C, Y, X) planes of each condition, in the images' units.
    intensity
        The data set's intensity limits.
    crop
        Side of a crop in pixels.
    device
        Where crops are wanted. The planes live there too where they fit.
    masks
        Bool (Y, X) of each plane, of the objects whose shape matters to the engine; None where none does.

    Raises
    ------
    InputError
        If a plane is smaller than a crop.
    """

    def __init__(
        self,
        planes: dict[str, list[np.ndarray]],
        intensity: Intensity,
        crop: int,
        device: torch.device | str = "cpu",
        masks: dict[str, list[np.ndarray]] | None = None,
    ) -> None:
        too_small = [p.shape[1:] for ps in planes.values() for p in ps if min(p.shape[1:]) < crop]
        if too_small:
            raise InputError(
                f"{len(too_small)} planes are smaller than a crop of {crop} × {crop}, the smallest {min(too_small)}. "
                f"Choose a smaller --crop or a smaller --pixel-size."
            )
        self.crop = crop
        self.device = torch.device(device)
        normalized = {c: [intensity.normalize(p) for p in ps] for c, ps in planes.items()}
        sampled = [p[:, ::4, ::4].reshape(p.shape[0], -1) for ps in normalized.values() for p in ps]
        self.threshold = np.array([threshold_otsu(channel) for channel in np.concatenate(sampled, axis=1)])
        self._foreground = {c: [self._sums(p) for p in ps] for c, ps in normalized.items()}
        storage = self._choose_storage(sum(p.nbytes for ps in normalized.values() for p in ps))
        self.planes = {c: [torch.from_numpy(p).to(storage) for p in ps] for c, ps in normalized.items()}
        self._masks = {c: [torch.from_numpy(m) for m in ms] for c, ms in (masks or {}).items()}
        self.drawn = dict.fromkeys(planes, 0)
        self.blank = dict.fromkeys(planes, 0)

    @property
    def rejected(self) -> dict[str, float]:
        """Share of drawn crops that held nothing but background, per condition."""
        return {c: self.blank[c] / max(1, self.drawn[c]) for c in self.planes}

    def draw(self, condition: str, chance: KeyedRandom) -> Tensor:
        """Return float32 (count, C, crop, crop) in about [-1, 1] on the device, one for each crop of ``chance``."""
        places = [self._draw_place(condition, rng) for rng in chance.each(f"crop of {condition}")]
        for _, draws, blank in places:
            self.drawn[condition] += draws
            self.blank[condition] += blank
        return torch.stack([self._cut(self.planes[condition], place) for place, _, _ in places]).to(self.device)

    def draw_masks(self, condition: str, chance: KeyedRandom) -> Tensor:
        """Return float32 (count, 1, crop, crop) on the device, 1 where objects are in the crops that `draw` gives."""
        places = [self._draw_place(condition, rng)[0] for rng in chance.each(f"crop of {condition}")]
        cut = [self._cut([mask[None] for mask in self._masks[condition]], place) for place in places]
        return torch.stack(cut).float().to(self.device)

    def large(self, condition: str, count: int) -> list[Tensor]:
        """Return (C, h, w) pieces of ``count`` planes, up to four crops wide, their sides multiples of 4.

        Rare objects, such as mitoses, are as frequent in them as in whole planes; single crops may hold none.
        """
        planes = self.planes[condition]
        evenly_spread = [planes[i] for i in np.linspace(0, len(planes) - 1, min(count, len(planes))).astype(int)]
        height, width = (min(4 * self.crop, *(p.shape[axis] // 4 * 4 for p in evenly_spread)) for axis in (1, 2))
        return [p[:, :height, :width].to(self.device) for p in evenly_spread]

    def _draw_place(self, condition: str, rng: np.random.Generator) -> tuple[_Place, int, int]:
        """Return where a crop is; and how many were drawn, and how many of these held nothing but background."""
        planes = self.planes[condition]
        draws, found = 0, False
        while draws < DRAWS and not found:
            draws += 1
            number = int(rng.integers(len(planes)))
            top = int(rng.integers(planes[number].shape[1] - self.crop + 1))
            left = int(rng.integers(planes[number].shape[2] - self.crop + 1))
            found = self._has_foreground(self._foreground[condition][number], top, left)
        place = _Place(number, top, left, turns=int(rng.integers(4)), mirrored=bool(rng.integers(2)))
        return place, draws, draws - found

    def _cut(self, planes: list[Tensor], place: _Place) -> Tensor:
        cut = planes[place.number][:, place.top : place.top + self.crop, place.left : place.left + self.crop]
        turned = torch.rot90(cut, place.turns, dims=(1, 2))
        return turned.flip(2) if place.mirrored else turned

    def _sums(self, plane: np.ndarray) -> np.ndarray:
        """Return (C, Y + 1, X + 1) sums of foreground pixels above and left of each corner."""
        above = plane > self.threshold[:, None, None]
        return np.pad(above.cumsum(1, dtype=np.int32).cumsum(2, dtype=np.int32), ((0, 0), (1, 0), (1, 0)))

    def _has_foreground(self, sums: np.ndarray, top: int, left: int) -> bool:
        bottom, right = top + self.crop, left + self.crop
        pixels = sums[:, bottom, right] - sums[:, top, right] - sums[:, bottom, left] + sums[:, top, left]
        return bool((pixels >= FOREGROUND_SHARE * self.crop**2).any())

    def _choose_storage(self, size: int) -> torch.device:
        if self.device.type != "cuda":
            return torch.device("cpu")
        free, _ = torch.cuda.mem_get_info(self.device)
        return self.device if size <= SHARE_OF_GPU * free else torch.device("cpu")
