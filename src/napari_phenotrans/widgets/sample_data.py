"""The bundled images in napari's menu File > Open Sample."""

from __future__ import annotations

from typing import TYPE_CHECKING

from napari_phenotrans.io.samples import SAMPLES

if TYPE_CHECKING:
    from napari_phenotrans.widgets.viewer.layers import LayerData


def bbbc013_untreated() -> list[LayerData]:
    return sample_layers("bbbc013-untreated")


def bbbc013_wortmannin() -> list[LayerData]:
    return sample_layers("bbbc013-wortmannin")


def synthetic_organoid_healthy() -> list[LayerData]:
    return sample_layers("synthetic-organoid-healthy")


def synthetic_organoid_diseased() -> list[LayerData]:
    return sample_layers("synthetic-organoid-diseased")


def sample_layers(key: str) -> list[LayerData]:
    """Return a sample's layers; metadata say its condition and whom to cite."""
    from napari_phenotrans.io import read
    from napari_phenotrans.widgets.viewer.layers import layer_data

    sample = SAMPLES[key]
    return layer_data(read(sample.path), condition=sample.condition, attribution=sample.attribution)
