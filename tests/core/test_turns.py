import numpy as np
import pytest

from napari_phenotrans.core.turns import TURNS, turned, turned_back

PIXELS = np.arange(2 * 3 * 5).reshape(2, 3, 5)


def test_all_turns_differ_and_the_first_is_none() -> None:
    square = PIXELS[:, :, :3]
    assert len({turned(square, number).tobytes() for number in range(TURNS)}) == TURNS
    np.testing.assert_array_equal(turned(PIXELS, 0), PIXELS)
    np.testing.assert_array_equal(turned(PIXELS, 1), PIXELS[:, ::-1])
    assert turned(PIXELS, 4).shape == (2, 5, 3)


@pytest.mark.parametrize("number", range(TURNS))
def test_there_and_back_is_the_identity(number: int) -> None:
    back = turned_back(turned(PIXELS, number), number)
    np.testing.assert_array_equal(back, PIXELS)
    assert back.flags.c_contiguous
