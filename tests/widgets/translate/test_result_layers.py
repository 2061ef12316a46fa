from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from napari.components import ViewerModel
from napari.layers import Layer

from napari_phenotrans.core.errors import InputError
from napari_phenotrans.core.image import Image
from napari_phenotrans.core.region import Region
from napari_phenotrans.io import provenance, read
from napari_phenotrans.translation.events import PlaneDone, TileDone
from napari_phenotrans.widgets.translate.result_layers import ResultLayers, planes_done
from napari_phenotrans.widgets.viewer.layers import info, layer_data, to_image
from napari_phenotrans.widgets.viewer.plane_storage import PlaneStorage, StorageLimits, needs_folder
from napari_phenotrans.widgets.viewer.result_planes import ResultFile, ResultPlanes

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from napari.layers import Image as ImageLayer

RNG = np.random.default_rng(0)
HOW = {"checkpoint": "shift", "source": "untreated", "target": "drug", "strength": 1.0}
SIZES = {"T": 2, "Z": 3, "C": 2, "Y": 21, "X": 30}


@pytest.fixture
def viewer() -> ViewerModel:
    return ViewerModel()


@pytest.fixture
def add(viewer: ViewerModel) -> Callable[..., list[ImageLayer]]:
    """Return a function that adds an image's real layers."""

    def add_it(axes: str = "ZCYX", pixels: Any = None, path: Path | None = None) -> list[ImageLayer]:
        if pixels is None:
            pixels = RNG.integers(0, 200, [SIZES[a] for a in axes]).astype(np.uint8)
        image = Image(
            pixels,
            axes,
            ("DNA", "GFP"),
            pixel_size_um=0.5,
            unit="µm",
            z_step_um=2.0,
            frame_interval_s=9.0,
            colors=("#0000ff", "#ff8000"),
            path=path,
        )
        return [viewer.add_layer(Layer.create(*data)) for data in layer_data(image)]

    return add_it


# Everything is too large to exist whole, and squares are small enough for several per plane.
SMALL = StorageLimits(whole=100, side=16)


def plane_done(t: int, z: int, top: int = 0, left: int = 0, height: int = 21, width: int = 30) -> PlaneDone:
    translated = RNG.integers(1, 200, (2, height, width)).astype(np.uint8)
    return PlaneDone(t, z, translated, RNG.normal(5, 9, translated.shape).astype(np.float32), (0, 0), 1, 1, top, left)


def tile_done(t: int, z: int, top: int, left: int) -> TileDone:
    return TileDone(t, z, top, left, RNG.integers(1, 200, (2, 5, 7)).astype(np.uint8), 1, 1)


@pytest.mark.parametrize("axes", ["CYX", "CXY", "YXC", "TZCYX", "ZTCXY"])
@pytest.mark.parametrize("whole", [True, False])
def test_planes_and_regions_land_where_they_belong(
    axes: str, whole: bool, viewer: ViewerModel, add: Callable[..., Any]
) -> None:
    results = ResultLayers(viewer, add(axes), dict(HOW), limits=None if whole else SMALL)
    translated = to_image([row.translated for row in results.rows], ["DNA", "GFP"])
    difference = to_image([row.difference for row in results.rows], ["DNA", "GFP"])
    t, z = (1 if "T" in axes else 0), (2 if "Z" in axes else 0)
    plane, region, tile = plane_done(t, z), plane_done(0, 0, 4, 9, 11, 13), tile_done(t, z, 3, 4)
    results.add_tile(tile, np.ones(tile.translated.shape, np.float32))
    np.testing.assert_array_equal(translated.plane(t, z)[:, 3:8, 4:11], tile.translated)
    assert difference.plane(t, z).sum() == tile.translated.size
    results.add_plane(plane)
    np.testing.assert_array_equal(translated.plane(t, z), plane.translated)
    np.testing.assert_array_equal(difference.plane(t, z), plane.difference)
    if (t, z) != (0, 0):
        results.add_plane(region)
        np.testing.assert_array_equal(translated.plane(0, 0)[:, 4:15, 9:22], region.translated)
        assert np.count_nonzero(translated.plane(0, 0)) == np.count_nonzero(region.translated)
        assert np.count_nonzero(difference.plane(0, 0)) == np.count_nonzero(region.difference)
        said = info(results.rows[1].difference)["provenance"]
        assert (said["planes"], said["regions"]) == ([(1, 2)], [(0, 0, 4, 9, 11, 13)])
        assert "1 of 6 planes (t=1 z=2), the region of 11 × 13 pixels at row 4, column 9 of t=0 z=0" in said["partial"]
        assert planes_done(results.rows) == {(0, 0), (1, 2)}
        results.add_plane(plane_done(0, 0))
        assert info(results.rows[0].translated)["provenance"]["regions"] == []
    else:
        assert "partial" not in info(results.rows[0].translated)["provenance"]


