"""The source file of a package: classes of this program and all that they need, cut out so that they run without it."""

from __future__ import annotations

import ast
import inspect
from dataclasses import dataclass
from functools import cache
from importlib import import_module
from importlib.metadata import version
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

OURS = "napari_phenotrans"


def own_source(root: type) -> str:
    """Return a Python file that defines a class, without this program.

    Definitions come before what needs them, as they stand here, comments and all. What is only named in annotations is
    left out, for these are not evaluated.

    Parameters
    ----------
    root
        A class of this program whose definitions use other modules' of it by ``from … import`` at their top.
    """
    found = _Found({}, {})
    _visit(root.__module__, root.__name__, found)
    licensed = (
        f"Cut out of {OURS.replace('_', '-')} {version(OURS)} (BSD-3-Clause), where it is tested; what only "
        f"annotations name is left out."
    )
    head = f'"""{(inspect.getdoc(root) or root.__name__).splitlines()[0]}\n\n{licensed}\n"""'
    imports = "\n".join(sorted(found.imports.values()))
    return "\n\n".join([head, "from __future__ import annotations", imports]) + "\n\n\n" + _joined(found) + "\n"


@dataclass
class _Found:
    """Definitions in the order in which they can be read, as module and text; import lines by the name they bring."""

    definitions: dict[str, tuple[str, str]]
    imports: dict[str, str]


@dataclass(frozen=True)
class _Module:
    """A module's own definitions, and what it imports: a line, or another module of ours."""

    lines: list[str]
    definitions: dict[str, ast.stmt]
    ours: dict[str, str]
    others: dict[str, str]


@cache
def _parsed(name: str) -> _Module:
    text = inspect.getsource(import_module(name))
    module = _Module(text.splitlines(), {}, {}, {})
    for node in ast.parse(text).body:
        match node:
            case ast.FunctionDef(name=defined) | ast.ClassDef(name=defined):
                module.definitions[defined] = node
            case ast.Assign(targets=[ast.Name(id=defined)]) | ast.AnnAssign(target=ast.Name(id=defined)):
                module.definitions[defined] = node
            case ast.Assign(targets=[ast.Tuple(elts=several)]):
                module.definitions.update({each.id: node for each in several if isinstance(each, ast.Name)})
            case ast.ImportFrom(module=str(source)):
                for alias in node.names:
                    if source.split(".")[0] == OURS:
                        assert alias.asname is None, "what is cut out keeps its name"
                        module.ours[alias.name] = source
                    else:
                        module.others[alias.asname or alias.name] = ast.unparse(ast.ImportFrom(source, [alias], 0))
            case ast.Import():
                for alias in node.names:
                    module.others[alias.asname or alias.name] = ast.unparse(ast.Import([alias]))
    return module


def _visit(module_name: str, name: str, found: _Found) -> None:
    module = _parsed(module_name)
    node = module.definitions[name]
    # several names that are assigned together are one definition
    name = next(other for other, defines in module.definitions.items() if defines is node)
    if name in found.definitions:
        assert found.definitions[name][0] == module_name, f"two definitions are called {name}"
        return
    # taken before what it needs is looked at, so that definitions may need each other; read after it
    found.definitions[name] = (module_name, "")
    for used in _used(node):
        if used in module.definitions:
            _visit(module_name, used, found)
        elif used in module.ours:
            _visit(module.ours[used], used, found)
        elif used in module.others:
            found.imports[used] = module.others[used]
    del found.definitions[name]
    first = min([node.lineno, *(decorator.lineno for decorator in getattr(node, "decorator_list", ()))])
    found.definitions[name] = (module_name, "\n".join(module.lines[first - 1 : node.end_lineno]))


def _used(node: ast.AST) -> Iterator[str]:
    """Give the names that a definition uses, without its annotations."""
    if isinstance(node, ast.Name):
        yield node.id
    for field, value in ast.iter_fields(node):
        if field in ("annotation", "returns"):
            continue
        for child in value if isinstance(value, list) else [value]:
            if isinstance(child, ast.AST):
                yield from _used(child)


def _joined(found: _Found) -> str:
    """Return the definitions with the blank lines that belong between them."""
    text, before = "", ""
    for _, definition in found.definitions.values():
        large = definition.startswith(("def ", "class ", "@"))
        if text:
            text += "\n\n\n" if large or before else "\n"
        text, before = text + definition, "large" if large else ""
    return text
