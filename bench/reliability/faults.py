"""What comes of runs and translations that are ended, starved and disturbed: ``python -m bench faults``.

The command line runs in forks of this process, which has imported everything already, so that a trial takes a moment.
After each fault the same command is run again, as a user would: the result has to be that of an undisturbed run, to
the byte, or a sentence has to say what to do; and nothing unfinished may lie about then.
"""

from __future__ import annotations

import errno
import hashlib
import os
import resource
import shutil
import signal
import sys
import tempfile
import time
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from random import Random
from typing import TYPE_CHECKING

import click

from bench.reliability.verdict import end

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    Before = Callable[[], None]

SAME, REFUSED, OTHER, TRACEBACK, LEFT, HANG, LET_IN = (
    "same result", "refused in a sentence", "another result", "traceback", "something unfinished is left", "hang",
    "two at once",
)  # fmt: skip
GOOD = (SAME, REFUSED)
PATIENCE_S = 120.0
POINTS = ("replace", "rename", "link", "fsync", "unlink", "mkdir")  # of the module os: what a disk sees
TRAIN = ("train", "images", "--engine", "shift", "--steps", "12", "--crop", "32", "--save-every", "3", "--out", "run")
TRAIN += ("--held-out-share", "0.5", "--score-every", "6")
RESUME = ("train", "--resume", "run")
TRANSLATE = ("translate", "images/healthy", "--checkpoint", "engine.safetensors", "--source", "healthy")
TRANSLATE += ("--target", "diseased", "--out", "results", "--overwrite")


@dataclass(frozen=True)
class Trial:
    """What came of a fault, and of the same command after it."""

    work: str
    fault: str
    at: str
    outcome: str
    text: str = ""


@dataclass(frozen=True)
class Work:
    """A command, what a user runs after it was interrupted, and the folder of its results.

    ``alone`` says whether no second one may work in that folder.
    """

    name: str
    words: tuple[str, ...]
    again: tuple[str, ...]
    results: str
    alone: bool


WORKS = (
    Work("training", TRAIN, RESUME, "run", alone=True),
    Work("translation", TRANSLATE, TRANSLATE, "results", alone=False),
)


@click.command()
@click.option("--moments", default=50, show_default=True, help="Random moments at which each work is killed.")
@click.option("--seed", default=0, show_default=True, help="Of these moments.")
@click.option(
    "--point",
    "points",
    type=click.Choice(POINTS),
    multiple=True,
    default=POINTS,
    help="Calls of the disk; all of them.",
)
@click.option(
    "--work", "works", type=click.Choice([work.name for work in WORKS]), multiple=True, help="This one alone."
)
@click.option("--json", "out", type=click.Path(path_type=Path), help="Where to write what did not end well.")
def faults(moments: int, seed: int, points: tuple[str, ...], works: tuple[str, ...], out: Path | None) -> None:
    """Kill, stop, starve and disturb trainings and translations; fails where something is lost or left."""
    with tempfile.TemporaryDirectory(prefix="phenotrans-faults-") as folder:
        found = []
        for trial in trials(Path(folder), moments, Random(seed), points, works):
            click.echo(f"{trial.work}, {trial.fault}, {trial.at}: {trial.outcome}", err=True)
            found.append(trial)
    bad = {
        f"{trial.work}, {trial.fault}, {trial.at}: {trial.outcome}. {trial.text}": trial
        for trial in found
        if trial.outcome not in GOOD
    }
    end(table(found), bad, {"moments": moments, "seed": seed, "points": points, "trials": len(found)}, out)


def trials(
    folder: Path, moments: int, rng: Random, points: Sequence[str], works: Sequence[str] = ()
) -> Iterator[Trial]:
    """Disturb both kinds of work, or those that are named, in every way."""
    prepare(folder / "sound")
    for work in (work for work in WORKS if work.name in (works or (work.name,))):
        bench = Disturbed(folder, work)
        yield from bench.killed_at_moments(moments, rng)
        yield from bench.killed_at_points(points)
        yield from bench.stopped()
        yield from bench.without_room()
        yield from bench.read_only()
        yield from bench.without_input()
        yield from bench.two_processes()


