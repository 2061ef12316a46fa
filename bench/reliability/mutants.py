"""How many small mistakes in a module its tests notice: ``python -m bench mutants``.

Each mistake is one change of the code: another operator, number or comparison, a condition turned round, a call or a
value left out. Its tests run in a fork of this process, which has imported what they need, so that each takes a moment.
"""

from __future__ import annotations

import ast
import os
import signal
import sys
from dataclasses import dataclass
from importlib.abc import Loader, MetaPathFinder
from importlib.util import spec_from_loader
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from importlib.machinery import ModuleSpec
    from types import CodeType, ModuleType

ROOT = Path(__file__).parents[2]
LEAST = 0.85
PATIENCE_S = 60
MODULES = ("core.intensity", "core.tiling")
OPERATORS: dict[type, Any] = {
    ast.Add: ast.Sub, ast.Sub: ast.Add, ast.Mult: ast.Div, ast.Div: ast.Mult, ast.FloorDiv: ast.Mult, ast.Mod: ast.Mult,
    ast.Pow: ast.Mult, ast.Lt: ast.LtE, ast.LtE: ast.Lt, ast.Gt: ast.GtE, ast.GtE: ast.Gt, ast.Eq: ast.NotEq,
    ast.NotEq: ast.Eq, ast.Is: ast.IsNot, ast.IsNot: ast.Is, ast.In: ast.NotIn, ast.NotIn: ast.In, ast.And: ast.Or,
    ast.Or: ast.And, ast.BitOr: ast.BitAnd, ast.BitAnd: ast.BitOr, ast.USub: ast.UAdd,
}  # fmt: skip
NAMES = {"min": "max", "minimum": "maximum", "zeros": "ones", "empty": "zeros", "all": "any", "sin": "cos"}
NAMES |= {other: name for name, other in NAMES.items() if name != "empty"}


@dataclass(frozen=True)
class Mutant:
    """A module with one mistake: its line, what stands there and what stood."""

    line: int
    was: str
    now: str
    code: CodeType


@click.command()
@click.option("--module", "modules", multiple=True, default=MODULES, show_default=True, help="Below napari_phenotrans.")
def mutants(modules: Sequence[str]) -> None:
    """Put small mistakes into modules and run their tests; fails where these notice fewer than 85 %."""
    import numpy  # noqa: F401 - once, not in every fork
    import torch  # noqa: F401

    lines, fell_short = ["| | mistakes | noticed | share |", "|---|---|---|---|"], False
    for module in modules:
        path = ROOT / "src/napari_phenotrans" / f"{module.replace('.', '/')}.py"
        tests = ROOT / "tests" / Path(*module.split(".")[:-1]) / f"test_{module.split('.')[-1]}.py"
        source = path.read_text(encoding="utf-8")
        if noticed(module, compile(source, str(path), "exec"), tests):
            raise click.ClickException(f"{tests} fails without a mistake, too.")
        made, left = 0, 0
        for one in mutants_of(source, str(path)):
            made += 1
            if not noticed(module, one.code, tests):
                left += 1
                click.echo(f"not noticed: {module}, line {one.line}: {one.was}  →  {one.now}")
        share = 1 - left / made
        fell_short |= share < LEAST
        lines.append(f"| {module} | {made} | {made - left} | {share:.0%} |")
    click.echo("\n".join(lines))
    if fell_short:
        raise SystemExit(1)


def mutants_of(source: str, path: str) -> Iterator[Mutant]:
    """Yield a module with each mistake in turn."""
    tree = ast.parse(source)
    hidden = {id(inner) for node in ast.walk(tree) for outer in _unread(node) for inner in ast.walk(outer)}
    for node in ast.walk(tree):
        if id(node) in hidden:
            continue
        for field, other in changes(node):
            before, was = getattr(node, field), ast.unparse(node).splitlines()[0]
            setattr(node, field, other)
            yield Mutant(
                node.lineno if hasattr(node, "lineno") else 0,
                was,
                ast.unparse(node).splitlines()[0],
                compile(ast.fix_missing_locations(tree), path, "exec"),
            )
            setattr(node, field, before)


def changes(node: ast.AST) -> Iterator[tuple[str, Any]]:
    """Yield the fields of a node that may be mistaken, each with what may stand there instead."""
    match node:
        case ast.BinOp(op=op) | ast.AugAssign(op=op) | ast.BoolOp(op=op) | ast.UnaryOp(op=op) if type(op) in OPERATORS:
            yield "op", OPERATORS[type(op)]()
        case ast.UnaryOp(op=ast.Not()):
            yield "operand", _not(node.operand)
        case ast.Compare(ops=ops):
            for place, op in enumerate(ops):
                yield "ops", [*ops[:place], OPERATORS[type(op)](), *ops[place + 1 :]]
        case ast.Constant(value=bool()):
            yield "value", not node.value
        case ast.Constant(value=int() | float()):
            yield "value", node.value + 1
        case ast.If() | ast.IfExp() | ast.While():
            yield "test", _not(node.test)
        case ast.Assert():
            yield "test", ast.Constant(True)
        case ast.Return(value=ast.expr()):
            yield "value", ast.Constant(None)
        case ast.Expr(value=ast.Call()):
            yield "value", ast.Constant(None)
        case ast.comprehension(ifs=[first, *others]):
            yield "ifs", [_not(first), *others]
        case ast.Name(id=name) if name in NAMES:
            yield "id", NAMES[name]
        case ast.Attribute(attr=name) if name in NAMES:
            yield "attr", NAMES[name]


def _not(test: ast.expr) -> ast.expr:
    return ast.UnaryOp(ast.Not(), test)


def _unread(node: ast.AST) -> Iterator[ast.AST]:
    """Yield what of a node nothing depends on: annotations, what type checkers alone see, and words."""
    match node:
        case ast.If(test=ast.Name(id="TYPE_CHECKING")) | ast.JoinedStr():
            yield node
        case ast.arg(annotation=ast.expr() as read) | ast.AnnAssign(annotation=read):
            yield read
        case ast.FunctionDef(returns=ast.expr() as read):
            yield read


class _Mutated(MetaPathFinder, Loader):
    """Imports one module from code that is given."""

    def __init__(self, name: str, code: CodeType) -> None:
        self._name, self._code = name, code

    def find_spec(self, name: str, path: Any = None, target: Any = None) -> ModuleSpec | None:
        return spec_from_loader(name, self) if name == self._name else None

    def exec_module(self, module: ModuleType) -> None:
        exec(self._code, module.__dict__)


def noticed(module: str, code: CodeType, tests: Path) -> bool:
    """Whether a module's tests fail, or do not end, where it is this code."""
    child = os.fork()
    if child == 0:
        # an alarm ends this process, which is to notice
        signal.signal(signal.SIGALRM, signal.SIG_DFL)
        signal.alarm(PATIENCE_S)
        code_of_tests = 1
        try:
            code_of_tests = _in_fork(module, code, tests)
        finally:
            os._exit(code_of_tests)
    return os.waitpid(child, 0)[1] != 0


def _in_fork(module: str, code: CodeType, tests: Path) -> int:
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, 1)
    os.dup2(nowhere, 2)
    for name in [name for name in sys.modules if name.split(".")[0] == "napari_phenotrans"]:
        del sys.modules[name]
    sys.meta_path.insert(0, _Mutated(f"napari_phenotrans.{module}", code))
    # of plugins, Qt's takes longer than most tests
    os.environ["PYTEST_DISABLE_PLUGIN_AUTOLOAD"] = "1"
    return int(pytest.main(["-x", "-q", "-p", "no:cacheprovider", str(tests)]))
