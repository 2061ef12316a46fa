"""Choosing device and precision, and telling which device runs in fact."""

from __future__ import annotations

from typing import TYPE_CHECKING

from qtpy.QtCore import QSignalBlocker, QTimer, Signal
from qtpy.QtWidgets import QWidget

from napari_phenotrans.widgets.common.form_parts import Form, in_column, in_row, narrow_box, push_button, wrapped_label
from napari_phenotrans.widgets.common.preferences import preferences
from napari_phenotrans.widgets.common.worker import background, load_torch, memory_left

if TYPE_CHECKING:
    from collections.abc import Callable
    from concurrent.futures import Future

POLL_EVERY_MS = 100
PRECISIONS = {"auto": "Automatic", "fp32": "Exact (fp32)", "bf16": "Faster (bf16)"}


class DeviceChooser(QWidget):
    """Automatic, CUDA, MPS or CPU: what torch offers, once it is loaded, which begins with the widget.

    It starts with the device and precision of the user's preferences.

    Parameters
    ----------
    load_devices
        Returns the devices, each with a description; called on the background thread.
    memory
        Returns how much of a device's memory is free, in words; called on the background thread.

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

    def __init__(
        self,
        parent: QWidget | None = None,
        *,
        load_devices: Callable[[], dict[str, str]] = load_torch,
        memory: Callable[[str], str] = memory_left,
    ) -> None:
        super().__init__(parent)
        self.box = narrow_box("Where the networks run. Automatic takes a GPU where there is one.")
        self.box.addItem("Automatic", "auto")
        self.box.currentIndexChanged.connect(lambda _: self._describe())
        self.box.activated.connect(lambda _: self._on_chosen())
        self.line = wrapped_label(
            "loading torch…", "The device that runs, as torch names it, and what of its memory a translation may take."
        )
        self.precision_box = narrow_box(
            "Automatic is exact, except on a GPU where the checkpoint's card says that bf16 costs less than 0.5 % of "
            "the range."
        )
        for precision, text in PRECISIONS.items():
            self.precision_box.addItem(text, precision)
        self.precision_box.activated.connect(lambda _: self._on_chosen())
        self.unload_button = push_button("Unload", "Give back the memory that the engine holds.")
        self.unload_button.clicked.connect(lambda _: self.unload_requested.emit())
        form = Form({"Device": self.box})
        form.add("Precision", in_row(self.precision_box, self.unload_button), buddy=self.precision_box)
        in_column(form, self.line, of=self)

        self._load_devices, self._memory = load_devices, memory
        self._asked: Future[str] | None = None
        self._free = ""
        self._devices: dict[str, str] = {}
        self._wanted = "auto"
        # Importing torch keeps Python busy for seconds: not before the dock has been drawn.
        self._timer = QTimer(self)
        self._timer.setInterval(POLL_EVERY_MS)
        self._timer.timeout.connect(self._poll)
        self._timer.start()
        self._loading: Future[dict[str, str]] | None = None
        set_by_user = preferences()
        self.choose(set_by_user.device, set_by_user.precision)

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

    def update_memory(self) -> None:
        """Ask how much memory the device has free; other programs use it, too."""
        if self._devices:
            self._asked = background().submit(self._memory, self.device)
            self._timer.start()

    def _poll(self) -> None:
        # A timer that asks, instead of a thread that calls: nothing is left to call when the dock closes meanwhile.
        if self._devices:
            if self._asked is None or self._asked.done():
                self._timer.stop()
                known = self._asked is not None and self._asked.exception() is None
                self._free = self._asked.result() if self._asked and known else ""
                self._asked = None
                self._describe()
        elif self._loading is None:
            self._loading = background().submit(self._load_devices)
        elif self._loading.done():
            self._timer.stop()
            try:
                self._devices = self._loading.result()
            except (ImportError, OSError, RuntimeError) as error:
                lines = str(error).splitlines() or [type(error).__name__]
                self.line.setText("torch is not there")
                self.failed.emit(f"torch cannot be loaded: {lines[0]} Install torch anew.")
                return
            for name in self._devices:
                if self.box.findData(name) < 0:
                    self.box.addItem(name.upper().replace(":", " "), name)
            self._show_wanted()
            self._describe()
            self.update_memory()

    def _show_wanted(self) -> None:
        self.box.setCurrentIndex(max(0, self.box.findData(self._wanted)))

    def _describe(self) -> None:
        if self._devices:
            free = f", {self._free}" if self._free else ""
            self.line.setText(f"runs on {self._devices[self.device]}{free}")

    def _on_chosen(self) -> None:
        self._wanted, self._free = self.device, ""
        self._describe()
        self.update_memory()
        self.changed.emit()
