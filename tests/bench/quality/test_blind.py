"""Sheets of shuffled crops with their key, and guesses counted against it."""

from __future__ import annotations

import csv
from typing import TYPE_CHECKING

import numpy as np
from click.testing import CliRunner
from matplotlib.image import imread

from bench.quality import blind as module
from bench.quality.blind import blind, told
from bench.quality.picture import Fields
from napari_phenotrans.checkpoints.checkpoint import bundled

if TYPE_CHECKING:
    from pathlib import Path

    import pytest


def test_half_of_a_sheet_is_translated_and_its_key_says_which(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    name = next(each for each in bundled() if each.startswith("bbbc013"))
    rng = np.random.default_rng(0)
    noise = {condition: [rng.normal(50, 20, (2, 120, 120)) for _ in range(3)] for condition in ("a", "b")}
    white = {s: {t: [np.full((2, 120, 120), 999.0) + rng.normal(0, 99, (2, 120, 120))] for t in noise} for s in noise}
    monkeypatch.setattr(module, "fields_for", lambda *_: Fields("drawn", noise, noise, False, None))  # type: ignore[arg-type]
    monkeypatch.setattr(module, "translate_fields", lambda *_: white)
    said = CliRunner().invoke(blind, [name, "--out", str(tmp_path), "--count", "12", "--enlarge", "1"])
    assert said.exception is None, said.output
    with (tmp_path / "key.csv").open(encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    assert sorted(row["kind"] for row in rows) == ["real"] * 6 + ["translated"] * 6
    assert sorted(row["condition"] for row in rows) == ["a"] * 6 + ["b"] * 6
    sheet = imread(tmp_path / "sheet.png")[..., 0]
    for row in rows:
        top, left = (int(row["row"]) - 1) * 196, (int(row["column"]) - 1) * 100
        assert (sheet[top : top + 96, left : left + 96].mean() > 0.95) == (row["kind"] == "translated")

    guesses = tmp_path / "guesses.txt"
    *right, last = (row["kind"][0] for row in rows)
    guesses.write_text("".join(right) + "\n" + {"r": "t", "t": "r"}[last])
    counted = CliRunner().invoke(told, [str(tmp_path / "key.csv"), str(guesses)])
    assert counted.output.startswith("11 of 12 right: 0.92 [0.65, 0.99], 0.5 is chance")
    guesses.write_text("rrt")
    refused = CliRunner().invoke(told, [str(tmp_path / "key.csv"), str(guesses)])
    assert "has 3 letters, one per crop is expected: 12" in refused.output
