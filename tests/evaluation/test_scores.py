"""Scoring in one call: what is refused before anything is read; what it scores is shown in ``tests/test_api.py``."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from napari_phenotrans.core.errors import InputError
from napari_phenotrans.evaluation.scores import evaluate

if TYPE_CHECKING:
    from pathlib import Path


def test_a_run_or_folders_have_to_be_named_and_not_both(tmp_path: Path) -> None:
    for nothing in ({}, {"real": tmp_path}, {"translated": tmp_path, "source": tmp_path}):
        with pytest.raises(InputError, match="What is to be scored"):
            evaluate(**nothing)
    with pytest.raises(InputError, match="A run and real, source were named"):
        evaluate(tmp_path, real=tmp_path, source=tmp_path)


def test_what_is_said_reaches_what_reads(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"run\.json"):
        evaluate(tmp_path, crops=10, seed=3)
    with pytest.raises(TypeError, match="pixels"):
        evaluate(tmp_path, pixels=10)
