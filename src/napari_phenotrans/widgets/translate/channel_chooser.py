"""Choosing an image among the viewer's layers, and a layer per channel of the checkpoint."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from qtpy.QtCore import QSignalBlocker, Signal
from qtpy.QtWidgets import QComboBox, QWidget

from napari_phenotrans.widgets.common.form_parts import Form, as_panel, in_column, keep_tab_order, narrow_box
from napari_phenotrans.widgets.viewer.layer_info import image_id, image_name, match_layers, real_layers

if TYPE_CHECKING:
    from napari import Viewer
    from napari.layers import Image as ImageLayer

    from napari_phenotrans.checkpoints.checkpoint import Card


class ChannelChooser(QWidget):
    """A box for the image, and one per channel of the checkpoint for the layer that shows it.

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
        self.image_box = narrow_box("The image to translate: choosing one fills in the channels below.")
        self.image_box.activated.connect(lambda _: self.choose(self.image))
        #: The box of the image, which stands before the checkpoint; the channels stand behind it.
        self.image_part = as_panel(Form({"Image": self.image_box}))
        self._form = Form()
        in_column(self._form, of=self)
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
        keep_tab_order(*self._boxes)
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

    def look_again(self) -> None:
        """Look at the viewer's layers anew: which of them are offered has changed."""
        self._on_layers(None)

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
        layers, image_before = real_layers(self._viewer), self.image
        with QSignalBlocker(self.image_box):
            self.image_box.clear()
            for image, name in {image_id(layer): image_name(layer) for layer in layers}.items():
                self.image_box.addItem(name, image)
            self.image_box.setCurrentIndex(max(0, self.image_box.findData(image_before)))
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
