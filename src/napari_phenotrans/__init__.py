"""napari-phenotrans: see what a condition does to cells, by translating real images between conditions.

In five lines::

    import napari_phenotrans as pt

    image = pt.read("well.ome.tif")
    result = pt.translate_image(image, "bbbc013-flow", source="untreated", target="wortmannin")
    pt.write(result.translated, "well_translated.ome.tif")

`train` makes a checkpoint from folders of images, `evaluate` scores what it translates, `report` says what differs
between the conditions and what of it translations show. `translate` gives the same as `translate_image` as events, tile
by tile; `complete_image` draws a channel from others.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from napari_phenotrans.checkpoints.checkpoint import Checkpoint
    from napari_phenotrans.core.errors import InputError
    from napari_phenotrans.core.events import Notice
    from napari_phenotrans.core.image import Image
    from napari_phenotrans.core.region import Region
    from napari_phenotrans.evaluation.scores import evaluate
    from napari_phenotrans.io import read, write
    from napari_phenotrans.io.samples import sample
    from napari_phenotrans.phenotype.whole_report import report
    from napari_phenotrans.training.train import train
    from napari_phenotrans.translation.complete import complete_image
    from napari_phenotrans.translation.events import PlaneDone, TileDone
    from napari_phenotrans.translation.translate import translate, translate_image

_PLACES = {
    "Checkpoint": "checkpoints.checkpoint",
    "Image": "core.image",
    "InputError": "core.errors",
    "Notice": "core.events",
    "PlaneDone": "translation.events",
    "Region": "core.region",
    "TileDone": "translation.events",
    "complete_image": "translation.complete",
    "evaluate": "evaluation.scores",
    "read": "io",
    "report": "phenotype.whole_report",
    "sample": "io.samples",
    "train": "training.train",
    "translate": "translation.translate",
    "translate_image": "translation.translate",
    "write": "io",
}
__all__ = [
    "Checkpoint",
    "Image",
    "InputError",
    "Notice",
    "PlaneDone",
    "Region",
    "TileDone",
    "complete_image",
    "evaluate",
    "read",
    "report",
    "sample",
    "train",
    "translate",
    "translate_image",
    "write",
]


def __getattr__(name: str) -> object:
    # Loaded when first used: `import napari_phenotrans` costs napari's start neither torch nor Qt.
    if name in _PLACES:
        return getattr(import_module(f"napari_phenotrans.{_PLACES[name]}"), name)
    raise AttributeError(f"module 'napari_phenotrans' has no attribute {name!r}")


def __dir__() -> list[str]:
    return __all__
