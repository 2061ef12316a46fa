"""What ``python -m bench gui-training`` plays, in a napari of its own: ``… gui_training_scene WHAT ORDERS RESULT``."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import psutil
from napari.layers import Layer
from qtpy.QtWidgets import QApplication

from bench.window.gui_scene import Gaps, open_napari, play, wait_until
from napari_phenotrans.dataset.held_out_choice import HeldOutChoice
from napari_phenotrans.runs.launch import start_training, train_arguments
from napari_phenotrans.runs.monitor import RunWatch
from napari_phenotrans.widgets.reader import read_layers
from napari_phenotrans.widgets.train.dock import TrainingDock

# so many that none of the scenes sees its end
STEPS = 1_000_000
SETTINGS = {"steps": STEPS, "crop": 64, "blocks": 4, "batch": 2, "save_every": 20, "score_every": 20}


def training(orders: dict[str, Any]) -> dict[str, Any]:
    """Play the scene alone, beside a run that nobody watches, and while the dock watches it, in turns."""
    viewer, gaps = open_napari(), Gaps()
    for data in read_layers(orders["image"]):
        viewer.add_layer(Layer.create(*data))
    folder = Path(orders["run"])
    result: dict[str, Any] = {"own niceness": psutil.Process().nice(), "rounds": []}

    with gaps.measured() as result["opening"]:
        dock = TrainingDock(viewer)
        viewer.window.add_dock_widget(dock, name="Train")
        wait_until(lambda: dock.isVisible(), "the dock")
    arguments = train_arguments(
        orders["dataset"], "cyclegan", folder, SETTINGS | {"width": orders["width"]}, held_out=HeldOutChoice(0.25)
    )
    watch = RunWatch(folder)

    def trains() -> bool:
        watch.poll()
        return watch.step > 0

    with gaps.measured() as result["starting"]:
        child = start_training(arguments, folder)
        wait_until(trains, "the run to train")
    process = psutil.Process(child.process.pid)
    try:
        result["niceness"] = process.nice()
        with gaps.measured() as result["first look"]:
            dock.runs.open_run(folder)
            wait_until(lambda: dock.runs.view is not None and bool(dock.runs.view.losses.plot.shown), "the curves")
        view = dock.runs.view
        assert view is not None
        # what is panned: the previews, which the dock replaces as new ones come
        wait_until(lambda: view.previews.show_button.isEnabled(), "previews")
        with gaps.measured() as result["showing previews"]:
            view.previews.show_button.click()
            wait_until(lambda: view.previews.layers.complete, "previews as layers")
        result["layers"] = len(viewer.layers)
        drawn = 0

        def count(_: Any) -> None:
            nonlocal drawn
            drawn += 1

        dock.runs.watcher.polled.connect(count)
        for turn in range(orders["repeats"]):
            played: dict[str, Any] = {}
            dock.runs.watcher.forget(folder)
            process.suspend()
            played["alone"] = play(viewer, gaps, orders["seconds"])
            process.resume()
            played["beside"] = play(viewer, gaps, orders["seconds"])
            dock.runs.watcher.look_at([folder])
            before = drawn
            played["watched"] = play(viewer, gaps, orders["seconds"])
            played["watched"]["drawn"] = drawn - before
            result["rounds"].append(played)
            words = [f"{name}: p99 {gap['p99']:.0f}, largest {gap['largest']:.0f} ms" for name, gap in played.items()]
            print(f"round {turn + 1}: {'; '.join(words)}", flush=True)
        view.previews.show_button.click()
    finally:
        process.kill()
    viewer.close()
    return result


if __name__ == "__main__":
    what, orders, out = sys.argv[1:]
    measured = {"training": training}[what](json.loads(orders))
    Path(out).write_text(json.dumps(measured))
    QApplication.processEvents()
