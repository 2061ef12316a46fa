"""What ``python -m bench gui`` plays, in a napari of its own: ``python -m bench.window.gui_scene WHAT ORDERS RESULT``.

Nothing here imports torch: that is for the dock's background thread to do, and is measured.
"""

from __future__ import annotations

import json
import math
import subprocess
import sys
import time
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import napari
import numpy as np
import psutil
from napari.layers import Layer
from qtpy.QtCore import QEventLoop, QObject, Qt, QTimer
from qtpy.QtOpenGLWidgets import QOpenGLWidget
from qtpy.QtWidgets import QApplication

from napari_phenotrans.widgets.common.worker import background
from napari_phenotrans.widgets.reader import read_layers
from napari_phenotrans.widgets.translate.dock import TranslateDock
from napari_phenotrans.widgets.viewer.layers import TRANSLATED, role

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

SIZE = 1400, 900
TICK_MS = 5
PAN_EVERY_MS = 100
PAN_RADIUS = 20  # pixels of the image
SETTLE_S = 1.0
PATIENCE_S = 300.0
# From the matrix to each of these, and how long each is watched.
VIEWS_IN_TURN, VIEW_S = ("composites", "curtain", "blink", "matrix"), 2.5

# ---- waiting, as a user waits: the event loop runs


def wait(seconds: float) -> None:
    """Let napari work and draw."""
    loop = QEventLoop()
    QTimer.singleShot(round(1000 * seconds), loop.quit)
    loop.exec()


def wait_until(done: Callable[[], bool], what: str) -> None:
    """Let napari work until ``done``.

    Raises
    ------
    TimeoutError
        If that takes more than five minutes.
    """
    end = time.perf_counter() + PATIENCE_S
    while not done():
        if time.perf_counter() > end:
            raise TimeoutError(f"waited {PATIENCE_S:.0f} s for {what}")
        wait(0.02)


# ---- measuring


class Gaps(QObject):
    """How long the event loop took between the firings of a timer that wants to fire every 5 ms."""

    def __init__(self) -> None:
        super().__init__()
        self._times: list[float] = []
        self._timer = QTimer(self)
        self._timer.setTimerType(Qt.TimerType.PreciseTimer)
        self._timer.setInterval(TICK_MS)
        self._timer.timeout.connect(lambda: self._times.append(time.perf_counter()))

    @contextmanager
    def measured(self) -> Iterator[dict[str, float]]:
        """Measure the block; what it gives is filled at the end: milliseconds ``p50``, ``p99``, ``largest``."""
        found: dict[str, float] = {}
        self._times = [time.perf_counter()]
        self._timer.start()
        yield found
        self._timer.stop()
        # what the loop does at the end of the block counts too
        gaps = np.diff([*self._times, time.perf_counter()]) * 1000
        found |= {name: round(float(np.percentile(gaps, q)), 2) for name, q in (("p50", 50), ("p99", 99))}
        found |= {"largest": round(float(gaps.max()), 2), "count": len(gaps)}


class FirstPixels(QObject):
    """When translated pixels were first on the screen: drawn by the canvas after a layer took them up."""

    def __init__(self, viewer: napari.Viewer) -> None:
        super().__init__()
        self._viewer = viewer
        self._taken_up = False
        self.drawn: float | None = None
        viewer.layers.events.inserted.connect(lambda event: self._watch(event.value))
        for layer in viewer.layers:
            self._watch(layer)
        for window in QApplication.topLevelWidgets():
            for canvas in window.findChildren(QOpenGLWidget):
                canvas.frameSwapped.connect(self._on_frame)

    def begin(self) -> None:
        """Forget; what is translated has to be emptied by what follows."""
        self._taken_up, self.drawn = False, None

    def _watch(self, layer: Any) -> None:
        if role(layer) == TRANSLATED:
            layer.events.set_data.connect(lambda: self._on_pixels(layer))
            self._on_pixels(layer)

    def _on_pixels(self, layer: Any) -> None:
        if not self._taken_up:
            self._taken_up = bool(np.asarray(layer.data).any())

    def _on_frame(self) -> None:
        if self._taken_up and self.drawn is None:
            self.drawn = time.perf_counter()


