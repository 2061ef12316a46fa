from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
import torch

from napari_phenotrans.engines import convolutions, cyclegan
from napari_phenotrans.engines.convolutions import patches_are_faster
from napari_phenotrans.networks.winograd import Convolution, use_patches

if TYPE_CHECKING:
    from collections.abc import Callable

    from napari_phenotrans.engines.base import Engine


def patched(network: torch.nn.Module) -> set[bool]:
    return {layer.patches for layer in network.modules() if isinstance(layer, Convolution)}


def test_plain_convolutions_differ_by_rounding() -> None:
    torch.manual_seed(0)
    layer, x = Convolution(48, 48, 3, padding=1, padding_mode="reflect"), torch.randn(1, 48, 32, 32)
    by_patches = layer(x)
    use_patches(layer, False)
    directly = layer(x)
    assert not torch.equal(by_patches, directly)
    torch.testing.assert_close(by_patches, directly, atol=1e-4, rtol=1e-4)


@pytest.mark.parametrize("slow", [True, False])
def test_the_quicker_way_is_found_and_nothing_is_left_behind(slow: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    now = [0.0]
    monkeypatch.setattr(convolutions.time, "perf_counter", lambda: now[0])
    layer = Convolution(2, 2, 3, padding=1)
    layer.register_forward_hook(lambda *_: now.__setitem__(0, now[0] + (2 if layer.patches == slow else 1)))
    assert patches_are_faster(layer, torch.zeros(1, 2, 8, 8), 10) is not slow
    assert layer.patches
    assert layer.weight.grad is None


def test_a_run_goes_on_as_it_was_timed(make_engine: Callable[..., Engine], monkeypatch: pytest.MonkeyPatch) -> None:
    answers = iter((False, True))
    monkeypatch.setattr(cyclegan, "patches_are_faster", lambda *_: next(answers))
    first, resumed = make_engine("cyclegan", convolutions="timed"), make_engine("cyclegan", convolutions="timed")
    first.start_training()
    resumed.start_training()
    assert [patched(each.generators) for each in (first, resumed)] == [{False}, {True}]
    resumed.load_training_state(first.training_state())
    assert patched(resumed.generators) == {False}
    earlier = {name: value for name, value in first.training_state().items() if name != "patches"}
    resumed.load_training_state(earlier)
    assert patched(resumed.generators) == {True}
