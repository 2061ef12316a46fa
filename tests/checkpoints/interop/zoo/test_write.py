"""Packages of the BioImage Model Zoo that are written: what is in them, and that the zoo's own program passes them."""

from __future__ import annotations

import json
import subprocess
import sys
import zipfile
from typing import TYPE_CHECKING

import imagecodecs
import numpy as np
import pytest

from napari_phenotrans.checkpoints.checkpoint import Checkpoint, PictureVerdict, Score
from napari_phenotrans.checkpoints.interop import FORMATS, export_checkpoint, import_checkpoint
from napari_phenotrans.checkpoints.interop.zoo.package_card import PackageRequest
from napari_phenotrans.core.errors import InputError
from napari_phenotrans.core.image import Image
from napari_phenotrans.io import write

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

YAML = pytest.importorskip("ruyaml", reason="pip install bioimageio.core").YAML
spec = pytest.importorskip("bioimageio.spec", reason="pip install bioimageio.core")
TO_TREATED = PackageRequest("untreated", "treated", authors=("A. Person",), license="CC-BY-4.0")
TESTED = """
import json, sys
from bioimageio.core import test_model
for path in sys.argv[1:]:
    summary = test_model(path)
    report = "" if summary.status == "passed" else summary.format()
    print(json.dumps([summary.status, [detail.name for detail in summary.details], report]))
"""


def texts(path: Path) -> dict[str, str]:
    with zipfile.ZipFile(path) as archive:
        return {
            name: archive.read(name).decode() for name in archive.namelist() if name.endswith((".md", ".yaml", ".py"))
        }


def test_a_package_says_all_that_is_known(build: Callable[..., Checkpoint], tmp_path: Path) -> None:
    score = Score(
        metric="gap closed", direction="untreated → treated", value=0.812, floor=0.97, copy_source=0.0, groups=5
    )
    back = score.model_copy(update={"direction": "treated → untreated", "value": 0.345})
    verdict = PictureVerdict(direction=score.direction, passed=False, sentences=("Nuclei have rings.",))
    told = {
        "scores": (score, back),
        "pictures": (verdict,),
        "attribution": "By the microscope next door.",
        "pixel_size": 0.5,
        "pixel_unit": "um",
    }
    checkpoint = build("cyclegan", told)
    paths, notices = export_checkpoint(checkpoint, tmp_path / "model.zip", format="bioimageio", package=TO_TREATED)
    assert paths == [tmp_path / "model.zip"] and not notices

    content = YAML(typ="safe").load(texts(tmp_path / "model.zip")["bioimageio.yaml"])
    # files are not looked into, for they would stay open
    described = spec.build_description(content, context=spec.ValidationContext(perform_io_checks=False))
    assert isinstance(described, spec.ModelDescr), described.validation_summary.format()
    assert [author.name for author in described.authors] == ["A. Person"] and described.license == "CC-BY-4.0"
    assert described.cite[0].doi == "10.1109/ICCV.2017.244"
    (taken,), (given,) = described.inputs, described.outputs
    assert [axis.type for axis in taken.axes] == ["batch", "channel", "space", "space"]
    assert taken.axes[1].channel_names == ["DNA", "GFP"]
    assert (taken.axes[2].size.min, taken.axes[2].size.step) == (16, 4)
    assert (taken.axes[3].scale, taken.axes[3].unit) == (0.5, "micrometer")
    scaling = next(step for step in taken.preprocessing if step.id == "scale_linear").kwargs
    assert np.allclose(np.array(scaling.gain) * (900.0, 4000.0) + scaling.offset, 1)
    unscaling = next(step for step in given.postprocessing if step.id == "scale_linear").kwargs
    assert np.allclose(np.array(unscaling.offset) - unscaling.gain, (10.0, -3.0))
    assert described.weights.torchscript.parent == "pytorch_state_dict"

    words = texts(tmp_path / "model.zip")["README.md"]
    for said in ("0.812", "0.97", "Nuclei have rings.", "By the microscope next door.", "0.5 µm", "steps: 3"):
        assert said in words, said
    assert "0.345" not in words, "scores of the way back belong to the other package"
    with zipfile.ZipFile(tmp_path / "model.zip") as archive:
        cover = imagecodecs.png_decode(archive.read("cover.png"))
        assert archive.getinfo("cover.png").file_size < 500_000
    assert cover.shape[1] == 2 * cover.shape[0] and cover[..., :3].std() > 5


def test_what_is_not_known_is_said(build: Callable[..., Checkpoint], tmp_path: Path) -> None:
    checkpoint = build("cyclegan", noise=True)
    _, notices = export_checkpoint(
        checkpoint, tmp_path / "model.zip", format="bioimageio", package=PackageRequest("treated", "untreated")
    )
    assert [text.split(":")[0] for text in notices] == [
        "The package names no author", "The package names no license",
        "This network draws noise, which a TorchScript program cannot",
    ]  # fmt: skip
    words = texts(tmp_path / "model.zip")["README.md"]
    assert "No held-out score is stated" in words and "were not judged" in words
    assert "invented pattern" in words


