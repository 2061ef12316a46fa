"""The command *Open* of napari's menu File > IO Utilities, for files that napari would read without their metadata."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from napari.utils.notifications import show_error, show_info
from qtpy.QtWidgets import QFileDialog

from napari_phenotrans.core.errors import InputError
from napari_phenotrans.io import READERS

if TYPE_CHECKING:
    from napari import Viewer


def open_images(viewer: Viewer) -> None:
    """Ask for image files of any kind that can be read, and add them to the viewer with all that they say."""
    endings = " ".join(f"*{suffix}" for suffix in READERS if not suffix.endswith("zarr"))
    paths, _ = QFileDialog.getOpenFileNames(None, "Open images", "", f"Images ({endings});;All files (*)")
    for path in map(Path, paths):
        try:
            open_image(viewer, path)
        except InputError as error:
            show_error(str(error))


def open_image(viewer: Viewer, path: Path) -> None:
    """Add an image to the viewer, a layer for each channel, and say what reading it had to guess.

    Raises
    ------
    InputError
        If it cannot be read.
    """
    from napari.layers import Layer

    from napari_phenotrans.io import read
    from napari_phenotrans.widgets.viewer.layers import layer_data

    image = read(path)
    for item in layer_data(image):
        viewer.add_layer(Layer.create(*item))
    for note in image.notes:
        show_info(f"{path.name}: {note}")
