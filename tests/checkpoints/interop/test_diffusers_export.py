"""Exported denoisers, loaded by diffusers, and imported back."""

from __future__ import annotations

import json
import shutil
from typing import TYPE_CHECKING, Any

import diffusers
import pytest
import torch

from napari_phenotrans.checkpoints.checkpoint import Card, Checkpoint
from napari_phenotrans.checkpoints.interop import export_checkpoint, import_checkpoint
from napari_phenotrans.core.errors import InputError
from napari_phenotrans.engines import ENGINES

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from torch import Tensor

CONDITIONS = ("control", "drug", "washout")
OBJECTIVES = ("edm", "v", "flow", "discrete")


def crop() -> Tensor:
    return torch.rand(2, 2, 32, 32, generator=torch.Generator().manual_seed(0)) * 2 - 1


@pytest.fixture(scope="module")
def make() -> Callable[..., Checkpoint]:
    def build(objective: str = "edm", **settings: Any) -> Checkpoint:
        torch.manual_seed(0)
        entry = ENGINES["phendiff"]
        said = {"objective": objective, "width": 8, "levels": 3, "layers": 1, "crop": 32, **settings}
        engine = entry.load()(entry.settings.make(**said), 2, CONDITIONS)
        with torch.no_grad():
            for value in engine.translators.parameters():
                value.add_(0.05 * torch.randn_like(value))
        card = Card(
            engine="phendiff",
            settings=engine.settings.model_dump(mode="json"),
            conditions=CONDITIONS,
            channels=("DNA", "GFP"),
            low=(1.0, 2.0),
            high=(901.0, 4000.0),
            pixel_size=0.65,
            pixel_unit="um",
            crop=32,
            about="tiny",
        )
        return Checkpoint.of(engine, card)

    return build


@pytest.mark.parametrize("objective", OBJECTIVES)
def test_diffusers_loads_it_and_computes_the_same(
    make: Callable[..., Checkpoint], tmp_path: Path, objective: str
) -> None:
    checkpoint = make(objective)
    export_checkpoint(checkpoint, tmp_path / "out")
    unet, told = diffusers.UNet2DModel.from_pretrained(tmp_path / "out" / "unet", output_loading_info=True)
    assert not any(told.values()), told
    denoiser: Any = checkpoint.build_engine().translators["denoiser"]
    with torch.no_grad():
        for time in (0, 3.5, 700):
            for label in range(4):  # the last is no condition
                labels = torch.tensor([label, 0])
                ours = denoiser(crop(), torch.tensor(time), labels)
                assert (unet(crop(), torch.tensor(time), labels).sample - ours).abs().max() < 1e-5


@pytest.mark.parametrize("objective", OBJECTIVES)
def test_the_scheduler_means_the_same_noise(make: Callable[..., Checkpoint], tmp_path: Path, objective: str) -> None:
    """What diffusers' scheduler takes for the denoised image must be what the engine does."""
    checkpoint = make(objective)
    _, notices = export_checkpoint(checkpoint, tmp_path)
    engine: Any = checkpoint.build_engine()
    unet = diffusers.UNet2DModel.from_pretrained(tmp_path / "unet").eval()
    name = json.loads((tmp_path / "scheduler" / "scheduler_config.json").read_text())["_class_name"]
    scheduler = getattr(diffusers, name).from_pretrained(tmp_path / "scheduler")
    scheduler.set_timesteps(20)
    noise = torch.randn(crop().shape, generator=torch.Generator().manual_seed(1))
    labels = torch.tensor([1, 1])
    assert ("1000 times" in " ".join(notices)) == (objective == "edm")
    for place in (1, 8, 15):
        t = scheduler.timesteps[place]
        with torch.no_grad():
            if objective == "edm":
                sigma = float(scheduler.sigmas[place])
                x = crop() + sigma * noise
                predicted = unet(scheduler.precondition_inputs(x, sigma), 1000 * t, labels).sample
                seen = scheduler.precondition_outputs(x, predicted, sigma)
            elif objective == "flow":
                share = float(scheduler.sigmas[place])
                z = scheduler.scale_noise(crop(), t[None], noise)
                seen = z - share * unet(z, t, labels).sample
                sigma, x = share / (1 - share), z / (1 - share)
            else:
                signal = float(scheduler.alphas_cumprod[t])
                z = scheduler.add_noise(crop(), noise, t[None])
                scheduler.register_to_config(clip_sample=False)
                seen = scheduler.step(unet(z, t, labels).sample, t, z).pred_original_sample
                sigma, x = ((1 - signal) / signal) ** 0.5, z / signal**0.5
            ours = engine.denoise(engine.networks_to("drug"), 1, 1.0, x, sigma)
        assert (ours - seen).abs().max() < 1e-3 * max(1, float(ours.abs().max())), place


