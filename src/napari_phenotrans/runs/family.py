"""A family of runs: the same training again and again, one seed after the other, each in a folder of its own."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

from napari_phenotrans.core.errors import InputError
from napari_phenotrans.io.atomic import replacing
from napari_phenotrans.runs.parse import parse_seeds
from napari_phenotrans.runs.paths import DECIDED, checkpoints_in

FAMILY = "family.json"
MEMBER = "seed-"  # and the seed: a run folder in it


@dataclass(frozen=True)
class Family:
    """Runs in the folders ``seed-0``, ``seed-1`` … of one folder, which are alike but for their seed.

    Parameters
    ----------
    folder
        Holds them, and `FAMILY`, which lists the seeds.
    seeds
        In the order in which they are trained.
    """

    folder: Path
    seeds: tuple[int, ...]

    @property
    def members(self) -> dict[int, Path]:
        """The run folder of each seed, whether it is there or not."""
        return {seed: self.folder / f"{MEMBER}{seed}" for seed in self.seeds}

    @property
    def begun(self) -> dict[int, Path]:
        """The run folders in which a training began."""
        return {seed: folder for seed, folder in self.members.items() if (folder / DECIDED).is_file()}

    def place(self, folder: Path) -> int:
        """Return which of its trainings a member is, from 1."""
        return list(self.members.values()).index(folder) + 1

    def write(self) -> None:
        """Make the folder, and note the seeds in it.

        Raises
        ------
        InputError
            If a family or a run is there already.
        """
        if (self.folder / FAMILY).exists() or (self.folder / DECIDED).exists():
            raise InputError(
                f"{self.folder} holds trainings already. Choose another folder for --out, or go on with --resume."
            )
        with replacing(self.folder / FAMILY) as temporary:
            temporary.write_text(json.dumps({"seeds": self.seeds}), encoding="utf-8")

    @classmethod
    def load(cls, folder: str | Path) -> Family:
        """Read a family from its folder.

        Raises
        ------
        InputError
            If there is none, or what lists the seeds is damaged.
        """
        path = Path(folder) / FAMILY
        try:
            written = path.read_bytes()
        except OSError as error:
            raise InputError(
                f"{path} cannot be read: {error.strerror or error}. Expected what 'phenotrans train --repeats' wrote."
            ) from error
        return cls(path.parent, parse_seeds(written, path))

    def checkpoints(self) -> list[Path]:
        """Return the best checkpoint of each training, or else its last one; of those that have one.

        Raises
        ------
        InputError
            If fewer than two trainings have one.
        """
        there = [found[0] for folder in self.members.values() if (found := checkpoints_in(folder))]
        if len(there) < 2:
            raise InputError(
                f"{len(there)} of the {len(self.seeds)} trainings in {self.folder} have a checkpoint, and two are "
                f"needed to hold one against the other. Go on with --resume {self.folder}, or name the checkpoint of a "
                f"training."
            )
        return there


def is_family(folder: str | Path) -> bool:
    """Return whether a folder holds a family of runs."""
    return (Path(folder) / FAMILY).is_file()


def members_of(folder: str | Path) -> tuple[Path, ...]:
    """Return the run folders of a family; none where a folder is no family, or cannot be read."""
    try:
        return tuple(Family.load(folder).members.values()) if is_family(folder) else ()
    except InputError:
        return ()


def family_of(folder: str | Path) -> Family | None:
    """Return the family that a run folder, which need not be there yet, is a member of; None where it is of none.

    What cannot be read counts as none.
    """
    folder = Path(folder)
    try:
        family = Family.load(folder.parent) if is_family(folder.parent) else None
    except InputError:
        return None
    return family if family and folder in family.members.values() else None


def with_families(names: tuple[str, ...]) -> list[str | Path]:
    """Return checkpoints by name or file, those of its trainings in the place of a family's folder."""
    return [each for name in names for each in (Family.load(name).checkpoints() if is_family(name) else [name])]


def siblings(checkpoint: str | Path) -> list[Path]:
    """Return the checkpoints of a training's family but its own; none where it is of no family, or trained alone."""
    folder = Path(checkpoint).absolute().parent
    if not is_family(folder.parent):
        return []
    try:
        return [path for path in Family.load(folder.parent).checkpoints() if path.absolute().parent != folder]
    except InputError:
        # the others have none yet
        return []
