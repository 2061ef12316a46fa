"""Make the pictures of the tutorial, from the data set and the runs that it makes.

``xvfb-run -a -s "-screen 0 1600x1200x24" python docs/screenshots_training.py DATASET RUN OTHER_RUN``
"""

from __future__ import annotations

import argparse
import os
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

# napari as it comes, whatever its user set, chose or trained last
os.environ["NAPARI_CONFIG"] = str(Path(tempfile.mkdtemp()) / "settings.yaml")
os.environ["XDG_DATA_HOME"] = tempfile.mkdtemp()

import napari
from qtpy.QtCore import QEventLoop, Qt, QTimer
from qtpy.QtWidgets import QApplication, QScrollArea, QWidget

from napari_phenotrans.widgets.train.dock import TrainingDock
from napari_phenotrans.widgets.translate.layers_menu import raise_dock

if TYPE_CHECKING:
    from collections.abc import Callable

IMAGES = Path(__file__).parent / "images"
WINDOW, WIDE = (1400, 900), 420
WELL = "untreated/D02.ome.tif"
PATIENCE_S = 600


def wait(seconds: float) -> None:
    """Let napari work and draw."""
    loop = QEventLoop()
    QTimer.singleShot(round(1000 * seconds), loop.quit)
    loop.exec()


def wait_until(done: Callable[[], bool], what: str) -> None:
    """Let napari work until ``done``."""
    for _ in range(5 * PATIENCE_S):
        if done():
            wait(1)
            return
        wait(0.2)
    raise SystemExit(f"waited {PATIENCE_S} s for {what}")


def show_whole(part: QWidget) -> None:
    """Scroll the dock so that a part of it can be seen, its beginning first."""
    area = part.parentWidget()
    while not isinstance(area, QScrollArea):
        area = area.parentWidget()
    wait(0.2)
    area.verticalScrollBar().setValue(part.mapTo(area.widget(), part.rect().topLeft()).y())


def pictures(dataset: Path, run: Path, other: Path, theme: str, out: Path) -> None:
    """Use the docks as the tutorial says, and save what is to be seen on the way."""

    def save(name: str) -> None:
        wait(1)
        path = out / f"training_{name}_{theme}.png"
        viewer.window.screenshot(str(path), canvas_only=False, flash=False)
        print(path, flush=True)

    viewer = napari.Viewer(show=False)
    viewer.theme = theme
    viewer.show()
    # napari gives the window the size that it had last; the pictures all have the same
    wait(0.5)
    viewer.window.resize(*WINDOW)
    wait(0.5)
    dock = TrainingDock(viewer)
    frame = viewer.window.add_dock_widget(dock, name="Train (Phenotype translation)")
    viewer.window._qt_window.resizeDocks([frame], [WIDE], Qt.Orientation.Horizontal)

    # The check.
    dock.take([dataset])
    wait_until(lambda: "checked" in dock.status.text(), "the check")
    show_whole(dock.sections["Check"])
    save("check")

    # The run.
    runs = dock.runs
    runs.open_run(run)
    wait_until(lambda: runs.view is not None and bool(runs.view.losses.plot.shown), "the run")
    show_whole(dock.sections["Runs"])
    save("run")
    runs.view.previews.show_button.click()
    wait_until(lambda: runs.view.previews.layers.complete, "previews")
    show_whole(runs.view.sections["Scores"])
    save("previews")
    runs.view.previews.show_button.click()

    # Two of them.
    runs.add_run(other)
    runs.list.choose([run, other])
    wait_until(lambda: runs.compare is not None and runs.compare.isVisible(), "the comparison")
    show_whole(dock.sections["Runs"])
    save("compare")

    # Its translation.
    runs.list.choose([run])
    wait_until(lambda: runs.view.isVisible(), "the run")
    runs.view.translate_button.click()
    translating = raise_dock(viewer)
    wait_until(lambda: translating.devices.loaded, "torch")
    translating.open_files([dataset / WELL], translate=True)
    wait_until(lambda: translating.status.text().startswith(("translated", "not translated")), "the translation")
    save("translated")
    viewer.close()
    QApplication.processEvents()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("dataset", type=Path)
    parser.add_argument("run", type=Path)
    parser.add_argument("other", type=Path)
    parser.add_argument("--out", type=Path, default=IMAGES)
    parser.add_argument("--theme", choices=("dark", "light"), default="dark")
    said = parser.parse_args()
    said.out.mkdir(parents=True, exist_ok=True)
    pictures(said.dataset.absolute(), said.run.absolute(), said.other.absolute(), said.theme, said.out)


if __name__ == "__main__":
    main()
