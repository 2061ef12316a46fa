from __future__ import annotations

import json
import os
import pickle
import stat
from typing import TYPE_CHECKING

import numpy as np
import pytest
from safetensors.numpy import load_file, save_file

from napari_phenotrans.checkpoints.checkpoint import CARD_KEY, Card, Checkpoint, bundled
from napari_phenotrans.core.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path


@pytest.fixture
def saved(make_checkpoint: Callable[..., Checkpoint], tmp_path: Path) -> Path:
    return make_checkpoint("shift").save(tmp_path / "engine.safetensors")


def test_card_and_weights_come_back(make_checkpoint: Callable[..., Checkpoint], tmp_path: Path) -> None:
    checkpoint = make_checkpoint("cyclegan", channels=3, about="a test", pixel_size=0.5, pixel_unit="um")
    loaded = Checkpoint.load(checkpoint.save(tmp_path / "c.safetensors"))
    assert loaded.card == checkpoint.card
    assert loaded.name == "c"
    assert loaded.tensors.keys() == checkpoint.tensors.keys()
    for name, tensor in checkpoint.tensors.items():
        np.testing.assert_array_equal(loaded.tensors[name], tensor)
    assert Checkpoint.read_card(tmp_path / "c.safetensors") == checkpoint.card


def test_half_precision_is_for_the_disk_only(make_checkpoint: Callable[..., Checkpoint], tmp_path: Path) -> None:
    whole = make_checkpoint("cyclegan")
    engine = whole.build_engine()
    path = Checkpoint.of(engine, whole.card, half=True).save(tmp_path / "half.safetensors")
    assert path.stat().st_size < 0.6 * whole.save(tmp_path / "whole.safetensors").stat().st_size
    parameters = list(Checkpoint.load(path).build_engine().translators.parameters())
    assert all(parameter.dtype.is_floating_point and parameter.element_size() == 4 for parameter in parameters)


def test_existing_file_is_refused_and_kept(saved: Path, make_checkpoint: Callable[..., Checkpoint]) -> None:
    before = saved.read_bytes()
    with pytest.raises(InputError, match="exists already"):
        make_checkpoint("cyclegan").save(saved)
    assert saved.read_bytes() == before
    assert [path.name for path in saved.parent.iterdir()] == [saved.name]


def test_file_may_be_read_by_others_as_the_umask_allows(saved: Path) -> None:
    mask = os.umask(0)
    os.umask(mask)
    assert stat.S_IMODE(saved.stat().st_mode) == 0o666 & ~mask


def test_what_is_no_checkpoint_is_refused(tmp_path: Path) -> None:
    empty, text, pickled = (tmp_path / name for name in ("empty.safetensors", "a.safetensors", "b.safetensors"))
    empty.touch()
    text.write_text("hello")
    pickled.write_bytes(pickle.dumps({"a": 1}))
    for path in (empty, text, pickled):
        with pytest.raises(InputError, match=rf"{path.name} is no checkpoint.*phenotrans import"):
            Checkpoint.load(path)
    save_file({"a": np.zeros(3)}, tmp_path / "foreign.safetensors")
    with pytest.raises(InputError, match="no card"):
        Checkpoint.load(tmp_path / "foreign.safetensors")
    with pytest.raises(InputError, match="neither a file nor a bundled name"):
        Checkpoint.load("nothing-like-this")


def test_truncated_file_is_refused(saved: Path) -> None:
    saved.write_bytes(saved.read_bytes()[:-5])
    with pytest.raises(InputError, match="is no checkpoint"):
        Checkpoint.load(saved)


@pytest.mark.parametrize("part", ["weights", "card"])
def test_tampered_file_is_refused(saved: Path, part: str) -> None:
    from safetensors import safe_open

    with safe_open(saved, framework="numpy") as file:
        header = file.metadata()
    tensors = load_file(saved)
    if part == "weights":
        tensors["0.mean"] = tensors["0.mean"] + 1
    else:
        card = json.loads(header[CARD_KEY])
        card["high"] = [1.0, 1.0]
        header[CARD_KEY] = json.dumps(card)
    save_file(tensors, saved, metadata=header)
    with pytest.raises(InputError, match="changed after it was saved"):
        Checkpoint.load(saved)


def test_card_of_a_later_format_is_refused(saved: Path) -> None:
    from safetensors import safe_open

    with safe_open(saved, framework="numpy") as file:
        header = file.metadata()
    header[CARD_KEY] = json.dumps(json.loads(header[CARD_KEY]) | {"format": 2})
    save_file(load_file(saved), saved, metadata=header)
    with pytest.raises(InputError, match=r"cannot read.*format"):
        Checkpoint.load(saved)


def test_weights_that_do_not_fit_the_card_are_refused(make_checkpoint: Callable[..., Checkpoint]) -> None:
    checkpoint = make_checkpoint("cyclegan")
    fewer = {name: tensor for name, tensor in checkpoint.tensors.items() if "leave" not in name}
    with pytest.raises(InputError, match="does not hold the weights"):
        Checkpoint(checkpoint.card, fewer).build_engine()


