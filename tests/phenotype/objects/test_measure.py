from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import numpy as np
import pytest

from napari_phenotrans.core.errors import InputError
from napari_phenotrans.features.cache import Cache
from napari_phenotrans.phenotype.objects import catalog
from napari_phenotrans.phenotype.objects import measure as measurements
from napari_phenotrans.phenotype.objects.measure import MeasuredPlane, Scale, measure
from napari_phenotrans.phenotype.objects.measure_cached import Measuring
from napari_phenotrans.phenotype.objects.measure_pool import MeasurePool
from napari_phenotrans.phenotype.objects.measure_process import Way
from napari_phenotrans.phenotype.objects.segmentation import ObjectAppearance, scikit_image_finder

if TYPE_CHECKING:
    from pathlib import Path

pytest.importorskip("cp_measure", reason="the extra 'report' is not installed")

CHANNELS = ("DNA", "GFP")
SCALE = Scale((0.0, 0.0), (255.0, 255.0), 10.0)


def column(found: MeasuredPlane, words: str) -> np.ndarray:
    return found.values[:, [m.words for m in found.columns].index(words)]


@pytest.fixture
def labels(make_cells) -> np.ndarray:
    look = ObjectAppearance.of([make_cells(seed)[0] for seed in range(3)])
    return scikit_image_finder(look)(make_cells()[0].astype(np.float32))


@pytest.fixture
def measured(make_cells, labels: np.ndarray) -> MeasuredPlane:
    return measure(make_cells(), labels, CHANNELS, SCALE)


def test_what_the_issue_names_is_measured(measured: MeasuredPlane) -> None:
    families = {m.family for m in measured.columns}
    assert families == {
        "intensity", "ratio", "texture", "granularity", "radial", "correlation", "shape", "neighbors",
    }  # fmt: skip
    for family in ("intensity", "texture", "granularity"):
        seen = {(m.channel, m.compartment) for m in measured.columns if m.family == family}
        assert seen == {(c, where) for c in CHANNELS for where in ("nucleus", "ring")}
    keys = [m.key for m in measured.columns]
    assert len(set(keys)) == len(keys) == len({m.words for m in measured.columns})
    assert np.isfinite(measured.values).all()


def test_intensities_are_shares_of_the_range_in_their_compartment(make_cells, measured: MeasuredPlane, labels) -> None:
    plane = make_cells().astype(float) / 255
    expected = [plane[0][labels == label].mean() for label in measured.labels]
    np.testing.assert_allclose(column(measured, "DNA, nucleus: mean intensity"), expected)
    # the stain of the source is around the nucleus
    assert (column(measured, "GFP, ring: mean intensity") > 2 * column(measured, "GFP, nucleus: mean intensity")).all()
    assert (column(measured, "GFP: nucleus over ring") < -0.5).all()


def test_nucleus_over_ring_turns_round_with_the_phenotype(make_cells, labels: np.ndarray) -> None:
    found = measure(make_cells(inside=True), labels, CHANNELS, SCALE)
    ratio = column(found, "GFP: nucleus over ring")
    assert (ratio > 0.5).all()
    assert catalog.ratio("GFP").log


def test_a_channel_without_signal_has_a_ratio_near_one(make_cells, labels: np.ndarray) -> None:
    ratio = column(measure(make_cells(gain=0), labels, CHANNELS, SCALE), "GFP: nucleus over ring")
    assert np.abs(ratio).max() < 0.3


def test_shape_is_in_micrometers_where_these_are_known(make_cells, labels: np.ndarray, measured: MeasuredPlane) -> None:
    known = measure(make_cells(), labels, CHANNELS, Scale((0.0, 0.0), (255.0, 255.0), 10.0, 0.5))
    areas = np.bincount(labels.ravel())[measured.labels]
    np.testing.assert_allclose(column(measured, "nucleus: area"), areas)
    np.testing.assert_allclose(column(known, "nucleus: area"), areas / 4)
    units = {m.words: m.unit for m in known.columns}
    assert units["nucleus: area"] == "µm²"
    assert units["distance to the nearest neighbor"] == "µm"


def test_objects_at_the_border_are_neighbors_but_not_measured() -> None:
    labels = np.zeros((60, 60), np.int32)
    labels[0:8, 5:13], labels[12:20, 5:13], labels[40:48, 40:48] = 1, 2, 3
    found = measure(np.full((2, 60, 60), 100.0), labels, CHANNELS, Scale((0.0, 0.0), (255.0, 255.0), 8.0))
    assert found.labels.tolist() == [2, 3]
    assert column(found, "neighbors within one diameter").tolist() == [1, 0]
    np.testing.assert_allclose(found.centers, [[15.5, 8.5], [43.5, 43.5]])


def test_an_object_without_room_for_a_ring_has_none_of_its_measurements() -> None:
    # the last label is walled in by the others
    order = np.array([[1, 2, 3], [4, 9, 5], [6, 7, 8]], np.int32)
    labels = np.pad(np.kron(order, np.ones((8, 8), np.int32)), 12)
    found = measure(np.full((2, 48, 48), 100.0), labels, CHANNELS, Scale((0.0, 0.0), (255.0, 255.0), 8.0))
    assert np.isnan(column(found, "GFP, ring: mean intensity")[-1])
    assert np.isnan(column(found, "GFP: nucleus over ring")[-1])
    assert np.isfinite(column(found, "GFP: nucleus over ring")[:-1]).all()
    assert np.isfinite(column(found, "GFP, nucleus: mean intensity")).all()


