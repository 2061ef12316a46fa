from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from napari_phenotrans.runs.paths import files_of_steps, last_words, step_name, superfluous, thin

if TYPE_CHECKING:
    from pathlib import Path


@pytest.mark.parametrize("keep", [1, 2, 5, 40])
def test_what_is_kept_of_steps_that_come_one_by_one_is_spread_evenly(keep: int) -> None:
    kept: list[int] = []
    for number in range(1, 101):
        kept.append(500 * number)
        kept = sorted(set(kept) - set(superfluous(kept, keep, 500)))
        assert kept[-1] == 500 * number
        *past, _ = kept
        assert (min(keep, number - 1) - 1) / 2 <= len(past) <= keep
        assert len({after - before for before, after in zip([0, *past], past, strict=False)}) <= 1
    assert superfluous([7], keep, 500) == []


def test_nothing_past_is_kept_where_none_is_wanted() -> None:
    assert superfluous([100, 200, 300], 0, 100) == [100, 200]


def test_files_are_found_and_thinned_by_their_steps(tmp_path: Path) -> None:
    steps = (100, 200, 300, 400, 500, 123_456)
    for step in steps:
        (tmp_path / f"{step_name(step)}.tif").touch()
    (tmp_path / "step-later.tif").touch()
    assert list(files_of_steps(tmp_path, ".tif")) == list(steps)
    (tmp_path / f"{step_name(123_456)}.tif").unlink()
    thin(tmp_path, ".tif", 2, 100)
    assert list(files_of_steps(tmp_path, ".tif")) == [200, 400, 500]
    assert files_of_steps(tmp_path / "none", ".tif") == {}


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", ""),
        ("$ phenotrans train\n", ""),
        ("$ phenotrans train\nloading torch\n\nreading the images\n", "reading the images"),
        ("$ a\nphenotrans: Where to?\n$ b\nloading torch\n", "loading torch"),
        ("$ a\nloading\nphenotrans: It cannot be:\n  one\n  two\n", "It cannot be:\n  one\n  two"),
    ],
)
def test_last_words_are_the_error_or_the_last_line(text: str, said: str, tmp_path: Path) -> None:
    (tmp_path / "output.txt").write_text(text)
    assert last_words(tmp_path / "output.txt") == said
    assert last_words(tmp_path / "nothing.txt") == ""
