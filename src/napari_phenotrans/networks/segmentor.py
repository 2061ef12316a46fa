"""A small network that finds objects in crops of one condition."""

from __future__ import annotations

from torch import Tensor, nn


class Segmentor(nn.Module):
    """Logits of *object here* from what is around a pixel, 17 pixels wide.

    Deep enough for nuclei, and not so deep that it could tell from far away that a picture was moved: dilated
    convolutions without normalization, so that a pixel's answer does not hang on the rest of the crop.

    Parameters
    ----------
    channels
        Of the image.
    width
        Channels between.

    Notes
    -----
    Input (N, channels, H, W), output (N, 1, H, W).
    """

    def __init__(self, channels: int, width: int = 16) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        for entering, dilation in ((channels, 1), (width, 2), (width, 4)):
            layers.append(nn.Conv2d(entering, width, 3, padding=dilation, dilation=dilation, padding_mode="reflect"))
            layers.append(nn.LeakyReLU(0.2, inplace=True))
        self.layers = nn.Sequential(*layers, nn.Conv2d(width, 1, 3, padding=1, padding_mode="reflect"))

    def forward(self, x: Tensor) -> Tensor:
        return self.layers(x)
