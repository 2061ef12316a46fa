"""One direction of an engine as one module, with everything fixed: what a package of the BioImage Model Zoo runs.

`own_source` cuts these classes and all that they need out into the package's source file, so nothing but torch and
NumPy may be needed on the way. What `FixedDenoiser` does in its methods is understood by ``torch.jit.script``, which
has to see annotations as types: their evaluation is not postponed here.
"""

import math
from itertools import pairwise
from typing import Any

import torch
from torch import Tensor, nn

from napari_phenotrans.core.keyed_random import USUAL_SAMPLE, USUAL_SEED, plane_noise
from napari_phenotrans.core.region import Region
from napari_phenotrans.engines.noise_input import with_noise
from napari_phenotrans.engines.objectives import DataSD
from napari_phenotrans.networks.norm import make_sets, select_set, set_mode
from napari_phenotrans.networks.per_condition import PerCondition
from napari_phenotrans.networks.resnet import ResNetGenerator
from napari_phenotrans.networks.unet import UNet


class FixedGenerator(nn.Module):
    """A generator of CycleGAN or SCGAN: (N, C, H, W) in about [-1, 1], H and W multiples of 4 and 16 at least.

    Parameters
    ----------
    generator
        What its network is made with.
    sets, selected
        How many sets of normalization statistics there are, one for each condition and one for translations, and which
        belongs to the source.
    stored
        Whether these are used; else each picture is normalized by its own.
    kept
        Places of the channels that come back as they came.
    offset
        What is added to each channel, so that its background stays the source's.
    """

    kept: Tensor
    offset: Tensor

    def __init__(
        self,
        *,
        generator: dict[str, Any],
        sets: int,
        selected: int,
        stored: bool,
        kept: list[int],
        offset: list[float],
    ) -> None:
        super().__init__()
        self.generator = ResNetGenerator(**generator)
        make_sets(self.generator, sets)
        select_set(self.generator, selected)
        set_mode(self.generator, "fixed" if stored else "instance")
        self.noise = bool(generator["noise"])
        self.register_buffer("kept", marked(kept, len(offset)), persistent=False)
        self.register_buffer("offset", torch.tensor(offset)[:, None, None], persistent=False)

    def forward(self, x: Tensor) -> Tensor:
        """Translate (N, C, H, W)."""
        made = self.generator(self._with_noise(x) if self.noise else x) + self.offset
        return torch.where(self.kept, x, made)

    def _with_noise(self, x: Tensor) -> Tensor:
        """Return (N, 2 C, H, W): beside each picture the noise of its places in the plane, the same every time."""
        drawn = plane_noise(USUAL_SEED, USUAL_SAMPLE, x.shape[1], Region(0, 0, x.shape[2], x.shape[3]))
        return with_noise(x, torch.from_numpy(drawn).to(x).expand_as(x))


