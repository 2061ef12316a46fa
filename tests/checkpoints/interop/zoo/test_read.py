"""Packages that come in: ours, whole; other people's, as far as tensors say; nothing in them is ever run."""

from __future__ import annotations

import json
import zipfile
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import torch

from napari_phenotrans.checkpoints.interop import export_checkpoint, import_checkpoint
from napari_phenotrans.checkpoints.interop.cyclegan_layout import generator_layers
from napari_phenotrans.checkpoints.interop.zoo.package_card import PackageRequest
from napari_phenotrans.core.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from napari_phenotrans.checkpoints.checkpoint import Checkpoint

pytest.importorskip("bioimageio.spec", reason="pip install bioimageio.core")


def generator(channels: int = 2) -> dict[str, torch.Tensor]:
    """Return the tensors of a generator as pytorch-CycleGAN-and-pix2pix names them."""
    layers = generator_layers(channels, 4, 1, antialias=False, dropout=False)
    chance = torch.Generator().manual_seed(0)
    return {
        f"{layer.key}.{part}": torch.randn(*shape, generator=chance)
        for layer in layers
        for part, shape in layer.parts.items()
    }


def description(channels: int = 2, **more: Any) -> dict[str, Any]:
    space = {"type": "space", "size": {"min": 64, "step": 4}, "scale": 0.25, "unit": "micrometer"}
    axes = [
        {"type": "batch"},
        {"type": "channel", "channel_names": [f"stain {i}" for i in range(channels)]},
        {**space, "id": "y"},
        {**space, "id": "x"},
    ]
    given = [*axes[:2], *({**axis, "size": {"tensor_id": "image", "axis_id": axis["id"]}} for axis in axes[2:])]
    tensor = {"test_tensor": {"source": "none.npy"}}
    scaling = {"id": "scale_linear", "kwargs": {"gain": 0.002, "offset": -1.0}}
    return {
        "type": "model",
        "format_version": "0.5.4",
        "name": "A network of somebody",
        "description": "Turns planes into planes",
        "authors": [{"name": "Some Body"}],
        "cite": [{"text": "a paper", "doi": "10.1234/5678"}],
        "license": "MIT",
        "documentation": "README.md",
        "inputs": [{"id": "image", "axes": axes, "preprocessing": [scaling], **tensor}],
        "outputs": [{"id": "made", "axes": given, **tensor}],
        "weights": {
            "pytorch_state_dict": {
                "source": "state.pt",
                "pytorch_version": "2.6.0",
                "architecture": {"source": "evil.py", "callable": "Network"},
            }
        },
    } | more


def package(path: Path, described: dict[str, Any], state: dict[str, torch.Tensor] | None = None) -> Path:
    torch.save(generator() if state is None else state, path.with_suffix(".pt"))
    with zipfile.ZipFile(path, "w") as archive:
        # JSON is YAML
        archive.writestr("bioimageio.yaml", json.dumps(described))
        archive.write(path.with_suffix(".pt"), "state.pt")
        archive.writestr("evil.py", f"open({str(path.with_suffix('.was-run'))!r}, 'w')")
    return path


def test_a_generator_in_the_public_layout_comes_in_with_all_that_the_package_says(tmp_path: Path) -> None:
    path = package(tmp_path / "foreign.zip", description())
    checkpoint = import_checkpoint(path, conditions=("before", "after"))
    card = checkpoint.card
    assert (card.engine, card.targets, card.channels) == ("cyclegan", ("after",), ("stain 0", "stain 1"))
    assert np.allclose([card.low, card.high], [[0, 0], [1000, 1000]])
    assert (card.pixel_size, card.pixel_unit, card.statistics) == (0.25, "um", "plane")
    assert "A network of somebody" in card.about
    assert np.array_equal(checkpoint.tensors["1.enter.0.weight"], generator()["model.1.weight"])
    assert not path.with_suffix(".was-run").exists()
    with zipfile.ZipFile(path) as archive:
        archive.extractall(tmp_path / "unpacked")
    assert import_checkpoint(tmp_path / "unpacked", conditions=("before", "after")).card.low == card.low


