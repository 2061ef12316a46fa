"""Gradients of a batch in parts: the same sum whatever computes them, on a thread each where that is a processor's."""

from __future__ import annotations

import threading
import time
from typing import TYPE_CHECKING

import pytest
import torch
from torch import Tensor, nn

from napari_phenotrans.engines.update import Update
from napari_phenotrans.training.loop import parts_at_once

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from napari_phenotrans.engines.base import Engine


@pytest.fixture(autouse=True)
def three_threads() -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(3)
    yield
    torch.set_num_threads(before)


def make_network() -> nn.Module:
    torch.manual_seed(0)
    return nn.Sequential(nn.Conv2d(1, 8, 3), nn.Tanh(), nn.Conv2d(8, 1, 3))


def mean_loss(network: nn.Module) -> Callable[[Tensor], tuple[Tensor, float]]:
    def loss_of(part: Tensor) -> tuple[Tensor, float]:
        return network(part).pow(2).mean(), float(part.mean())

    return loss_of


def test_gradients_are_those_of_the_mean_loss() -> None:
    network, batch = make_network(), torch.randn(6, 1, 16, 16)
    mean_loss(network)(batch)[0].backward()
    expected = [weight.grad.clone() for weight in network.parameters()]
    for count in (1, 2, 3, 6):
        network.zero_grad()
        told = Update().backward(network, batch.chunk(count), mean_loss(network))
        assert told == [float(part.mean()) for part in batch.chunk(count)]
        for weight, gradient in zip(network.parameters(), expected, strict=True):
            torch.testing.assert_close(weight.grad, gradient)


def test_gradients_of_several_losses_are_added() -> None:
    network, batch = make_network(), torch.randn(2, 1, 16, 16)
    update = Update()
    update.backward(network, [batch], mean_loss(network))
    single = [weight.grad.clone() for weight in network.parameters()]
    update.backward(network, [batch], mean_loss(network))
    for weight, gradient in zip(network.parameters(), single, strict=True):
        torch.testing.assert_close(weight.grad, 2 * gradient)


def test_weights_that_stand_still_and_those_that_nothing_uses_get_none() -> None:
    network = nn.ModuleDict({"used": nn.Linear(3, 1), "still": nn.Linear(3, 1), "spare": nn.Linear(3, 1)})
    network["still"].requires_grad_(False)

    def loss_of(part: Tensor) -> tuple[Tensor, None]:
        return (network["used"](part) + network["still"](part)).mean(), None

    Update().backward(network, torch.ones(4, 3).chunk(2), loss_of)
    assert {name for name, weight in network.named_parameters() if weight.grad is not None} == {
        "used.weight",
        "used.bias",
    }


def test_the_sum_does_not_depend_on_which_part_is_ready_first() -> None:
    """Six numbers whose sum in float32 depends on their order; the parts end in another order each time."""
    parts = [1e8, 1.0, -1e8, 3.0, 1e7, -7.0]
    sums = set()
    for turn in range(4):
        network = nn.Linear(1, 1, bias=False)

        def loss_of(part: float, turn: int = turn, network: nn.Module = network) -> tuple[Tensor, None]:
            time.sleep(0.01 * ((parts.index(part) * (turn + 1)) % 5))
            return network(torch.tensor([[part]])).sum() * len(parts), None

        Update().backward(network, parts, loss_of)
        sums.add(network.weight.grad.item())
    assert len({sum(torch.tensor(order)).item() for order in (parts, parts[::-1])}) == 2
    assert len(sums) == 1


def test_parts_are_computed_at_once_on_one_thread_each() -> None:
    network, meeting = make_network(), threading.Barrier(3, timeout=60)

    def loss_of(part: Tensor) -> tuple[Tensor, tuple[str, int]]:
        meeting.wait()  # breaks where they come one after the other
        return network(part).sum(), (threading.current_thread().name, torch.get_num_threads())

    update = Update()
    for _ in range(2):
        told = update.backward(network, torch.randn(3, 1, 16, 16).chunk(3), loss_of)
        assert [count for _, count in told] == [1, 1, 1]
        assert len({name for name, _ in told}) == 3
        assert torch.get_num_threads() == 3
    # neither does a thread that begins later compute on one alone
    late: list[int] = []
    other = threading.Thread(target=lambda: late.append(torch.get_num_threads()))
    other.start()
    other.join()
    assert late == [3]


def test_one_part_is_computed_here_with_all_threads() -> None:
    network = make_network()

    def loss_of(part: Tensor) -> tuple[Tensor, tuple[threading.Thread, int]]:
        return network(part).sum(), (threading.current_thread(), torch.get_num_threads())

    told = Update().backward(network, [torch.randn(3, 1, 16, 16)], loss_of)
    assert told == [(threading.main_thread(), 3)]


def test_a_part_that_fails_is_told_when_the_others_have_ended() -> None:
    """Out of memory has the same step computed again: no other part may still be at it."""
    network, ended = make_network(), []

    def loss_of(part: int) -> tuple[Tensor, None]:
        if part == 0:
            raise torch.OutOfMemoryError("out of memory")
        time.sleep(0.2)
        ended.append(part)
        return network(torch.zeros(1, 1, 8, 8)).sum(), None

    with pytest.raises(torch.OutOfMemoryError):
        Update().backward(network, range(3), loss_of)
    assert sorted(ended) == [1, 2]
    assert torch.get_num_threads() == 3


@pytest.mark.parametrize(("crops", "parts"), [(1, 1), (2, 2), (3, 3), (4, 2), (5, 1), (12, 3)])
def test_a_batch_is_divided_evenly_among_the_threads(
    crops: int, parts: int, make_engine: Callable[..., Engine]
) -> None:
    assert parts_at_once(make_engine("cyclegan"), crops) == parts


def test_a_batch_that_is_judged_as_a_whole_stays_whole(make_engine: Callable[..., Engine]) -> None:
    assert parts_at_once(make_engine("scgan", batch=6), 6) == 3
    assert parts_at_once(make_engine("scgan", batch=12), 12) == 1
