from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest
from napari.layers import Image as ImageLayer
from napari.layers import Layer

from napari_phenotrans.core.errors import InputError
from napari_phenotrans.io import read
from napari_phenotrans.io.samples import SAMPLES
from napari_phenotrans.widgets.translate import translate_layer as module
from napari_phenotrans.widgets.translate.translate_layer import translate_layer
from napari_phenotrans.widgets.viewer.channel_row import find_row
from napari_phenotrans.widgets.viewer.layers import info, layer_data
from tests.widgets.conftest import WAIT_MS

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from magicgui.widgets import FunctionGui
    from napari import Viewer
    from pytestqt.qtbot import QtBot

SAMPLE = SAMPLES["bbbc013-untreated"]


def layers_of(path: Path) -> list[ImageLayer]:
    return [Layer.create(*data) for data in layer_data(read(path))]


def test_a_layer_becomes_translated_and_difference_layers(well: Path, checkpoint: Path) -> None:
    dna, gfp = layers_of(well)
    dna.contrast_limits, dna.colormap = (3, 90), "red"
    results = translate_layer(dna, str(checkpoint), "untreated", "drug", other_channels=[gfp], device="cpu")
    names = [options["name"] for _, options, kind in results if kind == "image"]
    assert names == [
        "DNA – translated to drug",
        "DNA – difference",
        "GFP – translated to drug",
        "GFP – difference",
    ]
    for real, at in ((dna, 0), (gfp, 2)):
        translated, difference = (Layer.create(*data) for data in results[at : at + 2])
        assert (translated.data.shape, translated.data.dtype) == (real.data.shape, real.data.dtype)
        # the difference is not rounded
        np.testing.assert_allclose(difference.data, translated.data.astype("float32") - real.data, atol=0.5)
        assert difference.contrast_limits[0] == -difference.contrast_limits[1] < 0
        for layer in (translated, difference):
            np.testing.assert_array_equal(layer.scale, real.scale)
            assert (layer.units, layer.axis_labels) == (real.units, real.axis_labels)
            about = info(layer)
            assert (about["of"], about["channel"]) == (str(real.unique_id), real.name)
            assert about["provenance"]["planes"] == [(0, 0), (0, 1)]
            assert (about["provenance"]["source"], about["provenance"]["target"]) == ("untreated", "drug")
    translated = Layer.create(*results[0])
    assert tuple(translated.contrast_limits) == (3, 90) and translated.colormap.name == "red"
    # the mean shift of the fixture: 20 % of the range of 200
    assert np.median(results[1][0]) == pytest.approx(40, abs=2)


def test_a_plain_array_of_one_channel_will_do(save_checkpoint: Callable[..., Path]) -> None:
    path = save_checkpoint("one", channels=("DNA",), conditions=("untreated", "drug"))
    pixels = np.random.default_rng(1).integers(0, 150, (48, 64), np.uint8)
    translated, difference = translate_layer(ImageLayer(pixels, name="any"), str(path), "untreated", "drug")
    assert translated[0].shape == difference[0].shape == (48, 64)
    assert difference[0].any()


def test_what_is_missing_is_named(well: Path, checkpoint: Path) -> None:
    dna, gfp = layers_of(well)
    with pytest.raises(InputError, match="translates DNA, GFP; there is no layer for GFP beside 'DNA'"):
        translate_layer(dna, str(checkpoint), "untreated", "drug")
    with pytest.raises(InputError, match="healthy"):
        translate_layer(dna, str(checkpoint), "healthy", "drug", other_channels=[gfp])


@pytest.fixture
def open_form(make_napari_viewer: Callable[..., Viewer]) -> Callable[[], tuple[Viewer, FunctionGui]]:
    """Return a function that opens the form as napari's menu does, beside the layers of a bundled sample."""

    def open_it() -> tuple[Viewer, FunctionGui]:
        viewer = make_napari_viewer()
        for data in layer_data(read(SAMPLE.path), condition=SAMPLE.condition):
            viewer.add_layer(Layer.create(*data))
        _, form = viewer.window.add_plugin_dock_widget("napari-phenotrans", "Translate layer")
        return viewer, form

    return open_it


def test_conditions_follow_the_checkpoint_and_the_layer(open_form: Callable[[], tuple[Viewer, FunctionGui]]) -> None:
    viewer, form = open_form()
    form.checkpoint.value = "bbbc013-cyclegan"
    assert form.source.choices == form.target.choices == ("untreated", "wortmannin")
    assert (form.source.value, form.target.value) == ("untreated", "wortmannin")
    form.source.value = "wortmannin"
    assert form.target.value == "untreated"
    form.checkpoint.value = "synthetic-organoids-cyclegan"
    assert form.source.choices == ("healthy", "diseased")
    assert form.target.value != form.source.value
    # napari has the form look for layers again when some come or go
    viewer.add_image(np.zeros((8, 8)), name="another")
    assert form.source.choices == ("healthy", "diseased")


def test_the_form_shows_the_translated_sample(
    open_form: Callable[[], tuple[Viewer, FunctionGui]], qtbot: QtBot, monkeypatch: pytest.MonkeyPatch
) -> None:
    messages: list[str] = []
    monkeypatch.setattr(module, "show_info", messages.append)
    viewer, form = open_form()
    reals = list(viewer.layers)
    form.checkpoint.value = "bbbc013-cyclegan"
    form.layer.value = reals[1]
    form.call_button.native.click()
    qtbot.waitUntil(lambda: bool(messages), timeout=WAIT_MS)
    assert messages[0].startswith("Translated from untreated to wortmannin.")
    rows = [find_row(viewer, real) for real in reals]
    assert all(row is not None and row.translated.visible and not row.difference.visible for row in rows)
    assert not any(real.visible for real in reals)
    reals[0].contrast_limits = (1, 77)
    assert rows[0] is not None and tuple(rows[0].translated.contrast_limits) == (1, 77)


def test_the_form_says_what_is_missing(
    open_form: Callable[[], tuple[Viewer, FunctionGui]], monkeypatch: pytest.MonkeyPatch
) -> None:
    errors: list[str] = []
    monkeypatch.setattr(module, "show_error", errors.append)
    viewer, form = open_form()
    form.checkpoint.value = "synthetic-organoids-cyclegan"
    form.call_button.native.click()
    assert len(viewer.layers) == 2
    assert "there is no layer for" in errors[0]
