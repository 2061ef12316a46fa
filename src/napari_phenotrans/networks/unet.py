"""The class-conditional U-Net of diffusers' ``UNet2DModel``, tensor for tensor, without diffusers.

Importing diffusers takes seconds and loads Triton, which ends a napari that draws with Mesa's OpenGL (two LLVMs in one
process). So the network is written here, under the same names: its weights load into ``UNet2DModel`` and back.
"""

from __future__ import annotations

import math
from math import gcd
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from napari_phenotrans.core.errors import InputError
from napari_phenotrans.networks.winograd import Convolution

if TYPE_CHECKING:
    from collections.abc import Mapping


DOWN = {"DownBlock2D": False, "AttnDownBlock2D": True}
UP = {"UpBlock2D": False, "AttnUpBlock2D": True}
# What the configuration may say, and the only values of it that are built here.
FIXED: dict[str, tuple[Any, ...]] = {
    "act_fn": ("silu", "swish"),
    "time_embedding_type": ("positional",),
    "class_embed_type": (None,),
    "mid_block_type": ("UNetMidBlock2D",),
    "downsample_type": ("conv",),
    "upsample_type": ("conv",),
    "attn_norm_num_groups": (None,),
    "mid_block_scale_factor": (1, 1.0),
    "dropout": (0, 0.0),
}
DEFAULTS: dict[str, Any] = {
    "center_input_sample": False,
    "freq_shift": 0,
    "flip_sin_to_cos": True,
    "downsample_padding": 1,
    "attention_head_dim": 8,
    "norm_num_groups": 32,
    "norm_eps": 1e-5,
    "layers_per_block": 2,
    "resnet_time_scale_shift": "default",
    "add_attention": True,
}


