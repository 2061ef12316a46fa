"""What every extractor that needs no download keeps to."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from napari_phenotrans.core.errors import InputError
from napari_phenotrans.features import EXTRACTORS, Extractor, ExtractorResources, extractor_entry, in_domain
from napari_phenotrans.features import profile as classical
from napari_phenotrans.features.cache import Cache

FREE = ("profile", "in-domain")
QUICK = ExtractorResources(in_domain_steps=12)


def built(name: str, fit: dict[str, np.ndarray], resources: ExtractorResources | None = None) -> tuple[Extractor, list]:
    events = []
    building = EXTRACTORS[name].build(fit, resources or QUICK)
    while True:
        try:
            events.append(next(building))
        except StopIteration as end:
            return end.value, events


@pytest.fixture(scope="module")
def fit():
    rng = np.random.default_rng(0)
    crops = {name: rng.normal(-0.5, 0.1, (12, 2, 32, 32)).astype(np.float32) for name in ("untreated", "treated")}
    crops["treated"][:, 0] += 0.3
    return crops


@pytest.mark.parametrize("name", FREE)
def test_features_are_finite_the_same_again_and_of_each_crop_alone(name, fit):
    extractor, _ = built(name, fit)
    crops = np.concatenate(list(fit.values()))
    values = extractor.measure(crops)
    assert values.dtype == np.float64
    assert np.isfinite(values).all()
    assert extractor.together.max() < values.shape[1]
    np.testing.assert_allclose(extractor.measure(crops[3:4]), values[3:4], rtol=1e-4, atol=1e-5)
    assert bool(extractor.channels) is EXTRACTORS[name].channels
    again, _ = built(name, fit)
    assert again.identity == extractor.identity
    np.testing.assert_array_equal(again.measure(crops), values)


@pytest.mark.parametrize("name", FREE)
def test_other_crops_to_fit_to_make_another_extractor(name, fit):
    other = {condition: crops[:8] for condition, crops in fit.items()}
    assert built(name, fit)[0].identity != built(name, other)[0].identity


def test_the_in_domain_network_is_trained_once_per_data_set(fit, tmp_path):
    resources = replace(QUICK, cache=Cache(tmp_path))
    first, events = built("in-domain", fit, resources)
    assert [event.done for event in events] == list(range(1, 13))
    second, none = built("in-domain", fit, resources)
    assert none == []
    crops = fit["treated"]
    np.testing.assert_array_equal(first.measure(crops), second.measure(crops))
    assert first.name == second.name == f"in-domain {first.identity[:4]}"


def test_the_profile_is_fitted_once_per_data_set(fit, tmp_path, monkeypatch):
    resources = ExtractorResources(cache=Cache(tmp_path))
    first, _ = built("profile", fit, resources)
    monkeypatch.setattr(classical.Profile, "fit", None)
    assert built("profile", fit, resources)[0].identity == first.identity


def test_another_number_of_steps_makes_another_in_domain_network(fit):
    other = built("in-domain", fit, ExtractorResources(in_domain_steps=2))[0]
    assert other.identity != built("in-domain", fit)[0].identity


def test_the_in_domain_network_leaves_torchs_random_numbers_alone(fit):
    torch.manual_seed(3)
    expected = torch.rand(1)
    torch.manual_seed(3)
    built("in-domain", fit)
    assert torch.equal(torch.rand(1), expected)


def test_training_stops_when_it_is_told_to(fit):
    class Stop(Exception):
        pass

    def tick() -> None:
        raise Stop

    with pytest.raises(Stop):
        built("in-domain", fit, ExtractorResources(tick=tick))


def test_every_way_of_spoiling_changes_a_crop():
    crops = torch.rand(40, 2, 32, 32) - 0.5
    spoiled = in_domain.spoil(crops, np.random.default_rng(0))
    assert spoiled.shape == crops.shape
    assert ((spoiled - crops).abs().amax(dim=(1, 2, 3)) > 0.01).all()


def test_an_unknown_extractor_is_named_with_those_there_are():
    with pytest.raises(InputError, match=r"no features 'resnet'.*profile, in-domain, inception, vgg"):
        extractor_entry("resnet")


@pytest.mark.parametrize("name", ["inception", "vgg"])
def test_weights_that_are_not_there_are_not_fetched_silently(name, fit, monkeypatch, tmp_path):
    pytest.importorskip("torch_fidelity", reason="torch-fidelity is an extra")
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    with pytest.raises(InputError, match=rf"MB\).*--{name}-weights.*--download") as caught:
        built(name, fit)
    assert str(tmp_path) in str(caught.value)
    with pytest.raises(InputError, match=r"gone\.pth is no file"):
        built(name, fit, ExtractorResources(weights={name: Path("gone.pth")}, download=True))
