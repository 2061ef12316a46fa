"""3 × 3 convolutions by Winograd's algorithm, with a quarter of the multiplications: faster on a CPU."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

if TYPE_CHECKING:
    from collections.abc import Iterator

# F(4 × 4, 3 × 3) of Lavin & Gray 2016, section 4.3: 36 products give the 16 outputs that directly take 144.
INTO = torch.tensor(
    [
        [4, 0, -5, 0, 1, 0],
        [0, -4, -4, 1, 1, 0],
        [0, 4, -4, -1, 1, 0],
        [0, -2, -1, 2, 1, 0],
        [0, 2, -1, -2, 1, 0],
        [0, 4, 0, -5, 0, 1],
    ],
    dtype=torch.float64,
)
KERNEL = torch.tensor(
    [
        [1 / 4, 0, 0],
        [-1 / 6, -1 / 6, -1 / 6],
        [-1 / 6, 1 / 6, -1 / 6],
        [1 / 24, 1 / 12, 1 / 6],
        [1 / 24, -1 / 12, 1 / 6],
        [0, 0, 1],
    ],
    dtype=torch.float64,
)
BACK = torch.tensor(
    [[1, 1, 1, 1, 1, 0], [0, 1, -1, 2, -2, 0], [0, 1, 1, 4, 4, 0], [0, 1, -1, 8, -8, 1]], dtype=torch.float64
)
SIDE = 4
# Patches that are computed together: enough for a good matrix product, few enough to stay in the cache.
AT_ONCE = 128
# With fewer pairs of channels moving patches costs more than is saved, with fewer patches the products are too thin.
FEWEST_PAIRS = 64 * 32
FEWEST_PATCHES = 16


class Convolution(nn.Conv2d):
    """A 3 × 3 convolution that computes from patches of 6 × 6, which give 4 × 4 outputs each, where that is faster.

    That is on a processor, with wide layers and inputs of a certain size; elsewhere it is torch's own, whose arguments
    and weights it has.

    Notes
    -----
    In float32 it differs from the direct convolution by about 2e-6 of the outputs' standard deviation (RMS, 256
    channels), which itself is off by 9e-7; gradients alike.
    """

    patches = True  # whether patches are taken where they should be faster

    def forward(self, x: Tensor) -> Tensor:
        """Convolve (N, C, H, W)."""
        if not (self.patches and _pays(self, x)):
            return super().forward(x)
        return _cropped(_FromPatches.apply(_padded(x, self.padding_mode), self.weight, self.bias), x)


def use_patches(network: nn.Module, use: bool) -> None:
    """Have a network's convolutions computed from patches where that should be faster, or never."""
    for layer in network.modules():
        if isinstance(layer, Convolution):
            layer.patches = use


