"""A small network trained on the data set's own crops: features without a download, of no engine."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from napari_phenotrans.core.digests import digest
from napari_phenotrans.core.events import Progressed
from napari_phenotrans.features.base import IN_DOMAIN_STEPS, Extractor
from napari_phenotrans.features.profile import FURTHEST, UNIT
from napari_phenotrans.networks.wgan_critic import SMALLEST, Critic

if TYPE_CHECKING:
    from collections.abc import Generator, Mapping

    from napari_phenotrans.features.base import ExtractorResources

VERSION = "in-domain 2"  # to be raised with every change of how it is trained
WIDTH = 16
BATCH = 16
LARGEST = 64  # pixels of the side of the pieces that it is trained on, so that half a minute does
RATE = 2e-4
AT_ONCE = 32


def build_in_domain(
    fit: Mapping[str, np.ndarray], resources: ExtractorResources
) -> Generator[Progressed, None, Extractor]:
    """Train the network, or take it as it was trained on the same crops before.

    The features are a discriminator's, as Goldsborough et al. 2017 (CytoGAN, section 3.2) use them for cells. But a
    discriminator of a run has been learned from by that run's engine, and judges no other fairly. So this one belongs
    to no engine: with the loss of LSGAN (Mao et al. 2017, eq. 2) it learns to tell real crops from real crops that
    were spoiled (`spoil`), and beside that, which condition a real crop shows. Same crops, same network: what is
    compared has one fixed extractor.
    """
    steps = resources.in_domain_steps
    version = VERSION if steps == IN_DOMAIN_STEPS else f"{VERSION}, {steps} steps"
    key = digest(version, *(part for name, crops in fit.items() for part in (name, crops)))
    network = Critic(next(iter(fit.values())).shape[1], WIDTH, outputs=1 + len(fit)).eval()
    device = torch.device(resources.device)

    def activations(crops: np.ndarray) -> np.ndarray:
        rows = []
        with torch.inference_mode():
            for i in range(0, len(crops), AT_ONCE):
                resources.tick()
                x = torch.from_numpy(np.ascontiguousarray(crops[i : i + AT_ONCE], np.float32)).to(device)
                rows.append(network.features(x).cpu().numpy())
        return np.concatenate(rows).astype(np.float64)

    cached = resources.cache.get(key)
    if cached is None:
        yield from _train(network, list(fit.values()), resources)
        cached = {name: tensor.numpy() for name, tensor in network.state_dict().items()}
        network.to(device)
        over = activations(np.concatenate(list(fit.values())))
        cached |= {"mean": over.mean(axis=0), "sd": over.std(axis=0)}
        resources.cache.put(key, cached)
    else:
        network.load_state_dict({name: torch.from_numpy(cached[name]) for name in network.state_dict()})
        network.to(device)
    mean, sd = cached["mean"], np.where(cached["sd"] > 0, cached["sd"], 1.0)

    def measure(crops: np.ndarray) -> np.ndarray:
        # in units of two standard deviations of real crops and no further than three, as the profile's are
        return np.clip((activations(crops) - mean) / sd, -FURTHEST, FURTHEST) / UNIT

    # four digits of the network's own stand beside the scores: those of another data set's do not compare
    return Extractor(name=f"in-domain {key[:4]}", identity=key, measure=measure, together=np.arange(len(mean)))


def spoil(crops: Tensor, rng: np.random.Generator) -> Tensor:
    """Spoil each crop (n, C, s, s) in one way, drawn for it: blurred, with a checkerboard, one channel weaker, one
    channel from another crop, or its quarters exchanged.
    """
    spoiled = []
    for index, crop in enumerate(crops):
        channel, way = int(rng.integers(len(crop))), int(rng.integers(5))
        half = crop.shape[1] // 2
        changed = crop.clone()
        if way == 0:
            changed = F.avg_pool2d(crop[None], 5, stride=1, padding=2, count_include_pad=False)[0]
        elif way == 1:
            rows, columns = torch.meshgrid(*(torch.arange(side) // 2 for side in crop.shape[1:]), indexing="ij")
            changed = crop + float(rng.uniform(0.02, 0.1)) * ((rows + columns) % 2 * 2 - 1)
        elif way == 2:
            changed[channel] = (crop[channel] + 1) * float(rng.uniform(0.4, 0.8)) - 1
        elif way == 3 and len(crop) > 1:
            changed[channel] = crops[(index + 1) % len(crops), channel]
        else:
            changed = torch.roll(crop, (half, half), dims=(1, 2))
        spoiled.append(changed)
    return torch.stack(spoiled)


def _train(
    network: Critic, conditions: list[np.ndarray], resources: ExtractorResources
) -> Generator[Progressed, None, None]:
    rng = np.random.default_rng(0)
    adam = torch.optim.Adam(network.parameters(), RATE, betas=(0.5, 0.999))
    for step in range(resources.in_domain_steps):
        resources.tick()
        labels = rng.integers(len(conditions), size=BATCH)
        real = torch.stack([_draw(conditions[label], rng) for label in labels])
        judged, spoiled = network(real), network(spoil(real, rng))
        loss = (judged[:, 0] - 1).square().mean() / 2 + spoiled[:, 0].square().mean() / 2
        if len(conditions) > 1:
            loss = loss + F.cross_entropy(judged[:, 1:], torch.from_numpy(labels))
        adam.zero_grad()
        loss.backward()
        adam.step()
        yield Progressed("training the in-domain network", step + 1, resources.in_domain_steps)


def _draw(crops: np.ndarray, rng: np.random.Generator) -> Tensor:
    """Cut a random piece of one crop, turned and mirrored."""
    crop = crops[rng.integers(len(crops))]
    side = max(SMALLEST, min(LARGEST, *crop.shape[1:]))
    top, left = (int(rng.integers(length - side + 1)) for length in crop.shape[1:])
    piece = np.rot90(crop[:, top : top + side, left : left + side], int(rng.integers(4)), axes=(1, 2))
    return torch.from_numpy(np.ascontiguousarray(piece[:, :, :: 1 if rng.integers(2) else -1], np.float32))
