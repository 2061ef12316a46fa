"""Writing a direction of a checkpoint as a package of the BioImage Model Zoo (spec 0.5)."""

from __future__ import annotations

import tempfile
import zipfile
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import nn

from napari_phenotrans.checkpoints.interop.zoo.cover import draw_cover
from napari_phenotrans.checkpoints.interop.zoo.example import find_example
from napari_phenotrans.checkpoints.interop.zoo.fixed import Fixed, as_torchscript, fix, save_torchscript
from napari_phenotrans.checkpoints.interop.zoo.own_source import own_source
from napari_phenotrans.checkpoints.interop.zoo.package_card import (
    CARD_FILE,
    SOURCE_FILE,
    WEIGHTS_FILE,
    PackageCard,
    PackageRequest,
)
from napari_phenotrans.checkpoints.interop.zoo.texts import (
    LONGEST_DESCRIPTION,
    PAPERS,
    description_of,
    documentation_of,
    name_of,
)
from napari_phenotrans.checkpoints.matching import check_conditions
from napari_phenotrans.core.digests import file_sha256
from napari_phenotrans.core.errors import InputError
from napari_phenotrans.core.tiling import padded_size
from napari_phenotrans.io.atomic import refuse_existing, replacing

if TYPE_CHECKING:
    from napari_phenotrans.checkpoints.checkpoint import Card, Checkpoint
    from napari_phenotrans.checkpoints.interop.zoo.example import Example
    from napari_phenotrans.core.settings import TranslationSettings
    from napari_phenotrans.engines.base import Engine

#: Of the range, what a package's pixels may differ by elsewhere.
TOLERANCE = 1e-4
GENERATORS = ("cyclegan", "scgan")
TAGS = ("2d", "pytorch", "fluorescence-light-microscopy", "cells", "image-translation", "unpaired")
DESCRIPTION_FILE, TORCHSCRIPT_FILE = "bioimageio.yaml", "torchscript.pt"
NO_AUTHOR = "The package names no author: say --author NAME before it is shared."
NO_LICENSE = "The package names no license: say --license, an SPDX identifier such as CC-BY-4.0, before it is shared."
NO_TORCHSCRIPT = "This network draws noise, which a TorchScript program cannot: the weights are a state dict alone."


def load_spec() -> Any:
    """Import bioimageio.spec, which knows the format.

    Raises
    ------
    InputError
        If it is not installed.
    """
    try:
        return import_module("bioimageio.spec")
    except ModuleNotFoundError as error:
        raise InputError(
            "Packages of the BioImage Model Zoo need the package bioimageio.core, which brings their format. Install "
            "it with: pip install bioimageio.core"
        ) from error


def write_package(
    checkpoint: Checkpoint, path: Path, request: PackageRequest, *, overwrite: bool = False
) -> tuple[list[Path], list[str]]:
    """Write one direction of a checkpoint as a package.

    Parameters
    ----------
    checkpoint, overwrite
        As of `export_checkpoint`.
    path
        A ``.zip`` file.
    request
        The direction, and what the card does not say.

    Returns
    -------
    The file, and what its user should know.

    Raises
    ------
    InputError
        If the engine cannot be written so, something said does not fit, or the file exists and may not be replaced.
    """
    spec = load_spec()
    if path.suffix != ".zip":
        raise InputError(f"A package is a .zip file, got {path.name!r}. Say --out {path.stem or 'model'}.zip.")
    refuse_existing(path, overwrite)
    card = checkpoint.card
    source, target = _direction(card, request)
    engine = checkpoint.build_engine()
    how = engine.translation_settings.make(**(card.translation | dict(request.how)))
    fixed = fix(engine, source, target, how)
    example = find_example(card, source, request.image, stride=engine.stride, smallest=engine.smallest)
    with tempfile.TemporaryDirectory() as temporary, replacing(path, overwrite=overwrite) as made:
        folder = Path(temporary)
        named = fixed.named(checkpoint.tensors)
        torch.save({name: torch.from_numpy(np.array(value)) for name, value in named.items()}, folder / WEIGHTS_FILE)
        (folder / SOURCE_FILE).write_text(own_source(type(fixed.module)), encoding="utf-8")
        program = as_torchscript(fixed)
        if program is not None:
            save_torchscript(program, folder / TORCHSCRIPT_FILE)
        translated = _translated(fixed.module, card, example)
        np.save(folder / "test_input.npy", example.pixels[None])
        np.save(folder / "test_output.npy", translated[None])
        draw_cover(
            folder / "cover.png",
            example,
            translated,
            card.channels,
            (f"{source} ({example.kind})", f"{target} (translated)"),
        )
        own = card if len(named) == len(checkpoint.tensors) else card.model_copy(update={"targets": (target,)})
        package_card = PackageCard(
            card=own,
            source=source,
            target=target,
            translation=how.model_dump(mode="json"),
            prefixes=fixed.prefixes,
            sha256=file_sha256(folder / WEIGHTS_FILE),
        )
        (folder / CARD_FILE).write_text(package_card.model_dump_json(indent=1), encoding="utf-8")
        formats = ["PyTorch state dict with its source file", *(["TorchScript"] if program is not None else [])]
        words = documentation_of(card, (source, target), _said(how), example, formats, _takes(engine))
        (folder / "README.md").write_text(words, encoding="utf-8")
        content = _content(spec, folder, name_of(checkpoint.name, source, target), engine, fixed, package_card, request)
        _write_description(spec, content, folder / DESCRIPTION_FILE)
        with zipfile.ZipFile(made, "w", zipfile.ZIP_DEFLATED) as archive:
            for file in sorted(folder.iterdir()):
                archive.write(file, file.name)
    notices = [
        *([NO_AUTHOR] if not request.authors else []),
        *([NO_LICENSE] if not request.license else []),
        *([NO_TORCHSCRIPT] if program is None else []),
    ]
    return [path], notices


