"""Three channels whose truth is known: one differs in texture, one in brightness alone, one not at all."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from scipy.ndimage import gaussian_filter

from napari_phenotrans.core.image import Image
from napari_phenotrans.dataset.channel_differences import ChannelDifference, ShapeSample, explain_kept, proposed_kept
from napari_phenotrans.dataset.check import check
from napari_phenotrans.dataset.dataset import DataSet
from napari_phenotrans.engines.settings import FlowSettings
from napari_phenotrans.io import write

if TYPE_CHECKING:
    from pathlib import Path

    from napari_phenotrans.dataset.check_report import Report

NAMES = ("texture", "brightness", "same")
SICK = {"texture": (3.0, 1.0), "brightness": (2.0, 0.5), "same": (2.0, 1.0)}  # fineness and gain


def make(folder: Path, groups: int = 6, names: tuple[str, ...] = NAMES, size: int = 128) -> DataSet:
    rng = np.random.default_rng(0)
    for condition in ("healthy", "sick"):
        for number in range(groups):
            planes = []
            for name in names:
                fineness, gain = SICK[name] if condition == "sick" else (2.0, 1.0)
                blobs = gaussian_filter(rng.normal(size=(size, size)), fineness)
                planes.append(rng.poisson(gain * 300 * np.clip(blobs / blobs.std(), 0, None) + 20))
            image = Image(np.array(planes, np.uint16), "CYX", names, pixel_size_um=0.5, unit="µm")
            write(image, folder / condition / f"{condition}{number}.ome.tif")
    return DataSet.open(folder)


def look(dataset: DataSet, **said: Any) -> Report:
    return check(dataset, None, FlowSettings.make(**({"crop": 32} | said)))


@pytest.fixture(scope="module")
def dataset(tmp_path_factory: pytest.TempPathFactory) -> DataSet:
    return make(tmp_path_factory.mktemp("set"))


def test_a_texture_tells_and_brightness_does_not(dataset: DataSet) -> None:
    texture, brightness, same = look(dataset).differences
    assert (texture.channel, texture.between) == ("texture", ("healthy", "sick"))
    assert texture.auc > 0.9 and texture.apart
    assert brightness.may_be_kept and same.may_be_kept
    assert proposed_kept((texture, brightness, same)) == ("brightness", "same")


def test_the_check_says_it_and_warns_of_what_is_kept(dataset: DataSet) -> None:
    report = look(dataset)
    text = "\n".join(report.lines())
    assert f"texture tells healthy and sick apart (AUC {report.differences[0].figures})." in text
    assert "brightness does not tell healthy and sick apart (AUC 0." in text
    assert "proposed: --kept brightness,same" in text
    assert not any("kept" in problem.what for problem in report.problems)
    (warning,) = (problem for problem in look(dataset, kept=("texture", "same")).warnings if "kept" in problem.what)
    assert warning.what.startswith("texture is to be kept, but it tells healthy and sick apart by itself (AUC ")
    assert "will not show" in warning.what


def test_coarser_pixels_are_what_is_compared(dataset: DataSet) -> None:
    # at four times the pixel size the textures are noise, and no crop of 64 fits
    assert look(dataset, pixel_size=2.0).differences[0].auc < look(dataset).differences[0].auc
    assert look(dataset, pixel_size=2.0, crop=64).differences == ()


def test_a_bounded_number_of_crops_is_read(dataset: DataSet, monkeypatch: pytest.MonkeyPatch) -> None:
    counts: list[int] = []
    from napari_phenotrans.dataset import channel_differences as module

    measure = module.shape_features
    monkeypatch.setattr(module, "shape_features", lambda crops: counts.append(len(crops)) or measure(crops))
    sample = ShapeSample(dataset, FlowSettings.make(crop=32), groups=8, crops=5)
    for field in dataset.fields:
        sample.add(field)
    assert counts == [5] * (2 * 4 * len(NAMES))  # four groups of each condition


def test_too_few_groups_or_channels_leave_nothing_to_propose(tmp_path: Path) -> None:
    alone = look(make(tmp_path / "one", groups=1))
    assert alone.differences == ()
    assert "proposed: --kept" not in "\n".join(alone.lines())
    assert "how much the conditions differ is not known" in explain_kept((), ())
    two = look(make(tmp_path / "two", groups=2, names=("texture",))).differences
    assert two[0].low is None


def difference(channel: str, auc: float, low: float | None = None) -> ChannelDifference:
    return ChannelDifference(channel, ("a", "b"), auc, low, None if low is None else 2 * auc - low)


@pytest.mark.parametrize(
    ("auc", "low", "kept", "apart", "tells"),
    [
        (0.59, None, True, False, "does not tell"),
        (0.59, 0.5, True, False, "does not tell"),
        (0.61, None, False, False, "may tell"),
        (0.69, 0.55, True, False, "hardly tells"),
        (0.69, 0.62, False, False, "may tell"),
        (0.7, 0.5, False, True, "tells"),
    ],
)
def test_what_may_be_kept(auc: float, low: float | None, kept: bool, apart: bool, tells: str) -> None:
    one = difference("DNA", auc, low)
    assert (one.may_be_kept, one.apart) == (kept, apart)
    assert str(one).startswith(f"DNA {tells} a and b apart (AUC {auc:.2f}")


def test_sentences_say_what_is_kept_and_what_it_costs() -> None:
    dna, gfp = difference("DNA", 0.55, 0.4), difference("GFP", 0.9, 0.8)
    measured = (
        "DNA does not tell a and b apart (AUC 0.55 [0.40, 0.70]); GFP tells a and b apart (AUC 0.90 [0.80, 1.00])."
    )
    assert explain_kept((dna, gfp), ("DNA",)) == f"DNA is kept, the others move: {measured}"
    assert explain_kept((dna, gfp), ("DNA", "GFP")).endswith("Effects that pass through GFP will not show.")
    none = explain_kept((dna, gfp), ())
    assert none.startswith(f"No channel is kept, all move: {measured}")
    assert "objects may change their places" in none


def test_where_all_may_be_kept_none_is_for_nothing_would_be_left_to_move() -> None:
    assert proposed_kept((difference("DNA", 0.5), difference("GFP", 0.97))) == ("DNA",)
    assert proposed_kept((difference("DNA", 0.5), difference("GFP", 0.5))) == ()
    assert proposed_kept((difference("DNA", 0.9), difference("GFP", 0.9))) == ()