@pytest.mark.parametrize("folder", [True, False])
def test_another_recipe_takes_the_place_of_the_first_and_the_same_goes_on(
    folder: bool, viewer: ViewerModel, add: Callable[..., Any], tmp_path: Path
) -> None:
    reals, where = add(path=tmp_path / "well.ome.tif"), (tmp_path if folder else None)
    first = ResultLayers(viewer, reals, {**HOW, "date": "1"}, where, limits=SMALL)
    first.add_plane(plane_done(0, 0))
    layers = first.rows[0].layers
    again = ResultLayers(viewer, reals, {**HOW, "date": "2"}, where, limits=SMALL)
    paths = again.paths
    assert paths == first.paths
    done = plane_done(0, 1)
    again.add_plane(done)
    assert again.rows[0].layers == layers
    assert info(layers[1])["provenance"]["planes"] == [(0, 0), (0, 1)]
    assert np.asarray(layers[1].data[0]).any()
    again.wait()
    other = ResultLayers(viewer, reals, {**HOW, "strength": 0.5}, where, limits=SMALL)
    assert other.rows[0].layers == layers
    assert info(layers[1])["provenance"]["planes"] == []
    if not folder:
        # what was there stays in sight until something takes its place, and nothing of it is left in the end
        np.testing.assert_array_equal(layers[1].data[1], done.translated[0])
        new = plane_done(0, 0)
        other.add_plane(new)
        assert not other.settle()
        np.testing.assert_array_equal(layers[1].data[0], new.translated[0])
        assert not np.asarray(layers[1].data[1]).any()
    else:
        assert not np.asarray(layers[1].data).any()
        assert paths != other.paths
        np.testing.assert_array_equal(read(paths[0]).plane(z=1), done.translated)


def look(viewer: ViewerModel, reals: Any, strength: float) -> ResultLayers:
    """Return layers of a look at a crop with another strength."""
    return ResultLayers(viewer, reals, {**HOW, "strength": strength}, limits=SMALL, preview=True)


@pytest.mark.parametrize("whole", [True, False])
def test_what_is_finished_comes_back(whole: bool, viewer: ViewerModel, add: Callable[..., Any]) -> None:
    reals, limits = add(), None if whole else SMALL
    first = ResultLayers(viewer, reals, dict(HOW), limits=limits)
    done = plane_done(0, 0)
    first.add_plane(done)
    translated, difference = first.rows[0].translated, first.rows[0].difference
    before = info(translated), translated.name, tuple(difference.contrast_limits)

    # where another translation stops before a plane is whole
    other = ResultLayers(viewer, reals, {**HOW, "strength": 0.5, "target": "other"}, limits=limits)
    assert "other" in translated.name
    tile = tile_done(0, 0, 3, 4)
    other.add_tile(tile, np.ones(tile.translated.shape, np.float32))
    np.testing.assert_array_equal(translated.data[0, 3:8, 4:11], tile.translated[0])
    assert other.settle()
    np.testing.assert_array_equal(translated.data[0], done.translated[0])
    np.testing.assert_array_equal(difference.data[0], done.difference[0])
    assert (info(translated), translated.name, tuple(difference.contrast_limits)) == before

    # after any number of looks at a crop
    for strength in (0.5, 0.25):
        covering = look(viewer, reals, strength)
        region = plane_done(0, 0, 4, 9, 11, 13)
        covering.add_plane(region)
        np.testing.assert_array_equal(translated.data[0, 4:15, 9:22], region.translated[0])
        assert covering.covers
        assert info(translated) == before[0]
        assert covering.settle()
        np.testing.assert_array_equal(translated.data[0], done.translated[0])
        np.testing.assert_array_equal(difference.data[0], done.difference[0])


