"""What becomes of files that are not what they should be: ``python -m bench fuzz``.

Each mutated file is opened in a child process with bounded memory, which is replaced where it dies or takes too long.
What may happen is that it opens, or that one sentence refuses it by name.
"""

from __future__ import annotations

import resource
import shutil
import tempfile
import time
import traceback
import warnings
from collections import Counter
from dataclasses import dataclass
from multiprocessing import get_context
from pathlib import Path
from typing import TYPE_CHECKING

import click

from bench.reliability.mutations import mutate
from bench.reliability.verdict import end

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from multiprocessing.connection import Connection

    from bench.reliability.families import Family

GRACE_S = 60  # to import libraries and to make sound files, before the first answer
OPENED, REFUSED, UNNAMED, TRACEBACK, CRASH, HANG, MEMORY = (
    "opened", "refused", "refused without a name", "traceback", "crash", "hang", "memory",
)  # fmt: skip
GOOD = (OPENED, REFUSED)


@dataclass(frozen=True)
class Outcome:
    """What came of opening a mutated file: which family, seed and file, how it was changed, and what was said."""

    family: str
    seed: int
    outcome: str
    file: str = ""
    change: str = ""
    text: str = ""
    seconds: float = 0.0


@click.command()
@click.option("--each", default=500, show_default=True, help="Mutations of each kind of file.")
@click.option("--only", multiple=True, help="These kinds of files alone; all where none.")
@click.option("--first", default=0, show_default=True, help="Seed of the first mutation.")
@click.option("--seconds", default=10.0, show_default=True, help="That opening a file may take.")
@click.option("--memory", default=2000, show_default=True, help="Megabytes that opening a file may take.")
@click.option("--json", "out", type=click.Path(path_type=Path), help="Where to write what did not end well.")
def fuzz(each: int, only: tuple[str, ...], first: int, seconds: float, memory: int, out: Path | None) -> None:
    """Open mutated files of every kind; fails where one does not end in an image, a network, or a sentence."""
    with tempfile.TemporaryDirectory(prefix="phenotrans-fuzz-") as work:
        found = list(outcomes(Path(work), only, range(first, first + each), seconds, memory))
    bad = {
        f"{one.family}, seed {one.seed}, {one.file}, {one.change}: {one.outcome}. {one.text}": one
        for one in found
        if one.outcome not in GOOD
    }
    end(table(found), bad, {"each": each, "first": first, "counts": counts(found)}, out)


def outcomes(work: Path, only: Sequence[str], seeds: range, seconds: float, megabytes: int) -> Iterator[Outcome]:
    """Open every mutation in a child, and start another one where it did not answer."""
    opener = _Opener(work, megabytes)
    try:
        for family in only or opener.families():
            for seed in seeds:
                yield opener.open(family, seed, seconds)
    finally:
        opener.end()


class _Opener:
    """A child process that opens one file after another."""

    def __init__(self, work: Path, megabytes: int) -> None:
        self._work, self._megabytes = work, megabytes
        self._start()

    def _start(self) -> None:
        context = get_context("spawn")
        self._answers, theirs = context.Pipe()
        self._child = context.Process(target=serve, args=(theirs, self._work, self._megabytes), daemon=True)
        self._child.start()
        theirs.close()
        self._families: list[str] = self._answers.recv()

    def families(self) -> list[str]:
        return self._families

    def open(self, family: str, seed: int, seconds: float) -> Outcome:
        """Return what comes of a mutation; where nothing comes in time, or the child dies, that is the outcome."""
        self._answers.send((family, seed))
        try:
            if not self._answers.poll(seconds + (GRACE_S if not (self._work / family / "opened").exists() else 0)):
                self._child.kill()
                self._start()
                return Outcome(family, seed, HANG, text=f"nothing after {seconds:g} s")
            answer = self._answers.recv()
            if not isinstance(answer, Outcome):
                raise click.ClickException(f"{family}, seed {seed}: the bench itself failed.\n{answer}")
            return answer
        except (EOFError, ConnectionError):
            self._child.join()
            code = self._child.exitcode
            self._start()
            return Outcome(family, seed, CRASH, text=f"the process ended with {code}")

    def end(self) -> None:
        self._answers.send(None)
        self._child.join()


