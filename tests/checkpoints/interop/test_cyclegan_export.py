"""Exported generators, loaded by an independent network with the public layer order, and imported back."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from napari_phenotrans.checkpoints.checkpoint import Checkpoint
from napari_phenotrans.checkpoints.interop import export_checkpoint, import_checkpoint
from napari_phenotrans.core.errors import InputError

if TYPE_CHECKING:
    from collections import OrderedDict
    from collections.abc import Callable
    from pathlib import Path

FILES = ("latest_net_G_A.pth", "latest_net_G_B.pth")
SETTINGS = {"output": "tanh", "upsampling": "transposed", "blocks": 2}


# ---- the public generator, from plain layers in the published order


class Filter(nn.Module):
    """A fixed blur that halves or doubles, with its kernel in the state dict as the anti-aliased original has it."""

    def __init__(self, channels: int, size: int) -> None:
        super().__init__()
        self.register_buffer("filt", torch.zeros(channels, 1, size, size))

    def forward(self, x: Tensor) -> Tensor:
        if self.filt.shape[-1] == 3:
            return F.conv2d(F.pad(x, (1, 1, 1, 1), "reflect"), self.filt, stride=2, groups=len(self.filt))
        wide = F.conv_transpose2d(
            F.pad(x, (1, 1, 1, 1), "replicate"), self.filt, stride=2, padding=2, groups=len(self.filt)
        )
        return wide[:, :, 1:-1, 1:-1]


class Block(nn.Module):
    def __init__(self, n: int) -> None:
        super().__init__()
        self.conv_block = nn.Sequential(
            nn.ReflectionPad2d(1), nn.Conv2d(n, n, 3), nn.InstanceNorm2d(n), nn.ReLU(),
            nn.ReflectionPad2d(1), nn.Conv2d(n, n, 3), nn.InstanceNorm2d(n),
        )  # fmt: skip

    def forward(self, x: Tensor) -> Tensor:
        return x + self.conv_block(x)


class Published(nn.Module):
    def __init__(self, channels: int, width: int, blocks: int, antialias: bool) -> None:
        super().__init__()
        w = width
        layers: list[nn.Module] = [nn.ReflectionPad2d(3), nn.Conv2d(channels, w, 7), nn.InstanceNorm2d(w), nn.ReLU()]
        for n in (w, 2 * w):
            layers += [nn.Conv2d(n, 2 * n, 3, 1 if antialias else 2, 1), nn.InstanceNorm2d(2 * n), nn.ReLU()]
            layers += [Filter(2 * n, 3)] * antialias
        layers += [Block(4 * w) for _ in range(blocks)]
        for n in (4 * w, 2 * w):
            if antialias:
                layers += [Filter(n, 4), nn.Conv2d(n, n // 2, 3, 1, 1)]
            else:
                layers += [nn.ConvTranspose2d(n, n // 2, 3, 2, 1, output_padding=1)]
            layers += [nn.InstanceNorm2d(n // 2), nn.ReLU()]
        layers += [nn.ReflectionPad2d(3), nn.Conv2d(w, channels, 7), nn.Tanh()]
        self.model = nn.Sequential(*layers)


def crop(channels: int = 2, seed: int = 0) -> Tensor:
    return torch.rand(1, channels, 40, 36, generator=torch.Generator().manual_seed(seed)) * 2 - 1


@pytest.fixture
def make(make_checkpoint: Callable[..., Checkpoint], make_engine: Callable[..., Any]) -> Callable[..., Checkpoint]:
    """Build a checkpoint whose generators, of two different random weights, can be expressed in the public layout."""

    def build(channels: int = 2, *, settings: dict[str, Any] = SETTINGS, **card: Any) -> Checkpoint:
        engine = make_engine("cyclegan", channels, **settings)
        with torch.no_grad():
            for value in engine.translators.parameters():
                value.mul_(2)
        for target in ("untreated", "treated"):
            engine.fix_statistics(target, [crop(channels, seed) for seed in range(3)])
        said = {
            "conditions": ("untreated", "treated"),
            "channels": tuple(f"marker {i}" for i in range(channels)),
            "low": tuple(float(i) for i in range(channels)),
            "high": tuple(900.0 + i for i in range(channels)),
            "pixel_size": 0.65,
            "pixel_unit": "um",
            "crop": 96,
            "attribution": "somebody",
        }
        card = said | card
        if set(card.get("targets", ())) == {"treated"}:
            engine.keep_targets(["treated"])
        return Checkpoint.of(
            engine, make_checkpoint().card.model_copy(update={**card, "settings": engine.settings.model_dump()})
        )

    return build


def plane_by_plane(checkpoint: Checkpoint) -> Any:
    engine = checkpoint.build_engine()
    engine.use_fixed_statistics(False)
    return engine


# ---- what others load


@pytest.mark.parametrize("upsampling", ["transposed", "antialias"])
@pytest.mark.parametrize(("channels", "blocks"), [(1, 6), (5, 2)])
def test_the_published_generator_loads_it_and_computes_the_same(
    make: Callable[..., Checkpoint], tmp_path: Path, upsampling: str, channels: int, blocks: int
) -> None:
    checkpoint = make(channels, settings={**SETTINGS, "upsampling": upsampling, "blocks": blocks})
    paths, notices = export_checkpoint(checkpoint, tmp_path / "out")
    assert [path.name for path in paths[:2]] == ["latest_net_G_B.pth", "latest_net_G_A.pth"]
    assert "normalizes each picture by its own statistics" in notices[0]
    ours, x = plane_by_plane(checkpoint), crop(channels)
    for file, source, target in (("G_A", "untreated", "treated"), ("G_B", "treated", "untreated")):
        state = torch.load(tmp_path / "out" / f"latest_net_{file}.pth", weights_only=True)
        network = Published(channels, 8, blocks, upsampling == "antialias").eval()
        network.load_state_dict(state, strict=True)
        with torch.no_grad():
            seen = network.model(x)
        assert seen.std() > 0.01
        assert (ours.translate(x, source, target) - seen).abs().max() < 1e-5


def test_the_readme_says_what_to_call_the_original_with(make: Callable[..., Checkpoint], tmp_path: Path) -> None:
    export_checkpoint(make(settings={**SETTINGS, "blocks": 6}), tmp_path)
    text = (tmp_path / "phenotrans_readme.txt").read_text(encoding="utf-8")
    assert "--netG resnet_6blocks --ngf 8 --input_nc 2 --output_nc 2 --norm instance --no_dropout" in text
    assert "latest_net_G_A.pth: untreated -> treated" in text
    assert "marker 1: 1 is -1, 901 is 1" in text
    assert "normalizes each picture" in text


# ---- and back


def test_importing_the_export_back_restores_everything(make: Callable[..., Checkpoint], tmp_path: Path) -> None:
    checkpoint = make()
    export_checkpoint(checkpoint, tmp_path / "out")
    back = import_checkpoint(tmp_path / "out")
    assert back.card == checkpoint.card
    assert back.card.statistics == "fixed"
    x = crop()
    for way in (("untreated", "treated"), ("treated", "untreated")):
        expected = checkpoint.build_engine().translate(x, *way)
        assert (expected - plane_by_plane(checkpoint).translate(x, *way)).abs().max() > 1e-3  # statistics matter
        assert (back.build_engine().translate(x, *way) - expected).abs().max() < 1e-6


def test_what_is_said_goes_before_the_card(make: Callable[..., Checkpoint], tmp_path: Path) -> None:
    export_checkpoint(make(), tmp_path / "out")
    card = import_checkpoint(
        tmp_path / "out", conditions=["dim", "bright"], channels=["DNA", "GFP"], limits=(0, 10), pixel_size_um=0.1
    ).card
    assert (card.conditions, card.targets, card.channels) == (("dim", "bright"), ("dim", "bright"), ("DNA", "GFP"))
    assert (card.low, card.high, card.pixel_size) == ((0, 0), (10, 10), 0.1)


def test_files_that_were_trained_on_keep_names_and_limits_only(make: Callable[..., Checkpoint], tmp_path: Path) -> None:
    checkpoint = make()
    export_checkpoint(checkpoint, tmp_path / "out")
    path = tmp_path / "out" / FILES[0]
    state = torch.load(path, weights_only=True)
    state["model.1.weight"] += 0.01
    torch.save(state, path)
    back = import_checkpoint(tmp_path / "out")
    was, card = checkpoint.card, back.card
    kept = ("conditions", "targets", "channels", "low", "high", "pixel_size", "pixel_unit", "attribution")
    assert all(getattr(card, name) == getattr(was, name) for name in kept)
    assert card.statistics == "plane"
    assert card.about.startswith("Imported CycleGAN generators")
    network = Published(2, 8, 2, False).eval()
    network.load_state_dict(state)
    x = crop()
    with torch.no_grad():
        assert (plane_by_plane(back).translate(x, "untreated", "treated") - network.model(x)).abs().max() < 1e-5


def test_a_card_of_other_networks_is_left_alone(make: Callable[..., Checkpoint], tmp_path: Path) -> None:
    export_checkpoint(make(1), tmp_path / "one")
    export_checkpoint(make(2), tmp_path / "two")
    card_of_one = (tmp_path / "one" / "phenotrans_card.json").read_bytes()
    (tmp_path / "two" / "phenotrans_card.json").write_bytes(card_of_one)
    assert import_checkpoint(tmp_path / "two").card.channels == ("channel 1", "channel 2")


def test_a_damaged_card_is_refused(make: Callable[..., Checkpoint], tmp_path: Path) -> None:
    export_checkpoint(make(), tmp_path)
    path = tmp_path / "phenotrans_card.json"
    for content in ("{", json.dumps({"card": {"engine": "cyclegan"}, "sha256": {}})):
        path.write_text(content)
        with pytest.raises(InputError, match="no card that this version can read"):
            import_checkpoint(tmp_path)


def test_one_direction_comes_and_goes_alone(make: Callable[..., Checkpoint], tmp_path: Path) -> None:
    checkpoint = make(targets=("treated",))
    export_checkpoint(checkpoint, tmp_path / "out")
    assert {path.name for path in (tmp_path / "out").glob("*.pth")} == {FILES[0]}
    assert import_checkpoint(tmp_path / "out" / FILES[0]).card == checkpoint.card


def test_half_precision_is_written_as_float32(make: Callable[..., Checkpoint], tmp_path: Path) -> None:
    checkpoint = make()
    half = Checkpoint(checkpoint.card, {name: tensor.astype(np.float16) for name, tensor in checkpoint.tensors.items()})
    export_checkpoint(half, tmp_path)
    state: OrderedDict[str, Tensor] = torch.load(tmp_path / FILES[0], weights_only=True)
    assert {tensor.dtype for tensor in state.values()} == {torch.float32}


# ---- what is refused


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"output": "residual"}, r"output is 'residual'.*--output tanh\. As it is, .*--format bioimageio"),
        ({"upsampling": "resize"}, r"up-sampling is 'resize'.*--upsampling transposed or antialias\. As it is, "),
        ({"output": "residual", "upsampling": "resize"}, "--output tanh; and its up-sampling"),
        ({"norm": "position"}, r"it has normalization over the channels of each position \(--norm position\), which"),
        ({"noise": True}, r"it has noise beside the image \(--noise\), which the original does not know"),
        ({"unmatched": 1.0}, r"it has a mask of what has no counterpart \(--unmatched\), which"),
    ],
)
def test_what_the_layout_cannot_express_is_refused(
    make: Callable[..., Checkpoint], tmp_path: Path, settings: dict[str, Any], said: str
) -> None:
    with pytest.raises(InputError, match=said):
        export_checkpoint(make(settings=SETTINGS | settings), tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_other_engines_and_formats_are_refused(
    make: Callable[..., Checkpoint], make_checkpoint: Callable[..., Checkpoint], tmp_path: Path
) -> None:
    with pytest.raises(InputError, match="no networks that another program could load"):
        export_checkpoint(make_checkpoint("shift"), tmp_path)
    with pytest.raises(InputError, match="Say --format cyclegan"):
        export_checkpoint(make(), tmp_path, format="diffusers")


def test_existing_files_stay_unless_said(make: Callable[..., Checkpoint], tmp_path: Path) -> None:
    (tmp_path / FILES[0]).write_bytes(b"mine")
    (tmp_path / "notes.txt").write_bytes(b"mine too")
    with pytest.raises(InputError, match=r"latest_net_G_A\.pth exists already.*--overwrite"):
        export_checkpoint(make(), tmp_path)
    assert sorted(path.name for path in tmp_path.iterdir()) == [FILES[0], "notes.txt"]
    checkpoint = make()
    export_checkpoint(checkpoint, tmp_path, overwrite=True)
    assert import_checkpoint(tmp_path).card == checkpoint.card
    assert (tmp_path / "notes.txt").read_bytes() == b"mine too"


def test_a_new_folder_appears_whole_or_not_at_all(
    make: Callable[..., Checkpoint], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object, **__: object) -> None:
        raise OSError(28, "No space left on device")

    checkpoint = make()
    monkeypatch.setattr("napari_phenotrans.checkpoints.interop.sidecar_card.json.dumps", full)
    with pytest.raises(InputError, match="No space left"):
        export_checkpoint(checkpoint, tmp_path / "out")
    assert list(tmp_path.iterdir()) == []


def test_scgan_shares_the_layout(
    make: Callable[..., Checkpoint], make_engine: Callable[..., Any], tmp_path: Path
) -> None:
    engine = make_engine("scgan", **SETTINGS, width=8)
    card = make().card.model_copy(update={"engine": "scgan", "settings": engine.settings.model_dump()})
    checkpoint = Checkpoint.of(engine, card)
    export_checkpoint(checkpoint, tmp_path)
    back = import_checkpoint(tmp_path)
    assert back.card == card
    assert all(np.array_equal(back.tensors[name], tensor) for name, tensor in checkpoint.tensors.items())
