"""Options that several commands share, and those that come from settings."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal, get_args, get_origin

import click

from napari_phenotrans.core.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from pydantic.fields import FieldInfo

    from napari_phenotrans.core.settings import Settings

DEVICE = click.option("--device", default="auto", show_default=True, help="auto, cpu, cuda, cuda:1 or mps.")
OVERWRITE = click.option("--overwrite", is_flag=True, help="Replace files that exist.")
CHECKPOINT = click.option("--checkpoint", required=True, help="A checkpoint file, or the name of a bundled one.")
PRECISION = click.option("--precision", type=click.Choice(["auto", "fp32", "bf16"]), default="auto", show_default=True)
ALLOW_TRANSLATED = click.option(
    "--allow-translated", is_flag=True, help="Also take images that an engine made, which are refused otherwise."
)
DATED = click.option(
    "--dated", is_flag=True, help="Note date and time in the results; otherwise equal results are equal files."
)


def channel_names(whose: str) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """Give a command the option that says what images call a channel; ``whose`` begins its help."""
    return click.option(
        "--channel",
        "channels",
        multiple=True,
        metavar="CHECKPOINT=IMAGE",
        help=f"{whose} name for a channel of the checkpoint where they differ, as in DAPI=Hoechst.",
    )


def reading(command: Callable[..., None]) -> Callable[..., None]:
    """Add the options of reading an image to a command."""
    for option in (
        click.option("--series", default=0, help="Which image of a file that holds several, from 0."),
        click.option(
            "--pattern",
            help="Join by this regular expression, not by a guess: (?P<channel>…), and (?P<z>…), (?P<t>…) if needed.",
        ),
        click.option("--join", is_flag=True, help="Join the channels that lie in files beside the input to one image."),
        click.option("--missing-as-zero", is_flag=True, help="Take chunks that an OME-Zarr lacks as zero."),
        click.option("--axes", help="Axes of the pixels where the file leaves them open, as in ZCYX."),
    ):
        command = option(command)
    return command


def read_arguments(options: dict[str, Any]) -> dict[str, Any]:
    """Turn the options of `reading` into the arguments of `read`."""
    join = options["pattern"] or options["join"]
    known = {"axes": options["axes"], "series": options["series"], "join": join}
    return known | ({"missing_as_zero": True} if options["missing_as_zero"] else {})


def pairs(option: str, typed: Sequence[str], form: str, example: str) -> dict[str, str]:
    """Divide what was typed at the equals sign; ``form`` and ``example`` say how it should have been.

    Raises
    ------
    InputError
        If a part is missing.
    """
    divided = {}
    for pair in typed:
        name, equals, value = pair.partition("=")
        if not (name and equals and value):
            raise InputError(f"{option} {pair!r} cannot be read: expected {form}, as in {example}.")
        divided[name] = value
    return divided


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
    by_field: dict[str, dict[str, FieldInfo]] = {}
    for engine, settings in by_engine.items():
        for field, declared in settings.model_fields.items():
            extra = declared.json_schema_extra
            if not isinstance(extra, dict) or extra.get("cli", True):
                by_field.setdefault(field, {})[engine] = declared

    def add_options(command: Callable[..., None]) -> Callable[..., None]:
        for field, declarations in reversed(by_field.items()):
            # no default here: the engine's settings have it
            declared = next(iter(declarations.values()))
            own = "" if field in common.model_fields else f"[{', '.join(declarations)}] "
            text = f"{own}{_descriptions(declarations)}{_defaults(declarations)}"
            command = click.option("--" + field.replace("_", "-"), default=None, type=_type(declared), help=text)(
                command
            )
        return command

    return add_options


def _descriptions(declarations: Mapping[str, FieldInfo]) -> str:
    """Say what a setting is, or what it is for each engine where that differs."""
    engines: dict[str, list[str]] = {}
    for name, declared in declarations.items():
        engines.setdefault(declared.description or "", []).append(name)
    if len(engines) == 1:
        return next(iter(engines))
    return " ".join(f"{', '.join(names)}: {description}" for description, names in engines.items())


def _defaults(declarations: Mapping[str, FieldInfo]) -> str:
    """Return a setting's default for its help, or each engine's where they differ."""
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
