"""Writing a data set folder from opened images, parts of them, and files that lie elsewhere."""

from __future__ import annotations

import csv
import re
import shutil
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from napari_phenotrans.core.errors import InputError
from napari_phenotrans.core.text import as_cell
from napari_phenotrans.dataset.dataset import images_in, read_table, stem
from napari_phenotrans.io import write
from napari_phenotrans.io.atomic import replacing
from napari_phenotrans.io.registry import suffix_of

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from napari_phenotrans.core.image import Image
    from napari_phenotrans.core.region import Region

TABLE = "fields.csv"
COLUMNS = ("file", "group", "from")
# Characters that some file system, or fields.csv, does not take in a name.
_UNFIT = re.compile(r'[\\/:*?"<>|,;\t\n\r]+')


@dataclass(frozen=True, eq=False)
class Piece:
    """An image or a file that becomes one field of a condition, or one field per plane.

    Parameters
    ----------
    condition
        Names the folder.
    name
        Names the file, without suffix; a number is added where there is a file of that name.
    image
        The image; None where a file is copied as it is.
    file
        The file, or Zarr folder, to copy; of an image, where it comes from.
    group
        Well, patient or organoid whose fields stay together; empty for a group of its own.
    positions
        The (t, z) of the image to take, those of some T with some Z; None takes all.
    region
        The part of each plane; None takes all of it.
    planes_apart
        Whether each plane becomes a field, as in a stack that is a list of images.
    columns
        Further columns of ``fields.csv``, such as plate or day.
    """

    condition: str
    name: str
    image: Image | None = None
    file: Path | None = None
    group: str = ""
    positions: tuple[tuple[int, int], ...] | None = None
    region: Region | None = None
    planes_apart: bool = False
    columns: Mapping[str, str] = field(default_factory=dict)

    @property
    def count(self) -> int:
        """Number of fields that it becomes."""
        return len(self._positions()) if self.planes_apart and self.image else 1

    def _positions(self) -> list[tuple[int, int]]:
        assert self.image is not None
        return self.image.checked_positions(self.positions)

    def images(self) -> Iterator[tuple[str, Image]]:
        """Give each field's name and its image; pixels stay where they are."""
        assert self.image is not None
        if not self.planes_apart:
            yield self.name, self.image.part(positions=self.positions, region=self.region)
            return
        sizes = self.image.sizes
        for t, z in self._positions():
            position = [f"{letter}{n}" for letter, n in (("t", t), ("z", z)) if sizes.get(letter.upper(), 1) > 1]
            yield "-".join([self.name, *position]), self.image.part(positions=[(t, z)], region=self.region)


@dataclass(frozen=True)
class FieldWritten:
    """A field was written, number ``done`` of ``total``."""

    path: Path
    done: int
    total: int


@dataclass
class _Table:
    """The rows of a data set's ``fields.csv``, with what it held before."""

    path: Path
    columns: list[str] = field(default_factory=lambda: list(COLUMNS))
    rows: list[dict[str, str]] = field(default_factory=list)

    @classmethod
    def read(cls, path: Path) -> _Table:
        if not path.is_file():
            return cls(path)
        try:
            with path.open(encoding="utf-8-sig", newline="") as file:
                reader = csv.DictReader(file)
                rows = list(reader)
        except (UnicodeDecodeError, csv.Error) as error:
            raise InputError(f"{path} is no CSV table in UTF-8: {error}. Mend it, or choose another folder.") from error
        columns = list(reader.fieldnames or ())
        if not {"file", "group"} <= set(columns):
            raise InputError(
                f"{path} has the columns {', '.join(columns) or 'none'}; expected at least file and group, separated "
                f"by commas. Mend it, or choose another folder."
            )
        return cls(path, [*columns, *(name for name in COLUMNS if name not in columns)], rows)

    def add(self, row: dict[str, str]) -> None:
        """Add a row and write the table at once, so that it is complete even if the next field fails."""
        self.columns += [name for name in row if name not in self.columns]
        self.rows.append(row)
        with (
            replacing(self.path, overwrite=True) as temporary,
            temporary.open("w", encoding="utf-8", newline="") as file,
        ):
            writer = csv.DictWriter(file, self.columns, restval="", extrasaction="ignore")
            writer.writeheader()
            writer.writerows({name: as_cell(value) for name, value in row.items()} for row in self.rows)


