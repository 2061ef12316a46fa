"""Evaluating: seconds for a thousand crops on each side, by part, and again from what was kept."""

from __future__ import annotations

import json
import tempfile
import time
from collections import defaultdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
import numpy as np
from scipy import ndimage

from bench.common.paired import circumstances
from napari_phenotrans.core.events import Progressed
from napari_phenotrans.core.intensity import Intensity
from napari_phenotrans.evaluation.evaluate import Evaluation, EvaluationRequest, evaluate
from napari_phenotrans.evaluation.inputs import Comparison, Cut, EvaluationSet, Side
from napari_phenotrans.features import EXTRACTORS, ExtractorResources
from napari_phenotrans.features.cache import Cache

if TYPE_CHECKING:
    from collections.abc import Callable

GROUPS = 20
PIECES = 24  # different crops that all fields are made of


@click.command("evaluate")
@click.option("--crops", type=click.IntRange(GROUPS), default=1000, show_default=True, help="Crops on each side.")
@click.option("--crop", type=click.IntRange(16), default=256, show_default=True, help="Side of a crop.")
@click.option("--channels", type=click.IntRange(1), default=3, show_default=True, help="Channels.")
@click.option("--features", default="profile", show_default=True, help="Extractors, separated by commas.")
@click.option("--resamples", type=click.IntRange(0), default=200, show_default=True, help="Draws of each interval.")
@click.option("--json", "json_file", type=click.Path(path_type=Path), help="File to write the figures to.")
def evaluate_bench(crops: int, crop: int, channels: int, features: str, resamples: int, json_file: Path | None) -> None:
    """Seconds to score so many invented crops of real target, translated source and real source."""
    result = measure(crops, crop, channels, tuple(features.split(",")), resamples)
    for name, seconds in result["seconds"].items():
        click.echo(f"{name:<40} {seconds:8.1f} s")
    click.echo(f"{'the same again, features kept':<40} {result['again_seconds']:8.1f} s")
    text = json.dumps(result, indent=2)
    click.echo(text)
    if json_file:
        json_file.write_text(text + "\n")


def measure(crops: int, crop: int, channels: int, features: tuple[str, ...], resamples: int) -> dict[str, Any]:
    """Score one direction twice; see the command's options."""
    material = invented(crops, crop, channels)
    names = tuple(name for name in features if name in EXTRACTORS)
    with tempfile.TemporaryDirectory() as folder:
        means = ExtractorResources(cache=Cache(Path(folder)))
        seconds, rows = _timed(material, names, means, resamples)
        again, same = _timed(material, names, means, resamples)
    return {
        "bench": "evaluate",
        "crops": crops,
        "crop": crop,
        "channels": channels,
        "groups": GROUPS,
        "features": names,
        "resamples": resamples,
        "rows": len(rows.rows),
        "seconds": {name: round(value, 2) for name, value in seconds.items()},
        "again_seconds": round(again["in all"], 2),
        "same_rows_again": rows.rows == same.rows,
        **circumstances(),
    }


def invented(crops: int, crop: int, channels: int) -> EvaluationSet:
    """Invent a direction: fields of each side differ in brightness, and each field from the others of its side."""
    rng = np.random.default_rng(0)
    noise = rng.standard_normal((PIECES, channels, crop, crop)).astype(np.float32)
    smooth = ndimage.gaussian_filter(noise, (0, 0, 5, 5), mode="wrap")
    pieces = 0.4 * smooth / smooth.std() + 0.02 * noise - 0.4
    each = -(-crops // GROUPS)

    def planes(seed: int, gain: float) -> Callable[[], list[np.ndarray]]:
        def made() -> list[np.ndarray]:
            draw = np.random.default_rng(seed)
            own = gain + draw.normal(0, 0.05, (channels, 1, 1)).astype(np.float32)
            chosen = [np.rot90(pieces[draw.integers(PIECES)], int(draw.integers(4)), (1, 2)) for _ in range(each)]
            return [np.concatenate(chosen, axis=2) * own]

        return made

    limits = Intensity((-1.0,) * channels, (1.0,) * channels)

    def side(first: int, gain: float, name: str) -> Side:
        kept = [each] * (GROUPS - 1) + [crops - each * (GROUPS - 1)]
        return tuple(
            Cut(f"{name} {group}", f"{name} {group}", planes(first + group, gain), limits, crop, tuple(range(count)))
            for group, count in enumerate(kept)
            if count > 0
        )

    real, source = side(1000, 1.3, "target"), side(2000, 1.0, "source")
    translated = side(3000, 1.25, "source")
    fit = {name: np.concatenate([cut.crops()[:10] for cut in some]) for name, some in (("t", real), ("s", source))}
    names = tuple(f"channel {index}" for index in range(channels))
    return EvaluationSet((Comparison("source → target", real, translated, source),), names, fit)


def _timed(
    material: EvaluationSet, features: tuple[str, ...], means: ExtractorResources, resamples: int
) -> tuple[dict[str, float], Evaluation]:
    """Return seconds by what was said to be done, and the scores."""
    spent: dict[str, float] = defaultdict(float)
    what, start = "building extractors", time.perf_counter()
    whole = start
    scored: Evaluation | None = None
    for event in evaluate(EvaluationRequest(material, features, resamples=resamples), means):
        now = time.perf_counter()
        spent[what] += now - start
        start = now
        if isinstance(event, Progressed):
            what = event.what
        elif isinstance(event, Evaluation):
            scored = event
    assert scored is not None
    spent["in all"] = time.perf_counter() - whole
    return dict(spent), scored