def test_an_image_of_the_users_is_what_it_is_tested_with(build: Callable[..., Checkpoint], tmp_path: Path) -> None:
    pixels = np.random.default_rng(0).integers(0, 900, (2, 70, 300)).astype(np.uint16)
    write(Image(pixels, "CYX", ("GFP", "DNA")), tmp_path / "mine.ome.tif")
    request = PackageRequest("untreated", "treated", image=tmp_path / "mine.ome.tif")
    export_checkpoint(build("scgan"), tmp_path / "model.zip", format="bioimageio", package=request)
    with zipfile.ZipFile(tmp_path / "model.zip") as archive, archive.open("test_input.npy") as file:
        seen = np.load(file)
    made = Image(pixels, "CYX", ("GFP", "DNA"), provenance={"kind": "translated"})
    write(made, tmp_path / "made.ome.tif")
    with pytest.raises(InputError, match="was not measured"):
        export_checkpoint(
            build("scgan"),
            tmp_path / "other.zip",
            format="bioimageio",
            package=PackageRequest("untreated", "treated", image=tmp_path / "made.ome.tif"),
        )
    # the middle of the plane, mirrored to a multiple of 4; channels in the checkpoint's order
    assert seen.shape == (1, 2, 72, 192)
    assert np.array_equal(seen[0, :, :70], pixels[::-1, :, 54:246])


@pytest.mark.parametrize("name", FORMATS)
def test_importing_a_package_restores_the_checkpoint(
    build: Callable[..., Checkpoint], tmp_path: Path, name: str
) -> None:
    checkpoint = build(name, kept=("DNA",)) if name == "flow" else build(name)
    halved = Checkpoint.of(checkpoint.build_engine(), checkpoint.card, half=True)
    write(Image(np.ones((2, 40, 40), np.uint16), "CYX", ("DNA", "GFP")), tmp_path / "small.ome.tif")
    request = PackageRequest("untreated", "treated", image=tmp_path / "small.ome.tif")
    export_checkpoint(halved, tmp_path / "model.zip", format="bioimageio", package=request)
    restored = import_checkpoint(tmp_path / "model.zip")
    if name in ("phendiff", "flow"):
        assert restored.digest == halved.digest, "one network for all directions: nothing is lost"
        return
    assert restored.card == halved.card.model_copy(update={"targets": ("treated",)})
    expected = {key: value for key, value in halved.tensors.items() if key.startswith("1.")}
    assert restored.tensors.keys() == expected.keys()
    for key, value in expected.items():
        assert value.dtype == restored.tensors[key].dtype and np.array_equal(value, restored.tensors[key])
    with pytest.raises(InputError, match="does not translate to 'untreated'"):
        restored.build_engine().translate(np.zeros(1), "untreated", "untreated")


def test_what_cannot_be_written_is_said(
    build: Callable[..., Checkpoint], make_checkpoint: Callable[..., Checkpoint], tmp_path: Path
) -> None:
    checkpoint = build("cyclegan")
    for out, request, said in (
        ("model", TO_TREATED, "--out model.zip"),
        ("model.zip", PackageRequest(), "--source and --target, out of untreated, treated"),
        ("model.zip", PackageRequest("untreated", "other"), "'other' is unknown"),
        ("model.zip", PackageRequest("untreated", "treated", how={"strength": 0.5}), "--strength"),
        ("model.zip", PackageRequest("untreated", "treated", license="mine"), "license"),
    ):
        with pytest.raises(InputError, match=said):
            export_checkpoint(checkpoint, tmp_path / out, format="bioimageio", package=request)
    with pytest.raises(InputError, match="no networks that another program could load"):
        export_checkpoint(make_checkpoint("shift"), tmp_path / "model.zip", format="bioimageio", package=TO_TREATED)
    with pytest.raises(InputError, match="Say --format bioimageio"):
        export_checkpoint(checkpoint, tmp_path / "folder", package=TO_TREATED)
    assert not list(tmp_path.iterdir()), "what was refused leaves nothing behind"


@pytest.mark.slow
def test_the_zoos_own_program_passes_every_engine(build: Callable[..., Checkpoint], tmp_path: Path) -> None:
    pytest.importorskip("bioimageio.core", reason="pip install bioimageio.core")
    paths = [tmp_path / f"{name}.zip" for name in FORMATS]
    for name, path in zip(FORMATS, paths, strict=True):
        checkpoint = build(name, kept=("DNA",)) if name == "flow" else build(name)
        export_checkpoint(checkpoint, path, format="bioimageio", package=TO_TREATED)
    done = subprocess.run([sys.executable, "-c", TESTED, *map(str, paths)], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    for line in done.stdout.splitlines():
        status, details, report = json.loads(line)
        assert status == "passed", report
        assert any("torchscript" in name for name in details) and any("pytorch_state_dict" in name for name in details)
