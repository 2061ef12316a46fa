"""Fabricated tables, in which it is known what differs and what the engine changes."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest

from napari_phenotrans.core.errors import InputError
from napari_phenotrans.phenotype.statistics.verdicts import judge

if TYPE_CHECKING:
    from collections.abc import Callable

    from napari_phenotrans.phenotype.objects.tables import Table
    from napari_phenotrans.phenotype.statistics.effects import Effect, Effects

OBJECTS, COLUMNS = 40, 8


def rows(seed: int, shift: dict[int, float] | None = None, columns: int = COLUMNS) -> np.ndarray:
    """Objects of one group: spread 1 between objects, 0.15 between groups."""
    rng = np.random.default_rng(seed)
    values = rng.normal(size=(OBJECTS, columns)) + rng.normal(scale=0.15, size=columns)
    for column, by in (shift or {}).items():
        values[:, column] += by
    return values


@pytest.fixture
def make_tables(make_table) -> Callable[..., dict[str, Table]]:
    def build(
        real: dict[int, float],
        made: dict[int, float],
        error: dict[int, float] | None = None,
        groups: int = 8,
        translated: int | None = None,
    ) -> dict[str, Table]:
        source = {f"s{i}": rows(i) for i in range(groups)}
        target = {f"t{i}": rows(100 + i, real) for i in range(groups)}

        def changed(some: dict[str, np.ndarray], by: dict[int, float]) -> dict[str, np.ndarray]:
            return {name: values + [by.get(c, 0) for c in range(COLUMNS)] for name, values in some.items()}

        few = dict(list(source.items())[: translated or groups])
        return {
            "source": make_table(source),
            "target": make_table(target),
            "translated": make_table(changed(few, made)),
            "source again": make_table(changed(few, error or {})),
            "target again": make_table(target),
        }

    return build


def of(effects: Effects, column: int) -> Effect:
    return next(row for row in effects.rows if row.measurement.key == f"m{column}")


def test_each_measurement_gets_its_verdict(make_tables) -> None:
    real = {0: 3.0, 1: 3.0, 2: 3.0, 3: 3.0}
    made = {0: 2.5, 1: -2.0, 2: 0.3, 3: 2.0, 4: 2.0, 5: 0.05}
    effects = judge(make_tables(real, made, error={3: 1.9}))
    verdicts = {column: of(effects, column).verdict for column in range(COLUMNS)}
    assert verdicts == {
        0: "reproduced", 1: "wrong way", 2: "missed", 3: "within error", 4: "suspected invention", 5: "unchanged",
        6: "unchanged", 7: "unchanged",
    }  # fmt: skip
    assert effects.real_tested
    assert effects.made_tested
    assert [row.measurement.key for row in effects.differing] == [r.measurement.key for r in effects.rows[:4]]


def test_sizes_are_in_spreads_and_each_group_is_compared_with_itself(make_tables) -> None:
    effect = of(judge(make_tables({0: 3.0}, {0: 2.5}, error={0: -0.2})), 0)
    assert effect.real_sd == pytest.approx(3, abs=0.3)
    assert effect.made == pytest.approx(2.5)
    assert (effect.made_low, effect.made_high) == pytest.approx((2.5, 2.5))  # the same in every group
    assert effect.error == pytest.approx(0.2)
    assert effect.gap.value == pytest.approx(2.5 / 3, abs=0.1)
    assert effect.gap.low < effect.gap.value < effect.gap.high
    assert 0.8 < effect.gap_floor <= 1


def test_a_change_that_reality_may_share_is_no_invention(make_tables) -> None:
    # a real difference that is there, but too small for so few groups
    effects = judge(make_tables({0: 0.3}, {0: 1.5}, groups=5))
    assert not of(effects, 0).differs
    real = of(effects, 0)
    inside = abs(real.made - real.real) <= effects.real.critical * effects.real.error[0]
    assert of(effects, 0).verdict == ("open" if inside else "suspected invention")


def test_an_engine_is_no_surer_than_the_groups_that_it_knows(make_tables) -> None:
    """The same small change in every group is nothing but what two halves of one condition differ by."""
    effects = judge(make_tables({}, {0: 0.15}))
    effect = of(effects, 0)
    assert effect.made_low == pytest.approx(0.15)
    assert effect.verdict == "unchanged"
    assert effect.margin >= effects.floor.bar * effect.spread * 0.99


def test_with_few_groups_there_are_sizes_and_no_verdicts(make_tables) -> None:
    effects = judge(make_tables({0: 3.0}, {0: 3.0}, groups=4))
    assert not effects.real_tested
    first = effects.rows[0]
    assert first.measurement.key == "m0"
    assert (first.real_p, first.real_low, first.made_p, first.margin) == (None, None, None, None)
    assert first.gap.value > 0.7
    assert first.gap.low is None
    assert {row.verdict for row in effects.rows} == {"not tested"}


def test_few_translated_groups_leave_reality_tested(make_tables) -> None:
    effects = judge(make_tables({0: 3.0}, {0: 3.0}, translated=2))
    assert effects.differing
    assert not effects.made_tested
    assert of(effects, 0).gap.low is None
    assert effects.translated_groups == ("s0", "s1")


def test_what_says_the_same_is_folded_into_the_larger(make_table) -> None:
    def doubled(seed: int, by: float) -> np.ndarray:
        values = rows(seed, {0: by}, columns=3)
        values[:, 1] = 0.5 * values[:, 0] + np.random.default_rng(seed).normal(scale=0.1, size=OBJECTS)
        return values

    source = {f"s{i}": doubled(i, 0) for i in range(6)}
    target = {f"t{i}": doubled(50 + i, 3) for i in range(6)}
    tables = {"source": make_table(source), "target": make_table(target), "translated": make_table(source)}
    effects = judge(tables)
    assert of(effects, 1).like == "m0"
    assert [row.measurement.key for row in effects.like(of(effects, 0))] == ["m1"]
    assert of(effects, 2).like == ""
    assert "m1" not in {row.measurement.key for row in effects.leading}


def test_groups_with_both_conditions_are_compared_with_themselves(make_table) -> None:
    own = {i: np.random.default_rng(i).normal(scale=5, size=COLUMNS) for i in range(7)}
    source = {f"p{i}": rows(i) + own[i] for i in range(7)}
    target = {f"p{i}": rows(100 + i, {0: 1.5}) + own[i] for i in range(7)} | {"alone": rows(5)}
    tables = {"source": make_table(source), "target": make_table(target), "translated": make_table(source)}
    effects = judge(tables)
    assert effects.real.paired
    assert [row.measurement.key for row in effects.differing][:1] == ["m0"]
    assert "alone" not in effects.target_groups
    assert any("compared with themselves" in note and "alone" in note for note in effects.notes)


def test_measurements_that_cannot_be_compared_are_named(make_tables) -> None:
    tables = make_tables({0: 3.0}, {})
    for table in tables.values():
        table.values[:, 6] = 4.0
    tables["source"].values[tables["source"].groups == "s1", 7] = np.nan
    effects = judge(tables)
    assert effects.left_out == {"measurement 6": "the same everywhere", "measurement 7": "not measured in all groups"}
    assert len(effects.rows) == COLUMNS - 2 + 1  # and that of the field


def test_objects_that_are_all_alike_but_for_rounding_are_compared_in_nothing(make_tables) -> None:
    tables = make_tables({0: 3.0}, {})
    for number, table in enumerate(tables.values()):
        noise = np.random.default_rng(number).choice([-1e-15, 1e-15], table.values.shape)
        table.values[:] = 4.0 + number + noise
        table.plane_values[:] = 1.0
    with pytest.raises(InputError, match="All objects of a condition are alike in every measurement"):
        judge(tables)
    for table in tables.values():
        table.values[:, 2] = rows(3, columns=1)[np.arange(len(table.values)) % OBJECTS, 0]
    assert [row.measurement.key for row in judge(tables).rows] == ["m2"]


def test_groups_without_objects_are_left_out_and_said(make_tables) -> None:
    tables = make_tables({0: 3.0}, {})
    tables["target"].values[tables["target"].groups == "t0"] = np.nan
    effects = judge(tables)
    assert "t0" not in effects.target_groups
    assert any("fewer than 5 objects" in note and "t0" in note for note in effects.notes)
    tables["target"].values[:] = np.nan
    with pytest.raises(InputError, match="No group of the real target"):
        judge(tables)


def test_a_translation_without_nuclei_is_no_translation_without_effect(make_tables) -> None:
    tables = make_tables({0: 3.0}, {})
    erased = tables["translated"]
    erased.values[erased.groups == "s0"] = np.nan
    assert of(judge(tables), 0).made == pytest.approx(0)
    erased.values[:] = np.nan
    left_out = judge(tables).left_out
    assert left_out["measurement 0"] == "not measured in translated images"


def test_gap_closed_is_told_apart_by_what_training_saw(make_tables) -> None:
    from dataclasses import replace

    tables = make_tables({0: 3.0}, {0: 2.5})
    made = tables["translated"]
    places = tuple(replace(place, seen=place.group in ("s0", "s1")) for place in made.places)
    tables["translated"] = replace(made, places=places)
    effect = of(judge(tables), 0)
    assert effect.gap_seen is not None
    assert effect.gap_held_out.value != effect.gap_seen.value


def test_a_measurement_that_one_group_alone_has_keeps_its_row_without_a_floor(make_table) -> None:
    source, target = (
        {f"{side}{i}": rows(i + first, columns=24) for i in range(4)} for side, first in zip("st", (0, 50), strict=True)
    )
    for groups in (source, target):
        for name, values in groups.items():
            # half of the target is in this measurement as the source is
            values[:, 0] = name == "t3"
    tables = {role: make_table(some) for role, some in (("source", source), ("target", target), ("translated", source))}
    row = of(judge(tables), 0)
    assert row.gap is not None and row.gap.value == pytest.approx(0)
    assert row.gap_floor is None
