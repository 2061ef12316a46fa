"""Inception-v3 and VGG-16, trained on photographs: torch-fidelity's networks, weights from a file or a download."""

from __future__ import annotations

import hashlib
import http.client
import pickle
import tempfile
import urllib.request
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from napari_phenotrans.core.digests import digest, file_sha256
from napari_phenotrans.core.errors import InputError
from napari_phenotrans.core.events import Progressed
from napari_phenotrans.features.base import Extractor, eight_bit
from napari_phenotrans.io.atomic import replacing

if TYPE_CHECKING:
    from collections.abc import Generator, Mapping

    from torch import nn

    from napari_phenotrans.features.base import ExtractorResources

AT_ONCE = 16  # pictures
CHUNK = 2**20  # bytes of a download between two reports
PATIENCE_S = 30
# Precision and recall were exchanged before.
LEAST_VERSION = (0, 4)
COLORED = (2, 3)  # numbers of channels that make one color picture


@dataclass(frozen=True)
class Published:
    """A published network: its name in torch-fidelity, which layer is taken, how many features that has."""

    title: str
    registered: str
    layer: str
    features: int
    megabytes: int


PUBLISHED = {
    "inception": Published("Inception-v3", "inception-v3-compat", "2048", 2048, 91),
    "vgg": Published("VGG-16", "vgg16", "fc2_relu", 4096, 528),
}


def build_photographs(
    name: str, fit: Mapping[str, np.ndarray], resources: ExtractorResources
) -> Generator[Progressed, None, Extractor]:
    """Load a published network, downloading its weights first where that is allowed.

    It sees 8-bit pictures: each channel by itself as a gray picture, and two or three channels together as one of red,
    green and blue. More channels do not fit into a picture: then *together* means the features of all channels side by
    side, which says nothing about where channels lie relative to each other.

    Raises
    ------
    InputError
        If torch-fidelity is missing or too old, or there are no weights.
    """
    import torch

    published = PUBLISHED[name]
    check_installed()
    path = resources.weights.get(name) or downloaded_path(name)
    if not path.is_file():
        if name in resources.weights or not resources.download:
            raise InputError(
                f"The features {name} need the weights of {published.title} ({published.megabytes} MB), but {path} is "
                f"no file. Nothing is downloaded by itself: name a file with --{name}-weights, or allow it with "
                f"--download. The features profile and in-domain need no download."
            )
        yield from download(url_of(name), path, resources)
    network, checksum = load_network(name, path)
    device = torch.device(resources.device)
    network = network.to(device)

    def measure(crops: np.ndarray) -> np.ndarray:
        pictures = to_pictures(crops)
        rows = []
        with torch.inference_mode():
            for i in range(0, len(pictures), AT_ONCE):
                resources.tick()
                rows.append(network(torch.from_numpy(pictures[i : i + AT_ONCE]).to(device))[0].cpu().numpy())
        each = np.concatenate(rows).astype(np.float64).reshape(-1, len(crops), published.features)
        return each.transpose(1, 0, 2).reshape(len(crops), -1)

    channels = next(iter(fit.values())).shape[1]
    seen = channels + (channels in COLORED)
    columns = np.arange(seen * published.features).reshape(seen, published.features)
    return Extractor(
        name=f"{name} {published.layer}",
        identity=digest(name, published.layer, checksum),
        measure=measure,
        together=columns[-1] if channels in COLORED else columns.ravel(),
        channels=tuple(columns[:channels]),
    )


def to_pictures(crops: np.ndarray) -> np.ndarray:
    """Return the uint8 RGB pictures (p · n, 3, s, s) of crops: all of the first channel, then of the next, and so on.

    For two or three channels the pictures of all of them together come last.
    """
    levels = eight_bit(crops)
    pictures = [np.repeat(levels[:, channel : channel + 1], 3, axis=1) for channel in range(levels.shape[1])]
    if levels.shape[1] in COLORED:
        colored = np.zeros_like(pictures[0])
        colored[:, : levels.shape[1]] = levels
        pictures.append(colored)
    return np.concatenate(pictures)


