"""Reading packages of the BioImage Model Zoo: what this program wrote, and state dicts of networks that it knows."""

from __future__ import annotations

import shutil
import tempfile
import zipfile
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pydantic import ValidationError

from napari_phenotrans.checkpoints.checkpoint import Checkpoint
from napari_phenotrans.checkpoints.interop.foreign_weights import DAMAGED, ForeignFacts, read_tensors
from napari_phenotrans.checkpoints.interop.zoo.package_card import CARD_FILE, WEIGHTS_FILE, PackageCard
from napari_phenotrans.checkpoints.interop.zoo.write import load_spec
from napari_phenotrans.checkpoints.soundness import refuse_not_finite
from napari_phenotrans.core.digests import file_sha256
from napari_phenotrans.core.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

DESCRIPTIONS = ("bioimageio.yaml", "rdf.yaml")
# How much larger than in the archive a file may be: weights hardly are, and a trap is a thousand times.
MOST_INFLATED = 100
MOST_VALUES = 100_000  # of a description; those of large models have some hundreds
SAME = 0.01  # of the range, up to which what a package takes and gives is the same intensity
NEVER_RUN = (
    "Source files of packages, TorchScript and ONNX are programs, and a checkpoint holds tensors alone: nothing of a "
    "package is run. What can be made here from the tensors of a foreign package is the ResNet generator of "
    "pytorch-CycleGAN-and-pix2pix. Use the package in a program of the zoo, such as bioimageio.core."
)


def is_package(path: Path) -> bool:
    """Return whether a file or folder looks like a package."""
    if path.is_dir():
        return any((path / name).is_file() for name in DESCRIPTIONS)
    if path.suffix != ".zip":
        return False
    try:
        with zipfile.ZipFile(path) as archive:
            return bool({CARD_FILE, *DESCRIPTIONS} & set(archive.namelist()))
    except (OSError, zipfile.BadZipFile):
        return False


def import_package(path: Path, facts: ForeignFacts) -> Checkpoint:
    """Read a package into a checkpoint that translates alike.

    Parameters
    ----------
    path
        A ``.zip`` file, or the folder that it was unpacked to.
    facts
        What the user gave; what is not given is taken from the package.

    Raises
    ------
    InputError
        If it is damaged, or no network that can be made here from its tensors.
    """
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        card_file = _taken(path, CARD_FILE, folder)
        if card_file is None:
            return _import_foreign(path, facts, folder)
        weights = _taken(path, WEIGHTS_FILE, folder)
        try:
            content = PackageCard.model_validate_json(card_file.read_bytes())
        except ValidationError as error:
            raise InputError(
                f"{path} has a {CARD_FILE} that this version cannot read. Update napari-phenotrans, or export again."
            ) from error
        if weights is None or file_sha256(weights) != content.sha256:
            raise InputError(
                f"The weights in {path} are not those that its card describes: they were changed since, or are not "
                f"there. Get the package again from where it came."
            )
        own, theirs = content.prefixes
        state = read_tensors(weights, "Export the checkpoint again.")
    tensors = {theirs + name.removeprefix(own): value.numpy() for name, value in state.items()}
    refuse_not_finite(tensors, path)
    conditions = f"The package knows {len(content.card.conditions)}: {', '.join(content.card.conditions)}."
    checkpoint = Checkpoint(facts.about(content.card, conditions), tensors)
    checkpoint.build_engine()  # refuses what does not belong together
    return checkpoint


# ---- other people's


def _import_foreign(path: Path, facts: ForeignFacts, folder: Path) -> Checkpoint:
    """Read a package that this program did not write: its tensors, where they are those of a network known here."""
    from napari_phenotrans.checkpoints.interop.cyclegan_pth import import_generators

    description = _description(path, folder)
    channels, pixel_size_um = _axes(description)
    state_dict = description.weights.pytorch_state_dict
    if state_dict is None:
        present = ", ".join(name for name, entry in description.weights if entry is not None)
        raise InputError(f"{description.name} holds no PyTorch state dict, but {present}. {NEVER_RUN}")
    weights = _taken(path, str(getattr(state_dict.source, "path", state_dict.source)), folder, "weights.pth")
    if weights is None:
        raise InputError(f"{description.name} does not hold its weights: {state_dict.source}. Get the whole package.")
    known = ForeignFacts(
        limits=facts.limits or _limits(description, len(channels)),
        channels=facts.channels or channels,
        conditions=facts.conditions,
        pixel_size_um=facts.pixel_size_um or pixel_size_um,
    )
    try:
        checkpoint = import_generators(weights, known)
    except InputError as error:
        reason = str(error).replace(str(weights), str(state_dict.source))
        raise InputError(f"{description.name} cannot be a checkpoint. {reason} {NEVER_RUN}") from error
    card = checkpoint.card.model_copy(
        update={
            "about": f"Imported from the package {description.name}.",
            "training": {"source": path.name, "format": "BioImage Model Zoo"},
        }
    )
    return Checkpoint(card, checkpoint.tensors)


