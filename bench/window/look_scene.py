"""What ``python -m bench look`` plays in a napari of its own: ``python -m bench.window.look_scene look ORDERS RESULT``.

As in `gui_scene`, nothing here imports torch.
"""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from qtpy.QtCore import QObject
from qtpy.QtOpenGLWidgets import QOpenGLWidget
from qtpy.QtWidgets import QApplication

from bench.window.gui_scene import SETTLE_S, Gaps, open_image, open_napari, wait, wait_until
from napari_phenotrans.widgets.common.worker import background
from napari_phenotrans.widgets.translate.dock import TranslateDock

if TYPE_CHECKING:
    from collections.abc import Callable

# Steps of the slider that the hand goes down, and up again.
STEPS = 5
JUST_NOW_S = 0.005


class Looks(QObject):
    """When pixels of a look are on the screen: drawn by the canvas after layers took them up."""

    def __init__(self, dock: TranslateDock) -> None:
        super().__init__()
        self.drawn: float | None = None
        self.evaluations = 0
        self._came = self._taken_up = False
        self._drawn_at = 0.0
        dock.runner.came.connect(self._on_came)
        dock.translating.drawn.connect(self._on_drawn)
        for window in QApplication.topLevelWidgets():
            for canvas in window.findChildren(QOpenGLWidget):
                canvas.frameSwapped.connect(self._on_frame)

    def begin(self) -> None:
        """Wait for the pixels of another look."""
        self.drawn, self.evaluations = None, 0
        self._came = self._taken_up = False

    def _on_came(self, _: Any, event: Any) -> None:
        name = type(event).__name__
        self.evaluations += name in ("EvaluationDone", "Tile")
        self._came |= name in ("Tile", "PlaneDone")
        # the dock may have drawn it just now, for it was told first
        self._taken_up |= self._came and time.perf_counter() - self._drawn_at < JUST_NOW_S

    def _on_drawn(self) -> None:
        self._taken_up |= self._came
        self._drawn_at = time.perf_counter()

    def _on_frame(self) -> None:
        if self._taken_up and self.drawn is None:
            self.drawn = time.perf_counter()


def look(orders: dict[str, Any]) -> dict[str, Any]:
    """Drag the slider and let go: in a fresh window, then with its layers there. Seconds until pixels are drawn."""
    viewer, gaps = open_napari(), Gaps()
    dock = TranslateDock(viewer)
    viewer.window.add_dock_widget(dock, name="Translate")
    wait_until(lambda: dock.devices.loaded, "torch")
    open_image(dock, Path(orders["image"]), orders["checkpoint"])
    dock.conditions.choose(*orders["conditions"])
    wait(SETTLE_S)
    # the dock reads the engine as soon as it is chosen
    wait_until(background().submit(int).done, "the engine to be read")
    slider, looks = dock.engine.slider, Looks(dock)
    result: dict[str, Any] = {}
    for name, step in (("fresh window", -STEPS), ("layers there", STEPS)):
        wait(SETTLE_S)
        with gaps.measured() as meanwhile:
            looks.begin()
            began = time.perf_counter()
            slider.setSliderDown(True)
            slider.setValue(slider.value() + step)
            wait_until(_drawn(looks), "the quick look")
            assert looks.drawn is not None
            quick, evaluations = looks.drawn - began, looks.evaluations
            wait_until(lambda: not dock.runner.busy and not dock.translating.building, "the quick look's end")
            wait(SETTLE_S)
            began, looks.evaluations = time.perf_counter(), 0
            slider.setSliderDown(False)
            wait_until(lambda: "as it will be; press" in dock.status.text(), "the exact look")
            exact = time.perf_counter() - began
            wait(2 * SETTLE_S)
        result[name] = {"quick_s": quick, "quick": evaluations, "exact_s": exact, "exact": looks.evaluations}
        result[name]["gaps"] = meanwhile
    # a key, or a click beside the handle: nothing is dragged, and the picture comes as soon
    looks.begin()
    began = time.perf_counter()
    slider.setValue(slider.value() - 1)
    wait_until(_drawn(looks), "the look after a key")
    assert looks.drawn is not None
    result["key"] = {"quick_s": looks.drawn - began}
    crop = dock.selection.crop()
    result["crop"] = [crop.height, crop.width] if crop else None
    dock.cancel()
    wait_until(lambda: not dock.runner.busy, "the end")
    viewer.close()
    return result


def _drawn(looks: Looks) -> Callable[[], bool]:
    return lambda: looks.drawn is not None


if __name__ == "__main__":
    _, orders, out = sys.argv[1:]
    Path(out).write_text(json.dumps(look(json.loads(orders))))
    QApplication.processEvents()
