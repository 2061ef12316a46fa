"""An engine of your own: each channel's brightness and contrast are brought to the other condition's.

A class, settings, and a line in the registry. Training, scores, checkpoints and translation are those of every engine.
The organoids' disease removes nuclei, which no contrast shows: below 0, the scores say that this makes things worse.
"""

from __future__ import annotations

import argparse
import shutil
import sys
from pathlib import Path

import torch

import napari_phenotrans as pt
from napari_phenotrans import engines
from napari_phenotrans.core.settings import TrainingSettings
from napari_phenotrans.dataset.synthetic import write_dataset
from napari_phenotrans.engines.base import Engine, NetworkCall


class ContrastSettings(TrainingSettings):
    """Settings that every engine's training has; more would stand here, with their limits and help."""


class Contrast(Engine):
    """(x - mean of the source) * spread of the target / spread of the source + mean of the target."""

    def __init__(self, settings, channels, conditions):
        super().__init__(settings, channels, conditions)
        for index in range(len(conditions)):  # what a checkpoint stores
            network = torch.nn.Module()
            network.register_buffer("moments", torch.stack([torch.zeros(channels), torch.ones(channels)]))
            self.translators[str(index)] = network

    def translation(self, x, source, target, how, *, way_back=False):
        moments = (self.networks_to(condition).moments for condition in (source, target))
        (mean, spread), (wanted_mean, wanted_spread) = (each[:, :, None, None] for each in moments)
        return (yield NetworkCall(lambda crop: (crop - mean) * wanted_spread / spread + wanted_mean, x, final=True))

    def training_step(self, step, parts, update):
        errors = {}
        for condition in self.conditions:
            crops = torch.cat([part.crops[condition] for part in parts])
            seen = torch.stack([crops.mean((0, 2, 3)), crops.std((0, 2, 3)) + 1e-6])
            update.share([seen])  # the same on every process
            moments = self.networks_to(condition).moments
            errors[f"moments {condition}"] = (seen - moments).abs().mean()
            moments += (seen - moments) / (step + 1)
        return update.mean([errors])

    def start_training(self):
        """Discriminators and optimizers would be made here."""

    def training_state(self):
        return {}

    def load_training_state(self, state):
        """There is none."""


# The registry names a module of the package's engines; a file there needs no such line.
sys.modules["napari_phenotrans.engines.contrast"] = sys.modules[__name__]
engines.ENGINES["contrast"] = engines.EngineEntry(ContrastSettings, "contrast:Contrast")

# ---- trained and used as any other
parser = argparse.ArgumentParser(description=__doc__)
parser.add_argument("--steps", type=int, default=50)
parser.add_argument("--count", type=int, default=6, help="organoids to invent per condition")
parser.add_argument("--out", type=Path, default=Path("example-results/own-engine"))
asked = parser.parse_args()

shutil.rmtree(asked.out, ignore_errors=True)
images = write_dataset(asked.out / "images", asked.count, size=96)
checkpoint = pt.train(images, asked.out / "run", engine="contrast", steps=asked.steps, crop=32, score_every=asked.steps)
for score in checkpoint.card.scores:
    if score.metric == "gap closed":
        print(f"{score.direction}, {score.what}: {score.value:.2f} of the gap closed")
image = pt.read(images / "healthy" / "organoid_0001.ome.tif")
result = pt.translate_image(image, checkpoint, source="healthy", target="diseased")
print(pt.write(result.translated, asked.out / "translated.ome.tif"))
