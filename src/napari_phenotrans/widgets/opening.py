"""Opening files beside the GUI."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from superqt.utils import thread_worker

from napari_phenotrans.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from napari_phenotrans.widgets.layers import LayerData


@dataclass(frozen=True, eq=False)
class Opened:
    """A file's layers, one per channel; or none, and in ``problem`` why.

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
    # libraries for a dozen formats, which a dock that opens no file does not need
    from napari_phenotrans.io import read
    from napari_phenotrans.widgets.layers import layer_data

    for path in paths:
        try:
            layers = tuple(layer_data(read(path, axes=axes)))
        except InputError as error:
            yield Opened(path, (), problem=str(error))
        else:
            yield Opened(path, layers, translate=translate and path == paths[-1], instead_of=instead_of)
