from __future__ import annotations

import numpy as np
import pytest

from napari_phenotrans.phenotype.objects.catalog import Measurement
from napari_phenotrans.phenotype.objects.measure import MeasuredPlane
from napari_phenotrans.phenotype.objects.tables import Place, Table, densities, positive_threshold

MEAN = Measurement("Intensity_MeanIntensity_PH3_nucleus", "PH3, nucleus: mean intensity", "intensity", "PH3", "nucleus")
DARK = Measurement("Field_Background_PH3", "background", "field", per_field=True)


def plane(*values: float, dark: float = 0.1) -> MeasuredPlane:
    column = np.array(values).reshape(-1, 1)
    known = (MEAN,) if values else ()
    return MeasuredPlane(
        np.arange(len(values)), np.zeros((len(values), 2)), known, column[:, : len(known)], {DARK: dark}
    )


@pytest.fixture
def table() -> Table:
    places = [Place("c/1", "a", area=10_000), Place("c/2", "a", area=10_000), Place("c/3", "b", area=20_000)]
    planes = [plane(0.2, 0.2, 0.9), plane(), plane(0.3, 0.8, 0.9, 0.8, np.nan)]
    return Table.of(list(zip(places, planes, strict=True)), [MEAN])


def test_a_plane_without_objects_has_a_row_of_its_own(table: Table) -> None:
    assert table.values.shape == (8, 1)
    assert table.groups.tolist() == ["a"] * 3 + ["b"] * 5
    assert table.plane_rows()["objects"] == [3, 0, 5]
    values, groups = table.column(MEAN)
    assert len(values) == len(groups) == 7
    assert table.column(DARK)[1].tolist() == ["a", "a", "b"]


def test_a_group_is_the_mean_of_its_objects_where_there_are_five(table: Table) -> None:
    places = [Place("c/1", "a"), Place("c/2", "a"), Place("c/3", "b")]
    many = Table.of(list(zip(places, [plane(1, 2), plane(3, 4, 5), plane(1, 2, 3, 4)], strict=True)), [MEAN])
    means = many.by_group(5)
    assert means.names == ("a", "b")
    assert means.values[0, 0] == 3
    assert np.isnan(means.values[1, 0])  # four objects
    assert means.values[:, 1].tolist() == [0.1, 0.1]
    assert means.of_names(["b"]).values.shape == (1, 2)


def test_counts_are_per_area_and_positive_is_above_the_background(table: Table) -> None:
    found = {m.words: values for m, values in densities(table, {"PH3": 0.65}, 0.5).items()}
    np.testing.assert_allclose(found["nuclei per mm²"], [1200, 0, 1000])
    np.testing.assert_allclose(found["PH3-positive nuclei: share"], [1 / 3, 0, 3 / 5])
    np.testing.assert_allclose(found["PH3-positive nuclei per mm²"], [400, 0, 600])
    assert "nuclei per megapixel" in {m.words for m in densities(table, {}, None)}


def test_one_threshold_splits_the_objects_of_both_conditions(table: Table) -> None:
    threshold = positive_threshold([table, table], "PH3")
    assert 0.1 < threshold < 0.7
    assert positive_threshold([Table.of([(Place("c/1", "a"), plane(0.2, 0.2))], [MEAN])], "PH3") is None


def test_measurements_of_planes_can_be_added(table: Table) -> None:
    more = Measurement("x", "x", "field", per_field=True)
    assert table.with_planes({more: np.arange(3.0)}).column(more)[0].tolist() == [0, 1, 2]
    assert table.rows()["field"] == ["c/1"] * 3 + ["c/3"] * 5
