"""The denoiser computes what diffusers' does, so that weights can go either way."""

from __future__ import annotations

import subprocess
import sys
from typing import Any

import pytest
import torch

from napari_phenotrans.errors import InputError
from napari_phenotrans.networks.denoiser import UNet

PLAIN: dict[str, Any] = {
    "in_channels": 2,
    "out_channels": 2,
    "sample_size": 32,
    "block_out_channels": [8, 16, 24],
    "layers_per_block": 1,
    "down_block_types": ["DownBlock2D", "AttnDownBlock2D", "AttnDownBlock2D"],
    "up_block_types": ["AttnUpBlock2D", "AttnUpBlock2D", "UpBlock2D"],
    "attention_head_dim": 8,
    "norm_num_groups": 4,
    "num_class_embeds": 3,
}
OTHER: dict[str, Any] = {
    "resnet_time_scale_shift": "scale_shift",
    "downsample_padding": 0,
    "freq_shift": 1,
    "flip_sin_to_cos": False,
    "layers_per_block": 2,
    "attention_head_dim": None,
}


@pytest.mark.parametrize("said", [{}, OTHER, {"center_input_sample": True, "add_attention": False}])
def test_output_equals_diffusers(said: dict[str, Any]) -> None:
    from diffusers.models.unets.unet_2d import UNet2DModel

    torch.manual_seed(0)
    theirs = UNet2DModel(**(PLAIN | said)).eval()
    ours = UNet(PLAIN | said)
    ours.load_state_dict(theirs.state_dict())
    x, labels = torch.randn(2, 2, 32, 40), torch.tensor([0, 2])
    for time in (torch.tensor([3.7, 800.0]), torch.tensor([0.0, -250.0])):
        with torch.no_grad():
            expected = theirs(x, time, labels).sample
            torch.testing.assert_close(ours(x, time, labels), expected, atol=1e-5, rtol=0)


@pytest.mark.parametrize(
    ("said", "named"),
    [
        ({"act_fn": "gelu"}, "act_fn 'gelu'"),
        ({"down_block_types": ["DownBlock2D", "SkipDownBlock2D", "AttnDownBlock2D"]}, "SkipDownBlock2D"),
        ({"time_embedding_type": "fourier"}, "time_embedding_type 'fourier'"),
    ],
)
def test_layers_that_are_not_built_here_are_refused(said: dict[str, Any], named: str) -> None:
    with pytest.raises(InputError, match=rf"cannot be built here: .*{named}"):
        UNet(PLAIN | said)


def test_building_a_denoiser_loads_no_compiler() -> None:
    """What loads Triton ends a napari that draws with Mesa."""
    code = f"""
import sys
from napari_phenotrans.networks.denoiser import UNet
UNet({PLAIN!r})
print(*sorted({{"diffusers", "torch._dynamo", "torchvision", "triton"}} & set(sys.modules)))
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == []
