"""Choosing a layer per channel, and source and target condition."""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING, Any

from qtpy.QtCore import QSignalBlocker, Signal
from qtpy.QtWidgets import (
    QComboBox,
    QFormLayout,
    QHBoxLayout,
    QLabel,
    QLayout,
    QPushButton,
    QSizePolicy,
    QVBoxLayout,
    QWidget,
)

from napari_phenotrans.widgets.guesses import image_id, image_name, match_layers, real_layers
from napari_phenotrans.widgets.notices import wrapped_label

if TYPE_CHECKING:
    from napari import Viewer
    from napari.layers import Image as ImageLayer

    from napari_phenotrans.checkpoint import Card


def narrow_box(tooltip: str) -> QComboBox:
    """Return a combobox that gives way in a narrow dock instead of widening it."""
    box = QComboBox()
    box.setSizeAdjustPolicy(QComboBox.SizeAdjustPolicy.AdjustToMinimumContentsLengthWithIcon)
    box.setMinimumContentsLength(6)
    box.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)
    box.setToolTip(tooltip)
    return box


def keep_tab_order(*widgets: QWidget) -> None:
    """Let the Tab key go through widgets in this order; those that are made later come last otherwise."""
    for before, after in pairwise(widgets):
        QWidget.setTabOrder(before, after)


class Form(QFormLayout):
    """Rows of a label and a field; labels of several forms are equally wide, so that fields stand in one column."""

    LABEL_WIDTH = 84

    def __init__(self) -> None:
        super().__init__()
        self.setContentsMargins(0, 0, 0, 0)
        self.setFieldGrowthPolicy(QFormLayout.FieldGrowthPolicy.AllNonFixedFieldsGrow)

    def add(self, text: str, field: QWidget | QLayout, buddy: QWidget | None = None) -> None:
        """Add a row; of a layout, ``buddy`` is the widget that the label speaks of."""
        label = QLabel(text)
        label.setMinimumWidth(self.LABEL_WIDTH)
        buddy = field if isinstance(field, QWidget) else buddy
        # an empty combobox is false
        if buddy is not None:
            label.setToolTip(buddy.toolTip())
            label.setBuddy(buddy)
        self.addRow(label, field)


class ChannelChooser(QWidget):
    """One row per channel of the checkpoint: which layer of the viewer it is, by object.

    Signals
    -------
    changed
        Other layers were chosen, by the user or because layers came or went.
    """

    changed = Signal()

    def __init__(self, viewer: Viewer, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._viewer = viewer
        self._card: Card | None = None
        self._boxes: list[QComboBox] = []
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        self.image_box = narrow_box("The image to translate: choosing one fills in the channels below.")
        self.image_box.activated.connect(lambda _: self.choose(self.image))
        self._form = Form()
        self._form.add("Image", self.image_box)
        layout.addLayout(self._form)
        self.notices: list[str] = []
        events = viewer.layers.events
        for event in (events.inserted, events.removed, events.renamed, events.reordered):
            event.connect(self._on_layers)
        self._fill()

    def close_viewer(self) -> None:
        """Stop listening to the viewer."""
        events = self._viewer.layers.events
        for event in (events.inserted, events.removed, events.renamed, events.reordered):
            event.disconnect(self._on_layers)

    @property
    def boxes(self) -> tuple[QComboBox, ...]:
        """The comboboxes, in the order of the checkpoint's channels."""
        return tuple(self._boxes)

    @property
    def image(self) -> str | None:
        """The `image_id` of the chosen image."""
        return self.image_box.currentData()

    @property
    def layers(self) -> list[ImageLayer | None]:
        """The chosen layer of each channel of the checkpoint."""
        return [box.currentData() for box in self._boxes]

    @property
    def image_layers(self) -> list[ImageLayer]:
        """All real layers of the chosen image, also those that are none of the channels."""
        return [layer for layer in real_layers(self._viewer) if image_id(layer) == self.image]

    def set_card(self, card: Card | None) -> None:
        """Ask for another checkpoint's channels; layers are matched anew."""
        self._card = card
        for box in self._boxes:
            self._form.removeRow(box)
        self._boxes = []
        for name in card.channels if card else ():
            box = narrow_box(f"The layer that shows what the checkpoint calls {name}.")
            box.activated.connect(lambda _: self._on_chosen())
            self._form.add(name, box)
            self._boxes.append(box)
        keep_tab_order(self.image_box, *self._boxes)
        self._fill()
        self.choose(self.image)

    def choose(self, image: str | None) -> None:
        """Choose an image by its layers' `image_id`, and match its layers to the channels."""
        with QSignalBlocker(self.image_box):
            self.image_box.setCurrentIndex(max(0, self.image_box.findData(image)))
        matched, self.notices = match_layers(self.image_layers, self._card) if self._card else ([], [])
        for box, layer in zip(self._boxes, matched, strict=True):
            _select(box, layer)
        self.changed.emit()

    def _on_layers(self, _: Any) -> None:
        image, layers = self.image, self.layers
        self._fill()
        if self.image != image:
            self.choose(self.image)
            return
        if None in self.layers and self._card:
            # a layer that comes may be the channel that was missing; what was chosen stays
            matched, self.notices = match_layers(self.image_layers, self._card)
            for box, layer in zip(self._boxes, matched, strict=True):
                if box.currentData() is None:
                    _select(box, layer)
        if self.layers != layers:
            self.changed.emit()

    def _on_chosen(self) -> None:
        self.notices = []
        self.changed.emit()

    def _fill(self) -> None:
        layers = real_layers(self._viewer)
        chosen = self.image
        with QSignalBlocker(self.image_box):
            self.image_box.clear()
            for image, name in {image_id(layer): image_name(layer) for layer in layers}.items():
                self.image_box.addItem(name, image)
            self.image_box.setCurrentIndex(max(0, self.image_box.findData(chosen)))
        for box in self._boxes:
            layer = box.currentData()
            with QSignalBlocker(box):
                box.clear()
                box.addItem("choose a layer", None)
                for candidate in layers:
                    box.addItem(candidate.name, candidate)
            _select(box, layer)


def _select(box: QComboBox, layer: ImageLayer | None) -> None:
    with QSignalBlocker(box):
        for index in range(box.count()):
            if box.itemData(index) is layer:
                box.setCurrentIndex(index)
                return
        box.setCurrentIndex(0)


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
        self._before: str | None = None
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        self.source_box = narrow_box("The condition that the image shows.")
        self.target_box = narrow_box("The condition to translate to. The source again is the identity control.")
        self.swap_button = QPushButton("Swap")
        self.swap_button.clicked.connect(lambda _: self.swap())
        self.source_box.activated.connect(lambda _: self._on_source())
        self.target_box.activated.connect(lambda _: self._on_changed())
        rows = Form()
        beside = QHBoxLayout()
        beside.addWidget(self.source_box)
        beside.addWidget(self.swap_button)
        rows.add("Source", beside, buddy=self.source_box)
        rows.add("Target", self.target_box)
        layout.addLayout(rows)
        self.about: QLabel = wrapped_label()
        self.about.setToolTip("What this choice of source and target is for.")
        self.about.hide()
        layout.addWidget(self.about)
        self._fill_targets(None)

    @property
    def source(self) -> str | None:
        """The source condition, None where it is not known yet."""
        return self.source_box.currentData()

    @property
    def target(self) -> str | None:
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
        self.choose(self.source, self._before if self.source == self.target else self.target)

    def _on_changed(self) -> None:
        self._before = self.source
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
