"""A translation's background is the source's, unless another is asked for."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
import torch

from napari_phenotrans.engines.background import measure_offsets

if TYPE_CHECKING:
    from collections.abc import Callable

    from napari_phenotrans.engines.base import Engine


def planes() -> dict[str, list[torch.Tensor]]:
    """Two channels; the treated background is 0.3 brighter in the first, and a tenth of each plane is a bright cell."""
    made: dict[str, list[torch.Tensor]] = {"untreated": [], "treated": []}
    for seed in range(3):
        for condition, background in (("untreated", -0.8), ("treated", -0.5)):
            noise = 0.01 * torch.randn(2, 32, 32, generator=torch.Generator().manual_seed(seed))
            plane = noise + torch.tensor([background, -0.8])[:, None, None]
            plane[:, :8, :12] += 1
            made[condition].append(plane)
    return made


@pytest.fixture
def shifting(make_engine: Callable[..., Engine]) -> Engine:
    """An engine that shifts each condition's mean to the other's, and with it the background."""
    engine = make_engine("shift")
    for condition, pieces in planes().items():
        engine.networks_to(condition).mean = torch.stack(pieces).mean(dim=(0, 2, 3))
    engine.offsets = measure_offsets(engine, planes())
    engine.offsets += measure_offsets(engine, planes(), way_back=True)
    return engine


def background(x: torch.Tensor) -> float:
    return float(x[0, 0].quantile(0.05))


def test_the_background_stays_the_sources_unless_said(shifting: Engine) -> None:
    real = planes()["untreated"][1][None]
    usual, at_target, as_made = (
        shifting.translate(real, "untreated", "treated", shifting.translation_settings.make(**said))
        for said in ({}, {"background": "target"}, {"background": "engine"})
    )
    assert background(usual) == pytest.approx(background(real), abs=0.01)
    assert background(at_target) == pytest.approx(background(real) + 0.3, abs=0.01)
    assert background(as_made) == pytest.approx(background(real) + 0.3, abs=0.01)


def test_the_way_back_and_the_identity_control_have_offsets_of_their_own(shifting: Engine) -> None:
    real = planes()["untreated"][1][None]
    assert background(shifting.round_trip(real, "untreated", "treated")) == pytest.approx(background(real), abs=0.01)
    assert background(shifting.translate(real, "untreated", "untreated")) == pytest.approx(background(real), abs=0.01)
    ways = {(each.source, each.target, each.way_back) for each in shifting.offsets}
    assert ways == {
        ("untreated", "untreated", False), ("untreated", "treated", False), ("treated", "untreated", False),
        ("treated", "treated", False), ("untreated", "treated", True), ("treated", "untreated", True),
    }  # fmt: skip


def test_an_engine_without_offsets_translates_as_it_learned(shifting: Engine) -> None:
    real = planes()["untreated"][1][None]
    shifting.offsets = ()
    assert background(shifting.translate(real, "untreated", "treated")) == pytest.approx(-0.5, abs=0.05)
