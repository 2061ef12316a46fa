from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest
from napari.components import ViewerModel
from napari.layers import Layer

from napari_phenotrans.core.errors import InputError
from napari_phenotrans.core.image import Image
from napari_phenotrans.core.region import Region
from napari_phenotrans.io import read, write
from napari_phenotrans.widgets.train.collect_from_viewer import rectangle_pieces, selected_pieces
from napari_phenotrans.widgets.viewer.layers import layer_data

if TYPE_CHECKING:
    from pathlib import Path

PIXELS = np.arange(3 * 40 * 50, dtype=np.uint16).reshape(3, 40, 50)


@pytest.fixture
def viewer() -> ViewerModel:
    return ViewerModel()


def rectangle(top: float, left: float, bottom: float, right: float, *, z: int | None = None) -> np.ndarray:
    corners = np.array([[top, left], [top, right], [bottom, right], [bottom, left]])
    return corners if z is None else np.insert(corners, 0, z, axis=1)


def select(viewer: ViewerModel, *layers: Layer) -> None:
    viewer.layers.selection = set(layers)


def test_layers_of_one_size_are_channels_or_an_image_each(viewer: ViewerModel) -> None:
    first = viewer.add_image(PIXELS[0], name="DNA")
    viewer.add_image(PIXELS[0], name="unselected")
    numbered = viewer.add_image(PIXELS[1], name="GFP [1]")
    other = viewer.add_image(PIXELS[2, :20], name="smaller")
    select(viewer, first, numbered, other)

    together, alone = selected_pieces(viewer, "sick")
    assert together.image is not None
    assert together.image.channels == ("DNA", "GFP")
    assert np.array_equal(together.image.plane(), PIXELS[:2])
    assert (together.name, together.group) == ("DNA", "DNA")
    assert alone.image is not None
    assert alone.image.channels == ("channel 1",)

    pieces = selected_pieces(viewer, "sick", apart=True, group="")
    assert [piece.name for piece in pieces] == ["DNA", "GFP [1]", "smaller"]
    assert {piece.group for piece in pieces} == {""}
    # what they are called is no channel: fields must have theirs in common
    assert {piece.image.channels for piece in pieces if piece.image} == {("channel 1",)}


def test_an_opened_file_keeps_what_it_says(viewer: ViewerModel, tmp_path: Path) -> None:
    path = tmp_path / "patient 7" / "scan.ome.tif"
    write(Image(PIXELS[:2], "CYX", ("DNA", "GFP"), pixel_size_um=0.3, unit="µm"), path)
    opened = [viewer.add_layer(Layer.create(*data)) for data in layer_data(read(path))]
    select(viewer, *opened)
    (piece,) = selected_pieces(viewer, "sick", apart=True)
    assert (piece.name, piece.group, piece.file) == ("scan", "patient 7/scan", path)
    assert piece.image is not None
    assert piece.image.pixel_size_um == pytest.approx(0.3)


def test_a_stack_is_one_field_or_many_and_rgb_is_channels(viewer: ViewerModel) -> None:
    stack = viewer.add_image(PIXELS, name="list")
    select(viewer, stack)
    assert [piece.count for piece in selected_pieces(viewer, "sick")] == [1]
    (many,) = selected_pieces(viewer, "sick", planes_apart=True)
    assert [name for name, _ in many.images()] == ["list-z0", "list-z1", "list-z2"]
    picture = viewer.add_image(np.zeros((20, 30, 3), np.uint8), name="photo", rgb=True)
    select(viewer, picture)
    (piece,) = selected_pieces(viewer, "sick")
    assert piece.image is not None
    assert piece.image.channels == ("red", "green", "blue")


def test_rectangles_are_cut_from_the_plane_they_were_drawn_on(viewer: ViewerModel) -> None:
    viewer.add_image(PIXELS, name="stack", scale=(2, 0.5, 0.5))
    shapes = viewer.add_shapes([rectangle(4, 5, 13, 24, z=2), rectangle(0, 0, 9, 9, z=0)], ndim=3, scale=(2, 0.5, 0.5))
    pieces = rectangle_pieces(viewer, "sick")
    assert [(p.region, p.positions) for p in pieces] == [
        (Region(4, 5, 10, 20), ((0, 2),)),
        (Region(0, 0, 10, 10), ((0, 0),)),
    ]
    ((name, cut),) = pieces[0].images()
    assert name == "stack-4-5"
    assert np.array_equal(cut.plane(z=0)[0], PIXELS[2, 4:14, 5:25])
    # of one image, so that they stay together
    assert {piece.group for piece in pieces} == {"stack"}
    shapes.selected_data = {1}
    assert [piece.region for piece in rectangle_pieces(viewer, "sick")] == [Region(0, 0, 10, 10)]


def test_what_is_missing_is_said(viewer: ViewerModel) -> None:
    with pytest.raises(InputError, match="No image layer is selected"):
        selected_pieces(viewer, "sick")
    with pytest.raises(InputError, match="There is no rectangle"):
        rectangle_pieces(viewer, "sick")
    viewer.add_shapes([rectangle(200, 200, 220, 220)])
    with pytest.raises(InputError, match="No image is visible"):
        rectangle_pieces(viewer, "sick")
    viewer.add_image(PIXELS[0], name="DNA")
    with pytest.raises(InputError, match="lies beside"):
        rectangle_pieces(viewer, "sick")
