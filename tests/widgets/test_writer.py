from __future__ import annotations

from typing import TYPE_CHECKING, Any

import npe2
import numpy as np
import pytest
from napari.layers import Image as ImageLayer
from napari.layers import Layer

from napari_phenotrans.core.errors import InputError
from napari_phenotrans.core.image import Image
from napari_phenotrans.io import read
from napari_phenotrans.widgets.reader import read_layers
from napari_phenotrans.widgets.viewer.layers import difference_data, layer_data, to_image, translated_data
from napari_phenotrans.widgets.writer import write_ome_tiff, write_ome_zarr

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from napari import Viewer

HOW = {"source": "untreated", "target": "drug", "checkpoint": "shift", "planes": [[0, 0]]}
WRITERS = pytest.mark.parametrize(("write", "suffix"), [(write_ome_tiff, ".ome.tif"), (write_ome_zarr, ".ome.zarr")])


def layers(**more: Any) -> list[ImageLayer]:
    """The layers of a stack of two channels, as a file gives them."""
    pixels = np.random.default_rng(0).integers(0, 4000, (3, 2, 24, 30)).astype(np.uint16)
    said: dict[str, Any] = {"pixel_size_um": 0.5, "unit": "nm", "z_step_um": 2.0, "colors": ("#0000ff", "#00ff00")}
    image = Image(pixels, "ZCYX", ("DNA", "GFP"), origin_um={"Y": 5.0, "X": 7.0}, **(said | more))
    return [Layer.create(*item) for item in layer_data(image)]


def with_results(reals: list[ImageLayer]) -> list[ImageLayer]:
    made = []
    for real in reals:
        data = [translated_data(real, real.data + 1, "drug"), difference_data(real, np.ones(real.data.shape, "f4"), 9)]
        made += [Layer.create(*item) for item in data]
    for layer in made:
        layer.metadata["phenotrans"]["provenance"] = HOW
    return made


def tuples(group: list[ImageLayer]) -> list[Any]:
    return [layer.as_layer_data_tuple() for layer in group]


@WRITERS
def test_channels_of_one_image_are_one_image(tmp_path: Path, write: Any, suffix: str) -> None:
    reals = layers()
    reals[0].contrast_limits = (10, 500)
    (path,) = write(str(tmp_path / f"mine{suffix}"), tuples(reals))
    assert path == str(tmp_path / f"mine{suffix}")
    image = read(path)
    assert (image.channels, image.colors, image.unit) == (("DNA", "GFP"), ("#0000ff", "#00ff00"), "nm")
    assert (image.pixel_size_um, image.z_step_um) == (pytest.approx(0.5), pytest.approx(2))
    assert {a: image.origin_um[a] for a in "YX"} == pytest.approx({"Y": 5, "X": 7})
    assert image.display[0] == (10, 500)
    for z in range(3):
        np.testing.assert_array_equal(image.plane(z=z), [layer.data[z] for layer in reals])
    again = [Layer.create(*item) for item in read_layers(path)]
    for before, after in zip(reals, again, strict=True):
        assert (before.name, tuple(before.contrast_limits)) == (after.name, tuple(after.contrast_limits))
        np.testing.assert_allclose(before.scale, after.scale)
        np.testing.assert_allclose(before.translate, after.translate)
        assert before.units == after.units
        np.testing.assert_allclose(before.colormap.colors, after.colormap.colors, atol=0.01)


@WRITERS
def test_real_and_what_was_made_of_it_are_files_of_their_own(tmp_path: Path, write: Any, suffix: str) -> None:
    reals = layers()
    paths = write(str(tmp_path / f"mine{suffix}"), tuples([*reals, *with_results(reals)]))
    assert [path.removeprefix(f"{tmp_path}/") for path in paths] == [
        f"mine_{kind}{suffix}" for kind in ("real", "translated", "difference")
    ]
    images = [read(path) for path in paths]
    assert [image.kind for image in images] == ["real", "translated", "difference"]
    assert {image.channels for image in images} == {("DNA", "GFP")}
    assert images[1].provenance["target"] == "drug"
    # what would be replaced without a question is not
    with pytest.raises(InputError, match="mine_real"):
        write(str(tmp_path / f"mine{suffix}"), tuples([*reals, *with_results(reals)]))


