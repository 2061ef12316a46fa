"""Scores on the screen and in files."""

from __future__ import annotations

import csv
import dataclasses
import json

import pytest

from napari_phenotrans.core.errors import InputError
from napari_phenotrans.evaluation.evaluate import Evaluation
from napari_phenotrans.evaluation.score_table import table_lines, write_csv, write_json
from napari_phenotrans.metrics.picture import Row, Verdict
from napari_phenotrans.metrics.score_row import ScoreRow

ROWS = (
    ScoreRow("a → b", "kid", "profile", "", 0.12, 0.05, 0.2, -0.001, -0.01, 0.02, 0.9, 40, 8, 0.12),
    ScoreRow("a → b", "c2st", "profile", "DNA", 0.7, 0.6, 0.8, 0.5, 0.4, 0.6, 0.99, 20, 8, 0.72, 0.004),
    ScoreRow("a → b", "fid", "inception 2048", "", 1234.5678, n=20, groups=8, note="mostly bias"),
    ScoreRow("b → a", "fid", "profile", "DNA", n=3, note="mostly bias"),
)
EVALUATION = Evaluation(ROWS, ("KID is µ-sized.",), {"run": "R", "crop": 32})


def test_the_table_has_a_block_per_direction_and_extractor_and_its_notes_once():
    lines = table_lines(EVALUATION)
    text = "\n".join(lines)
    assert [line for line in lines if "features:" in line] == [
        "a → b · features: profile",
        "a → b · features: inception 2048",
        "b → a · features: profile",
    ]
    kid = next(line for line in lines if line.startswith("  kid"))
    assert kid.split("  ")[1:] and "0.050 to 0.200" in kid and kid.endswith("between copying and real")
    assert "p 0.004" in text
    assert text.count("mostly bias") == 1 and text.count("[1]") == 3
    assert lines[-1] == "note: KID is µ-sized."
    block = lines[1:4]
    assert len({line.index("profile") if "profile" in line else line.rstrip()[:0] for line in block}) == 1
    # numbers stand flush right, under their headings
    end = block[0].index("score") + len("score")
    assert all(line[end - 1].isdigit() for line in block[1:])


def test_files_hold_every_row_whole(tmp_path):
    write_csv(EVALUATION, tmp_path / "scores.csv")
    rows = list(csv.DictReader((tmp_path / "scores.csv").read_text(encoding="utf-8").splitlines()))
    assert [row["metric"] for row in rows] == ["kid", "c2st", "fid", "fid"]
    assert (rows[0]["low"], rows[0]["copy_source"], rows[0]["verdict"]) == ("0.05", "0.9", "between copying and real")
    assert rows[3]["value"] == ""
    write_json(EVALUATION, tmp_path / "scores.json")
    whole = json.loads((tmp_path / "scores.json").read_text(encoding="utf-8"))
    assert whole["about"] == {"run": "R", "crop": 32}
    assert whole["notes"] == ["KID is µ-sized."]
    assert whole["rows"][1]["p"] == 0.004


def test_files_that_exist_are_not_replaced_unasked(tmp_path):
    (tmp_path / "scores.csv").write_text("mine")
    with pytest.raises(InputError, match="exists already"):
        write_csv(EVALUATION, tmp_path / "scores.csv")
    assert (tmp_path / "scores.csv").read_text() == "mine"
    write_csv(EVALUATION, tmp_path / "scores.csv", overwrite=True)


def test_what_the_gate_says_stands_below_the_scores_and_in_the_file(tmp_path):
    rows = (
        Row("DNA", "lattice", 1.2, 2.0, passed=True),
        Row("GFP", "lattice", 3.84, 2.0, passed=False, sentence="leaves a fine grid"),
        Row("GFP", "ring", why="too few nuclei found"),
    )
    judged = dataclasses.replace(EVALUATION, pictures=(Verdict("a → b", rows),))
    lines = table_lines(judged)
    start = lines.index("pictures, a → b: do not pass")
    assert lines[start + 1] == "  GFP: leaves a fine grid."
    cells = [line.split() for line in lines[start + 2 : start + 5]]
    assert cells[0][:3] == ["channel", "lattice", "ring"]
    assert cells[1][:3] == ["DNA", "1.2", "–"]
    assert cells[2][:4] == ["GFP", "3.84", "!", "–"]
    write_json(judged, tmp_path / "scores.json")
    (written,) = json.loads((tmp_path / "scores.json").read_text(encoding="utf-8"))["pictures"]
    assert Verdict.from_dict(written) == judged.pictures[0]
