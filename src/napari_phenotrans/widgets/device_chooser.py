"""Choosing the device, and saying which one runs really."""

from __future__ import annotations

from typing import TYPE_CHECKING

from qtpy.QtCore import QTimer, Signal
from qtpy.QtWidgets import QVBoxLayout, QWidget

from napari_phenotrans.widgets.choosers import Form, narrow_box
from napari_phenotrans.widgets.notices import wrapped_label
from napari_phenotrans.widgets.translate_worker import background, load_torch

if TYPE_CHECKING:
    from concurrent.futures import Future

LOOK_EVERY_MS = 100


class DeviceChooser(QWidget):
    """Automatic, CUDA, MPS or CPU: what torch finds, once it is loaded, which begins with the widget.

    Signals
    -------
    failed
        torch cannot be loaded; the message for the user.
    """

    failed = Signal(str)

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        self.box = narrow_box("Where the networks run. Automatic takes a GPU where there is one.")
        self.box.addItem("Automatic", "auto")
        self.box.currentIndexChanged.connect(lambda _: self._describe())
        rows = Form()
        rows.add("Device", self.box)
        layout.addLayout(rows)
        self.line = wrapped_label("loading torch…")
        self.line.setToolTip("The device that runs, as torch names it.")
        layout.addWidget(self.line)
        self._devices: dict[str, str] = {}
        # Importing torch keeps Python busy for seconds: not before the dock has been drawn.
        self._timer = QTimer(self)
        self._timer.setInterval(LOOK_EVERY_MS)
        self._timer.timeout.connect(self._look)
        self._timer.start()
        self._loading: Future[dict[str, str]] | None = None

    @property
    def device(self) -> str:
        """The device as `Translator` takes it."""
        return self.box.currentData()

    @property
    def loaded(self) -> bool:
        """Whether torch is loaded."""
        return bool(self._devices)

    def _look(self) -> None:
        # A timer that looks, instead of a thread that calls: nothing is left to call when the dock closes meanwhile.
        if self._loading is None:
            self._loading = background().submit(load_torch)
        elif self._loading.done():
            self._timer.stop()
            try:
                self._devices = self._loading.result()
            except (ImportError, OSError, RuntimeError) as error:
                said = str(error).splitlines() or [type(error).__name__]
                self.line.setText("torch is not there")
                self.failed.emit(f"torch cannot be loaded: {said[0]} Install torch anew.")
                return
            for name in self._devices:
                if self.box.findData(name) < 0:
                    self.box.addItem(name.upper().replace(":", " "), name)
            self._describe()

    def _describe(self) -> None:
        if self._devices:
            self.line.setText(f"runs on {self._devices[self.device]}")
