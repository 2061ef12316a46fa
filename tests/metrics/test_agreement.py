"""Numbers of other programs: torch-fidelity, through one extractor registered there, and prdc."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from napari_phenotrans.features.base import eight_bit
from napari_phenotrans.metrics import METRICS, Features
from napari_phenotrans.metrics.prdc import coverage, density, precision, recall

torch_fidelity = pytest.importorskip("torch_fidelity", reason="torch-fidelity is an extra")
prdc = pytest.importorskip("prdc", reason="prdc is needed by tests only")

NAME = "random-projection"
FEATURES = 24


class Projection(torch_fidelity.FeatureExtractorBase):
    """Fixed random projections of 8-bit pictures, reduced in size."""

    def __init__(self, name, features_list, **_) -> None:
        super().__init__(name, features_list)
        weights = torch.randn(3 * 8 * 8, FEATURES, generator=torch.Generator().manual_seed(0))
        self.register_buffer("weights", weights / 40)

    @staticmethod
    def get_provided_features_list():
        return ("projected",)

    @staticmethod
    def get_default_feature_layer_for_metric(metric):
        return "projected"

    @staticmethod
    def can_be_compiled():
        return False

    def forward(self, pictures):
        assert pictures.dtype == torch.uint8
        small = torch.nn.functional.adaptive_avg_pool2d(pictures.float() / 16, 8)
        return (torch.relu(small.flatten(1) @ self.weights),)


class Pictures(torch.utils.data.Dataset):
    def __init__(self, pictures: np.ndarray) -> None:
        self.pictures = torch.from_numpy(pictures)

    def __len__(self) -> int:
        return len(self.pictures)

    def __getitem__(self, index):
        return self.pictures[index]


@pytest.fixture(scope="module")
def published():
    torch_fidelity.register_feature_extractor(NAME, Projection)

    def score(real: np.ndarray, translated: np.ndarray) -> dict[str, float]:
        return torch_fidelity.calculate_metrics(
            input1=Pictures(translated), input2=Pictures(real), fid=True, kid=True, prc=True, cuda=False,
            verbose=False, save_cpu_ram=True, feature_extractor=NAME, feature_layer_fid="projected",
            feature_layer_kid="projected", feature_layer_prc="projected", kid_subsets=1,
            kid_subset_size=min(len(real), len(translated)), cache=False,
        )  # fmt: skip

    return score


def features(pictures: np.ndarray) -> Features:
    network = Projection(NAME, ["projected"])
    return Features.independent(network(torch.from_numpy(pictures))[0].double().numpy())


@pytest.fixture(scope="module")
def sides(draw_cells):
    return [eight_bit(crops) for crops in (draw_cells(0, 90, 32), draw_cells(1, 90, 32, density=14))]


def test_fid_kid_precision_and_recall_are_torch_fidelitys(published, sides):
    theirs = published(*sides)
    ours = {
        name: METRICS[name](*map(features, sides), None, resamples=0).value
        for name in ("fid", "kid", "precision", "recall")
    }
    assert ours["fid"] == pytest.approx(theirs["frechet_inception_distance"], rel=1e-4)
    assert ours["kid"] == pytest.approx(theirs["kernel_inception_distance_mean"], rel=1e-4)
    assert ours["precision"] == pytest.approx(theirs["precision"], rel=1e-4)
    assert ours["recall"] == pytest.approx(theirs["recall"], rel=1e-4)
    assert 0.1 < ours["precision"] != ours["recall"] < 1


def test_a_collapsed_engine_has_high_precision_and_low_recall_there_and_here(published, sides):
    real = sides[0]
    noise = np.random.default_rng(0).integers(0, 2, real.shape, dtype=np.uint8)
    collapsed = np.clip(np.repeat(real[:3], 30, axis=0).astype(int) + noise, 0, 255).astype(np.uint8)
    theirs = published(real, collapsed)
    rows = features(real), features(collapsed)
    for name in ("precision", "recall"):
        assert METRICS[name](*rows, None, resamples=0).value == pytest.approx(theirs[name], rel=1e-4)
    assert METRICS["precision"](*rows, None).value > 0.9
    assert METRICS["recall"](*rows, None).value < 0.1
    assert METRICS["coverage"](*rows, None).value < 0.3


@pytest.mark.parametrize("k", [1, 3, 5])
def test_precision_recall_density_and_coverage_are_prdcs(k):
    rng = np.random.default_rng(k)
    real, translated = rng.normal(0, 1, (61, 7)), rng.normal(0.4, 0.8, (47, 7))
    theirs = prdc.compute_prdc(real, translated, k)
    rows = Features.independent(real), Features.independent(translated)
    for function in (precision, recall, density, coverage):
        value = function(*rows, k=k, resamples=0).value
        assert value == pytest.approx(theirs[function.__name__], rel=1e-9), function.__name__
        assert 0 < value < 2
