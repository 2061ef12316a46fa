"""An engine fixed to one translation gives this program's own pixels: here, from its source file, as TorchScript."""

from __future__ import annotations

import sys
import types
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import torch

from napari_phenotrans.checkpoints.interop import FORMATS
from napari_phenotrans.checkpoints.interop.zoo.fixed import as_torchscript, fix
from napari_phenotrans.checkpoints.interop.zoo.own_source import own_source
from napari_phenotrans.core.errors import InputError
from napari_phenotrans.core.image import Image
from napari_phenotrans.engines import ENGINES
from napari_phenotrans.translation.translate import translate_image

if TYPE_CHECKING:
    from collections.abc import Callable

    from napari_phenotrans.checkpoints.checkpoint import Checkpoint

SOURCE, TARGET = "untreated", "treated"
# engine, settings, what the card says, how to translate
CASES: dict[str, tuple[str, dict[str, Any], dict[str, Any], dict[str, Any]]] = {
    "cyclegan": ("cyclegan", {}, {}, {}),
    "cyclegan, masked": ("cyclegan", {"output": "masked", "norm": "position", "unmatched": 1.0, "cycle": 1.0}, {}, {}),
    "cyclegan, noise": ("cyclegan", {"noise": True}, {}, {}),
    "cyclegan, kept": ("cyclegan", {"output": "tanh", "upsampling": "antialias", "kept": ("GFP",)}, {}, {}),
    "cyclegan, imported": ("cyclegan", {"upsampling": "transposed"}, {"statistics": "plane"}, {}),
    "scgan": ("scgan", {}, {}, {}),
    "phendiff": ("phendiff", {}, {}, {}),
    "phendiff, edm": ("phendiff", {"objective": "edm"}, {}, {"guidance": 1.5}),
    "phendiff, discrete": ("phendiff", {"objective": "discrete"}, {}, {"strength": 0.3}),
    "phendiff, separate": ("phendiff", {"separate": True}, {}, {}),
    "phendiff, kept": ("phendiff", {"objective": "v", "channels": ("DNA", "GFP")}, {}, {"kept": ("DNA",)}),
    "flow": ("flow", {"kept": ("DNA",)}, {}, {"guidance": 0.5}),
    "flow, all move": ("flow", {}, {}, {"depth": 0.5}),
}
# Those that differ in how they become TorchScript; tracing and compiling is what takes time.
AS_PROGRAMS = {"cyclegan, masked", "cyclegan, imported", "phendiff, edm", "phendiff, separate", "flow"}
OFFSET = {"source": SOURCE, "target": TARGET, "to_source": (0.1, -0.05), "to_target": (0.2, 0.2)}


def plane() -> np.ndarray:
    """Draw (C, Y, X) of two tiles each way, in about the limits of the tiny checkpoints."""
    rng = np.random.default_rng(0)
    smooth = rng.random((2, 6, 7)).repeat(8, axis=1).repeat(8, axis=2)
    return ((0.7 * smooth + 0.1 * rng.random(smooth.shape)) * [[[800]], [[3500]]]).astype(np.float32)


def in_units(checkpoint: Checkpoint, module: Callable[[torch.Tensor], torch.Tensor]) -> np.ndarray:
    intensity = checkpoint.card.intensity
    with torch.no_grad():
        made = module(torch.from_numpy(intensity.normalize(plane()))[None])
    return intensity.denormalize(made[0].numpy())


def test_every_engine_with_networks_is_tried() -> None:
    assert {engine for engine, *_ in CASES.values()} == set(FORMATS)


@pytest.mark.parametrize("case", CASES)
def test_the_pixels_are_ours(build: Callable[..., Checkpoint], monkeypatch: pytest.MonkeyPatch, case: str) -> None:
    name, settings, card, how = CASES[case]
    if ENGINES[name].load().shifts_background:
        card = card | {"background": (OFFSET,)}
    checkpoint = build(name, card, **settings)
    image = Image(plane(), "CYX", checkpoint.card.channels)
    exact = {"device": "cpu", "precision": "fp32"}
    ours = translate_image(image, checkpoint, source=SOURCE, target=TARGET, how=how, **exact).translated.pixels
    engine = checkpoint.build_engine()
    told = engine.translation_settings.make(**(checkpoint.card.translation | how))
    fixed = fix(engine, SOURCE, TARGET, told)

    allowed = 1e-4 * checkpoint.card.intensity.range
    moved = np.abs(ours - plane()).max(axis=(1, 2))
    assert moved.max() > 20 * allowed.max(), "the engine changes the image by more than it may be off"
    assert (np.abs(in_units(checkpoint, fixed.module) - ours) < allowed).all()

    # the same from the package's own source, with weights by name alone
    alone = types.ModuleType("alone")
    monkeypatch.setitem(sys.modules, "alone", alone)  # where dataclasses look
    exec(compile(own_source(type(fixed.module)), "alone.py", "exec"), alone.__dict__)  # what this program wrote
    module = getattr(alone, type(fixed.module).__name__)(**fixed.arguments)
    state = {key: torch.from_numpy(np.array(value)) for key, value in fixed.named(checkpoint.tensors).items()}
    module.load_state_dict(state, strict=True)
    assert np.array_equal(in_units(checkpoint, module.eval()), in_units(checkpoint, fixed.module))

    if case not in AS_PROGRAMS:
        return
    program = as_torchscript(fixed)
    assert program is not None
    with torch.jit.optimized_execution(False):  # what optimizes takes longer than it saves here
        assert (np.abs(in_units(checkpoint, program) - ours) < allowed).all()


def test_what_draws_noise_is_no_program(build: Callable[..., Checkpoint]) -> None:
    engine = build("cyclegan", noise=True).build_engine()
    assert as_torchscript(fix(engine, SOURCE, TARGET, engine.translation_settings.make())) is None


def test_kept_channels_come_back_as_they_came(build: Callable[..., Checkpoint]) -> None:
    engine = build("flow", kept=("DNA",)).build_engine()
    how = engine.translation_settings.make(evaluations=4)
    x = torch.rand(2, 2, 32, 40)
    made = fix(engine, SOURCE, TARGET, how).module(x)
    assert torch.equal(made[:, 0], x[:, 0]) and not torch.equal(made[:, 1], x[:, 1])


def test_a_batch_is_each_plane_by_itself(build: Callable[..., Checkpoint]) -> None:
    for name, settings in (("cyclegan", {"noise": True}), ("phendiff", {})):
        engine = build(name, **settings).build_engine()
        told = {"evaluations": 4} if engine.inverts else {}
        module = fix(engine, SOURCE, TARGET, engine.translation_settings.make(**told)).module
        x = torch.rand(2, 2, 32, 32)
        assert torch.allclose(module(x), torch.cat([module(x[:1]), module(x[1:])]), atol=1e-5)


def test_what_a_module_cannot_do_is_said(build: Callable[..., Checkpoint]) -> None:
    for settings, how, said in (
        ({}, {"strength": 0}, "nothing to write"),
        ({}, {"solver": "heun"}, "--solver dpm"),
        ({"separate": True}, {"guidance": 2}, "--guidance 1"),
    ):
        engine = build("phendiff", **settings).build_engine()
        with pytest.raises(InputError, match=said):
            fix(engine, SOURCE, TARGET, engine.translation_settings.make(**how))
