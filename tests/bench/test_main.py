"""The command ``python -m bench`` and how its modules stand on each other."""

from __future__ import annotations

import ast
import subprocess
import sys
from graphlib import CycleError, TopologicalSorter
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

import bench as package
from bench.__main__ import COMMANDS, main

if TYPE_CHECKING:
    from collections.abc import Callable

    from click.testing import Result

FOLDER = Path(package.__file__).parent


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_is_found_by_its_name(name: str) -> None:
    command = main.get_command(None, name)  # type: ignore[arg-type]
    assert command is not None
    assert command.name == name


def test_one_command_is_asked_for_without_the_others() -> None:
    code = "import sys; from bench.__main__ import main; main.get_command(None, 'reading'); print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], cwd=FOLDER.parent, capture_output=True, text=True, check=True)
    parts = {name for name in done.stdout.split() if name.startswith("bench.") and name.count(".") == 2}
    assert parts == {"bench.common.paired", "bench.common.writing", "bench.speed.reading"}


def test_help_names_every_command_and_an_unknown_one_is_refused(bench: Callable[..., Result]) -> None:
    shown = bench("--help")
    listed = [line.split()[0] for line in shown.output.partition("Commands:")[2].splitlines() if line.strip()]
    assert set(COMMANDS) <= set(listed)
    shown = bench("speed")
    assert (shown.exit_code, "No such command 'speed'" in shown.output) == (2, True)


def imports(path: Path, modules: set[str]) -> set[str]:
    """Return which modules a file names: where it is imported, in its functions, in its annotations, as a process."""
    named = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            named.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            named.update({node.module, *(f"{node.module}.{alias.name}" for alias in node.names)})
        elif isinstance(node, ast.Constant):
            named.add(node.value)
    return named & modules


def test_no_module_imports_itself_through_others() -> None:
    paths = {".".join(path.relative_to(FOLDER.parent).with_suffix("").parts): path for path in FOLDER.rglob("*.py")}
    graph = {name: imports(path, set(paths)) for name, path in paths.items()}
    assert sum(map(len, graph.values())) > 30
    try:
        TopologicalSorter(graph).prepare()
    except CycleError as error:
        pytest.fail(f"a circle: {' imports '.join(error.args[1])}")
