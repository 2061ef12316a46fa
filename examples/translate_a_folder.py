"""Translate all images of a folder, and say of each what became of it.

The bundled images are translated from untreated to wortmannin. Two are wells of BBBC013; the one that was treated
already changes little. The other two are organoids, whose channels the checkpoint does not know: they are refused, and
the rest goes on.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np

import napari_phenotrans as pt
from napari_phenotrans.io.samples import FOLDER

parser = argparse.ArgumentParser(description=__doc__)
parser.add_argument("folder", nargs="?", type=Path, default=FOLDER, help="folder of images")
parser.add_argument("--checkpoint", default="bbbc013-cyclegan", help="a bundled name, or a file")
parser.add_argument("--source", default="untreated")
parser.add_argument("--target", default="wortmannin")
parser.add_argument("--out", type=Path, default=Path("example-results/translated"))
asked = parser.parse_args()

# Loaded once for all images: the checkpoint says which channels it knows, and what it reaches.
checkpoint = pt.Checkpoint.load(asked.checkpoint)
print(f"{asked.checkpoint}: {checkpoint.card.engine}, channels {', '.join(checkpoint.card.channels)}")

for path in sorted(asked.folder.glob("*.tif")):
    try:
        image = pt.read(path)
        result = pt.translate_image(image, checkpoint, source=asked.source, target=asked.target)
    except pt.InputError as error:
        print(f"{path.name}: not translated. {error}")
        continue
    name = path.name.split(".")[0]
    pt.write(result.translated, asked.out / f"{name}_translated.ome.tif", overwrite=True)
    pt.write(result.difference, asked.out / f"{name}_difference.ome.tif", overwrite=True)
    for channel, difference in zip(result.real.channels, result.difference.plane(), strict=True):
        print(f"{path.name}: {channel} changes by {np.abs(difference).mean():.1f} gray values on average")
    for notice in result.notices:
        print(f"{path.name}: note: {notice}")
