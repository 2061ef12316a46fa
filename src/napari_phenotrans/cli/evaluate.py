"""``phenotrans evaluate``: scores of a run, or of folders of images."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from napari_phenotrans.cli.options import DEVICE, OVERWRITE, Names
from napari_phenotrans.cli.progress import Progress
from napari_phenotrans.core.errors import InputError
from napari_phenotrans.features import EXTRACTORS
from napari_phenotrans.metrics import METRICS

if TYPE_CHECKING:
    from napari_phenotrans.evaluation.inputs import EvaluationSet

FEATURES = "; ".join(f"{name}: {entry.about}" for name, entry in EXTRACTORS.items())


@click.command()
@click.option(
    "--run", type=click.Path(path_type=Path), help="A run folder: its held-out fields are translated and scored."
)
@click.option("--checkpoint", default="", help="A checkpoint of the run.  [default: the best, else the last]")
@click.option("--fields", default=0, help="Most held-out fields per condition to translate; 0 takes all.")
@click.option("--real", type=click.Path(path_type=Path), help="Folder of real images of the target.")
@click.option("--translated", type=click.Path(path_type=Path), help="Folder of translated images.")
@click.option("--source", type=click.Path(path_type=Path), help="Folder of the real images that were translated.")
@click.option("--fit", type=click.Path(path_type=Path), help="Data set that limits and features are fitted to.")
@click.option("--channels", type=Names(), help="Channels to compare.  [default: all of the first real image]")
@click.option("--crop", type=click.IntRange(16), help="Side of the crops.  [default: the run's; 128 for folders]")
@click.option("--pixel-size", type=float, help="Working pixel size in micrometers, where folders differ.")
@click.option("--crops", type=click.IntRange(2), default=1000, show_default=True, help="Most crops on each side.")
@click.option(
    "--features", type=Names(), default=("profile",), help=f"What is compared. {FEATURES}  [default: profile]"
)
@click.option("--metrics", type=Names(), default=tuple(METRICS), help=f"Among {', '.join(METRICS)}.  [default: all]")
@click.option(
    "--critic", default=0, metavar="STEPS", help="Also train critics on the crops; 5000 as published, 0 none."
)
@click.option("--inception-weights", type=click.Path(path_type=Path), help="File with Inception-v3's weights.")
@click.option("--vgg-weights", type=click.Path(path_type=Path), help="File with VGG-16's weights.")
@click.option("--download", is_flag=True, help="Allow to download weights that are not there (91 and 528 MB).")
@click.option("--resamples", type=click.IntRange(0), default=200, show_default=True, help="Draws of each interval.")
@click.option("--seed", default=0, show_default=True, help="Of splits, permutations and intervals.")
@click.option("--out", type=click.Path(path_type=Path), help="Folder for scores.csv and scores.json.")
@click.option("--no-cache", is_flag=True, help="Measure everything anew, and keep nothing for the next time.")
@DEVICE
@OVERWRITE
def evaluate(
    run: Path | None,
    checkpoint: str,
    fields: int,
    real: Path | None,
    translated: Path | None,
    source: Path | None,
    fit: Path | None,
    channels: tuple[str, ...] | None,
    crop: int | None,
    pixel_size: float | None,
    crops: int,
    features: tuple[str, ...],
    metrics: tuple[str, ...],
    critic: int,
    inception_weights: Path | None,
    vgg_weights: Path | None,
    download: bool,
    resamples: int,
    seed: int,
    out: Path | None,
    no_cache: bool,
    device: str,
    overwrite: bool,
) -> None:
    """Score translations against real images of the target.

    Either --run RUN, or --real DIR --translated DIR and, to know what doing nothing would score, --source DIR. Beside
    every score stand what two halves of the real images score against each other, and what the source would score
    unchanged: a score means something only between the two.
    """
    from napari_phenotrans.core.events import Notice, Progressed
    from napari_phenotrans.engines.device import choose_device
    from napari_phenotrans.evaluation.evaluate import Evaluation
    from napari_phenotrans.evaluation.evaluate import evaluate as score
    from napari_phenotrans.evaluation.inputs import EvaluationSet
    from napari_phenotrans.evaluation.score_table import table_lines, write_csv, write_json
    from napari_phenotrans.evaluation.sources import from_folders, from_run
    from napari_phenotrans.features import ExtractorResources
    from napari_phenotrans.features.cache import Cache, default_folder
    from napari_phenotrans.io.atomic import refuse_existing

    by_folders: dict[str, object] = {
        "--real": real, "--translated": translated, "--source": source, "--fit": fit,
        "--channels": channels, "--crop": crop, "--pixel-size": pixel_size,
    }  # fmt: skip
    of_run: dict[str, object] = {"--checkpoint": checkpoint, "--fields": fields}
    odd = [name for name, value in (by_folders if run else of_run).items() if value]
    if odd:
        raise InputError(
            f"{', '.join(odd)} {'does' if len(odd) == 1 else 'do'} not go with {'--run' if run else 'folders'}."
        )
    if run is None and (real is None or translated is None):
        raise InputError("What is to be scored? Name a run folder with --run, or folders with --real and --translated.")
    files = [out / name for name in ("scores.csv", "scores.json")] if out else []
    for file in files:
        refuse_existing(file, overwrite)

    weights = {"inception": inception_weights, "vgg": vgg_weights}
    with Progress("reading images") as progress:
        material: EvaluationSet | None = None
        if run:
            for event in from_run(run, checkpoint=checkpoint, fields=fields, crops=crops, device=device):
                if isinstance(event, EvaluationSet):
                    material = event
                else:
                    progress.show(event)
        elif real and translated:
            material = from_folders(
                real,
                translated,
                source,
                fit=fit,
                channels=channels,
                crop=crop or 128,
                pixel_size=pixel_size,
                crops=crops,
            )
        assert material is not None
        means = ExtractorResources(
            weights={name: path for name, path in weights.items() if path},
            download=download,
            device=str(choose_device(device)),
            cache=Cache(None if no_cache else default_folder()),
        )
        scored: Evaluation | None = None
        for part in score(
            material,
            features=features,
            metrics=metrics,
            means=means,
            critic_steps=critic,
            resamples=resamples,
            seed=seed,
        ):
            if isinstance(part, Progressed):
                progress.show(part)
            elif isinstance(part, Notice):
                click.echo(f"note: {part.text}", err=True)
            else:
                scored = part
    assert scored is not None
    for line in table_lines(scored):
        click.echo(line)
    if files:
        click.echo(write_csv(scored, files[0], overwrite=overwrite))
        click.echo(write_json(scored, files[1], overwrite=overwrite))
