"""Train an engine on two folders of images, score it on fields that it never saw, and translate one of them.

The images are synthetic organoids, healthy and diseased, that are invented here; name a folder of your own in their
place: one folder of images per condition. With a few steps it learns next to nothing; say --steps 3000 for more.
"""

from __future__ import annotations

import argparse
import shutil
from pathlib import Path

import napari_phenotrans as pt
from napari_phenotrans.dataset.synthetic import write_dataset

parser = argparse.ArgumentParser(description=__doc__)
parser.add_argument("images", nargs="?", type=Path, help="one folder of images per condition; invented where none")
parser.add_argument("--engine", default="cyclegan")
parser.add_argument("--steps", type=int, default=40)
parser.add_argument("--count", type=int, default=10, help="organoids to invent per condition")
parser.add_argument("--width", type=int, default=16, help="size of the networks")
parser.add_argument("--out", type=Path, default=Path("example-results/training"))
asked = parser.parse_args()

# A run folder is made once; this example starts anew each time.
shutil.rmtree(asked.out, ignore_errors=True)
images = asked.images or write_dataset(asked.out / "images", asked.count, size=128)


def say(event: object) -> None:
    """Print what happens, losses now and then."""
    match event:
        case pt.Notice(text=text):
            print(f"note: {text}")
        case _ if type(event).__name__ == "Losses":
            if event.step % 10 == 0:
                print(f"step {event.step}: " + ", ".join(f"{name} {loss:.2f}" for name, loss in event.losses.items()))
        case _ if type(event).__name__ in ("Started", "Finished"):
            print(type(event).__name__.lower())


checkpoint = pt.train(
    images, asked.out / "run", engine=asked.engine, steps=asked.steps, width=asked.width, crop=64, batch=2,
    save_every=asked.steps, score_every=asked.steps, held_out=0.3, on_event=say,
)  # fmt: skip

print(f"{checkpoint.path}:")
for score in checkpoint.card.scores:
    if score.metric == "gap closed":
        print(f"  {score.direction}, {score.what}: {score.value:.2f} of the gap closed (1 is the target, 0 the source)")

# The same from a terminal: phenotrans runs, to see it beside other trainings.
source, target = checkpoint.card.conditions
image = pt.read(next((Path(images) / source).glob("*.tif")))
result = pt.translate_image(image, checkpoint, source=source, target=target)
print(pt.write(result.translated, asked.out / f"{source}_as_{target}.ome.tif", overwrite=True))
