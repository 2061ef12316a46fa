from pathlib import Path

import pytest

from napari_phenotrans.core.errors import InputError
from napari_phenotrans.runs.family import Family, family_of, is_family, members_of, siblings, with_families


def test_what_is_written_is_read_again(tmp_path: Path) -> None:
    family = Family(tmp_path / "three", (4, 5, 6))
    assert not is_family(family.folder)
    family.write()
    assert is_family(family.folder)
    assert Family.load(family.folder) == family
    assert family.members[5] == tmp_path / "three" / "seed-5"
    assert family.begun == {}
    with pytest.raises(InputError, match="holds trainings already"):
        family.write()


def test_checkpoints_of_a_family_stand_in_its_place(tmp_path: Path) -> None:
    family = Family(tmp_path, (0, 1, 2))
    family.write()
    for seed, name in ((0, "last"), (1, "last"), (1, "best")):
        path = family.members[seed] / f"{name}.safetensors"
        path.parent.mkdir(exist_ok=True)
        path.touch()
        (path.parent / "run.json").touch()
    assert list(family.begun) == [0, 1]
    both = [tmp_path / "seed-0" / "last.safetensors", tmp_path / "seed-1" / "best.safetensors"]
    assert with_families(("bundled", str(tmp_path))) == ["bundled", *both]
    both[0].unlink()
    with pytest.raises(InputError, match="1 of the 3 trainings"):
        family.checkpoints()


@pytest.mark.parametrize(
    "text", ["", "[]", "{}", '{"seeds": 3}', '{"seeds": []}', '{"seeds": [0, 0]}', '{"seeds": ["../x"]}']
)
def test_damaged_lists_are_refused(text: str, tmp_path: Path) -> None:
    (tmp_path / "family.json").write_text(text)
    with pytest.raises(InputError, match=r"family\.json"):
        Family.load(tmp_path)


def test_the_other_trainings_of_a_checkpoint(tmp_path: Path) -> None:
    assert siblings("bundled") == siblings(tmp_path / "seed-0" / "last.safetensors") == []
    family = Family(tmp_path, (0, 1))
    family.write()
    paths = [folder / "last.safetensors" for folder in family.members.values()]
    paths[0].parent.mkdir()
    paths[0].touch()
    assert siblings(paths[0]) == []
    paths[1].parent.mkdir()
    paths[1].touch()
    assert siblings(paths[0]) == [paths[1]]


def test_members_know_their_family(tmp_path: Path) -> None:
    folder = tmp_path / "three"
    assert members_of(folder) == ()
    assert family_of(folder / "seed-1") is None
    family = Family(folder, (1, 2, 3))
    family.write()
    assert members_of(folder) == tuple(folder / f"seed-{seed}" for seed in (1, 2, 3))
    assert family_of(folder / "seed-2") == family
    assert family.place(folder / "seed-2") == 2
    assert family_of(folder / "seed-4") is None
    (folder / "family.json").write_text("{}")
    assert members_of(folder) == ()
    assert family_of(folder / "seed-2") is None
