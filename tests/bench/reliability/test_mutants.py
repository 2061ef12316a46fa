"""The bench of mutants: one mistake at a time, none where nothing depends on it, and tests notice it or do not."""

from __future__ import annotations

from typing import TYPE_CHECKING

from bench.reliability.mutants import mutants_of, noticed

if TYPE_CHECKING:
    from pathlib import Path

SOURCE = """
def least(a: Literal[1], b: int = 2) -> int:
    if a < b and not a:
        print(f"{a + 1}")
    return min(a, b)
"""


def test_mistakes_are_made_one_at_a_time() -> None:
    found = {(one.line, one.now) for one in mutants_of(SOURCE, "least.py")}
    assert found == {
        (2, "3"),
        (3, "if not (a < b and (not a)):"),
        (3, "a < b or not a"),
        (3, "a <= b"),
        (3, "not not a"),
        (4, "None"),
        (5, "return None"),
        (5, "max"),
    }


def test_tests_notice_what_they_look_at(tmp_path: Path) -> None:
    tests = tmp_path / "test_region.py"
    tests.write_text(
        "from napari_phenotrans.core.region import least\n\ndef test_least():\n    assert least(1, 3) == 1\n"
    )
    mutants = {one.now: one.code for one in mutants_of(SOURCE, "least.py")}
    assert noticed("core.region", mutants["max"], tests)
    # no test leaves b out
    assert not noticed("core.region", mutants["3"], tests)
