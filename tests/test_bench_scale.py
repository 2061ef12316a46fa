"""The benches of scale, reading and start at a tiny size; how fast anything was is no test's business."""

from __future__ import annotations

import json
import sys
from importlib import import_module
from typing import TYPE_CHECKING, Any

import pytest

from napari_phenotrans.io import read

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from click.testing import Result


def cells(text: str) -> dict[str, list[str]]:
    """Return a table's rows by their first cell."""
    rows = [[cell.strip() for cell in line.split("|")[1:-1]] for line in text.splitlines() if line.startswith("| ")]
    return {first: rest for first, *rest in rows}


# ---- scale


def test_every_size_is_translated_and_held_against_the_limits(
    bench: Callable[..., Result], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The processes are left out: what they do is in the next test."""
    seconds, memory = {"64": 0.02, "128": 0.04, "256": 0.16, "stack": 0.06, "series": 0.06}, {"256": 2.5, "series": 0.9}

    def translate(folder: Path, first: Path, image: Path, checkpoint: Path) -> dict[str, float]:
        assert all(path.exists() for path in (first, image, checkpoint))
        name = image.name.removesuffix(".ome.zarr")
        return {"seconds": seconds.get(name, 0.01), "memory_gb": memory.get(name, 0.5)}

    monkeypatch.setattr(import_module("bench.scale"), "_translate", translate)
    page, figures = tmp_path / "performance.md", tmp_path / "scale.json"
    page.write_text("# Performance\n\n## Scale\n\nold\n\n## Other\n\nBelow.\n")
    said = "--sizes", "64,128,256", "--planes", 3, "--repeats", 2, "--work", tmp_path, "--out", page, "--json", figures
    shown = bench("scale", *said)
    assert shown.exit_code == 0, shown.output
    result = json.loads(figures.read_text())
    assert {"commit", "date", "cpu", "cores", "threads", "torch"} <= result.keys()
    assert all(len(case["memory_gb"]) == 2 for case in result["cases"].values())
    text = page.read_text()
    assert "old" not in text
    assert text.endswith("## Other\n\nBelow.\n")
    rows = cells(text)
    # 4.88, 2.44 and 2.44 seconds per megapixel: the middle is half way between the least and the most
    assert [rows[f"{side} × {side}"][1] for side in (64, 128, 256)] == ["1.33", "0.67", "0.67"]
    assert list(rows)[4:] == ["Z-stack of 3 × 64 × 64", "time series of 3 × 64 × 64", "128 × 128, no network"]
    assert "within ± 15% (missed by 64 × 64, 128 × 128, 256 × 256)" in text
    assert "under 2 GB (missed by 256 × 256)" in text
    assert "one of its planes (missed by time series of 3 × 64 × 64)" in text
    assert str(tmp_path) not in shown.output + text + figures.read_text()


def test_a_translation_is_timed_and_its_memory_taken(
    bench: Callable[..., Result], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    scale, child = import_module("bench.scale"), import_module("bench.scale_child")
    first, image = scale.make_image(tmp_path / "a.ome.zarr", 40), scale.make_image(tmp_path / "b.ome.zarr", 70, "Z", 2)
    checkpoint = scale.make_checkpoint(tmp_path / "c.safetensors", "cyclegan", width=4, blocks=1)
    child.main(str(first), str(image), str(checkpoint), str(tmp_path / "out"))
    found = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert found["seconds"] > 0
    assert 0.05 < found["memory_gb"] < 100
    translated = read(tmp_path / "out" / "1" / "b_translated.ome.zarr")
    assert (translated.axes, translated.pixels.shape) == ("CZYX", (3, 2, 70, 70))


def test_sizes_that_are_no_numbers_are_refused(bench: Callable[..., Result]) -> None:
    shown = bench("scale", "--sizes", "1k")
    assert (shown.exit_code, "expected numbers" in shown.output) == (2, True)


# ---- reading


def test_a_stack_is_read_both_ways(bench: Callable[..., Result], tmp_path: Path) -> None:
    page, figures = tmp_path / "performance.md", tmp_path / "reading.json"
    shown = bench(
        "reading",
        "--gigabytes",
        0.01,
        "--side",
        256,
        "--repeats",
        1,
        "--work",
        tmp_path,
        "--out",
        page,
        "--json",
        figures,
    )
    assert shown.exit_code == 0, shown.output
    result = json.loads(figures.read_text())
    assert (result["planes"], result["gigabytes"]) == (25, pytest.approx(0.01, rel=0.05))
    assert {"commit", "date", "cpu", "cores", "tifffile"} <= result.keys()
    assert {"uncompressed", "zlib", "LZW"} == set(result["kinds"]) < set(cells(page.read_text()))
    assert str(tmp_path) not in shown.output + figures.read_text()


# ---- start


def test_commands_are_started_and_held_against_python(bench: Callable[..., Result], tmp_path: Path) -> None:
    page, figures = tmp_path / "performance.md", tmp_path / "start.json"
    shown = bench("start", "--repeats", 1, "--docks", 0, "--out", page, "--json", figures)
    assert shown.exit_code == 0, shown.output
    result = json.loads(figures.read_text())
    assert all(len(each) == 1 and each[0] > 0 for each in result["seconds"].values())
    assert {"Python alone", "`import napari_phenotrans`", "`phenotrans --help`"} < set(cells(page.read_text()))


def test_the_table_of_the_start_says_what_was_missed(bench: Callable[..., Result]) -> None:
    def table(imported: float, helped: float, opened: float) -> dict[str, list[str]]:
        seconds = {"Python alone": [0.02], "`import napari_phenotrans`": [imported], "`phenotrans --help`": [helped]}
        dock = {"seconds": opened, "modules": 100}
        facts = dict.fromkeys(("napari", "python", "cpu", "cores", "date", "commit"), "x")
        lines = import_module("bench.start").table(
            facts | {"repeats": 1, "seconds": seconds, "docks": [{"Train": dock}]}
        )
        return cells("\n".join(lines))

    fine = table(0.1, 0.2, 0.5)
    assert [row[-1].rpartition(": ")[2] for row in list(fine.values())[2:]] == ["held"] * 3
    slow = table(0.2, 0.3, 1.0)
    assert [row[-1].rpartition(": ")[2] for row in list(slow.values())[2:]] == ["missed by it"] * 3


@pytest.mark.skipif(
    sys.platform == "win32", reason="opening a window needs a display, which tests have under Xvfb only"
)
def test_a_dock_is_opened(bench: Callable[..., Result], tmp_path: Path) -> None:
    start, play = import_module("bench.start"), import_module("bench.gui").play
    found: dict[str, Any] = play("Train", {"dock": start.DOCKS["Train"]}, tmp_path, "bench.start_scene")
    assert found["seconds"] > 0
    assert not found["torch"]