def serve(requests: Connection, work: Path, megabytes: int) -> None:
    """Open what is asked for until nothing is; runs in the child."""
    from bench.reliability.families import FAMILIES

    warnings.simplefilter("ignore")
    requests.send(list(FAMILIES))
    bounded = False
    while (asked := requests.recv()) is not None:
        family, seed = asked
        try:
            one = FAMILIES[family]
            if not (work / family / "opened").exists():
                make_sound(one, work / family)
            if not bounded:
                bound_memory(megabytes)
                bounded = True
            requests.send(try_one(family, one.open, one.which, work / family, seed))
        except Exception:  # noqa: BLE001 - a fault of this bench itself
            requests.send(traceback.format_exc())


def make_sound(family: Family, folder: Path) -> None:
    """Write what is to be mutated, and open it unchanged: what cannot be opened so would prove nothing."""
    sound = folder / "sound"
    shutil.rmtree(sound, ignore_errors=True)
    sound.mkdir(parents=True)
    family.open(family.make(sound))
    shutil.rmtree(sound)
    sound.mkdir()
    opened = family.make(sound).relative_to(sound)
    if not any(path.is_file() for path in sound.glob(family.which)):
        raise FileNotFoundError(f"{sound} holds no {family.which}")
    (folder / "opened").write_text(str(opened))


def bound_memory(megabytes: int) -> None:
    """Let this process take so much more memory than it has, and no more."""
    taken = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
    most = taken + megabytes * 10**6
    resource.setrlimit(resource.RLIMIT_AS, (most, most))


def try_one(family: str, open_one: Callable[[Path], object], which: str, folder: Path, seed: int) -> Outcome:
    """Change one file of a copy of what is sound, and open it."""
    from napari_phenotrans.core.errors import InputError

    copy = folder / "copy"
    shutil.rmtree(copy, ignore_errors=True)
    shutil.copytree(folder / "sound", copy)
    files = sorted(path for path in copy.glob(which) if path.is_file())
    file = files[seed % len(files)]
    change, changed = mutate(file.read_bytes(), seed)
    file.write_bytes(changed)
    name, text, began = str(file.relative_to(copy)), "", time.monotonic()
    try:
        open_one(copy / (folder / "opened").read_text())
        outcome = OPENED
    except InputError as error:
        text = str(error)
        # a run names the image that it does not find, which lies beside it
        outcome = REFUSED if file.name in text or str(folder.parent) in text else UNNAMED
        if "Traceback" in text or len(text) > 2000:
            outcome = TRACEBACK
    except MemoryError:
        outcome, text = MEMORY, traceback.format_exc(limit=-3)
    except Exception:  # noqa: BLE001 - whatever it is, it is what users would see
        outcome, text = TRACEBACK, traceback.format_exc(limit=-3)
    return Outcome(family, seed, outcome, name, change, text, time.monotonic() - began)


def counts(found: Sequence[Outcome]) -> dict[str, dict[str, int]]:
    """Return how often what happened, by family."""
    families = dict.fromkeys(one.family for one in found)
    return {name: dict(Counter(one.outcome for one in found if one.family == name)) for name in families}


def table(found: Sequence[Outcome]) -> list[str]:
    """Return a Markdown table: a line per family."""
    lines = ["| | mutations | opened | refused in a sentence | anything else | longest, s |", "|---" * 6 + "|"]
    for family, some in counts(found).items():
        longest = max(one.seconds for one in found if one.family == family)
        other = ", ".join(f"{number} {what}" for what, number in some.items() if what not in GOOD) or "0"
        good = " | ".join(str(some.get(what, 0)) for what in GOOD)
        lines.append(f"| {family} | {sum(some.values())} | {good} | {other} | {longest:.1f} |")
    return lines
