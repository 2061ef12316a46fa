"""What makes the flow better at equal cost: ``python -m bench variants``.

Each variant trains for the same computing time on the wells of BBBC013's rows A to C (DNA kept), from the same seeds,
and translates the middles of row D's wells. Variants that are no setting are made here, by replacing a part of the
network or its objective while it is trained and asked: those that win become settings or defaults.
"""

from __future__ import annotations

import json
import time
from contextlib import ExitStack, nullcontext
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any
from unittest.mock import patch

import click
import numpy as np
from scipy.optimize import linear_sum_assignment

from bench.common.paired import circumstances
from bench.quality.bundle import RECIPES
from bench.quality.minutes import TRANSLATED, gaps, planes_of
from bench.quality.scores import translate_plane
from napari_phenotrans.core.crop_grid import grid
from napari_phenotrans.engines import engine_entry, flow
from napari_phenotrans.engines.objectives import Coefficients, Flow
from napari_phenotrans.io import read
from napari_phenotrans.networks.norm import PositionNorm
from napari_phenotrans.training.events import Saved
from napari_phenotrans.training.run import Run
from napari_phenotrans.translation.pictures import middle
from napari_phenotrans.translation.translate import Translator

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from contextlib import AbstractContextManager

    import torch

    from napari_phenotrans.dataset.dataset import DataSet

RECIPE = RECIPES["bbbc013-flow"]
MIDDLE = 384  # pixels of a well that are translated
PACE_STEPS = 24  # of which the first half is not timed


class Preconditioned(Flow):
    """EDM's preconditioning (Karras et al. 2022, table 1) for channels of SD 1, at the flow's noise."""

    def coefficients(self, sigma: torch.Tensor) -> Coefficients:
        total = (1 + sigma**2).sqrt()
        return Coefficients(total**-2, sigma / total, 1 / total, 1000 * sigma / (1 + sigma))


def position_norms() -> AbstractContextManager[Any]:
    """Let networks be built with a normalization of each position in place of one over groups of channels."""
    return patch("torch.nn.GroupNorm", lambda _, channels, eps: PositionNorm(channels, eps))


def preconditioned() -> AbstractContextManager[Any]:
    """Let flows be preconditioned as EDM is."""
    return patch.object(flow, "Flow", Preconditioned)


@dataclass(frozen=True)
class Variant:
    """Settings over the recipe's, and what is replaced meanwhile."""

    settings: dict[str, Any] = field(default_factory=dict)
    replaced: Callable[[], AbstractContextManager[Any]] = nullcontext


VARIANTS = {
    "the recipe": Variant(),
    "uniform times": Variant({"times": "uniform"}),
    "normalization per position": Variant(replaced=position_norms),
    "EDM's preconditioning": Variant(replaced=preconditioned),
    "averaging 0.99": Variant({"ema": 0.99}),
    "averaging 0.995": Variant({"ema": 0.995}),
    "width 12": Variant({"width": 12}),
    "width 24": Variant({"width": 24}),
    "3 levels": Variant({"levels": 3}),
}


@click.command()
@click.option("--minutes", default=2.5, show_default=True, help="CPU minutes that each training takes.")
@click.option("--seeds", default=3, show_default=True)
@click.option("--only", type=click.Choice(list(VARIANTS)), multiple=True, help="These alone; all where none.")
@click.option(
    "--work", type=click.Path(path_type=Path), required=True, help="Folder for images, runs and scores; kept."
)
def variants(minutes: float, seeds: int, only: tuple[str, ...], work: Path) -> None:
    """Gap closed on unseen wells after equal minutes, for variants of the flow over several seeds."""
    found: dict[str, list[dict[str, Any]]] = {name: [] for name in only or VARIANTS}
    for seed in range(seeds):
        for name, scored in found.items():
            file = work / f"{name}, seed {seed}.json"
            if not file.exists():
                file.write_text(
                    json.dumps(try_variant(VARIANTS[name], seed, minutes, work / file.stem, work), indent=1)
                )
            scored.append(json.loads(file.read_text()))
    click.echo("\n".join(table(found)))
    crops = moving_crops(RECIPE.prepare(work / "images"))
    rng = np.random.default_rng(0)
    for count in (4, 16, 64):
        shares = []
        for _ in range(10):
            some = crops[rng.choice(len(crops), count, replace=False)]
            shares.append(shorter_paths(rng.standard_normal(some.shape), some))
        click.echo(f"Noise paired with {count} crops by optimal transport: paths {np.mean(shares):.1%} shorter.")


