"""The ResNet generator of CycleGAN, for any number of channels."""

from __future__ import annotations

from typing import Literal, cast

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from napari_phenotrans.networks.norm import CropNorm
from napari_phenotrans.networks.winograd import Convolution

Upsampling = Literal["resize", "transposed", "antialias"]
Output = Literal["residual", "tanh"]

STRIDE = 4


class ResNetGenerator(nn.Module):
    """Two down-samplings, residual blocks, two up-samplings (Zhu et al. 2017, appendix 7.2).

    Parameters
    ----------
    channels
        Channels of the image; input (N, channels, H, W) with H and W multiples of 4, output of the same shape.
    width
        Channels after the first layer; 2 and 4 times as many after each down-sampling.
    blocks
        Residual blocks, 6 or 9 in the paper.
    upsampling
        ``resize``: bilinear, then convolution, which leaves no checkerboard (Odena et al. 2016; nearest neighbor left
        a grid of 4 pixels on bright nuclei).
        ``transposed``: the paper's. ``antialias``: blurred, as the contrastive translation code saves it; its
        down-sampling is blurred too.
    output
        ``tanh``: the paper's, range (-1, 1). ``residual``: the network's last layer is added to its input, without
        saturation (de Bel et al. 2021): bright markers keep their brightness and cells their places.
    """

    def __init__(
        self,
        channels: int,
        width: int = 64,
        blocks: int = 9,
        upsampling: Upsampling = "resize",
        output: Output = "residual",
    ) -> None:
        super().__init__()
        self.output = output
        self.enter = nn.Sequential(
            nn.Conv2d(channels, width, 7, padding=3, padding_mode="reflect"), CropNorm(width), nn.ReLU(inplace=True)
        )
        self.down = nn.Sequential(_down(width, upsampling), _down(2 * width, upsampling))
        self.blocks = nn.Sequential(*(ResidualBlock(4 * width) for _ in range(blocks)))
        self.up = nn.Sequential(_up(4 * width, upsampling), _up(2 * width, upsampling))
        self.leave = nn.Conv2d(width, channels, 7, padding=3, padding_mode="reflect")
        for layer in self.modules():
            if isinstance(layer, nn.Conv2d | nn.ConvTranspose2d):
                nn.init.normal_(layer.weight, 0, 0.02)
                nn.init.constant_(cast("Tensor", layer.bias), 0)

    def forward(self, x: Tensor) -> Tensor:
        h = self.leave(self.up(self.blocks(self.down(self.enter(x)))))
        return torch.tanh(h) if self.output == "tanh" else x + h


class ResidualBlock(nn.Module):
    """x + conv(relu(conv(x))), each convolution normalized, reflected at the border."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.layers = nn.Sequential(
            Convolution(channels, channels, 3, padding=1, padding_mode="reflect"),
            CropNorm(channels),
            nn.ReLU(inplace=True),
            Convolution(channels, channels, 3, padding=1, padding_mode="reflect"),
            CropNorm(channels),
        )

    def forward(self, x: Tensor) -> Tensor:
        return x + self.layers(x)


class BlurDown(nn.Module):
    """Blur with [1, 2, 1], then take every second pixel (Zhang 2019, section 3)."""

    def forward(self, x: Tensor) -> Tensor:
        kernel = _binomial((1, 2, 1), x)
        return F.conv2d(F.pad(x, (1, 1, 1, 1), mode="reflect"), kernel, stride=2, groups=x.shape[1])


class BlurUp(nn.Module):
    """Twice the size by interpolation with [1, 3, 3, 1], which sums to 2 per axis."""

    def forward(self, x: Tensor) -> Tensor:
        kernel = _binomial((1, 3, 3, 1), x) * 4
        wide = F.conv_transpose2d(F.pad(x, (1, 1, 1, 1), mode="replicate"), kernel, stride=2, groups=x.shape[1])
        return wide[:, :, 3:-3, 3:-3]


def _binomial(weights: tuple[int, ...], like: Tensor) -> Tensor:
    line = torch.tensor(weights, dtype=like.dtype, device=like.device)
    kernel = torch.outer(line, line)
    return (kernel / kernel.sum()).expand(like.shape[1], 1, -1, -1)


def _down(channels: int, upsampling: Upsampling) -> nn.Sequential:
    stride = 1 if upsampling == "antialias" else 2
    convolution = nn.Conv2d(channels, 2 * channels, 3, stride=stride, padding=1)
    layers: list[nn.Module] = [convolution, CropNorm(2 * channels), nn.ReLU(inplace=True)]
    return nn.Sequential(*layers, BlurDown()) if upsampling == "antialias" else nn.Sequential(*layers)


def _up(channels: int, upsampling: Upsampling) -> nn.Sequential:
    half = channels // 2
    layers: list[nn.Module]
    if upsampling == "transposed":
        layers = [nn.ConvTranspose2d(channels, half, 3, stride=2, padding=1, output_padding=1)]
    elif upsampling == "antialias":
        layers = [BlurUp(), Convolution(channels, half, 3, padding=1)]
    else:
        layers = [
            nn.Upsample(scale_factor=2, mode="bilinear"),
            Convolution(channels, half, 3, padding=1, padding_mode="reflect"),
        ]
    return nn.Sequential(*layers, CropNorm(half), nn.ReLU(inplace=True))
