import numpy as np
import pytest

from napari_phenotrans.core.image import Image
from napari_phenotrans.io.write_planes import as_text, halved, halvings, planes_of, rows_of


@pytest.mark.parametrize(("axes", "order"), [("TZCYX", "TZCYX"), ("ZYXC", "ZCYX"), ("XCY", "CYX"), ("CTYX", "TCYX")])
def test_planes_come_in_the_order_asked_for(axes: str, order: str) -> None:
    sizes = {"T": 2, "Z": 3, "C": 2, "Y": 4, "X": 5}
    pixels = np.arange(np.prod([sizes[a] for a in axes])).reshape([sizes[a] for a in axes])
    wanted = np.transpose(pixels, [axes.index(a) for a in order]).reshape(-1, 4, 5)
    np.testing.assert_array_equal(list(planes_of(Image(pixels, axes), order)), wanted)


def test_interleaved_pages_are_read_once() -> None:
    class Counting:
        shape, dtype, reads = (3, 4, 5, 2), np.dtype(np.uint8), 0

        def __getitem__(self, key: object) -> np.ndarray:
            self.reads += 1
            return np.zeros((4, 5, 2), np.uint8)

    pixels = Counting()
    assert len(list(planes_of(Image(pixels, "ZYXC"), "ZCYX"))) == 6
    assert pixels.reads == 3


def test_halving_averages_and_rounds() -> None:
    plane = np.array([[0, 1, 10], [2, 3, 20], [7, 7, 7]], np.uint8)
    np.testing.assert_array_equal(halved(plane, 1), [[2, 15], [7, 7]])
    np.testing.assert_array_equal(halved(plane, 0), plane)
    np.testing.assert_allclose(halved(plane.astype(np.float32), 1), [[1.5, 15], [7, 7]])
    assert halved(np.full((2, 2), 255, np.uint8), 1).tolist() == [[255]]
    assert halved(np.full((2, 2), True), 1).tolist() == [[True]]


def test_halvings_end_at_512() -> None:
    assert [halvings(Image(np.zeros((3, n)), "YX")) for n in (512, 513, 1025, 2049)] == [0, 1, 2, 3]


def test_provenance_is_text() -> None:
    assert as_text({"a": "x", "b": [1, 2], "c": None}) == {"a": "x", "b": "[1, 2]", "c": "null"}
    assert as_text(None) == {}


@pytest.mark.parametrize("level", [0, 1, 3])
@pytest.mark.parametrize("axes", ["ZCYX", "YXC", "XYZ"])
def test_rows_come_from_top_to_bottom_and_are_those_of_the_whole_plane(axes: str, level: int) -> None:
    sizes = {"Z": 2, "C": 2, "Y": 67, "X": 45}
    image = Image(np.random.default_rng(0).integers(0, 255, [sizes[a] for a in axes]).astype(np.uint16), axes)
    order = "".join(a for a in "ZC" if a in axes) + "YX"
    planes: dict[tuple[int, ...], list[np.ndarray]] = {}
    for position, first, rows in rows_of(image, order, level, 7, read_at_once=20):
        before = planes.setdefault(position, [])
        assert first == sum(map(len, before))
        assert len(rows) == 7 or first + len(rows) == -(-67 // 2**level)
        before.append(rows)
    for whole, rows in zip(planes_of(image, order), planes.values(), strict=True):
        np.testing.assert_array_equal(np.concatenate(rows), halved(whole, level))
