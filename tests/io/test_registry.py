import importlib
import subprocess
import sys
from pathlib import Path

import pytest

from napari_phenotrans.core.errors import InputError
from napari_phenotrans.io import READERS, WRITERS, read, readable, write
from napari_phenotrans.io.registry import suffix_of


@pytest.mark.parametrize("place", sorted({*READERS.values(), *WRITERS.values()}))
def test_every_reader_and_writer_is_there(place: str) -> None:
    module, function = place.split(":")
    assert callable(getattr(importlib.import_module(f"napari_phenotrans.io.{module}"), function))


def test_importing_costs_nothing() -> None:
    heavy = ["tifffile", "zarr", "dask", "numpy", "imagecodecs", "torch", "ome_types"]
    code = f"import sys, napari_phenotrans.io; print([name for name in {heavy} if name in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_the_longest_suffix_counts_in_any_case() -> None:
    assert suffix_of("a/B.OME.TIF") == ".OME.TIF"
    assert suffix_of("b.tif") == ".tif"
    assert suffix_of("b.ome.zarr") == ".ome.zarr"
    assert suffix_of(".tif") is None
    assert readable("well.LSM")
    assert not readable("well.txt")
    assert not readable("well")


def test_files_that_cannot_be_read_say_why(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"There is no file .*nope\.tif"):
        read(tmp_path / "nope.tif")
    (tmp_path / "a.txt").write_text("x")
    with pytest.raises(InputError, match=r"a\.txt cannot be read.*\.ome\.tif"):
        read(tmp_path / "a.txt")
    (tmp_path / "empty.tif").touch()
    with pytest.raises(InputError, match=r"empty\.tif is empty"):
        read(tmp_path / "empty.tif")
    (tmp_path / "text.tif").write_text("this is no image")
    with pytest.raises(InputError, match=r"text\.tif could not be read.*Expected a TIFF file"):
        read(tmp_path / "text.tif")
    (tmp_path / "folder.tif").mkdir()
    with pytest.raises(InputError, match=r"folder\.tif cannot be read: a folder"):
        read(tmp_path / "folder.tif")
    (tmp_path / "empty").mkdir()
    with pytest.raises(InputError, match="no image files at"):
        read(tmp_path / "empty")


def test_only_known_suffixes_are_written(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"a\.jpg cannot be written: expected a name that ends in \.ome\.tif"):
        write(None, tmp_path / "a.jpg")  # type: ignore[arg-type]


def test_what_an_image_refuses_names_the_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from napari_phenotrans.io import pictures

    def without_pixels(*_: object) -> None:
        raise InputError("The image is empty: shape (0, 0) along YX. Choose a file that holds pixels.")

    monkeypatch.setattr(pictures, "read_picture", without_pixels)
    (tmp_path / "a.png").write_bytes(b"x")
    with pytest.raises(InputError, match=r"a\.png cannot be read\. The image is empty"):
        read(tmp_path / "a.png")
