"""Which network a denoiser is: sizes chosen here, in the words of diffusers' configurations."""

from __future__ import annotations

from math import gcd
from typing import Any

from napari_phenotrans.errors import InputError
from napari_phenotrans.networks.denoiser import UNet

DEEPEST = 4
HEAD = 8


def unet_config(channels: int, conditions: int, *, width: int, levels: int, layers: int, crop: int) -> dict[str, Any]:
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
    """
    levels = min(levels, max(1, (crop // DEEPEST).bit_length()))
    widths = [width * factor for factor in (1, 2, 4, 4, 4, 4)[:levels]]
    return {
        "in_channels": channels,
        "out_channels": channels,
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


def build_unet(config: dict[str, Any], channels: int, conditions: int) -> UNet:
    """Build the network of a configuration; its last class is *no condition*.

    Takes (N, C, H, W), times (N,) and class labels (N,), and returns (N, C, H, W).

    Raises
    ------
    InputError
        If the configuration does not fit the data, or asks for layers that are not built here.
    """
    said = {key: value for key, value in config.items() if not key.startswith("_")}
    expected = {"in_channels": channels, "out_channels": channels, "num_class_embeds": conditions + 1}
    wrong = [f"{key} {said.get(key)} instead of {value}" for key, value in expected.items() if said.get(key) != value]
    if wrong:
        raise InputError(
            f"The denoiser's configuration does not fit {channels} channels and {conditions} conditions: "
            f"{', '.join(wrong)}. Choose the channels and conditions that it was made for."
        )
    try:
        return UNet(said)
    except InputError:
        raise
    except (TypeError, ValueError, KeyError) as error:
        raise InputError(f"No network can be built from this configuration of diffusers: {error}.") from error
