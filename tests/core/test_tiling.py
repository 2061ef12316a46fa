import itertools

import numpy as np
import pytest

from napari_phenotrans.core.region import Region
from napari_phenotrans.core.tiling import Blend, Tile, padded_size, plan

SIZES = [1, 7, 64, 65, 100, 128, 257]


@pytest.mark.parametrize(("height", "width"), list(itertools.product(SIZES, [1, 64, 131])))
@pytest.mark.parametrize(("tile", "overlap", "stride"), [(64, 16, 1), (64, 32, 4), (48, 0, 4), (64, 60, 1), (33, 9, 8)])
def test_cut_and_put_together_is_the_identity(height: int, width: int, tile: int, overlap: int, stride: int) -> None:
    height, width = padded_size(height, stride), padded_size(width, stride)
    plane = np.random.default_rng(0).normal(size=(2, height, width)).astype(np.float32)
    tiles = plan(height, width, tile=tile, overlap=overlap, stride=stride)
    blend = Blend(2, height, width, overlap)
    for index in np.random.default_rng(1).permutation(len(tiles)):
        blend.add(tiles[index], plane[:, *tiles[index].slices])
    np.testing.assert_allclose(blend.result(), plane, atol=1e-5)


def test_tiles_blend_to_the_same_values_in_any_order() -> None:
    rng = np.random.default_rng(0)
    tiles = plan(160, 140, tile=48, overlap=32, stride=4)
    # networks disagree where tiles overlap
    values = [rng.normal(size=(2, tile.height, tile.width)).astype(np.float32) for tile in tiles]
    results = []
    for order in (range(len(tiles)), rng.permutation(len(tiles)), rng.permutation(len(tiles))):
        blend = Blend(2, 160, 140, 32)
        for index in order:
            blend.add(tiles[index], values[index])
        results.append(blend.result())
    assert results[0].dtype == np.float32
    for result in results[1:]:
        np.testing.assert_array_equal(result, results[0])


@pytest.mark.parametrize("size", range(60, 200, 4))
def test_grid_keeps_the_stride_and_the_overlap(size: int) -> None:
    tiles = plan(size, size, tile=64, overlap=16, stride=4)
    assert all(tile.top % 4 == 0 and tile.left % 4 == 0 for tile in tiles)
    assert len({(tile.height, tile.width) for tile in tiles}) == 1
    tops = sorted({tile.top for tile in tiles})
    assert all(b - a <= 64 - 16 for a, b in itertools.pairwise(tops))
    assert tops[-1] + tiles[0].height == size


@pytest.mark.parametrize("size", [*range(60, 200, 4), 512, 700])
def test_tiles_that_may_be_smaller_cover_evenly(size: int) -> None:
    fixed = plan(size, 64, tile=64, overlap=16, stride=4)
    even = plan(size, 64, tile=64, overlap=16, stride=4, least=40)
    assert len(even) == len(fixed)
    assert {(tile.height % 4, tile.top % 4) for tile in even} == {(0, 0)}
    assert max(tile.bottom for tile in even) == size
    assert all(b.top <= a.bottom - 16 for a, b in itertools.pairwise(even))
    assert min(size, 40) <= even[0].height <= fixed[0].height
    # no more than a stride for each is computed in vain, or what the least side costs
    wasted = sum(tile.height for tile in even) - (size + 16 * (len(even) - 1))
    assert wasted < 4 * len(even) or even[0].height == 40


def test_cost_per_pixel_hardly_depends_on_the_size_of_the_plane() -> None:
    """With the usual tile and context, from 1k to 16k."""
    shares = []
    for size in (1024, 2048, 4096, 8192, 16384):
        tiles = plan(size, size, tile=512, overlap=96, stride=4, least=16)
        shares.append(sum(tile.height * tile.width for tile in tiles) / size**2)
    assert max(shares) / min(shares) < 1.1


