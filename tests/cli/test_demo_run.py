from pathlib import Path

import numpy as np
import pytest
from skimage.io import imread

from napari_phenotrans.cli.demo_run import SAMPLE_NAMES, run_demo
from napari_phenotrans.io import read, write
from napari_phenotrans.io.samples import SAMPLES


@pytest.fixture
def small_samples(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Quarters of the bundled images in place of the whole ones, which take the flows half a minute."""
    for sample in SAMPLES.values():
        image = read(sample.path)
        side = image.sizes["Y"] // 2
        write(
            image.replace(pixels=image.plane()[:, :side, :side].copy(), pyramid=()), tmp_path / "samples" / sample.file
        )
    monkeypatch.setattr("napari_phenotrans.io.samples.FOLDER", tmp_path / "samples")


@pytest.mark.slow
@pytest.mark.usefixtures("small_samples")
def test_demo_does_the_main_job_twice(tmp_path: Path) -> None:
    for _ in range(2):
        results = list(run_demo(tmp_path / "out"))
    assert [result.sample.condition for result in results] == ["untreated", "healthy"]
    assert len(results) == len(SAMPLE_NAMES)
    for result in results:
        translated, difference = read(result.results.translated), read(result.results.difference)
        real = read(result.sample.path)
        assert translated.channels == real.channels
        assert translated.dtype == real.dtype
        assert difference.dtype == np.float32
        assert np.abs(difference.plane()).max() > 5
        sheet = imread(result.sheet)
        assert min(sheet.shape[:2]) > 500
        assert result.sheet.suffix == ".png"
    assert not any("synthetic" in notice for notice in results[1].translation.notices)
