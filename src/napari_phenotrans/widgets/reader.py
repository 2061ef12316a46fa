"""napari's reader for files whose scale, units, axes, channel names and colors napari itself drops.

The patterns are narrow on purpose: for a file that two plugins can read napari asks which one is to, and nobody wants
to be asked that for every TIFF. Other files come in through the translate dock.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from napari_phenotrans.io import read

if TYPE_CHECKING:
    from collections.abc import Callable

    from napari_phenotrans.widgets.viewer.layers import LayerData

ENDINGS = (".ome.tif", ".ome.tiff", ".lsm", ".ome.zarr")


def get_reader(path: str | list[str]) -> Callable[[str | list[str]], list[LayerData]] | None:
    """Return a function that reads these paths, or None where one of them is not for this reader."""
    paths = [path] if isinstance(path, str) else path
    if all(str(p).rstrip("/\\").casefold().endswith(ENDINGS) for p in paths):
        return read_layers
    return None


def read_layers(path: str | list[str]) -> list[LayerData]:
    """Return one layer-data tuple per channel of each path.

    Raises
    ------
    InputError
        If a file cannot be read.
    """
    # what makes layers is loaded when a file is read, not when napari asks who could read it
    from napari_phenotrans.widgets.viewer.layers import layer_data

    paths = [path] if isinstance(path, str) else path
    return [layer for p in paths for layer in layer_data(read(p))]
