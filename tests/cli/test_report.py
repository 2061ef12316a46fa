from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from click.testing import CliRunner

from napari_phenotrans.cli import report as cli_report
from napari_phenotrans.core.errors import InputError
from napari_phenotrans.core.events import Notice, Progressed
from napari_phenotrans.core.image import Image
from napari_phenotrans.io import write

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from napari_phenotrans.phenotype.request import ReportRequest

CONDITIONS = ("untreated", "treated")


@pytest.fixture
def dataset(tmp_path: Path) -> Path:
    for condition in CONDITIONS:
        image = Image(np.zeros((2, 32, 32), np.uint8), "CYX", ("DNA", "GFP"))
        write(image, tmp_path / "set" / condition / f"{condition[0]}.ome.tif")
    return tmp_path / "set"


@pytest.fixture
def call(dataset: Path, tmp_path: Path) -> Callable[..., Any]:
    def run(*said: object) -> Any:
        fixed = ("--checkpoint", "engine", "--source", "untreated", "--target", "treated", "--out", tmp_path / "out")
        words = [str(word) for word in (dataset, *fixed, *said)]
        return CliRunner().invoke(cli_report.report, words, catch_exceptions=False)

    return run


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """What the generator is asked for, which reports nothing here."""
    import napari_phenotrans.phenotype.report as module

    seen: dict[str, Any] = {}

    def stand_in(request: ReportRequest, **more: Any) -> Iterator[Progressed | Notice]:
        seen.update(vars(request), **more)
        yield Progressed("untreated/u.tif", 0, 2)
        yield Notice("No file states its pixel size.")

    monkeypatch.setattr(module, "report", stand_in)
    return seen


def test_what_is_typed_reaches_the_report(call, asked: dict[str, Any]) -> None:
    result = call(
        "--objects", "none", "--crop", 64, "--held-out-groups", "a,b", "--positive", "GFP=50", "--channel", "DNA=DAPI",
        "--translate", "all", "--strength", 0.5, "--tables", "parquet", "--no-cache",
    )  # fmt: skip
    assert result.exit_code == 0
    assert "note: No file states its pixel size." in result.stderr
    assert asked["dataset"].conditions == CONDITIONS
    assert asked["settings"].model_dump() == {
        "objects": "none", "weights": None, "object_channel": None, "diameter": None, "crop": 64, "translate": "all",
        "seed": 0,
    }  # fmt: skip
    assert asked["held_out_groups"] == ("a", "b")
    assert asked["positive"] == {"GFP": 50.0}
    assert asked["channels"] == {"DNA": "DAPI"}
    assert asked["how"] == {"strength": 0.5}
    assert asked["tables"] == "parquet"
    assert asked["cache"].folder is None


def test_labels_are_read_by_condition_and_name(call, asked: dict[str, Any], dataset: Path, tmp_path: Path) -> None:
    objects = np.arange(32 * 32, dtype=np.uint16).reshape(32, 32)
    write(Image(objects, "YX"), tmp_path / "labels" / "untreated" / "u.ome.tif")
    call("--labels", tmp_path / "labels")
    one, other = asked["dataset"].fields
    np.testing.assert_array_equal(asked["labels"](one, 0, 0), objects)
    with pytest.raises(InputError, match="0 label images called t: expected one for treated"):
        asked["labels"](other, 0, 0)


@pytest.mark.parametrize(("said", "expected"), [
    (("--positive", "GFP"), "--positive 'GFP' cannot be read: expected NAME=VALUE, as in PH3=500"),
    (("--positive", "GFP=much"), "--positive needs an intensity, got 'much'"),
    (("--channel", "=DAPI"), "as in DAPI=Hoechst"),
    (("--crop", 4), "--crop"),
    (("--target", "nowhere"), "nowhere"),
])  # fmt: skip
def test_what_cannot_be_read_is_refused(call, asked: dict[str, Any], said: tuple, expected: str) -> None:
    with pytest.raises(InputError, match=expected):
        call(*said)
    assert not asked