def test_a_name_without_an_ending_gets_one(tmp_path: Path) -> None:
    assert write_ome_tiff(str(tmp_path / "well.2"), tuples(layers())) == [str(tmp_path / "well.2.ome.tif")]


@pytest.mark.parametrize("labels", [("c", "y", "x"), None])
def test_channels_inside_a_layer_become_channels(tmp_path: Path, labels: Any) -> None:
    pixels = np.random.default_rng(0).integers(0, 200, (3, 20, 30) if labels else (20, 30, 3)).astype(np.uint8)
    layer = ImageLayer(pixels, name="mixed", axis_labels=labels, rgb=labels is None)
    (path,) = write_ome_tiff(str(tmp_path / "a.ome.tif"), tuples([layer]))
    image = read(path)
    assert len(image.channels) == 3
    np.testing.assert_array_equal(image.plane(), pixels if labels else np.moveaxis(pixels, -1, 0))
    with pytest.raises(InputError, match=r"several channels.*save it alone"):
        write_ome_tiff(str(tmp_path / "b.ome.tif"), tuples([layer, ImageLayer(np.zeros((20, 30)), name="other")]))


@pytest.mark.parametrize(
    ("other", "expected"),
    [
        ({"data": np.zeros((9, 9), np.uint8)}, "do not belong together"),
        ({"data": np.zeros((20, 30), np.uint16)}, "do not belong together"),
        ({"data": np.zeros((20, 30), np.uint8), "scale": (2, 2)}, "differ in scale"),
        ({"data": np.zeros((20, 30), np.uint8), "translate": (0, 9)}, "differ in translate"),
    ],
)
def test_several_images_are_refused_in_a_sentence(tmp_path: Path, other: Any, expected: str) -> None:
    first = ImageLayer(np.zeros((20, 30), np.uint8), name="first")
    with pytest.raises(InputError, match=expected):
        write_ome_tiff(str(tmp_path / "a.ome.tif"), tuples([first, ImageLayer(name="second", **other)]))
    assert list(tmp_path.iterdir()) == []


def test_layers_of_others_keep_names_and_scale(tmp_path: Path) -> None:
    group = [
        ImageLayer(np.full((20, 30), i, np.uint8), name=name, colormap=color, scale=(0.3, 0.3), units="um")
        for i, (name, color) in enumerate((("nuclei", "blue"), ("nuclei", "green")))
    ]
    image = read(write_ome_zarr(str(tmp_path / "a.ome.zarr"), tuples(group))[0])
    assert (image.channels, image.colors) == (("nuclei", "nuclei (2)"), ("#0000ff", "#00ff00"))
    assert (image.pixel_size_um, image.unit) == (pytest.approx(0.3), "µm")


def test_napari_saves_selected_layers_by_it(make_napari_viewer: Callable[..., Viewer], tmp_path: Path) -> None:
    viewer = make_napari_viewer()
    for layer in layers():
        viewer.add_layer(layer)
    viewer.layers.selection = set(viewer.layers)
    for suffix in (".ome.tif", ".ome.zarr"):
        written = viewer.layers.save(str(tmp_path / f"well{suffix}"), selected=True)
        assert written == [str(tmp_path / f"well{suffix}")]
        assert read(written[0]).channels == ("DNA", "GFP")
    manifest = npe2.PluginManager.instance().get_manifest("napari-phenotrans")
    assert [writer.display_name for writer in manifest.contributions.writers] == ["OME-TIFF", "OME-Zarr"]


def test_layers_in_another_unit_keep_it() -> None:
    millimeters = ImageLayer(np.zeros((4, 4)), scale=(0.001, 0.001), units="mm")
    assert (to_image([millimeters], ["a"]).pixel_size_um, to_image([millimeters], ["a"]).unit) == (1, "mm")
