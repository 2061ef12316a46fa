"""The public names: each says what it takes, gives and raises, and its examples come out as written."""

from __future__ import annotations

import doctest
import inspect
import re
from typing import TYPE_CHECKING, Any

import pytest

import napari_phenotrans

if TYPE_CHECKING:
    from pathlib import Path

NAMES = napari_phenotrans.__all__
FUNCTIONS = [name for name in NAMES if inspect.isfunction(getattr(napari_phenotrans, name))]
# They score and measure: seconds each.
LONG = ("evaluate", "report")


def sections(of: Any) -> dict[str, str]:
    """Return a numpydoc docstring's sections by name."""
    parts = re.split(r"^(\w+)\n-+\n", inspect.getdoc(of) or "", flags=re.M)
    return dict(zip(parts[1::2], parts[2::2], strict=True))


@pytest.mark.parametrize("name", NAMES)
def test_every_public_name_says_what_it_takes_and_gives_with_an_example(name: str) -> None:
    thing = getattr(napari_phenotrans, name)
    said = sections(thing)
    assert ">>> import napari_phenotrans as pt" in said["Examples"]
    if inspect.isfunction(thing):
        assert said["Returns"].strip()
        assert "InputError" in said["Raises"]
    if name == "InputError":
        # as every exception, it takes whatever it is given
        return
    described = re.findall(r"^(\*{0,2}\w.*)$", said["Parameters"], re.M)
    documented = {parameter.strip() for line in described for parameter in line.split(",")}
    taken = {str(p).split(":")[0].split("=")[0].strip() for p in inspect.signature(thing).parameters.values()}
    assert taken - documented == set()


@pytest.mark.parametrize("name", FUNCTIONS)
def test_every_public_function_is_typed(name: str) -> None:
    signature = inspect.signature(getattr(napari_phenotrans, name))
    assert signature.return_annotation is not inspect.Signature.empty
    assert all(p.annotation is not inspect.Parameter.empty for p in signature.parameters.values())


def run_examples(name: str) -> None:
    """Run the examples of a name and, of a class, those of its methods; they say all that they need themselves."""
    finder, runner = doctest.DocTestFinder(), doctest.DocTestRunner(optionflags=doctest.FAIL_FAST)
    found = [test for test in finder.find(getattr(napari_phenotrans, name), name, globs={}) if test.examples]
    said: list[str] = []
    for test in found:
        runner.run(test, out=said.append)
    assert found
    assert not runner.failures, "".join(said)


@pytest.mark.parametrize("name", [name for name in NAMES if name not in LONG])
def test_examples_come_out_as_written(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    run_examples(name)


@pytest.mark.slow
@pytest.mark.parametrize("name", LONG)
def test_long_examples_come_out_as_written(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    run_examples(name)
