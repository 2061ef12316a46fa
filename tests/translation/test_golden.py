"""Bundled checkpoints translate as they did on 2026-11-30: with other tiles, threads and libraries, too.

What they made then lies in ``tests/data/golden.npz``; ``python tests/translation/test_golden.py`` writes it anew.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import torch

from napari_phenotrans.core.region import Region
from napari_phenotrans.io import read
from napari_phenotrans.io.samples import SAMPLES
from napari_phenotrans.translation.translate import Translator, translate_image

if TYPE_CHECKING:
    from collections.abc import Iterator

GOLDEN = Path(__file__).parents[1] / "data" / "golden.npz"
SAMPLE = SAMPLES["bbbc013-untreated"]
STEP = 2  # of the pixels that are kept
UNIT = 1e-4  # of the range, in which they are kept
# Of the range: what other orders of summing come to is a tenth of it.
RMS, LARGEST = 0.001, 0.01
# How each is told to translate, and the side of the part that it translates.
ENGINES: dict[str, tuple[dict[str, Any], int]] = {
    "cyclegan": ({}, 144),
    "scgan": ({}, 144),
    "flow": ({"evaluations": 2}, 64),
    "phendiff": ({"evaluations": 2}, 64),
}


def difference(engine: str, **computed: Any) -> np.ndarray:
    """Return what an engine adds to a part of a well, of the range: (C, side, side)."""
    how, side = ENGINES[engine]
    translator = Translator(f"bbbc013-{engine}", device="cpu", precision="fp32", how=how, **computed)
    image = read(SAMPLE.path).part(region=Region(40, 60, side, side))
    made = translate_image(image, translator, source=SAMPLE.condition, target=SAMPLE.target).difference.plane()
    limits = translator.card.intensity
    return made / (np.subtract(limits.high, limits.low)[:, None, None])


def assert_alike(made: np.ndarray, expected: np.ndarray) -> None:
    error = np.abs(made - expected)
    assert np.sqrt((error**2).mean()) <= RMS
    assert error.max() <= LARGEST


@pytest.fixture(autouse=True)
def threads() -> Iterator[None]:
    before = torch.get_num_threads()
    yield
    torch.set_num_threads(before)


@pytest.mark.parametrize("engine", ENGINES)
def test_what_is_made_is_what_was_made(engine: str) -> None:
    with np.load(GOLDEN) as kept:
        golden = kept[engine] * UNIT
    torch.set_num_threads(1)
    made = difference(engine)
    # what is compared is no copy of the source
    assert np.sqrt((golden**2).mean()) > 10 * RMS
    assert_alike(made[:, ::STEP, ::STEP], golden)
    torch.set_num_threads(2)
    assert_alike(difference(engine), made)


@pytest.mark.parametrize("engine", ["cyclegan", "scgan"])
def test_tiles_do_not_show(engine: str) -> None:
    # denoisers depend on their tile, and have no other
    assert_alike(difference(engine, tile=112), difference(engine))


if __name__ == "__main__":
    torch.set_num_threads(1)
    made = {engine: np.rint(difference(engine)[:, ::STEP, ::STEP] / UNIT).astype(np.int16) for engine in ENGINES}
    np.savez_compressed(GOLDEN, **made)