def _description(path: Path, folder: Path) -> Any:
    """Read what a package says of its model, in the newest version of the format."""
    spec = load_spec()
    from ruyaml import YAML, YAMLError

    file = next((file for name in DESCRIPTIONS if (file := _taken(path, name, folder)) is not None), None)
    if file is None:
        raise InputError(f"{path} holds no {' or '.join(DESCRIPTIONS)}: it is no package of the BioImage Model Zoo.")
    try:
        content = YAML(typ="safe").load(file)
    except (YAMLError, *DAMAGED) as error:
        raise InputError(f"{path} has a {file.name} that is no YAML. Get the package again.") from error
    _refuse_endless(content, path)
    context = spec.ValidationContext(perform_io_checks=False)
    described = spec.build_description(content, format_version="latest", context=context) if content else None
    if not isinstance(described, spec.ModelDescr):
        reason = described.get_reason() if isinstance(described, spec.InvalidDescr) else getattr(described, "type", "")
        raise InputError(f"{path} does not describe a model as the BioImage Model Zoo's format has it: {reason}")
    return described


def _refuse_endless(content: Any, path: Path) -> None:
    """Refuse a description in which few lines stand for very many: YAML may name a part and repeat it by its name."""
    left, count = [content], 0
    while left:
        value = left.pop()
        left += value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
        count += 1
        if count > MOST_VALUES:
            raise InputError(f"{path} has a description of more than {MOST_VALUES} values: it is no model's.")


@contextmanager
def _damage_named(path: Path) -> Iterator[None]:
    try:
        yield
    except (*DAMAGED, zipfile.BadZipFile) as error:
        raise InputError(f"{path} cannot be read as a package of the BioImage Model Zoo: {error}") from error


def _axes(description: Any) -> tuple[list[str], float | None]:
    """Return the channels' names and the pixel size in µm of a model that turns planes into planes."""
    inputs, outputs = description.inputs, description.outputs
    kinds = [[axis.type for axis in tensor.axes] for tensor in (*inputs, *outputs)]
    if kinds != [["batch", "channel", "space", "space"]] * 2:
        raise InputError(
            f"{description.name} takes and gives {', '.join('-'.join(kind) for kind in kinds)}. Expected one input and "
            f"one output, both with the axes batch, channel, y, x."
        )
    taken, given = (list(tensor.axes[1].channel_names) for tensor in (inputs[0], outputs[0]))
    if len(taken) != len(given):
        raise InputError(
            f"{description.name} turns {len(taken)} channels into {len(given)}. Translation keeps the channels, so "
            f"that real and translated can be compared."
        )
    across = inputs[0].axes[3]
    return taken, float(across.scale) if across.unit == "micrometer" else None


def _limits(description: Any, channels: int) -> list[tuple[float, float]]:
    """Return which intensities the network sees as -1 and 1, by what is done before and after it."""
    gain, offset = _linear(description.name, description.inputs[0].preprocessing, channels)
    limits = [((-1 - o) / g, (1 - o) / g) for g, o in zip(gain, offset, strict=True)]
    after = [step for step in description.outputs[0].postprocessing if step.id != "ensure_dtype"]
    if after:
        gain, offset = _linear(description.name, after, channels)
        for (low, high), g, o in zip(limits, gain, offset, strict=True):
            if max(abs(o - g - low), abs(o + g - high)) > SAME * abs(high - low):
                raise InputError(
                    f"{description.name} takes intensities of {low:.4g} to {high:.4g} and gives {o - g:.4g} to "
                    f"{o + g:.4g} for the same, so that real and translated cannot be compared. Say which it means "
                    f"with --limits."
                )
    return limits


def _linear(name: str, steps: Sequence[Any], channels: int) -> tuple[list[float], list[float]]:
    """Return gain and offset by channel of steps that are linear and the same for every image."""
    gain, offset = [1.0] * channels, [0.0] * channels
    for step in steps:
        given = step.kwargs
        if step.id == "ensure_dtype":
            continue
        if step.id == "scale_linear":
            more, added = (_each(value, channels) for value in (given.gain, given.offset))
        elif step.id == "fixed_zero_mean_unit_variance":
            more = [1 / sd for sd in _each(given.std, channels)]
            added = [-mean * g for mean, g in zip(_each(given.mean, channels), more, strict=True)]
        else:
            raise InputError(
                f"{name} applies {step.id}, which is not linear, or goes by each single image; brightness is often "
                f"what a condition changes. Say which intensities its network saw as -1 and 1 with --limits."
            )
        gain = [g * m for g, m in zip(gain, more, strict=True)]
        offset = [o * m + a for o, m, a in zip(offset, more, added, strict=True)]
    return gain, offset


def _each(value: float | Sequence[float], channels: int) -> list[float]:
    values = [float(one) for one in value] if isinstance(value, list | tuple) else [float(value)]  # type: ignore[arg-type]
    return values * channels if len(values) == 1 else values


# ---- files


def _taken(path: Path, name: str, folder: Path, called: str | None = None) -> Path | None:
    """Copy a file of a package into a folder under its own name, or another; None where it is not there."""
    out = folder / (called or Path(name).name)
    if path.is_dir():
        inside = (path / name).resolve()
        if not inside.is_relative_to(path.resolve()) or not inside.is_file():
            return None
        shutil.copyfile(inside, out)
        return out
    with _damage_named(path), zipfile.ZipFile(path) as archive:
        if name not in archive.namelist():
            return None
        entry = archive.getinfo(name)
        if entry.file_size > MOST_INFLATED * max(entry.compress_size, 1024):
            raise InputError(f"{path} holds a {name} that would be {entry.file_size} bytes, which are not in the file.")
        with archive.open(entry) as packed, out.open("wb") as unpacked:
            shutil.copyfileobj(packed, unpacked)
    return out