def _direction(card: Card, request: PackageRequest) -> tuple[str, str]:
    source, target = request.source, request.target
    if target is None and len(card.targets) == 1:
        target = card.targets[0]
    if source is None and target is not None and len(card.conditions) == 2:
        source = next(condition for condition in card.conditions if condition != target)
    if source is None or target is None:
        raise InputError(
            f"A package translates one way. Say --source and --target, out of {', '.join(card.conditions)}; write a "
            f"second package for the way back."
        )
    check_conditions(card, source, target)
    return source, target


def _said(how: TranslationSettings) -> dict[str, Any]:
    return {name: value for name, value in how.model_dump(mode="json").items() if value not in (None, [])}


@torch.no_grad()
def _translated(module: nn.Module, card: Card, example: Example) -> np.ndarray:
    x = torch.from_numpy(card.intensity.normalize(example.pixels))[None]
    return card.intensity.denormalize(module(x)[0].numpy())


def _write_description(spec: Any, content: dict[str, Any], path: Path) -> None:
    """Write a description as YAML once bioimageio.spec has found it valid.

    Its files are not looked into: that would leave them open, and what tests the package looks into them.
    """
    from ruyaml import YAML

    described = spec.build_description(content, context=spec.ValidationContext(perform_io_checks=False))
    if isinstance(described, spec.InvalidDescr):
        errors = [error for detail in described.validation_summary.details for error in detail.errors]
        reasons = "; ".join(f"{'.'.join(map(str, error.loc))}: {error.msg}" for error in errors[:3])
        raise InputError(f"The BioImage Model Zoo's format does not take what was said: {reasons}.")
    yaml: Any = YAML(typ="safe")
    yaml.default_flow_style, yaml.sort_base_mapping_type_on_output = False, False
    with path.open("w", encoding="utf-8") as file:
        yaml.dump(content, file)


def _file(path: Path, **more: Any) -> dict[str, Any]:
    return {"source": path.name, "sha256": file_sha256(path), **more}


