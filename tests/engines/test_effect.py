from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import torch

from napari_phenotrans.checkpoints.checkpoint import Checkpoint
from napari_phenotrans.core.effect import Effect
from napari_phenotrans.core.image import Image
from napari_phenotrans.engines.denoiser import DenoiserEngine
from napari_phenotrans.engines.effect import EVALUATIONS, measure_effect
from napari_phenotrans.engines.settings import as_written_earlier
from napari_phenotrans.translation.provenance import translate_command
from napari_phenotrans.translation.translate import TranslationRequest, Translator, translate_image

if TYPE_CHECKING:
    from collections.abc import Callable, Generator
    from pathlib import Path

    from torch import Tensor

    from napari_phenotrans.engines.base import Engine

both = pytest.mark.parametrize("name", ["phendiff", "flow"])
AMOUNT = {"phendiff": "strength", "flow": "depth"}


def pieces(seed: int = 0) -> dict[str, list[Tensor]]:
    generator = torch.Generator().manual_seed(seed)
    scale = torch.tensor([0.1, 0.3])[:, None, None]
    return {
        c: [torch.randn(2, 64, 64, generator=generator) * scale - 0.5 for _ in range(2)]
        for c in ("untreated", "treated")
    }


@pytest.fixture
def make(make_engine: Callable[..., Engine]) -> Callable[[str], DenoiserEngine]:
    def build(name: str) -> DenoiserEngine:
        engine = make_engine(name)
        engine.measure(pieces())
        engine.settings = engine.settings.model_copy(update={"channels": ("DNA", "GFP")})
        assert isinstance(engine, DenoiserEngine)
        return engine

    return build


def pretend(engine: DenoiserEngine, effect: Callable[[float], float], monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """Let an engine add to each channel, between conditions, so many of its SDs; returns the noises it is asked for."""
    asked: list[float] = []
    sds = torch.tensor([0.1, 0.3])[:, None, None]

    def translation(x: Tensor, source: str, target: str, how: Any, **_: Any) -> Generator[Any, Any, Tensor]:
        asked.append(engine.noise(how))
        assert how.evaluations <= EVALUATIONS
        return x + sds * (effect(asked[-1]) if source != target else 0.0) + 0.01
        yield

    monkeypatch.setattr(engine, "translation", translation)
    return asked


@both
def test_strength_is_the_share_of_the_greatest_effect(
    name: str, make: Callable[[str], DenoiserEngine], monkeypatch: pytest.MonkeyPatch
) -> None:
    engine = make(name)
    asked = pretend(engine, lambda sigma: 2 * sigma / (1 + sigma), monkeypatch)
    engine.effect = effect = measure_effect(engine, pieces())
    most = 2 * max(asked) / (1 + max(asked))
    for sigma, share in zip(effect.sigmas[1:], effect.shares[1:], strict=True):
        assert share == pytest.approx(2 * sigma / (1 + sigma) / most, abs=0.006)
    expected = [0.1, 0.3] if name == "phendiff" else [1, 1]
    assert effect.sds == pytest.approx(expected, rel=0.05)
    for amount in (0.2, 0.5, 0.8):
        noise = engine.noise(engine.translation_settings.make(**{AMOUNT[name]: amount}))
        assert 2 * noise / (1 + noise) / most == pytest.approx(amount, abs=0.05)


@pytest.mark.parametrize(("name", "depth"), [("phendiff", 0.07), ("phendiff", 0.5), ("flow", 0.9)])
def test_the_depth_of_an_earlier_card_gives_the_same_picture(
    name: str, depth: float, make: Callable[[str], DenoiserEngine], monkeypatch: pytest.MonkeyPatch
) -> None:
    """And the earlier number itself does so too, on the scale of its time."""
    for constant, value in (("CROPS", 2), ("LEVELS", 4), ("EVALUATIONS", 6)):
        monkeypatch.setattr(f"napari_phenotrans.engines.effect.{constant}", value)
    engine = make(name)
    x = pieces(1)["untreated"][0][None, :, :32, :32]
    earlier = engine.translation_settings.make(**{AMOUNT[name]: depth, "evaluations": 6})
    before, noise = engine.translate(x, "untreated", "treated", earlier), engine.noise(earlier)
    engine.effect = measure_effect(engine, pieces(), earlier)
    assert noise in engine.effect.sigmas
    share = engine.effect.share(noise)
    assert share == round(share, 2) > 0
    now = earlier.model_copy(update={AMOUNT[name]: share})
    torch.testing.assert_close(engine.translate(x, "untreated", "treated", now), before, rtol=0, atol=1e-6)
    as_then = engine.translation_settings.make(**as_written_earlier({AMOUNT[name]: depth, "evaluations": 6}))
    assert torch.equal(engine.translate(x, "untreated", "treated", as_then), before)


@both
def test_noise_beyond_the_greatest_effect_is_left_out_and_rises_stay(
    name: str, make: Callable[[str], DenoiserEngine], monkeypatch: pytest.MonkeyPatch
) -> None:
    engine = make(name)
    pretend(engine, lambda sigma: sigma if sigma < 2 else 1 / sigma, monkeypatch)
    effect = measure_effect(engine, pieces(), engine.at_noise(0.5))
    assert effect.sigmas[-1] < 2
    assert effect.share(0.5) == pytest.approx(0.5 / effect.sigmas[-1], abs=0.006)
    # also where nothing changes at all: then evenly through the levels
    pretend(engine, lambda sigma: 0.0, monkeypatch)
    assert len(measure_effect(engine, pieces()).sigmas) >= 12


@both
def test_a_card_keeps_the_table_and_the_translation_says_the_noise(
    name: str, make_checkpoint: Callable[..., Checkpoint], tmp_path: Path
) -> None:
    effect = Effect(sigmas=(0.006, 0.5, 8.0), shares=(0.0, 0.25, 1.0), sds=(0.1, 0.2))
    checkpoint = make_checkpoint(name, effect=effect, translation={AMOUNT[name]: 0.25, "evaluations": 4})
    path = checkpoint.save(tmp_path / "tiny.safetensors")
    assert Checkpoint.load(path).card.effect == effect
    image = Image(np.random.default_rng(0).integers(0, 255, (2, 40, 40), np.uint8), "CYX", ("marker 0", "marker 1"))
    translator = Translator(path)
    result = translate_image(image, translator, source="untreated", target="treated")
    assert result.provenance["scale"] == "effect"
    assert result.provenance["noise"] == {
        "sigma": 0.5,
        "in SDs of the data": {"marker 0": 5.0, "marker 1": 2.5},
    }
    # what an earlier version wrote down is repeated on its own scale
    image = Image(image.pixels, "CYX", image.channels, path=tmp_path / "real.tif")
    provenance = json.loads(json.dumps(translator.provenance(image, TranslationRequest("untreated", "treated"))))
    assert "--scale effect" in translate_command(provenance)
    del provenance["scale"]
    assert "--scale noise" in translate_command(provenance)


@both
def test_without_a_table_nothing_is_counted_otherwise(name: str, make: Callable[[str], DenoiserEngine]) -> None:
    engine = make(name)
    for amount in (0.0, 0.36, 1.0):
        on_either = [
            engine.way(engine.translation_settings.make(**{AMOUNT[name]: amount, "scale": scale}))
            for scale in ("effect", "noise")
        ]
        assert on_either == [amount, amount]
    assert engine.noise_said(engine.translation_settings.make(**{AMOUNT[name]: 0.0})) == {}
