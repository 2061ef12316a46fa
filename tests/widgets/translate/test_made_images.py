from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from napari.layers import Layer

from napari_phenotrans.core.errors import InputError
from napari_phenotrans.core.image import Image
from napari_phenotrans.io import write
from napari_phenotrans.translation.translate import translate_image
from napari_phenotrans.widgets.reader import read_layers
from napari_phenotrans.widgets.translate.made_images import MadeImages
from napari_phenotrans.widgets.viewer.layers import DIVERGING, info, role, to_image
from tests.widgets.gestures import drop

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from pytestqt.qtbot import QtBot

    from napari_phenotrans.widgets.translate.dock import TranslateDock

    Open = Callable[..., TranslateDock]

WAIT_MS = 60_000
HOW = {"source": "untreated", "target": "drug", "checkpoint": "shift"}


def made(folder: Path, kind: str, suffix: str = ".ome.tif", **more: Any) -> Path:
    rng = np.random.default_rng(0)
    pixels = rng.normal(0, 20, (2, 96, 128)).astype(np.float32)
    pixels = pixels if kind == "difference" else np.abs(pixels).astype(np.uint8)
    image = Image(pixels, "CYX", ("DNA", "GFP"), pixel_size_um=0.5, unit="µm", colors=("#0000ff", None))
    return write(image, folder / f"well_{kind}{suffix}", metadata={"kind": kind, **HOW, **more})


@pytest.mark.parametrize("suffix", [".ome.tif", ".ome.zarr", ".tif"])
def test_what_is_opened_again_is_called_and_colored_as_what_it_is(tmp_path: Path, suffix: str) -> None:
    for kind, name in (("translated", "DNA – translated to drug"), ("difference", "DNA – difference")):
        (_, dna, _), (_, gfp, _) = read_layers(str(made(tmp_path, kind, suffix)))
        assert dna["name"] == name
        assert (dna["metadata"]["phenotrans"]["role"], dna["metadata"]["phenotrans"]["channel"]) == (kind, "DNA")
        low, high = dna["contrast_limits"]
        if kind == "difference":
            assert dna["colormap"] == gfp["colormap"] == DIVERGING
            assert low == -high < 0
        else:
            assert dna["colormap"] == "#0000ff"
            assert low >= 0
    (_, sample, _), _ = read_layers(str(made(tmp_path / "s", "sample", suffix, sample="2 of 5")))
    assert sample["name"] == "DNA – sample 2 of 5"


def test_what_an_engine_made_is_translated_only_where_that_is_allowed(
    open_dock: Open, checkpoint: Path, tmp_path: Path, qtbot: QtBot
) -> None:
    dock = open_dock(checkpoint)
    drop(dock, made(tmp_path / "untreated", "translated"))
    qtbot.waitUntil(lambda: len(dock.viewer.layers) == 2, timeout=WAIT_MS)
    qtbot.waitUntil(lambda: any("was not measured (translated)" in text for text in dock.notices.texts))
    assert "although an engine made it" in dock.question.text and not dock.question.isHidden()
    assert dock.channels.image_box.count() == 0 and dock.selection.missing
    assert all(role(layer) == "translated" for layer in dock.viewer.layers)

    dock.question.buttons[MadeImages.ANSWERS[0]].click()
    assert dock.channels.image_box.count() == 1 and None not in dock.channels.layers
    assert any("says nothing of the cells" in text for text in dock.notices.texts)
    dock.conditions.choose("untreated", "drug")
    dock.translate()
    qtbot.waitUntil(lambda: "translated in" in dock.status.text(), timeout=WAIT_MS)
    row = dock.selection.rows()[0]
    assert info(row.translated)["provenance"]["made of"] == "translated"
    assert dock.views.comparison.headings[0] == "translated untreated"


def test_leaving_it_out_leaves_it_out_and_another_image_is_not_taken_instead(
    open_dock: Open, checkpoint: Path, well: Path, tmp_path: Path, qtbot: QtBot
) -> None:
    dock = open_dock(checkpoint)
    dock.open_files([well])
    qtbot.waitUntil(lambda: len(dock.viewer.layers) == 2, timeout=WAIT_MS)
    drop(dock, made(tmp_path, "difference"))
    qtbot.waitUntil(lambda: len(dock.viewer.layers) == 4, timeout=WAIT_MS)
    dock.question.buttons[MadeImages.ANSWERS[1]].click()
    assert dock.channels.image_box.count() == 1
    qtbot.wait(200)
    assert not dock.busy and len(dock.viewer.layers) == 4


def test_a_script_that_translates_a_translated_layer_is_refused(checkpoint: Path, tmp_path: Path) -> None:
    layers = [Layer.create(*item) for item in read_layers(str(made(tmp_path, "translated")))]
    with pytest.raises(InputError, match="was not measured"):
        translate_image(to_image(layers, ["DNA", "GFP"]), checkpoint, source="untreated", target="drug")