@pytest.mark.parametrize("wrong", [np.nan, np.inf, np.float64(1e39)])
def test_weights_that_are_not_finite_are_refused(
    wrong: float, make_checkpoint: Callable[..., Checkpoint], tmp_path: Path
) -> None:
    whole = make_checkpoint("cyclegan")
    name = next(name for name in whole.tensors if name.endswith("weight"))
    value = whole.tensors[name].astype(np.float64)
    value.flat[3] = wrong
    path = Checkpoint(whole.card, whole.tensors | {name: value}).save(tmp_path / "c.safetensors")
    with pytest.raises(InputError, match=rf"not finite as float32, in {name}.*earlier checkpoint"):
        Checkpoint.load(path)


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"width": 20_000}, "does not hold the weights"),
        ({"width": 10**15}, "does not hold the weights"),
        ({"network": {"layers_per_block": 10**9}}, "layers_per_block: 1000000000. At most 64"),
        ({"network": {"block_out_channels": [4] * 1000}}, "block_out_channels"),
        ({"schedule": {"num_train_timesteps": 10**12}}, "num_train_timesteps"),
    ],
)
def test_a_card_of_more_than_the_weights_is_refused_before_memory_is_taken(
    settings: dict[str, object],
    said: str,
    make_checkpoint: Callable[..., Checkpoint],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    import torch

    checkpoint = make_checkpoint("phendiff" if "width" not in settings else "cyclegan")
    card = checkpoint.card.model_copy(update={"settings": checkpoint.card.settings | settings})
    empty = torch.empty

    def small(*size: object, **more: object) -> torch.Tensor:
        made = empty(*size, **more)
        assert made.device.type == "meta" or made.numel() < 10**7, "memory was taken"
        return made

    monkeypatch.setattr(torch, "empty", small)
    with pytest.raises(InputError, match=said):
        Checkpoint(card, checkpoint.tensors).build_engine()


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("pixel_size", -1.0),
        ("pixel_size", 1e300),
        ("crop", 0),
        ("crop", 10**9),
        ("high", [1.0] * 5),
        ("low", []),
        ("channels", ["a"] * 100_000),
        ("conditions", []),
    ],
)
def test_cards_with_values_that_no_engine_has_are_refused(saved: Path, field: str, value: object) -> None:
    from safetensors import safe_open

    with safe_open(saved, framework="numpy") as file:
        header = file.metadata()
    header[CARD_KEY] = json.dumps(json.loads(header[CARD_KEY]) | {field: value})
    save_file(load_file(saved), saved, metadata=header)
    with pytest.raises(InputError, match="card that this version cannot read"):
        Checkpoint.load(saved)


def test_equal_checkpoints_are_equal_files(make_checkpoint: Callable[..., Checkpoint], tmp_path: Path) -> None:
    checkpoint = make_checkpoint("shift", about='Ω: "quoted" \\ \t\x7f\u2028')
    written = {checkpoint.save(tmp_path / f"{i}.safetensors").read_bytes() for i in range(12)}
    assert len(written) == 1
    assert Checkpoint.load(tmp_path / "0.safetensors").card == checkpoint.card


@pytest.mark.parametrize("name", ["bbbc013-cyclegan", "synthetic-organoids-cyclegan"])
def test_bundled_checkpoints_say_what_they_are(name: str) -> None:
    assert name in bundled()
    checkpoint = Checkpoint.load(name)
    assert checkpoint.path is not None
    assert checkpoint.path.stat().st_size <= 8e6
    card: Card = checkpoint.card
    assert card.about
    assert card.attribution
    assert card.training["recipe"]
    assert card.scores
    assert card.synthetic == name.startswith("synthetic")
    assert {tensor.dtype for tensor in checkpoint.tensors.values()} == {np.dtype(np.float16)}


@pytest.mark.parametrize(
    ("engine", "steps", "settings", "crop", "look"),
    [
        ("flow", 1000, {"batch": 4}, 64, True),
        ("flow", 400, {"batch": 8}, 64, True),  # stopped early
        ("flow", 1000, {"batch": 32}, 64, False),  # as many steps, eight times as many crops
        ("flow", 1000, {"batch": 4}, 128, False),
        ("flow", 1000, {"batch": 4, "start_from": "bbbc013-flow"}, 64, False),
        ("flow", 1000, {}, 64, True),  # the engine's own batch
        ("flow", None, {"batch": 4}, 64, False),  # imported
        ("shift", 50, {"batch": 4}, 128, False),  # all that this engine needs
        ("of another version", 1, {}, 64, False),
    ],
)
def test_what_saw_no_more_than_the_preset_shows_is_a_look(
    engine: str, steps: int | None, settings: dict, crop: int, look: bool
) -> None:
    card = Card(
        engine=engine, settings=settings, conditions=("a", "b"), channels=("DAPI",), low=(0,), high=(1,), crop=crop,
        training={} if steps is None else {"steps": steps},
    )  # fmt: skip
    assert card.is_look is look
