"""The UNet's sizes, and that it computes what diffusers' does, so that weights can go either way."""

from __future__ import annotations

import subprocess
import sys
from typing import Any

import pytest
import torch

from napari_phenotrans.core.errors import InputError
from napari_phenotrans.engines.settings import PhenDiffSettings
from napari_phenotrans.networks.unet import UNet, build_unet, unet_config

PLAIN = {"width": 8, "levels": 3, "layers": 1, "crop": 32}


def config(channels: int = 2, conditions: int = 2, **said: Any) -> dict[str, Any]:
    return unet_config(channels, conditions, **{**PLAIN, **said})


@pytest.mark.parametrize(
    ("preset", "millions"),
    # the published sizes, which have three channels and two classes and no row for none
    [({}, 5.92), ({"preset": "paper"}, 15.73), ({"preset": "paper-small"}, 62.83)],
    ids=["default", "paper", "paper-small"],
)
def test_sizes_are_those_asked_for(preset: dict[str, str], millions: float) -> None:
    said = PhenDiffSettings.presets[preset["preset"]] if preset else {}
    s = PhenDiffSettings.make(**said)
    with torch.device("meta"):
        network = build_unet(unet_config(3, 2, width=s.width, levels=s.levels, layers=s.layers, crop=s.crop), 3, 2)
    assert sum(p.numel() for p in network.parameters()) / 1e6 == pytest.approx(millions, abs=0.006)


@pytest.mark.parametrize("width", [4, 6, 8, 12, 24, 32, 64, 128])
def test_groups_divide_every_width_and_hold_two_channels(width: int) -> None:
    said = config(width=width)
    assert all(w % said["norm_num_groups"] == 0 for w in said["block_out_channels"])
    assert said["norm_num_groups"] <= width / 2
    if width >= 64:  # as published
        assert said["norm_num_groups"] == 32


@pytest.mark.parametrize(("crop", "levels"), [(32, 4), (64, 5), (128, 6), (256, 6)])
def test_small_crops_leave_deep_levels_out(crop: int, levels: int) -> None:
    assert len(config(levels=6, crop=crop)["block_out_channels"]) == levels


@pytest.mark.parametrize("width", [6, 8])
def test_attention_is_at_the_deepest_level_and_shapes_are_kept(width: int) -> None:
    network = build_unet(config(channels=3, conditions=4, width=width), 3, 4).eval()
    attending = {name.split(".attentions")[0] for name, _ in network.named_modules() if ".attentions." in name}
    assert attending == {"down_blocks.2", "mid_block", "up_blocks.0"}
    assert network.class_embedding.num_embeddings == 5
    x = torch.rand(2, 3, 40, 32)
    with torch.no_grad():
        assert network(x, torch.tensor([-300.0, 900.0]), torch.tensor([0, 4])).shape == x.shape


def test_a_configuration_that_does_not_fit_the_data_is_refused() -> None:
    with pytest.raises(InputError, match=r"3 channels and 2 conditions: .*in_channels 2 instead of 3"):
        build_unet(config(), 3, 2)
    with pytest.raises(InputError, match=r"num_class_embeds 3 instead of 4"):
        build_unet(config(), 2, 3)


def test_a_configuration_that_is_not_of_this_network_is_refused() -> None:
    with pytest.raises(InputError, match="act_fn 'gelu'"):
        build_unet({**config(), "act_fn": "gelu"}, 2, 2)
    with pytest.raises(InputError, match="No network can be built from this configuration"):
        build_unet({**config(), "down_block_types": ["DownBlock2D"]}, 2, 2)
    # what files say about themselves is no setting
    build_unet({**config(), "_class_name": "CustomCondUNet2DModel", "_diffusers_version": "0.18.2"}, 2, 2)


DIFFUSERS: dict[str, Any] = {
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
DIFFUSERS_OTHERWISE: dict[str, Any] = {
    "resnet_time_scale_shift": "scale_shift",
    "downsample_padding": 0,
    "freq_shift": 1,
    "flip_sin_to_cos": False,
    "layers_per_block": 2,
    "attention_head_dim": None,
}


@pytest.mark.parametrize("said", [{}, DIFFUSERS_OTHERWISE, {"center_input_sample": True, "add_attention": False}])
def test_output_equals_diffusers(said: dict[str, Any]) -> None:
    from diffusers.models.unets.unet_2d import UNet2DModel

    torch.manual_seed(0)
    theirs = UNet2DModel(**(DIFFUSERS | said)).eval()
    ours = UNet(DIFFUSERS | said)
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
        UNet(DIFFUSERS | said)


def test_building_a_denoiser_loads_no_compiler() -> None:
    """What loads Triton ends a napari that draws with Mesa."""
    code = f"""
import sys
from napari_phenotrans.networks.unet import UNet
UNet({DIFFUSERS!r})
print(*sorted({{"diffusers", "torch._dynamo", "torchvision", "triton"}} & set(sys.modules)))
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == []
