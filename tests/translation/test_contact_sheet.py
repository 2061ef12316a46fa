"""Tests of napari_phenotrans.translation.contact_sheet."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from matplotlib.image import imread

from napari_phenotrans.core.image import Image
from napari_phenotrans.translation.contact_sheet import contact_sheet
from napari_phenotrans.translation.translate import translate_image

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from napari_phenotrans.checkpoints.checkpoint import Checkpoint


def test_names_that_look_like_formulas_are_drawn_as_they_are(
    make_checkpoint: Callable[..., Checkpoint], tmp_path: Path
) -> None:
    names = (r"$\frac$", "a $x_ b$")
    image = Image(np.random.default_rng(0).integers(0, 255, (2, 40, 60)).astype(np.uint8), "CYX", names)
    checkpoint = make_checkpoint(channels=2)
    checkpoint = type(checkpoint)(checkpoint.card.model_copy(update={"channels": names}), checkpoint.tensors)
    translation = translate_image(image, checkpoint, source="untreated", target="treated")
    picture = imread(contact_sheet(translation, tmp_path / "sheet.png"))
    assert picture.shape[0] > 500
    assert picture.std() > 0.1