def test_a_look_takes_the_place_of_a_look(viewer: ViewerModel, add: Callable[..., Any]) -> None:
    reals = add()
    first = ResultLayers(viewer, reals, {**HOW, "preview": True}, limits=SMALL, preview=True)
    first.add_plane(plane_done(0, 0, 0, 0, 5, 6))
    second = ResultLayers(viewer, reals, {**HOW, "strength": 0.5, "preview": True}, limits=SMALL, preview=True)
    region = plane_done(0, 0, 4, 9, 11, 13)
    second.add_plane(region)
    assert not second.covers
    assert not second.settle()
    translated = np.asarray(second.rows[0].translated.data[0])
    np.testing.assert_array_equal(translated[4:15, 9:22], region.translated[0])
    assert np.count_nonzero(translated) == region.translated[0].size
    assert info(second.rows[0].translated)["provenance"]["regions"] == [(0, 0, 4, 9, 11, 13)]


def test_large_results_are_an_ome_zarr(viewer: ViewerModel, add: Callable[..., Any], tmp_path: Path) -> None:
    reals = add("TZCYX", path=tmp_path / "well.ome.tif")
    results = ResultLayers(viewer, reals, dict(HOW), tmp_path / "out", limits=SMALL)
    assert [path.name for path in results.paths] == ["well_translated.ome.zarr", "well_difference.ome.zarr"]
    assert provenance(results.paths[0])["partial"].startswith("Translated in part: 0 of 6 planes")
    done = {place: plane_done(*place) for place in to_image(reals, ["DNA", "GFP"]).positions()}
    for tile in (tile_done(0, 1, 3, 4), tile_done(0, 1, 10, 20)):
        results.add_tile(tile, tile.translated.astype(np.float32))
    for number, plane in enumerate(done.values(), start=1):
        results.add_plane(plane)
        results.wait()
        files = [read(path) for path in results.paths]
        assert ("partial" in provenance(results.paths[0])) == (number < 6)
        assert any("Translated in part" in note for note in files[0].notes) == (number < 6)
        for kept_plane in list(done.values())[:number]:
            place = kept_plane.t, kept_plane.z
            np.testing.assert_array_equal(files[0].plane(*place), kept_plane.translated)
            np.testing.assert_array_equal(files[1].plane(*place), kept_plane.difference)
            # what is on the disk is not held in memory, and shown all the same
            shown = results.rows[1].translated.data[place]
            np.testing.assert_array_equal(shown, kept_plane.translated[1])
    assert not results.rows[0].translated.data._squares
    results.add_notices(["mind this"])
    results.wait()
    for path, dtype, role in zip(results.paths, (np.uint8, np.float32), ("translated", "difference"), strict=True):
        image, said = read(path), provenance(path)
        assert (image.axes, image.channels, image.dtype) == ("TCZYX", ("DNA", "GFP"), dtype)
        assert (image.pixel_size_um, image.z_step_um, image.frame_interval_s) == (0.5, 2.0, 9.0)
        assert image.colors == ("#0000ff", "#ff8000")
        assert (said["target"], said["kind"], said["notices"]) == ("drug", role, '["mind this"]')
    assert results.problem == ""
    again = ResultLayers(
        viewer, add("TZCYX", path=tmp_path / "well.ome.tif"), dict(HOW), tmp_path / "out", limits=SMALL
    )
    assert [path.name for path in again.paths] == ["well (2)_translated.ome.zarr", "well (2)_difference.ome.zarr"]


def test_what_is_in_memory_moves_into_the_folder(viewer: ViewerModel, add: Callable[..., Any], tmp_path: Path) -> None:
    reals = add()
    before = ResultLayers(viewer, reals, dict(HOW), limits=SMALL)
    plane, region = plane_done(0, 2), plane_done(0, 0, 4, 9, 11, 13)
    before.add_plane(plane)
    before.add_plane(region)
    after = ResultLayers(viewer, reals, dict(HOW), tmp_path, limits=SMALL)
    after.wait()
    translated, difference = (read(path) for path in after.paths)
    np.testing.assert_array_equal(translated.plane(z=2), plane.translated)
    np.testing.assert_array_equal(difference.plane(z=2), plane.difference)
    np.testing.assert_array_equal(translated.plane(z=0)[:, 4:15, 9:22], region.translated)
    assert info(after.rows[0].translated)["provenance"]["planes"] == [(0, 2)]


