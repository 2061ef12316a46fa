"""napari's reader for everything that `io` reads, and for comparisons that were kept.

napari asks which plugin is to read a file where several offer themselves, and nobody wants to be asked that for every
TIFF. So the manifest offers this reader for formats whose scale, units, axes, channel names and colors napari itself
drops, or which it does not read at all; it takes everything that can be read where it is chosen.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from napari_phenotrans.io import read, readable
from napari_phenotrans.io.registry import is_zarr
from napari_phenotrans.translation.kept import is_kept

if TYPE_CHECKING:
    from collections.abc import Callable

    from napari_phenotrans.widgets.viewer.layers import LayerData


def get_reader(path: str | list[str]) -> Callable[[str | list[str]], list[LayerData]] | None:
    """Return a function that reads these paths, or None where one of them cannot be an image.

    A file whose library is not installed is taken, so that reading it says how to install that.
    """
    paths = [path] if isinstance(path, str) else path
    return read_layers if paths and all(_can_be_read(Path(each)) for each in paths) else None


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
    layers: list[LayerData] = []
    for each in map(Path, paths):
        if is_kept(each):
            from napari_phenotrans.widgets.translate.kept_layers import arrange_later, kept_data

            layers += kept_data(each)
            arrange_later(layers)
        else:
            layers += layer_data(read(each))
    return layers


def _can_be_read(path: Path) -> bool:
    if is_kept(path) or readable(path.name):
        return True
    # a folder of files with one channel each is one image
    return path.is_dir() and (is_zarr(path) or any(readable(file.name) for file in path.iterdir()))
