"""No log line and no warning of a library reaches the terminal, whatever is wrong with a file."""

from __future__ import annotations

import struct
import subprocess
import sys
from typing import TYPE_CHECKING

import numpy as np
import pytest
import tifffile

from napari_phenotrans.io import read

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

# One process for all files: starting Python takes longer than reading them.
EACH = """
import sys
from napari_phenotrans.cli import main
for file in sys.argv[2:]:
    print(f"== {file}", file=sys.stderr, flush=True)
    sys.argv = ["phenotrans", "info", file]
    try:
        main.main()
    except SystemExit:
        pass
"""


def noise(*shape: int) -> np.ndarray:
    return np.random.default_rng(0).integers(1, 250, shape).astype(np.uint8)


def damaged_imagej(path: Path) -> None:
    with tifffile.TiffWriter(path, imagej=True) as file:
        file.write(noise(3, 16, 16), metadata={"axes": "CYX", "Labels": ["a", "b", "c"]})
    with tifffile.TiffFile(path) as tif:
        offset = tif.pages.first.tags["IJMetadata"].valueoffset
    content = bytearray(path.read_bytes())
    content[offset : offset + 4] = b"XXXX"
    path.write_bytes(content)


def damaged_tag(path: Path) -> None:
    tifffile.imwrite(path, noise(16, 16), extratags=[(65000, "s", 0, "x", True)])
    content = bytearray(path.read_bytes())
    at = content.find(struct.pack("<H", 65000))
    content[at + 2 : at + 4] = struct.pack("<H", 99)
    path.write_bytes(content)


def ome_with(old: bytes, new: bytes) -> Callable[[Path], None]:
    def write(path: Path) -> None:
        tifffile.imwrite(path, noise(2, 16, 16), ome=True, metadata={"axes": "CYX"})
        path.write_bytes(path.read_bytes().replace(old, new))

    return write


def cut(path: Path) -> None:
    tifffile.imwrite(path, noise(4, 64, 64), metadata=None, photometric="minisblack")
    path.write_bytes(path.read_bytes()[:-5000])


def no_tiff(path: Path) -> None:
    path.write_bytes(b"II*\0\xff\xff\xff\x7f" + bytes(100))


def texts(path: Path) -> None:
    import zarr

    group = zarr.open_group(str(path), mode="w", zarr_format=2)
    group.create_array("0", shape=(16, 16), chunks=(16, 16), dtype="<U4", fill_value="")
    group.attrs["multiscales"] = [{"version": "0.4", "axes": ["y", "x"], "datasets": [{"path": "0"}]}]


KINDS: dict[str, Callable[[Path], None]] = {
    "imagej.tif": damaged_imagej,
    "tag.tif": damaged_tag,
    "few.ome.tif": ome_with(b'SizeC="2"', b'SizeC="5"'),
    "torn.ome.tif": ome_with(b"</OME>", b"</OM >"),
    "cut.tif": cut,
    "none.tif": no_tiff,
    "texts.ome.zarr": texts,
}


def test_nothing_of_a_library_is_printed(tmp_path: Path) -> None:
    files = []
    for name, make in KINDS.items():
        make(tmp_path / name)
        files.append(str(tmp_path / name))
    done = subprocess.run([sys.executable, "-c", EACH, "", *files], capture_output=True, text=True, check=True)
    # what is printed are our own messages
    lines = [line for line in done.stderr.splitlines() if not line.startswith("== ")]
    assert len(done.stderr.splitlines()) - len(lines) == len(KINDS)
    assert [line for line in lines if not line.startswith("phenotrans: ")] == []
    assert sum(line.startswith("phenotrans: ") for line in lines) == 4


@pytest.mark.parametrize(
    ("name", "note"),
    [("imagej.tif", "ImageJ metadata are damaged"), ("torn.ome.tif", "OME metadata are damaged")],
)
def test_what_is_lost_with_a_description_is_a_note(name: str, note: str, tmp_path: Path) -> None:
    KINDS[name](tmp_path / name)
    assert any(note in text for text in read(tmp_path / name).notes)
