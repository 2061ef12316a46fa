"""SCGAN's claim on few images, as it was decided beforehand: ``python -m bench claim`` and ``claim-table``.

Docs/developers/scgan-claim.md says what is trained and scored, and which outcome would mean what; it was written before
the first run. In short: one untreated and two treated wells, the published discriminator (batch of 8, normalized over
the batch), both identity weights that the paper can be read to mean, three seeds. The claim can only be tested where
CycleGAN's discriminators learn the wells by heart, which their logits say.
"""

from __future__ import annotations

import json
import shutil
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
import numpy as np
import torch

from bench.common.paired import circumstances
from bench.quality.bundle import HALF, prepare_bbbc013
from bench.quality.run_scores import score_run
from bench.quality.table import Scores, cell, joined
from napari_phenotrans.checkpoints.checkpoint import Checkpoint
from napari_phenotrans.core.keyed_random import KeyedRandom
from napari_phenotrans.dataset.dataset import DataSet
from napari_phenotrans.engines import engine_entry
from napari_phenotrans.metrics import METRICS, floor
from napari_phenotrans.metrics.kid import kid_difference
from napari_phenotrans.runs.paths import LAST, STATE
from napari_phenotrans.training.crops import Crops
from napari_phenotrans.training.events import Saved
from napari_phenotrans.training.run import Run

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from napari_phenotrans.engines.cyclegan import CycleGAN
    from napari_phenotrans.metrics import Features, Measured

# ---- decided beforehand
ENGINES = ("cyclegan", "scgan")
IDENTITIES = (0.5, 5.0)
SEEDS = range(3)
WELLS = {"untreated": 1, "wortmannin": 2}  # that are trained on; all others are unseen
SETTINGS = HALF | {"batch": 8, "pixel_size": 2.0, "save_every": 200, "score_every": 0}
BY_HEART = 0.2  # train minus unseen logits: from here on a discriminator has learned its wells by heart
LOOKED_AT = 64  # crops of each side whose logits are taken, in batches as in training
LOGITS_STEP = 2**31 + 2  # keys them; no update has it


@dataclass(frozen=True)
class Trial:
    """One training."""

    engine: str
    identity: float
    seed: int

    @property
    def folder(self) -> str:
        return f"{self.engine}-{self.identity:g}-{self.seed}"


TRIALS = [Trial(engine, identity, seed) for seed in SEEDS for identity in IDENTITIES for engine in ENGINES]


@click.command()
@click.option("--work", type=click.Path(path_type=Path), required=True, help="Folder for images and runs; kept.")
@click.option("--steps", type=int, required=True, help="Of every training.")
@click.option("--only", default="", help="Only trainings whose folder name holds this text, as in cyclegan-0.5-0.")
def claim(work: Path, steps: int, only: str) -> None:
    """Train CycleGAN and SCGAN on three wells, and watch whether their discriminators learn these by heart."""
    dataset = _images(work)
    for trial in TRIALS:
        folder = work / "runs" / trial.folder
        if only not in trial.folder or (folder / "claim.json").exists():
            continue
        training, unseen = few_wells(dataset, trial.seed)
        said = SETTINGS | {"identity": trial.identity, "seed": trial.seed, "steps": steps}
        run = Run(folder, training, trial.engine, engine_entry(trial.engine).settings.make(**said))
        rows = watch(run, unseen)
        (folder / "claim.json").write_text(json.dumps({"circumstances": circumstances(), "rows": rows}, indent=1))


def watch(run: Run, unseen: DataSet) -> list[dict[str, Any]]:
    """Train; after every save keep the checkpoint, and write down CPU minutes and train minus unseen logits."""
    rows: list[dict[str, Any]] = []
    looking, started = 0.0, time.process_time()
    for event in run.events():
        if not isinstance(event, Saved) or event.path != LAST:
            continue
        before = time.process_time()
        apart = logits_apart(run.folder, run.dataset, unseen)
        rows.append({"step": event.step, "minutes": (before - started - looking) / 60, "apart": apart})
        shutil.copyfile(run.folder / LAST, checkpoint_at(run.folder, event.step))
        said = ", ".join(f"{condition} {value:+.3f}" for condition, value in apart.items())
        click.echo(f"{run.folder.name}, step {event.step}, {rows[-1]['minutes']:.1f} CPU minutes: {said}")
        looking += time.process_time() - before
    return rows


