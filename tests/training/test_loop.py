from __future__ import annotations

from typing import TYPE_CHECKING

import torch

from napari_phenotrans.training.events import Losses
from napari_phenotrans.training.loop import fix_statistics, train

if TYPE_CHECKING:
    from collections.abc import Callable

    from napari_phenotrans.core.keyed_random import KeyedRandom
    from napari_phenotrans.engines.base import Engine


def draw(condition: str, chance: KeyedRandom) -> torch.Tensor:
    crops = torch.from_numpy(chance.uniform(condition, 2, 32, 32))
    return crops if condition == "treated" else -crops


def test_every_process_computes_its_share_of_the_same_batch(make_engine: Callable[..., Engine]) -> None:
    seen: dict[tuple[int, int], torch.Tensor] = {}

    def noted(process: int) -> Callable[[str, KeyedRandom], torch.Tensor]:
        def one(condition: str, chance: KeyedRandom) -> torch.Tensor:
            crops = draw(condition, chance)
            if condition == "treated":
                seen[process, chance.step] = crops
            return crops

        return one

    for process, processes in ((9, 1), (0, 2), (1, 2)):
        engine = make_engine("shift", batch=4, steps=2)
        engine.start_training()
        place = 0 if processes == 1 else process
        list(train(engine, noted(process), engine.settings, process=place, processes=processes))
    for step in range(2):
        assert torch.equal(seen[9, step], torch.cat([seen[0, step], seen[1, step]]))


def test_training_goes_on_from_a_step(make_engine: Callable[..., Engine]) -> None:
    engine = make_engine("shift", steps=5)
    engine.start_training()
    events = list(train(engine, draw, engine.settings, first_step=3))
    assert [event.step for event in events if isinstance(event, Losses)] == [4, 5]


def test_each_input_of_a_network_has_statistics_of_its_own(make_engine: Callable[..., Engine]) -> None:
    """Untreated pieces, treated ones, and for the way back what the other network made of a network's own condition."""
    engine = make_engine("cyclegan")
    pieces = {"untreated": [torch.full((2, 32, 32), -0.5)], "treated": [torch.rand(2, 32, 40)]}
    fix_statistics(engine, pieces)
    for network in engine.translators.values():
        variances = network.enter[1].var
        assert variances[0].max() < 1e-9  # nothing varies over a flat piece
        assert variances[1].min() > 1e-9
    translated = engine.translate(pieces["treated"][0][None], "treated", "untreated")
    convolution, norm = engine.translators["1"].enter[:2]
    torch.testing.assert_close(norm.mean[2], convolution(translated)[0].mean(dim=(1, 2)))
    assert engine.statistics_are_fixed


def test_engines_are_shown_the_objects_of_their_own_crops(make_engine: Callable[..., Engine]) -> None:
    engine = make_engine("shift", batch=4, steps=1)
    engine.start_training()
    seen = []
    step = engine.training_step
    engine.training_step = lambda number, parts, update: seen.extend(parts) or step(number, parts, update)
    list(train(engine, draw, engine.settings, draw_masks=lambda c, chance: draw(c, chance)[:, :1] + 1))
    assert seen
    for part in seen:
        for condition, crops in part.crops.items():
            assert torch.equal(part.masks[condition], crops[:, :1] + 1)


def test_backgrounds_are_measured_of_engines_without_statistics_too(make_engine: Callable[..., Engine]) -> None:
    pieces = {"untreated": [torch.rand(2, 32, 32) - 1], "treated": [torch.rand(2, 32, 32)]}
    for name, settings, measured in (("cyclegan", {"norm": "position"}, 6), ("shift", {}, 0)):
        engine = make_engine(name, **settings)
        fix_statistics(engine, pieces)
        assert len(engine.offsets) == measured
