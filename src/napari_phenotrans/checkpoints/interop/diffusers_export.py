"""Writing a PhenDiff or a flow checkpoint as the folder of a diffusers pipeline."""

from __future__ import annotations

import inspect
import json
import math
from functools import partial
from typing import TYPE_CHECKING, Any, cast

import numpy as np
from safetensors.numpy import save_file

from napari_phenotrans.checkpoints.interop.foreign_weights import load_diffusers
from napari_phenotrans.checkpoints.interop.sidecar_card import (
    README_FILE,
    STATISTICS_FILE,
    limits_and_size,
    write_exported,
)
from napari_phenotrans.core.errors import InputError
from napari_phenotrans.engines.objectives import SIGMA_MAX, SIGMA_MIN, DataSD
from napari_phenotrans.engines.settings import PUBLISHED_SCHEDULE
from napari_phenotrans.engines.solvers import RHO

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    from napari_phenotrans.checkpoints.checkpoint import Card, Checkpoint

DENOISER = "denoiser."
STEPS = 1000
EDM_TIME = (
    "The scheduler's timesteps are 1/4 ln sigma, as in the paper; this network was trained with 250 ln sigma: give it "
    "1000 times the scheduler's timestep. No setting of a scheduler can say so."
)


def export_pipeline(checkpoint: Checkpoint, folder: Path, *, overwrite: bool = False) -> tuple[list[Path], list[str]]:
    """Write a checkpoint's denoiser and noise schedule as diffusers does, with a readme and the card beside them.

    Arguments, result and errors are those of `export_checkpoint`; the checkpoint is of PhenDiff, or a flow, whose
    network takes all channels, the kept ones first, and gives those that move.
    """
    card = checkpoint.card
    if card.settings.get("separate"):
        raise InputError(
            f"{checkpoint.name} has a network for each condition, and a folder of diffusers holds one: expected a "
            f"checkpoint that was trained without --separate. A package of the BioImage Model Zoo holds it: say "
            f"--format bioimageio."
        )
    engine = checkpoint.build_engine()
    denoiser = cast("Any", engine.translators["denoiser"])
    config = {key: value for key, value in denoiser.config.items() if not key.startswith("_")}
    data = engine.translators["data"] if "data" in engine.translators else DataSD()
    scheduler, settings, notices = _scheduler(engine.settings.model_dump(), cast("DataSD", data).sd.tolist())
    stored = {name: np.ascontiguousarray(tensor, np.float32) for name, tensor in checkpoint.tensors.items()}
    tensors = {name.removeprefix(DENOISER): stored.pop(name) for name in list(stored) if name.startswith(DENOISER)}
    made = {"_diffusers_version": load_diffusers().__version__}
    pipeline = {"unet": ["diffusers", "UNet2DModel"], "scheduler": ["diffusers", scheduler]}
    files: dict[str, Callable[[Path], object]] = {
        "unet/diffusion_pytorch_model.safetensors": partial(save_file, tensors, metadata={"format": "pt"}),
        "unet/config.json": _json({"_class_name": "UNet2DModel", **made, **config}),
        "scheduler/scheduler_config.json": _json({"_class_name": scheduler, **made, **settings}),
        # a pipeline that takes any scheduler; none of diffusers' own passes class labels on
        "model_index.json": _json({"_class_name": "DDPMPipeline", **made, **pipeline}),
    }
    if stored:
        # what the network was told of the images, which importing takes back
        files[STATISTICS_FILE] = partial(save_file, stored)
    if card.engine == "flow":
        notices = [*notices, _about_channels(card, engine.kept, stored)]
    text = _readme(card, scheduler, notices)
    files[README_FILE] = lambda path: path.write_text(text, encoding="utf-8")
    return write_exported(folder, card, files, overwrite=overwrite), notices