def test_a_disk_without_room_is_said_and_loses_nothing(
    viewer: ViewerModel, add: Callable[..., Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    results = ResultLayers(viewer, add(), dict(HOW), tmp_path, limits=SMALL)

    def full(*_: Any) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(ResultFile, "put", full)
    plane = plane_done(0, 1)
    results.add_plane(plane)
    results.wait()
    assert "No space left on device" in results.problem
    np.testing.assert_array_equal(results.rows[0].translated.data[1], plane.translated[0])
    (tmp_path / "file").touch()
    with pytest.raises(InputError, match="Choose a folder"):
        ResultLayers(viewer, add(), dict(HOW), tmp_path / "file" / "in it")


def test_lazy_pixels_are_not_read_for_results(viewer: ViewerModel, add: Callable[..., Any], tmp_path: Path) -> None:
    read_so_far = 0

    class Counted:
        shape, dtype, ndim = (2, 50, 64, 64), np.dtype(np.uint16), 4

        def __getitem__(self, index: Any) -> np.ndarray:
            nonlocal read_so_far
            part = np.broadcast_to(np.uint16(7), self.shape)[index]
            read_so_far += part.size
            return part

    reals = [viewer.add_image(Counted(), contrast_limits=(0, 9), axis_labels="tzyx")]
    shown = read_so_far
    results = ResultLayers(viewer, reals, dict(HOW), tmp_path, limits=SMALL)
    plane = plane_done(1, 30, 0, 0, 64, 64)
    one = PlaneDone(1, 30, plane.translated[:1], plane.difference[:1], (0,), 1, 1)
    results.add_plane(one)
    results.refresh()
    results.add_notices([])
    results.wait()
    assert read_so_far == shown <= 3 * 64 * 64
    np.testing.assert_array_equal(results.rows[0].translated.data[1, 30], one.translated[0])


def test_which_results_need_a_folder() -> None:
    image = Image(np.zeros((4, 2, 10, 10), np.uint8), "ZCYX")
    assert not needs_folder(image, whole=4 * 2 * 100 * 5)
    whole = 4 * 2 * 100 * 5 - 1
    assert needs_folder(image, whole=whole)
    assert not needs_folder(image, planes=3, whole=whole)
    assert needs_folder(image, planes=9, whole=whole)
    assert not needs_folder(image, region=Region(0, 0, 10, 9), whole=whole)


def test_what_is_held_already_counts(viewer: ViewerModel, add: Callable[..., Any], tmp_path: Path) -> None:
    reals = add()
    image = to_image(reals, ["DNA", "GFP"])
    results = ResultLayers(viewer, reals, dict(HOW), limits=SMALL)
    made = [layer for row in results.rows for layer in row.layers[1:]]
    whole = 2 * 21 * 30 * 5
    assert not needs_folder(image, planes=1, made=made, whole=whole)
    results.add_plane(plane_done(0, 0))
    assert needs_folder(image, planes=1, made=made, whole=whole)
    results = ResultLayers(viewer, reals, dict(HOW), tmp_path, limits=SMALL)
    assert not needs_folder(image, made=made, whole=whole)
    # and stay in that folder
    other = ResultLayers(viewer, reals, {**HOW, "strength": 0.5}, limits=SMALL)
    assert {path.parent for path in other.paths} == {tmp_path}
    other.wait()


def test_kept_pixels_are_sliced_like_numpys() -> None:
    pixels, same = ResultPlanes((2, 3, 21, 30), np.uint8, "TZYX", side=SMALL.side), np.zeros((2, 3, 21, 30), np.uint8)
    for t, z, top, left in ((0, 1, 0, 0), (1, 2, 13, 20), (1, 2, 7, 5)):
        values = RNG.integers(1, 200, (8, 10)).astype(np.uint8)
        for array in (pixels, same):
            array[t, z, top : top + 8, left : left + 10] = values
    for key in (..., (1, 2), (1, slice(None), 3), (1, 2, 15, 24), (slice(None, None, -1), 2, slice(2, 20, 3), 25),
                (1, 2, slice(20, 4, -2)), (np.int64(0), 1, slice(3, 3))):  # fmt: skip
        np.testing.assert_array_equal(pixels[key], same[key])
    np.testing.assert_array_equal(np.asarray(pixels), same)


def test_large_results_want_y_and_x_last(viewer: ViewerModel) -> None:
    layer = viewer.add_image(np.zeros((20, 30, 4), np.uint8), axis_labels="yxz")
    with pytest.raises(InputError, match="the layer's are YXZ"):
        PlaneStorage(layer, SMALL).zeros(np.uint8)


def test_the_colors_of_a_difference_end_at_round_numbers(viewer: ViewerModel, add: Callable[..., Any]) -> None:
    """Of others, such as 85, the color bar would show nothing but its zero."""
    results = ResultLayers(viewer, add("CYX"), dict(HOW))
    plane = plane_done(0, 0)
    for channel, largest in enumerate((85.0, 230.0)):
        plane.difference[channel] = -largest
    results.add_plane(plane)
    assert [tuple(row.difference.contrast_limits) for row in results.rows] == [(-100, 100), (-300, 300)]


def test_withdrawn_layers_are_those_that_were_made(viewer: ViewerModel, add: Callable[..., Any]) -> None:
    reals = add("CYX")
    first = ResultLayers(viewer, reals, dict(HOW))
    assert not first.filled
    first.withdraw()
    assert list(viewer.layers) == reals
    again = ResultLayers(viewer, reals, dict(HOW))
    again.add_plane(plane_done(0, 0))
    assert again.filled
    ResultLayers(viewer, reals, HOW | {"target": "other"}).withdraw()
    assert len(viewer.layers) == 6


def test_layers_may_come_one_by_one_while_tiles_do(viewer: ViewerModel, add: Callable[..., Any]) -> None:
    reals = add("CYX")
    results = ResultLayers(viewer, reals, dict(HOW), later=True)
    assert list(viewer.layers) == reals and not results.built
    results.build()
    assert list(viewer.layers) == [*reals, results.rows[0].translated]
    plane = plane_done(0, 0)
    results.add_plane(plane)
    results.refresh()
    # as what is there already, which a view may have hidden
    results.rows[0].translated.visible = False
    while not results.built:
        results.build()
    made = [layer for row in results.rows for layer in (row.translated, row.difference)]
    assert list(viewer.layers) == [*reals, *made]
    assert not any(layer.visible for layer in made)
    for channel, row in enumerate(results.rows):
        assert np.array_equal(row.translated.data, plane.translated[channel])
        assert np.array_equal(row.difference.data, plane.difference[channel])
        row.real.contrast_limits = (3, 33)
        assert list(row.translated.contrast_limits) == [3, 33]


def test_layers_that_are_still_to_come_do_not_come_after_all(viewer: ViewerModel, add: Callable[..., Any]) -> None:
    reals = add("CYX")
    results = ResultLayers(viewer, reals, dict(HOW), later=True)
    results.build()
    viewer.layers.remove(reals[1])
    while not results.built:
        results.build()
    assert list(viewer.layers) == [reals[0], results.rows[0].translated, results.rows[0].difference]
    other = ResultLayers(viewer, add("CYX"), dict(HOW), later=True)
    other.build()
    other.withdraw()
    assert other.built and len(viewer.layers) == 5


def test_large_planes_are_drawn_layer_by_layer(viewer: ViewerModel, add: Callable[..., Any]) -> None:
    results = ResultLayers(viewer, add("CYX"), dict(HOW))
    drawn: list[str] = []
    for layer in viewer.layers:
        layer.events.set_data.connect(lambda event: drawn.append(event.source.name))
    results.add_plane(plane_done(0, 0))
    assert not results.refresh()
    assert len(drawn) == 4
    drawn.clear()
    results.add_plane(plane_done(0, 0))
    for count in (1, 2, 3):
        assert results.refresh(at_once=21 * 30) and len(drawn) == count
    made = sorted(layer.name for row in results.rows for layer in row.layers[1:])
    pictured: list[str] = []
    for layer in viewer.layers:
        layer.events.thumbnail.connect(lambda event: pictured.append(event.source.name))
    # what was drawn is not drawn again with the small pictures, which come one by one
    assert results.refresh(last=True, at_once=21 * 30) and not pictured
    for count in (1, 2, 3):
        assert results.refresh(at_once=21 * 30) and len(pictured) == count
    assert not results.refresh()
    assert sorted(pictured) == sorted(drawn) == made


def test_the_provenance_may_change_on_the_way(viewer: ViewerModel, add: Callable[..., Any]) -> None:
    results = ResultLayers(viewer, add("CYX"), HOW | {"tile": 512})
    results.add_plane(plane_done(0, 0))
    results.replace_provenance(HOW | {"tile": 256})
    for row in results.rows:
        said = info(row.difference)["provenance"]
        assert said["tile"] == 256 and said["planes"] == [(0, 0)]
