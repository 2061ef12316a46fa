"""Folders of diffusers and PhenDiff against diffusers itself."""

from __future__ import annotations

import json
import os
from typing import TYPE_CHECKING, Any

import pytest
import torch
from diffusers import DDIMInverseScheduler, DDIMScheduler, UNet2DModel

from napari_phenotrans.checkpoints.interop import import_checkpoint
from napari_phenotrans.core.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from torch import Tensor

NETWORK: dict[str, Any] = {
    "sample_size": 32,
    "in_channels": 2,
    "out_channels": 2,
    "block_out_channels": [8, 16],
    "layers_per_block": 1,
    "down_block_types": ["DownBlock2D", "AttnDownBlock2D"],
    "up_block_types": ["AttnUpBlock2D", "UpBlock2D"],
    "attention_head_dim": 4,
    "norm_num_groups": 4,
    "num_class_embeds": 3,
}
SCHEDULE: dict[str, Any] = {
    "_class_name": "DDIMScheduler",
    "num_train_timesteps": 60,
    "beta_start": 1e-3,
    "beta_end": 0.2,
    "beta_schedule": "scaled_linear",
    "prediction_type": "v_prediction",
    "rescale_betas_zero_snr": True,
    "timestep_spacing": "trailing",
    "clip_sample": True,
    "clip_sample_range": 1.0,
}


@pytest.fixture(scope="module")
def unet() -> UNet2DModel:
    """Give a small network with weights large enough that nothing it computes is near 0."""
    torch.manual_seed(0)
    network = UNet2DModel(**NETWORK).eval().requires_grad_(False)
    for value in network.parameters():
        value += 0.05 * torch.randn_like(value)
    network.class_embedding.weight.mul_(2)
    return network


@pytest.fixture
def save(tmp_path: Path, unet: UNet2DModel) -> Callable[..., Path]:
    """Write a folder as PhenDiff or diffusers does."""

    def write(
        name: str = "CustomCondUNet2DModel", *, kind: str = "bin", state: Any = None, bare: bool = False, **change: Any
    ) -> Path:
        root = tmp_path / "full_pipeline_save"
        network = root if bare else root / "unet"
        network.mkdir(parents=True)
        if kind == "bin":
            torch.save(state if state is not None else unet.state_dict(), network / "diffusion_pytorch_model.bin")
        else:
            unet.save_pretrained(network, safe_serialization=True)
        config = {"_class_name": name, "_diffusers_version": "0.18.2", **NETWORK, **change.get("network", {})}
        (network / "config.json").write_text(json.dumps(config))
        if not bare:
            (root / "scheduler").mkdir()
            schedule = SCHEDULE | change.get("schedule", {})
            (root / "scheduler" / "scheduler_config.json").write_text(json.dumps(schedule))
            index = {"_class_name": "ConditionalDDIMPipeline", "unet": ["cond_unet_2d", name]}
            (root / "model_index.json").write_text(json.dumps(index | change.get("index", {})))
        return root

    return write


def crop(size: int = 32) -> Tensor:
    return torch.rand(2, 2, size, size, generator=torch.Generator().manual_seed(0)) * 2 - 1


# ---- what comes in, computes alike


@pytest.mark.parametrize(("name", "kind"), [("CustomCondUNet2DModel", "bin"), ("UNet2DModel", "safetensors")])
def test_the_network_computes_what_diffusers_does(
    save: Callable[..., Path], unet: UNet2DModel, name: str, kind: str
) -> None:
    checkpoint = import_checkpoint(save(name, kind=kind), conditions=["a", "b", "c"])
    engine = checkpoint.build_engine()
    denoiser: Any = engine.translators["denoiser"]
    for size in (32, 40):
        x, seen = crop(size), []
        for time in (0, 59, 12.5):
            for label in range(3):
                labels = torch.tensor([label, 2 - label])
                expected = unet(x, torch.tensor(time), labels).sample
                assert (denoiser(x, torch.tensor(time), labels) - expected).abs().max() < 1e-5
                seen.append(expected)
        # a reference that takes no notice of time and condition would pass anything
        assert min((one - other).abs().max() for i, one in enumerate(seen) for other in seen[:i]) > 1e-3


