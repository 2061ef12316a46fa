"""Imported generators against an independent network with the original's public key names."""

from __future__ import annotations

import os
import pickle
import zipfile
from collections import OrderedDict

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional as F

from napari_phenotrans.checkpoints.checkpoint import Checkpoint
from napari_phenotrans.checkpoints.interop import import_checkpoint
from napari_phenotrans.core.errors import InputError
from napari_phenotrans.core.image import Image
from napari_phenotrans.translation.translate import translate, translate_image

# ---- the original, from plain layers


class Blur(nn.Module):
    def __init__(self, channels: int, line: list[float], gain: float) -> None:
        super().__init__()
        kernel = torch.outer(torch.tensor(line), torch.tensor(line)) / sum(line) ** 2 * gain
        self.register_buffer("filt", kernel.repeat(channels, 1, 1, 1))


class Halve(Blur):
    def forward(self, x):
        return F.conv2d(F.pad(x, (1, 1, 1, 1), "reflect"), self.filt, stride=2, groups=len(self.filt))


class Double(Blur):
    def forward(self, x):
        x = F.pad(x, (1, 1, 1, 1), "replicate")
        x = F.conv_transpose2d(x, self.filt, stride=2, padding=2, groups=len(self.filt))
        return x[:, :, 1:-1, 1:-1]


class Block(nn.Module):
    def __init__(self, channels: int, dropout: bool) -> None:
        super().__init__()
        half = [nn.ReflectionPad2d(1), nn.Conv2d(channels, channels, 3), nn.InstanceNorm2d(channels)]
        other = [nn.ReflectionPad2d(1), nn.Conv2d(channels, channels, 3), nn.InstanceNorm2d(channels)]
        self.conv_block = nn.Sequential(*half, nn.ReLU(), *([nn.Dropout(0.5)] if dropout else []), *other)

    def forward(self, x):
        return x + self.conv_block(x)