def checkpoint_at(folder: Path, step: int) -> Path:
    """Return where the checkpoint of a step is kept."""
    return folder / f"step-{step:05d}.safetensors"


def few_wells(dataset: DataSet, seed: int) -> tuple[DataSet, DataSet]:
    """Return the wells to train on, drawn by the seed, and all others."""
    rng = np.random.default_rng(seed)
    shown: set[str] = set()
    for condition, count in WELLS.items():
        shown |= set(rng.permutation(sorted(dataset.groups(condition)))[:count].tolist())
    unseen, training = dataset.split(sorted(shown))
    return training, unseen


@torch.no_grad()
def logits_apart(folder: Path, training: DataSet, unseen: DataSet) -> dict[str, float]:
    """Return each discriminator's mean logit on real training crops minus that on real unseen crops."""
    checkpoint = Checkpoint.load(folder / LAST)
    state = torch.load(folder / STATE, weights_only=True)
    engine: CycleGAN = checkpoint.build_engine()  # type: ignore[assignment]
    engine.start_training()
    engine.load_training_state(state["training"])
    card = checkpoint.card
    looks = []
    for side in (training, unseen):
        crops = Crops(side.planes(card.channels, card.pixel_size), card.intensity, card.crop)
        batches = [KeyedRandom(0, LOGITS_STEP, first, 8) for first in range(0, LOOKED_AT, 8)]
        looks.append({c: [crops.draw(c, batch) for batch in batches] for c in engine.conditions})
    return {
        condition: mean_logit(discriminator, looks[0][condition]) - mean_logit(discriminator, looks[1][condition])
        for condition, discriminator in zip(engine.conditions, engine.discriminators, strict=True)
    }


def mean_logit(discriminator: torch.nn.Module, batches: Sequence[torch.Tensor]) -> float:
    """Return the mean logit of a discriminator over batches of as many crops as in training."""
    return float(np.mean([float(discriminator(batch).mean()) for batch in batches]))


# ---- the table, and what it means


@click.command("claim-table")
@click.option("--work", type=click.Path(path_type=Path), required=True, help="Folder that `claim` trained in.")
def claim_table(work: Path) -> None:
    """Score both engines at equal steps and at equal minutes on all unseen wells, and say what was decided of it."""
    dataset = _images(work)
    scores = Scores("bbbc013", dataset, SETTINGS["pixel_size"])
    lines = [HEAD, "|" + "---|" * HEAD.count(" | ") + "---|"]
    outcomes = []
    for seed in SEEDS:
        for identity in IDENTITIES:
            both = {engine: work / "runs" / Trial(engine, identity, seed).folder for engine in ENGINES}
            if not all((folder / "claim.json").exists() for folder in both.values()):
                continue
            _, unseen = few_wells(dataset, seed)
            rows = {engine: json.loads((folder / "claim.json").read_text())["rows"] for engine, folder in both.items()}
            learned = most_apart(rows["cyclegan"])
            for equal, steps in equal_steps(rows).items():
                made = {engine: score_at(both[engine], steps[engine], unseen, scores) for engine in ENGINES}
                for way in made["cyclegan"]:
                    written, difference = table_row(scores, unseen, way, {e: made[e][way] for e in ENGINES})
                    lines.append(f"| {seed} | {identity:g} | {equal} | {way} | {learned:+.2f} | {written} |")
                    outcomes.append((learned, difference))
    click.echo("\n".join([*lines, "", verdict(outcomes)]))


