"""Reading class-conditional diffusion models that diffusers or PhenDiff saved (``full_pipeline_save``)."""

from __future__ import annotations

import inspect
import json
import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import torch

from napari_phenotrans.checkpoints.checkpoint import Card, Checkpoint
from napari_phenotrans.checkpoints.interop.foreign_weights import (
    ForeignFacts,
    load_diffusers,
    read_tensors,
    refuse_unfit,
)
from napari_phenotrans.checkpoints.interop.sidecar_card import read_exported
from napari_phenotrans.checkpoints.soundness import refuse_oversized
from napari_phenotrans.core.errors import InputError
from napari_phenotrans.core.text import few
from napari_phenotrans.engines import engine_entry

if TYPE_CHECKING:
    from pathlib import Path

    from torch import Tensor


PIPELINE = "model_index.json"
CONFIG = "config.json"
SCHEDULER = "scheduler/scheduler_config.json"
WEIGHTS = ("diffusion_pytorch_model.safetensors", "diffusion_pytorch_model.bin")
DENOISER = "denoiser"
# side of the crops that PhenDiff trains on; used where a network's config does not say its own
CROP = 128

PHENDIFF = ("CustomCondUNet2DModel", "CondUNet2DModel")
NETWORKS = ("UNet2DModel", *PHENDIFF)
# Solvers of the same diffusion: noise added in discrete steps with the variances beta (Ho et al. 2020, eq. 2).
SCHEDULERS = (
    "DDIMScheduler",
    "DDIMInverseScheduler",
    "DDPMScheduler",
    "DEISMultistepScheduler",
    "DPMSolverMultistepScheduler",
    "DPMSolverSinglestepScheduler",
    "EulerAncestralDiscreteScheduler",
    "EulerDiscreteScheduler",
    "HeunDiscreteScheduler",
    "LMSDiscreteScheduler",
    "PNDMScheduler",
    "UniPCMultistepScheduler",
)
# Noise added along straight lines (Lipman et al. 2023, eq. 22); the network is told 1000 times the place on them.
FLOW = "FlowMatchEulerDiscreteScheduler"
# What is taken from SCHEDULERS, with what a solver does that has no such setting.
TAKEN: dict[str, Any] = {
    "num_train_timesteps": 1000,
    "beta_start": 0.0001,
    "beta_end": 0.02,
    "beta_schedule": "linear",
    "trained_betas": None,
    "prediction_type": "epsilon",
    "rescale_betas_zero_snr": False,
    "timestep_spacing": "leading",
    "steps_offset": 0,
    "set_alpha_to_one": True,
    "clip_sample": False,
    "clip_sample_range": 1.0,
}
KNOWN = {
    "beta_schedule": ("linear", "scaled_linear", "squaredcos_cap_v2"),
    "prediction_type": ("epsilon", "sample", "v_prediction"),
}
# what attention layers were called before diffusers 0.17
OLD_NAMES = {"query": "to_q", "key": "to_k", "value": "to_v", "proj_attn": "to_out.0"}
EXPECTED = (
    "Expected a folder that diffusers or PhenDiff saved: unet/config.json (UNet2DModel with num_class_embeds, or "
    "CustomCondUNet2DModel), unet/diffusion_pytorch_model.safetensors or .bin, and scheduler/scheduler_config.json; "
    "or the unet folder alone, with its scheduler_config.json named by --scheduler."
)


def is_diffusers_folder(path: Path) -> bool:
    """Return whether a path is a folder that diffusers or PhenDiff saved, or a file in one."""
    return _find(path) is not None


