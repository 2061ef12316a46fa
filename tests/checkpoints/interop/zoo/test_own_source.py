"""What is cut out of this program runs without it."""

from __future__ import annotations

import ast

import pytest

from napari_phenotrans.checkpoints.interop.zoo.modules import FixedDenoiser, FixedGenerator
from napari_phenotrans.checkpoints.interop.zoo.own_source import own_source


@pytest.mark.parametrize("root", [FixedGenerator, FixedDenoiser])
def test_it_asks_for_torch_and_numpy_alone(root: type) -> None:
    text = own_source(root)
    imported = set()
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.Import):
            imported |= {alias.name.split(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            imported.add(str(node.module).split(".")[0])
    standard = {"__future__", "abc", "collections", "dataclasses", "itertools", "math", "typing", "zlib"}
    assert imported - standard <= {"torch", "numpy"}
    assert "torch" in imported


@pytest.mark.parametrize(("root", "absent"), [(FixedGenerator, "UNet"), (FixedDenoiser, "ResNetGenerator")])
def test_what_is_not_needed_is_left_out(root: type, absent: str) -> None:
    defined = {getattr(node, "name", "") for node in ast.parse(own_source(root)).body}
    assert root.__name__ in defined
    assert not {absent, "Engine", "fix_statistics"} & defined


def test_definitions_come_before_what_needs_them_at_once() -> None:
    classes: list[str] = []
    for node in ast.parse(own_source(FixedDenoiser)).body:
        if isinstance(node, ast.ClassDef):
            own = [base.id for base in node.bases if isinstance(base, ast.Name)]
            assert set(own) <= {*classes, "Exception", "ValueError", "NamedTuple"}
            classes.append(node.name)
    assert "UNet" in classes