HEAD = (
    "| seed | identity | equal | direction | CycleGAN, train − unseen | KID CycleGAN | KID SCGAN | difference | "
    "FID CycleGAN | FID SCGAN | gap CycleGAN | gap SCGAN | floor, copy (KID) |"
)


def most_apart(rows: Sequence[Mapping[str, Any]]) -> float:
    """Return the largest of a run's logits apart, of either condition at any look."""
    return max(value for row in rows for value in row["apart"].values())


def equal_steps(rows: Mapping[str, Sequence[Mapping[str, Any]]]) -> dict[str, dict[str, int]]:
    """Return which step of each engine is compared: the last that both have, and the last within the same minutes."""
    last = min(some[-1]["step"] for some in rows.values())
    minutes = min(some[-1]["minutes"] for some in rows.values())
    within = {
        engine: max((row["step"] for row in some if row["minutes"] <= minutes), default=some[0]["step"])
        for engine, some in rows.items()
    }
    return {"steps": dict.fromkeys(rows, last), "minutes": within}


def score_at(folder: Path, step: int, unseen: DataSet, scores: Scores) -> dict[str, dict[str, np.ndarray]]:
    """Return what is measured of the unseen wells translated at a step, by direction."""
    (arrays,) = score_run(checkpoint_at(folder, step), unseen, "bbbc013", scores.extractor, [{}])
    one, other = unseen.conditions
    return {
        way: {name.removeprefix(f"{way} "): values for name, values in arrays.items() if name.startswith(way)}
        for way in (f"{one} → {other}", f"{other} → {one}")
    }


def table_row(
    scores: Scores, unseen: DataSet, way: str, made: Mapping[str, dict[str, np.ndarray]]
) -> tuple[str, Measured]:
    """Return the cells of a direction, and KID of SCGAN minus KID of CycleGAN with its interval."""
    source, target = way.split(" → ")
    (_, to, values_to), (_, copied, values_from) = (scores.real([unseen], c) for c in (target, source))
    anchored: dict[str, Features] = {engine: joined([made[engine]], "anchored", "groups") for engine in ENGINES}
    difference = kid_difference(to, anchored["scgan"], anchored["cyclegan"])
    (measure,) = values_to
    gaps = [joined([made[engine]], f"{measure} values", f"{measure} groups") for engine in ENGINES]
    cells = [
        *(METRICS["kid"](to, anchored[engine], copied) for engine in ENGINES),
        difference,
        *(METRICS["fid"](to, anchored[engine], copied) for engine in ENGINES),
        *(METRICS["gap closed"](values_to[measure], gap, values_from[measure]) for gap in gaps),
    ]
    lowest = floor(METRICS["kid"], to, copied)
    beside = f"{lowest.value if lowest else float('nan'):.3f}, {METRICS['kid'](to, copied, copied).value:.3f}"
    written = [cell(each) for each in cells]
    return " | ".join([*written, beside]), difference


def verdict(outcomes: Sequence[tuple[float, Measured]]) -> str:
    """Say what was decided beforehand of (CycleGAN's logits apart, KID of SCGAN minus CycleGAN's), row by row."""
    if not outcomes:
        return "Nothing was trained yet."
    tested = [difference for learned, difference in outcomes if learned > BY_HEART]
    if not tested:
        most = max(learned for learned, _ in outcomes)
        return (
            f"CycleGAN's discriminators never learn the wells by heart (train minus unseen logits at most {most:+.2f}, "
            f"{BY_HEART} were asked): there is nothing for SCGAN to prevent, and its claim is not tested."
        )
    better = [difference for difference in tested if difference.high is not None and difference.high < 0]
    held = "holds" if len(better) == len(tested) else "does not hold"
    return (
        f"Where CycleGAN learns by heart, the interval of KID of SCGAN minus KID of CycleGAN lies below 0 in "
        f"{len(better)} of {len(tested)} comparisons: the claim {held} here."
    )


def _images(work: Path) -> DataSet:
    folder = work / "images"
    return DataSet.open(folder, tuple(WELLS)) if folder.exists() else prepare_bbbc013(folder)
