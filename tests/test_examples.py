"""The examples: each is listed, says what it is, and runs without being told anything."""

from __future__ import annotations

import ast
import json
import runpy
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
EXAMPLES = ROOT / "examples"
SCRIPTS = sorted(EXAMPLES.glob("*.py"))
NOTEBOOK = EXAMPLES / "first_translation.ipynb"
# Less than what they do by themselves; what a script says at its end.
SMALLER = {
    "from_another_plugin": (["--side", "96"], "would lose protein"),
    "kept_channels": (["--side", "96", "--samples", "2"], "DNA is the same bit for bit: True"),
    "own_engine": (["--steps", "2"], "of the gap closed"),
    "phenotype_report": (["--count", "3", "--size", "128"], "measurements of nuclei"),
    "train_on_two_folders": (["--steps", "2", "--count", "4", "--width", "8"], "of the gap closed"),
    "translate_a_folder": ([], "synthetic_organoid_healthy.ome.tif: not translated"),
}


def code_of(notebook: Path) -> list[str]:
    cells = json.loads(notebook.read_text(encoding="utf-8"))["cells"]
    return ["".join(cell["source"]) for cell in cells if cell["cell_type"] == "code"]


def test_every_example_is_listed_and_run() -> None:
    listed = (EXAMPLES / "README.md").read_text(encoding="utf-8")
    assert {path.stem for path in SCRIPTS} == set(SMALLER)
    assert all(f"`{path.name}`" in listed for path in [*SCRIPTS, NOTEBOOK])


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda path: path.stem)
def test_a_script_says_what_it_is_and_imports_what_is_there(script: Path) -> None:
    tree = ast.parse(script.read_text(encoding="utf-8"))
    assert ast.get_docstring(tree)
    compile(tree, str(script), "exec")
    of_ours = [n for n in ast.walk(tree) if isinstance(n, ast.ImportFrom) and (n.module or "").startswith("napari_ph")]
    for node in of_ours:
        module = __import__(node.module, fromlist=[alias.name for alias in node.names])
        for alias in node.names:
            assert hasattr(module, alias.name), f"{node.module} has no {alias.name}"


def test_the_notebook_holds_no_output_and_compiles() -> None:
    cells = json.loads(NOTEBOOK.read_text(encoding="utf-8"))["cells"]
    assert not any(cell.get("outputs") or cell.get("execution_count") for cell in cells)
    for source in code_of(NOTEBOOK):
        compile(source, str(NOTEBOOK), "exec")


@pytest.mark.slow
@pytest.mark.parametrize("script", SCRIPTS, ids=lambda path: path.stem)
def test_a_script_runs(
    script: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    from napari_phenotrans.engines import ENGINES

    words, said = SMALLER[script.stem]
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "argv", [str(script), *words])
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    before = dict(ENGINES), set(sys.modules)
    try:
        runpy.run_path(str(script), run_name="__main__")
    finally:
        # own_engine adds one
        ENGINES.clear()
        ENGINES.update(before[0])
        sys.modules.pop("napari_phenotrans.engines.contrast", None)
    assert said in capsys.readouterr().out


@pytest.mark.slow
def test_the_notebook_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("MPLBACKEND", "Agg")
    names: dict[str, object] = {"__name__": "notebook"}
    for source in code_of(NOTEBOOK):
        exec(compile(source, str(NOTEBOOK), "exec"), names)
    assert (tmp_path / "example-results" / "notebook" / "translated.ome.tif").is_file()