def test_no_condition_is_an_embedding_of_zeros(save: Callable[..., Path], unet: UNet2DModel) -> None:
    checkpoint = import_checkpoint(save())
    assert checkpoint.card.conditions == ("condition 0", "condition 1", "condition 2")
    denoiser: Any = checkpoint.build_engine().translators["denoiser"]
    x, time = crop(), torch.tensor(7)
    kept = unet.class_embedding.weight.clone()
    unet.class_embedding.weight[1] = 0
    expected = unet(x, time, torch.tensor([1, 1])).sample
    unet.class_embedding.weight.copy_(kept)
    assert (denoiser(x, time, torch.tensor([3, 3])) - expected).abs().max() < 1e-5


@pytest.mark.parametrize("null_row", [0, 2])
def test_a_class_for_no_condition_is_taken_out_of_the_conditions(
    save: Callable[..., Path], unet: UNet2DModel, null_row: int
) -> None:
    checkpoint = import_checkpoint(save("UNet2DModel"), conditions=["dim", "bright"], null_row=null_row)
    denoiser: Any = checkpoint.build_engine().translators["denoiser"]
    x, time = crop(), torch.tensor(7)
    classes = [row for row in range(3) if row != null_row]
    for label, row in ((0, classes[0]), (1, classes[1]), (2, null_row)):
        expected = unet(x, time, torch.tensor([row, row])).sample
        assert (denoiser(x, time, torch.tensor([label, label])) - expected).abs().max() < 1e-5


def test_the_card_says_what_is_known(save: Callable[..., Path]) -> None:
    card = import_checkpoint(save(), channels=["DNA", "GFP"], limits=[(0, 10), (5, 20)], pixel_size_um=0.5).card
    assert (card.engine, card.channels, card.low, card.high) == ("phendiff", ("DNA", "GFP"), (0, 5), (10, 20))
    assert (card.pixel_size, card.pixel_unit, card.crop) == (0.5, "um", 32)
    assert card.settings["objective"] == "discrete"
    expected = {key: value for key, value in SCHEDULE.items() if not key.startswith("_")}
    assert card.settings["schedule"].items() >= expected.items()
    assert card.training["format"] == "PhenDiff folder"
    assert "zeros" in card.training["no condition"]


def test_attention_layers_may_have_their_old_names(save: Callable[..., Path], unet: UNet2DModel) -> None:
    new_to_old = {".to_q.": ".query.", ".to_k.": ".key.", ".to_v.": ".value.", ".to_out.0.": ".proj_attn."}
    state = {}
    for key, value in unet.state_dict().items():
        for new, old in new_to_old.items():
            key = key.replace(new, old)
        state[key] = value
    assert any(".proj_attn." in key for key in state)
    denoiser: Any = import_checkpoint(save(state=state)).build_engine().translators["denoiser"]
    labels = torch.tensor([0, 2])
    assert (denoiser(crop(), torch.tensor(3), labels) - unet(crop(), 3, labels).sample).abs().max() < 1e-5


def test_a_network_alone_needs_its_scheduler(save: Callable[..., Path], tmp_path: Path) -> None:
    root = save("UNet2DModel", bare=True)
    with pytest.raises(InputError, match=r"noise that the network was trained with.*--scheduler"):
        import_checkpoint(root)
    (tmp_path / "scheduler_config.json").write_text(json.dumps({"_class_name": "DDPMScheduler"}))
    for said in (tmp_path, tmp_path / "scheduler_config.json"):
        schedule = import_checkpoint(root, scheduler=said).card.settings["schedule"]
        assert (schedule["num_train_timesteps"], schedule["beta_schedule"], schedule["clip_sample"]) == (
            1000, "linear", True,
        )  # fmt: skip


@pytest.mark.parametrize("place", ["", "unet", "unet/config.json", "unet/diffusion_pytorch_model.bin", ".."])
def test_any_path_into_the_folder_will_do(save: Callable[..., Path], place: str) -> None:
    assert import_checkpoint(save() / place).card.engine == "phendiff"


