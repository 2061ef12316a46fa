from __future__ import annotations

from typing import Any

import pytest
import torch

from napari_phenotrans.engines.phendiff_settings import PhenDiffSettings
from napari_phenotrans.errors import InputError
from napari_phenotrans.networks.unet import build_unet, unet_config

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
