"""The phenotype report: what differs between two conditions, and what of it an engine's translations show.

On synthetic organoids, of which it is known what the disease does: it removes nuclei and mitoses. Needs
napari-phenotrans[report].
"""

from __future__ import annotations

import argparse
from pathlib import Path

import napari_phenotrans as pt
from napari_phenotrans.dataset.synthetic import write_dataset

parser = argparse.ArgumentParser(description=__doc__)
parser.add_argument("--checkpoint", default="synthetic-organoids-cyclegan", help="a bundled name, or a file")
parser.add_argument("--count", type=int, default=6, help="organoids to invent per condition: five groups make a test")
parser.add_argument("--size", type=int, default=192, help="side of an organoid's image, in pixels")
parser.add_argument("--out", type=Path, default=Path("example-results/report"))
asked = parser.parse_args()

images = write_dataset(asked.out / "images", asked.count, size=asked.size, first_seed=1000, overwrite=True)


def say(event: object) -> None:
    """Print what has to be known before believing the report."""
    if isinstance(event, pt.Notice):
        print(f"note: {event.text}")


found = pt.report(
    images, asked.checkpoint, source="healthy", target="diseased", out=asked.out, overwrite=True, on_event=say
)
print(found)

# Every measurement by itself: what differs in reality, and what the engine makes of it.
print(f"\n{len(found.effects.rows)} measurements of {found.objects}; the largest real differences:")
for row in found.effects.leading[:5]:
    made = f"real {row.real:+.3g}, made by the engine {row.made:+.3g} {row.measurement.unit}".rstrip()
    print(f"  {row.measurement.words}: {made}")
print(asked.out / "report.html")