def collect(pieces: Sequence[Piece], folder: Path) -> Iterator[FieldWritten]:
    """Write pieces into a data set folder, a folder per condition, beside what is there; nothing is replaced.

    ``fields.csv`` gets a row per field: its file, its group, and where it comes from.

    Parameters
    ----------
    pieces
        What to write. Images become OME-TIFF; files are copied as they are.
    folder
        Is made where it is not there.

    Yields
    ------
    `FieldWritten` after each field, which is then complete and in the table. Stopping in between leaves no half field.

    Raises
    ------
    InputError
        If there is nothing to write, a condition's name cannot name a folder, or something cannot be read or written.
    """
    if not pieces:
        raise InputError("There is nothing to write: add layers, rectangles or folders to two conditions first.")
    for condition in {piece.condition for piece in pieces}:
        refuse_unfit(condition)
    total, done = sum(piece.count for piece in pieces), 0
    folder = Path(folder)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        table = _Table.read(folder / TABLE)
        for piece in pieces:
            condition_folder = folder / piece.condition
            condition_folder.mkdir(exist_ok=True)
            for path in _write(piece, condition_folder):
                done += 1
                file = f"{piece.condition}/{path.name}"
                own = {"file": file, "group": piece.group or file, "from": str(piece.file or "")}
                table.add(dict(piece.columns) | own)
                yield FieldWritten(path, done, total)
    except OSError as error:
        raise InputError(
            f"{folder} cannot be written to: {error.strerror or error}. {done} of {total} fields are there. Make room, "
            f"or choose another folder."
        ) from error


def _write(piece: Piece, folder: Path) -> Iterator[Path]:
    if piece.image is None:
        assert piece.file is not None
        path = _free(folder, piece.name, suffix_of(piece.file) or "")
        with replacing(path, overwrite=False) as temporary:
            if piece.file.is_dir():
                shutil.copytree(piece.file, temporary, dirs_exist_ok=True)
            else:
                shutil.copy2(piece.file, temporary)
        yield path
        return
    for name, image in piece.images():
        path = _free(folder, name, ".ome.tif")
        origin = {"from": str(piece.file)} if piece.file else {}
        r = piece.region
        region = {"region": [r.top, r.left, r.height, r.width]} if r else {}
        write(image, path, metadata=origin | region)
        yield path


def pieces_in(folder: Path, condition: str) -> list[Piece]:
    """Return the images of a folder, each a piece of a condition.

    Their groups, and what else is known of them, are those of a ``fields.csv`` beside the folder.

    Raises
    ------
    InputError
        If the folder cannot be listed, or holds no image.
    """
    try:
        files = images_in(folder)
    except OSError as error:
        raise InputError(f"{folder} cannot be listed: {error.strerror or error}. Choose another folder.") from error
    if not files:
        raise InputError(f"{folder} holds no image that can be read. Choose a folder of images of one condition.")
    return pieces_of(files, condition)


def pieces_of(files: Sequence[Path], condition: str) -> list[Piece]:
    """Return images of one folder, each a piece of a condition; groups and columns as in `pieces_in`."""
    folder = files[0].parent
    rows, _ = read_table(folder.parent, {f"{folder.name}/{path.name}" for path in files})
    pieces = []
    for path in files:
        columns = dict(rows.get(f"{folder.name}/{path.name}", {}))
        group = columns.pop("group", "")
        pieces.append(Piece(condition, stem(path), file=path, group=group, columns=columns))
    return pieces


def refuse_unfit(condition: str) -> None:
    """Refuse a condition's name that cannot name a folder.

    Raises
    ------
    InputError
        If it cannot.
    """
    if not condition or condition.strip(" .") != condition or _UNFIT.search(condition):
        raise InputError(
            f"The condition {condition!r} cannot name a folder. Choose a name of letters, digits, spaces and hyphens, "
            f"as in untreated."
        )


def _free(folder: Path, name: str, suffix: str) -> Path:
    """Return a path in a folder that is not taken yet."""
    name = _UNFIT.sub("-", name).strip(" .") or "field"
    taken = {path.name.casefold() for path in folder.iterdir()}
    number, path = 1, folder / f"{name}{suffix}"
    while path.name.casefold() in taken:
        number += 1
        path = folder / f"{name}-{number}{suffix}"
    return path
