"""The tables of settings and commands, as Markdown, from what declares them: engines' settings and click's commands.

A page asks for one by a comment, ``<!-- generated: settings -->``, and `fill` puts it there while the site is built.
"""

from __future__ import annotations

import inspect
import re
from typing import TYPE_CHECKING, Any, Literal, get_args, get_origin

import click

from napari_phenotrans.cli.main import phenotrans
from napari_phenotrans.core.settings import PRESETS, TrainingSettings, TranslationSettings, flag
from napari_phenotrans.engines import ENGINES

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from pydantic.fields import FieldInfo

    from napari_phenotrans.core.settings import Settings

GENERATED = re.compile(r"^<!-- generated: (\w+) -->$", re.M)
# with spaces at which no line is broken
BOUNDS = {"ge": "≥\xa0{}", "gt": ">\xa0{}", "le": "≤\xa0{}", "lt": "<\xa0{}", "multiple_of": "a multiple of\xa0{}"}
TYPES = {int: "a whole number", float: "a number", bool: "true or false", str: "text"}
TRAINING: list[type[Settings]] = [entry.settings for entry in ENGINES.values()]
TRANSLATING: list[type[Settings]] = [entry.translation for entry in ENGINES.values()]
# Commands whose options are the settings of engines as well, which have a page of their own.
OF_SETTINGS = {"train": TRAINING, "translate": TRANSLATING, "report": TRANSLATING, "export": TRANSLATING}


def fill(page: str) -> str:
    """Put what is generated where a page's comments ask for it."""
    made = {"settings": settings_text, "commands": commands_text}
    return GENERATED.sub(lambda asked: made[asked[1]](), page)


# ---- settings


def settings_text() -> str:
    """Return the settings of all engines: of training with their presets, then of translating."""
    parts = ["## Training, whatever the engine", *_table_of(TrainingSettings, {})]
    common = TrainingSettings.model_fields
    for name, entry in ENGINES.items():
        parts += [f"## Training: `{name}`", _prose(entry.settings.when), *_table_of(entry.settings, common)]
        parts += ["Its presets; a preset leaves alone what it does not name.", *_presets(entry.settings)]
    parts += ["## Translating, whatever the engine", *_table_of(TranslationSettings, {})]
    common = TranslationSettings.model_fields
    for name, entry in ENGINES.items():
        if own := _table_of(entry.translation, common):
            parts += [f"## Translating: `{name}`", *own]
    return "\n\n".join(parts)


def _table_of(settings: type[Settings], common: Mapping[str, FieldInfo]) -> list[str]:
    """Return a table of those settings that are not common, or are declared otherwise; nothing where there are none."""
    rows = [
        (f"`{flag(name)}`", _default(declared), _limits(declared), _prose(declared.description or ""))
        for name, declared in settings.model_fields.items()
        if _is_typed(declared) and not (name in common and _same(declared, common[name]))
    ]
    return [_table(("setting", "default", "limits", "what it does"), rows)] if rows else []


def _presets(settings: type[TrainingSettings]) -> list[str]:
    presets = settings.presets
    named = [name for name in settings.model_fields if any(name in preset for preset in presets.values())]
    heads = [f"`{preset}`" + (f", {PRESETS[preset]}" if preset in PRESETS else "") for preset in presets]
    rows = [
        (f"`{flag(name)}`", *(_value(preset[name]) if name in preset else "" for preset in presets.values()))
        for name in named
        if _is_typed(settings.model_fields[name])
    ]
    return [_table(("setting", *heads), rows)]


def _is_typed(declared: FieldInfo) -> bool:
    """Whether the command line has it."""
    extra = declared.json_schema_extra
    return not isinstance(extra, dict) or bool(extra.get("cli", True))


def _same(one: FieldInfo, other: FieldInfo) -> bool:
    return (one.default, one.description, one.metadata) == (other.default, other.description, other.metadata)


def _default(declared: FieldInfo) -> str:
    return "" if declared.default is None else _value(declared.default)


def _value(value: Any) -> str:
    if isinstance(value, bool):
        return f"`{str(value).lower()}`"
    return f"`{value:g}`" if isinstance(value, float) else f"`{value}`"


def _limits(declared: FieldInfo) -> str:
    kind = declared.annotation
    if get_origin(kind) is Literal:
        return ", ".join(f"`{choice}`" for choice in get_args(kind))
    bounds = [
        text.format(f"{limit:g}")
        for each in declared.metadata
        for name, text in BOUNDS.items()
        if (limit := getattr(each, name, None)) is not None
    ]
    inner = next((each for each in (kind, *get_args(kind)) if each in TYPES), None)
    said = TYPES[inner] if inner else "names, with commas between"
    return ", ".join([said, *bounds])


# ---- commands


def commands_text() -> str:
    """Return all commands: how each is called, what it does, its arguments and options."""
    context = click.Context(phenotrans, info_name="phenotrans")
    return "\n\n".join(
        part
        for name in phenotrans.list_commands(context)
        for part in _command(name, phenotrans.get_command(context, name), context)
    )


def _command(name: str, command: click.Command | None, parent: click.Context) -> Iterator[str]:
    assert command is not None
    context = click.Context(command, info_name=name, parent=parent)
    yield f"## `phenotrans {name}`"
    yield f"```text\n{' '.join([context.command_path, *command.collect_usage_pieces(context)])}\n```"
    yield _prose(re.sub(r"(?<!\n)\n(?!\n)", " ", inspect.cleandoc(command.help or "")))
    settings = {field for each in OF_SETTINGS.get(name, ()) for field in each.model_fields}
    options = [each for each in command.get_params(context) if isinstance(each, click.Option)]
    rows = [_option(each, context) for each in options if each.name not in {"help", *settings}]
    yield _table(("option", "value", "what it does"), rows)
    if settings:
        yield "Beside these it has the [settings of the engines](settings.md)."


def _option(option: click.Option, context: click.Context) -> tuple[str, str, str]:
    value = "" if option.is_flag else option.make_metavar(context)
    text = option.help or ""
    if option.show_default and not option.is_flag and option.default is not None:
        text += f"  [default: {option.default}]"
    names = ", ".join(f"`{name}`" for name in (*option.opts, *option.secondary_opts))
    required = " Has to be said." if option.required else ""
    return names, f"`{value}`".replace("|", r"\|") if value else "", _prose((text + required).strip())


# ---- Markdown


def _prose(text: str) -> str:
    """Return text in which nothing is taken for Markdown."""
    return re.sub(r"([\\`*_\[\]<>|$#])", r"\\\1", text)


def _table(heads: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    lines = [heads, ["---"] * len(heads), *rows]
    return "\n".join(f"| {' | '.join(cell.replace(chr(10), ' ') for cell in line)} |" for line in lines)
