"""Looking at a run's previews: fixed crops as they were translated at each saved step."""

from __future__ import annotations

from typing import TYPE_CHECKING

from qtpy.QtCore import QSignalBlocker, Qt
from qtpy.QtWidgets import QLabel, QSlider, QWidget
from superqt.utils import create_worker

from napari_phenotrans.core.errors import InputError
from napari_phenotrans.training.previews import read_preview
from napari_phenotrans.widgets.common.form_parts import in_column, in_row, push_button, wrapped_label
from napari_phenotrans.widgets.runs.preview_layers import PreviewLayers

if TYPE_CHECKING:
    from pathlib import Path

    from napari import Viewer

    from napari_phenotrans.runs.monitor import PreviewFile
    from napari_phenotrans.training.previews import PreviewArrays
    from napari_phenotrans.widgets.runs.run_state import RunSnapshot


class RunPreviews(QWidget):
    """A button that shows previews as layers, and a slider over the steps at which they were made.

    While the slider stands at its end it stays there: new previews are shown as they come.
    """

    def __init__(self, viewer: Viewer, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.layers = PreviewLayers(viewer)
        self._folder: Path | None = None
        self._files: tuple[PreviewFile, ...] = ()
        self._shown: PreviewFile | None = None
        self._reading: PreviewFile | None = None
        self.show_button = push_button(
            "Show previews as layers",
            "Real, translated and round trip of the same few crops, both directions. Other layers are hidden; press "
            "again to have everything back as it was.",
        )
        self.show_button.setCheckable(True)
        self.show_button.toggled.connect(self._on_toggled)
        self.slider = QSlider(Qt.Orientation.Horizontal)
        self.slider.setAccessibleName("Step of the preview")
        self.slider.setToolTip("Go back to what the crops looked like at an earlier step.")
        self.slider.setPageStep(1)
        self.slider.valueChanged.connect(lambda _: self._update())
        self.step_label = QLabel()
        self.step_label.setToolTip(self.slider.toolTip())
        self.status = wrapped_label(tooltip="What is to be seen, or why there is nothing.")
        in_column(self.show_button, in_row(self.slider, self.step_label, stretch=(1, 0)), self.status, of=self)
        self._update()

    def show_run(self, run: RunSnapshot) -> None:
        """Offer the previews that a run has by now."""
        other = run.folder != self._folder
        if other:
            self._folder, self._shown = run.folder, None
        elif self._files == run.previews:
            return
        newest = other or self.slider.value() == self.slider.maximum()
        step = self._files[self.slider.value()].step if self._files and not newest else None
        self._files = run.previews
        steps = [file.step for file in self._files]
        with QSignalBlocker(self.slider):
            self.slider.setRange(0, max(0, len(steps) - 1))
            # a run that was resumed may have taken this step back
            self.slider.setValue(steps.index(step) if step in steps else len(steps) - 1)
        self._update()

    def hide_layers(self) -> None:
        """Show the viewer as it was before."""
        self.show_button.setChecked(False)

    # ---- what is shown

    def _on_toggled(self, shown: bool) -> None:
        if not shown:
            self.layers.close()
            self._shown = None
        self._update()

    def _file_at_slider(self) -> PreviewFile | None:
        return self._files[self.slider.value()] if self._files else None

    def _update(self) -> None:
        file = self._file_at_slider()
        self.show_button.setEnabled(file is not None)
        self.slider.setEnabled(len(self._files) > 1)
        self.step_label.setText(f"step {file.step}" if file else "")
        if file is None:
            self.status.setText("There are no previews yet: they come each time the run saves.")
        elif not self.show_button.isChecked():
            self.status.setText(f"{len(self._files)} previews" if len(self._files) > 1 else "one preview")
        elif file != self._shown and self._reading is None:
            # one is read at a time; where the slider moves on meanwhile, what it then stands on comes next
            self._reading = file
            create_worker(
                read_preview,
                file.path,
                _connect={"returned": self._on_read, "errored": self._on_failed, "finished": self._on_finished},
            )

    def _on_read(self, arrays: PreviewArrays) -> None:
        if not self.show_button.isChecked() or self._reading not in self._files:
            return
        self.layers.show(arrays)
        ways = " and ".join(f"{source} → {target}" for source, target in arrays.directions)
        self.status.setText(f"{ways}: real | translated (not measured) | round trip, {', '.join(arrays.channels)}")

    def _on_failed(self, error: Exception) -> None:
        if not isinstance(error, InputError):
            raise error
        self.status.setText(str(error))

    def _on_finished(self) -> None:
        self._shown, self._reading = self._reading if self.show_button.isChecked() else None, None
        if self._shown != self._file_at_slider():
            self._update()
