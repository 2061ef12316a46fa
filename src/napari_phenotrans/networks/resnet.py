"""The ResNet generator of CycleGAN, for any number of channels."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, NamedTuple, cast

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from napari_phenotrans.networks.norm import NORMS
from napari_phenotrans.networks.winograd import Convolution

if TYPE_CHECKING:
    from collections.abc import Callable

Upsampling = Literal["resize", "transposed", "antialias"]
Output = Literal["residual", "masked", "tanh"]

STRIDE = 4

# A masked output begins with a mask of 0.88 everywhere, so that what is to change is found before what is not; the mask
# of what has no counterpart with 0.05, so that everything has to come back at first.
OPEN, CLOSED = 2.0, -3.0


class Translated(NamedTuple):
    """What a generator makes of crops (N, C, H, W).

    Parameters
    ----------
    crops
        (N, C, H, W).
    mask
        (N, 1, H, W), where the crops change; None where the output is not masked.
    unmatched
        (N, 1, H, W), how surely a place of the image has no counterpart in the target; None where nobody asked.
    """

    crops: Tensor
    mask: Tensor | None = None
    unmatched: Tensor | None = None


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
        saturation (de Bel et al. 2021): bright markers keep their brightness and cells their places. ``masked``: it is
        multiplied by a mask between 0 and 1 first, one for all channels, which the network gives too (Mejjati et al.
        2018, eq. 1, with the real image as background).
    norm
        ``crop``: `CropNorm`. ``position``: `PositionNorm`.
    noise
        Channels of noise that come after the image's in the input; the output has the image's only.
    unmatched
        Whether it also says which places of the image have no counterpart in the target (Wu et al. 2024, section 3.2,
        there of features, here of pixels).
    """

    def __init__(
        self,
        channels: int,
        width: int = 64,
        blocks: int = 9,
        upsampling: Upsampling = "resize",
        output: Output = "residual",
        norm: str = "crop",
        *,
        noise: int = 0,
        unmatched: bool = False,
    ) -> None:
        super().__init__()
        self.channels, self.output, self.unmatched = channels, output, unmatched
        make_norm = NORMS[norm]
        self.enter = nn.Sequential(
            nn.Conv2d(channels + noise, width, 7, padding=3, padding_mode="reflect"),
            make_norm(width),
            nn.ReLU(inplace=True),
        )
        self.down = nn.Sequential(_down(width, upsampling, make_norm), _down(2 * width, upsampling, make_norm))
        self.blocks = nn.Sequential(*(ResidualBlock(4 * width, make_norm) for _ in range(blocks)))
        self.up = nn.Sequential(_up(4 * width, upsampling, make_norm), _up(2 * width, upsampling, make_norm))
        leaving = channels + (output == "masked") + unmatched
        self.leave = nn.Conv2d(width, leaving, 7, padding=3, padding_mode="reflect")
        # of each of the `features`
        self.feature_widths = (width, 2 * width, 4 * width, 4 * width)
        for layer in self.modules():
            if isinstance(layer, nn.Conv2d | nn.ConvTranspose2d):
                nn.init.normal_(layer.weight, 0, 0.02)
                nn.init.constant_(cast("Tensor", layer.bias), 0)
        bias = cast("Tensor", self.leave.bias)
        if output == "masked":
            nn.init.constant_(bias[channels : channels + 1], OPEN)
        if unmatched:
            nn.init.constant_(bias[-1:], CLOSED)

    def forward(self, x: Tensor) -> Tensor:
        return self.translate(x).crops

    def translate(self, x: Tensor) -> Translated:
        """Return the translation of an image (with its noise, where there is some) and its masks."""
        h = self.leave(self.up(self.blocks(self.down(self.enter(x)))))
        image, made = x[:, : self.channels], h[:, : self.channels]
        unmatched = torch.sigmoid(h[:, -1:]) if self.unmatched else None
        if self.output == "tanh":
            return Translated(torch.tanh(made), unmatched=unmatched)
        if self.output == "residual":
            return Translated(image + made, unmatched=unmatched)
        mask = torch.sigmoid(h[:, self.channels : self.channels + 1])
        return Translated(image + mask * made, mask, unmatched)

    def features(self, x: Tensor) -> list[Tensor]:
        """Return the feature maps on the way to the middle of the network, finest first; ``x`` as of `translate`."""
        maps = [self.enter(x)]
        for layers in (*self.down, self.blocks[: (len(self.blocks) + 1) // 2]):
            maps.append(layers(maps[-1]))
        return maps


class ResidualBlock(nn.Module):
    """x + conv(relu(conv(x))), each convolution normalized, reflected at the border."""

    def __init__(self, channels: int, make_norm: Callable[[int], nn.Module]) -> None:
        super().__init__()
        self.layers = nn.Sequential(
            Convolution(channels, channels, 3, padding=1, padding_mode="reflect"),
            make_norm(channels),
            nn.ReLU(inplace=True),
            Convolution(channels, channels, 3, padding=1, padding_mode="reflect"),
            make_norm(channels),
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


def _down(channels: int, upsampling: Upsampling, make_norm: Callable[[int], nn.Module]) -> nn.Sequential:
    stride = 1 if upsampling == "antialias" else 2
    convolution = nn.Conv2d(channels, 2 * channels, 3, stride=stride, padding=1)
    layers: list[nn.Module] = [convolution, make_norm(2 * channels), nn.ReLU(inplace=True)]
    return nn.Sequential(*layers, BlurDown()) if upsampling == "antialias" else nn.Sequential(*layers)


def _up(channels: int, upsampling: Upsampling, make_norm: Callable[[int], nn.Module]) -> nn.Sequential:
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
    return nn.Sequential(*layers, make_norm(half), nn.ReLU(inplace=True))