class Again(QObject):
    """Translates in the dock again and again."""

    def __init__(self, dock: TranslateDock) -> None:
        super().__init__()
        self._dock, self._on = dock, False
        self._next = QTimer(self)
        self._next.setSingleShot(True)
        self._next.timeout.connect(self._translate)
        self.translations = self.events = 0
        dock.runner.came.connect(self._on_came)
        dock.runner.ended.connect(self._on_ended)

    def start(self) -> None:
        self._on = True
        self.translations = self.events = 0
        self._dock.translate()

    def stop(self) -> None:
        self._on = False
        self._next.stop()
        self._dock.runner.cancel()

    def _translate(self) -> None:
        # where one waits already it begins by itself: another one would cancel it, and be cancelled, for ever
        if not self._dock.runner.busy:
            self._dock.translate()

    def _on_came(self, *_: Any) -> None:
        self.events += 1

    def _on_ended(self, *_: Any) -> None:
        self.translations += 1
        if self._on:
            self._next.start(0)


# ---- the parts


def open_napari() -> napari.Viewer:
    """Open a window of the same size each time."""
    viewer = napari.Viewer(show=False)
    viewer.show()
    # napari gives the window the size that it had last
    wait(0.5)
    viewer.window.resize(*SIZE)
    wait(0.5)
    return viewer


def open_image(dock: TranslateDock, path: Path, checkpoint: str) -> None:
    """Open an image in the dock, to be translated with a checkpoint."""
    dock.open_files([path])
    wait_until(lambda: bool(dock.viewer.layers) and "opening" not in dock.status.text(), f"{path.name} to open")
    if dock.checkpoints.name != checkpoint:
        dock.checkpoints.choose(checkpoint)


def finish(dock: TranslateDock) -> None:
    """Wait for the end of what runs.

    Raises
    ------
    RuntimeError
        If it was not translated.
    """
    wait_until(lambda: not dock.runner.busy and not dock.translating.building, "the translation to end")
    if "not translated" in dock.status.text():
        raise RuntimeError("; ".join(dock.notices.texts))


def first_tile(orders: dict[str, Any]) -> dict[str, Any]:
    """Measure torch's import, and the time from the click to the first tile: in a fresh window, then again."""
    viewer, gaps = open_napari(), Gaps()
    first = FirstPixels(viewer)
    dock = TranslateDock(viewer)
    viewer.window.add_dock_widget(dock, name="Translate")
    opened = time.perf_counter()
    with gaps.measured() as importing:
        wait_until(lambda: dock.devices.loaded, "torch")
    result: dict[str, Any] = {"import_s": time.perf_counter() - opened, "import": importing}
    open_image(dock, Path(orders["image"]), orders["checkpoint"])
    one, other = orders["conditions"]
    # The way back is another translation, so that the layers are emptied first; the engine is the same.
    for name, source, target in (("fresh window", one, other), ("layers there", other, one)):
        dock.conditions.choose(source, target)
        wait(SETTLE_S)
        # the dock reads the engine as soon as it is chosen
        read = background().submit(int)
        wait_until(read.done, "the engine to be read")
        first.begin()
        with gaps.measured() as meanwhile:
            began = time.perf_counter()
            dock.translate()
            wait_until(lambda: first.drawn is not None, "the first tile")
            assert first.drawn is not None
            seconds = first.drawn - began
            finish(dock)
            whole = time.perf_counter() - began
            # the captions
            wait(2 * SETTLE_S)
        result[name] = {"first_tile_s": seconds, "whole_s": whole, "gaps": meanwhile}
    result["views"] = {}
    for view in VIEWS_IN_TURN:
        wait(SETTLE_S)
        with gaps.measured() as meanwhile:
            dock.view_bar.buttons[view].click()
            # the captions, too
            wait(VIEW_S)
        result["views"][view] = meanwhile
    viewer.close()
    return result


def floor(orders: dict[str, Any]) -> dict[str, Any]:
    """Measure how long napari alone needs to add some layers beside an image's in a grid, and to draw them."""
    viewer = open_napari()
    for data in read_layers(orders["image"]):
        viewer.add_layer(Layer.create(*data))
    shape = viewer.layers[0].data.shape
    pixels = np.random.default_rng(0).random((orders["layers"], *shape), np.float32)
    drawn: list[float] = []
    for window in QApplication.topLevelWidgets():
        for canvas in window.findChildren(QOpenGLWidget):
            canvas.frameSwapped.connect(lambda: drawn.append(time.perf_counter()))
    wait(SETTLE_S)
    began = time.perf_counter()
    with viewer.layers.batched_update():
        for plane in pixels:
            viewer.add_image(plane, scale=viewer.layers[0].scale, blending="additive", contrast_limits=(0, 1))
        grid = viewer.canvas.grid
        grid.stride, grid.shape, grid.spacing, grid.enabled = 1, orders["shape"], 0.02, True
    drawn.clear()
    wait_until(lambda: bool(drawn), "the picture")
    seconds = drawn[0] - began
    viewer.close()
    return {"seconds": seconds}


