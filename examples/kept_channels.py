"""A flow with kept channels: given these very nuclei, where would the protein be?

The bundled checkpoint keeps DNA, which wortmannin leaves alone, and makes FKHR-EGFP anew so that it fits. What is kept
comes back bit for bit; what moves can also be drawn from what is kept alone, several times, to see what is certain.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np

import napari_phenotrans as pt

parser = argparse.ArgumentParser(description=__doc__)
parser.add_argument("--side", type=int, default=256, help="side of the part of the well that is translated, in pixels")
parser.add_argument("--samples", type=int, default=3, help="how often the protein is drawn from the nuclei alone")
parser.add_argument("--out", type=Path, default=Path("example-results/kept"))
asked = parser.parse_args()

image = pt.sample("bbbc013-untreated")
part = pt.Region(top=0, left=0, height=asked.side, width=asked.side)

# ---- translated: the nuclei stay
result = pt.translate_image(image, "bbbc013-flow", source="untreated", target="wortmannin", region=part)
real, translated = result.real.plane(), result.translated.plane()
dna, gfp = image.channels.index("DNA"), image.channels.index("FKHR-EGFP")
print(f"DNA is the same bit for bit: {np.array_equal(real[dna], translated[dna])}")

nuclei = real[dna] > np.percentile(real[dna], 90)
for what, pixels in (("real", real), ("translated", translated)):
    ratio = pixels[gfp][nuclei].mean() / pixels[gfp][~nuclei].mean()
    print(f"{what}: FKHR-EGFP is {ratio:.2f} times as bright in the nuclei as outside of them")

# ---- drawn from the nuclei alone: where samples differ, the nuclei do not say
drawn = pt.complete_image(
    image, "bbbc013-flow", condition="wortmannin", channel="FKHR-EGFP", samples=asked.samples, seed=0, region=part
)
if drawn.spread is not None:
    spread = drawn.spread.plane()[drawn.spread.channels.index("FKHR-EGFP")]
    print(f"{asked.samples} samples differ by {spread.mean():.1f} gray values on average")
for number, sample in enumerate(drawn.samples, start=1):
    pt.write(sample, asked.out / f"drawn_{number}.ome.tif", overwrite=True)
print(pt.write(result.translated, asked.out / "translated.ome.tif", overwrite=True))
