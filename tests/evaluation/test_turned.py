"""The turn test among the scores of a checkpoint."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest

from napari_phenotrans.core.image import Image
from napari_phenotrans.dataset.dataset import DataSet
from napari_phenotrans.evaluation.evaluate import Evaluation, EvaluationRequest, evaluate
from napari_phenotrans.evaluation.inputs import EvaluationSet
from napari_phenotrans.evaluation.sources.checkpoint import from_checkpoint
from napari_phenotrans.io import write
from napari_phenotrans.translation.request import TranslationRequest
from napari_phenotrans.translation.translate import Translator, translate_image

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from napari_phenotrans.checkpoints.checkpoint import Checkpoint

NAMES = ("marker 0", "marker 1")
CONDITIONS = ("untreated", "treated")


def test_fields_upside_down_are_rows_and_a_sentence(make_checkpoint: Callable[..., Checkpoint], tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    for condition in CONDITIONS:
        for well in range(5):
            pixels = rng.uniform(20, 180, (2, 32, 48)).astype(np.float32)
            write(Image(pixels, "CYX", NAMES), tmp_path / condition / f"{condition}{well}.ome.tif")
    dataset, translator = DataSet.open(tmp_path, CONDITIONS), Translator(make_checkpoint())
    request = TranslationRequest(*CONDITIONS)
    *_, found = from_checkpoint(dataset, translator, request)
    assert isinstance(found, EvaluationSet)
    assert sorted(found.comparisons[0].turned) == [0, 1, 3, 4]
    *_, scored = evaluate(EvaluationRequest(found, metrics=("kid",), resamples=0))
    assert isinstance(scored, Evaluation)
    rows = {(row.metric, row.channel): row for row in scored.rows if row.metric.startswith("turned")}
    made = [
        translate_image(dataset.fields[place].image(), translator, source="untreated", target="treated", turns=2)
        for place in (0, 1, 3, 4)
    ]
    for number, name in enumerate(NAMES):
        row = rows["turned disagreement", name]
        apart = np.mean([np.asarray(one.turned.pixels)[number] for one in made])
        assert row.value == pytest.approx(apart / translator.card.intensity.range[number, 0, 0], rel=1e-4)
        assert (row.n, row.groups) == (4, 4)
        assert rows["turned disagreement, of the change", name].value > 0
    (said,) = [note for note in scored.notes if "upside down" in note]
    assert said.startswith("untreated → treated: the same upside down within")
