"""Whether memory, open files and threads stay what they are under load: ``python -m bench load``."""

from __future__ import annotations

import json
import tempfile
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
import numpy as np

from bench.common.display import needs_display, play
from bench.common.paired import circumstances
from bench.reliability.looks import LOOKS, Look, look

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

CALLS_PER_FILE = 10


@dataclass(frozen=True)
class Load:
    """What was repeated, how long it took, and what the process held meanwhile; the first look is after a warm-up."""

    name: str
    count: int
    seconds: float
    looks: tuple[Look, ...]

    def slope(self, what: str) -> float:
        """Return how much more there is for 1000 repetitions, by a line through the looks."""
        if len(self.looks) < 2:
            return 0.0
        values = [getattr(each, what) for each in self.looks]
        return 1000 * float(np.polyfit([each.after for each in self.looks], values, 1)[0])


@click.command()
@click.option("--files", default=1000, show_default=True, help="Images of the batch; ten times as many calls.")
@click.option("--fields", default=5000, show_default=True, help="Files of the data set.")
@click.option("--lines", default=200_000, show_default=True, help="Of events.jsonl.")
@click.option(
    "--viewers", default=100, show_default=True, help="Viewers with docks that are opened and closed; 0: none."
)
@click.option("--json", "out", type=click.Path(path_type=Path), help="Write everything down here.")
def load(files: int, fields: int, lines: int, viewers: int, out: Path | None) -> None:
    """Translate many files, call often, open large data sets and runs, open and close viewers: what grows?"""
    if viewers:
        needs_display("load")
    with tempfile.TemporaryDirectory(prefix="phenotrans-load-") as name:
        work = Path(name)
        found = [
            translated(work, files),
            called(work, CALLS_PER_FILE * files),
            opened_dataset(work, fields),
            opened_events(work, lines),
        ]
        if viewers:
            scene = play("viewers", {"count": viewers}, work, "bench.reliability.load_scene")
            looks = tuple(Look(**each) for each in scene["looks"])
            found.append(Load("viewers with all docks, opened and closed", viewers, scene["seconds"], looks))
    click.echo("\n".join(table(found)))
    if out:
        out.write_text(
            json.dumps({"circumstances": circumstances(), "loads": [asdict(each) for each in found]}, indent=1)
        )


def repeated(name: str, steps: Iterator[Any], count: int) -> Load:
    """Go through ``count`` steps; look ten times, the first time after a tenth of them, which may fill caches."""
    looks, every, began = [], max(1, count // LOOKS), time.monotonic()
    for number, _ in enumerate(steps, start=1):
        if number % every == 0:
            looks.append(look(number))
    return Load(name, count, time.monotonic() - began, tuple(looks))


def checkpoint_in(work: Path) -> Path:
    """Write the smallest engine there is."""
    from napari_phenotrans.checkpoints.checkpoint import Card, Checkpoint
    from napari_phenotrans.engines import engine_entry

    path = work / "shift.safetensors"
    if not path.exists():
        entry, conditions = engine_entry("shift"), ("untreated", "treated")
        settings = entry.settings.make(crop=32)
        card = Card(
            engine="shift", settings=settings.model_dump(mode="json"), conditions=conditions, channels=("DAPI", "PH3"),
            low=(0.0, 0.0), high=(4000.0, 4000.0), crop=32,
        )  # fmt: skip
        Checkpoint.of(entry.load()(settings, 2, conditions), card).save(path)
    return path


def image(number: int = 0) -> Any:
    """Return an image of two channels."""
    from napari_phenotrans.core.image import Image

    pixels = np.random.default_rng(number).integers(0, 4000, (2, 64, 64)).astype(np.uint16)
    return Image(pixels, "CYX", ("DAPI", "PH3"), 0.65, "µm")


def translated(work: Path, count: int) -> Load:
    """Translate many files in one batch."""
    from napari_phenotrans.io import write
    from napari_phenotrans.translation.batch import FileDone, FilesRequest, translate_files
    from napari_phenotrans.translation.request import TranslationRequest
    from napari_phenotrans.translation.translate import Translator

    paths = [work / "many" / f"{number:05}.ome.tif" for number in range(count)]
    for number, path in enumerate(paths):
        write(image(number), path)
    request = FilesRequest(paths, work / "results", TranslationRequest(source="untreated", target="treated"))
    events = translate_files(request, Translator(checkpoint_in(work), device="cpu"))
    return repeated("files of a batch", (event for event in events if isinstance(event, FileDone)), count)


def called(work: Path, count: int) -> Load:
    """Call the Python interface often."""
    from napari_phenotrans.translation.translate import Translator, translate_image

    translator, one = Translator(checkpoint_in(work), device="cpu"), image()
    calls = (translate_image(one, translator, source="untreated", target="treated") for _ in range(count))
    return repeated("calls of translate_image", calls, count)


def opened_dataset(work: Path, count: int) -> Load:
    """Open a data set of many files once."""
    from napari_phenotrans.dataset.dataset import DataSet
    from napari_phenotrans.io import write

    for number in range(count):
        write(image(), work / "dataset" / ("untreated", "treated")[number % 2] / f"{number:05}.ome.tif")
    return once("files of a data set, opened", count, lambda: DataSet.open(work / "dataset"))


def opened_events(work: Path, count: int) -> Load:
    """Open a run with a long history."""
    from napari_phenotrans.runs.monitor import RunWatch

    folder, rng = work / "run", np.random.default_rng(0)
    folder.mkdir()
    about = {"event": "Started", "step": 0, "steps": count, "device": "cpu", "fields": {"a": 1}, "held_out": {}}
    with (folder / "events.jsonl").open("w") as file:
        file.write(json.dumps(about | {"time": 1e9}) + "\n")
        for step in range(1, count):
            losses = dict(zip(("cycle", "identity", "adversarial"), rng.random(3).tolist(), strict=True))
            file.write(json.dumps({"event": "Losses", "step": step, "losses": losses, "time": 1e9 + step}) + "\n")
    return once("lines of a run's events, opened", count, lambda: RunWatch(folder).poll())


def once(name: str, count: int, work: Callable[[], object]) -> Load:
    """Do something once; CPU seconds."""
    began = time.process_time()
    work()
    return Load(name, count, time.process_time() - began, ())


def table(found: list[Load]) -> list[str]:
    """Return a Markdown table: a line per load."""
    heads = ("", "count", "seconds", "memory at the end, MB", "MB more per 1000", "files", "threads", "widgets")
    lines = [f"| {' | '.join(heads)} |", "|---" * len(heads) + "|"]
    for one in found:
        row = [one.name, f"{one.count}", f"{one.seconds:.1f}", "–", "–", "–", "–", "–"]
        if one.looks:
            last = one.looks[-1]
            slopes = [f"{one.slope(what):+.1f}" for what in ("megabytes", "files", "threads", "widgets")]
            row[3:] = [f"{last.megabytes:.0f}", *slopes]
        lines.append(f"| {' | '.join(row)} |")
    return lines
