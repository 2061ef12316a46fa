"""Opens and closes viewers with all docks: ``python -m bench.reliability.load_scene viewers ORDERS RESULT``."""

from __future__ import annotations

import json
import sys
import time
from dataclasses import asdict
from importlib import import_module
from pathlib import Path

import napari
from qtpy.QtCore import QCoreApplication, QEvent
from qtpy.QtWidgets import QApplication

from bench.reliability.looks import LOOKS, look

DOCKS = ("translate.dock:TranslateDock", "train.dock:TrainingDock", "evaluate.dock:EvaluateDock")


def main(orders: dict[str, int], out: Path) -> None:
    count, looks, began = orders["count"], [], time.monotonic()
    every = max(1, count // LOOKS)
    for number in range(1, count + 1):
        viewer = napari.Viewer(show=True)
        for place in DOCKS:
            module, name = place.split(":")
            dock = getattr(import_module(f"napari_phenotrans.widgets.{module}"), name)(viewer)
            viewer.window.add_dock_widget(dock, name=name, area="right", tabify=True)
        QApplication.processEvents()
        viewer.close()
        del viewer, dock
        # what waits to be deleted is deleted when an event loop turns, which a script has none of
        QCoreApplication.sendPostedEvents(None, QEvent.Type.DeferredDelete)
        QApplication.processEvents()
        if number % every == 0:
            looks.append(asdict(look(number, len(QApplication.allWidgets()))))
    out.write_text(json.dumps({"seconds": time.monotonic() - began, "looks": looks}))


if __name__ == "__main__":
    main(json.loads(sys.argv[2]), Path(sys.argv[3]))