def test_what_the_user_says_goes_before_what_the_package_does(tmp_path: Path) -> None:
    each = {"id": "zero_mean_unit_variance", "kwargs": {"axes": ["x", "y"]}}
    described = description()
    described["inputs"][0]["preprocessing"] = [each]
    path = package(tmp_path / "foreign.zip", described)
    with pytest.raises(InputError, match=r"goes by each single image.*--limits"):
        import_checkpoint(path)
    assert import_checkpoint(path, limits=(0, 4095), channels=("DNA", "GFP")).card.high == (4095, 4095)


def _shown(tmp_path: Path, change: Callable[[dict[str, Any]], None], **of_package: Any) -> str:
    described = description(**of_package.pop("more", {}))
    change(described)
    path = package(tmp_path / "foreign.zip", described, **of_package)
    with pytest.raises(InputError) as caught:
        import_checkpoint(path)
    assert not path.with_suffix(".was-run").exists()
    return str(caught.value)


def test_what_would_have_to_be_run_is_refused(tmp_path: Path) -> None:
    other = _shown(tmp_path, lambda d: None, state={"conv.weight": torch.zeros(2, 2, 3, 3)})
    assert "state.pt" in other and "nothing of a package is run" in other

    def only_torchscript(d: dict[str, Any]) -> None:
        d["weights"] = {"torchscript": {"source": "state.pt", "pytorch_version": "2.6.0"}}

    assert "no PyTorch state dict, but torchscript" in _shown(tmp_path, only_torchscript)


def test_what_does_not_fit_is_refused_with_what_would(tmp_path: Path) -> None:
    def of_stacks(d: dict[str, Any]) -> None:
        for tensor, size in ((d["inputs"][0], 8), (d["outputs"][0], 8)):
            tensor["axes"] = [*tensor["axes"][:2], {"type": "space", "id": "z", "size": size}, *tensor["axes"][2:]]

    def to_one_channel(d: dict[str, Any]) -> None:
        d["outputs"][0]["axes"][1] = {"type": "channel", "channel_names": ["mask"]}

    def to_other_units(d: dict[str, Any]) -> None:
        d["outputs"][0]["postprocessing"] = [{"id": "scale_linear", "kwargs": {"gain": 0.5, "offset": 0.5}}]

    for change, said in (
        (of_stacks, "Expected one input and one output, both with the axes batch, channel, y, x"),
        (to_one_channel, "turns 2 channels into 1"),
        (to_other_units, "takes intensities of 0 to 1000 and gives 0 to 1"),
    ):
        assert said in _shown(tmp_path, change), said


def test_a_few_lines_that_stand_for_very_many_are_refused(tmp_path: Path) -> None:
    lines = ["- &level0 [" + ", ".join("ab") + "]"]
    lines += [f"- &level{i} [{', '.join([f'*level{i - 1}'] * 10)}]" for i in range(1, 12)]
    with zipfile.ZipFile(tmp_path / "laughs.zip", "w") as archive:
        archive.writestr("bioimageio.yaml", "\n".join(lines))
    with pytest.raises(InputError, match="no model's"):
        import_checkpoint(tmp_path / "laughs.zip")


def test_a_package_of_ours_that_was_changed_is_refused(build: Callable[..., Checkpoint], tmp_path: Path) -> None:
    request = PackageRequest("untreated", "treated")
    export_checkpoint(build("cyclegan"), tmp_path / "model.zip", format="bioimageio", package=request)
    with zipfile.ZipFile(tmp_path / "model.zip") as archive:
        files = {name: archive.read(name) for name in archive.namelist()}
    for name, content, said in (
        ("weights.pt", b"other", "not those that its card describes"),
        ("phenotrans_card.json", b"{}", "cannot read"),
        ("weights.pt", b"0" * 50_000_000, "which are not in the file"),
    ):
        with zipfile.ZipFile(tmp_path / "changed.zip", "w", zipfile.ZIP_DEFLATED) as archive:
            for other, own in (files | {name: content}).items():
                archive.writestr(other, own)
        with pytest.raises(InputError, match=said):
            import_checkpoint(tmp_path / "changed.zip")
