"""A discriminator that also learns to reconstruct real images, after FastGAN (Liu et al., ICLR 2021)."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn import functional as F

Norm = Literal["batch", "group"]

# Side of the last feature maps for crops of 256, 128 and 64; less than twice that for crops in between.
LAST = 8


@dataclass(frozen=True, eq=False)
class DiscriminatorOutput:
    """What the discriminator makes of images (N, C, H, W).

    Parameters
    ----------
    logits
        (N, 2, h, w): of the whole picture's branch and of the half-size copy's, which weigh the same.
    last, copy
        Last feature maps of the two branches, of one size.
    middle
        Feature map of the first branch, twice as large.
    """

    logits: Tensor
    last: Tensor
    copy: Tensor
    middle: Tensor


class SelfSupervisedDiscriminator(nn.Module):
    """Two branches, on the picture and on its half-size copy, and three decoders.

    Liu et al. 2021, sections 3.1 and 3.2: residual down-sampling blocks, skip-layer excitation and spectral norm;
    decoders reconstruct the whole picture from each branch's last map, and a quarter of it from the same quarter of
    the map before.

    The number of down-sampling blocks follows the crop, so that the last maps are 8 to 15 pixels wide: five at 256,
    which gives 5 × 5 logits per branch, three at 64. The channels double from block to block, from ``width / 4`` to
    ``8 width`` at 256 (``width`` 64 is the paper's table), and from ``width / 2`` where there are fewer blocks.

    Parameters
    ----------
    channels
        Channels of the image.
    width
        See above.
    crop
        Side of the square images it will see, at least 32.
    norm
        ``batch`` is the paper's: every image is judged among those it comes with, so a batch that is divided is
        judged otherwise. ``group`` judges each image by itself.

    Notes
    -----
    Weights are divided by their largest singular value (Miyato et al. 2018, eq. 8), whose estimate stands still until
    `follow_weights` is called, once per update: else it would depend on how often the network is called.
    """

    def __init__(self, channels: int, width: int, crop: int, norm: Norm) -> None:
        super().__init__()
        downs = (crop // LAST).bit_length() - 1
        first = max(4, min(width // 2, (8 * width) >> downs))
        sizes = [first << i for i in range(downs + 1)]
        self.enter = nn.Sequential(SpectralConv(channels, first, 3, padding=1), nn.LeakyReLU(0.2))
        self.down = nn.ModuleList(DownBlock(a, b, norm) for a, b in pairwise(sizes))
        # a map also gates the one three blocks on, as published; nearer ones where there are few blocks
        self.skip = min(3, downs - 1)
        self.excite = nn.ModuleList(Excitation(a, b) for a, b in zip(sizes, sizes[self.skip :], strict=False))
        self.judge = nn.Sequential(_conv(sizes[-1], 2 * sizes[-1], 1, norm), SpectralConv(2 * sizes[-1], 1, 4))

        self.copy = nn.Sequential(
            SpectralConv(channels, sizes[1], 4, stride=2, padding=1),
            nn.LeakyReLU(0.2),
            *(_conv(a, b, 4, norm, stride=2, padding=1) for a, b in pairwise(sizes[1:-1])),
        )
        self.judge_copy = SpectralConv(sizes[-2], 1, 4)

        start = min(crop // 16, max(4, min(8, crop // 32)))
        self.decode_last = Decoder(sizes[-1], channels, width, start, norm)
        self.decode_copy = Decoder(sizes[-2], channels, width, start, norm)
        self.decode_part = Decoder(sizes[-2], channels, width, start, norm)

    def forward(self, x: Tensor) -> Tensor:
        """Return logits (N, 2, h, w) for images (N, C, H, W)."""
        return self.look(x).logits

    def look(self, x: Tensor) -> DiscriminatorOutput:
        """Return logits and feature maps for images (N, C, H, W)."""
        maps = [self.enter(x)]
        for down in self.down:
            h = down(maps[-1])
            gate = len(maps) - self.skip
            if gate >= 0:
                h = self.excite[gate](maps[gate], h)
            maps.append(h)
        # area means, so that the copy holds no noise that the picture has not
        copy = self.copy(F.avg_pool2d(x, 2))
        logits = torch.cat([self.judge(maps[-1]), self.judge_copy(copy)], dim=1)
        return DiscriminatorOutput(logits, maps[-1], copy, maps[-2])

    def features(self, x: Tensor) -> list[Tensor]:
        """Return the feature maps that the decoders start from."""
        look = self.look(x)
        return [look.middle, look.last, look.copy]

    def reconstruct(self, look: DiscriminatorOutput, x: Tensor, corners: Tensor) -> list[tuple[Tensor, Tensor]]:
        """Return pairs of what should be seen and what is reconstructed, (N, C, s, s) each.

        Liu et al. 2021, section 3.2: both degraded alike, by scaling and by cutting out a quarter.

        Parameters
        ----------
        look
            What `look` made of the images.
        x
            The images (N, C, H, W).
        corners
            Which quarter of each image the third decoder is given, int64 (N,) in [0, 4).
        """
        part, x_part = quarter(look.middle, corners), quarter(x, corners)
        return [
            self.decode_last.pair(look.last, x),
            self.decode_copy.pair(look.copy, x),
            self.decode_part.pair(part, x_part),
        ]

    def follow_weights(self) -> None:
        """Bring the estimates of the weights' largest singular values up to date."""
        for layer in self.modules():
            if isinstance(layer, SpectralConv):
                layer.follow_weights()


class SpectralConv(nn.Conv2d):
    """Convolution without bias whose weight is divided by its largest singular value (Miyato et al. 2018, eq. 8).

    The singular vectors are estimated by power iteration (algorithm 1), when `follow_weights` is called and only then.
    """

    u: Tensor
    v: Tensor

    def __init__(self, channels: int, out: int, kernel: int, *, stride: int = 1, padding: int = 0) -> None:
        super().__init__(channels, out, kernel, stride=stride, padding=padding, bias=False)
        nn.init.normal_(self.weight, 0, 0.02)
        self.register_buffer("u", F.normalize(torch.randn(out), dim=0))
        self.register_buffer("v", torch.empty(self.weight[0].numel()))
        self.follow_weights(15)

    def forward(self, x: Tensor) -> Tensor:
        # as a sum of products and not as two matrix products, which autocast would round to 8 bits
        sigma = (self.weight.flatten(1) * torch.outer(self.u, self.v)).sum()
        return self._conv_forward(x, self.weight / sigma, None)

    @torch.no_grad()
    def follow_weights(self, rounds: int = 1) -> None:
        """Bring the estimate up to date."""
        weight = self.weight.flatten(1)
        for _ in range(rounds):
            self.v.copy_(F.normalize(weight.T @ self.u, dim=0))
            self.u.copy_(F.normalize(weight @ self.v, dim=0))


class DownBlock(nn.Module):
    """Half the size by two ways, averaged: (N, channels, H, W) to (N, out, H / 2, W / 2)."""

    def __init__(self, channels: int, out: int, norm: Norm) -> None:
        super().__init__()
        self.fine = nn.Sequential(
            _conv(channels, out, 4, norm, stride=2, padding=1), _conv(out, out, 3, norm, padding=1)
        )
        self.coarse = nn.Sequential(nn.AvgPool2d(2), _conv(channels, out, 1, norm))

    def forward(self, x: Tensor) -> Tensor:
        return (self.fine(x) + self.coarse(x)) / 2


class Excitation(nn.Module):
    """Skip-layer excitation (Liu et al. 2021, section 3.1): channels of a small map, gated by an earlier large one."""

    def __init__(self, channels: int, out: int) -> None:
        super().__init__()
        self.gate = nn.Sequential(
            nn.AdaptiveAvgPool2d(4), SpectralConv(channels, out, 4), nn.SiLU(), SpectralConv(out, out, 1), nn.Sigmoid()
        )

    def forward(self, large: Tensor, small: Tensor) -> Tensor:
        return small * self.gate(large)


class Decoder(nn.Module):
    """Four up-sampling convolutions: a feature map, averaged to ``start`` pixels, becomes an image 16 times as wide."""

    def __init__(self, channels: int, image_channels: int, width: int, start: int, norm: Norm) -> None:
        super().__init__()
        sizes = [channels, *(max(4, size) for size in (2 * width, width, width, width // 2))]
        self.start = start
        self.layers = nn.Sequential(*(_up(a, b, norm) for a, b in pairwise(sizes)))
        # free in what it can reach, with no tanh: bright markers are to be reconstructed too
        self.leave = nn.Conv2d(sizes[-1], image_channels, 3, padding=1)

    def forward(self, features: Tensor) -> Tensor:
        return self.leave(self.layers(F.adaptive_avg_pool2d(features, self.start)))

    def pair(self, features: Tensor, image: Tensor) -> tuple[Tensor, Tensor]:
        """Return the image at the size of its reconstruction, and the reconstruction."""
        reconstruction = self(features)
        return F.interpolate(image, reconstruction.shape[2:], mode="bilinear", antialias=True), reconstruction


def quarter(x: Tensor, corners: Tensor) -> Tensor:
    """Cut the corner 0 … 3 (top left, top right, bottom left, bottom right) out of each of (N, C, H, W)."""
    height, width = x.shape[2] // 2, x.shape[3] // 2
    cut = []
    for image, corner in zip(x, corners.tolist(), strict=True):
        rows = image[:, -height:] if corner // 2 else image[:, :height]
        cut.append(rows[:, :, -width:] if corner % 2 else rows[:, :, :width])
    return torch.stack(cut)


def _normalized(channels: int, norm: Norm) -> nn.Module:
    if norm == "batch":
        # by each batch's own statistics, always: this network never judges single images
        return nn.BatchNorm2d(channels, track_running_stats=False)
    return nn.GroupNorm(next(groups for groups in (8, 4, 3, 2, 1) if channels % groups == 0), channels)


def _conv(channels: int, out: int, kernel: int, norm: Norm, *, stride: int = 1, padding: int = 0) -> nn.Sequential:
    convolution = SpectralConv(channels, out, kernel, stride=stride, padding=padding)
    return nn.Sequential(convolution, _normalized(out, norm), nn.LeakyReLU(0.2))


def _up(channels: int, out: int, norm: Norm) -> nn.Sequential:
    # gated (Dauphin et al. 2017, eq. 1): half of the channels decide how much of the others comes through
    convolution = SpectralConv(channels, 2 * out, 3, padding=1)
    return nn.Sequential(nn.Upsample(scale_factor=2), convolution, _normalized(2 * out, norm), nn.GLU(dim=1))
