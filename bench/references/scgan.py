"""A self-supervised discriminator of torch's own layers and spectral norm, after Liu et al. 2021."""

from __future__ import annotations

from itertools import pairwise

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.nn.utils.parametrizations import spectral_norm


class PlainSelfSupervised(nn.Module):
    """Two branches, on the picture and on its half-size copy, and three decoders; sizes as our settings mean them.

    torch's spectral norm brings its estimate up to date whenever a layer is called.
    """

    def __init__(self, channels: int, width: int, crop: int, *, over_batch: bool) -> None:
        super().__init__()
        halvings = (crop // 8).bit_length() - 1
        first = max(4, min(width // 2, (8 * width) >> halvings))
        sizes = [first * 2**i for i in range(halvings + 1)]

        def normalized(count: int) -> nn.Module:
            if over_batch:
                return nn.BatchNorm2d(count, track_running_stats=False)
            return nn.GroupNorm(next(n for n in (8, 4, 3, 2, 1) if count % n == 0), count)

        def block(entering: int, leaving: int, kernel: int, stride: int = 1, padding: int = 0) -> list[nn.Module]:
            layer = convolution(entering, leaving, kernel, stride, padding)
            return [layer, normalized(leaving), nn.LeakyReLU(0.2)]

        def decoder(entering: int) -> nn.Sequential:
            start = min(crop // 16, max(4, min(8, crop // 32)))
            layers: list[nn.Module] = [nn.AdaptiveAvgPool2d(start)]
            widths = [entering, *(max(4, n) for n in (2 * width, width, width, width // 2))]
            for a, b in pairwise(widths):
                layers += [nn.Upsample(scale_factor=2), convolution(a, 2 * b, 3, 1, 1), normalized(2 * b), nn.GLU(1)]
            return nn.Sequential(*layers, nn.Conv2d(widths[-1], channels, 3, padding=1))

        self.enter = nn.Sequential(convolution(channels, first, 3, 1, 1), nn.LeakyReLU(0.2))
        # two ways down in turns: fine, coarse, fine, coarse, ...
        self.downs = nn.ModuleList()
        for a, b in pairwise(sizes):
            self.downs.append(nn.Sequential(*block(a, b, 4, 2, 1), *block(b, b, 3, 1, 1)))
            self.downs.append(nn.Sequential(nn.AvgPool2d(2), *block(a, b, 1)))
        self.skip = min(3, halvings - 1)
        self.gates = nn.ModuleList(
            nn.Sequential(nn.AdaptiveAvgPool2d(4), convolution(a, b, 4), nn.SiLU(), convolution(b, b, 1), nn.Sigmoid())
            for a, b in zip(sizes, sizes[self.skip :], strict=False)
        )
        self.judge = nn.Sequential(*block(sizes[-1], 2 * sizes[-1], 1), convolution(2 * sizes[-1], 1, 4))
        copy: list[nn.Module] = [convolution(channels, sizes[1], 4, 2, 1), nn.LeakyReLU(0.2)]
        for a, b in pairwise(sizes[1:-1]):
            copy += block(a, b, 4, 2, 1)
        self.copy = nn.Sequential(*copy)
        self.judge_copy = convolution(sizes[-2], 1, 4)
        self.decoders = nn.ModuleList(decoder(n) for n in (sizes[-1], sizes[-2], sizes[-2]))

    def forward(self, x: Tensor) -> Tensor:
        """Return logits (N, 2, h, w)."""
        return self._maps(x)[0]

    def look(self, x: Tensor, corner: int) -> tuple[Tensor, list[tuple[Tensor, Tensor]]]:
        """Return logits, and pairs of what should be seen and what is reconstructed; of one quarter for all crops."""
        logits, last, copy, middle = self._maps(x)
        whole, from_copy, part = self.decoders
        pairs = [(x, whole(last)), (x, from_copy(copy)), (_quarter(x, corner), part(_quarter(middle, corner)))]
        smaller = [F.interpolate(seen, made.shape[2:], mode="bilinear", antialias=True) for seen, made in pairs]
        return logits, [(seen, made) for seen, (_, made) in zip(smaller, pairs, strict=True)]

    def _maps(self, x: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        maps = [self.enter(x)]
        for fine, coarse in zip(self.downs[::2], self.downs[1::2], strict=True):
            h = (fine(maps[-1]) + coarse(maps[-1])) / 2
            if len(maps) >= self.skip:
                h = h * self.gates[len(maps) - self.skip](maps[len(maps) - self.skip])
            maps.append(h)
        copy = self.copy(F.avg_pool2d(x, 2))
        return torch.cat([self.judge(maps[-1]), self.judge_copy(copy)], 1), maps[-1], copy, maps[-2]


def convolution(entering: int, leaving: int, kernel: int, stride: int = 1, padding: int = 0) -> nn.Module:
    """Return a convolution without bias under spectral norm."""
    layer = nn.Conv2d(entering, leaving, kernel, stride, padding, bias=False)
    nn.init.normal_(layer.weight, 0, 0.02)
    return spectral_norm(layer)


def _quarter(x: Tensor, corner: int) -> Tensor:
    height, width = x.shape[2] // 2, x.shape[3] // 2
    top, left = height * (corner // 2), width * (corner % 2)
    return x[:, :, top : top + height, left : left + width]
