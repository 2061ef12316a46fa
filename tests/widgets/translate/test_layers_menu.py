from __future__ import annotations

from typing import TYPE_CHECKING, Any

import npe2
import numpy as np
import pytest

from napari_phenotrans.widgets.translate.dock import TranslateDock
from napari_phenotrans.widgets.translate.layers_menu import DOCK_NAME, compare, selected_reals, translate
from napari_phenotrans.widgets.viewer.layer_info import image_id

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from napari import Viewer
    from pytestqt.qtbot import QtBot
    from qtpy.QtWidgets import QMenu

CHANNELS = ("DNA", "GFP")
PLUGINS = "Plugins > Phenotype translation"
NAMES = ("Translate", "Translate layer", "Train", "Evaluate")


@pytest.fixture
def viewer(make_napari_viewer: Callable[..., Viewer]) -> Viewer:
    return make_napari_viewer()


@pytest.fixture
def said(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What is said to the user in a notification."""
    said: list[str] = []
    monkeypatch.setattr("napari_phenotrans.widgets.translate.layers_menu.show_info", said.append)
    return said


@pytest.fixture
def add_translated(checkpoint: Path, tmp_path: Path) -> Callable[..., list[Any]]:
    """Return a function that adds an image, translated, and returns its real layers."""
    from napari_phenotrans.core.image import Image
    from napari_phenotrans.translation.translate import translate_image
    from napari_phenotrans.widgets.translate.result_layers import add_translation

    def add(viewer: Viewer, name: str) -> list[Any]:
        image = Image(np.full((2, 64, 64), 50, np.uint8), "CYX", CHANNELS, path=tmp_path / f"{name}.tif")
        made = translate_image(image, checkpoint, source="untreated", target="drug", device="cpu")
        return [row.real for row in add_translation(viewer, made)]

    return add


def docks(viewer: Viewer) -> list[TranslateDock]:
    return [widget for widget in viewer.window.dock_widgets.values() if isinstance(widget, TranslateDock)]


def entries(menu: QMenu, path: str = "") -> dict[str, Any]:
    """Return the actions of a menu and its submenus by their path, as the user finds them."""
    menu.aboutToShow.emit()
    found = {}
    for action in menu.actions():
        place = f"{path} > {action.text()}".replace("&", "")
        inner = action.menu()
        found |= entries(inner, place) if inner else {place: action}
    return found


def test_the_menus_hold_what_the_docs_say(make_napari_viewer: Callable[..., Viewer], qtbot: QtBot) -> None:
    npe2.PluginManager.instance().discover()
    viewer = make_napari_viewer(show=True)
    viewer.add_image(np.zeros((9, 9)))
    bar = viewer.window._qt_window.menuBar()
    found: dict[str, Any] = {}
    for action in bar.actions():
        if action.menu():
            found |= entries(action.menu(), action.text().replace("&", ""))
    ours = {place for place in found if "Phenotype translation" in place and "Open Sample" not in place}
    assert ours == {
        "File > IO Utilities > Open with scale, units, channel names and colors… (Phenotype translation)",
        "Layers > Transform > Translate… (Phenotype translation)",
        "Layers > Visualize > Compare… (Phenotype translation)",
        *(f"{PLUGINS} > {name} (Phenotype translation)" for name in NAMES),
    }
    found["Layers > Transform > Translate… (Phenotype translation)"].trigger()
    (dock,) = docks(viewer)
    qtbot.waitUntil(dock.isVisible)
    # the entry under Plugins knows that this is its dock
    found[f"{PLUGINS} > {DOCK_NAME}"].trigger()
    assert docks(viewer) == [dock]
    qtbot.waitUntil(lambda: not dock.isVisible())
    found["Layers > Transform > Translate… (Phenotype translation)"].trigger()
    assert docks(viewer) == [dock]
    qtbot.waitUntil(dock.isVisible)


def test_translate_chooses_the_selected_layers_image(viewer: Viewer, add_translated: Callable[..., list[Any]]) -> None:
    first, second = add_translated(viewer, "first"), add_translated(viewer, "second")
    viewer.layers.selection = {second[1]}
    translate(viewer)
    (dock,) = docks(viewer)
    assert dock.channels.image == image_id(second[0])
    # a translated layer stands for the image that it was made of
    viewer.layers.selection = {viewer.layers["DNA – translated to drug"]}
    translate(viewer)
    assert docks(viewer) == [dock]
    assert dock.channels.image == image_id(first[0])
    viewer.layers.selection = set()
    translate(viewer)
    assert dock.channels.image == image_id(first[0])


def test_compare_shows_what_was_made_of_the_selected_image(
    viewer: Viewer, add_translated: Callable[..., list[Any]], said: list[str]
) -> None:
    first, second = add_translated(viewer, "first"), add_translated(viewer, "second")
    for reals in (second, first):
        viewer.layers.selection = {reals[0]}
        compare(viewer)
        (dock,) = docks(viewer)
        assert [row.real for row in dock.views.comparison.rows] == reals
        assert dock.channels.image == image_id(reals[0])
    assert not said
    dock.view_bar.view_chosen.emit("")
    assert not dock.views.comparison.active
    compare(viewer)
    assert [row.real for row in dock.views.comparison.rows] == first


def test_compare_says_where_there_is_nothing_to_compare(viewer: Viewer, said: list[str]) -> None:
    compare(viewer)
    assert "select a layer" in said[-1]
    viewer.add_image(np.zeros((9, 9)), name="DNA")
    compare(viewer)
    assert "DNA was not translated" in said[-1]
    assert not docks(viewer)


def test_the_active_layer_goes_first(viewer: Viewer) -> None:
    layers = [viewer.add_image(np.zeros((9, 9)), name=name) for name in "abc"]
    points = viewer.add_points()
    viewer.layers.selection = {layers[0], layers[2], points}
    viewer.layers.selection.active = None
    assert selected_reals(viewer) == [layers[0], layers[2]]
    viewer.layers.selection.active = layers[2]
    assert selected_reals(viewer) == [layers[2]]