def prepare(folder: Path) -> None:
    """Write a data set and an engine's checkpoint, and import what commands need."""
    from napari_phenotrans.dataset.synthetic import write_dataset

    folder.mkdir(parents=True)
    write_dataset(folder / "images", 4, size=64)
    ended = run(folder, TRAIN)
    if ended.code:
        raise click.ClickException(f"The undisturbed training failed.\n{ended.text}")
    shutil.move(folder / "run/last.safetensors", folder / "engine.safetensors")
    shutil.rmtree(folder / "run")


# ---- a command in a fork


@dataclass(frozen=True)
class Ended:
    """How a command ended: its exit code, minus a signal's number where one ended it, and what it printed."""

    code: int
    text: str
    seconds: float


def run(folder: Path, words: Sequence[str], before: Before | None = None, kill_after: float | None = None) -> Ended:
    """Run the command line in a fork that works in ``folder``; ``before`` is called there first."""
    printed = folder / "printed.txt"
    began = time.monotonic()
    child = os.fork()
    if child == 0:
        code = 1
        try:
            code = _in_fork(folder, printed, words, before)
        finally:
            os._exit(code)
    if kill_after is not None:
        time.sleep(kill_after)
        os.kill(child, signal.SIGKILL)
    status = _wait(child)
    text = printed.read_text(errors="replace") if printed.exists() else ""
    printed.unlink(missing_ok=True)
    code = os.waitstatus_to_exitcode(status) if status is not None else -99
    return Ended(code, text, time.monotonic() - began)


def _in_fork(folder: Path, printed: Path, words: Sequence[str], before: Before | None) -> int:
    """Be the command ``phenotrans``; returns its exit code."""
    import torch

    from napari_phenotrans.cli.main import main

    os.chdir(folder)
    file = os.open(printed, os.O_CREAT | os.O_WRONLY | os.O_TRUNC)
    os.dup2(file, 1)
    os.dup2(file, 2)
    torch.set_num_threads(1)  # threads of the parent are not in a fork
    sys.argv = ["phenotrans", *words]
    if before:
        before()
    try:
        main()
    except SystemExit as end:
        return end.code if isinstance(end.code, int) else int(end.code is not None)
    except BaseException:  # noqa: BLE001 - as Python itself would end
        import traceback

        traceback.print_exc()
        return 1
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
    return 0


def _wait(child: int) -> int | None:
    """Return the status of a fork; None, and its end, where it does not come to one."""
    until = time.monotonic() + PATIENCE_S
    while time.monotonic() < until:
        done, status = os.waitpid(child, os.WNOHANG)
        if done:
            return status
        time.sleep(0.005)
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)
    return None


# ---- the faults


