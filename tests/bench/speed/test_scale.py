"""The bench of scale at a tiny size; how fast anything was is no test's business."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from bench.speed import scale, scale_child
from napari_phenotrans.io import read

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    import pytest
    from click.testing import Result


def test_every_size_is_translated_and_held_against_the_limits(
    bench: Callable[..., Result],
    cells: Callable[[str], dict[str, list[str]]],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The processes are left out: what they do is in the next test."""
    seconds, memory = {"64": 0.02, "128": 0.04, "256": 0.16, "stack": 0.06, "series": 0.06}, {"256": 2.5, "series": 0.9}

    def translate(folder: Path, first: Path, image: Path, checkpoint: Path) -> dict[str, float]:
        assert all(path.exists() for path in (first, image, checkpoint))
        name = image.name.removesuffix(".ome.zarr")
        return {"seconds": seconds.get(name, 0.01), "memory_gb": memory.get(name, 0.5)}

    monkeypatch.setattr(scale, "_translate", translate)
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


def test_a_translation_is_timed_and_its_memory_taken(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    first, image = scale.make_image(tmp_path / "a.ome.zarr", 40), scale.make_image(tmp_path / "b.ome.zarr", 70, "Z", 2)
    checkpoint = scale.make_checkpoint(tmp_path / "c.safetensors", "cyclegan", width=4, blocks=1)
    scale_child.main(str(first), str(image), str(checkpoint), str(tmp_path / "out"))
    found = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert found["seconds"] > 0
    assert 0.05 < found["memory_gb"] < 100
    translated = read(tmp_path / "out" / "1" / "b_translated.ome.zarr")
    assert (translated.axes, translated.pixels.shape) == ("CZYX", (3, 2, 70, 70))


def test_sizes_that_are_no_numbers_are_refused(bench: Callable[..., Result]) -> None:
    shown = bench("scale", "--sizes", "1k")
    assert (shown.exit_code, "expected numbers" in shown.output) == (2, True)
