"""Starting trainings in processes of their own, which outlive the one that started them, and stopping them."""

from __future__ import annotations

import json
import os
import shlex
import subprocess
import sys
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import psutil

from napari_phenotrans.core.errors import InputError
from napari_phenotrans.core.settings import NO_NAME, flag
from napari_phenotrans.engines import engine_entry
from napari_phenotrans.io.atomic import replacing
from napari_phenotrans.runs.family import family_of
from napari_phenotrans.runs.lock import Owner, read_owner, refuse_living
from napari_phenotrans.runs.paths import (
    COMMAND,
    DECIDED,
    OUTPUT,
    REPORT,
    STARTING,
    STATE,
    STOP,
    last_words,
    refuse_links,
)
from napari_phenotrans.runs.record import read_decided

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from napari_phenotrans.core.settings import TrainingSettings
    from napari_phenotrans.dataset.held_out_choice import HeldOutChoice

_TRAINING = ("-m", "napari_phenotrans", "train")  # how the command line of one goes on
NICENESS = 10  # of a training, so that other programs come first
# Processes that were started here: each is polled when the next one starts, so that no zombie stays.
_started: list[subprocess.Popen[bytes]] = []


@dataclass(frozen=True, eq=False)
class Child:
    """A process of ``phenotrans`` that was started here and goes on by itself.

    Parameters
    ----------
    process
        The process; it is polled, never waited for.
    arguments
        Those after ``phenotrans``.
    folder
        Where its output goes.
    """

    process: subprocess.Popen[bytes]
    arguments: tuple[str, ...]
    folder: Path

    def poll(self) -> int | None:
        """Return its exit code; None while it runs."""
        return self.process.poll()

    def last_message(self) -> str:
        """Return its error, or else the last line that it wrote; empty where it wrote none."""
        return last_words(self.folder / OUTPUT)

    def cancel(self) -> None:
        """End it at once, with nothing saved."""
        if self.poll() is None:
            self.process.terminate()


@dataclass(frozen=True, eq=False)
class Estimate(Child):
    """The process that checks a data set and tries a few steps."""

    def report(self) -> dict[str, Any] | None:
        """Return what ``train --dry-run --report`` wrote, see `cli.train`; None while it runs.

        Raises
        ------
        InputError
            If it ended without a report.
        """
        code = self.poll()
        if code is None:
            return None
        try:
            report: dict[str, Any] = json.loads((self.folder / REPORT).read_bytes())
        except (OSError, ValueError) as error:
            raise InputError(self.last_message() or f"The trial ended with code {code} and without a word.") from error
        return report


# ---- the command


def train_arguments(
    dataset: str | Path | None,
    engine: str,
    out: str | Path | None,
    settings: Mapping[str, Any],
    *,
    preset: str | None = None,
    held_out: HeldOutChoice | None = None,
    from_: str | Path | None = None,
) -> list[str]:
    """Return the arguments after ``phenotrans`` that train so; `command_line` makes a line for a shell of them.

    Parameters
    ----------
    dataset
        Data set folder; None takes that of ``from_``.
    engine
        Name in `ENGINES`.
    out
        The run folder to make; None for an `estimate`.
    settings
        Of that engine, by their names; those that are as they would be anyway are left out.
    preset
        Name of the preset that ``settings`` were made from.
    held_out
        What training must not see; the command's own default where None.
    from_
        A run folder or its ``run.json``, whose data set and settings are taken where no others are given.

    Raises
    ------
    InputError
        If a setting is unknown or cannot be typed.
    """
    settings_class = engine_entry(engine).settings
    if unknown := set(settings) - set(settings_class.model_fields):
        raise InputError(f"{', '.join(map(flag, sorted(unknown)))}: no setting of the engine {engine}. Leave it out.")

    arguments = ["train"] + ([str(dataset)] if dataset is not None else []) + ["--engine", engine]
    for name, value in (
        ("--preset", preset), ("--from", from_), ("--out", out), ("--held-out", held_out and held_out.folder),
    ):  # fmt: skip
        arguments += [] if value is None else [name, str(value)]
    if held_out and held_out.groups:
        arguments += ["--held-out-groups", _join_names("--held-out-groups", held_out.groups)]
    elif held_out and not held_out.folder:
        arguments += ["--held-out-share", f"{held_out.share:g}"]
    if held_out and held_out.by:
        arguments += ["--split-by", held_out.by]

    defaults = _command_defaults(settings_class, engine, preset, from_)
    for name, value in settings_class.make(**(defaults | dict(settings))).model_dump().items():
        if value == defaults[name]:
            continue
        extra = settings_class.model_fields[name].json_schema_extra
        if value is None or (isinstance(extra, dict) and not extra.get("cli", True)):
            raise InputError(
                f"{flag(name)} cannot be set to {value!r} by a command. Load it from a run (--from) or a preset."
            )
        arguments += [flag(name), _join_names(flag(name), value) if isinstance(value, tuple) else str(value)]
    return arguments


