"""Make the pictures of the documentation: ``xvfb-run -a -s "-screen 0 1600x1200x24" python docs/screenshots.py``."""

from __future__ import annotations

import argparse
from pathlib import Path

import napari
from qtpy.QtCore import QEventLoop, QTimer
from qtpy.QtWidgets import QApplication

from napari_phenotrans.samples import SAMPLES
from napari_phenotrans.widgets.translate_dock import TranslateDock

IMAGES = Path(__file__).parent / "images"


def wait(seconds: float) -> None:
    """Let napari work and draw."""
    loop = QEventLoop()
    QTimer.singleShot(round(1000 * seconds), loop.quit)
    loop.exec()


def translate_dock(out: Path, checkpoint: str, sample: str, size: tuple[int, int]) -> None:
    """Translate a bundled sample in the dock, as its user does, and save the window."""
    viewer = napari.Viewer(show=False)
    viewer.show()
    # napari gives the window the size that it had last; the pictures all have the same
    wait(0.5)
    viewer.window.resize(*size)
    wait(0.5)
    dock = TranslateDock(viewer)
    viewer.window.add_dock_widget(dock, name="Translate (Phenotype translation)")
    if checkpoint != dock.checkpoints.name:
        dock.checkpoints.choose(checkpoint)
    dock.open_files([SAMPLES[sample].path], translate=True)
    while not dock.status.text().startswith(("translated", "not translated")):
        wait(0.2)
    wait(1)
    out.parent.mkdir(parents=True, exist_ok=True)
    viewer.window.screenshot(str(out), canvas_only=False, flash=False)
    print(f"{out}: {dock.status.text()}; {dock.notices.texts}")
    viewer.close()
    QApplication.processEvents()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, default=IMAGES)
    parser.add_argument("--checkpoint", default=None, help="another checkpoint than the sample's own")
    parser.add_argument("--sample", default="bbbc013-untreated", choices=SAMPLES)
    parser.add_argument("--size", type=int, nargs=2, default=(1400, 900), metavar=("WIDTH", "HEIGHT"))
    said = parser.parse_args()
    checkpoint = said.checkpoint or SAMPLES[said.sample].checkpoint
    translate_dock(said.out / "translate_dock.png", checkpoint, said.sample, tuple(said.size))


if __name__ == "__main__":
    main()
