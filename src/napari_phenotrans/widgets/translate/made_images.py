"""Images in the viewer that were not measured: said, not offered for translating, and allowed by a button."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

from qtpy.QtCore import QObject

from napari_phenotrans.widgets.viewer.layer_info import allow, image_id, image_name, made_alone, real_layers
from napari_phenotrans.widgets.viewer.layers import MADE, role

if TYPE_CHECKING:
    from napari import Viewer
    from napari.layers import Image as ImageLayer

    from napari_phenotrans.widgets.common.notices import Notices, Question
    from napari_phenotrans.widgets.translate.channel_chooser import ChannelChooser


class MadeImages(QObject):
    """Watches a viewer for results that were opened again.

    Parameters
    ----------
    viewer
        Whose layers are watched.
    notices, question
        Where it is said, and asked whether they are to be translated all the same.
    channels
        Offers layers for translating.
    """

    #: What may be answered to the question.
    ANSWERS: ClassVar[tuple[str, str]] = ("Translate it all the same", "Leave it out")

    def __init__(
        self,
        viewer: Viewer,
        notices: Notices,
        question: Question,
        channels: ChannelChooser,
        parent: QObject | None = None,
    ) -> None:
        super().__init__(parent)
        self._viewer, self._notices, self._question, self._channels = viewer, notices, question, channels
        # images about which the user was asked
        self._asked: set[str] = set()
        for event in (viewer.layers.events.inserted, viewer.layers.events.removed):
            event.connect(self._look)
        question.answered.connect(self._on_answered)
        self._look()

    def close(self) -> None:
        """Stop listening to the viewer."""
        for event in (self._viewer.layers.events.inserted, self._viewer.layers.events.removed):
            event.disconnect(self._look)

    def _look(self, _: Any = None) -> None:
        made = {image_id(layer): layer for layer in made_alone(self._viewer)}
        allowed = {image_id(layer): layer for layer in real_layers(self._viewer) if role(layer) in MADE}
        texts = [f"{_said(layer)}: it is not offered for translating." for layer in made.values()]
        texts += [f"{_said(layer)}: what comes of it says nothing of the cells." for layer in allowed.values()]
        self._notices.say("made", texts)
        self._asked &= set(made)
        new = [image for image in made if image not in self._asked]
        if new and self._question.isHidden():
            self._asked.add(new[0])
            self._question.ask(
                f"Translate {image_name(made[new[0]])} although an engine made it? What comes of it says nothing of "
                f"the cells.",
                self.ANSWERS,
                "Its results will say that they were made of a translation.",
            )

    def _on_answered(self, answer: str) -> None:
        if answer != self.ANSWERS[0]:
            return
        layers = [layer for layer in made_alone(self._viewer) if image_id(layer) in self._asked]
        images = list(dict.fromkeys(map(image_id, layers)))
        allow(layers)
        self._look()
        self._channels.look_again()
        if images:
            self._channels.choose(images[-1])


def _said(layer: ImageLayer) -> str:
    return f"{image_name(layer)} was not measured ({role(layer)})"