def _command_defaults(
    settings_class: type[TrainingSettings], engine: str, preset: str | None, from_: str | Path | None
) -> dict[str, Any]:
    """Return the settings that the command takes by itself: the defaults, those of a run, those of a preset."""
    values = settings_class.make().model_dump()
    if from_ is not None:
        path = Path(from_)
        decided = read_decided(path if path.name == DECIDED else path / DECIDED)
        if decided["engine"] == engine:
            values |= settings_class.make(**decided["settings"]).model_dump()
    if preset is not None:
        of_preset = settings_class.presets[preset]
        values |= settings_class.make(**of_preset).model_dump(include=set(of_preset))
    return values


def command_line(arguments: Sequence[str]) -> str:
    """Return arguments as a line for this system's shell: ``phenotrans train …``."""
    command = ["phenotrans", *arguments]
    return subprocess.list2cmdline(command) if sys.platform == "win32" else shlex.join(command)


# ---- its process


def start_training(arguments: Sequence[str], folder: str | Path) -> Child:
    """Start a training that goes on when this process ends.

    It has a session of its own and lower priority; what it says goes into ``output.txt`` in the run folder. Whoever
    watches the folder sees it start, and why if it does not. Returns at once.

    Parameters
    ----------
    arguments
        As `train_arguments` makes them, with the run folder for ``--out``.
    folder
        The run folder; is made.

    Raises
    ------
    InputError
        If a process is at work in the folder, or it holds a run already, or cannot be written to.
    """
    folder = Path(folder)
    _refuse_starting(folder)
    if (folder / DECIDED).exists() and "--resume" not in arguments:
        raise InputError(f"{folder} holds a run already. Choose another folder, or go on with that run.")
    child = Child(_spawn(arguments, folder), tuple(arguments), folder)
    with replacing(folder / STARTING, overwrite=True) as temporary:
        temporary.write_text(json.dumps(Owner.of(child.process.pid).as_json()), encoding="utf-8")
    return child


def continue_training(folder: str | Path, steps: int | None = None) -> Child:
    """Go on with a run folder in a process of its own, up to ``steps`` where there are to be more of them.

    With a training of a family its whole family goes on, unless there are to be more steps.

    Raises
    ------
    InputError
        If a process is at work in the folder, or there is nothing to go on from.
    """
    folder = Path(folder)
    if not (folder / STATE).is_file():
        raise InputError(
            f"{folder} cannot be resumed: it has no {STATE}. It ended before its first step, or the file was removed. "
            f"Start anew, with the settings of its {DECIDED}."
        )
    if steps is None and (family := family_of(folder)):
        # those that wait for this one would wait forever
        _refuse_starting(folder)
        folder = family.folder
    more = [] if steps is None else ["--steps", str(steps)]
    return start_training(["train", "--resume", str(folder), *more], folder)


