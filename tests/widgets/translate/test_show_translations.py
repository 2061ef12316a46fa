from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from napari_phenotrans.io import read
from napari_phenotrans.translation.translate import translate_image
from napari_phenotrans.widgets.translate.show_translations import show_translations
from napari_phenotrans.widgets.viewer.layer_info import image_id
from napari_phenotrans.widgets.viewer.layers import KEY

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    import pytest
    from napari import Viewer


def test_finished_translations_are_shown_side_by_side(
    make_napari_viewer: Callable[..., Viewer], checkpoint: Path, well: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = [
        translate_image(read(well), checkpoint, source="untreated", target=target, device="cpu")
        for target in ("drug", "untreated")
    ]
    viewer = make_napari_viewer()
    monkeypatch.setattr("napari.Viewer", lambda **_: viewer)
    monkeypatch.setattr("napari.run", lambda: None)
    show_translations(made)
    shown = [layer for layer in viewer.layers if layer.visible]
    assert [layer.name for layer in shown] == [
        "DNA", "DNA – translated to drug", "DNA – difference",
        "GFP", "GFP – translated to drug", "GFP – difference",
    ]  # fmt: skip
    assert len(viewer.layers) == 12
    assert viewer.canvas.grid.enabled
    assert viewer.canvas.grid.actual_shape(viewer.layers) == (2, 3)
    assert np.array_equal(shown[4].data, made[0].translated.pixels[:, 1])
    assert np.array_equal(shown[5].data, made[0].difference.pixels[:, 1])
    assert shown[1].metadata[KEY]["provenance"]["target"] == "drug"
    assert tuple(shown[1].scale) == (2.0, 0.5, 0.5)

    # Left, the image stands alone.
    dock = viewer.window.dock_widgets["Translate (Phenotype translation)"]
    dock.view_bar.buttons["matrix"].click()
    assert [layer for layer in viewer.layers if layer.visible] == [shown[0], shown[3]]
    dock.view_bar.buttons["matrix"].click()

    # The dock switches between them.
    other = next(layer for layer in viewer.layers if layer.name.startswith("DNA") and layer not in shown)
    dock.channels.choose(image_id(other))
    assert [layer.visible for layer in shown] == [False] * 6
    assert sum(layer.visible for layer in viewer.layers) == 6