def import_folder(
    path: Path, facts: ForeignFacts, *, null_row: int | None = None, scheduler: Path | None = None
) -> Checkpoint:
    """Read a class-conditional denoiser into a checkpoint whose network computes the same.

    Parameters
    ----------
    path
        A pipeline's folder, the folder of its network alone, or a folder of PhenDiff that holds
        ``full_pipeline_save``.
    facts
        What the user gave; conditions in the order of the class labels. Limits that are not given are those of 8-bit
        images, or what the card of an export says that lies in the folder.
    null_row
        The class that was trained as "no condition". Where None, every class is a condition, and no condition
        is a class embedding of zeros, as PhenDiff trains it.
    scheduler
        ``scheduler_config.json``, or its folder, where it does not lie beside the network.

    Raises
    ------
    InputError
        If the folder holds another network, or one that is damaged or incomplete, or ``facts`` do not fit.
    """
    folder = _find(path)
    if folder is None:
        raise InputError(f"{path} holds no config.json of a network. {EXPECTED}")
    exported = read_exported(folder.root)
    config = _read_network_config(folder, exported.card if exported else None)
    classes = config["num_class_embeds"]
    tensors = _read_weights(folder)
    if null_row is not None and not 0 <= null_row < classes:
        raise InputError(f"The network knows the classes 0 to {classes - 1}, got --null-row {null_row}.")

    # ---- what an export says of itself: all there is to know where its files are as they were written
    if exported and exported.card.engine == "flow" and not exported.is_unchanged([folder.weights], exported.card):
        raise InputError(
            f"{folder.root} is an exported flow whose files were changed since: which channels it keeps and how they "
            f"are scaled is only known of what was exported. Export the checkpoint again."
        )
    if exported and null_row is None:
        if exported.is_unchanged([folder.weights], exported.card):
            card = facts.about(exported.card, "Say one for each with --conditions.")
            return _build(folder, card, tensors, exported.statistics())
        if len(exported.card.conditions) == classes - 1:
            null_row = classes - 1

    # ---- the conditions
    embedding, no_condition = _order_classes(folder, tensors.get("class_embedding.weight"), classes, null_row)
    tensors["class_embedding.weight"] = embedding
    conditions = len(embedding) - 1
    if conditions < 2:
        raise InputError(
            f"{folder.weights} knows {conditions} condition. Translating needs two or more: a network that was trained "
            f"with class labels."
        )

    # ---- the card
    objective, schedule = _read_schedule(folder, scheduler)
    channels, crop = config["in_channels"], _crop(config)
    name = "PhenDiff" if folder.class_name in PHENDIFF else "diffusers"
    network = {**config, "num_class_embeds": conditions + 1}
    card = Card(
        engine="phendiff",
        settings={"objective": objective, "network": network, "schedule": schedule, "crop": crop},
        conditions=tuple(f"condition {i}" for i in range(conditions)),
        channels=tuple(f"channel {i + 1}" for i in range(channels)),
        low=(0.0,) * channels,
        high=(255.0,) * channels,
        crop=crop,
        about=f"Imported diffusion model of {name}: {folder.root.name}.",
        training={"source": folder.root.name, "format": f"{name} folder", "no condition": no_condition},
    )
    if exported:
        card = exported.names_for(card)
    how_many = (
        f"The network has {conditions}: say one name for each class with --conditions, in the order of its labels. "
        f"Where one class was trained as 'no condition', say which with --null-row, and no name for it."
    )
    return _build(folder, facts.about(card, how_many), tensors)


def _order_classes(folder: _Folder, embedding: Tensor | None, classes: int, null_row: int | None) -> tuple[Tensor, str]:
    """Return the class embedding with "no condition" as its last row, and in words what that row is."""
    if embedding is None or embedding.ndim != 2 or len(embedding) != classes:
        raise InputError(
            f"{folder.weights} has no embedding of the {classes} classes that its config names. {EXPECTED}"
        )
    if null_row is None:
        trained = folder.class_name in PHENDIFF
        no_condition = "embedding of zeros" + ("" if trained else ", which was never trained: keep guidance at 1")
        return torch.cat([embedding, torch.zeros_like(embedding[:1])]), no_condition
    rows = (embedding[:null_row], embedding[null_row + 1 :], embedding[null_row : null_row + 1])
    return torch.cat(rows), f"class {null_row} of the original"


def _build(
    folder: _Folder, card: Card, tensors: dict[str, Tensor], statistics: dict[str, Tensor] | None = None
) -> Checkpoint:
    entry = engine_entry(card.engine)
    settings = entry.settings.make(**card.settings)
    refuse_oversized(settings, sum(tensor.numel() for tensor in tensors.values()), folder.config)
    engine = entry.load()(settings, len(card.channels), card.conditions)
    denoiser = engine.translators[DENOISER]
    shapes = {name: tensor.shape for name, tensor in denoiser.state_dict().items()}
    refuse_unfit(folder.weights, tensors, shapes, f"network that {folder.config.name} describes", EXPECTED)
    denoiser.load_state_dict(tensors)
    engine.translators.load_state_dict(engine.translators.state_dict() | (statistics or {}))
    return Checkpoint.of(engine, card)


# ---- which files


@dataclass(frozen=True)
class _Folder:
    """The files of a model: ``root`` is the pipeline's folder, or the network's where there is no pipeline."""

    root: Path
    config: Path
    weights: Path
    class_name: str = ""


def _find(path: Path) -> _Folder | None:
    if path.name in (PIPELINE, CONFIG, *WEIGHTS) and path.is_file():
        path = path.parent
    for root in (path, path / "full_pipeline_save"):
        for network in (root / "unet", root):
            if (network / CONFIG).is_file():
                existing = [network / name for name in WEIGHTS if (network / name).is_file()]
                weights = existing[0] if existing else network / WEIGHTS[0]
                return _Folder(root, network / CONFIG, weights, str(_read_json(network / CONFIG).get("_class_name")))
    return None


def _read_json(file: Path) -> dict[str, Any]:
    try:
        content = json.loads(file.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, json.JSONDecodeError) as error:
        raise InputError(f"{file} cannot be read: {error}. {EXPECTED}") from error
    if not isinstance(content, dict):
        raise InputError(f"{file} holds no settings by name. {EXPECTED}")
    return content


# ---- the network


