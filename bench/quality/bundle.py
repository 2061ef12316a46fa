"""The recipes of the bundled checkpoints: prepare the images, train, score on held-out fields, write the card."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
import numpy as np

from bench.common.paired import circumstances
from bench.quality.scores import score_bbbc013, score_organoids
from napari_phenotrans.checkpoints.checkpoint import Checkpoint
from napari_phenotrans.core.image import Image
from napari_phenotrans.dataset.dataset import DataSet
from napari_phenotrans.dataset.synthetic import write_dataset
from napari_phenotrans.engines import engine_entry
from napari_phenotrans.io import read, write
from napari_phenotrans.io.samples import BBBC013, INVENTED
from napari_phenotrans.training.events import Saved
from napari_phenotrans.training.run import Run

if TYPE_CHECKING:
    from collections.abc import Callable

BBBC013_FIELDS = Path("../shared/data/bbbc013_dev_fields")
BBBC013_COLORS = ("#4488ff", "#00ff66")


@dataclass(frozen=True)
class Stage:
    """One run: settings, the step to stop at where that is earlier than the last, and what else is to be known."""

    settings: dict[str, Any]
    stop: int | None = None
    note: str = ""


@dataclass(frozen=True)
class Recipe:
    """How one bundled checkpoint is made."""

    engine: str
    about: str
    attribution: str
    prepare: Callable[[Path], DataSet]
    held_out: Callable[[str], bool]
    score: Callable[..., tuple[Any, ...]]
    stages: tuple[Stage, ...]
    synthetic: bool = False
    translation: dict[str, Any] = field(default_factory=dict)
    common: dict[str, Any] = field(default_factory=dict)

    def split(self, dataset: DataSet) -> tuple[DataSet, DataSet | None]:
        """Return the fields to train on and those held out; None where the recipe holds none out."""
        groups = sorted({each.group for each in dataset.fields if self.held_out(each.group)})
        return dataset.split(groups) if groups else (dataset, None)


def prepare_bbbc013(folder: Path) -> DataSet:
    """Copy the whole wells with channel names; the wells of rows A to C train (6 and 12), those of row D do not."""
    for condition in ("untreated", "wortmannin"):
        for path in sorted((BBBC013_FIELDS / condition).glob("*.tif")):
            image = read(path)
            named = Image(
                image.pixels,
                "CYX",
                ("DNA", "FKHR-EGFP"),
                colors=BBBC013_COLORS,
                description=f"BBBC013v1, well {path.stem}",
            )
            write(named, folder / condition / f"{path.stem}.ome.tif", overwrite=True)
    (folder / "fields.csv").write_text((BBBC013_FIELDS / "fields.csv").read_text().replace(".tif", ".ome.tif"))
    return DataSet.open(folder, ("untreated", "wortmannin"))


def prepare_organoids(folder: Path) -> DataSet:
    """Invent 60 organoids per condition, no seed in both."""
    write_dataset(folder, 60, size=256, first_seed=1000, overwrite=True)
    return DataSet.open(folder, ("healthy", "diseased"))


SMALL = {"width": 24, "blocks": 4, "batch": 1, "crop": 96, "ema": 0.998, "save_every": 100, "seed": 0}
# Depths of denoisers are said in noise: `bench effect` then measures what it does, and says them in that.
# At half the resolution several cells of BBBC013 fit into a crop of 64; `bench quality` compares engines so.
HALF = {"width": 16, "blocks": 4, "crop": 64, "batch": 2, "ema": 0.995}
LIGHT = {
    "width": 16,
    "levels": 4,
    "crop": 64,
    "batch": 4,
    "learning_rate": 1e-3,
    "warmup": 50,
    "ema": 0.998,
    "search_depth": False,
}
DENOISER = LIGHT | {"objective": "flow"}
FLOW = LIGHT | {"times": "logit-normal", "kept_jitter": 0.2, "save_every": 200, "score_every": 0}
RECIPES: dict[str, Recipe] = {
    "bbbc013-cyclegan": Recipe(
        engine="cyclegan",
        about="Cytoplasm-to-nucleus translocation of FKHR-EGFP under wortmannin in U2OS cells (BBBC013)",
        attribution=BBBC013,
        prepare=prepare_bbbc013,
        held_out=lambda group: group.startswith("D"),
        score=score_bbbc013,
        stages=(
            Stage({"steps": 3000, "batch": 2}, 500, "of the bundled file, run with nearest-neighbor up-sampling"),
            Stage({"steps": 1800}),
        ),
        common=SMALL,
    ),
    "synthetic-organoids-cyclegan": Recipe(
        engine="cyclegan",
        about="SYNTHETIC neural organoids whose disease removes nuclei and mitoses; means nothing on real images",
        attribution=INVENTED,
        prepare=prepare_organoids,
        held_out=lambda group: False,
        score=score_organoids,
        stages=(Stage({"steps": 1800}), Stage({"steps": 600, "crop": 128})),
        synthetic=True,
        common=SMALL,
    ),
}


def _recipe(like: str, engine: str, steps: int, common: dict[str, Any], note: str = "", **more: Any) -> Recipe:
    """Return the recipe of the same images with another engine, in one stage."""
    return replace(RECIPES[like], engine=engine, stages=(Stage({"steps": steps}, note=note),), common=common, **more)


RECIPES |= {
    "bbbc013-scgan": _recipe("bbbc013-cyclegan", "scgan", 952, HALF | {"identity": 5.0, "pixel_size": 2.0}),
    "bbbc013-phendiff": _recipe(
        "bbbc013-cyclegan",
        "phendiff",
        4333,
        DENOISER | {"pixel_size": 2.0},
        translation={"strength": 0.36, "scale": "noise"},
    ),
    "bbbc013-flow": _recipe(
        "bbbc013-cyclegan",
        "flow",
        1900,
        FLOW | {"kept": ("DNA",), "pixel_size": 2.0},
        translation={"depth": 0.97, "evaluations": 12, "scale": "noise"},
        note="of the bundled file, whose learning rate fell as for 3200 steps up to step 288, as for 2200 up to 1135",
    ),
    # disease takes nuclei and mitoses, so that only the boundaries are kept
    "synthetic-organoids-flow": _recipe(
        "synthetic-organoids-cyclegan",
        "flow",
        1500,
        FLOW | {"kept": ("ZO1",)},
        # without guidance one in eight mitoses is only faded; guidance of DAPI takes a tenth of the nuclei with it
        translation={"depth": 0.97, "guidance": 0.3, "guided": ("PH3",), "evaluations": 12, "scale": "noise"},
        note="of the bundled file, whose learning rate fell as for 3200 steps up to step 218, as for 2200 up to 1000",
    ),
    "synthetic-organoids-scgan": _recipe("synthetic-organoids-cyclegan", "scgan", 2600, SMALL | {"identity": 5.0}),
    "synthetic-organoids-phendiff": _recipe(
        "synthetic-organoids-cyclegan",
        "phendiff",
        1600,
        DENOISER | {"pixel_size": 1.3},
        translation={"strength": 0.5, "scale": "noise"},
    ),
}


@click.command()
@click.argument("name", type=click.Choice(list(RECIPES)))
@click.option("--work", type=click.Path(path_type=Path), required=True, help="Folder for images and runs.")
@click.option("--out", type=click.Path(path_type=Path), required=True, help="The .safetensors file to write.")
@click.option("--trained", type=click.Path(path_type=Path), help="Score and finish this checkpoint; do not train.")
def bundle(name: str, work: Path, out: Path, trained: Path | None) -> None:
    """Make a bundled checkpoint from its recipe: train, score on held-out fields, store in float16 with its card."""
    recipe = RECIPES[name]
    latest = trained or train_stages(recipe, work)
    finish(Checkpoint.load(latest), recipe, name).save(out, overwrite=True)


def train_stages(recipe: Recipe, work: Path) -> Path:
    """Prepare the images and run the stages, each from the networks of the one before; returns the last checkpoint."""
    dataset = recipe.prepare(work / "images")
    training, held_out = recipe.split(dataset)
    latest: Path | None = None
    for number, stage in enumerate(recipe.stages, start=1):
        start = {"start_from": str(latest)} if latest else {}
        settings = engine_entry(recipe.engine).settings.make(**(recipe.common | stage.settings | start))
        run = Run(work / f"stage_{number}", training, recipe.engine, settings, held_out, synthetic=recipe.synthetic)
        for event in run.events():
            if isinstance(event, Saved):
                click.echo(f"stage {number}, step {event.step}")
                latest = run.folder / event.path
                if event.step == stage.stop:
                    break
    assert latest is not None
    return latest


def finish(checkpoint: Checkpoint, recipe: Recipe, name: str) -> Checkpoint:
    """Return the checkpoint in float16, scored as it will be used, with the recipe in its card."""
    training = checkpoint.card.training | {
        "recipe": f"python -m bench bundle {name}",
        "stages": [
            stage.settings
            | ({"stopped at": stage.stop} if stage.stop else {})
            | ({"note": stage.note} if stage.note else {})
            for stage in recipe.stages
        ],
    }
    training |= {f"scored {key}": value for key, value in circumstances().items() if key in ("commit", "cpu", "cores")}
    card = checkpoint.card.model_copy(
        update={
            "about": recipe.about,
            "attribution": recipe.attribution,
            "settings": checkpoint.card.settings | {"start_from": None},
            "translation": recipe.translation,
            "training": training | {"scored": datetime.now(UTC).date().isoformat()},
        }
    )
    half = Checkpoint(card, {key: np.asarray(value, np.float16) for key, value in checkpoint.tensors.items()})
    scores = recipe.score(half)
    for score in scores:
        click.echo(score)
    return Checkpoint(card.model_copy(update={"scores": scores}), half.tensors)
