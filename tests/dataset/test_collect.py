from __future__ import annotations

import csv
from typing import TYPE_CHECKING

import numpy as np
import pytest

from napari_phenotrans.core.errors import InputError
from napari_phenotrans.core.image import Image
from napari_phenotrans.core.region import Region
from napari_phenotrans.dataset.collect import Piece, collect, pieces_in, refuse_unfit
from napari_phenotrans.dataset.dataset import DataSet
from napari_phenotrans.io import provenance, read, write

if TYPE_CHECKING:
    from pathlib import Path

STACK = Image(
    np.arange(2 * 3 * 20 * 30, dtype=np.uint16).reshape(2, 3, 20, 30),
    "CZYX",
    ("DNA", "GFP"),
    pixel_size_um=0.5,
    unit="µm",
)
PLANE = Image(np.arange(600, dtype=np.uint16).reshape(20, 30), "YX", ("DNA",))


def table(folder: Path) -> dict[str, dict[str, str]]:
    with (folder / "fields.csv").open(encoding="utf-8", newline="") as file:
        return {row.pop("file"): row for row in csv.DictReader(file)}


def test_images_become_a_data_set_that_opens(tmp_path: Path) -> None:
    region = Region(2, 3, 10, 12)
    pieces = [
        Piece("sick", "well", STACK, group="patient 1", positions=((0, 1),), region=region),
        Piece("sick", "well", STACK, file=tmp_path / "well.czi", group="patient 1"),
        Piece("healthy", "a/b: c", PLANE),
    ]
    events = list(collect(pieces, tmp_path / "new" / "set"))
    assert [(event.done, event.total) for event in events] == [(1, 3), (2, 3), (3, 3)]
    assert [event.path.name for event in events] == ["well.ome.tif", "well-2.ome.tif", "a-b- c.ome.tif"]

    cut = read(events[0].path)
    assert cut.channels == STACK.channels
    assert cut.pixel_size_um == 0.5
    assert np.array_equal(cut.plane(t=0, z=0), STACK.plane(z=1, region=region))
    assert provenance(events[1].path)["from"] == str(tmp_path / "well.czi")

    opened = DataSet.open(tmp_path / "new" / "set")
    assert opened.count() == {"healthy": 1, "sick": 2}
    assert opened.groups("sick") == {"patient 1"}
    assert opened.groups("healthy") == {"healthy/a-b- c.ome.tif"}
    assert opened.table is not None
    assert not opened.table.missing
    assert not opened.table.unlisted


def test_a_group_that_a_spreadsheet_would_compute_is_text_there_and_the_same_here(tmp_path: Path) -> None:
    pieces = [Piece(c, "a", PLANE, group='=HYPERLINK("http://x")') for c in ("sick", "healthy")]
    list(collect(pieces, tmp_path))
    list(collect([Piece("sick", "b", PLANE, group="-1")], tmp_path))
    assert {row["group"] for row in table(tmp_path).values()} == {'\'=HYPERLINK("http://x")', "'-1"}
    assert DataSet.open(tmp_path).groups("sick") == {'=HYPERLINK("http://x")', "-1"}


def test_each_plane_may_be_a_field(tmp_path: Path) -> None:
    piece = Piece("sick", "list", STACK, group="", planes_apart=True)
    assert piece.count == 3
    written = [event.path for event in collect([piece], tmp_path)]
    assert [path.name for path in written] == ["list-z0.ome.tif", "list-z1.ome.tif", "list-z2.ome.tif"]
    assert np.array_equal(read(written[2]).plane(t=0, z=0), STACK.plane(z=2))
    # without a group each is one
    assert len({row["group"] for row in table(tmp_path).values()}) == 3


def test_files_are_copied_with_what_is_known_of_them(tmp_path: Path) -> None:
    source = tmp_path / "plate" / "untreated"
    source.mkdir(parents=True)
    for name in ("A01.ome.tif", "A02.ome.tif"):
        write(PLANE, source / name)
    (source / "notes.txt").write_text("no image")
    (tmp_path / "plate" / "fields.csv").write_text("file,group,day\nA01.ome.tif,P7,Monday\n", encoding="utf-8")

    pieces = pieces_in(source, "control")
    assert [(piece.name, piece.group, dict(piece.columns)) for piece in pieces] == [
        ("A01", "P7", {"day": "Monday"}),
        ("A02", "", {}),
    ]
    made = tmp_path / "made"
    list(collect(pieces, made))
    assert (made / "control" / "A01.ome.tif").read_bytes() == (source / "A01.ome.tif").read_bytes()
    rows = table(made)
    assert rows["control/A01.ome.tif"] == {"group": "P7", "from": str(source / "A01.ome.tif"), "day": "Monday"}
    assert rows["control/A02.ome.tif"]["group"] == "control/A02.ome.tif"


def test_a_data_set_is_added_to_and_nothing_in_it_is_replaced(tmp_path: Path) -> None:
    list(collect([Piece("sick", "A", PLANE, group="one")], tmp_path))
    before = (tmp_path / "sick" / "A.ome.tif").read_bytes()
    brighter = PLANE.replace(pixels=PLANE.pixels + 1)
    list(collect([Piece("sick", "A", brighter, group="two", columns={"plate": "P2"})], tmp_path))
    assert (tmp_path / "sick" / "A.ome.tif").read_bytes() == before
    rows = table(tmp_path)
    assert {name: (row["group"], row["plate"]) for name, row in rows.items()} == {
        "sick/A.ome.tif": ("one", ""),
        "sick/A-2.ome.tif": ("two", "P2"),
    }


def test_stopping_leaves_whole_fields_that_are_in_the_table(tmp_path: Path) -> None:
    events = collect([Piece("sick", "A", PLANE), Piece("sick", "B", PLANE)], tmp_path)
    next(events)
    events.close()
    assert [path.name for path in (tmp_path / "sick").iterdir()] == ["A.ome.tif"]
    assert list(table(tmp_path)) == ["sick/A.ome.tif"]


@pytest.mark.parametrize("name", ["", "a/b", " untreated", "dose: 5", "..", "a,b"])
def test_what_cannot_name_a_folder_is_refused(name: str, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="cannot name a folder"):
        refuse_unfit(name)
    with pytest.raises(InputError, match="cannot name a folder"):
        list(collect([Piece(name, "A", PLANE)], tmp_path / "new"))
    assert not (tmp_path / "new").exists()


def test_a_table_of_somebody_else_is_not_overwritten(tmp_path: Path) -> None:
    (tmp_path / "fields.csv").write_text("name;well\nA;B\n", encoding="utf-8")
    with pytest.raises(InputError, match="expected at least file and group"):
        list(collect([Piece("sick", "A", PLANE)], tmp_path))
    assert (tmp_path / "fields.csv").read_text(encoding="utf-8") == "name;well\nA;B\n"


def test_nothing_to_write_and_no_place_to_write_to_are_said(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="nothing to write"):
        list(collect([], tmp_path))
    (tmp_path / "file").write_text("no folder")
    with pytest.raises(InputError, match="cannot be written to"):
        list(collect([Piece("sick", "A", PLANE)], tmp_path / "file"))
    with pytest.raises(InputError, match="holds no image"):
        pieces_in(tmp_path, "sick")