class Disturbed:
    """One kind of work, its undisturbed result, and the ways in which it is disturbed."""

    def __init__(self, folder: Path, work: Work) -> None:
        self._work, self._folder, self._sound = work, folder / work.name, folder / "sound"
        self._begin()
        ended = run(self._folder, work.words)
        if ended.code:
            raise click.ClickException(f"The undisturbed {work.name} failed.\n{ended.text}")
        self._seconds = ended.seconds
        self._result = digest(self._folder / work.results)

    def killed_at_moments(self, count: int, rng: Random) -> Iterator[Trial]:
        """Kill it at random moments of its time."""
        for _ in range(count):
            moment = rng.uniform(0, self._seconds)
            self._begin()
            run(self._folder, self._work.words, kill_after=moment)
            yield self._after("killed at a random moment", f"after {moment:.2f} s")

    def killed_at_points(self, points: Sequence[str]) -> Iterator[Trial]:
        """Kill it before each thing that it asks of the disk."""
        for point in points:
            for place in range(1000):
                self._begin()
                ended = run(self._folder, self._work.words, lambda p=point, n=place: die_at(p, n))
                if ended.code != -signal.SIGKILL:
                    break
                yield self._after("killed at a call of the disk", f"{point} {place}")

    def stopped(self) -> Iterator[Trial]:
        """Stop it by Ctrl+C and by SIGTERM, at calls of the disk spread over its time."""
        for number in (signal.SIGINT, signal.SIGTERM):
            for place in (0, 1, 2, 4, 8):
                self._begin()
                ended = run(self._folder, self._work.words, lambda n=place, s=number: signal_at("replace", n, s))
                yield self._after(f"stopped by {number.name}", f"replace {place}", ended)

    def without_room(self) -> Iterator[Trial]:
        """Let no file become larger than so many bytes, as a quota does; and let every write of a name fail once."""
        for size in (0, 100, 1000, 10_000, 100_000):
            self._begin()
            ended = run(self._folder, self._work.words, lambda s=size: limit_files(s))
            yield self._after("no room for files", f"above {size} bytes", ended)
        for place in range(1000):
            self._begin()
            fired = self._folder / "fired"
            ended = run(self._folder, self._work.words, lambda n=place, f=fired: fail_at(n, f))
            if not fired.exists():
                break
            fired.unlink()
            yield self._after("the disk is full once", f"replace {place}", ended)

    def read_only(self) -> Iterator[Trial]:
        """Give it a folder in which nothing can be written, by a file in its place."""
        self._begin()
        (self._folder / self._work.results).write_text("a file where the folder should be")
        ended = run(self._folder, self._work.words)
        (self._folder / self._work.results).unlink()
        yield self._after("a file in place of the folder", "", ended)

    def without_input(self) -> Iterator[Trial]:
        """Take an image away between two calls of the disk; it is back for the second attempt."""
        for place in (0, 1, 3):
            self._begin()
            image = sorted((self._folder / "images/healthy").iterdir())[-1]
            ended = run(self._folder, self._work.words, lambda n=place, i=image: take_away_at(n, i))
            shutil.copy(self._sound / "images/healthy" / image.name, image)
            yield self._after("an image vanishes", f"replace {place}", ended)

    def two_processes(self) -> Iterator[Trial]:
        """Begin the same command while it runs, in a process by whose clock it is another time."""
        for seconds, fault in (
            (0, "a second process"),
            (-5, "and the clock is set back"),
            (3600, "and is set forward"),
        ):
            for place in (1, 4):
                self._begin()
                second = self._folder.with_name("second")
                ended = run(
                    self._folder,
                    self._work.words,
                    lambda n=place, s=seconds, f=second: begin_second_at(n, self._folder, self._work.words, s, f),
                )
                code, _, text = second.read_text(errors="replace").partition("\n")
                second.unlink()
                yield self._together(fault, f"replace {place}", ended, int(code), text)

    def _together(self, fault: str, at: str, ended: Ended, code: int, text: str) -> Trial:
        """Say what came of two processes at once; ``code`` and ``text`` are the second one's."""
        outcome = SAME
        if "Traceback" in ended.text + text:
            outcome = TRACEBACK
        elif self._work.alone and code != 2:
            outcome = LET_IN
        elif ended.code or digest(self._folder / self._work.results) != self._result:
            outcome = OTHER
        elif leftovers(self._folder):
            outcome = LEFT
        return Trial(self._work.name, fault, at, outcome, (ended.text + text)[-1500:])

    def _begin(self) -> None:
        shutil.rmtree(self._folder, ignore_errors=True)
        shutil.copytree(self._sound, self._folder)

    def _after(self, fault: str, at: str, ended: Ended | None = None) -> Trial:
        """Run what a user runs after the fault, and say what came of both."""
        for each in [ended] if ended else []:
            if each.code == -99:
                return Trial(self._work.name, fault, at, HANG, each.text[-300:])
            if "Traceback" in each.text:
                return Trial(self._work.name, fault, at, TRACEBACK, each.text[-1500:])
        again = run(self._folder, self._work.again)
        refused = ""
        if again.code == 2 and self._work.again != self._work.words:
            # a run that ended before its first step cannot be resumed, and says so
            refused = again.text
            shutil.rmtree(self._folder / self._work.results, ignore_errors=True)
            again = run(self._folder, self._work.words)
        if again.code == -99:
            return Trial(self._work.name, fault, at, HANG, again.text[-300:])
        if "Traceback" in again.text + refused:
            return Trial(self._work.name, fault, at, TRACEBACK, (refused + again.text)[-1500:])
        if again.code or digest(self._folder / self._work.results) != self._result:
            return Trial(self._work.name, fault, at, OTHER, f"exit code {again.code}. {again.text[-300:]}")
        if left := leftovers(self._folder):
            return Trial(self._work.name, fault, at, LEFT, ", ".join(left))
        return Trial(self._work.name, fault, at, REFUSED if refused else SAME, refused.strip()[-300:])


