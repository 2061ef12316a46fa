"""A small data set that runs are trained on."""

from __future__ import annotations

import numpy as np
import pytest

from napari_phenotrans.core.image import Image
from napari_phenotrans.dataset.dataset import DataSet
from napari_phenotrans.io import write


@pytest.fixture(scope="session")
def dataset(tmp_path_factory: pytest.TempPathFactory) -> DataSet:
    folder = tmp_path_factory.mktemp("images")
    rng = np.random.default_rng(0)
    for condition, level in (("untreated", 50), ("treated", 150)):
        for well in range(3):
            pixels = rng.poisson(level, (2, 72, 72)).astype(np.uint8)
            path = folder / condition / f"{condition}{well}.ome.tif"
            write(Image(pixels, "CYX", ("DNA", "GFP"), pixel_size_um=0.5, unit="µm"), path)
    return DataSet.open(folder, ("untreated", "treated"))