def test_what_has_fewer_than_ten_pixels_is_left_out(monkeypatch: pytest.MonkeyPatch) -> None:
    labels = np.zeros((40, 40), np.int32)
    labels[10:18, 10:18], labels[30, 30:39] = 1, 2
    ring = np.zeros((40, 40), np.int32)
    ring[25, 10] = 1  # no spread, no correlation
    monkeypatch.setattr(measurements, "rings", lambda *_: ring)
    found = measure(np.full((2, 40, 40), 100.0), labels, CHANNELS, Scale((0.0, 0.0), (255.0, 255.0), 8.0))
    assert found.labels.tolist() == [1]
    assert np.isnan(column(found, "GFP, ring: mean intensity")).all()


def test_labels_may_have_gaps(make_cells, labels: np.ndarray, measured: MeasuredPlane) -> None:
    spread = np.where(labels > 0, 3 * labels + 40, 0)
    found = measure(make_cells(), spread, CHANNELS, SCALE)
    assert found.labels.tolist() == (3 * measured.labels + 40).tolist()
    np.testing.assert_allclose(found.values, measured.values)


def test_a_plane_without_objects_has_a_background_all_the_same(make_cells) -> None:
    found = measure(make_cells(), np.zeros((72, 72), int), CHANNELS, SCALE)
    assert found.columns == ()
    values = {m.words: value for m, value in found.field.items()}
    assert values["GFP, whole field: background (5th percentile)"] == pytest.approx(8 / 255, abs=0.01)


def test_whole_crops_have_neither_shape_nor_ring(make_cells) -> None:
    labels = np.kron(np.arange(1, 10, dtype=np.int32).reshape(3, 3), np.ones((24, 24), np.int32))
    found = measure(make_cells(), labels, CHANNELS, SCALE, crops=True)
    assert {m.family for m in found.columns} == {"intensity", "texture", "granularity", "correlation"}
    assert {m.compartment for m in found.columns} == {"crop"}
    assert len(found.values) == 9


def test_without_the_library_a_sentence_says_what_to_install(make_cells, labels, monkeypatch) -> None:
    monkeypatch.setitem(sys.modules, "cp_measure.bulk", None)
    with pytest.raises(InputError, match=r"napari-phenotrans\[report\]"):
        measure(make_cells(), labels, CHANNELS, SCALE)


def test_what_was_measured_is_kept_by_content(make_cells, labels, tmp_path) -> None:
    calls = []

    def find(plane: np.ndarray) -> np.ndarray:
        calls.append(plane)
        return labels

    def measuring(scale: Scale = SCALE) -> Measuring:
        return Measuring(Way(CHANNELS, scale, 0, None, 32), find, "stand-in", Cache(tmp_path), lambda: None)

    _, first = measuring()(make_cells())
    objects, again = measuring()(make_cells())
    assert len(calls) == 1
    np.testing.assert_array_equal(objects, labels)
    np.testing.assert_array_equal(again.values, first.values)
    assert again.columns == first.columns
    assert again.field == first.field
    brighter = make_cells() + np.uint8(1)
    measuring()(brighter)
    measuring(Scale((0.0, 0.0), (255.0, 255.0), 11.0))(make_cells())
    assert len(calls) == 3


class Asked(Exception):
    """The user wants no more."""


def test_processes_measure_what_this_one_does_and_end_with_the_report(make_cells, tmp_path: Path) -> None:
    planes = [make_cells(seed) for seed in range(3)]
    look = ObjectAppearance.of([plane[0] for plane in planes])
    way = Way(CHANNELS, Scale((0.0, 0.0), (255.0, 255.0), 10.0, 0.5), 0, look, 32)
    given = np.kron(np.arange(1, 10, dtype=np.int32).reshape(3, 3), np.ones((24, 24), np.int32))
    with Measuring(way, None, "a look", Cache(tmp_path), lambda: None, processes=1) as measuring:
        started = [measuring.start(plane) for plane in planes]
        # the same plane is measured once, whether it is there already or on its way
        assert measuring.start(planes[0]) is started[0] or started[0].done()
        found = [measuring.result(future) for future in started]
        _, of_given = measuring(planes[0], given)
        (child,) = measuring._pool._children
    assert child.poll() is not None
    for plane, (objects, values) in zip(planes, found, strict=True):
        expected_objects, expected = way(plane, None)
        np.testing.assert_array_equal(objects, expected_objects)
        np.testing.assert_array_equal(values.values, expected.values)
        assert (values.columns, values.field) == (expected.columns, expected.field)
    np.testing.assert_array_equal(of_given.values, way(planes[0], given)[1].values)
    assert len(list(tmp_path.iterdir())) == 4

    # nothing is waited for where the user wants no more
    def tick() -> None:
        if asked:
            raise Asked

    asked: list[int] = []
    with Measuring(way, None, "a look", Cache(), tick, processes=1) as measuring:
        future = measuring.start(planes[0])
        asked.append(1)
        with pytest.raises(Asked):
            measuring.result(future)


def test_a_process_that_dies_is_started_again_and_what_cannot_be_measured_is_said(make_cells) -> None:
    pool = MeasurePool(Way(CHANNELS, SCALE, 0, ObjectAppearance(10.0, 10.0, 30.0), 32), 1)
    try:
        assert len(pool.measure(make_cells(), None).result(60)["labels"])
        (first,) = pool._children
        first.kill()
        first.wait()
        assert len(pool.measure(make_cells(1), None).result(60)["labels"])
        with pytest.raises(InputError, match="last saying: IndexError"):
            pool.measure(make_cells()[:0], None).result(60)
    finally:
        pool.close()
    small = MeasurePool(Way(CHANNELS, SCALE, 0, None, 500), 1)
    try:
        with pytest.raises(InputError, match="does not fit into a field of 72 × 72"):
            small.measure(make_cells(), None).result(60)
    finally:
        small.close()