def _at(point: str, place: int, act: Callable[[], None]) -> None:
    """Have the call of ``os`` with that number act first."""
    original, calls = getattr(os, point), [0]

    def disturbed(*arguments, **more):
        calls[0] += 1
        if calls[0] == place + 1:
            act()
        return original(*arguments, **more)

    setattr(os, point, disturbed)


def die_at(point: str, place: int) -> None:
    """Kill this process at a call of the disk."""
    _at(point, place, lambda: os.kill(os.getpid(), signal.SIGKILL))


def signal_at(point: str, place: int, number: signal.Signals) -> None:
    """Signal this process at a call of the disk."""
    _at(point, place, lambda: signal.raise_signal(number))


def fail_at(place: int, fired: Path) -> None:
    """Have a file's new name refused for want of room; ``fired`` is there afterwards."""

    def refuse() -> None:
        fired.touch()
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    _at("replace", place, refuse)


def take_away_at(place: int, image: Path) -> None:
    """Remove an image at a call of the disk."""
    _at("replace", place, lambda: image.unlink(missing_ok=True))


def begin_second_at(place: int, folder: Path, words: Sequence[str], seconds: float, said: Path) -> None:
    """Run the command in a second process at a call of the disk, and wait for it; ``said`` holds how it ended."""

    def begin() -> None:
        if (child := os.fork()) == 0:
            code = 1
            try:
                code = _in_fork(folder, said, words, lambda: set_clock(seconds))
            finally:
                said.write_text(f"{code}\n{said.read_text(errors='replace')}")
                os._exit(code)
        os.waitpid(child, 0)

    _at("replace", place, begin)


def set_clock(seconds: float) -> None:
    """Let it be later by so many seconds for this process; all others have begun later, too, then."""
    import psutil

    now, created = time.time, psutil.Process.create_time
    time.time = lambda: now() + seconds
    psutil.Process.create_time = lambda process: created(process) + seconds


def limit_files(size: int) -> None:
    """Let this process write no file beyond so many bytes; what it prints goes to where it went."""
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, size))


# ---- what is left


def digest(folder: Path) -> str:
    """Return a digest of the checkpoints and images in a folder, by name; a run's own notes of times are left out."""
    found = hashlib.sha256()
    for path in sorted(folder.rglob("*")):
        if path.name.endswith((".safetensors", ".ome.tif")) and ".part." not in path.name:
            found.update(str(path.relative_to(folder)).encode() + path.read_bytes())
    return found.hexdigest()


def leftovers(folder: Path) -> list[str]:
    """Return what should not lie there: unfinished files, and the lock of a run."""
    found = [path for path in folder.rglob("*") if ".part." in path.name or path.name == "lock"]
    return [str(path.relative_to(folder)) for path in found]


def table(found: Sequence[Trial]) -> list[str]:
    """Return a Markdown table: a line per work and fault."""
    lines = ["| | fault | trials | same result | refused, then the same | anything else |", "|---" * 6 + "|"]
    for work, fault in dict.fromkeys((trial.work, trial.fault) for trial in found):
        some = Counter(trial.outcome for trial in found if (trial.work, trial.fault) == (work, fault))
        other = ", ".join(f"{number} {what}" for what, number in some.items() if what not in GOOD) or "0"
        lines.append(f"| {work} | {fault} | {some.total()} | {some[SAME]} | {some[REFUSED]} | {other} |")
    return lines