def try_variant(variant: Variant, seed: int, minutes: float, folder: Path, work: Path) -> dict[str, Any]:
    """Train a variant for so long, and return its steps and what it shows of row D."""
    dataset = RECIPE.prepare(work / "images")
    training, held_out = RECIPE.split(dataset)
    assert held_out is not None
    with ExitStack() as meanwhile:
        meanwhile.enter_context(variant.replaced())

        def run(steps: int, name: str) -> Run:
            said = RECIPE.common | variant.settings | {"seed": seed, "steps": steps, "save_every": max(1, steps // 2)}
            return Run(folder / name, training, RECIPE.engine, engine_entry(RECIPE.engine).settings.make(**said))

        steps = max(10, round(60 * minutes / seconds_per_step(run(PACE_STEPS, "pace"))))
        started, last = time.process_time(), ""
        trained = run(steps, "run")
        for event in trained.events():
            last = event.path if isinstance(event, Saved) and event.step == steps else last
        spent = (time.process_time() - started) / 60
        shown = look(trained.folder / last, planes_of(held_out))
    return {"circumstances": circumstances(), "steps": steps, "minutes": spent, "seed": seed, **shown}


def seconds_per_step(run: Run) -> float:
    """Return the CPU seconds of a step, from the second half of a short run."""
    times = [time.process_time() for event in run.events() if isinstance(event, Saved)]
    return (times[-1] - times[0]) / (run.settings.steps / 2)


def look(checkpoint: Path, planes: Mapping[str, Sequence[np.ndarray]]) -> dict[str, float]:
    """Return the gap closed both ways and the error of source → source (% of the range) in the middles of planes."""
    translator = Translator(checkpoint, how=RECIPE.translation)
    some = {condition: [middle(plane, MIDDLE) for plane in each] for condition, each in planes.items()}
    one, other = some
    made = {
        source: {target: [translate_plane(plane, translator, source, target) for plane in some[source]]}
        for source, target in ((one, other), (other, one))
    }
    there, back = gaps(some, made)
    plane = some[one][0]
    same = translate_plane(plane, translator, one, one)[TRANSLATED] - plane[TRANSLATED].astype(float)
    span = translator.card.intensity.range[TRANSLATED, 0, 0]
    return {"there": there, "back": back, "engine error": 100 * float(np.abs(same).mean() / span)}


def table(found: Mapping[str, Sequence[Mapping[str, Any]]]) -> list[str]:
    """Return a Markdown table: per variant mean and range over seeds of the gap closed the worse way, and the rest."""
    lines = ["| | steps | gap closed, the worse way | there | back | source → source |", "|---|---|---|---|---|---|"]
    for name, scored in found.items():
        worse = [min(each["there"], each["back"]) for each in scored]
        mean = {key: np.mean([each[key] for each in scored]) for key in ("steps", "there", "back", "engine error")}
        lines.append(
            f"| {name} | {mean['steps']:.0f} | {np.mean(worse):.3f} ({min(worse):.3f} to {max(worse):.3f}) | "
            f"{mean['there']:.3f} | {mean['back']:.3f} | {mean['engine error']:.2f} % |"
        )
    return lines


def moving_crops(dataset: DataSet) -> np.ndarray:
    """Return crops (n, 64, 64) of the channel that moves, in SDs, side by side from all fields."""
    planes = [read(one.path).plane()[TRANSLATED].astype(np.float32) for one in dataset.fields]
    crops = np.concatenate([grid(plane[None, None], RECIPE.common["crop"])[:, 0] for plane in planes])
    return (crops - crops.mean()) / crops.std()


def shorter_paths(noise: np.ndarray, crops: np.ndarray) -> float:
    """Return by what share optimal pairing of noise and crops (n, ...) shortens the paths between them.

    Paths are squared distances (Tong et al. 2024, minibatch optimal transport).
    """
    squared = ((noise.reshape(len(noise), 1, -1) - crops.reshape(1, len(crops), -1)) ** 2).sum(axis=-1)
    rows, columns = linear_sum_assignment(squared)
    return 1 - squared[rows, columns].mean() / np.diag(squared).mean()