class UNet(nn.Module):
    """A denoiser that is told the noise and the class (Ho et al. 2020, appendix B).

    Parameters
    ----------
    config
        A configuration of ``UNet2DModel`` with ``num_class_embeds``.

    Attributes
    ----------
    config
        The configuration, with what it leaves unsaid.

    Raises
    ------
    InputError
        If the configuration asks for a layer that is not built here.
    """

    rates: Tensor

    def __init__(self, config: Mapping[str, Any]) -> None:
        super().__init__()
        c = DEFAULTS | dict(config)
        _refuse_unknown(c)
        self.config = c
        self.centered = bool(c["center_input_sample"])
        self.cosine_first = c["flip_sin_to_cos"]
        widths = list(c["block_out_channels"])
        layers, deep = c["layers_per_block"], widths[-1]
        embedded = 4 * widths[0]
        common = {key: c[key] for key in ("norm_num_groups", "norm_eps", "attention_head_dim")}
        common |= {"embedded": embedded, "scale_shift": c["resnet_time_scale_shift"] == "scale_shift"}

        self.time_width, half = widths[0], widths[0] // 2
        rates = torch.exp(-math.log(10000) * torch.arange(half, dtype=torch.float32) / (half - c["freq_shift"]))
        self.register_buffer("rates", rates, persistent=False)
        self.conv_in = nn.Conv2d(c["in_channels"], widths[0], 3, padding=1)
        self.time_embedding = TimeEmbedding(widths[0], embedded)
        self.class_embedding = nn.Embedding(c["num_class_embeds"], embedded)
        self.down_blocks = nn.ModuleList()
        for i, (kind, width) in enumerate(zip(c["down_block_types"], widths, strict=True)):
            entering = [widths[max(i - 1, 0)]] + [width] * (layers - 1)
            last = i == len(widths) - 1
            padding = None if last else c["downsample_padding"]
            self.down_blocks.append(Level(entering, width, attention=DOWN[kind], down=padding, **common))
        self.mid_block = Middle(deep, attention=c["add_attention"], **common)
        self.up_blocks = nn.ModuleList()
        wide = widths[::-1]
        for i, (kind, width) in enumerate(zip(c["up_block_types"], wide, strict=True)):
            # each layer also takes a skip of the way down: its own level's, and last the level's above
            skipped = [width] * layers + [wide[min(i + 1, len(wide) - 1)]]
            entering = [wide[max(i - 1, 0)] + skipped[0], *(width + s for s in skipped[1:])]
            self.up_blocks.append(Level(entering, width, attention=UP[kind], up=i < len(wide) - 1, **common))
        groups = c["norm_num_groups"] or min(widths[0] // 4, 32)
        self.conv_norm_out = nn.GroupNorm(groups, widths[0], eps=c["norm_eps"])
        self.conv_out = nn.Conv2d(widths[0], c["out_channels"], 3, padding=1)

    def forward(self, x: Tensor, time: Tensor, labels: Tensor) -> Tensor:
        """Return what the network predicts, (N, C, H, W).

        Takes noisy crops, times (N,) or one for all of them, and class labels (N,).
        """
        embedding = self.time_embedding(self._waves(time.expand(x.shape[0])).to(x.dtype)) + self.class_embedding(labels)
        x = self.conv_in(2 * x - 1 if self.centered else x)
        skips = [x]
        for level in self.down_blocks:
            x = level(x, embedding, store=skips)
        x = self.mid_block(x, embedding)
        for level in self.up_blocks:
            x = level(x, embedding, skips=skips)
        return self.conv_out(F.silu(self.conv_norm_out(x)))

    def _waves(self, time: Tensor) -> Tensor:
        """Return sines and cosines of the times, (N, width) (Vaswani et al. 2017, section 3.5)."""
        phases = time.float()[:, None] * self.rates
        waves = (phases.cos(), phases.sin()) if self.cosine_first else (phases.sin(), phases.cos())
        return F.pad(torch.cat(waves, dim=1), (0, self.time_width % 2))


class TimeEmbedding(nn.Module):
    """Two linear layers on the waves of a time."""

    def __init__(self, width: int, embedded: int) -> None:
        super().__init__()
        self.linear_1 = nn.Linear(width, embedded)
        self.linear_2 = nn.Linear(embedded, embedded)

    def forward(self, waves: Tensor) -> Tensor:
        return self.linear_2(F.silu(self.linear_1(waves)))


class Level(nn.Module):
    """The layers at one resolution of the way down or up, and the change to the next one."""

    def __init__(
        self,
        entering: list[int],
        width: int,
        *,
        attention: bool,
        down: int | None = None,
        up: bool = False,
        **common: Any,
    ) -> None:
        super().__init__()
        self.resnets = nn.ModuleList(ResidualLayer(channels, width, **common) for channels in entering)
        self.attentions = nn.ModuleList(Attention(width, **common) for _ in entering) if attention else None
        self.downsamplers = nn.ModuleList([Downsample(width, down)]) if down is not None else None
        self.upsamplers = nn.ModuleList([Upsample(width)]) if up else None

    def forward(
        self,
        x: Tensor,
        embedding: Tensor,
        store: list[Tensor] | None = None,
        skips: list[Tensor] | None = None,
    ) -> Tensor:
        for number, layer in enumerate(self.resnets):
            x = layer(x if skips is None else torch.cat([x, skips.pop()], dim=1), embedding)
            if self.attentions is not None:
                x = self.attentions[number](x)
            if store is not None:
                store.append(x)
        if self.downsamplers is not None:
            x = self.downsamplers[0](x)
            if store is not None:
                store.append(x)
        return self.upsamplers[0](x) if self.upsamplers is not None else x


class Middle(nn.Module):
    """Two residual layers at the least resolution, with attention between them."""

    def __init__(self, width: int, *, attention: bool, **common: Any) -> None:
        super().__init__()
        self.resnets = nn.ModuleList(ResidualLayer(width, width, **common) for _ in range(2))
        # as in diffusers, whose attention here goes without a norm where noise and class scale and shift
        own = common | ({"norm_num_groups": None} if common["scale_shift"] else {})
        self.attentions = nn.ModuleList([Attention(width, **own)]) if attention else None

    def forward(self, x: Tensor, embedding: Tensor) -> Tensor:
        x = self.resnets[0](x, embedding)
        if self.attentions is not None:
            x = self.attentions[0](x)
        return self.resnets[1](x, embedding)


class ResidualLayer(nn.Module):
    """Two convolutions with noise and class added in between, and a skip around both."""

    def __init__(
        self,
        entering: int,
        width: int,
        *,
        embedded: int,
        norm_num_groups: int,
        norm_eps: float,
        scale_shift: bool,
        **_: Any,
    ) -> None:
        super().__init__()
        self.scale_shift = scale_shift
        self.norm1 = nn.GroupNorm(norm_num_groups, entering, eps=norm_eps)
        self.conv1 = Convolution(entering, width, 3, padding=1)
        self.time_emb_proj = nn.Linear(embedded, (2 if scale_shift else 1) * width)
        self.norm2 = nn.GroupNorm(norm_num_groups, width, eps=norm_eps)
        self.conv2 = Convolution(width, width, 3, padding=1)
        self.conv_shortcut = nn.Conv2d(entering, width, 1) if entering != width else None

    def forward(self, x: Tensor, embedding: Tensor) -> Tensor:
        h = self.conv1(F.silu(self.norm1(x)))
        modulation = self.time_emb_proj(F.silu(embedding))[:, :, None, None]
        if self.scale_shift:  # Dhariwal & Nichol 2021, eq. 7
            scale, shift = modulation.chunk(2, dim=1)
            h = self.norm2(h) * (1 + scale) + shift
        else:
            h = self.norm2(h + modulation)
        h = self.conv2(F.silu(h))
        return h + (x if self.conv_shortcut is None else self.conv_shortcut(x))


class Attention(nn.Module):
    """Self-attention over the places of (N, C, H, W) (Vaswani et al. 2017, eq. 1), and a skip around it."""

    def __init__(
        self, width: int, *, norm_num_groups: int | None, norm_eps: float, attention_head_dim: int | None, **_: Any
    ) -> None:
        super().__init__()
        self.heads = width // (attention_head_dim or width)
        self.group_norm = nn.GroupNorm(norm_num_groups, width, eps=norm_eps) if norm_num_groups else nn.Identity()
        self.to_q, self.to_k, self.to_v = (nn.Linear(width, width) for _ in range(3))
        self.to_out = nn.ModuleList([nn.Linear(width, width)])

    def forward(self, x: Tensor) -> Tensor:
        count, width, height, breadth = x.shape
        h = self.group_norm(x).flatten(2).transpose(1, 2)
        query, key, value = (
            linear(h).view(count, -1, self.heads, width // self.heads).transpose(1, 2)
            for linear in (self.to_q, self.to_k, self.to_v)
        )
        attended = F.scaled_dot_product_attention(query, key, value).transpose(1, 2).reshape(count, -1, width)
        return x + self.to_out[0](attended).transpose(1, 2).reshape(count, width, height, breadth)


class Downsample(nn.Module):
    """Half the size by a convolution."""

    def __init__(self, width: int, padding: int) -> None:
        super().__init__()
        self.padding = padding
        self.conv = nn.Conv2d(width, width, 3, stride=2, padding=padding)

    def forward(self, x: Tensor) -> Tensor:
        return self.conv(x if self.padding else F.pad(x, (0, 1, 0, 1)))


class Upsample(nn.Module):
    """Twice the size by repeating pixels, then a convolution."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.conv = Convolution(width, width, 3, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        return self.conv(F.interpolate(x, scale_factor=2.0, mode="nearest"))


def _refuse_unknown(config: Mapping[str, Any]) -> None:
    wrong = [
        f"{key} {config[key]!r} (here: {', '.join(map(repr, known))})"
        for key, known in FIXED.items()
        if key in config and config[key] not in known
    ]
    for key, blocks in (("down_block_types", DOWN), ("up_block_types", UP)):
        unknown = sorted(set(config[key]) - set(blocks))
        if unknown:
            wrong.append(f"{key} {', '.join(unknown)} (here: {', '.join(blocks)})")
    if wrong:
        raise InputError(f"This denoiser has layers that cannot be built here: {'; '.join(wrong)}.")


DEEPEST = 4
HEAD = 8


def unet_config(
    channels: int, conditions: int, *, width: int, levels: int, layers: int, crop: int, predicted: int | None = None
) -> dict[str, Any]:
    """Return the diffusers configuration of a class-conditional U-Net.

    Widths are ``width`` times 1, 2, 4, 4, 4, 4; attention is at the deepest level only: over 16 x 16 positions and
    fewer it costs little, and cells do not look farther. Width 64 with three levels of two layers is the published
    network (Bourou et al. 2024).

    Parameters
    ----------
    channels
        Of the images.
    conditions
        Number of conditions; the class embedding has one more row, the last, for *no condition*.
    width, levels, layers
        Channels of the first level, number of levels, residual layers per level.
    crop
        Side of the training crops: levels that would see less than 4 x 4 of it are left out.
    predicted
        Number of channels that come out; as many as go in where not said.
    """
    levels = min(levels, max(1, (crop // DEEPEST).bit_length()))
    widths = [width * factor for factor in (1, 2, 4, 4, 4, 4)[:levels]]
    return {
        "in_channels": channels,
        "out_channels": predicted or channels,
        "sample_size": crop,
        "block_out_channels": widths,
        "layers_per_block": layers,
        "down_block_types": ["DownBlock2D"] * (levels - 1) + ["AttnDownBlock2D"],
        "up_block_types": ["AttnUpBlock2D"] + ["UpBlock2D"] * (levels - 1),
        "attention_head_dim": gcd(HEAD, widths[-1]),
        # two channels or more in a group: a group of one forgets how bright its channel was
        "norm_num_groups": gcd(32, width, max(1, width // 2)),
        "num_class_embeds": conditions + 1,
    }


def build_unet(config: dict[str, Any], channels: int, conditions: int, predicted: int | None = None) -> UNet:
    """Build the network of a configuration; its last class is *no condition*.

    Takes (N, C, H, W), times (N,) and class labels (N,), and returns (N, C, H, W), or as many channels as ``predicted``
    says.

    Raises
    ------
    InputError
        If the configuration does not fit the data, or asks for layers that are not built here.
    """
    stated = {key: value for key, value in config.items() if not key.startswith("_")}
    expected = {
        "in_channels": channels,
        "out_channels": predicted or channels,
        "num_class_embeds": conditions + 1,
    }
    wrong = [
        f"{key} {stated.get(key)} instead of {value}" for key, value in expected.items() if stated.get(key) != value
    ]
    if wrong:
        raise InputError(
            f"The denoiser's configuration does not fit {channels} channels and {conditions} conditions: "
            f"{', '.join(wrong)}. Choose the channels and conditions that it was made for."
        )
    try:
        return UNet(stated)
    except InputError:
        raise
    except (TypeError, ValueError, KeyError) as error:
        raise InputError(f"No network can be built from this configuration of diffusers: {error}.") from error
