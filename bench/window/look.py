"""How soon the strength slider shows a picture: ``python -m bench look``."""

from __future__ import annotations

import tempfile
from importlib.metadata import version
from pathlib import Path
from typing import Any

import click

from bench.common.display import needs_display, play
from bench.common.paired import circumstances
from bench.common.writing import PERFORMANCE, met, publish, spread
from napari_phenotrans.io.samples import SAMPLES

# By checkpoint, the sample that the slider is moved over.
LOOKS = {
    "bbbc013-phendiff": SAMPLES["bbbc013-untreated"],
    "bbbc013-flow": SAMPLES["bbbc013-untreated"],
    "synthetic-organoids-flow": SAMPLES["synthetic-organoid-healthy"],
}
WANTED_S = 2.0
HEADING = "## A look while the strength slider moves"
PLAYED = "bench.window.look_scene"


@click.command()
@click.option("--repeats", type=click.IntRange(1), default=3, show_default=True, help="Fresh windows per checkpoint.")
@click.option("--only", type=click.Choice(sorted(LOOKS)), multiple=True, help="Only this checkpoint.")
@click.option("--out", type=click.Path(path_type=Path), default=PERFORMANCE, show_default=True)
@click.option("--json", "json_file", type=click.Path(path_type=Path), help="File to write all figures to.")
def look(repeats: int, only: tuple[str, ...], out: Path, json_file: Path | None) -> None:
    """Seconds from the slider to a picture of the view's center, for the bundled denoisers.

    Needs a display: xvfb-run -a -s "-screen 0 1600x1200x24" python -m bench look
    """
    needs_display("look")
    result: dict[str, Any] = {"bench": "look", "repeats": repeats, "looks": {}}
    with tempfile.TemporaryDirectory() as folder:
        for turn in range(repeats):
            for name in only or LOOKS:
                sample = LOOKS[name]
                orders = {
                    "image": str(sample.path),
                    "checkpoint": name,
                    "conditions": [sample.condition, sample.target],
                }
                played = play("look", orders, Path(folder), PLAYED)
                result["looks"].setdefault(name, []).append(played)
                fresh, there = played["fresh window"], played["layers there"]
                click.echo(
                    f"round {turn + 1}, {name}: {fresh['quick_s']:.2f} s in a fresh window, {there['quick_s']:.2f} s "
                    f"with its layers there; exact {fresh['exact_s']:.1f} and {there['exact_s']:.1f} s"
                )
    result |= circumstances() | {"napari": version("napari")}
    publish(table(result), result, out, json_file)


def table(result: dict[str, Any]) -> list[str]:
    """Return the section of the documentation."""
    lines = [
        HEADING,
        "",
        f"`python -m bench look`: seconds in a fresh napari {result['napari']} whose engine is read, from a move of "
        "the slider until pixels of the view's center are drawn; then from letting go until the crop is what the plane "
        f"will show there ({result['repeats']} windows; median, least and most).",
        "",
        "| checkpoint | crop | first look | with its layers there | after a key | as it will be | the same, again |",
        "|---|---|---|---|---|---|---|",
    ]
    late = []
    for name, some in result["looks"].items():
        first = [one["fresh window"]["quick_s"] for one in some]
        rest = (
            [one["layers there"]["quick_s"] for one in some],
            [one["key"]["quick_s"] for one in some],
            [one["fresh window"]["exact_s"] for one in some],
            [one["layers there"]["exact_s"] for one in some],
        )
        height, width = some[0]["crop"]
        cells = [spread(first), *(spread(seconds) for seconds in rest)]
        lines.append(f"| `{name}` | {height} × {width} | {' | '.join(cells)} |")
        late += [name] if max(first) >= WANTED_S else []
    lines += [
        "",
        f"Wanted: the first look within {WANTED_S:.0f} s ({met(late)}).",
        "",
        f"{result['cpu']}, {result['cores']} cores, {result['threads']} threads, torch {result['torch']}, "
        f"{str(result['date'])[:10]}, commit {result['commit']}.",
    ]
    return lines
