"""Options that several commands share, and those that come from settings."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal, get_args, get_origin

import click

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from pydantic.fields import FieldInfo

    from napari_phenotrans.core.settings import Settings

DEVICE = click.option("--device", default="auto", show_default=True, help="auto, cpu, cuda, cuda:1 or mps.")
OVERWRITE = click.option("--overwrite", is_flag=True, help="Replace files that exist.")


def reading(command: Callable[..., None]) -> Callable[..., None]:
    """Give a command the options of reading an image."""
    for option in (
        click.option("--series", default=0, help="Which image of a file that holds several, from 0."),
        click.option(
            "--pattern",
            help="Join by this regular expression, not by a guess: (?P<channel>…), and (?P<z>…), (?P<t>…) if needed.",
        ),
        click.option("--join", is_flag=True, help="Join the channels that lie in files beside the input to one image."),
        click.option("--axes", help="Axes of the pixels where the file leaves them open, as in ZCYX."),
    ):
        command = option(command)
    return command


def said(how: dict[str, Any]) -> dict[str, Any]:
    """Turn the options of `reading` into the arguments of `read`."""
    return {"axes": how["axes"], "series": how["series"], "join": how["pattern"] or how["join"]}


def setting_options(
    by_engine: Mapping[str, type[Settings]], common: type[Settings]
) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """Give a command one option per setting of any engine, with the settings' own types, defaults and help.

    Parameters
    ----------
    by_engine
        Settings class of each engine.
    common
        Their base: its settings are every engine's, the others say whose they are.
    """
    seen: dict[str, dict[str, FieldInfo]] = {}
    for engine, settings in by_engine.items():
        for field, declared in settings.model_fields.items():
            extra = declared.json_schema_extra
            if not isinstance(extra, dict) or extra.get("cli", True):
                seen.setdefault(field, {})[engine] = declared

    def give(command: Callable[..., None]) -> Callable[..., None]:
        for field, declarations in reversed(seen.items()):
            # the engine's own default is used where nothing is said, so that a default stands in one place
            declared = next(iter(declarations.values()))
            own = "" if field in common.model_fields else f"[{', '.join(declarations)}] "
            text = f"{own}{_descriptions(declarations)}{_defaults(declarations)}"
            command = click.option("--" + field.replace("_", "-"), default=None, type=_type(declared), help=text)(
                command
            )
        return command

    return give


def _descriptions(declarations: Mapping[str, FieldInfo]) -> str:
    """Say what a setting is, or what it is for each engine where that differs."""
    engines: dict[str, list[str]] = {}
    for name, declared in declarations.items():
        engines.setdefault(declared.description or "", []).append(name)
    if len(engines) == 1:
        return next(iter(engines))
    return " ".join(f"{', '.join(names)}: {description}" for description, names in engines.items())


def _defaults(declarations: Mapping[str, FieldInfo]) -> str:
    """Say a setting's default, or each engine's where they differ."""
    engines: dict[Any, list[str]] = {}
    for name, declared in declarations.items():
        engines.setdefault(declared.default, []).append(name)
    if set(engines) == {None}:
        return ""
    if len(engines) == 1:
        return f"  [default: {next(iter(engines))}]"
    return f"  [default: {'; '.join(f'{value} ({chr(44).join(names)})' for value, names in engines.items())}]"


def _type(declared: FieldInfo) -> Any:
    kind = declared.annotation
    if get_origin(kind) is Literal:
        return click.Choice(get_args(kind))
    if kind in (int, float, str, bool):
        return kind
    return next((inner for inner in (float, int, str) if inner in get_args(kind)), Names())


class Names(click.ParamType):
    """Names separated by commas."""

    name = "NAME,NAME"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> tuple[str, ...]:
        return tuple(part.strip() for part in value.split(",")) if isinstance(value, str) else value