class FixedDenoiser(nn.Module):
    """A denoiser of PhenDiff or a flow, inverted to one noise and back: (N, C, H, W) in about [-1, 1].

    The picture is taken to the noise with the source's label and from there back with the target's, by DPM-Solver++
    (2M) (Lu et al. 2022, algorithm 2). Each evaluation is made of tiles of the size that the network was trained with,
    blended where they overlap, for what it says depends on how much it sees at once; so H and W are multiples of what
    it halves, and the tile's side at least.

    Parameters
    ----------
    denoiser
        Configuration of its network; ``networks`` says how many there are: 1, or one for each condition.
    networks
        See above.
    channels
        ``kept``: places of those that come back as they came, of which the network is shown; ``held``: of those that
        are put back at each level; ``scaled``: whether means and SDs of the channels are stored; ``data``: how many SDs
        of the data are, which the levels know already.
    tiles
        ``side`` of a tile, ``step`` from one to the next, and ``overlap`` at which they are blended.
    labels
        ``source``, ``target``, and ``away``: the label from which guidance leads away.
    levels
        Of noise, the least first: ``sigma``, the ``time`` that the network is told, and by channel what the noisy
        picture counts ``into`` the network, and beside (``skip``) its ``out``-put for the denoised one (Karras et al.
        2022, eq. 7).
    guidance
        By channel, how much of the difference to ``away`` is added; empty where none is.
    offset
        What is added to each channel in the end.
    """

    kept: Tensor
    held: Tensor
    fixed: Tensor
    moving: Tensor
    source: Tensor
    target: Tensor
    away: Tensor
    time: Tensor
    into: Tensor
    skip: Tensor
    out: Tensor
    there: Tensor
    back: Tensor
    guidance: Tensor
    offset: Tensor

    def __init__(
        self,
        *,
        denoiser: dict[str, Any],
        networks: int,
        channels: dict[str, Any],
        tiles: dict[str, int],
        labels: dict[str, int],
        levels: list[dict[str, Any]],
        guidance: list[float],
        offset: list[float],
    ) -> None:
        super().__init__()
        each = [UNet(denoiser) for _ in range(networks)]
        self.denoiser = each[0] if networks == 1 else PerCondition(each)
        if channels["data"]:
            self.data = DataSD(channels["data"])
        self.scale = Scale(len(offset), stored=channels["scaled"])
        self.side, self.step, self.overlap = tiles["side"], tiles["step"], tiles["overlap"]
        self.guided = bool(guidance)
        sigmas = [level["sigma"] for level in levels]
        constants = {
            "kept": torch.tensor(channels["kept"], dtype=torch.long),
            "held": torch.tensor(channels["held"], dtype=torch.long),
            "fixed": marked(channels["kept"] + channels["held"], len(offset)),
            "moving": torch.tensor([c for c in range(len(offset)) if c not in channels["kept"]]),
            **{name: torch.tensor(labels[name]) for name in ("source", "target", "away")},
            "time": torch.tensor([level["time"] for level in levels]),
            **{
                name: torch.tensor([level[name] for level in levels])[:, :, None, None]
                for name in ("into", "skip", "out")
            },
            "there": solver_steps(sigmas, final=False),
            "back": solver_steps(sigmas[::-1], final=True),
            "guidance": torch.tensor(guidance or [0.0])[:, None, None],
            "offset": torch.tensor(offset)[:, None, None],
        }
        for name, values in constants.items():
            self.register_buffer(name, values, persistent=False)

    def forward(self, x: Tensor) -> Tensor:
        """Translate (N, C, H, W)."""
        scaled = self.scale(x)
        beside, z = scaled[:, self.kept], scaled[:, self.moving]
        count = self.there.shape[0]
        # what the held channels are at each level of the way there
        path: list[Tensor] = []
        before = z
        for place in range(count):
            denoised = self.denoised(beside, z, place, False)
            ahead = self.there[place]
            z = ahead[0] * z + ahead[1] * denoised + ahead[2] * (denoised - before)
            before = denoised
            path.append(z[:, self.held].half())
        for place in range(count):
            denoised = self.denoised(beside, z, count - place, True)
            ahead = self.back[place]
            z = ahead[0] * z + ahead[1] * denoised + ahead[2] * (denoised - before)
            before = denoised
            if place + 1 < count:
                z[:, self.held] = path[count - 2 - place].to(z.dtype)
        made = scaled.clone()
        made[:, self.moving] = z
        return torch.where(self.fixed, x, self.scale.back(made) + self.offset)

    def denoised(self, beside: Tensor, z: Tensor, level: int, back: bool) -> Tensor:
        """Return the denoised image of (N, C, H, W) at a level of noise, tile by tile."""
        height, width = z.shape[2], z.shape[3]
        total, weights = torch.zeros_like(z), torch.zeros_like(z[0, 0])
        for top in self.origins(height):
            bottom = min(top + self.side, height)
            rows = ramp(bottom - top, self.overlap, top > 0, bottom < height, z)
            for left in self.origins(width):
                right = min(left + self.side, width)
                weight = rows[:, None] * ramp(right - left, self.overlap, left > 0, right < width, z)
                tile = z[:, :, top:bottom, left:right]
                seen = torch.cat([beside[:, :, top:bottom, left:right], self.into[level] * tile], dim=1)
                made = self.skip[level] * tile + self.out[level] * self.predicted(seen, level, back)
                total[:, :, top:bottom, left:right] += made * weight
                weights[top:bottom, left:right] += weight
        return total / weights

    def predicted(self, seen: Tensor, level: int, back: bool) -> Tensor:
        """Return what the network says of tiles on the way there or back."""
        count = seen.shape[0]
        time = self.time[level].expand(count)
        if not back:
            return self.denoiser(seen, time, self.source.expand(count))
        told = self.denoiser(seen, time, self.target.expand(count))
        if not self.guided:
            return told
        return told + self.guidance * (told - self.denoiser(seen, time, self.away.expand(count)))

    def origins(self, size: int) -> list[int]:
        """Return where tiles begin along one axis: the last one is moved inwards."""
        starts: list[int] = []
        start = 0
        while start + self.side < size:
            starts.append(start)
            start += self.step
        starts.append(max(size - self.side, 0))
        return starts


class Scale(nn.Module):
    """Each channel of (N, C, H, W) in SDs from its mean, and back; as it is where these are not ``stored``."""

    mean: Tensor
    sd: Tensor

    def __init__(self, channels: int, *, stored: bool) -> None:
        super().__init__()
        self.register_buffer("mean", torch.zeros(channels, 1, 1), persistent=stored)
        self.register_buffer("sd", torch.ones(channels, 1, 1), persistent=stored)

    def forward(self, x: Tensor) -> Tensor:
        """Scale."""
        return (x - self.mean) / self.sd

    def back(self, z: Tensor) -> Tensor:
        """Undo it."""
        return z * self.sd + self.mean


def marked(places: list[int], channels: int) -> Tensor:
    """Return (C, 1, 1), true at these places."""
    return torch.tensor([channel in places for channel in range(channels)])[:, None, None]


def solver_steps(sigmas: list[float], *, final: bool) -> Tensor:
    """Return (n, 3): how much x, the denoised image, and its change since the step before count in the next x.

    With ``final`` the last step is of first order, which a tile can take alone.
    """
    rows = []
    previous = 0.0
    for place, (sigma, following) in enumerate(pairwise(sigmas), start=2):
        step = math.log(sigma / following)
        ahead = -math.expm1(-step)
        first_order = place == 2 or (final and place == len(sigmas))
        rows.append((following / sigma, ahead, 0.0 if first_order else ahead * step / (2 * math.log(previous / sigma))))
        previous = sigma
    return torch.tensor(rows)


def ramp(length: int, overlap: int, before: bool, after: bool, like: Tensor) -> Tensor:
    """Return the weights of a tile's rows or columns: rising over the overlap where a neighbor lies before or after.

    The outer three eighths of the overlap have none, for there the network saw its own padding.
    """
    position = torch.arange(length, dtype=like.dtype, device=like.device)
    weight = torch.ones_like(position)
    silent = 3 * overlap // 8
    reach = max(overlap - 2 * silent, 1)
    if overlap > 0:
        if before:
            rise = ((position - silent + 0.5) / reach).clamp(0, 1)
            weight = weight * ((rise * math.pi / 2).sin() ** 2).clamp(min=1e-6)
        if after:
            rise = ((length - 1 - position - silent + 0.5) / reach).clamp(0, 1)
            weight = weight * ((rise * math.pi / 2).sin() ** 2).clamp(min=1e-6)
    return weight
