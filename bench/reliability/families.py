"""The kinds of files that are opened: how a sound one of each is made, and what opens it."""

from __future__ import annotations

import json
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from napari_phenotrans.checkpoints.checkpoint import Card, Checkpoint
from napari_phenotrans.checkpoints.interop import export_checkpoint, import_checkpoint
from napari_phenotrans.core.image import Image
from napari_phenotrans.core.kinds import DIFFERENCE, REAL, TRANSLATED
from napari_phenotrans.dataset.check import check
from napari_phenotrans.dataset.dataset import DataSet
from napari_phenotrans.dataset.synthetic import write_dataset
from napari_phenotrans.engines import engine_entry
from napari_phenotrans.io import read, write
from napari_phenotrans.runs.lock import read_owner
from napari_phenotrans.runs.monitor import RunWatch
from napari_phenotrans.runs.parse import parse_folders
from napari_phenotrans.training.run import Run
from napari_phenotrans.translation.kept import keep, open_kept, read_kept

if TYPE_CHECKING:
    from collections.abc import Callable

CONDITIONS = ("untreated", "treated")
CHANNELS = ("DAPI", "PH3")
ANY = "**/*"


@dataclass(frozen=True)
class Family:
    """A kind of file.

    Parameters
    ----------
    make
        Writes a sound one into a folder, and whatever lies beside it; returns what is opened.
    open
        Opens it as users would, and touches what it holds.
    which
        Pattern of the files of the folder of which one is changed.
    """

    make: Callable[[Path], Path]
    open: Callable[[Path], object]
    which: str = ANY


# ---- images


def _image() -> Image:
    pixels = np.random.default_rng(0).integers(0, 4000, (2, 40, 48)).astype(np.uint16)
    return Image(pixels, "CYX", CHANNELS, 0.65, "µm")


def _written(name: str, **how: str) -> Callable[[Path], Path]:
    return lambda folder: write(_image(), folder / name, **how) or folder / name


def _picture(name: str) -> Callable[[Path], Path]:
    def make(folder: Path) -> Path:
        from PIL import Image as Picture

        Picture.fromarray((_image().pixels[0] // 16).astype(np.uint8)).save(folder / name)
        return folder / name

    return make


def _pixels(path: Path) -> object:
    return np.asarray(read(path).pixels[...]).sum()


# ---- checkpoints and networks of other programs


def _checkpoint(engine: str, **settings: object) -> Checkpoint:
    entry = engine_entry(engine)
    made = entry.settings.make(**settings)
    card = Card(
        engine=engine, settings=made.model_dump(mode="json"), conditions=CONDITIONS, channels=CHANNELS,
        low=(0.0, 0.0), high=(4000.0, 4000.0), crop=32,
    )  # fmt: skip
    return Checkpoint.of(entry.load()(made, len(CHANNELS), CONDITIONS), card)


def _saved(folder: Path) -> Path:
    return _checkpoint("cyclegan", width=4, blocks=1).save(folder / "small.safetensors")


def _networks(folder: Path) -> Path:
    export_checkpoint(_checkpoint("cyclegan", width=4, blocks=1, output="tanh", upsampling="transposed"), folder)
    return folder


def _imported(path: Path) -> object:
    return import_checkpoint(path, limits=[0, 4000], channels=CHANNELS, conditions=CONDITIONS).build_engine()


# ---- runs


def _run(folder: Path) -> Path:
    """Train until a third of the steps is made, as if the machine had been switched off then."""
    run = Run(
        folder / "run",
        _dataset(folder),
        "shift",
        engine_entry("shift").settings.make(steps=6, save_every=2, crop=32, score_every=0),
    )
    for event in run.events():
        if getattr(event, "step", 0) == 2 and type(event).__name__ == "Saved":
            break
    return folder / "run"


def _dataset(folder: Path) -> DataSet:
    write_dataset(folder / "images", 2, size=64)
    return DataSet.open(folder / "images")


def _resume(path: Path) -> object:
    # the first events tell: a run of a million steps is as sound as one of six
    return list(islice(Run.load(path).events(resume=True), 4))


def _watch(path: Path) -> object:
    watch = RunWatch(path)
    watch.poll()
    return watch.sentence


def _owner(folder: Path) -> Path:
    said = {"host": "elsewhere", "pid": 17, "process started": 1e9, "born": "boot 17"}
    (folder / "lock").write_text(json.dumps(said))
    return folder


def _folders(folder: Path) -> Path:
    (folder / "runs.json").write_text(json.dumps([f"{folder}/one", f"{folder}/two"]))
    return folder / "runs.json"


def _fields(folder: Path) -> Path:
    dataset = _dataset(folder)
    rows = [f"{Path(f.path).relative_to(dataset.folder)},{n},plate {n % 2}" for n, f in enumerate(dataset.fields)]
    (folder / "images/fields.csv").write_text("\n".join(["file,group,plate", *rows]) + "\n")
    return folder / "images"


def _checked(path: Path) -> object:
    return check(DataSet.open(path), None, engine_entry("shift").settings.make(crop=32)).problems


def _kept(folder: Path) -> Path:
    kept = folder / "image_to_treated.phenotrans"
    names = {kind: f"image_{kind}.ome.tif" for kind in (REAL, TRANSLATED, DIFFERENCE)}
    for _ in keep(kept, names, {"source": CONDITIONS[0]}, lambda kind, path: write(_image(), path)):
        pass
    return kept


def _opened(path: Path) -> object:
    return [np.asarray(image.pixels[...]).sum() for image in open_kept(read_kept(path)).values()]


FAMILIES: dict[str, Family] = {
    "OME-TIFF": Family(_written("image.ome.tif"), _pixels),
    "ImageJ TIFF": Family(_written("image.tif", format="imagej"), _pixels),
    "OME-Zarr": Family(_written("image.ome.zarr"), _pixels),
    "OME-Zarr 0.5": Family(_written("image.ome.zarr", format="ome-zarr-0.5"), _pixels),
    "PNG": Family(_picture("image.png"), _pixels),
    "JPEG": Family(_picture("image.jpg"), _pixels),
    "checkpoint": Family(_saved, lambda path: Checkpoint.load(path).build_engine()),
    "CycleGAN's networks": Family(_networks, _imported, "*.pth"),
    "run.json": Family(_run, _resume, "run/run.json"),
    "events.jsonl": Family(_run, _watch, "run/events.jsonl"),
    "resume.pt": Family(_run, _resume, "run/resume*.pt"),
    "lock": Family(_owner, read_owner),
    "runs.json": Family(_folders, lambda path: parse_folders(path.read_bytes(), path)),
    "fields.csv": Family(_fields, _checked, "images/fields.csv"),
    "kept comparison": Family(_kept, _opened, "**/comparison.json"),
}
