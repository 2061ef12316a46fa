from __future__ import annotations

import numpy as np
import pytest
from napari.layers import Image as ImageLayer
from napari.layers import Layer

from napari_phenotrans.core.errors import InputError
from napari_phenotrans.core.image import Image
from napari_phenotrans.widgets.viewer.layers import (
    KEY,
    difference_data,
    layer_data,
    letters_of,
    to_image,
    translated_data,
    with_axes,
)


def as_layers(image: Image, **more) -> list[ImageLayer]:
    return [Layer.create(*data) for data in layer_data(image, **more)]


@pytest.fixture
def stack() -> Image:
    pixels = np.random.default_rng(0).integers(0, 4000, (3, 2, 4, 20, 30), np.uint16)
    return Image(
        pixels,
        "TCZYX",
        channels=("DAPI", "PH3"),
        pixel_size_um=0.25,
        unit="µm",
        z_step_um=2.0,
        frame_interval_s=60.0,
        colors=("#0000ff", None),
        description="synthetic organoid",
    )


def test_layers_keep_what_the_image_knows(stack: Image) -> None:
    dapi, ph3 = as_layers(stack, condition="healthy", attribution="cite me")
    assert (dapi.name, ph3.name) == ("DAPI", "PH3")
    assert dapi.data.shape == (3, 4, 20, 30)
    assert np.array_equal(ph3.data, stack.pixels[:, 1])
    assert dapi.axis_labels == ("t", "z", "y", "x")
    assert tuple(dapi.scale) == (60.0, 2.0, 0.25, 0.25)
    assert [str(unit) for unit in dapi.units] == ["second", "micrometer", "micrometer", "micrometer"]
    assert np.allclose(dapi.colormap.map(1.0), (0, 0, 1, 1))
    assert dapi.blending == "additive"
    assert dapi.metadata["attribution"] == "cite me"
    about = dapi.metadata[KEY]
    assert (about["channel"], about["condition"], about["synthetic"]) == ("DAPI", "healthy", True)
    assert about["image"] == ph3.metadata[KEY]["image"]


def test_layers_become_the_same_image_again(stack: Image) -> None:
    again = to_image(as_layers(stack), ["DAPI", "PH3"])
    assert (again.axes, again.sizes["C"], again.dtype) == ("CTZYX", 2, np.uint16)
    assert again.pixel_size_um == pytest.approx(0.25)
    assert again.z_step_um == pytest.approx(2.0)
    assert again.synthetic
    for t, z in stack.positions():
        assert np.array_equal(again.plane(t=t, z=z), stack.plane(t=t, z=z))


def test_other_axis_orders_are_addressed() -> None:
    pixels = np.arange(2 * 5 * 4 * 3).reshape(2, 5, 4, 3)
    image = Image(pixels, "CXZY")
    layers = as_layers(image)
    assert layers[0].axis_labels == ("x", "z", "y")
    assert np.array_equal(to_image(layers, image.channels).plane(z=2), image.plane(z=2))


def test_units_without_pixel_size_are_pixels() -> None:
    (layer,) = as_layers(Image(np.zeros((4, 5), np.uint8), "YX"))
    assert [str(unit) for unit in layer.units] == ["pixel", "pixel"]
    assert to_image([layer], ["a"]).pixel_size_um is None


def test_length_units_are_converted() -> None:
    layer = ImageLayer(np.zeros((4, 5)), scale=(500, 500), units=("nm", "nm"))
    assert to_image([layer], ["a"]).pixel_size_um == pytest.approx(0.5)


def test_pyramids_are_multiscale_and_give_their_finest_level_back() -> None:
    full = np.arange(64 * 64, dtype=np.uint16).reshape(1, 64, 64)
    image = Image(full, "CYX", pyramid=(full[:, ::2, ::2], full[:, ::4, ::4]))
    (layer,) = as_layers(image)
    assert layer.multiscale
    assert [level.shape for level in layer.data] == [(64, 64), (32, 32), (16, 16)]
    assert np.array_equal(to_image([layer], ["a"]).plane(), full)


class Counting:
    """An array that says how many pixels were read of it."""

    def __init__(self, shape: tuple[int, ...]) -> None:
        self.shape, self.dtype, self.ndim, self.read = shape, np.dtype(np.uint16), len(shape), 0

    def __getitem__(self, index) -> np.ndarray:
        part = np.zeros((1,), np.uint16)
        part = np.broadcast_to(part, self.shape)[index]
        self.read += part.size
        return part