def test_a_blend_that_moves_down_holds_the_rows_that_are_asked_for() -> None:
    plane = np.random.default_rng(0).normal(size=(2, 200, 120)).astype(np.float32)
    tiles = plan(200, 120, tile=48, overlap=16, stride=4)
    whole, moving = Blend(2, 200, 120, 16), Blend(2, 200, 120, 16, Region(0, 0, 64, 120))
    for tile in tiles:
        whole.add(tile, plane[:, *tile.slices])
        if tile.left == 0 and tile.top:
            moving.advance(tile.top - 8)
        moving.add(tile, plane[:, *tile.slices])
        seen = Region(max(tile.top - 8, 0), 3, 20, 100)
        np.testing.assert_array_equal(moving.read(seen), whole.read(seen))
    np.testing.assert_allclose(moving.read(Region(190, 0, 10, 120)), plane[:, 190:], atol=1e-5)


def test_squares_cover_a_region_once() -> None:
    region = Region(3, 5, 70, 41)
    times = np.zeros((100, 100), int)
    for square in region.squares(32):
        times[square.slices] += 1
    assert times.sum() == 70 * 41
    assert (times[region.slices] == 1).all()
    assert region.around(Region(0, 50, 4, 4)) == Region(0, 5, 73, 49)


def test_no_overlap_leaves_no_shared_pixels() -> None:
    assert len(plan(128, 128, tile=64, overlap=0)) == 4


def test_a_tile_is_silent_where_it_saw_its_own_padding() -> None:
    left, right = plan(64, 112, tile=64, overlap=16)
    blend = Blend(1, 64, 112, 16)
    blend.add(left, np.zeros((1, 64, 64)))
    blend.add(right, np.ones((1, 64, 64)))
    line = blend.result()[0, 32]
    assert (np.diff(line) >= 0).all()
    assert line[48:54].max() < 0.01
    assert line[58:64].min() > 0.99
    # between, squares of the sine of an eighth, three, five and seven eighths of a right angle
    assert line[54:58] == pytest.approx([0.0381, 0.3087, 0.6913, 0.9619], abs=1e-4)


def test_a_blend_that_moves_beyond_all_it_held_is_empty() -> None:
    blend = Blend(1, 200, 8, 0, Region(0, 0, 16, 8))
    blend.add(Tile(0, 0, 16, 8), np.ones((1, 16, 8)))
    blend.advance(100)
    assert not blend.read(Region(100, 0, 16, 8)).any()


def test_reading_before_all_tiles_came_gives_zeros_there() -> None:
    left, right = plan(64, 112, tile=64, overlap=16)
    blend = Blend(1, 64, 112, 16)
    blend.add(left, np.ones((1, 64, 64)))
    np.testing.assert_allclose(blend.read(left), 1)
    assert blend.read(right)[0, :, 16:].max() == 0
    with pytest.raises(AssertionError, match="do not cover"):
        blend.result()


def test_impossible_overlap_is_refused() -> None:
    with pytest.raises(ValueError, match="smaller than the tile"):
        plan(128, 128, tile=64, overlap=64)


@pytest.mark.parametrize("size", [(130, 128), (128, 130)])
def test_a_plane_that_is_not_padded_is_our_own_mistake(size: tuple[int, int]) -> None:
    with pytest.raises(AssertionError, match="pad the plane"):
        plan(*size, tile=64, overlap=16, stride=4)


def test_without_a_stride_any_size_will_do() -> None:
    tiles = plan(65, 7, tile=33, overlap=1)
    assert [(tile.top, tile.left, tile.height, tile.width) for tile in tiles] == [(0, 0, 33, 7), (32, 0, 33, 7)]


def test_a_blend_may_hold_a_part_that_begins_anywhere() -> None:
    blend = Blend(1, 64, 64, 0, Region(16, 24, 16, 32))
    blend.add(Tile(16, 24, 16, 32), np.arange(512, dtype=np.float32).reshape(1, 16, 32))
    assert blend.read(Region(20, 40, 1, 2)).tolist() == [[[4 * 32 + 16, 4 * 32 + 17]]]
