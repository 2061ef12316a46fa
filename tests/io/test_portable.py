import hashlib
import json
from pathlib import Path

import pytest

from napari_phenotrans.core.digests import content_sha256
from napari_phenotrans.io.portable import portable, titled


def test_files_are_known_by_name_and_content(tmp_path: Path) -> None:
    real, checkpoint = tmp_path / "my images" / "well.tif", tmp_path / "drug.safetensors"
    real.parent.mkdir()
    real.write_bytes(b"pixels")
    said = {
        "real": str(real),
        "checkpoint file": str(checkpoint),
        "notices": [f"{real}: its pixel size is unknown.", {"of": (str(checkpoint),)}],
        "strength": 0.5,
    }
    found = portable(said)
    assert str(tmp_path) not in json.dumps(found)
    assert (found["real"], found["checkpoint file"]) == ("well.tif", "drug.safetensors")
    assert found["real sha256"] == hashlib.sha256(b"pixels").hexdigest()
    assert found["notices"] == ["well.tif: its pixel size is unknown.", {"of": ["drug.safetensors"]}]
    assert portable(found) == found
    assert "real sha256" not in portable(said, read=False)
    real.unlink()
    assert "real sha256" not in portable(said)


def test_a_folder_is_known_by_its_files_and_their_names(tmp_path: Path) -> None:
    def folder(name: str, *files: tuple[str, str]) -> str:
        for file, text in files:
            (tmp_path / name / file).parent.mkdir(parents=True, exist_ok=True)
            (tmp_path / name / file).write_text(text)
        return content_sha256(tmp_path / name)

    one = folder("a", ("0/0", "x"), ("0/1", "y"))
    assert one == folder("b", ("0/1", "y"), ("0/0", "x"))
    assert one != folder("c", ("0/0", "y"), ("0/1", "x"))
    (tmp_path / "b" / "0" / "0").write_text("changed")
    assert one != content_sha256(tmp_path / "b")


@pytest.mark.parametrize(
    ("name", "kind", "title"),
    [
        ("well_translated", "translated", "well_translated"),
        ("my picture", "translated", "my picture (translated)"),
        ("well_above_error", "difference above the engine's error", "well_above_error"),
        ("well", "difference", "well (difference)"),
        ("well", "real", "well"),
    ],
)
def test_a_name_says_what_the_image_is(name: str, kind: str, title: str) -> None:
    assert titled(name, {"kind": kind}) == title
