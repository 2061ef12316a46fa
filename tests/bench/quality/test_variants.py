from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import torch
from torch import nn

from napari_phenotrans.engines import engine_entry
from napari_phenotrans.networks.norm import PositionNorm

if TYPE_CHECKING:
    from types import ModuleType


@pytest.fixture
def variants() -> ModuleType:
    return import_module("bench.quality.variants")


def a_flow(**said: Any) -> Any:
    entry = engine_entry("flow")
    settings = entry.settings.make(channels=("DNA", "GFP"), kept=("DNA",), crop=32, width=4, levels=3, **said)
    return entry.load()(settings, 2, ("a", "b"))


def test_every_variant_is_of_the_engines_settings_and_changes_something(variants: ModuleType) -> None:
    usual = variants.RECIPE.common
    for name, variant in variants.VARIANTS.items():
        engine_entry("flow").settings.make(**(usual | variant.settings))
        changed = any(usual.get(key) != value for key, value in variant.settings.items())
        assert changed or variant.replaced is not variants.nullcontext or name == "the recipe"


def test_norms_per_position_are_there_only_while_they_are_tried(variants: ModuleType) -> None:
    with variants.position_norms():
        tried = list(a_flow().translators.modules())
    usual = list(a_flow().translators.modules())
    assert any(isinstance(each, PositionNorm) for each in tried)
    assert not any(isinstance(each, nn.GroupNorm) for each in tried)
    assert any(isinstance(each, nn.GroupNorm) for each in usual)


def test_preconditioning_leaves_input_and_goal_at_variance_one(variants: ModuleType) -> None:
    with variants.preconditioned():
        objective = a_flow().objective
    chance = torch.Generator().manual_seed(0)
    x0, noise = torch.randn(2, 1, 100_000, generator=chance)
    for sigma in (0.1, 1.0, 10.0):
        sigmas = torch.tensor([sigma])
        x = x0 + sigma * noise
        c = objective.coefficients(sigmas)
        goal = (x0 - c.skip * x) / c.out
        assert (c.into * x).std().item() == pytest.approx(1, abs=0.02)
        assert goal.std().item() == pytest.approx(1, abs=0.02)


def test_paths_are_shorter_where_noise_and_crops_can_be_paired(variants: ModuleType) -> None:
    crops = np.arange(4.0)[:, None] * np.ones((4, 9))
    assert variants.shorter_paths(crops[::-1], crops) == pytest.approx(1.0)
    assert variants.shorter_paths(crops, crops + 0.1) == pytest.approx(0.0)


def test_the_table_shows_the_worse_way_over_seeds(variants: ModuleType) -> None:
    scored = [
        {"steps": 300, "there": 0.7, "back": 0.8, "engine error": 0.1},
        {"steps": 320, "there": 0.9, "back": 0.5, "engine error": 0.3},
    ]
    assert variants.table({"width 24": scored})[-1] == (
        "| width 24 | 310 | 0.600 (0.500 to 0.700) | 0.800 | 0.650 | 0.20 % |"
    )
