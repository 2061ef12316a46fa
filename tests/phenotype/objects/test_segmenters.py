"""Finders of other libraries, in a process of their own; stand-ins have the calls of StarDist 0.9 and Cellpose 4."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import numpy as np
import pytest

from napari_phenotrans.core.errors import InputError
from napari_phenotrans.phenotype.objects.segmentation import ObjectAppearance
from napari_phenotrans.phenotype.objects.segmenters import LIBRARIES, choose_finder, open_finder

if TYPE_CHECKING:
    from pathlib import Path

STARDIST = """
import sys
print("TensorFlow prints what it likes")
class StarDist2D:
    def __init__(self, config, name, basedir):
        assert config is None
        sys.stderr.write(f"loading {basedir}/{name}")
        self.above = float(open(f"{basedir}/{name}/config.json").read())
    @classmethod
    def from_pretrained(cls, name):
        assert name == "2D_versatile_fluo"
        return cls(None, "own", __file__.rsplit("/", 2)[0])
    def predict_instances(self, plane):
        print("and here")
        return (plane > self.above).astype("uint16"), {"prob": []}
"""
CELLPOSE = """
MODEL_NAMES = ["cpsam_v2"]
import sys
class CellposeModel:
    def __init__(self, gpu, device, pretrained_model):
        assert gpu is False and device is None
        if pretrained_model == "cpsam_v2":
            self.above = 0.5
        else:
            self.above = float(open(pretrained_model).read())
    def eval(self, plane, diameter, normalize):
        assert diameter == 10 and normalize is False
        return (plane > self.above).astype("uint16"), [], []
"""
LOOK = ObjectAppearance(10.0, 20.0, 40.0, 20.0, 120.0)


@pytest.fixture
def installed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Make stand-ins importable by other processes."""
    for name, content in (("stardist", STARDIST), ("cellpose", CELLPOSE)):
        (tmp_path / "site" / name).mkdir(parents=True)
        (tmp_path / "site" / name / "__init__.py").touch()
        (tmp_path / "site" / name / "models.py").write_text(content)
    (tmp_path / "site" / "own").mkdir()
    (tmp_path / "site" / "own" / "config.json").write_text("0.5")
    paths = [str(tmp_path / "site"), os.environ.get("PYTHONPATH", "")]
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join(filter(None, paths)))
    return tmp_path


def weights(folder: Path, name: str, content: str = "0.25") -> str:
    path = folder / f"{name}-weights"
    if LIBRARIES[name].in_folder:
        path.mkdir(exist_ok=True)
        (path / "config.json").write_text(content)
    else:
        path.write_text(content)
    return str(path)


@pytest.mark.parametrize("name", LIBRARIES)
def test_a_library_finds_objects_with_weights_by_path_or_with_its_own(name: str, installed: Path) -> None:
    plane = np.full((8, 40), 20, np.uint16)
    plane[:, 10:] = np.linspace(20, 120, 30).astype(np.uint16)
    for said, above in ((weights(installed, name), 0.25), (LIBRARIES[name].models[0], 0.5)):
        with open_finder(choose_finder(name, said), LOOK, "cpu") as find:
            labels = find(plane)
            assert labels.dtype == np.int32
            # what is dark and what is bright is the data set's, not the plane's
            np.testing.assert_array_equal(labels, (plane - 20) / 100 > above)
            np.testing.assert_array_equal(find(np.minimum(plane, 70)), (np.minimum(plane, 70) - 20) / 100 > above)
            assert find(np.full((8, 8), 25, np.uint16)).max() == 0


@pytest.mark.parametrize("name", LIBRARIES)
def test_weights_are_named_never_fetched_in_silence(name: str, tmp_path: Path) -> None:
    library = LIBRARIES[name]
    with pytest.raises(InputError, match=f"{library.title} needs weights, and nothing is downloaded by itself"):
        choose_finder(name, None)
    with pytest.raises(InputError, match=r"none of .* own models either"):
        choose_finder(name, str(tmp_path / "nowhere"))
    own = choose_finder(name, library.models[0])
    assert "downloads it where it is not there yet" in own.notice
    one, other = (choose_finder(name, weights(tmp_path, name, content)) for content in ("1", "2"))
    assert not one.notice
    assert one.weights == other.weights
    assert len({one.identity, other.identity, own.identity}) == 3
    with pytest.raises(InputError, match="goes with StarDist and Cellpose only"):
        choose_finder("scikit-image", str(tmp_path))


@pytest.mark.parametrize("name", LIBRARIES)
def test_what_fails_in_the_other_process_is_said(name: str, installed: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    broken = choose_finder(name, weights(installed, name, "no number"))
    with (
        pytest.raises(InputError, match=r"ended while .* ValueError: could not convert string to float"),
        open_finder(broken, LOOK, "cpu"),
    ):
        pytest.fail("it cannot be opened")
    (installed / "site" / name / "models.py").write_text("raise ImportError('No module named torch')")
    with pytest.raises(InputError, match=rf"pip install napari-phenotrans\[{name}\]"), open_finder(broken, LOOK, "cpu"):
        pytest.fail("it cannot be opened")
    models = (STARDIST if name == "stardist" else CELLPOSE).replace(
        "return (plane", "sys.exit(3)\n        return (plane"
    )
    (installed / "site" / name / "models.py").write_text(models)
    chosen = choose_finder(name, weights(installed, name))
    with open_finder(chosen, LOOK, "cpu") as find:
        for _ in range(2):
            with pytest.raises(InputError, match="ended while it should find objects"):
                find(np.full((8, 8), 99, np.uint16))