class Original(nn.Module):
    def __init__(self, channels=3, width=8, blocks=2, antialias=False, dropout=False, out=None, seed=0):
        super().__init__()
        w = width
        layers = [nn.ReflectionPad2d(3), nn.Conv2d(channels, w, 7), nn.InstanceNorm2d(w), nn.ReLU()]
        for n in (w, 2 * w):
            stride = 1 if antialias else 2
            layers += [nn.Conv2d(n, 2 * n, 3, stride, 1), nn.InstanceNorm2d(2 * n), nn.ReLU()]
            layers += [Halve(2 * n, [1.0, 2, 1], 1)] if antialias else []
        layers += [Block(4 * w, dropout) for _ in range(blocks)]
        for n in (4 * w, 2 * w):
            if antialias:
                layers += [Double(n, [1.0, 3, 3, 1], 4), nn.Conv2d(n, n // 2, 3, 1, 1)]
            else:
                layers += [nn.ConvTranspose2d(n, n // 2, 3, 2, 1, output_padding=1)]
            layers += [nn.InstanceNorm2d(n // 2), nn.ReLU()]
        layers += [nn.ReflectionPad2d(3), nn.Conv2d(w, out or channels, 7), nn.Tanh()]
        self.model = nn.Sequential(*layers)
        random = torch.Generator().manual_seed(seed)
        for parameter in self.parameters():
            parameter.data.normal_(0, 0.05, generator=random)
        self.eval()

    @torch.no_grad()
    def forward(self, x):
        return self.model(x)


def random_crop(channels: int, height: int, width: int, seed: int = 0) -> torch.Tensor:
    return torch.rand(1, channels, height, width, generator=torch.Generator().manual_seed(seed)) * 2 - 1


def save(network: nn.Module, path):
    torch.save(network.state_dict(), path)
    return path


@pytest.fixture(autouse=True)
def one_thread():
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


# ---- what comes in, translates alike


@pytest.mark.parametrize("antialias", [False, True])
@pytest.mark.parametrize("dropout", [False, True])
@pytest.mark.parametrize(("channels", "width", "blocks"), [(1, 4, 1), (3, 8, 6), (2, 12, 9), (5, 6, 10), (3, 64, 9)])
def test_translates_like_the_original(tmp_path, channels, width, blocks, antialias, dropout):
    original = Original(channels, width, blocks, antialias, dropout)
    checkpoint = import_checkpoint(save(original, tmp_path / "latest_net_G.pth"))
    assert checkpoint.card.settings["blocks"] == blocks
    assert checkpoint.card.settings["width"] == width
    assert len(checkpoint.card.channels) == channels
    engine = checkpoint.build_engine()
    # in float64, where every way to convolve gives the same
    engine.translators.double()
    original.double()
    for size in ((32, 32), (20, 52)):
        x = random_crop(channels, *size).double()
        expected = original(x)
        assert expected.std() > 0.01  # a reference that says nothing would pass anything
        assert (engine.translate(x, "A", "B") - expected).abs().max() < 1e-6


def test_translates_eight_bit_images_end_to_end(tmp_path):
    original = Original(3)
    checkpoint = import_checkpoint(save(original, tmp_path / "latest_net_G_A.pth"), channels="RGB")
    pixels = np.random.default_rng(0).integers(0, 256, (3, 40, 52), np.uint8)
    image = Image(pixels, "CYX", channels=("R", "G", "B"))
    result = translate_image(image, checkpoint, source="A", target="B", device="cpu")
    expected = (original(torch.from_numpy(pixels / 127.5 - 1).float()[None])[0].numpy() + 1) * 127.5
    seen = pixels + result.difference.pixels
    assert np.abs(seen - expected).max() < 127.5 * 1e-5
    assert result.translated.pixels.dtype == np.uint8
    assert np.abs(result.translated.pixels - expected).max() <= 0.5 + 1e-3


def test_limits_are_what_the_network_sees_as_minus_one_and_one(tmp_path):
    original = Original(2)
    path = save(original, tmp_path / "latest_net_G.pth")
    checkpoint = import_checkpoint(path, limits=[(100, 4095), (0, 65535)], channels=["DNA", "GFP"])
    pixels = np.random.default_rng(0).integers(100, 4000, (2, 32, 32), np.uint16)
    image = Image(pixels, "CYX", channels=("DNA", "GFP"))
    result = translate_image(image, checkpoint, source="A", target="B", device="cpu")
    low, high = np.float32([[[100]], [[0]]]), np.float32([[[4095]], [[65535]]])
    x = torch.from_numpy((pixels - low) / (high - low) * 2 - 1)[None]
    expected = (original(x)[0].numpy() + 1) / 2 * (high - low) + low
    assert (np.abs(pixels + result.difference.pixels - expected) / (high - low)).max() < 1e-5


def test_prefixes_and_old_norm_buffers_do_not_matter(tmp_path):
    original = Original()
    state = OrderedDict((f"module._orig_mod.{key}", value) for key, value in original.state_dict().items())
    for layer in ("model.2", "model.10.conv_block.2"):
        state[f"module._orig_mod.{layer}.running_mean"] = torch.ones(8)
        state[f"module._orig_mod.{layer}.running_var"] = torch.ones(8)
        state[f"module._orig_mod.{layer}.num_batches_tracked"] = torch.tensor(7)
    torch.save(state, tmp_path / "120_net_G.pth", _use_new_zipfile_serialization=False)
    engine = import_checkpoint(tmp_path / "120_net_G.pth").build_engine()
    x = random_crop(3, 32, 32)
    assert (engine.translate(x, "A", "B") - original(x)).abs().max() < 1e-5


def test_half_precision_weights_are_read_as_float32(tmp_path):
    path = save(Original().half(), tmp_path / "latest_net_G.pth")
    assert all(tensor.dtype == np.float32 for tensor in import_checkpoint(path).tensors.values())


# ---- directions


@pytest.fixture
def pair(tmp_path):
    folder = tmp_path / "experiment"
    folder.mkdir()
    to_b, to_a = Original(seed=1), Original(seed=2)
    save(to_b, folder / "latest_net_G_A.pth")
    save(to_a, folder / "latest_net_G_B.pth")
    save(Original(seed=3), folder / "200_net_G_A.pth")
    (folder / "train_opt.txt").write_text("netG: resnet_9blocks")
    return folder, to_b, to_a


@pytest.mark.parametrize("given", ["", "latest_net_G_A.pth", "latest_net_G_B.pth"])
def test_pairs_are_found_and_translate_both_ways(pair, given):
    folder, to_b, to_a = pair
    checkpoint = import_checkpoint(folder / given, conditions=("untreated", "treated"))
    assert checkpoint.card.targets == ("untreated", "treated")
    assert checkpoint.card.training["source"] == "latest_net_G_B.pth, latest_net_G_A.pth"
    engine = checkpoint.build_engine()
    x = random_crop(3, 24, 24)
    assert (engine.translate(x, "untreated", "treated") - to_b(x)).abs().max() < 1e-5
    assert (engine.translate(x, "treated", "untreated") - to_a(x)).abs().max() < 1e-5


def test_a_folder_gives_its_highest_epoch_where_it_has_no_latest(tmp_path):
    networks = {epoch: Original(seed=epoch) for epoch in (5, 100, 20)}
    for epoch, network in networks.items():
        save(network, tmp_path / f"{epoch}_net_G_B.pth")
    checkpoint = import_checkpoint(tmp_path)
    assert checkpoint.card.targets == ("A",)
    x = random_crop(3, 24, 24)
    assert (checkpoint.build_engine().translate(x, "B", "A") - networks[100](x)).abs().max() < 1e-5


def test_the_missing_direction_is_refused_also_after_saving(tmp_path):
    original = Original()
    path = save(original, tmp_path / "latest_net_G_A.pth")
    import_checkpoint(path, conditions=("dim", "bright")).save(tmp_path / "imported.safetensors")
    checkpoint = Checkpoint.load(tmp_path / "imported.safetensors")
    assert checkpoint.card.targets == ("bright",)
    assert all(name.startswith("1.") for name in checkpoint.tensors)
    engine = checkpoint.build_engine()
    x = random_crop(3, 24, 24)
    assert (engine.translate(x, "dim", "bright") - original(x)).abs().max() < 1e-5
    with pytest.raises(InputError, match=r"does not translate to 'dim'.*to 'bright'"):
        engine.translate(x, "bright", "dim")
    image = Image(np.zeros((3, 32, 32), np.uint8), "CYX")
    with pytest.raises(InputError, match=r"does not translate to 'dim'.*one direction only, to 'bright'"):
        translate(image, checkpoint, source="bright", target="dim", device="cpu")  # refused before the first event


def test_pairs_of_two_trainings_are_refused(tmp_path):
    save(Original(blocks=2), tmp_path / "latest_net_G_A.pth")
    save(Original(blocks=3), tmp_path / "latest_net_G_B.pth")
    with pytest.raises(InputError, match=r"does not belong to.*2 blocks.*3 blocks"):
        import_checkpoint(tmp_path)


# ---- what is refused


def without(state, key):
    del state[key]
    return state


def unet(state):
    return {"model.model.0.weight": torch.zeros(8, 3, 4, 4), "model.model.1.model.1.weight": torch.zeros(1)}


def with_batch_norm(state):
    return {**state, "model.2.weight": torch.ones(8), "model.2.bias": torch.zeros(8)}


def with_mixed_blurs(state):
    return {**state, "model.7.filt": torch.zeros(16, 1, 3, 3)}


def with_other_blurs(state):
    state = Original(antialias=True).state_dict()
    state["model.7.filt"].fill_(1 / 9)
    return state


def diverged(state):
    state["model.4.weight"][0, 0, 0, 0] = float("nan")
    return state


def too_large_for_float32(state):
    state["model.4.weight"] = state["model.4.weight"].double() * 1e40
    return state


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (unet, "UNet"),
        (with_batch_norm, "batch normalization"),
        (lambda state: {**state, "model.0.weight": torch.zeros(1)}, "discriminator"),
        (lambda state: without(state, "model.1.bias"), "--norm none"),
        (lambda state: without(state, "model.7.bias"), r"missing: model\.7\.bias"),
        (lambda state: without(state, "model.1.weight"), r"no first convolution model\.1\.weight"),
        (lambda state: {**state, "extra": torch.zeros(1)}, "unexpected: extra"),
        (lambda state: {**state, "model.4.weight": torch.zeros(16, 8, 5, 5)}, r"\(16, 8, 5, 5\) instead of"),
        (lambda state: Original(out=1).state_dict(), "turns 3 channels into 1.*input_nc"),
        (lambda state: Original(blocks=0).state_dict(), "--blocks"),
        (with_mixed_blurs, "anti-aliasing on"),
        (with_other_blurs, r"blurs in model\.7 with another kernel"),
        (diverged, r"not finite in model\.4\.weight"),
        (too_large_for_float32, r"not finite in model\.4\.weight"),
        (
            lambda state: {**state, "model.4.weight": torch.zeros(1).expand(16, 8, 3, 3)},
            "fewer bytes than model.4.weig",
        ),
        (lambda state: {"state_dict": state, "epoch": 3}, "a dict with state_dict, epoch"),
        (lambda state: list(state.values()), "list, not bare tensors"),
        (lambda state: {key: value.int() for key, value in state.items()}, "not as dense floating point"),
        (lambda state: {}, "no first convolution"),
    ],
)
def test_other_networks_are_refused_with_their_reason(tmp_path, change, said):
    torch.save(change(Original().state_dict()), tmp_path / "latest_net_G.pth")
    with pytest.raises(InputError, match=said):
        import_checkpoint(tmp_path / "latest_net_G.pth")


def test_a_file_that_would_grow_in_memory_is_refused(tmp_path, monkeypatch):
    torch.save({"model.1.weight": torch.zeros(10**6)}, tmp_path / "whole.pth")
    with (
        zipfile.ZipFile(tmp_path / "whole.pth") as whole,
        zipfile.ZipFile(tmp_path / "latest_net_G.pth", "w", zipfile.ZIP_DEFLATED) as small,
    ):
        for name in whole.namelist():
            small.writestr(name, whole.read(name))
    monkeypatch.setattr(torch, "load", lambda *args, **more: pytest.fail("it was loaded"))
    with pytest.raises(InputError, match="bytes in memory, which are not in the file"):
        import_checkpoint(tmp_path / "latest_net_G.pth")


class Code:
    """A pickle that makes a folder when it is loaded."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return os.mkdir, (self.path,)


@pytest.mark.parametrize("protocol", [2, 4])
def test_pickles_with_code_are_not_run(tmp_path, protocol):
    trap = str(tmp_path / "trap")
    path = tmp_path / "latest_net_G.pth"
    path.write_bytes(pickle.dumps(Code(trap), protocol))
    with pytest.raises(InputError, match="never loaded"):
        import_checkpoint(path)
    torch.save({**Original().state_dict(), "code": Code(trap)}, path)
    with pytest.raises(InputError, match="never loaded"):
        import_checkpoint(path)
    assert not os.path.exists(trap)


def test_damaged_files_are_refused(tmp_path):
    whole = save(Original(), tmp_path / "latest_net_G.pth").read_bytes()
    for content in (b"", b"epoch 200\n", whole[: len(whole) // 2], whole[:-100], whole[100:]):
        (tmp_path / "latest_net_G.pth").write_bytes(content)
        with pytest.raises(InputError, match="Expected the state dict"):
            import_checkpoint(tmp_path)


def test_missing_files_are_refused(tmp_path):
    with pytest.raises(InputError, match="There is no file or folder"):
        import_checkpoint(tmp_path / "latest_net_G.pth")
    with pytest.raises(InputError, match="holds no generators"):
        import_checkpoint(tmp_path)
    for name in ("latest_net_G.pth", "latest_net_G_A.pth"):
        save(Original(), tmp_path / name)
    with pytest.raises(InputError, match="Name the file"):
        import_checkpoint(tmp_path)


@pytest.mark.parametrize(
    ("said", "answer"),
    [
        ({"limits": (255, 0)}, "finite low below"),
        ({"limits": [(0, 255), (0, 255)]}, "has 3 channels"),
        ({"limits": [(0, 255), 1, 2]}, "has 3 channels"),
        ({"limits": "dark"}, "has 3 channels"),
        ({"channels": ["DNA"]}, "say one name for each"),
        ({"conditions": ["A", "B", "C"]}, "has two"),
        ({"conditions": ["A", "A"]}, "different conditions"),
    ],
)
def test_what_does_not_fit_the_file_is_refused(tmp_path, said, answer):
    path = save(Original(), tmp_path / "latest_net_G.pth")
    with pytest.raises(InputError, match=answer):
        import_checkpoint(path, **said)
