"""Published networks with stand-ins for their weights: files of the same layout, and a server of our own."""

from __future__ import annotations

import functools
import hashlib
import threading
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from importlib.metadata import PackageNotFoundError

import numpy as np
import pytest
import torch

from napari_phenotrans.core.errors import InputError
from napari_phenotrans.features import EXTRACTORS, ExtractorResources
from napari_phenotrans.features import pretrained as photographs
from napari_phenotrans.features.base import eight_bit
from napari_phenotrans.features.pretrained import check_installed, download, load_network, to_pictures

pytest.importorskip("torch_fidelity", reason="torch-fidelity is an extra")


def stand_in(layout: dict[str, torch.Tensor], path) -> None:
    """Write weights of a layout, small on the disk: each tensor repeats a few random numbers."""
    generator = torch.Generator().manual_seed(0)
    weights = {}
    for name, tensor in layout.items():
        if name.endswith("running_var"):
            weights[name] = torch.ones(1).expand(tensor.shape)
        elif not tensor.is_floating_point():
            weights[name] = torch.zeros(tensor.shape, dtype=tensor.dtype)
        else:
            fan = tensor[0].numel() if tensor.ndim > 1 else 1e6
            row = torch.randn(tensor.shape[-1:], generator=generator) * (2 / fan) ** 0.5
            weights[name] = row.expand(tensor.shape)
    torch.save(weights, path)


@pytest.fixture(scope="module")
def inception_weights(tmp_path_factory):
    from torch_fidelity.feature_extractor_inceptionv3 import FeatureExtractorInceptionV3

    class Unloaded(FeatureExtractorInceptionV3):
        def load_state_dict(self, *_, **__) -> None: ...

    folder = tmp_path_factory.mktemp("weights")
    torch.save({}, folder / "empty.pth")
    with torch.device("meta"):
        layout = Unloaded("layout", ["2048"], feature_extractor_weights_path=str(folder / "empty.pth")).state_dict()
    stand_in(layout, folder / "inception.pth")
    return folder / "inception.pth"


def finish(building):
    while True:
        try:
            next(building)
        except StopIteration as end:
            return end.value


@pytest.mark.parametrize(("channels", "seen"), [(2, 3), (4, 4)])
def test_inception_sees_each_channel_and_all_in_one_picture(inception_weights, channels, seen):
    crops = (np.random.default_rng(0).random((1, channels, 32, 32), np.float32) * 2 - 1) * 0.9
    means = ExtractorResources(weights={"inception": inception_weights})
    extractor = finish(EXTRACTORS["inception"].build({"real": crops}, means))
    values = extractor.measure(crops)
    assert values.shape == (1, seen * 2048)
    assert extractor.name == "inception 2048"
    # what torch-fidelity itself makes of the pictures
    network, _ = load_network("inception", inception_weights)
    gray = torch.from_numpy(np.repeat(eight_bit(crops)[:, -1:], 3, axis=1))
    with torch.no_grad():
        np.testing.assert_allclose(values[:, extractor.channels[-1]], network(gray)[0].numpy(), rtol=1e-5, atol=1e-6)
        if channels == 2:
            colored = np.concatenate([eight_bit(crops), np.zeros((1, 1, 32, 32), np.uint8)], axis=1)
            expected = network(torch.from_numpy(colored))[0].numpy()
            np.testing.assert_allclose(values[:, extractor.together], expected, rtol=1e-5, atol=1e-6)
    assert len(extractor.together) == (2048 if channels < 4 else 4 * 2048)


def test_vgg_takes_torchvisions_layout(tmp_path, monkeypatch):
    from torchvision import models

    # its own random weights, which take seconds to draw, are replaced anyway
    monkeypatch.setattr(models, "vgg16", functools.partial(models.vgg16, init_weights=False))
    with torch.device("meta"):
        layout = models.vgg16().state_dict()
    stand_in(layout, tmp_path / "vgg.pth")
    crops = np.random.default_rng(0).random((1, 1, 32, 32), np.float32)
    extractor = finish(
        EXTRACTORS["vgg"].build({"real": crops}, ExtractorResources(weights={"vgg": tmp_path / "vgg.pth"}))
    )
    values = extractor.measure(crops)
    assert values.shape == (1, 4096)
    assert (values >= 0).all()
    assert extractor.name == "vgg fc2_relu"


