"""Which fields are held out: by folder, by name, or by share."""

from __future__ import annotations

from pathlib import Path

from napari_phenotrans.dataset.dataset import DataSet, Field
from napari_phenotrans.dataset.held_out_choice import HeldOutChoice

WELLS = [(condition, f"{condition}{well}") for condition in ("a", "b") for well in range(4)]
DATASET = DataSet(Path("images"), ("a", "b"), tuple(Field(Path(f"images/{c}/{w}.tif"), c, w) for c, w in WELLS))


def test_a_folder_goes_before_groups_and_groups_before_the_share(tmp_path: Path) -> None:
    training, held_out = HeldOutChoice(0.5).split(DATASET, seed=1)
    assert (training.count(), held_out.count()) == ({"a": 2, "b": 2}, {"a": 2, "b": 2})
    assert held_out != HeldOutChoice(0.5).split(DATASET, seed=2)[1]
    training, held_out = HeldOutChoice(0.5, ("a0",)).split(DATASET, seed=1)
    assert [field.group for field in held_out.fields] == ["a0"]
    assert training.count() == {"a": 3, "b": 4}
    for condition in DATASET.conditions:
        (tmp_path / condition).mkdir()
    training, held_out = HeldOutChoice(0.5, ("a0",), tmp_path).split(DATASET, seed=1)
    assert training == DATASET
    assert held_out.folder == tmp_path


def test_halves_of_one_condition_hold_out_no_named_groups(tmp_path: Path) -> None:
    for kept in (HeldOutChoice(0.4), HeldOutChoice(0.3, by="plate")):
        assert kept.of_halves() == kept
    for named in (HeldOutChoice(groups=("A01",)), HeldOutChoice(folder=tmp_path)):
        assert named.of_halves() == HeldOutChoice()
