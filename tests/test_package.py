"""The package as users get it: what importing it costs, what it names, what is in the wheel, what napari reads."""

from __future__ import annotations

import ast
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


def test_no_function_is_longer_than_the_limit() -> None:
    """Ruff counts statements and branches, not lines; those that may be longer are named in pyproject.toml."""
    limits = tomllib.loads((REPOSITORY / "pyproject.toml").read_text())["tool"]["limits"]
    longer = {
        f"{path.relative_to(REPOSITORY).as_posix()} {node.name}"
        for folder in (REPOSITORY / "src", REPOSITORY / "bench")
        for path in folder.rglob("*.py")
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
        and node.end_lineno - node.lineno >= limits["function-lines"]
    }
    assert longer - set(limits["longer"]) == set()
    assert set(limits["longer"]) - longer == set(), "these are short now: take their names out of pyproject.toml"