def _content(
    spec: Any,
    folder: Path,
    name: str,
    engine: Engine,
    fixed: Fixed,
    package_card: PackageCard,
    request: PackageRequest,
) -> dict[str, Any]:
    """Return the model's description, whose files lie in the folder."""
    card, source, target = package_card.card, package_card.source, package_card.target
    # from the images' units to [-1, 1] and back, as `Intensity` says
    span, low = card.intensity.range[:, 0, 0].astype(float), np.asarray(card.low)
    into = {"axis": "channel", "gain": (2 / span).tolist(), "offset": (-1 - 2 * low / span).tolist()}
    back = {"axis": "channel", "gain": (span / 2).tolist(), "offset": (low + span / 2).tolist()}
    _, paper, doi = PAPERS[card.engine]
    return {
        "type": "model",
        "format_version": spec.ModelDescr.implemented_format_version,
        "name": name,
        "description": description_of(card, source, target),
        "authors": [{"name": author} for author in request.authors],
        "license": request.license,
        "cite": [
            {"text": paper, "doi": doi},
            *({"text": f"https://doi.org/{one}", "doi": one} for one in request.cite),
        ],
        "documentation": _file(folder / "README.md"),
        "covers": [_file(folder / "cover.png")],
        "attachments": [_file(folder / CARD_FILE)],
        "tags": [*TAGS, "resnet" if card.engine in GENERATORS else "unet", card.engine],
        "inputs": [
            {
                "id": "real",
                "description": f"A plane of {source}"[:128],
                "axes": _axes(card, engine),
                "test_tensor": _file(folder / "test_input.npy"),
                "data": {"type": "float32"},
                "preprocessing": [{"id": "scale_linear", "kwargs": into}],
            }
        ],
        "outputs": [
            {
                "id": "translated",
                "description": f"The same as {target}"[:128],
                "axes": _axes(card, None),
                "test_tensor": _file(folder / "test_output.npy"),
                "data": {"type": "float32"},
                "postprocessing": [{"id": "scale_linear", "kwargs": back}],
            }
        ],
        "training_data": _training_data(spec, card),
        "weights": _weights(folder, fixed),
        "config": {"bioimageio": _config(folder, card, fixed)},
    }


def _weights(folder: Path, fixed: Fixed) -> dict[str, Any]:
    torch_version = torch.__version__.split("+")[0]
    weights: dict[str, Any] = {
        "pytorch_state_dict": _file(
            folder / WEIGHTS_FILE,
            architecture=_file(folder / SOURCE_FILE, callable=type(fixed.module).__name__, kwargs=fixed.arguments),
            pytorch_version=torch_version,
        )
    }
    if (folder / TORCHSCRIPT_FILE).is_file():
        weights["torchscript"] = _file(
            folder / TORCHSCRIPT_FILE,
            parent="pytorch_state_dict",
            pytorch_version=torch_version,
            comment="Traced and scripted from the state dict's module.",
        )
    return weights


def _config(folder: Path, card: Card, fixed: Fixed) -> dict[str, Any]:
    span = card.intensity.range.astype(float)
    # the format allows a hundredth of the brightest pixel at most
    brightest = float(np.load(folder / "test_output.npy").max())
    tolerance = {
        "relative_tolerance": 0.0,
        "absolute_tolerance": max(0.0, min(TOLERANCE * float(span.min()), 0.01 * brightest)),
        "mismatched_elements_per_million": 0,
    }
    return {
        "reproducibility_tolerance": [tolerance],
        "architecture_type": "ResNet" if card.engine in GENERATORS else "U-Net",
        "architecture_description": f"{PAPERS[card.engine][0]}: engine {card.engine} of napari-phenotrans",
        "modality": "fluorescence microscopy",
        "task": "unpaired image-to-image translation",
        "model_parameter_count": sum(value.numel() for value in fixed.module.parameters()),
    }


def _axes(card: Card, engine: Engine | None) -> list[dict[str, Any]]:
    """Return the axes of the input, with the sizes that an engine takes; of the output, whose are the input's."""
    size = {"scale": card.pixel_size, "unit": "micrometer"} if card.pixel_unit == "um" and card.pixel_size else {}
    axes: list[dict[str, Any]] = [{"type": "batch"}, {"type": "channel", "channel_names": list(card.channels)}]
    for letter in "yx":
        sides: dict[str, Any] = {"tensor_id": "real", "axis_id": letter}
        if engine is not None:
            sides = {"min": padded_size(engine.smallest, engine.stride), "step": engine.stride}
        axes.append({"type": "space", "id": letter, "size": sides, **size})
    return axes


def _takes(engine: Engine) -> str:
    least = padded_size(engine.smallest, engine.stride)
    sizes = ", ".join(str(least + n * engine.stride) for n in range(3))
    return (
        f"Heights and widths are {sizes} and so on: mirror an image at its lower and right border up to one. A pixel's "
        f"translation depends on some {engine.context} pixels around it, so that of a plane too large for the memory "
        f"parts with as many around them will do."
    )


def _training_data(spec: Any, card: Card) -> dict[str, Any]:
    kind = "Synthetic images" if card.synthetic else "Unpaired real images"
    told = f"{kind} of {', '.join(card.conditions)}; channels {', '.join(card.channels)}."
    return {
        "type": "dataset",
        "format_version": spec.DatasetDescr.implemented_format_version,
        "name": name_of("Training images of", *card.conditions[:2]).replace(" to ", " and "),
        "description": f"{told} {card.attribution}".strip()[:LONGEST_DESCRIPTION],
    }
