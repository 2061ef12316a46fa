from pathlib import Path

import numpy as np
import pytest

from napari_phenotrans.io.metadata import (
    Facts,
    from_micrometers,
    make_image,
    micrometers,
    seconds,
    unit_name,
    unit_symbol,
)

PLANE = np.zeros((2, 4, 5), np.uint8)
FILE = Path("well.tif")


@pytest.mark.parametrize(
    ("written", "symbol", "um"),
    [
        ("µm", "µm", 1),
        ("μm", "µm", 1),
        ("um", "µm", 1),
        ("micron", "µm", 1),
        ("\\u00B5m", "µm", 1),
        ("\\u03bcm", "µm", 1),
        ("micrometer", "µm", 1),
        ("nm", "nm", 1e-3),
        ("mm", "mm", 1e3),
        ("cm", "cm", 1e4),
        ("m", "m", 1e6),
        ("inch", "inch", 25400),
        ("in", "inch", 25400),
        ("Å", "Å", 1e-4),
    ],
)
def test_units_are_known_by_all_their_names(written: str, symbol: str, um: float) -> None:
    assert unit_symbol(written) == symbol
    assert micrometers((2.0, written)) == pytest.approx(2 * um)
    assert from_micrometers(2 * um, symbol) == pytest.approx(2)
    assert unit_symbol(unit_name(symbol)) == symbol


@pytest.mark.parametrize("length", [None, (1.0, "pixel"), (1.0, ""), (0.0, "um"), (-1.0, "um"), (float("nan"), "um")])
def test_what_is_no_length_is_unknown(length: tuple[float, str] | None) -> None:
    assert micrometers(length) is None


def test_durations() -> None:
    assert seconds((2.0, "min")) == 120
    assert seconds((500.0, "ms")) == 0.5
    assert seconds((3.0, "seconds")) == 3
    assert seconds((3.0, "frames")) is None
    assert seconds((0.0, "s")) is None


def test_unequal_sides_become_their_geometric_mean_with_a_note() -> None:
    image = make_image(PLANE, "CYX", Facts(x=(0.5, "um"), y=(2000.0, "nm")), FILE)
    assert image.pixel_size_um == pytest.approx(1.0)
    assert "0.5 µm wide and 2 µm high" in image.notes[0]
    slightly = make_image(PLANE, "CYX", Facts(x=(0.5, "um"), y=(0.51, "um")), FILE)
    assert slightly.pixel_size_um == pytest.approx(0.50498, rel=1e-4)
    nearly = make_image(PLANE, "CYX", Facts(x=(0.5, "um"), y=(0.504, "um")), FILE)
    assert nearly.pixel_size_um == 0.5
    assert nearly.notes == ()


def test_one_side_is_enough() -> None:
    image = make_image(PLANE, "CYX", Facts(y=(0.25, "um")), FILE)
    assert (image.pixel_size_um, image.unit) == (0.25, "µm")


def test_an_unknown_unit_leaves_the_pixel_size_unknown() -> None:
    image = make_image(PLANE, "CYX", Facts(x=(2.0, "furlong")), FILE)
    assert (image.pixel_size_um, image.unit) == (None, "pixel")


def test_steps_without_their_axis_are_left_out() -> None:
    facts = Facts(z=(1.0, "um"), interval=(5.0, "s"))
    flat = make_image(PLANE, "CYX", facts, FILE)
    assert (flat.z_step_um, flat.frame_interval_s) == (None, None)
    assert make_image(PLANE, "ZYX", facts, FILE).z_step_um == 1
    assert make_image(PLANE, "TYX", facts, FILE).frame_interval_s == 5


def test_names_that_do_not_fit_are_left_out_with_a_note() -> None:
    image = make_image(PLANE, "CYX", Facts(channels=("a", "b", "c")), FILE)
    assert image.channels == ("channel 1", "channel 2")
    assert "names 3 channels" in image.notes[0]


def test_a_channel_without_a_name_gets_one() -> None:
    assert make_image(PLANE, "CYX", Facts(channels=("DAPI", None)), FILE).channels == ("DAPI", "channel 2")
