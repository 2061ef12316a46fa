"""The bench of evaluating at a tiny size: all is scored, and again from what was kept."""

from __future__ import annotations

import json

from click.testing import CliRunner

from bench.speed.evaluate import evaluate_bench


def test_it_names_what_takes_how_long(tmp_path):
    words = ["--crops", "41", "--crop", "16", "--channels", "1", "--resamples", "2"]
    words += ["--json", str(tmp_path / "it.json")]
    result = CliRunner().invoke(evaluate_bench, words, catch_exceptions=False)
    assert result.exit_code == 0
    figures = json.loads((tmp_path / "it.json").read_text())
    assert figures["same_rows_again"]
    assert figures["rows"] == 8 + 2  # KID and gap closed once more, background subtracted
    assert {"measuring crops: profile", "scoring c2st", "in all"} <= set(figures["seconds"])
    assert figures["again_seconds"] > 0
