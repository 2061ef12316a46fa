import pytest

from napari_phenotrans.checkpoints.checkpoint import Checkpoint
from napari_phenotrans.io import read
from napari_phenotrans.io.samples import SAMPLES


@pytest.mark.parametrize("name", SAMPLES)
def test_sample_fits_its_bundled_checkpoint(name: str) -> None:
    sample = SAMPLES[name]
    image, card = read(sample.path), Checkpoint.read_card(sample.checkpoint)
    assert image.channels == card.channels
    assert {sample.condition, sample.target} == set(card.conditions)
    assert image.synthetic == card.synthetic
    assert all(image.colors)
    assert sample.attribution
