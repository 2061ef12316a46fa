"""``phenotrans report``: what differs between two conditions, and what of it translations show."""

from __future__ import annotations

from dataclasses import fields
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from napari_phenotrans.cli.options import (
    DATED,
    DEVICE,
    OVERWRITE,
    PRECISION,
    Names,
    channel_names,
    pairs,
    setting_options,
)
from napari_phenotrans.cli.progress import Progress
from napari_phenotrans.cli.say import say
from napari_phenotrans.core.errors import InputError
from napari_phenotrans.core.settings import TranslationSettings
from napari_phenotrans.engines import ENGINES
from napari_phenotrans.phenotype.settings import ReportSettings

if TYPE_CHECKING:
    from collections.abc import Callable

    import numpy as np

    from napari_phenotrans.dataset.dataset import Field
    from napari_phenotrans.phenotype.request import ReportRequest

POSITIVE = "PH3=500"  # an example


@click.command()
@click.argument("dataset", type=click.Path(path_type=Path))
@click.option(
    "--checkpoint",
    required=True,
    help="A checkpoint file, the name of a bundled one, or the folder of a training with --repeats: then it is also "
    "said what would come out again.",
)
@click.option("--source", required=True, help="Condition to translate from, a folder of DATASET.")
@click.option("--target", required=True, help="Condition to translate to, a folder of DATASET.")
@click.option("--out", required=True, type=click.Path(path_type=Path), help="Folder for the page and the tables.")
@channel_names("The images'")
@click.option("--held-out-groups", type=Names(), help="Groups that training did not see, where its run does not say.")
@click.option(
    "--labels",
    type=click.Path(path_type=Path),
    help="Folder with known objects: a label image per field, CONDITION/NAME.tif.",
)
@click.option(
    "--positive",
    multiple=True,
    metavar="CHANNEL=INTENSITY",
    help="Intensity above background from which an object is positive, as in PH3=500; by Otsu where none is said.",
)
@click.option(
    "--null",
    "--control",
    "control",
    type=click.Path(path_type=Path),
    help="Run folder of a training between two halves of one condition (phenotrans train --null): what it changes "
    "stands beside every effect.",
)
@click.option(
    "--truth",
    type=click.Path(path_type=Path),
    help="Folder with each translated field as it would be in the target, by the same name; of synthetic images.",
)
@click.option("--tables", type=click.Choice(["csv", "parquet"]), default="csv", show_default=True)
@click.option("--no-cache", is_flag=True, help="Measure everything anew, and keep nothing for the next time.")
@DEVICE
@PRECISION
@OVERWRITE
@DATED
@setting_options({"report": ReportSettings}, ReportSettings)
@setting_options({name: entry.translation for name, entry in ENGINES.items()}, TranslationSettings)
def report(**typed: Any) -> None:
    """Measure what differs between two conditions of DATASET, and what of it translated images show.

    Writes OUT/report.html, one page that needs nothing else, and the tables effects, objects, planes and pairs.
    """
    from napari_phenotrans.core.events import Notice, Progressed
    from napari_phenotrans.features.cache import Cache, default_folder
    from napari_phenotrans.phenotype.page.text import in_short
    from napari_phenotrans.phenotype.report import report as events
    from napari_phenotrans.phenotype.result import FirstLook, ReportDone

    cache = Cache(None if typed.pop("no_cache") else default_folder())
    with Progress("loading torch") as progress:
        for event in events(_request(**typed), cache=cache):
            if isinstance(event, Progressed):
                progress.show(event)
            elif isinstance(event, Notice):
                say(f"note: {event.text}", err=True)
            elif isinstance(event, FirstLook):
                for path in event.files.values():
                    say(f"note: a first look at a few fields is in {path}", err=True)
            elif isinstance(event, ReportDone):
                for text in in_short(event.report):
                    say(text)
                for path in event.files.values():
                    say(path)


def _request(
    dataset: Path,
    *,
    channels: tuple[str, ...],
    labels: Path | None,
    positive: tuple[str, ...],
    **others: Any,
) -> ReportRequest:
    """Return what was typed as what a report is asked for; settings of reports and engines are among the others."""
    from napari_phenotrans.dataset.dataset import DataSet
    from napari_phenotrans.phenotype.request import ReportRequest
    from napari_phenotrans.runs.family import with_families

    first, *repeats = with_families((others.pop("checkpoint"),))
    as_typed = {field.name for field in fields(ReportRequest)}
    settings = {name: value for name, value in others.items() if name not in as_typed and value is not None}
    intensities = pairs("--positive", positive, "NAME=VALUE", POSITIVE)
    of_report = {name: value for name, value in settings.items() if name in ReportSettings.model_fields}
    return ReportRequest(
        checkpoint=first,
        repeats=repeats,
        dataset=DataSet.open(dataset, (others["source"], others["target"])),
        settings=ReportSettings.make(**of_report),
        channels=pairs("--channel", channels, "NAME=VALUE", "DAPI=Hoechst"),
        labels=_labels(labels) if labels else None,
        positive={name: _number(text) for name, text in intensities.items()},
        how={name: value for name, value in settings.items() if name not in of_report},
        **{name: value for name, value in others.items() if name in as_typed},
    )


def _number(text: str) -> float:
    try:
        return float(text)
    except ValueError as error:
        raise InputError(f"--positive needs an intensity, got {text!r}. Say {POSITIVE}.") from error


def _labels(folder: Path) -> Callable[[Field, int, int], np.ndarray]:
    """Return what reads a field's objects from a label image of the same condition and name."""
    from napari_phenotrans.io import read, readable

    def of(field: Field, t: int, z: int) -> np.ndarray:
        name = field.path.name.split(".")[0]
        beside = folder / field.condition
        files = [path for path in sorted(beside.glob(f"{name}.*")) if readable(path)] if beside.is_dir() else []
        if len(files) != 1:
            raise InputError(
                f"{beside} has {len(files)} label images called {name}: expected one for {field.name}, in which 0 is "
                f"background and every object has its number."
            )
        image = read(files[0])
        return image.plane(t, z)[0].astype(int)

    return of
