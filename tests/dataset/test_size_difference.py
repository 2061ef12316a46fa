"""Nuclei that differ in size, and what an engine that keeps them can show of it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from napari_phenotrans.dataset.channel_differences import explain_kept
from napari_phenotrans.dataset.dataset import Field
from napari_phenotrans.dataset.field_stats import Survey, measure_nuclei
from napari_phenotrans.dataset.size_difference import SizeDifference, size_differences
from napari_phenotrans.dataset.synthetic import organoid
from napari_phenotrans.io import read
from napari_phenotrans.io.samples import SAMPLES

CONDITIONS = ("healthy", "sick")


def surveyed(condition: str, group: str, diameter: float, names: tuple[str, ...] = ("GFP", "DAPI")) -> Survey:
    field = Field(Path(f"{condition}/{group}.tif"), condition, group)
    return Survey(field, names=names, pixel_size_um=0.5, nuclei=np.full(6, diameter), alone=0.8)


def plate(larger: float, groups: int = 4, names: tuple[str, ...] = ("GFP", "DAPI")) -> list[Survey]:
    return [
        surveyed(condition, f"{condition}{number}", diameter * (1 + 0.005 * number), names)
        for condition, diameter in zip(CONDITIONS, (20.0, 20.0 * larger), strict=True)
        for number in range(groups)
    ]


def test_larger_nuclei_are_said_and_not_shown_where_they_are_kept() -> None:
    (found,) = size_differences(CONDITIONS, plate(1.2))
    assert (found.channel, found.larger, found.smaller, found.groups) == ("DAPI", "sick", "healthy", (4, 4))
    assert found.by == pytest.approx(0.44)
    assert str(found) == "Nuclei of sick are 44 % larger in area than those of healthy (4 groups and 4 groups)"
    assert found.hidden_by(["GFP"]) == ""
    assert found.hidden_by(["DAPI"]).endswith(": with DAPI kept, this engine does not show size.")
    assert explain_kept((), ("DAPI",), (found,)).endswith("this engine does not show size.")
    assert "size" not in explain_kept((), ("GFP",), (found,))
    # whichever of them comes first
    assert size_differences(CONDITIONS[::-1], plate(1.2)) == (found,)
    (other,) = size_differences(CONDITIONS, plate(1 / 1.2))
    assert isinstance(other, SizeDifference) and other.larger == "healthy"


def test_nothing_is_said_of_few_groups_small_differences_and_other_stains() -> None:
    assert size_differences(CONDITIONS, plate(1.2, groups=3)) == ()
    assert size_differences(CONDITIONS, plate(1.02)) == ()
    assert size_differences(CONDITIONS, plate(1.2, names=("GFP", "ZO1"))) == ()
    assert size_differences(CONDITIONS, []) == ()
    # one group that lies among the others is enough
    odd = [*plate(1.2), surveyed("sick", "small", 20.1)]
    assert size_differences(CONDITIONS, odd) == ()


def test_nothing_is_said_of_nuclei_that_touch_for_crowding_makes_them_seem_smaller() -> None:
    crowded = plate(1.2)
    for one in crowded[:4]:
        one.alone = 0.1
    assert size_differences(CONDITIONS, crowded) == ()
    # the disease of the synthetic organoids takes nuclei, and leaves the others as large as they were
    alone = [measure_nuclei(organoid(seed).image.plane(0, 0)[0])[1] for seed in range(2)]
    assert max(alone) < 0.2
    well = read(SAMPLES["bbbc013-untreated"].path)
    assert measure_nuclei(well.plane(0, 0)[0])[1] > 0.7
