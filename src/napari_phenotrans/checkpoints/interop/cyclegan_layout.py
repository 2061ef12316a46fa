"""Names and shapes of a ResNet generator's tensors: those of pytorch-CycleGAN-and-pix2pix beside ours."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor


@dataclass(frozen=True)
class Layer:
    """A layer of the original: its key, our name (None for a blur, which has no weights), shapes of its tensors."""

    key: str
    name: str | None
    parts: dict[str, tuple[int, ...]]
    line: tuple[int, ...] = ()

    def kernel(self) -> Tensor:
        """Return a blur's kernel (channels, 1, n, n), which is ``line`` in both directions."""
        line = torch.tensor(self.line, dtype=torch.float32)
        kernel = torch.outer(line, line) / line.sum() ** 2
        # the enlarging blur puts zeros between the pixels, and makes up for them
        return (kernel * (4 if len(line) == 4 else 1)).expand(self.parts["filt"]).contiguous()


def generator_layers(channels: int, width: int, blocks: int, *, antialias: bool, dropout: bool) -> list[Layer]:
    """Return the layers with tensors of the original's ``nn.Sequential``; ``at`` counts those without tensors too."""
    layers: list[Layer] = []

    def convolution(key: str, name: str, taken: int, given: int, size: int, transposed: bool = False) -> None:
        ends = (taken, given) if transposed else (given, taken)
        layers.append(Layer(key, name, {"weight": (*ends, size, size), "bias": (given,)}))

    def blur(key: str, given: int, line: tuple[int, ...]) -> None:
        layers.append(Layer(key, None, {"filt": (given, 1, len(line), len(line))}, line))

    # padding, convolution, norm, ReLU
    convolution("model.1", "enter.0", channels, width, 7)
    at = 4
    # convolution, norm, ReLU, and the blur that then takes every second pixel
    for i, n in enumerate((width, 2 * width)):
        convolution(f"model.{at}", f"down.{i}.0", n, 2 * n, 3)
        if antialias:
            blur(f"model.{at + 3}", 2 * n, (1, 2, 1))
        at += 4 if antialias else 3
    for i in range(blocks):
        convolution(f"model.{at}.conv_block.1", f"blocks.{i}.layers.0", 4 * width, 4 * width, 3)
        second = 6 if dropout else 5
        convolution(f"model.{at}.conv_block.{second}", f"blocks.{i}.layers.3", 4 * width, 4 * width, 3)
        at += 1
    # the blur that enlarges where there is one, convolution, norm, ReLU
    for i, n in enumerate((4 * width, 2 * width)):
        if antialias:
            blur(f"model.{at}", n, (1, 3, 3, 1))
            convolution(f"model.{at + 1}", f"up.{i}.1", n, n // 2, 3)
        else:
            convolution(f"model.{at}", f"up.{i}.0", n, n // 2, 3, transposed=True)
        at += 4 if antialias else 3
    # padding, convolution, tanh
    convolution(f"model.{at + 1}", "leave", width, channels, 7)
    return layers
