"""Choosing source and target condition."""

from __future__ import annotations

from typing import TYPE_CHECKING

from qtpy.QtCore import QSignalBlocker, Signal
from qtpy.QtWidgets import QPushButton, QWidget

from napari_phenotrans.widgets.common.form_parts import Form, in_column, in_row, narrow_box, wrapped_label

if TYPE_CHECKING:
    from napari_phenotrans.checkpoints.checkpoint import Card


class ConditionChooser(QWidget):
    """Source and target condition.

    The target box offers the other conditions that the checkpoint translates to, and last, where it knows it, the
    source again: the identity control.

    Signals
    -------
    changed
        Source or target changed.
    """

    changed = Signal()

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._targets: tuple[str, ...] = ()
        # what was chosen before the user chose another source
        self._source_before: str | None = None
        self.source_box = narrow_box("The condition that the image shows.")
        self.target_box = narrow_box("The condition to translate to. The source again is the identity control.")
        self.swap_button = QPushButton("Swap")
        self.swap_button.clicked.connect(lambda _: self.swap())
        self.source_box.activated.connect(lambda _: self._on_source())
        self.target_box.activated.connect(lambda _: self._on_changed())
        form = Form()
        form.add("Source", in_row(self.source_box, self.swap_button), buddy=self.source_box)
        form.add("Target", self.target_box)
        self.about = wrapped_label(tooltip="What this choice of source and target is for.")
        self.about.hide()
        in_column(form, self.about, of=self)
        self._fill_targets(None)

    @property
    def source(self) -> str | None:
        """The source condition, None where it is not known yet."""
        return self.source_box.currentData()

    @property
    def target(self) -> str | None:
        """The target condition, None where there is none."""
        return self.target_box.currentData()

    def set_card(self, card: Card | None) -> None:
        """Offer another checkpoint's conditions; source and target are kept where it knows them."""
        source, target = self.source, self.target
        self._targets = card.targets if card else ()
        with QSignalBlocker(self.source_box):
            self.source_box.clear()
            self.source_box.addItem("choose", None)
            for condition in card.conditions if card else ():
                self.source_box.addItem(condition, condition)
        self.choose(source, target)

    def choose(self, source: str | None, target: str | None = None) -> None:
        """Choose conditions; without a target, another one than the source."""
        with QSignalBlocker(self.source_box):
            self.source_box.setCurrentIndex(max(0, self.source_box.findData(source)))
        self._fill_targets(target if target is not None or self.target == self.source else self.target)
        self._on_changed()

    def swap(self) -> None:
        """Exchange source and target; without a source, the target becomes it."""
        self.choose(self.target, self.source)

    def _fill_targets(self, target: str | None) -> None:
        source = self.source
        with QSignalBlocker(self.target_box):
            self.target_box.clear()
            for condition in self._targets:
                if condition != source:
                    self.target_box.addItem(condition, condition)
            if source in self._targets:
                self.target_box.addItem(f"{source} (identity control)", source)
            self.target_box.setCurrentIndex(max(0, self.target_box.findData(target)))

    def _on_source(self) -> None:
        # choosing the target's condition as the source most often means the other way round
        self.choose(self.source, self._source_before if self.source == self.target else self.target)

    def _on_changed(self) -> None:
        self._source_before = self.source
        control = self.source is not None and self.source == self.target
        back = self.source is None or self.source in self._targets
        self.swap_button.setEnabled(self.target is not None and back)
        self.swap_button.setToolTip(
            "Exchange source and target." if back else f"This checkpoint does not translate to {self.source}."
        )
        self.about.setVisible(control)
        self.about.setText(
            "Identity control: source and target are equal, so nothing should change. What changes is the "
            "engine's error."
            if control
            else ""
        )
        self.changed.emit()
