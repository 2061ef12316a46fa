"""What is real passes; every fault fails, and by the measure that is made for it."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import numpy as np
import pytest
from scipy import ndimage

from napari_phenotrans.core.errors import InputError
from napari_phenotrans.metrics.groups import Measured
from napari_phenotrans.metrics.picture import MEASURES, Gate, Limits, Verdict
from napari_phenotrans.metrics.picture.marker import find_objects

if TYPE_CHECKING:
    from collections.abc import Callable

    Fields = dict[str, list[np.ndarray]]

CHANNELS = ("DNA", "marker", "stain")


@pytest.fixture(scope="module")
def limits(real_fields: Fields) -> Limits:
    return Limits.fit(real_fields, CHANNELS)


@pytest.fixture(scope="module")
def gate(limits: Limits) -> Gate:
    return Gate(limits)


def judged(gate: Gate, real: Fields, change: Callable[[np.ndarray], np.ndarray], **said: object) -> Verdict:
    """Judge changed untreated fields as if they were translated untreated → untreated."""
    source = real["untreated"][:2]
    made = [change(each.astype(np.float64)) for each in source]
    return gate.judge(source, made, real["untreated"][2:], to="untreated", **said)  # type: ignore[arg-type]


def failed(verdict: Verdict) -> set[tuple[str, str]]:
    return {(row.channel, row.measure) for row in verdict.failed}


def test_it_learns_what_channels_are(limits: Limits) -> None:
    assert limits.nuclei == "DNA"
    assert "stain" in limits.unchanged
    assert "marker" in limits.shared["marker"]
    assert "marker" not in limits.shared["stain"]


@pytest.mark.parametrize("condition", ["untreated", "treated"])
def test_each_real_field_passes_against_the_others(gate: Gate, real_fields: Fields, condition: str) -> None:
    for index, one in enumerate(real_fields[condition]):
        others = real_fields[condition][:index] + real_fields[condition][index + 1 :]
        assert gate.judge(None, [one], others, to=condition).sentences[0].startswith("Passes")


def test_the_same_cells_in_the_other_condition_pass(
    gate: Gate, real_fields: Fields, draw_field: Callable[..., np.ndarray]
) -> None:
    source = [draw_field(seed) for seed in (40, 41, 42)]
    truth = [draw_field(seed, treated=True) for seed in (40, 41, 42)]
    verdict = gate.judge(source, truth, real_fields["treated"], to="treated", direction="untreated → treated")
    assert verdict.passed, verdict.sentences
    fates = verdict.row("marker", "half-gone").more
    assert (fates["gone"], fates["half"], fates["kept"]) == pytest.approx((0.5, 0, 0.5))


def test_what_is_returned_as_it_was_passes_but_changes_nothing(gate: Gate, real_fields: Fields) -> None:
    assert judged(gate, real_fields, lambda field: field).passed
    lazy = judged(gate, real_fields, lambda field: field, gaps={"marker": Measured(0.02, -0.1, 0.1)})
    assert lazy.sentences == ["marker: changes nothing that differs (gap closed 0.02, not told from 0)."]
    assert judged(gate, real_fields, lambda field: field, gaps={"marker": Measured(0.4, 0.2, 0.6)}).passed


def test_nuclei_that_moved(gate: Gate, real_fields: Fields) -> None:
    verdict = judged(gate, real_fields, lambda field: np.roll(field, 4, axis=2))
    assert ("DNA", "shift") in failed(verdict)
    assert verdict.row("DNA", "shift").value == pytest.approx(4, abs=0.5)
    assert "DNA: moves nuclei (all to one side, by 4.0 pixels)." in verdict.sentences


def test_nuclei_that_were_placed_anew(gate: Gate, real_fields: Fields, draw_field: Callable[..., np.ndarray]) -> None:
    source = real_fields["untreated"][:2]
    verdict = gate.judge(source, [draw_field(50), draw_field(51)], real_fields["untreated"][2:], to="untreated")
    assert ("DNA", "shift") in failed(verdict)


def test_a_checkerboard(gate: Gate, real_fields: Fields) -> None:
    board = np.where(np.indices(real_fields["untreated"][0].shape[1:]).sum(axis=0) % 2, 5.0, -5.0)
    verdict = judged(gate, real_fields, lambda field: field + board)
    assert {(name, "lattice") for name in CHANNELS} <= failed(verdict)


def test_blur_is_too_soft(gate: Gate, real_fields: Fields) -> None:
    verdict = judged(gate, real_fields, lambda field: ndimage.gaussian_filter(field, (0, 1, 1)))
    assert {(name, "spectrum") for name in CHANNELS} <= failed(verdict)
    assert any("too soft" in sentence for sentence in verdict.sentences)


def test_unsharp_masking_leaves_halos_and_is_too_sharp(gate: Gate, real_fields: Fields) -> None:
    verdict = judged(gate, real_fields, lambda field: field + 2 * (field - ndimage.gaussian_filter(field, (0, 3, 3))))
    assert {("DNA", "halo"), ("DNA", "spectrum")} <= failed(verdict)


def test_a_ring_around_nuclei(gate: Gate, real_fields: Fields) -> None:
    def ringed(field: np.ndarray) -> np.ndarray:
        away = ndimage.distance_transform_edt(ndimage.gaussian_filter(field[0], 1) < 400)
        return np.stack([field[0] + np.where((away >= 4) & (away <= 6), 80, 0), *field[1:]])

    verdict = judged(gate, real_fields, ringed)
    assert ("DNA", "ring") in failed(verdict)
    assert verdict.row("DNA", "ring").value > 0.8
    assert verdict.row("DNA", "ring").real < 0.3


def test_a_constant_offset(gate: Gate, real_fields: Fields) -> None:
    verdict = judged(gate, real_fields, lambda field: field + 40)
    assert failed(verdict) == {(name, "level") for name in CHANNELS}
    assert (
        "DNA: changes brightness only (100% of the change is one number, +40, added everywhere)." in verdict.sentences
    )


def test_a_pasted_nucleus_is_a_scar_where_nothing_should_change(gate: Gate, real_fields: Fields) -> None:
    def pasted(field: np.ndarray) -> np.ndarray:
        field = field.copy()
        field[0, 90:106, 2:14] = field[0, 12:28, 12:24]
        field[1, 90:106, 2:14] = field[0, 12:28, 12:24]
        return field

    verdict = judged(gate, real_fields, pasted)
    assert ("DNA", "scar") in failed(verdict)
    assert verdict.row("marker", "scar").why == "the condition acts on this channel: it may change"
    assert ("marker", "scar") in failed(judged(gate, real_fields, pasted, same=True))


def test_a_kept_channel_has_to_come_back_to_the_bit(gate: Gate, real_fields: Fields) -> None:
    assert judged(gate, real_fields, lambda field: field, kept=["stain"]).passed
    nearly = judged(gate, real_fields, lambda field: field + np.array([[[0]], [[0]], [[0.5]]]), kept=["stain"])
    assert failed(nearly) == {("stain", "scar")}


def in_objects(field: np.ndarray, limits: Limits, change: Callable[[np.ndarray, np.ndarray], np.ndarray]) -> np.ndarray:
    labels = find_objects(field[1], limits.shared["marker"]["marker"])
    depth = ndimage.distance_transform_edt(labels > 0)
    return np.stack([field[0], np.where(labels > 0, change(field[1], depth), field[1]), field[2]])


def test_half_gone_marker_objects(gate: Gate, real_fields: Fields, limits: Limits) -> None:
    verdict = judged(gate, real_fields, lambda f: in_objects(f, limits, lambda plane, _: 100 + 0.4 * (plane - 100)))
    assert ("marker", "half-gone") in failed(verdict)
    assert verdict.row("marker", "half-gone").more["half"] == 1


def test_hollow_marker_objects(gate: Gate, real_fields: Fields, limits: Limits) -> None:
    def hollow(plane: np.ndarray, depth: np.ndarray) -> np.ndarray:
        return np.where(depth > 5, 100 + 0.5 * (plane - 100), plane)

    verdict = judged(gate, real_fields, lambda field: in_objects(field, limits, hollow))
    assert ("marker", "hollow") in failed(verdict)
    assert verdict.row("marker", "hollow").value > 0.8


def test_what_is_not_a_number_fails(gate: Gate, real_fields: Fields) -> None:
    assert judged(gate, real_fields, lambda field: field * np.nan).sentences == [
        "all: holds values that are not numbers."
    ]


def test_no_nuclei_and_no_objects_are_said() -> None:
    rng = np.random.default_rng(0)
    empty = {name: [rng.normal(100, 5, (2, 96, 96)) for _ in range(3)] for name in ("a", "b")}
    limits = Limits.fit(empty, ("DNA", "marker"))
    assert limits.nuclei == ""
    verdict = Gate(limits).judge(empty["a"], [each + 0 for each in empty["a"]], empty["b"], to="b")
    assert verdict.row("DNA", "ring").why == "too few nuclei found"
    assert verdict.row("marker", "half-gone").why == "no marker objects in this channel"
    assert verdict.row("DNA", "ring").passed is None


def test_one_field_per_condition_is_enough_to_begin(real_fields: Fields) -> None:
    single = {condition: some[:1] for condition, some in real_fields.items()}
    gate = Gate(Limits.fit(single, CHANNELS))
    for condition, (one,) in single.items():
        verdict = gate.judge([one], [one], [one], to=condition)
        assert verdict.passed, verdict.sentences


def test_units_do_not_matter(gate: Gate, real_fields: Fields) -> None:
    scaled = {name: [each / 2000 - 1 for each in some] for name, some in real_fields.items()}
    other = Gate(Limits.fit(scaled, CHANNELS))
    here = judged(gate, real_fields, lambda field: np.roll(field, 4, axis=2))
    there = judged(other, scaled, lambda field: np.roll(field, 4, axis=2))
    assert failed(here) == failed(there)


def test_limits_and_verdicts_travel_as_plain_numbers(gate: Gate, limits: Limits, real_fields: Fields) -> None:
    again = Limits.from_dict(json.loads(json.dumps(limits.to_dict())))
    assert again == limits
    verdict = judged(gate, real_fields, lambda field: field + 40)
    back = Verdict.from_dict(json.loads(json.dumps(verdict.to_dict())))
    assert back == verdict
    assert not back.passed


def test_every_measure_speaks_for_every_channel(gate: Gate, real_fields: Fields) -> None:
    rows = judged(gate, real_fields, lambda field: field).rows
    assert [(row.channel, row.measure) for row in rows] == [(name, m) for name in CHANNELS for m in MEASURES]
    assert all((row.value is None) == bool(row.why) for row in rows)


def test_what_does_not_fit_is_refused(gate: Gate, real_fields: Fields) -> None:
    one = real_fields["untreated"][0]
    with pytest.raises(InputError, match="as many translated fields as source fields"):
        gate.judge([one], [one[:, :100]], [one], to="untreated")
    with pytest.raises(InputError, match="nothing is known of DNA in elsewhere"):
        gate.judge([one], [one], [one], to="elsewhere")
    with pytest.raises(InputError, match="the channels DNA, marker, stain"):
        gate.judge([one[:2]], [one[:2]], [one[:2]], to="untreated")
    with pytest.raises(InputError, match="real field or more per condition"):
        Limits.fit({"untreated": []})