def test_flow_matching_comes_as_such(save: Callable[..., Path]) -> None:
    root = save("UNet2DModel", schedule={"_class_name": "FlowMatchEulerDiscreteScheduler", "num_train_timesteps": 1000})
    assert import_checkpoint(root).card.settings["objective"] == "flow"


# ---- the published sampler


@pytest.mark.parametrize(
    "schedule",
    [
        {},
        {"rescale_betas_zero_snr": False, "prediction_type": "epsilon", "timestep_spacing": "leading"},
        {"rescale_betas_zero_snr": False, "prediction_type": "sample", "clip_sample": False},
    ],
)
@pytest.mark.parametrize("guidance", [1.0, 1.7])
def test_the_ddim_solver_is_the_published_sampler(
    save: Callable[..., Path], unet: UNet2DModel, schedule: dict[str, Any], guidance: float
) -> None:
    """Hold solver ``ddim`` against diffusers' schedulers, step by step.

    Generating: `DDIMScheduler` as it is. Inverting: PhenDiff's diffusers 0.18.2 steps from level t to t + stride with
    the network asked at t, on the table without rescaling. Today's `DDIMInverseScheduler` takes the same step where
    it is told t + stride; only the last one, to pure noise, it does not know: that leaves the predicted noise.
    """
    checkpoint = import_checkpoint(save(schedule=schedule))
    engine = checkpoint.build_engine()
    config = {key: value for key, value in (SCHEDULE | schedule).items() if not key.startswith("_")}
    steps, stride = 6, 10
    x = crop() * 0.8

    inverse = DDIMInverseScheduler(**(config | {"rescale_betas_zero_snr": False}))
    inverse.set_timesteps(steps)
    z = x
    for t in range(0, 60, stride):
        predicted = unet(z, torch.tensor(t), torch.tensor([0, 0])).sample
        if t + stride < 60:
            z = inverse.step(predicted, t + stride, z).prev_sample
        else:
            signal = inverse.alphas_cumprod[t]
            alpha, noise = signal.sqrt(), (1 - signal).sqrt()
            z = {
                "v_prediction": alpha * predicted + noise * z,
                "epsilon": predicted,
                "sample": (z - alpha * predicted) / noise,
            }[config["prediction_type"]]

    forward = DDIMScheduler(**config)
    forward.set_timesteps(steps)
    denoiser: Any = engine.translators["denoiser"]
    for t in forward.timesteps:
        predicted = unet(z, t, torch.tensor([2, 2])).sample
        untold = denoiser(z, t, torch.tensor([3, 3]))
        z = forward.step(untold + guidance * (predicted - untold), t, z).prev_sample

    how = engine.translation_settings.make(strength=1, evaluations=steps, guidance=guidance, solver="ddim")
    seen = engine.translate(x, "condition 0", "condition 2", how)
    assert z.std() > 0.1
    assert (seen - z).abs().max() < 1e-4 * z.abs().max()


# ---- what is refused


def without(state: dict[str, Tensor], key: str) -> dict[str, Tensor]:
    return {name: value for name, value in state.items() if name != key}


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda s: without(s, "conv_out.bias"), r"missing: conv_out\.bias"),
        (lambda s: {**s, "extra.weight": torch.zeros(1)}, r"unexpected: extra\.weight"),
        (lambda s: {**s, "conv_in.bias": torch.zeros(9)}, r"conv_in\.bias of shape \(9,\) instead of \(8,\)"),
        (lambda s: without(s, "class_embedding.weight"), "no embedding of the 3 classes"),
        (lambda s: {**s, "conv_in.bias": torch.full((8,), torch.nan)}, "not finite in conv_in"),
        (lambda s: {**s, "conv_in.bias": torch.zeros(8, dtype=torch.int)}, "not as dense floating point"),
        (lambda s: {"state_dict": s}, "a dict with state_dict"),
    ],
)
def test_weights_that_do_not_fit_are_refused(
    save: Callable[..., Path], unet: UNet2DModel, change: Callable[..., Any], said: str
) -> None:
    with pytest.raises(InputError, match=said):
        import_checkpoint(save(state=change(unet.state_dict())))