def test_diffusers_finds_a_whole_pipeline(make: Callable[..., Checkpoint], tmp_path: Path) -> None:
    export_checkpoint(make("discrete"), tmp_path)
    pipeline = diffusers.DiffusionPipeline.from_pretrained(tmp_path)
    assert isinstance(pipeline.unet, diffusers.UNet2DModel)
    assert isinstance(pipeline.scheduler, diffusers.DDIMScheduler)
    assert pipeline.scheduler.config.num_train_timesteps == 3000


@pytest.mark.parametrize("objective", OBJECTIVES)
def test_importing_the_export_back_restores_everything(
    make: Callable[..., Checkpoint], tmp_path: Path, objective: str
) -> None:
    checkpoint = make(objective)
    export_checkpoint(checkpoint, tmp_path / "out")
    back = import_checkpoint(tmp_path / "out")
    assert back.card == checkpoint.card
    how = back.build_engine().translation_settings.make(strength=0.4, evaluations=6, guidance=1.5)
    expected = checkpoint.build_engine().translate(crop(), "control", "drug", how)
    assert (expected - crop()).abs().max() > 0.01
    assert (back.build_engine().translate(crop(), "control", "drug", how) - expected).abs().max() < 1e-6
    said = import_checkpoint(tmp_path / "out", conditions=["a", "b", "c"]).card
    assert (said.conditions, said.channels) == (("a", "b", "c"), ("DNA", "GFP"))


def test_the_measured_sd_of_each_channel_goes_out_and_comes_back(
    make: Callable[..., Checkpoint], tmp_path: Path
) -> None:
    checkpoint = make("edm")
    checkpoint.tensors["data.sd"][:] = 0.1, 0.4
    _, notices = export_checkpoint(checkpoint, tmp_path)
    scheduler = json.loads((tmp_path / "scheduler/scheduler_config.json").read_text())
    assert scheduler["sigma_data"] == pytest.approx(0.2)
    assert "each channel's own, 0.1, 0.4" in " ".join(notices)
    assert import_checkpoint(tmp_path).tensors["data.sd"].tolist() == pytest.approx([0.1, 0.4])


def test_an_imported_network_goes_out_as_it_came_in(make: Callable[..., Checkpoint], tmp_path: Path) -> None:
    export_checkpoint(make("discrete"), tmp_path / "one")
    (tmp_path / "one" / "phenotrans_card.json").unlink()
    foreign = import_checkpoint(tmp_path / "one", null_row=3)
    export_checkpoint(foreign, tmp_path / "two")
    weights = "unet/diffusion_pytorch_model.safetensors"
    assert (tmp_path / "two" / weights).read_bytes() == (tmp_path / "one" / weights).read_bytes()
    first, second = (json.loads((tmp_path / name / "unet/config.json").read_text()) for name in ("one", "two"))
    assert second | first == second  # which also says what the first left to diffusers' defaults


def test_files_that_were_trained_on_keep_names_and_limits_only(make: Callable[..., Checkpoint], tmp_path: Path) -> None:
    checkpoint = make("flow")
    export_checkpoint(checkpoint, tmp_path)
    unet = diffusers.UNet2DModel.from_pretrained(tmp_path / "unet")
    unet.conv_in.bias.data += 1
    unet.save_pretrained(tmp_path / "unet")
    card = import_checkpoint(tmp_path).card
    for name in ("conditions", "channels", "low", "high", "pixel_size", "pixel_unit"):
        assert getattr(card, name) == getattr(checkpoint.card, name)
    assert card.settings["objective"] == "flow"
    assert card.training["no condition"] == "class 3 of the original"
    assert card.about.startswith("Imported diffusion model")


def test_the_readme_says_labels_limits_and_time(make: Callable[..., Checkpoint], tmp_path: Path) -> None:
    export_checkpoint(make(), tmp_path)
    text = (tmp_path / "phenotrans_readme.txt").read_text(encoding="utf-8")
    for part in ("1: drug", "3: no condition", "GFP: 2 is -1, 4000 is 1", "1000 * t", "EDMDPMSolverMultistepScheduler"):
        assert part in text


