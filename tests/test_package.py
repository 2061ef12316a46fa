"""The package as users get it: what importing it costs, what it names, what is in the wheel, what napari reads."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
import tomllib
from importlib import import_module
from importlib.metadata import entry_points
from importlib.resources import files
from pathlib import Path

import pytest
from npe2 import PluginManifest

import napari_phenotrans

REPOSITORY = Path(__file__).parents[1]
PACKAGE = Path(str(files("napari_phenotrans")))
QT = ["qtpy", "PyQt5", "PyQt6", "PySide2", "PySide6", "superqt"]
TORCH = ["torch", "torchvision", "triton", "safetensors"]
HEAVY = ["napari", "numpy", "scipy", "skimage", "matplotlib", "dask", "zarr", "tifffile", "pydantic", "magicgui"]


@pytest.mark.parametrize(
    ("module", "unwanted"),
    [
        ("napari_phenotrans", QT + TORCH + HEAVY),
        ("napari_phenotrans.engines", [*QT, *TORCH, "napari"]),  # names and settings only
        ("napari_phenotrans.cli.main", [*QT, *TORCH, "napari"]),  # `phenotrans --help` answers at once
    ],
)
def test_importing_loads_nothing_heavy(module: str, unwanted: list[str]) -> None:
    code = f"import sys, {module}; print(*sorted(set({unwanted}) & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == []


def test_translating_loads_no_compiler() -> None:
    """Mesa draws with an LLVM of its own; triton, loaded after it, ends napari with a segmentation fault.

    What loads triton: torch's optimizers and compiler, and torchvision.
    """
    code = """
import sys, numpy as np, napari_phenotrans as pt
checkpoint = pt.Checkpoint.load("bbbc013-cyclegan")
image = pt.Image(np.zeros((2, 64, 64), np.uint8), "CYX", checkpoint.card.channels)
list(pt.translate(image, checkpoint, source="untreated", target="wortmannin"))
print(*sorted({"torch", "torch._dynamo", "torchvision", "triton"} & set(sys.modules)))
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["torch"]


@pytest.mark.parametrize("name", napari_phenotrans.__all__)
def test_every_public_name_is_there(name: str) -> None:
    assert getattr(napari_phenotrans, name).__module__.startswith("napari_phenotrans.")
    assert name in dir(napari_phenotrans)


def test_an_unknown_name_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="no attribute 'imread'"):
        napari_phenotrans.imread  # noqa: B018


def test_the_command_and_the_manifest_are_registered() -> None:
    (command,) = entry_points(group="console_scripts", name="phenotrans")
    assert callable(command.load())
    (manifest,) = entry_points(group="napari.manifest", name="napari-phenotrans")
    assert manifest.value == "napari_phenotrans:napari.yaml"


def test_the_manifest_is_valid_and_its_commands_exist() -> None:
    manifest = PluginManifest.from_file(PACKAGE / "napari.yaml")
    assert manifest.name == "napari-phenotrans"
    commands = manifest.contributions.commands
    assert commands
    for command in commands:
        module, _, name = command.python_name.partition(":")
        assert callable(getattr(import_module(module), name)), command.id


def test_the_wheel_holds_every_file_of_the_package() -> None:
    """setuptools leaves out, silently, data that no pattern names and code in folders without ``__init__.py``."""
    setuptools = tomllib.loads((REPOSITORY / "pyproject.toml").read_text())["tool"]["setuptools"]
    patterns = setuptools["package-data"]["napari_phenotrans"]
    named = {path for pattern in patterns for path in PACKAGE.glob(pattern)}
    present = {path for path in PACKAGE.rglob("*") if path.is_file() and "__pycache__" not in path.parts}
    code = {path for path in present if path.suffix == ".py"}
    assert present - code - named == set()
    assert {path.parent for path in code} == {path.parent for path in code if path.name == "__init__.py"}
    assert {"napari.yaml", "py.typed"} <= {path.name for path in present}


def lines_of(function: ast.FunctionDef | ast.AsyncFunctionDef) -> int:
    """Return how many lines a function has, its docstring aside: a public one's has sections and examples."""
    first = function.body[0]
    said = first if isinstance(first, ast.Expr) and isinstance(first.value, ast.Constant) else None
    docstring = said.end_lineno - said.lineno + 1 if said else 0
    return function.end_lineno - function.lineno + 1 - docstring


def test_no_function_is_longer_than_the_limit() -> None:
    """Ruff counts statements and branches, not lines; those that may be longer are named in pyproject.toml."""
    limits = tomllib.loads((REPOSITORY / "pyproject.toml").read_text())["tool"]["limits"]
    longer = {
        f"{path.relative_to(REPOSITORY).as_posix()} {node.name}"
        for folder in (REPOSITORY / "src", REPOSITORY / "bench")
        for path in folder.rglob("*.py")
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and lines_of(node) > limits["function-lines"]
    }
    assert longer - set(limits["longer"]) == set()
    assert set(limits["longer"]) - longer == set(), "these are short now: take their names out of pyproject.toml"


# ---- what a release says of itself


def test_version_and_urls_are_the_same_wherever_they_are_said() -> None:
    project = tomllib.loads((REPOSITORY / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    citation = (REPOSITORY / "CITATION.cff").read_text(encoding="utf-8")
    changes = (REPOSITORY / "CHANGELOG.md").read_text(encoding="utf-8")
    said = dict(re.findall(r"^([\w-]+): '?([^'\n]+)'?$", citation, re.M))
    assert said["version"] == project["version"]
    assert f"## [{project['version']}] - {said['date-released']}" in changes
    assert f"[{project['version']}]: {project['urls']['Repository']}/releases/tag/v{project['version']}" in changes
    assert said["repository-code"] == project["urls"]["Repository"]
    assert said["url"] == project["urls"]["Documentation"]
    assert said["license"] == project["license"]


def test_pythons_that_are_named_are_those_that_a_release_is_tried_with() -> None:
    project = tomllib.loads((REPOSITORY / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    named = {found[1] for each in project["classifiers"] if (found := re.fullmatch(r".*Python :: (3\.\d+)", each))}
    workflow = (REPOSITORY / ".github" / "workflows" / "ci.yml").read_text(encoding="utf-8")
    tried = re.findall(r"^        python: \[(.+)\]$", workflow, re.M)
    assert named == set(re.findall(r"3\.\d+", tried[-1]))
    assert f">={min(named)}" == project["requires-python"]


def test_no_qt_comes_with_the_package_and_each_by_its_extra() -> None:
    project = tomllib.loads((REPOSITORY / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    assert not [each for each in project["dependencies"] if re.search("pyqt6|pyside", each, re.I)]
    extras = project["optional-dependencies"]
    assert [extras[name][0] for name in ("all", "pyqt6", "pyside6")] == [
        f"napari[{name}]>=0.9.2" for name in ("pyqt6", "pyqt6", "pyside6")
    ]


def test_what_the_source_distribution_grafts_is_there() -> None:
    lines = (REPOSITORY / "MANIFEST.in").read_text(encoding="utf-8").splitlines()
    for line in lines:
        kind, *names = line.split()
        if kind in ("graft", "include"):
            assert all((REPOSITORY / name).exists() for name in names), line