def scene(orders: dict[str, Any]) -> dict[str, Any]:
    """Play the scene alone, beside a process that translates, and while the dock translates, in turns."""
    viewer, gaps = open_napari(), Gaps()
    dock = TranslateDock(viewer)
    viewer.window.add_dock_widget(dock, name="Translate")
    wait_until(lambda: dock.devices.loaded, "torch")
    engines: dict[str, str] = orders["engines"]
    source, target = orders["conditions"]
    open_image(dock, Path(orders["image"]), next(iter(engines.values())))
    dock.conditions.choose(source, target)
    first = FirstPixels(viewer)
    with gaps.measured() as building:
        dock.translate()
        wait_until(lambda: first.drawn is not None, "the first tile")
        finish(dock)
        wait(2 * SETTLE_S)
    result: dict[str, Any] = {"building": building, "layers": len(viewer.layers), "rounds": []}

    others = {name: _start_other(checkpoint, orders) for name, checkpoint in engines.items()}
    again = Again(dock)
    seconds = orders["seconds"]
    try:
        for turn in range(orders["repeats"]):
            names = list(engines)[turn % len(engines) :] + list(engines)[: turn % len(engines)]
            played: dict[str, Any] = {"alone": play(viewer, gaps, seconds), "beside": {}, "while": {}}
            for name in names:
                others[name].resume()
                played["beside"][name] = play(viewer, gaps, seconds)
                others[name].suspend()
                dock.checkpoints.choose(engines[name])
                dock.conditions.choose(source, target)
                again.start()
                # loading the engine is the first tile's business, measured apart
                wait_until(lambda: again.events > 1, f"{name} to begin")
                before = again.translations
                played["while"][name] = play(viewer, gaps, seconds)
                played["while"][name]["translations"] = again.translations - before
                again.stop()
                finish(dock)
                print(f"round {turn + 1}, {name}: {_words(played, name)}", flush=True)
            result["rounds"].append(played)
    finally:
        for other in others.values():
            other.kill()
    viewer.close()
    return result


def play(viewer: napari.Viewer, gaps: Gaps, seconds: float) -> dict[str, float]:
    """Pan the scene in a circle, and measure."""
    camera = viewer.scene.camera
    center = np.asarray(camera.center, float)
    steps = 0

    def pan() -> None:
        nonlocal steps
        steps += 1
        turn = math.tau * steps * PAN_EVERY_MS / 1000 / 4
        camera.center = (*center[:-2], *(center[-2:] + PAN_RADIUS * np.array([math.sin(turn), math.cos(turn)])))

    timer = QTimer()
    timer.timeout.connect(pan)
    timer.start(PAN_EVERY_MS)
    wait(SETTLE_S)
    with gaps.measured() as found:
        wait(seconds)
    timer.stop()
    camera.center = tuple(center)
    return found


def _start_other(checkpoint: str, orders: dict[str, Any]) -> psutil.Process:
    """Start a process that translates the same, and stop it as soon as it does."""
    words = [sys.executable, "-m", "bench.window.gui_beside", checkpoint, orders["image"], *orders["conditions"]]
    other = psutil.Popen(words, stdout=subprocess.PIPE, text=True)
    if not other.stdout.readline():
        raise RuntimeError(f"the process that translates with {checkpoint} ended")
    other.suspend()
    return other


def _words(played: dict[str, Any], name: str) -> str:
    shown = {"alone": played["alone"], "beside": played["beside"][name], "while": played["while"][name]}
    return "; ".join(f"{how}: p99 {gaps['p99']:.0f}, largest {gaps['largest']:.0f} ms" for how, gaps in shown.items())


if __name__ == "__main__":
    what, orders, out = sys.argv[1:]
    measured = {"first_tile": first_tile, "floor": floor, "scene": scene}[what](json.loads(orders))
    Path(out).write_text(json.dumps(measured))
    QApplication.processEvents()
