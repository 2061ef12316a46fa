"""PatchGAN: a discriminator that judges overlapping patches instead of the whole image."""

from __future__ import annotations

from typing import cast

from torch import Tensor, nn


class PatchDiscriminator(nn.Module):
    """The 70 × 70 PatchGAN (Isola et al. 2017, appendix 6.1.2; Zhu et al. 2017), without a sigmoid.

    Parameters
    ----------
    channels
        Channels of the image.
    width
        Channels of the first layer, doubled in each of the next three.
    normalized
        Whether layers are followed by instance normalization, as published. It hides a crop's level and contrast.

    Notes
    -----
    Input (N, channels, H, W) with H and W at least 32, output (N, 1, H / 8 - 2, W / 8 - 2).
    """

    def __init__(self, channels: int, width: int = 64, *, normalized: bool = True) -> None:
        super().__init__()
        layers: list[nn.Module] = [nn.Conv2d(channels, width, 4, stride=2, padding=1), nn.LeakyReLU(0.2, inplace=True)]
        for factor, stride in ((1, 2), (2, 2), (4, 1)):
            layers += [
                nn.Conv2d(factor * width, 2 * factor * width, 4, stride=stride, padding=1),
                nn.InstanceNorm2d(2 * factor * width) if normalized else nn.Identity(),
                nn.LeakyReLU(0.2, inplace=True),
            ]
        self.layers = nn.Sequential(*layers, nn.Conv2d(8 * width, 1, 4, padding=1))
        for layer in self.modules():
            if isinstance(layer, nn.Conv2d):
                nn.init.normal_(layer.weight, 0, 0.02)
                nn.init.constant_(cast("Tensor", layer.bias), 0)

    def forward(self, x: Tensor) -> Tensor:
        return self.layers(x)

    def features(self, x: Tensor) -> list[Tensor]:
        """Return the feature maps that the logits are made of, finest first."""
        maps = []
        for layer in self.layers[:-1]:
            x = layer(x)
            if isinstance(layer, nn.LeakyReLU):
                # rectifiers change maps in place, and nothing comes between this one and the next convolution
                maps.append(x)
        return maps
