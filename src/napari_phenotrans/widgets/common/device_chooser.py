"""Choosing device and precision, and saying which device runs really."""

from __future__ import annotations

from typing import TYPE_CHECKING

from qtpy.QtCore import QSignalBlocker, QTimer, Signal
from qtpy.QtWidgets import QHBoxLayout, QPushButton, QVBoxLayout, QWidget

from napari_phenotrans.widgets.common.form_layout import Form, narrow_box
from napari_phenotrans.widgets.common.notices import wrapped_label
from napari_phenotrans.widgets.common.worker import background, load_torch

if TYPE_CHECKING:
    from concurrent.futures import Future

LOOK_EVERY_MS = 100
PRECISIONS = {"auto": "Automatic", "fp32": "Exact (fp32)", "bf16": "Faster (bf16)"}


class DeviceChooser(QWidget):
    """Automatic, CUDA, MPS or CPU: what torch finds, once it is loaded, which begins with the widget.

    Signals
    -------
    changed
        The user chose another device or precision.
    failed
        torch cannot be loaded; the message for the user.
    unload_requested
        The engine is to give back its memory.
    """

    changed = Signal()
    failed = Signal(str)
    unload_requested = Signal()

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        self.box = narrow_box("Where the networks run. Automatic takes a GPU where there is one.")
        self.box.addItem("Automatic", "auto")
        self.box.currentIndexChanged.connect(lambda _: self._describe())
        self.box.activated.connect(lambda _: self._on_chosen())
        rows = Form()
        rows.add("Device", self.box)
        self.line = wrapped_label("loading torch…")
        self.line.setToolTip("The device that runs, as torch names it.")
        self.precision_box = narrow_box(
            "Automatic is exact, except on a GPU where the checkpoint's card says that bf16 costs less than 0.5 % of "
            "the range."
        )
        for precision, text in PRECISIONS.items():
            self.precision_box.addItem(text, precision)
        self.precision_box.activated.connect(lambda _: self._on_chosen())
        self.unload_button = QPushButton("Unload")
        self.unload_button.setToolTip("Give back the memory that the engine holds.")
        self.unload_button.clicked.connect(lambda _: self.unload_requested.emit())
        beside = QHBoxLayout()
        beside.addWidget(self.precision_box)
        beside.addWidget(self.unload_button)
        rows.add("Precision", beside, buddy=self.precision_box)
        layout.addLayout(rows)
        layout.addWidget(self.line)

        self._devices: dict[str, str] = {}
        self._wanted = "auto"
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
    def precision(self) -> str:
        """The precision as `Translator` takes it."""
        return self.precision_box.currentData()

    @property
    def loaded(self) -> bool:
        """Whether torch is loaded."""
        return bool(self._devices)

    def choose(self, device: str, precision: str = "auto") -> None:
        """Choose a device, as soon as torch says that it is there (``cuda`` is the first GPU), and a precision."""
        self._wanted = "cuda:0" if device == "cuda" else device
        with QSignalBlocker(self.precision_box):
            self.precision_box.setCurrentIndex(max(0, self.precision_box.findData(precision)))
        self._show_wanted()

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
            self._show_wanted()
            self._describe()

    def _show_wanted(self) -> None:
        there = self.box.findData(self._wanted)
        self.box.setCurrentIndex(max(0, there))

    def _describe(self) -> None:
        if self._devices:
            self.line.setText(f"runs on {self._devices[self.device]}")

    def _on_chosen(self) -> None:
        self._wanted = self.device
        self.changed.emit()
