"""Normalization that is the same for every tile: by statistics that are stored, or of each position alone."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

import torch
from torch import Tensor, nn
from torch.nn import functional as F

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

Mode = Literal["instance", "measure", "fixed"]


class CropNorm(nn.Module):
    """Normalization over each crop while training, by stored statistics when translating.

    Instance normalization (Ulyanov et al. 2016, eq. 4) makes every pixel depend on the whole picture: the same cell
    is translated otherwise in a crowded and in an empty field. So the statistics are averaged once over the training
    crops and stored; from then on a pixel depends on its surroundings only.

    A network meets several kinds of input (each condition, and translated crops on the way back), whose statistics
    differ: there is a set of them for each kind. ``mean`` and ``var`` are (sets, channels); ``selected`` says which set
    is measured and used.

    Modes: ``instance`` normalizes each sample by its own statistics, ``measure`` does the same and adds them to an
    average, ``fixed`` uses the stored average.

    Parameters
    ----------
    channels
        Of the input (N, channels, H, W).
    eps
        Added to the variance.
    """

    mean: Tensor
    var: Tensor

    def __init__(self, channels: int, eps: float = 1e-5) -> None:
        super().__init__()
        self.eps = eps
        self.mode: Mode = "instance"
        self.selected = 0
        self.register_buffer("mean", torch.zeros(1, channels))
        self.register_buffer("var", torch.ones(1, channels))
        self._seen = 0

    def forward(self, x: Tensor) -> Tensor:
        """Normalize (N, C, H, W)."""
        if self.mode == "fixed":
            return F.batch_norm(x, self.mean[self.selected], self.var[self.selected], training=False, eps=self.eps)
        if self.mode == "measure":
            self._measure(x.detach().float())
        if x.shape[2] * x.shape[3] == 1:
            # one value has no spread: it normalizes to 0, which torch refuses to compute
            return torch.zeros_like(x)
        if x.device.type == "cpu" and x.dtype == torch.float32:
            return _InstanceNorm.apply(x, self.eps)
        return F.instance_norm(x, eps=self.eps)

    def make_sets(self, count: int) -> None:
        """Have so many sets of statistics, all like the first one."""
        self.mean, self.var = (values[:1].repeat(count, 1) for values in (self.mean, self.var))

    def start_measuring(self) -> None:
        """Forget the selected set of statistics and average anew from the next call on."""
        self.mode = "measure"
        self._seen = 0
        self.mean[self.selected] = 0
        self.var[self.selected] = 0

    def _measure(self, x: Tensor) -> None:
        for sample in x:
            self._seen += 1
            var, mean = torch.var_mean(sample, dim=(1, 2), correction=0)
            self.mean[self.selected] += (mean - self.mean[self.selected]) / self._seen
            self.var[self.selected] += (var - self.var[self.selected]) / self._seen

    def _load_from_state_dict(self, state_dict: dict[str, Any], prefix: str, *rest: Any) -> None:
        for name, own in (("mean", self.mean), ("var", self.var)):
            loaded = state_dict.get(prefix + name)
            # files from before there were sets, and those of other programs, hold one that serves every input
            if loaded is not None and loaded.ndim == 1:
                state_dict[prefix + name] = loaded.expand_as(own) if loaded.shape == own.shape[1:] else loaded
        super()._load_from_state_dict(state_dict, prefix, *rest)


class PositionNorm(nn.Module):
    """Normalization over the channels of each position (Ba et al. 2016, eq. 3, per pixel; Li et al. 2019, eq. 1).

    The same in training and in translating: no statistics are stored, and a pixel does not depend on how much of the
    plane is seen with it, nor an empty plane on what others hold.

    Parameters
    ----------
    channels
        Of the input (N, channels, H, W), each with a gain and an offset that are learned.
    eps
        Added to the variance.
    """

    def __init__(self, channels: int, eps: float = 1e-5) -> None:
        super().__init__()
        self.eps = eps
        self.gain = nn.Parameter(torch.ones(channels))
        self.offset = nn.Parameter(torch.zeros(channels))

    def forward(self, x: Tensor) -> Tensor:
        """Normalize (N, C, H, W)."""
        # channels last, as convolutions compute it, so that nothing is copied
        last = x.permute(0, 2, 3, 1)
        return F.layer_norm(last, last.shape[-1:], self.gain, self.offset, self.eps).permute(0, 3, 1, 2)


NORMS: dict[str, Callable[[int], nn.Module]] = {"crop": CropNorm, "position": PositionNorm}


class _InstanceNorm(torch.autograd.Function):
    """Instance normalization of channels-last tensors, which torch's own would copy to another layout and back."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, eps: float) -> Tensor:
        mean = x.mean((2, 3), keepdim=True)
        centered = x - mean
        # torch's own variance is slow on channels-last tensors
        var = torch.linalg.vector_norm(centered, dim=(2, 3), keepdim=True).square() / (x.shape[2] * x.shape[3])
        rate = (var + eps).rsqrt()
        # the input is kept, not the result, which a rectifier may change in place
        ctx.save_for_backward(x, mean, rate)
        return centered.mul_(rate)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None]:
        x, mean, rate = ctx.saved_tensors
        centered = x - mean
        along = gradient * centered
        # a shift and a scale of x change nothing, so its gradient has no part along them
        scale = along.mean((2, 3), keepdim=True).mul_(rate.square())
        shift = gradient.mean((2, 3), keepdim=True)
        return torch.sub(gradient, shift, out=along).addcmul_(centered, scale, value=-1).mul_(rate), None


def norms(network: nn.Module) -> list[CropNorm]:
    """Return the network's normalization layers."""
    return [layer for layer in network.modules() if isinstance(layer, CropNorm)]


def set_mode(network: nn.Module, mode: Mode) -> None:
    """Switch every normalization layer of the network."""
    for layer in norms(network):
        layer.mode = mode


def make_sets(network: nn.Module, count: int) -> None:
    """Give every normalization layer of the network so many sets of statistics."""
    for layer in norms(network):
        layer.make_sets(count)


def select_set(network: nn.Module, index: int) -> None:
    """Have every normalization layer of the network use this set of statistics from now on."""
    for layer in norms(network):
        layer.selected = index


@torch.no_grad()
def fix_statistics(network: nn.Module, crops: Iterable[Tensor], index: int | None = None) -> None:
    """Average the statistics over batches of crops (N, C, H, W), store them and use them from now on.

    They are stored as the set ``index``; as every set, where none is said.
    """
    layers = norms(network)
    if not layers:
        return
    for layer in layers:
        layer.selected = index or 0
        layer.start_measuring()
    for batch in crops:
        network(batch)
    for layer in layers:
        layer.mode = "fixed"
        if index is None:
            layer.make_sets(len(layer.mean))
