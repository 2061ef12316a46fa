"""What stays between sessions: the preferences that the user set, and what the user chose last."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from napari.settings import get_plugin_settings, get_settings
from pydantic import BaseModel, ConfigDict, ValidationError

from napari_phenotrans.core.errors import InputError
from napari_phenotrans.io.atomic import replacing

PLUGIN = "napari-phenotrans"
FILE = "napari-phenotrans-last.json"
# In the user's home, for results of what lies where nothing can be written.
HOME = "phenotrans"


@dataclass(frozen=True)
class Preferences:
    """What the user set under napari's Preferences, in `napari.yaml` as ``configurations``.

    Attributes
    ----------
    device, precision
        As `Translator` takes them; a device that this computer has not is the user's to change.
    tile
        Side of a tile in working pixels; None leaves it to the engine.
    view
        How a translation is shown at first: ``matrix``, ``composites``, ``blink`` or ``curtain``.
    folder
        Where saving starts; None where none is set.
    """

    device: str = "auto"
    precision: str = "auto"
    tile: int | None = None
    view: str = "matrix"
    folder: Path | None = None


def preferences() -> Preferences:
    """Return the user's preferences as they are now; the defaults where napari does not know the plugin."""
    try:
        settings = get_plugin_settings(PLUGIN).translate
    except KeyError:
        # the dock is used as a widget while the plugin is switched off
        return Preferences()
    return Preferences(
        settings.device,
        settings.precision,
        settings.tile or None,
        settings.view,
        Path(settings.folder) if settings.folder else None,
    )


class Choices(BaseModel):
    """What the user chose last.

    Attributes
    ----------
    checkpoint
        Bundled name or path.
    scope, view
        As `ScopeChooser` and the views name them.
    how
        The engine's translation settings per checkpoint: ``{"bbbc013-phendiff": {"strength": 0.36}}``.
    folder
        Where the user saved last.
    open_sections
        Which sections are open, by key.
    training
        The training dock's data set, engine, preset, and folder for runs.
    evaluation
        The evaluate dock's data set and checkpoint.
    """

    model_config = ConfigDict(frozen=True, extra="ignore")

    checkpoint: str | None = None
    scope: str | None = None
    view: str | None = None
    how: dict[str, dict[str, Any]] = {}
    folder: str | None = None
    open_sections: dict[str, bool] = {}
    training: dict[str, str | None] = {}
    evaluation: dict[str, str | None] = {}


def last_choices() -> Choices:
    """Return what was chosen last; a file that is not there or broken means that nothing was."""
    path = _path()
    if path is None:
        return Choices()
    try:
        return Choices.model_validate_json(path.read_bytes())
    except (OSError, ValidationError):
        return Choices()


def remember(**entries: Any) -> None:
    """Remember choices by their names in `Choices`; others stay, and dictionaries are merged.

    The file is read anew each time, so that a second napari loses at most the choice made in the same moment.
    """
    path = _path()
    if path is None:
        return
    before = last_choices().model_dump()
    for name, value in entries.items():
        before[name] = before[name] | value if isinstance(value, dict) else value
    text = Choices(**before).model_dump_json(indent=1)
    try:
        with replacing(path, overwrite=True) as temporary:
            temporary.write_text(text, encoding="utf-8")
    except (InputError, OSError):
        # A folder that cannot be written to: what was chosen counts for this session, and nobody needs to be told.
        return


def open_folders_here(ending: str) -> None:
    """Let napari open folders of this ending, which are our own, without asking who is to; a choice stands."""
    plugins, pattern = get_settings().plugins, f"*{ending}{os.sep}"
    if pattern not in plugins.extension2reader:
        plugins.extension2reader = {**plugins.extension2reader, pattern: PLUGIN}


def folder_to_write_to(wanted: Path) -> Path:
    """Return a folder, or the user's own where it is part of this package or cannot be written to."""
    package = Path(__file__).parents[2]
    there = next((path for path in (wanted, *wanted.parents) if path.exists()), wanted)
    if package in (wanted, *wanted.parents) or not os.access(there, os.W_OK):
        return Path.home() / HOME
    return wanted


def _path() -> Path | None:
    """Return the file beside napari's own; None where napari keeps nothing, or does not know the plugin."""
    try:
        settings = get_plugin_settings(PLUGIN).config_path
    except KeyError:
        return None
    return Path(settings).with_name(FILE) if settings else None
