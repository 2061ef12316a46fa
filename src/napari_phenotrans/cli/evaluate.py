"""``phenotrans evaluate``: scores of a run, or of folders of images."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from napari_phenotrans.cli.options import DEVICE, OVERWRITE, Names
from napari_phenotrans.cli.progress import Progress
from napari_phenotrans.cli.say import say
from napari_phenotrans.core.errors import InputError
from napari_phenotrans.features import EXTRACTORS
from napari_phenotrans.metrics import METRICS

if TYPE_CHECKING:
    from collections.abc import Iterator

    from napari_phenotrans.core.events import Progressed
    from napari_phenotrans.evaluation.inputs import EvaluationSet
    from napari_phenotrans.features import ExtractorResources

FEATURES = "; ".join(f"{name}: {entry.about}" for name, entry in EXTRACTORS.items())


@dataclass(frozen=True)
class EvaluateOptions:
    """What was typed: a field per option, of the same name."""

    run: Path | None
    checkpoint: str
    fields: int
    real: Path | None
    translated: Path | None
    source: Path | None
    fit: Path | None
    channels: tuple[str, ...] | None
    crop: int | None
    pixel_size: float | None
    crops: int
    features: tuple[str, ...]
    metrics: tuple[str, ...]
    critic: int
    inception_weights: Path | None
    vgg_weights: Path | None
    download: bool
    resamples: int
    seed: int
    out: Path | None
    no_cache: bool
    device: str
    overwrite: bool

    def check(self) -> None:
        """Refuse options that do not go together.

        Raises
        ------
        InputError
            If options of folders and of a run are mixed, or neither is there.
        """
        by_folders: dict[str, object] = {
            "--real": self.real, "--translated": self.translated, "--source": self.source, "--fit": self.fit,
            "--channels": self.channels, "--crop": self.crop, "--pixel-size": self.pixel_size,
        }  # fmt: skip
        of_run: dict[str, object] = {"--checkpoint": self.checkpoint, "--fields": self.fields}
        odd = [name for name, value in (by_folders if self.run else of_run).items() if value]
        if odd:
            raise InputError(
                f"{', '.join(odd)} {'does' if len(odd) == 1 else 'do'} not go with "
                f"{'--run' if self.run else 'folders'}."
            )
        if self.run is None and (self.real is None or self.translated is None):
            raise InputError(
                "What is to be scored? Name a run folder with --run, or folders with --real and --translated."
            )

    def evaluation_set(self) -> Iterator[Progressed | EvaluationSet]:
        """Read what is to be scored; see `napari_phenotrans.evaluation.sources`."""
        from napari_phenotrans.evaluation.sources import from_folders, from_run

        if self.run:
            return from_run(
                self.run, checkpoint=self.checkpoint, fields=self.fields, crops=self.crops, device=self.device
            )
        assert self.real and self.translated
        return from_folders(
            self.real, self.translated, self.source, fit=self.fit, channels=self.channels, crop=self.crop or 128,
            pixel_size=self.pixel_size, crops=self.crops,
        )  # fmt: skip

    def resources(self) -> ExtractorResources:
        """Return what extractors may use."""
        from napari_phenotrans.engines.device import choose_device
        from napari_phenotrans.features import ExtractorResources
        from napari_phenotrans.features.cache import Cache, default_folder

        weights = {"inception": self.inception_weights, "vgg": self.vgg_weights}
        return ExtractorResources(
            weights={name: path for name, path in weights.items() if path},
            download=self.download,
            device=str(choose_device(self.device)),
            cache=Cache(None if self.no_cache else default_folder()),
        )


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
def evaluate(**typed: Any) -> None:
    """Score translations against real images of the target.

    Either --run RUN, or --real DIR --translated DIR and, to know what doing nothing would score, --source DIR. Beside
    every score stand what two halves of the real images score against each other, and what the source would score
    unchanged: a score means something only between the two.
    """
    from napari_phenotrans.core.events import Notice
    from napari_phenotrans.evaluation.critic import CriticProtocol
    from napari_phenotrans.evaluation.evaluate import Evaluation, EvaluationRequest
    from napari_phenotrans.evaluation.evaluate import evaluate as score
    from napari_phenotrans.evaluation.inputs import EvaluationSet
    from napari_phenotrans.evaluation.score_table import table_lines, write_csv, write_json
    from napari_phenotrans.io.atomic import refuse_existing, refuse_unwritable

    options = EvaluateOptions(**typed)
    options.check()
    files = [options.out / name for name in ("scores.csv", "scores.json")] if options.out else []
    if options.out:
        refuse_unwritable(options.out)
    for file in files:
        refuse_existing(file, options.overwrite)

    with Progress("reading images") as progress:
        evaluation_set: EvaluationSet | None = None
        for step in options.evaluation_set():
            if isinstance(step, EvaluationSet):
                evaluation_set = step
            else:
                progress.show(step)
        assert evaluation_set is not None
        request = EvaluationRequest(
            evaluation_set,
            options.features,
            options.metrics,
            CriticProtocol(options.critic) if options.critic else None,
            options.resamples,
            options.seed,
        )
        scored: Evaluation | None = None
        for event in score(request, options.resources()):
            if isinstance(event, Evaluation):
                scored = event
            elif isinstance(event, Notice):
                say(f"note: {event.text}", err=True)
            else:
                progress.show(event)
    assert scored is not None
    for line in table_lines(scored):
        say(line)
    if files:
        say(write_csv(scored, files[0], overwrite=options.overwrite))
        say(write_json(scored, files[1], overwrite=options.overwrite))