def check_installed() -> None:
    """Refuse to go on without torch-fidelity.

    Raises
    ------
    InputError
        If it is missing, or older than 0.4.
    """
    try:
        installed = version("torch-fidelity")
    except PackageNotFoundError as error:
        raise InputError(
            "The features inception and vgg come with torch-fidelity, which is not installed. Install it with "
            "'pip install napari-phenotrans[fidelity]', or take the features profile or in-domain."
        ) from error
    if tuple(int(part) for part in installed.split(".")[:2]) < LEAST_VERSION:
        raise InputError(
            f"torch-fidelity {installed} is too old: expected 0.4 or later. Update it with "
            f"'pip install --upgrade torch-fidelity'."
        )


def url_of(name: str) -> str:
    """Return where torch-fidelity and torchvision publish a network's weights."""
    if name == "inception":
        from torch_fidelity.feature_extractor_inceptionv3 import URL_INCEPTION_V3

        return URL_INCEPTION_V3
    from torchvision.models import VGG16_Weights

    return VGG16_Weights.IMAGENET1K_V1.url


def downloaded_path(name: str) -> Path:
    """Return where torch keeps what it downloads, so that weights which other programs brought are found."""
    import torch

    return Path(torch.hub.get_dir()) / "checkpoints" / url_of(name).rsplit("/", 1)[-1]


def download(
    url: str, path: Path, resources: ExtractorResources, chunk: int = CHUNK
) -> Generator[Progressed, None, None]:
    """Download a file; it takes its name only when it is whole and has the checksum that ends its name.

    Progress is reported every ``chunk`` bytes.

    Raises
    ------
    InputError
        If it cannot be reached, breaks off, or is another file than expected.
    """
    what = f"downloading {path.name}"
    try:
        with urllib.request.urlopen(url, timeout=PATIENCE_S) as answer, replacing(path) as temporary:
            total, done, checksum = int(answer.headers.get("Content-Length") or 0), 0, hashlib.sha256()
            with temporary.open("wb") as file:
                while piece := answer.read(chunk):
                    resources.tick()
                    file.write(piece)
                    checksum.update(piece)
                    done += len(piece)
                    yield Progressed(what, done, max(total, done))
            wanted = path.stem.rsplit("-", 1)[-1]
            if (total and done != total) or not checksum.hexdigest().startswith(wanted):
                raise InputError(
                    f"{url} gave {done} bytes that are not the file expected (its checksum does not begin with "
                    f"{wanted}). Try again later, or get the file elsewhere and name it."
                )
    except (OSError, http.client.HTTPException) as error:
        reason = getattr(error, "reason", None) or error
        raise InputError(
            f"{url} could not be downloaded: {reason}. Without a connection, get the file on another machine and name "
            f"it, or take the features profile or in-domain, which need no download."
        ) from error


def load_network(name: str, path: Path) -> tuple[nn.Module, str]:
    """Build torch-fidelity's network with a file's weights; returns it and the weights' checksum.

    Raises
    ------
    InputError
        If the file holds something else.
    """
    import torch
    from torch_fidelity.registry import FEATURE_EXTRACTORS_REGISTRY

    published = PUBLISHED[name]
    try:
        tensors = torch.load(path, map_location="cpu", weights_only=True)
        with tempfile.TemporaryDirectory() as folder:
            # torch-fidelity would run whatever code is in the file it is given: it gets one of these tensors alone
            harmless = Path(folder) / "weights.pth"
            torch.save(tensors, harmless)
            network = FEATURE_EXTRACTORS_REGISTRY[published.registered](
                published.registered, [published.layer], feature_extractor_weights_path=str(harmless)
            )
    except (RuntimeError, pickle.UnpicklingError, AttributeError, TypeError, EOFError, OSError) as error:
        raise InputError(
            f"{path} does not hold the weights of {published.title} as torch-fidelity publishes them "
            f"({type(error).__name__}). Name the right file with --{name}-weights, or download it with --download."
        ) from error
    return network.eval(), file_sha256(path)
