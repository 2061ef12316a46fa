"""The bench of mutated files: mutations follow their seed, and what must not happen is told from what may."""

from __future__ import annotations

import json
from pathlib import Path
from random import Random
from typing import TYPE_CHECKING

import pytest

from bench.reliability.fuzz import CRASH, MEMORY, OPENED, REFUSED, TRACEBACK, UNNAMED, Outcome, table, try_one
from bench.reliability.mutations import MUTATIONS, mutate
from napari_phenotrans.core.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Callable

    from click.testing import Result

DOCUMENT = json.dumps({"a": [1, 2.5, "x"], "b": {"c": None}, "long": "y" * 50}).encode()


@pytest.mark.parametrize("name", MUTATIONS)
def test_every_mutation_changes_what_it_is_given_and_follows_its_seed(name: str) -> None:
    made = [MUTATIONS[name](DOCUMENT, Random(seed)) for seed in range(20)]
    assert made == [MUTATIONS[name](DOCUMENT, Random(seed)) for seed in range(20)]
    assert sum(each != DOCUMENT for each in made) > 10
    if name == "another value":
        assert all(json.loads(each) != json.loads(DOCUMENT) for each in made[:5])


def test_all_mutations_are_drawn_and_nothing_stays_nothing() -> None:
    assert {mutate(DOCUMENT, seed)[0] for seed in range(100)} == set(MUTATIONS)
    assert mutate(b"", 3)[1] == b""


def _refuse(path: Path) -> None:
    raise InputError(f"{path} is no table.")


def _refuse_without_name(_: Path) -> None:
    raise InputError("This is no table.")


def _fail(_: Path) -> None:
    raise KeyError("a")


def _take_all(_: Path) -> None:
    raise MemoryError


@pytest.mark.parametrize(
    ("open_one", "outcome"),
    [
        (Path.read_bytes, OPENED),
        (_refuse, REFUSED),
        (_refuse_without_name, UNNAMED),
        (_fail, TRACEBACK),
        (_take_all, MEMORY),
    ],
)
def test_what_comes_of_a_file_is_told_apart(open_one: Callable[[Path], object], outcome: str, tmp_path: Path) -> None:
    (tmp_path / "sound").mkdir()
    (tmp_path / "sound/table.json").write_bytes(DOCUMENT)
    (tmp_path / "opened").write_text("table.json")
    came = try_one("table", open_one, "*.json", tmp_path, 5)
    assert (came.outcome, came.file) == (outcome, "table.json")
    assert (tmp_path / "sound/table.json").read_bytes() == DOCUMENT
    assert (tmp_path / "copy/table.json").read_bytes() == mutate(DOCUMENT, 5)[1]


def test_the_table_counts_what_must_not_happen() -> None:
    found = [Outcome("PNG", 0, OPENED), Outcome("PNG", 1, CRASH), Outcome("PNG", 2, REFUSED, seconds=2)]
    assert table(found)[-1] == "| PNG | 3 | 1 | 1 | 1 crash | 2.0 |"


@pytest.mark.slow
def test_mutated_files_of_every_kind_open_or_are_refused(bench: Callable[..., Result]) -> None:
    done = bench("fuzz", "--each", 10, "--seconds", 60)
    assert done.exit_code == 0, done.output
    rows = [line.split("|")[2].strip() for line in done.output.splitlines() if line.startswith("| ")]
    assert rows[1:] == ["10"] * 15