def request_stop(folder: str | Path) -> None:
    """Ask the training in a folder to save and end within one step; end one at once that has not begun.

    Raises
    ------
    InputError
        If the folder cannot be written to.
    """
    folder = Path(folder)
    starting = read_owner(folder / STARTING)
    try:
        if starting and starting.here and not starting.is_running():
            (folder / STARTING).unlink(missing_ok=True)
        elif starting and starting.here and _trains_in(starting, folder):
            # one that has not trained yet has nothing to save
            with suppress(psutil.NoSuchProcess):
                psutil.Process(starting.pid).terminate()
            (folder / STARTING).unlink(missing_ok=True)
        else:
            refuse_links(folder)
            (folder / STOP).touch()
    except OSError as error:
        raise InputError(
            f"The training in {folder} cannot be asked to stop: {error.strerror or error}. Check that the folder is "
            f"there and may be written to."
        ) from error


def estimate(arguments: Sequence[str], folder: str | Path) -> Estimate:
    """Check a data set and try a few steps, in a process of its own.

    Parameters
    ----------
    arguments
        As `train_arguments` makes them.
    folder
        Takes report and output; to be thrown away afterwards.
    """
    folder = Path(folder)
    (folder / REPORT).unlink(missing_ok=True)
    trial_arguments = (*arguments, "--dry-run", "--report", str(folder / REPORT))
    return Estimate(_spawn(trial_arguments, folder), trial_arguments, folder)


def _join_names(option: str, names: Sequence[str]) -> str:
    """Return names as they are typed; an empty list is ``none``."""
    if split := [name for name in names if "," in name or name != name.strip()]:
        raise InputError(
            f"{option} takes names separated by commas, so {split[0]!r} cannot be one of them. Rename it in the images."
        )
    return ",".join(names) or NO_NAME


def _refuse_starting(folder: Path) -> None:
    """Refuse a folder in which a process trains, or is about to."""
    refuse_living(folder)
    starting = read_owner(folder / STARTING)
    if starting and starting.here and _trains_in(starting, folder):
        raise InputError(
            f"A training is being started in {folder} right now by process {starting.pid}. Wait until it trains, or "
            f"stop it first."
        )


def _trains_in(owner: Owner, folder: Path) -> bool:
    """Return whether a process of this machine runs, and is a training of this program for this folder.

    A file may name any process: what counts is what the process itself says.
    """
    if not owner.is_running():
        return False
    try:
        process = psutil.Process(owner.pid)
        words, at = process.cmdline(), Path(process.cwd())
    except (psutil.Error, OSError):
        return False
    is_training = any(tuple(words[i : i + 3]) == _TRAINING for i in range(len(words)))
    return is_training and any((at / word).resolve() == folder.resolve() for word in words[1:])


def _spawn(arguments: Sequence[str], folder: Path) -> subprocess.Popen[bytes]:
    """Start ``phenotrans`` in a session of its own, with its output in the folder and lower priority."""
    command = [sys.executable, "-m", "napari_phenotrans", *arguments]
    own_session: dict[str, Any] = {"start_new_session": True}
    if sys.platform == "win32":
        flags = subprocess.CREATE_NEW_PROCESS_GROUP | subprocess.CREATE_NO_WINDOW
        own_session = {"creationflags": flags | subprocess.BELOW_NORMAL_PRIORITY_CLASS}
    try:
        folder.mkdir(parents=True, exist_ok=True)
        refuse_links(folder)
        with (folder / OUTPUT).open("ab") as output:
            output.write(f"{COMMAND}{command_line(arguments)}\n".encode())
            output.flush()
            process = subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                env=os.environ | {"PYTHONUNBUFFERED": "1", "PYTHONIOENCODING": "utf-8"},
                **own_session,
            )
    except OSError as error:
        raise InputError(
            f"No process could be started in {folder}: {error.strerror or error}. Check that the folder may be "
            f"written to and that the disk has room."
        ) from error
    _started[:] = [other for other in _started if other.poll() is None] + [process]
    if sys.platform != "win32":
        # threads that it starts later, torch's among them, inherit it
        with suppress(ProcessLookupError):
            os.setpriority(os.PRIO_PROCESS, process.pid, max(NICENESS, os.getpriority(os.PRIO_PROCESS, 0)))
    return process
