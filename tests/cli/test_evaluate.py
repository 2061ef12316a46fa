"""``phenotrans evaluate`` as a user types it: folders, a tiny run, and what cannot go together."""

from __future__ import annotations

import json

import numpy as np
import pytest
from click.testing import CliRunner

from napari_phenotrans.cli import evaluate as cli_evaluate
from napari_phenotrans.cli.main import phenotrans
from napari_phenotrans.core.errors import InputError
from napari_phenotrans.core.image import Image
from napari_phenotrans.dataset.dataset import DataSet
from napari_phenotrans.engines import ENGINES
from napari_phenotrans.io import write
from napari_phenotrans.training.run import Run


def save(path, seed: int, shift: float = 0) -> None:
    path.parent.mkdir(exist_ok=True, parents=True)
    rng = np.random.default_rng(seed)
    coarse = rng.normal(120, 25, (2, 8, 8)).repeat(8, axis=1).repeat(8, axis=2)
    pixels = coarse + rng.normal(0, 5, (2, 64, 64)) + [[[0]], [[shift]]]
    write(Image(np.clip(pixels, 0, 255).astype(np.uint8), "CYX", channels=("DNA", "GFP")), path)


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    folder = tmp_path_factory.mktemp("data")
    for index in range(8):
        save(folder / "set" / "untreated" / f"u{index}.ome.tif", index)
        save(folder / "set" / "treated" / f"t{index}.ome.tif", 50 + index, 60)
        save(folder / "made" / f"u{index}_translated.ome.tif", index, 55)
    return folder


@pytest.fixture
def ask(monkeypatch, tmp_path):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))

    def invoke(*words) -> str:
        result = CliRunner().invoke(phenotrans, ["evaluate", *map(str, words)], standalone_mode=False)
        if result.exception:
            raise result.exception
        return result.output

    return invoke


def test_folders_give_a_table_and_files(ask, data, tmp_path):
    folders = ("--real", data / "set/treated", "--translated", data / "made", "--source", data / "set/untreated")
    said = ask(*folders, "--crop", 32, "--metrics", "kid,fid,c2st", "--out", tmp_path / "out")
    assert "features: profile" in said
    assert [line.split()[:2] for line in said.splitlines() if line.startswith("  kid")] == [
        ["kid", "all"], ["kid", "DNA"], ["kid", "GFP"],
    ] * 2  # fmt: skip
    assert "below 200 crops it is mostly bias" in said
    written = json.loads((tmp_path / "out/scores.json").read_text(encoding="utf-8"))
    # folders by their names: scores may leave this machine
    assert (written["about"]["real"], written["about"]["translated"]) == ("treated", "made")
    assert str(data) not in (tmp_path / "out/scores.json").read_text(encoding="utf-8")
    assert "features: profile, background subtracted" in said
    # the translations are noise with a shift, and the gate says what it sees of that
    assert "pictures: " in said
    assert [verdict["rows"][0]["channel"] for verdict in written["pictures"]] == ["DNA"]
    rows = {(row["metric"], row["channel"]): row for row in written["rows"] if row["features"] == "profile"}
    assert rows["kid", "GFP"]["verdict"] != "not shown to be better than copying"
    assert (tmp_path / "out/scores.csv").is_file()
    with pytest.raises(InputError, match="exists already"):
        ask(*folders, "--out", tmp_path / "out")


@pytest.fixture(scope="module")
def run_folder(data, tmp_path_factory):
    training, held_out = DataSet.open(data / "set", ("untreated", "treated")).split(0.5)
    settings = ENGINES["shift"].settings.make(steps=2, crop=32, batch=1, save_every=2, score_every=0)
    run = Run(tmp_path_factory.mktemp("runs") / "run", training, "shift", settings, held_out)
    list(run.events())
    return run.folder


def test_a_run_is_scored_in_both_directions_on_its_held_out_fields(ask, run_folder, tmp_path):
    said = ask("--run", run_folder, "--metrics", "kid,gap closed", "--resamples", 20, "--out", tmp_path / "out")
    assert "untreated → treated · features: profile" in said
    assert "treated → untreated · features: profile" in said
    written = json.loads((tmp_path / "out/scores.json").read_text(encoding="utf-8"))
    assert written["about"]["checkpoint"] == "last.safetensors"
    assert written["about"]["engine"] == "shift"
    assert {row["groups"] for row in written["rows"]} == {4}
    # the shift of the mean is all that these conditions differ by
    gap = next(r for r in written["rows"] if (r["metric"], r["channel"]) == ("gap closed", "GFP"))
    assert gap["value"] > 0.5 > gap["copy_source"] == 0


def test_some_fields_of_a_run_are_enough_and_said(ask, run_folder):
    said = ask("--run", run_folder, "--fields", 3, "--metrics", "kid", "--resamples", 0, "--no-cache")
    assert "3 of 4 held-out fields of treated are used." in said


def test_a_run_without_the_checkpoint_or_held_out_fields_is_refused(ask, run_folder, data, tmp_path):
    with pytest.raises(InputError, match=r"no checkpoint step-5.*step-5\.safetensors.*--checkpoint"):
        ask("--run", run_folder, "--checkpoint", "step-5")
    settings = ENGINES["shift"].settings.make(steps=1, crop=32, batch=1, save_every=1)
    run = Run(tmp_path / "run", DataSet.open(data / "set", ("untreated", "treated")), "shift", settings)
    list(run.events())
    with pytest.raises(InputError, match="without held-out fields"):
        ask("--run", run.folder)
    with pytest.raises(InputError, match=r"run\.json"):
        ask("--run", tmp_path)


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ((), "What is to be scored"),
        (("--real", "a"), "--real and --translated"),
        (("--run", "r", "--real", "a", "--crop", 64), "--real, --crop do not go with --run"),
        (("--real", "a", "--translated", "b", "--fields", 2), "--fields does not go with folders"),
    ],
)
def test_what_does_not_go_together_is_named(ask, words, said):
    with pytest.raises(InputError, match=said):
        ask(*words)


def test_help_names_every_metric_and_extractor(ask):
    said = " ".join(ask("--help").split())
    for name in (*cli_evaluate.METRICS, *cli_evaluate.EXTRACTORS):
        assert name in said


def test_where_it_writes_is_tried_before_anything_is_read(ask, tmp_path):
    (tmp_path / "file").write_text("no folder")
    with pytest.raises(InputError, match=r"cannot be written to .*file is no folder"):
        ask("--real", tmp_path / "nowhere", "--translated", tmp_path / "nowhere", "--out", tmp_path / "file" / "out")
