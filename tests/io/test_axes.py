from pathlib import Path

import pytest

from napari_phenotrans.core.errors import InputError
from napari_phenotrans.io.axes import settle

FILE = Path("well.tif")


@pytest.mark.parametrize(
    ("stated", "shape", "axes", "guessed"),
    [
        ("YX", (5, 7), "YX", False),
        ("TZCYX", (2, 3, 2, 5, 7), "TZCYX", False),
        ("YXS", (5, 7, 3), "YXC", False),
        ("SYX", (3, 5, 7), "CYX", False),
        ("TZYXS", (2, 3, 5, 7, 3), "TZYXC", False),
        ("EYX", (8, 5, 7), "CYX", False),
        ("IYX", (2, 5, 7), "CYX", True),
        ("IYX", (40, 5, 7), "ZYX", True),
        ("QQYX", (7, 3, 5, 7), "ZCYX", True),
        ("QQQYX", (4, 30, 2, 5, 7), "TZCYX", True),
        ("IYXS", (2, 5, 7, 3), "ZYXC", True),
        ("IZYX", (4, 9, 5, 7), "CZYX", True),
    ],
)
def test_stated_axes_are_mapped(stated: str, shape: tuple[int, ...], axes: str, guessed: bool) -> None:
    letters, notes = settle(FILE, stated, shape, None)
    assert letters == axes
    assert bool(notes) == guessed


def test_a_guess_is_told_with_how_to_say_otherwise() -> None:
    (note,) = settle(FILE, "IYX", (2, 5, 7), None)[1]
    assert "2 pages were taken as C" in note
    assert "axes are CYX" in note
    assert "--axes ZYX" in note


def test_said_axes_win() -> None:
    assert settle(FILE, "IYX", (2, 5, 7), "TYX") == ("TYX", ())
    assert settle(FILE, "TYX", (2, 5, 7), "ZYX") == ("ZYX", ())


@pytest.mark.parametrize("said", ["YX", "TZCYX", "CXX", "CYY", "ABC", "czy", "CZX"])
def test_said_axes_that_do_not_fit_are_refused_with_both(said: str) -> None:
    with pytest.raises(InputError) as error:
        settle(FILE, "IYX", (2, 5, 7), said)
    assert "well.tif holds the axes IYX with shape (2, 5, 7)" in str(error.value)
    assert repr(said) in str(error.value)
    assert "--axes CYX" in str(error.value)


@pytest.mark.parametrize(
    ("stated", "shape"),
    [
        ("HYX", (9, 5, 7)),
        ("CYXS", (2, 5, 7, 3)),
        ("CZX", (2, 5, 7)),
        ("IIIIYX", (2, 2, 2, 2, 5, 7)),
        ("PTZCYX", (1,) * 6),
    ],
)
def test_what_cannot_be_mapped_is_refused_with_the_files_axes(stated: str, shape: tuple[int, ...]) -> None:
    with pytest.raises(InputError, match=f"holds the axes {stated} with shape"):
        settle(FILE, stated, shape, None)
