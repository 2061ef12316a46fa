"""napari's writer of images, File > Save Selected Layers: OME-TIFF and OME-Zarr with all that layers know."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from napari_phenotrans.core.errors import InputError
from napari_phenotrans.core.image import told_apart
from napari_phenotrans.core.kinds import FILE_WORDS, REAL
from napari_phenotrans.core.text import first_of
from napari_phenotrans.io import FORMATS, write_as
from napari_phenotrans.io.atomic import replacing_together
from napari_phenotrans.io.formats import refuse_dtype

if TYPE_CHECKING:
    from collections.abc import Sequence

    from napari.layers import Image as ImageLayer

    from napari_phenotrans.core.image import Image

    LayerData = tuple[Any, dict[str, Any], str]


def write_ome_tiff(path: str, data: list[LayerData]) -> list[str]:
    """Write image layers as OME-TIFF; see `write_layers`."""
    return write_layers(path, data, "ome-tiff")


def write_ome_zarr(path: str, data: list[LayerData]) -> list[str]:
    """Write image layers as OME-Zarr; see `write_layers`."""
    return write_layers(path, data, "ome-zarr")


def write_layers(path: str, data: Sequence[LayerData], format: str) -> list[str]:
    """Write layers that are channels of one image as that image, with names, scale, units, colors and provenance.

    Real layers and what was made of them become files of their own beside each other, ``<name>_real`` and so on.

    Parameters
    ----------
    path
        Where to; what is there is replaced, as napari has asked.
    data
        Layer-data tuples of image layers.
    format
        One of `napari_phenotrans.io.FORMATS`.

    Returns
    -------
    What was written.

    Raises
    ------
    InputError
        If the layers are several images, the format cannot hold one, or it cannot be written.
    """
    from napari.layers import Layer

    layers = [Layer.create(pixels, options, kind) for pixels, options, kind in data]
    suffix = next((each for each in FORMATS[format].suffixes if path.lower().endswith(each)), "")
    stem = Path(path[: -len(suffix)] if suffix else path)
    suffix = suffix or FORMATS[format].suffix
    images = images_of(layers)
    for image in images.values():
        refuse_dtype(image.dtype, format)
    alone = len(images) == 1
    files = {kind: stem.with_name(stem.name + ("" if alone else f"_{FILE_WORDS[kind]}") + suffix) for kind in images}
    with replacing_together(list(files.values()), overwrite=alone) as temporaries:
        for (kind, image), temporary in zip(images.items(), temporaries, strict=True):
            write_as(files[kind].name, image, temporary, format=format, pyramid=False, metadata=None)
    return [str(file) for file in files.values()]


def images_of(layers: Sequence[ImageLayer]) -> dict[str, Image]:
    """Put layers together to images, one for each kind of `napari_phenotrans.core.kinds`.

    Raises
    ------
    InputError
        If layers of one kind are not channels of one image.
    """
    from napari_phenotrans.widgets.viewer.layers import channel_name, letters_of, role, to_image, with_axes

    by_kind: dict[str, list[ImageLayer]] = {}
    for layer in layers:
        kind = role(layer) or REAL
        if kind not in FILE_WORDS:
            raise InputError(
                f"The layer {layer.name!r} is drawn of others and holds no pixels of its own. Save those that it is "
                f"drawn of."
            )
        by_kind.setdefault(kind, []).append(layer)
    images = {}
    for kind, group in by_kind.items():
        inside = [layer for layer in group if "C" in letters_of(layer)[0]]
        if inside and len(group) > 1:
            raise InputError(
                f"The layer {inside[0].name!r} holds several channels, so that it is an image of its own: save it "
                f"alone, not with {first_of([layer.name for layer in group if layer is not inside[0]])}."
            )
        _refuse_several_images(group)
        names, _ = told_apart([channel_name(layer) for layer in group])
        images[kind] = with_axes(group[0], letters_of(group[0])[0]) if inside else to_image(group, names)
    return images


def _refuse_several_images(layers: Sequence[ImageLayer]) -> None:
    """Refuse layers that lie elsewhere or are of another size: as channels of one image they would be moved."""
    from napari_phenotrans.widgets.viewer.layers import like

    first = layers[0]
    for layer in layers[1:]:
        here, there = like(layer), like(first)
        different = [name for name in ("scale", "translate", "units") if tuple(here[name]) != tuple(there[name])]
        if different:
            raise InputError(
                f"The layers {first.name!r} and {layer.name!r} differ in {' and '.join(different)}, so that they are "
                f"no channels of one image: save them one by one."
            )
