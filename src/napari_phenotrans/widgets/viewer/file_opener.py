"""Opening files as layers of a viewer, and reading layers again with other axes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from napari.layers import Layer
from qtpy.QtCore import QObject, Signal
from superqt.utils import thread_worker

from napari_phenotrans.core.errors import InputError
from napari_phenotrans.widgets.viewer.batched_update import one_update
from napari_phenotrans.widgets.viewer.layer_info import image_id, path_of
from napari_phenotrans.widgets.viewer.layers import info, layer_data, letters_of, with_axes

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from napari import Viewer
    from napari.layers import Image as ImageLayer

    from napari_phenotrans.widgets.viewer.layers import LayerData


class FileOpener(QObject):
    """Opens files off the GUI's thread and adds their layers.

    Signals
    -------
    opened
        The layers of one image, a list, and whether it is to be translated at once.
    noticed
        Something the user should know of a file.
    failed
        Why a file could not be opened.
    finished
        All files were opened or failed.
    """

    opened = Signal(list, bool)
    noticed = Signal(str)
    failed = Signal(str)
    finished = Signal()

    def __init__(self, viewer: Viewer, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._viewer = viewer

    def open(
        self, paths: Sequence[Path], *, translate: bool = False, axes: str | None = None, instead_of: str = ""
    ) -> None:
        """Open files as layers; ``translate`` is passed on with the last of them.

        ``axes`` are those that the user typed; the image with the id ``instead_of`` is removed once the new one is
        there.
        """
        worker = opening(list(paths), translate=translate, axes=axes, instead_of=instead_of)
        worker.yielded.connect(self._on_opened)
        worker.finished.connect(self.finished)
        worker.start()

    def read_with_axes(self, layer: ImageLayer, axes: str) -> None:
        """Read a layer's image again with the axes that the user typed.

        Raises
        ------
        InputError
            If the axes do not fit the layer.
        """
        path = path_of(layer)
        if info(layer) and path:
            self.open([path], axes=axes, instead_of=image_id(layer))
        elif "C" in axes:
            layers = self._add(layer_data(with_axes(layer, axes)))
            layer.visible = False
            self.opened.emit(layers, False)
        else:
            # refused here, where letters and shape do not fit together
            with_axes(layer, axes)
            layer.axis_labels = tuple(axes.lower())
            self.finished.emit()

    def _on_opened(self, opened: Opened) -> None:
        if opened.problem:
            self.failed.emit(opened.problem)
            return
        if opened.instead_of:
            reals = {layer for layer in self._viewer.layers if info(layer).get("image") == opened.instead_of}
            ids = {str(layer.unique_id) for layer in reals}
            for old in [layer for layer in self._viewer.layers if layer in reals or info(layer).get("of") in ids]:
                self._viewer.layers.remove(old)
        layers = self._add(opened.layers)
        for note in info(layers[0])["notes"]:
            self.noticed.emit(f"{opened.path.name}: {note}")
        self.opened.emit(layers, opened.translate)

    def _add(self, data: Sequence[LayerData]) -> list[ImageLayer]:
        made = [Layer.create(*item) for item in data]
        with one_update(self._viewer):
            return [self._viewer.add_layer(layer) for layer in made]


def holds_channels(layer: ImageLayer) -> bool:
    """Return whether a layer has several channels inside, which are to be split before they can be used."""
    return "C" in letters_of(layer)[0]


def axes_of(layer: ImageLayer) -> str:
    """Return the axes that a layer's file has, or the layer itself."""
    return info(layer).get("axes") or letters_of(layer)[0]


@dataclass(frozen=True, eq=False)
class Opened:
    """A file's layers, one per channel; or none, and ``problem`` is the reason.

    ``translate`` asks to translate it at once, ``instead_of`` to remove the image of that id.
    """

    path: Path
    layers: tuple[LayerData, ...]
    problem: str = ""
    translate: bool = False
    instead_of: str = ""


@thread_worker
def opening(
    paths: Sequence[Path], *, translate: bool = False, axes: str | None = None, instead_of: str = ""
) -> Iterator[Opened]:
    """Read files one after the other; ``translate`` marks the last alone."""
    # libraries for a dozen formats, which a dock that opens no file does not need; and what napari would import for its
    # first layer while the window waits
    import pint
    import scipy.ndimage  # noqa: F401

    from napari_phenotrans.io import read
    from napari_phenotrans.widgets.viewer.layers import layer_data

    pint.get_application_registry().parse_units("um")
    for path in paths:
        try:
            layers = tuple(layer_data(read(path, axes=axes)))
        except InputError as error:
            yield Opened(path, (), problem=str(error))
        else:
            yield Opened(path, layers, translate=translate and path == paths[-1], instead_of=instead_of)