def _read_network_config(folder: _Folder, exported: Card | None = None) -> dict[str, Any]:
    """Return every setting of diffusers' network, those that the file leaves out with diffusers' defaults.

    That of an ``exported`` flow may give fewer channels than it takes.
    """
    diffusers = load_diffusers()
    pipeline = _read_json(folder.root / PIPELINE) if (folder.root / PIPELINE).is_file() else {}
    if "vae" in pipeline:
        raise InputError(
            f"{folder.root} holds a pipeline with an autoencoder (vae): its denoiser sees latents, not pixels, which "
            f"cannot be imported. {EXPECTED}"
        )
    if folder.class_name not in NETWORKS:
        raise InputError(
            f"{folder.config} describes a {folder.class_name}, not one of {', '.join(NETWORKS)}. {EXPECTED}"
        )
    config = {key: value for key, value in _read_json(folder.config).items() if not key.startswith("_")}
    declared = inspect.signature(diffusers.UNet2DModel.__init__).parameters
    defaults = {
        name: list(parameter.default) if isinstance(parameter.default, tuple) else parameter.default
        for name, parameter in declared.items()
        if name != "self" and parameter.default is not inspect.Parameter.empty
    }
    unknown = sorted(set(config) - set(defaults))
    if unknown:
        raise InputError(
            f"{folder.config} holds settings that this version of diffusers' UNet2DModel does not have: "
            f"{few(unknown, 6)}. Update diffusers, or import a network of its kind. {EXPECTED}"
        )
    config = defaults | config
    classes, taken, given = config["num_class_embeds"], config["in_channels"], config["out_channels"]
    if not isinstance(classes, int) or config["class_embed_type"] is not None:
        raise InputError(
            f"{folder.config} describes a network without class labels (num_class_embeds {classes}, class_embed_type "
            f"{config['class_embed_type']}): translating needs a network that was told the condition. {EXPECTED}"
        )
    if config["time_embedding_type"] != "positional":
        raise InputError(
            f"{folder.config} describes a network whose time embedding is {config['time_embedding_type']!r}: expected "
            f"'positional', which can be asked at any noise, between those of training too."
        )
    keeps = exported is not None and exported.engine == "flow" and taken == len(exported.channels)
    if not isinstance(taken, int) or (taken != given and not keeps):
        raise InputError(
            f"{folder.config} describes a network from {taken} to {given} channels. Translation keeps the channels: "
            f"expected as many out as in, without a learned variance."
        )
    return config


def _crop(config: dict[str, Any]) -> int:
    """Return the side of the crops that the network was trained on, as a multiple of what it halves them to."""
    size = config["sample_size"] or CROP
    multiple = math.lcm(4, 2 ** (len(config["block_out_channels"]) - 1))
    return -(-max(32, size if isinstance(size, int) else max(size)) // multiple) * multiple


def _read_weights(folder: _Folder) -> dict[str, Tensor]:
    if not folder.weights.is_file():
        raise InputError(f"{folder.config.parent} holds no weights, neither {' nor '.join(WEIGHTS)}. {EXPECTED}")
    tensors = {}
    for key, tensor in read_tensors(folder.weights, EXPECTED).items():
        parts = key.split(".")
        if "attentions" in parts:
            parts = [OLD_NAMES.get(part, part) for part in parts]
        tensors[".".join(parts)] = tensor
    return tensors


# ---- the noise it was trained with


def _read_schedule(folder: _Folder, scheduler: Path | None) -> tuple[str, dict[str, Any] | None]:
    """Return the objective and its schedule: the file's settings, or the defaults of its class."""
    if scheduler is not None:
        file = scheduler / "scheduler_config.json" if scheduler.is_dir() else scheduler
    else:
        beside = [place / SCHEDULER for place in (folder.root, folder.config.parent.parent)]
        file = next((file for file in beside if file.is_file()), beside[0])
    if not file.is_file():
        raise InputError(
            f"{file} is not there: without it nobody knows the noise that the network was trained with (number of "
            f"steps, betas, prediction type). Name a scheduler_config.json with --scheduler."
        )
    settings = _read_json(file)
    name = settings.get("_class_name", "DDIMScheduler")
    if name == FLOW and settings.get("num_train_timesteps", 1000) == 1000:
        return "flow", None
    if name not in SCHEDULERS:
        raise InputError(
            f"{file} is of {name}, whose networks cannot be imported: expected {FLOW} of 1000 steps, or a scheduler "
            f"that adds noise in steps as DDPM does, one of {', '.join(SCHEDULERS)}."
        )
    diffusers = load_diffusers()
    defaults = inspect.signature(getattr(diffusers, name).__init__).parameters
    schedule = {
        key: settings.get(key, defaults[key].default if key in defaults else otherwise)
        for key, otherwise in TAKEN.items()
    }
    for key, known in KNOWN.items():
        if schedule[key] not in known:
            raise InputError(f"{file} has the {key} {schedule[key]!r}; only {', '.join(known)} can be imported.")
    if settings.get("thresholding"):
        raise InputError(
            f"{file} asks for dynamic thresholding, which is not done here. Set thresholding to false to import the "
            f"network without it."
        )
    return "discrete", schedule