def _pays(convolution: nn.Conv2d, x: Tensor) -> bool:
    """Whether an input can be convolved by patches, and that is faster."""
    c, (count, _, height, width) = convolution, x.shape
    return (
        x.device.type == "cpu"
        and x.dtype == c.weight.dtype == torch.float32
        and not torch.is_autocast_enabled("cpu")
        and c.kernel_size == (3, 3)
        and c.stride == c.padding == c.dilation == (1, 1)
        and c.groups == 1
        and (c.padding_mode == "zeros" or (c.padding_mode == "reflect" and min(height, width) > 2))
        and c.in_channels * c.out_channels >= FEWEST_PAIRS
        and count * -(-height // SIDE) * -(-width // SIDE) >= FEWEST_PATCHES
    )


def _padded(x: Tensor, padding_mode: str) -> Tensor:
    """Return (N, 4 rows + 2, 4 columns + 2, C) of (N, C, H, W): a border of 1, and what makes up the last patches."""
    below, right = -x.shape[2] % SIDE, -x.shape[3] % SIDE
    mode = "constant" if padding_mode == "zeros" else padding_mode
    return F.pad(x, (1, 1 + right, 1, 1 + below), mode=mode).permute(0, 2, 3, 1).contiguous()


def _cropped(out: Tensor, x: Tensor) -> Tensor:
    return out[:, : x.shape[2], : x.shape[3]].permute(0, 3, 1, 2)


def _kernels(weight: Tensor) -> Tensor:
    """Return (36, C in, C out) of (C out, C in, 3, 3): what patches are multiplied with, place by place."""
    return _both_ways(KERNEL.to(weight), weight.permute(2, 3, 1, 0)).flatten(0, 1)


def _both_ways(matrix: Tensor, x: Tensor) -> Tensor:
    """Apply a matrix (m, n) to the first two axes of (n, n, ...), one after the other."""
    m, n = matrix.shape
    rows = torch.mm(matrix, x.reshape(n, -1)).view(m, n, -1)
    return torch.matmul(matrix, rows).view(m, m, *x.shape[2:])


def _patches(padded: Tensor) -> Tensor:
    """Return a view (6, 6, N, rows, columns, C) of (N, 4 rows + 2, 4 columns + 2, C)."""
    return padded.unfold(1, SIDE + 2, SIDE).unfold(2, SIDE + 2, SIDE).permute(4, 5, 0, 1, 2, 3)


def _blocks(patches: Tensor) -> Iterator[tuple[slice, slice]]:
    """Divide the patches of all images into those that are computed together: which images, which rows of patches."""
    count, rows, columns = patches.shape[2:5]
    images = max(1, AT_ONCE // (rows * columns))
    strip = max(1, min(rows, AT_ONCE // columns))
    for first in range(0, count, images):
        for top in range(0, rows, strip):
            yield slice(first, min(first + images, count)), slice(top, min(top + strip, rows))


def _convolve(padded: Tensor, kernels: Tensor, bias: Tensor | None) -> Tensor:
    """Return (N, 4 rows, 4 columns, C out)."""
    patches = _patches(padded)
    into, back = INTO.to(padded), BACK.to(padded)
    (count, rows, columns, entering), leaving = patches.shape[2:], kernels.shape[2]
    out = padded.new_empty(count, rows, SIDE, columns, SIDE, leaving)
    for images, strip in _blocks(patches):
        block = patches[:, :, images, strip]
        products = torch.bmm(_both_ways(into, block).view(len(kernels), -1, entering), kernels)
        values = _both_ways(back, products.view(*block.shape[:-1], leaving))
        if bias is not None:
            values += bias
        out[images, strip] = values.permute(2, 3, 0, 4, 1, 5)
    return out.view(count, SIDE * rows, SIDE * columns, leaving)


class _FromPatches(torch.autograd.Function):
    """The convolution of (N, 4 rows + 2, 4 columns + 2, C), with gradients that are products of the same size."""

    @staticmethod
    def forward(ctx: Any, padded: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
        ctx.save_for_backward(padded, weight)
        return _convolve(padded, _kernels(weight), bias)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, Tensor, Tensor | None]:
        padded, weight = ctx.saved_tensors
        kernels, patches = _kernels(weight), _patches(padded)
        into, back = INTO.to(padded), BACK.to(padded)
        (count, rows, columns, entering), leaving = patches.shape[2:], kernels.shape[2]
        outputs = gradient.contiguous().view(count, rows, SIDE, columns, SIDE, leaving).permute(2, 4, 0, 1, 3, 5)
        of_kernels = torch.zeros_like(kernels)
        # one row and column of patches more, for the two pixels by which the last ones reach beyond
        of_padded = padded.new_zeros(count, rows + 1, SIDE, columns + 1, SIDE, entering)
        for images, strip in _blocks(patches):
            block = patches[:, :, images, strip]
            of_products = _both_ways(back.t(), outputs[:, :, images, strip]).view(len(kernels), -1, leaving)
            of_kernels.baddbmm_(_both_ways(into, block).view(len(kernels), -1, entering).transpose(1, 2), of_products)
            of_patches = _both_ways(into.t(), torch.bmm(of_products, kernels.transpose(1, 2)).view(block.shape))
            of_patches = of_patches.permute(2, 3, 0, 4, 1, 5)
            # patches overlap by two pixels: what lies in the next one below, to the right, or both, is added there
            below = slice(strip.start + 1, strip.stop + 1)
            over = SIDE - 2
            of_padded[images, strip, :, :-1] += of_patches[:, :, :SIDE, :, :SIDE]
            of_padded[images, below, :over, :-1] += of_patches[:, :, SIDE:, :, :SIDE]
            of_padded[images, strip, :, 1:, :over] += of_patches[:, :, :SIDE, :, SIDE:]
            of_padded[images, below, :over, 1:, :over] += of_patches[:, :, SIDE:, :, SIDE:]
        of_padded = of_padded.view(count, SIDE * (rows + 1), SIDE * (columns + 1), entering)
        of_weight = _both_ways(KERNEL.to(weight).t(), of_kernels.view(SIDE + 2, SIDE + 2, entering, leaving))
        of_bias = gradient.sum((0, 1, 2)) if ctx.needs_input_grad[2] else None
        return of_padded[:, : padded.shape[1], : padded.shape[2]], of_weight.permute(3, 2, 0, 1), of_bias
