"""Opens a dock in a napari whose window is there: ``python -m bench.window.start_scene NAME ORDERS RESULT``."""

from __future__ import annotations

import json
import sys
import time
from importlib import import_module
from pathlib import Path

import napari
from qtpy.QtCore import QEvent, QObject

from bench.window.gui_scene import SIZE, wait, wait_until


class FirstPaint(QObject):
    """When a widget was first painted."""

    def __init__(self) -> None:
        super().__init__()
        self.at: float | None = None

    def eventFilter(self, watched: QObject | None, event: QEvent | None) -> bool:
        if self.at is None and event is not None and event.type() == QEvent.Type.Paint:
            self.at = time.perf_counter()
        return False


def main(title: str, orders: dict[str, str], out: Path) -> None:
    viewer = napari.Viewer(show=False)
    viewer.window.resize(*SIZE)
    viewer.show()
    wait(1.0)
    before = set(sys.modules)
    painted = FirstPaint()
    began = time.perf_counter()
    module, name = orders["dock"].split(":")
    # as napari does it when the user asks for the dock
    dock = getattr(import_module(f"napari_phenotrans.widgets.{module}"), name)(viewer)
    dock.installEventFilter(painted)
    viewer.window.add_dock_widget(dock, name=title, area="right")
    wait_until(lambda: painted.at is not None, "the dock")
    assert painted.at is not None
    found = {"seconds": round(painted.at - began, 3), "modules": len(set(sys.modules) - before)}
    out.write_text(json.dumps(found | {"torch": "torch" in sys.modules}))
    viewer.close()


if __name__ == "__main__":
    main(sys.argv[1], json.loads(sys.argv[2]), Path(sys.argv[3]))