def _scheduler(settings: dict[str, Any], sds: list[float]) -> tuple[str, dict[str, Any], list[str]]:
    """Return the diffusers scheduler that means the same noise, its settings, and what they cannot say.

    ``sds`` are the channels' SDs as the network was trained with them.
    """
    objective = settings.get("objective", "flow")
    if objective == "edm":
        sigma_data = math.prod(sds) ** (1 / len(sds))
        noise = {"sigma_min": SIGMA_MIN, "sigma_max": SIGMA_MAX, "sigma_data": sigma_data, "rho": float(RHO)}
        notices = [EDM_TIME, _about_sds(sds, sigma_data)] if len(set(sds)) > 1 else [EDM_TIME]
        return "EDMDPMSolverMultistepScheduler", {**noise, "prediction_type": "epsilon"}, notices
    if objective == "flow":
        return "FlowMatchEulerDiscreteScheduler", {"num_train_timesteps": STEPS, "shift": 1.0}, []
    if objective == "v":
        # alpha = cos(pi t / 2) at t = 0, 1/1000, …; the first a little below 1, where schedulers would divide by 0
        signal = np.cos(np.arange(STEPS) / STEPS * math.pi / 2) ** 2
        signal[0] = 1 - 1e-6
        betas = 1 - signal / np.concatenate([[1.0], signal[:-1]])
        schedule = {
            "num_train_timesteps": STEPS,
            "trained_betas": betas.tolist(),
            "prediction_type": "v_prediction",
            "timestep_spacing": "trailing",
            "clip_sample": False,
        }
        return "DDIMScheduler", schedule, []
    known = inspect.signature(load_diffusers().DDIMScheduler.__init__).parameters
    schedule = settings["schedule"] or PUBLISHED_SCHEDULE
    return "DDIMScheduler", {key: value for key, value in schedule.items() if key in known}, []


def _about_channels(card: Card, kept: tuple[int, ...], stored: Mapping[str, np.ndarray]) -> str:
    """Say what a flow's network takes and gives, which no setting of diffusers can."""
    moving = [place for place in range(len(card.channels)) if place not in kept]
    mean, sd = (stored[f"scale.{name}"].ravel() for name in ("mean", "sd"))
    scales = "; ".join(f"{n}: {m:.6g}, {s:.6g}" for n, m, s in zip(card.channels, mean, sd, strict=True))
    order = [card.channels[place] for place in (*kept, *moving)]
    return (
        f"The network takes the channels {', '.join(order)} in this order and predicts noise minus image of "
        f"{', '.join(card.channels[place] for place in moving)}. The first {len(kept)} are kept: give them without "
        f"noise and unscaled at every t. The scheduler speaks of the others alone. All are "
        f"standardized: from about [-1, 1] subtract a mean and divide by an SD ({scales})."
    )


def _about_sds(sds: list[float], sigma_data: float) -> str:
    each = ", ".join(f"{sd:.4g}" for sd in sds)
    return (
        f"The scheduler has one sigma_data, {sigma_data:.4g}; the network has each channel's own, {each}: "
        f"take these where inputs and outputs are preconditioned. No setting of a scheduler can say so."
    )


def _json(content: dict[str, Any]) -> Callable[[Path], object]:
    return lambda path: path.write_text(json.dumps(content, indent=2) + "\n", encoding="utf-8")


def _readme(card: Card, scheduler: str, notices: list[str]) -> str:
    labels = "\n".join(f"  {index}: {condition}" for index, condition in enumerate((*card.conditions, "no condition")))
    call = "unet(x, t, class_labels)"
    if scheduler.startswith("EDM"):
        call = "unet(scheduler.scale_model_input(x, t), 1000 * t, class_labels)"
    notes = "".join(f"{notice}\n" for notice in notices)
    return f"""A class-conditional denoiser in the layout of diffusers, exported by napari-phenotrans.

  unet = diffusers.UNet2DModel.from_pretrained(FOLDER, subfolder="unet")
  scheduler = diffusers.{scheduler}.from_pretrained(FOLDER, subfolder="scheduler")
  {call}.sample  # at each t of scheduler.timesteps

Class labels:
{labels}

{limits_and_size(card)}
{notes}
'phenotrans import' of this folder restores the checkpoint, as long as the files are unchanged.
"""