def test_existing_files_stay_unless_said(make: Callable[..., Checkpoint], tmp_path: Path) -> None:
    checkpoint = make()
    export_checkpoint(checkpoint, tmp_path / "out")
    before = {path: path.read_bytes() for path in (tmp_path / "out").rglob("*") if path.is_file()}
    with pytest.raises(InputError, match="--overwrite"):
        export_checkpoint(make("flow"), tmp_path / "out")
    assert {path: path.read_bytes() for path in before} == before
    export_checkpoint(make("flow"), tmp_path / "out", overwrite=True)
    assert import_checkpoint(tmp_path / "out").card == make("flow").card
    shutil.rmtree(tmp_path / "out")


# ---- flows


@pytest.fixture
def flow() -> Checkpoint:
    torch.manual_seed(0)
    entry = ENGINES["flow"]
    names = ("PH3", "DAPI", "ZO1")
    settings = entry.settings.make(crop=32, width=8, levels=3, kept=("DAPI",), channels=names)
    engine: Any = entry.load()(settings, 3, CONDITIONS)
    with torch.no_grad():
        for value in engine.translators.parameters():
            value.add_(0.05 * torch.randn_like(value))
    pieces = (
        torch.rand(3, 3, 40, 40, generator=torch.Generator().manual_seed(1))
        * torch.tensor([1.0, 0.3, 0.1])[:, None, None]
    )
    engine.measure({condition: [piece] for condition, piece in zip(CONDITIONS, pieces, strict=True)})
    card = Card(
        engine="flow",
        settings=settings.model_dump(mode="json"),
        conditions=CONDITIONS,
        channels=names,
        low=(0.0,) * 3,
        high=(4000.0,) * 3,
        crop=32,
        translation={"evaluations": 4},
    )
    return Checkpoint.of(engine, card)


def test_a_flow_comes_back_and_translates_to_equal_pixels(flow: Checkpoint, tmp_path: Path) -> None:
    paths, notices = export_checkpoint(flow, tmp_path / "out", format="diffusers")
    assert all(path.is_file() for path in paths)
    assert "takes the channels DAPI, PH3, ZO1 in this order" in notices[0]
    back = import_checkpoint(tmp_path / "out")
    assert back.card == flow.card
    x = torch.rand(1, 3, 32, 64, generator=torch.Generator().manual_seed(2)) * 2 - 1
    ours, theirs = (each.build_engine() for each in (flow, back))
    how = ours.translation_settings.make(evaluations=4)
    assert torch.equal(ours.translate(x, "control", "drug", how), theirs.translate(x, "control", "drug", how))
    assert torch.equal(theirs.translate(x, "control", "drug", how)[:, 1], x[:, 1])


def test_diffusers_loads_a_flow_with_its_real_channels(flow: Checkpoint, tmp_path: Path) -> None:
    """And the readme says enough to compute what the engine takes for the denoised image."""
    export_checkpoint(flow, tmp_path)
    unet, told = diffusers.UNet2DModel.from_pretrained(tmp_path / "unet", output_loading_info=True)
    assert not any(told.values()), told
    assert (unet.config.in_channels, unet.config.out_channels) == (3, 2)
    scheduler = diffusers.FlowMatchEulerDiscreteScheduler.from_pretrained(tmp_path / "scheduler")
    scheduler.set_timesteps(10)
    engine: Any = flow.build_engine()
    z = torch.randn(1, 3, 32, 32, generator=torch.Generator().manual_seed(3))
    place = 4
    t, sigma = scheduler.timesteps[place], float(scheduler.sigmas[place])
    noise_to_image = sigma / (1 - sigma)
    with torch.no_grad():
        ours = engine.denoise(1, 1, 0.0, z, noise_to_image)[:, [0, 2]]
        sample = (1 - sigma) * z[:, [0, 2]]
        predicted = unet(torch.cat([z[:, [1]], sample], dim=1), t, torch.tensor([1])).sample
    assert (sample - sigma * predicted - ours).abs().max() < 1e-4


def test_a_flow_that_was_changed_is_not_guessed_at(flow: Checkpoint, tmp_path: Path) -> None:
    export_checkpoint(flow, tmp_path)
    config = tmp_path / "unet" / "config.json"
    config.write_text(config.read_text() + " ")
    with pytest.raises(InputError, match="an exported flow whose files were changed since"):
        import_checkpoint(tmp_path)
