"""The layers of one channel of a translation: real, translated and difference, a row of the matrix."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from napari_phenotrans.widgets.viewer.layers import DIFFERENCE, TRANSLATED, info

if TYPE_CHECKING:
    from napari import Viewer
    from napari.layers import Image as ImageLayer


@dataclass(frozen=True, eq=False)
class Row:
    """The layers of one channel; a row of the matrix that compares them."""

    real: ImageLayer
    translated: ImageLayer
    difference: ImageLayer

    @property
    def layers(self) -> tuple[ImageLayer, ImageLayer, ImageLayer]:
        """Real, translated and difference."""
        return self.real, self.translated, self.difference


def find_row(viewer: Viewer, real: ImageLayer) -> Row | None:
    """Find what was made of a real layer, whoever made it; None where something is missing."""
    made = {info(layer)["role"]: layer for layer in viewer.layers if info(layer).get("of") == str(real.unique_id)}
    if real in viewer.layers and {TRANSLATED, DIFFERENCE} <= set(made):
        return Row(real, made[TRANSLATED], made[DIFFERENCE])
    return None


def link(viewer: Viewer, row: Row) -> None:
    """Let a translated layer's contrast and gamma follow its real layer's, and the other way round."""
    row.translated.contrast_limits_range = row.real.contrast_limits_range
    viewer.layers.link_layers([row.real, row.translated], ("contrast_limits", "gamma"))