@pytest.mark.parametrize(
    ("name", "change", "said"),
    [
        ("UNet2DConditionModel", {}, "describes a UNet2DConditionModel, not one of UNet2DModel"),
        ("UNet2DModel", {"network": {"num_class_embeds": None}}, "without class labels"),
        ("UNet2DModel", {"network": {"class_embed_type": "timestep"}}, "without class labels"),
        ("UNet2DModel", {"network": {"out_channels": 4}}, "from 2 to 4 channels"),
        ("UNet2DModel", {"network": {"time_embedding_type": "fourier"}}, "embedding is 'fourier'"),
        ("UNet2DModel", {"network": {"rotary": True}}, "does not have: rotary"),
        ("UNet2DModel", {"network": {"down_block_types": ["DownBlock2D", "Nothing"]}}, "built here: .*Nothing"),
        ("UNet2DModel", {"index": {"vae": ["diffusers", "AutoencoderKL"]}}, "latents, not pixels"),
        ("UNet2DModel", {"schedule": {"_class_name": "EDMEulerScheduler"}}, "of EDMEulerScheduler, whose networks"),
        ("UNet2DModel", {"schedule": {"beta_schedule": "sigmoid"}}, "beta_schedule 'sigmoid'"),
        ("UNet2DModel", {"schedule": {"prediction_type": "flow_prediction"}}, "prediction_type 'flow_prediction'"),
        ("UNet2DModel", {"schedule": {"thresholding": True}}, "dynamic thresholding"),
    ],
)
def test_other_networks_are_refused_with_their_reason(
    save: Callable[..., Path], name: str, change: dict[str, Any], said: str
) -> None:
    with pytest.raises(InputError, match=said):
        import_checkpoint(save(name, **change))


@pytest.mark.parametrize(
    ("said", "answer"),
    [
        ({"conditions": ["a", "b"]}, r"2 conditions came.*The network has 3.*--null-row"),
        ({"conditions": ["a", "b", "b"]}, "different conditions"),
        ({"null_row": 3}, "classes 0 to 2, got --null-row 3"),
        ({"channels": ["DNA"]}, "say one name for each"),
    ],
)
def test_what_does_not_fit_the_network_is_refused(save: Callable[..., Path], said: dict[str, Any], answer: str) -> None:
    with pytest.raises(InputError, match=answer):
        import_checkpoint(save(), **said)


def test_incomplete_and_damaged_folders_are_refused(save: Callable[..., Path], tmp_path: Path) -> None:
    root = save()
    for file, answer in (
        ("scheduler/scheduler_config.json", "--scheduler"),
        ("unet/diffusion_pytorch_model.bin", "holds no weights"),
        ("unet/config.json", "Expected the state dict of a ResNet generator"),
    ):
        content = (root / file).read_bytes()
        (root / file).write_bytes(content[: len(content) // 2])
        with pytest.raises(InputError, match=r"cannot be read|damaged"):
            import_checkpoint(root)
        (root / file).unlink()
        with pytest.raises(InputError, match=answer):
            import_checkpoint(root)
        (root / file).write_bytes(content)
    (tmp_path / "empty").mkdir()
    with pytest.raises(InputError, match="belong to diffusion models"):
        import_checkpoint(tmp_path / "empty", null_row=0)


class Code:
    """A pickle that makes a folder when it is loaded."""

    def __init__(self, path: str) -> None:
        self.path = path

    def __reduce__(self) -> tuple[Any, tuple[str]]:
        return os.mkdir, (self.path,)


def test_pickles_with_code_are_not_run(save: Callable[..., Path], unet: UNet2DModel, tmp_path: Path) -> None:
    trap = str(tmp_path / "trap")
    with pytest.raises(InputError, match="never loaded"):
        import_checkpoint(save(state={**unet.state_dict(), "code": Code(trap)}))
    assert not os.path.exists(trap)
