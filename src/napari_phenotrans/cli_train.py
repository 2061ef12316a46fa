"""``phenotrans train``: its options are the engines' settings."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, get_args, get_origin

import click

from napari_phenotrans.engines import ENGINES, engine_entry
from napari_phenotrans.errors import InputError
from napari_phenotrans.settings import TrainingSettings, flag

if TYPE_CHECKING:
    from collections.abc import Callable

    from pydantic.fields import FieldInfo


def _setting_options(command: Callable[..., None]) -> Callable[..., None]:
    """Give a command one option per setting of any engine, with the settings' own types and help."""
    seen: dict[str, tuple[FieldInfo, list[str]]] = {}
    for name, entry in ENGINES.items():
        for field, declared in entry.settings.model_fields.items():
            seen.setdefault(field, (declared, []))[1].append(name)
    for field, (declared, engines) in reversed(seen.items()):
        # the engine's own default is used where nothing is said, so that a default stands in one place
        own = "" if field in TrainingSettings.model_fields else f"[{', '.join(engines)}] "
        shown = "" if declared.default is None else f"  [default: {declared.default}]"
        option = click.option(
            flag(field), default=None, type=_type(declared), help=f"{own}{declared.description}{shown}"
        )
        command = option(command)
    return command


def _type(declared: FieldInfo) -> Any:
    kind = declared.annotation
    if get_origin(kind) is Literal:
        return click.Choice(get_args(kind))
    if kind in (int, float, str):
        return kind
    return next((inner for inner in (float, str) if inner in get_args(kind)), Names())


class Names(click.ParamType):
    """Names separated by commas."""

    name = "NAME,NAME"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> tuple[str, ...]:
        return tuple(part.strip() for part in value.split(",")) if isinstance(value, str) else value


@click.command()
@click.argument("dataset", type=click.Path(path_type=Path))
@click.option("--engine", type=click.Choice(list(ENGINES)), default="cyclegan", show_default=True)
@click.option("--out", required=True, type=click.Path(path_type=Path), help="The run folder to make.")
@click.option("--held-out", type=click.FloatRange(0, 0.9), default=0.2, show_default=True, help="Share of the groups.")
@click.option("--held-out-groups", type=Names(), help="Groups that training must not see, by name.")
@_setting_options
def train(
    dataset: Path, engine: str, out: Path, held_out: float, held_out_groups: tuple[str, ...] | None, **said: Any
) -> None:
    """Train an engine on DATASET, which holds one folder of images per condition, and write a run folder.

    A fields.csv in DATASET (columns file and group) keeps wells, patients or organoids together.
    """
    from napari_phenotrans.dataset import DataSet
    from napari_phenotrans.events import Losses, Saved, Started

    chosen = {name: value for name, value in said.items() if value is not None}
    declared = engine_entry(engine).settings
    foreign = [flag(name) for name in chosen if name not in declared.model_fields]
    if foreign:
        raise InputError(f"{', '.join(foreign)}: no setting of the engine {engine}. Leave it out.")
    settings = declared.make(**chosen)
    opened = DataSet.open(dataset, settings.conditions)
    training, held = opened.split(held_out_groups or held_out, settings.seed)

    from napari_phenotrans.train import Run

    for event in Run(out, training, engine, settings, held).events():
        if isinstance(event, Started):
            click.echo(f"training on {event.device}: {event.fields} fields, held out {event.held_out}")
        elif isinstance(event, Losses) and (event.step % 50 == 0 or event.step == settings.steps):
            losses = ", ".join(f"{name} {value:.3f}" for name, value in event.losses.items())
            click.echo(f"step {event.step} of {settings.steps}: {losses}")
        elif isinstance(event, Saved):
            click.echo(f"step {event.step}: {out / event.path}")
