"""Opening napari to show finished translations, as a script or the command line asks for it."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from napari import Viewer

    from napari_phenotrans.translation.translate import Translation
    from napari_phenotrans.widgets.translate.dock import TranslateDock


def show_translations(translations: Sequence[Translation]) -> None:
    """Open napari with translations side by side and the dock to choose between them; returns when it is closed.

    Parameters
    ----------
    translations
        What `translate_image` returned; the first is shown.
    """
    import napari

    viewer = napari.Viewer(title="Phenotype translation")
    open_dock(viewer, translations)
    napari.run()


def open_dock(viewer: Viewer, translations: Sequence[Translation]) -> TranslateDock:
    """Open the translate dock in a viewer with finished translations, the first of which is shown."""
    from napari_phenotrans.widgets.translate.dock import TranslateDock
    from napari_phenotrans.widgets.translate.result_layers import add_translation

    made = [add_translation(viewer, translation) for translation in translations]
    for rows in made[1:]:
        for row in rows:
            for layer in row.layers:
                layer.visible = False
    dock = TranslateDock(viewer)
    viewer.window.add_dock_widget(dock, name="Translate (Phenotype translation)")
    if made:
        dock.show_image([row.real for row in made[0]], translations[0].provenance)
        dock.views.compare()
    return dock