def test_large_pixels_stay_where_they_are() -> None:
    pixels = Counting((2, 200, 512, 512))
    data = layer_data(Image(pixels, "CZYX"))
    assert pixels.read == 2 * 3 * 512 * 512  # first, middle and last plane, for the contrast
    layers = [Layer.create(*item) for item in data]
    before = pixels.read
    image = to_image(layers, ["a", "b"])
    assert pixels.read == before
    assert image.plane(z=100).shape == (2, 512, 512)
    assert pixels.read == before + 2 * 512 * 512


def test_translated_and_difference_look_like_what_they_are(stack: Image) -> None:
    real = as_layers(stack)[0]
    real.contrast_limits, real.gamma, real.translate = (10, 500), 0.8, (0, 0, 5, 7)
    translated = Layer.create(*translated_data(real, np.zeros(real.data.shape, np.uint16), "diseased"))
    difference = Layer.create(*difference_data(real, np.zeros(real.data.shape, np.float32), 50.0))
    assert translated.name == "DAPI – translated to diseased"
    assert difference.name == "DAPI – difference"
    assert translated.colormap == real.colormap
    assert (list(translated.contrast_limits), translated.gamma) == ([10, 500], 0.8)
    assert list(difference.contrast_limits) == [-50, 50]
    assert np.allclose(difference.colormap.map(0.5)[..., :3], 0, atol=0.02)
    below, above = difference.colormap.map([0.2, 0.8])
    assert below[2] > below[0]
    assert above[0] > above[2]
    for layer in (translated, difference):
        assert np.array_equal(layer.translate, real.translate)
        assert np.array_equal(layer.scale, real.scale)
        assert (layer.units, layer.axis_labels) == (real.units, real.axis_labels)
        assert layer.metadata[KEY]["synthetic"]


def test_axes_of_other_peoples_layers_are_guessed_and_said_so() -> None:
    assert letters_of(ImageLayer(np.zeros((4, 5)))) == ("YX", True)
    assert letters_of(ImageLayer(np.zeros((3, 4, 5)))) == ("ZYX", False)
    assert letters_of(ImageLayer(np.zeros((3, 4, 5)), axis_labels=("time", "y", "x"))) == ("TYX", True)
    assert letters_of(ImageLayer(np.zeros((4, 5, 3)), rgb=True)) == ("YXC", True)


def test_said_axes_split_channels() -> None:
    data = np.random.default_rng(0).integers(0, 9, (2, 4, 5))
    layer = ImageLayer(data, scale=(1, 0.5, 0.5), units=("pixel", "um", "um"))
    image = with_axes(layer, "CYX")
    assert image.pixel_size_um == pytest.approx(0.5)
    assert np.array_equal(as_layers(image)[1].data, data[1])
    colors = with_axes(ImageLayer(np.zeros((4, 5, 4), np.uint8), rgb=True), "YXC")
    assert colors.channels == ("red", "green", "blue")


def test_layers_that_do_not_belong_together_are_refused() -> None:
    one, other = ImageLayer(np.zeros((4, 5))), ImageLayer(np.zeros((4, 6)), name="other")
    with pytest.raises(InputError, match=r"'other' has axes YX, shape \(4, 6\)"):
        to_image([one, other], ["a", "b"])
    with pytest.raises(InputError, match="several channels"):
        to_image([ImageLayer(np.zeros((4, 5, 3), np.uint8), rgb=True)], ["a"])


@pytest.mark.parametrize("scale", [(-0.65, 0.65), (0.65, -0.65), (-0.65, -0.65)])
def test_a_negative_scale_mirrors_what_is_shown_only(scale: tuple[float, float]) -> None:
    pixels = np.arange(20, dtype=np.uint8).reshape(4, 5)
    layer = ImageLayer(pixels, scale=scale, units=("um", "um"), axis_labels=("y", "x"))
    image = to_image([layer], ["DAPI"])
    assert image.pixel_size_um == pytest.approx(0.65)
    np.testing.assert_array_equal(image.plane()[0], pixels)
    assert "negative scale" in image.notes[0]


def test_unequal_scales_are_named() -> None:
    layer = ImageLayer(np.zeros((4, 5), np.uint8), scale=(0.5, 2.0), units=("um", "um"), axis_labels=("y", "x"))
    image = to_image([layer], ["DAPI"])
    assert image.pixel_size_um == pytest.approx(1.0)
    assert "geometric mean" in image.notes[0]


def test_the_place_on_the_stage_goes_both_ways() -> None:
    image = Image(np.zeros((4, 5), np.uint8), "YX", pixel_size_um=0.5, unit="µm", origin_um={"Y": 100.0, "X": -250.0})
    ((data, options, _),) = layer_data(image)
    assert options["translate"] == (100.0, -250.0)
    options = {name: options[name] for name in ("scale", "units", "translate", "axis_labels")}
    assert to_image([ImageLayer(data, **options)], ["DAPI"]).origin_um == {"Y": 100, "X": -250}
