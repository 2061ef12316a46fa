"""The commands *Translate* and *Compare* of napari's Layers menu, and the way from one dock to another."""

from __future__ import annotations

from typing import TYPE_CHECKING

from napari.utils.notifications import show_info
from qtpy.QtWidgets import QDockWidget

from napari_phenotrans.widgets.viewer.channel_row import find_row
from napari_phenotrans.widgets.viewer.layer_info import image_id, path_of, real_layers
from napari_phenotrans.widgets.viewer.layers import info

if TYPE_CHECKING:
    from collections.abc import Sequence

    from napari import Viewer
    from napari.layers import Image as ImageLayer

    from napari_phenotrans.widgets.translate.dock import TranslateDock

# as napari itself names the dock when it is opened from the Plugins menu
DOCK_NAME = "Translate (Phenotype translation)"


def translate(viewer: Viewer) -> None:
    """Open or raise the translate dock, with the image of the selected layers chosen."""
    dock = raise_dock(viewer)
    if reals := selected_reals(viewer):
        dock.channels.choose(image_id(reals[0]))


def compare(viewer: Viewer) -> None:
    """Show real, translated and difference of the selected layers' image, or say why there is nothing to show."""
    reals = selected_reals(viewer)
    if not reals:
        show_info("Nothing to compare: select a layer of an image that was translated.")
        return
    whole = [layer for layer in real_layers(viewer) if image_id(layer) == image_id(reals[0])]
    rows = [row for row in (find_row(viewer, layer) for layer in whole) if row is not None]
    if not rows:
        show_info(
            f"Nothing to compare yet: {reals[0].name} was not translated. Translate it first (Layers, Transform)."
        )
        return
    dock = raise_dock(viewer)
    if dock.channels.image != image_id(reals[0]) or not dock.views.comparison.active:
        dock.show_image([row.real for row in rows], info(rows[0].translated)["provenance"])
    if not dock.views.comparison.active:
        # the user had left it
        dock.views.compare()


def raise_dock(viewer: Viewer) -> TranslateDock:
    """Return the viewer's translate dock, in sight; it is opened where there is none."""
    from napari_phenotrans.widgets.translate.dock import TranslateDock

    docks = [widget for widget in viewer.window.dock_widgets.values() if isinstance(widget, TranslateDock)]
    if docks:
        dock = docks[0]
        around = dock.parent()
        if isinstance(around, QDockWidget):
            around.show()
            around.raise_()
        return dock
    dock = TranslateDock(viewer)
    # before a dock that is there already, such as the one that trains: half of the height is too little for either
    viewer.window.add_dock_widget(dock, name=DOCK_NAME, tabify=True)
    return dock


def train_on(viewer: Viewer, reals: Sequence[ImageLayer]) -> None:
    """Open or raise the dock that trains, with the data that an image is of.

    Asked for by its name: docks that train stand on this one.
    """
    around, dock = viewer.window.add_plugin_dock_widget("napari-phenotrans", "Train", tabify=True)
    around.show()
    around.raise_()
    dock.take_image(path_of(reals[0]), reals)


def selected_reals(viewer: Viewer) -> list[ImageLayer]:
    """Return the real layers that are selected, or from which what is selected was made; the active one first."""
    selection = viewer.layers.selection
    selected = sorted(selection, key=lambda layer: (layer is not selection.active, viewer.layers.index(layer)))
    ids = [info(layer).get("of", str(layer.unique_id)) for layer in selected]
    by_id = {str(layer.unique_id): layer for layer in real_layers(viewer)}
    return [by_id[layer_id] for layer_id in dict.fromkeys(ids) if layer_id in by_id]