@pytest.mark.parametrize("written", [{}, {"weight": torch.zeros(2)}, [1, 2], b"no file of torch's"])
def test_files_that_hold_something_else_are_refused(written, tmp_path):
    path = tmp_path / "odd.pth"
    if isinstance(written, bytes):
        path.write_bytes(written)
    else:
        torch.save(written, path)
    with pytest.raises(InputError, match=r"odd\.pth does not hold the weights of Inception-v3"):
        load_network("inception", path)


class Harmful:
    def __reduce__(self):
        return (pytest.fail, ("a file's code was run",))


def test_code_in_a_file_is_never_run(tmp_path):
    torch.save({"weight": Harmful()}, tmp_path / "harmful.pth")
    with pytest.raises(InputError, match="UnpicklingError"):
        load_network("inception", tmp_path / "harmful.pth")


def test_pictures_are_gray_channels_and_one_in_color():
    crops = np.stack([np.full((2, 8, 8), level, np.float32) for level in (-1, 0, 1)], axis=1)
    pictures = to_pictures(crops)
    assert pictures.shape == (8, 3, 8, 8)
    assert pictures[:, :, 0, 0].tolist() == [[0] * 3] * 2 + [[128] * 3] * 2 + [[255] * 3] * 2 + [[0, 128, 255]] * 2


# ---- downloading


@pytest.fixture
def server(tmp_path):
    """Serve files from a folder on this machine."""

    class Quiet(SimpleHTTPRequestHandler):
        def log_message(self, *_) -> None: ...

    folder = tmp_path / "served"
    folder.mkdir()
    serving = ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(Quiet, directory=str(folder)))
    thread = threading.Thread(target=serving.serve_forever)
    thread.start()
    yield folder, f"http://127.0.0.1:{serving.server_port}"
    serving.shutdown()
    thread.join()
    serving.server_close()


def test_a_download_tells_how_far_it_is_and_ends_with_the_whole_file(server, tmp_path):
    folder, address = server
    content = bytes(range(256)) * 10
    name = f"weights-{hashlib.sha256(content).hexdigest()[:8]}.pth"
    (folder / name).write_bytes(content)
    path = tmp_path / "kept" / name
    events = list(download(f"{address}/{name}", path, ExtractorResources(), chunk=1000))
    assert [(event.done, event.total) for event in events] == [(1000, 2560), (2000, 2560), (2560, 2560)]
    assert path.read_bytes() == content


def test_a_file_with_another_checksum_is_not_kept(server, tmp_path):
    folder, address = server
    (folder / "weights-00000000.pth").write_bytes(b"something else")
    path = tmp_path / "weights-00000000.pth"
    with pytest.raises(InputError, match="not the file expected"):
        list(download(f"{address}/weights-00000000.pth", path, ExtractorResources()))
    assert [each.name for each in tmp_path.iterdir()] == ["served"]


def test_without_a_connection_there_is_a_sentence(server, tmp_path):
    _, address = server
    with pytest.raises(InputError, match="could not be downloaded: File not found"):
        list(download(f"{address}/nothing-12345678.pth", tmp_path / "nothing.pth", ExtractorResources()))
    with pytest.raises(InputError, match=r"Without a connection.*profile or in-domain"):
        list(download("http://127.0.0.1:9/none-12345678.pth", tmp_path / "none.pth", ExtractorResources()))


def test_a_download_can_be_stopped(server, tmp_path):
    folder, address = server
    (folder / "weights-00000000.pth").write_bytes(b"x")

    def tick() -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        list(
            download(
                f"{address}/weights-00000000.pth", tmp_path / "weights-00000000.pth", ExtractorResources(tick=tick)
            )
        )
    assert [each.name for each in tmp_path.iterdir()] == ["served"]


def test_torch_fidelity_must_be_there_and_new_enough(monkeypatch):
    monkeypatch.setattr(photographs, "version", lambda _: "0.3.0")
    with pytest.raises(InputError, match=r"0\.3\.0 is too old: expected 0\.4"):
        check_installed()

    def missing(_: str) -> str:
        raise PackageNotFoundError

    monkeypatch.setattr(photographs, "version", missing)
    with pytest.raises(InputError, match=r"napari-phenotrans\[fidelity\]"):
        check_installed()
