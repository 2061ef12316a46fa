from __future__ import annotations

import signal
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from click.testing import CliRunner

from napari_phenotrans.cli import main as cli
from napari_phenotrans.core.image import Image
from napari_phenotrans.io import provenance, read, write

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from napari_phenotrans.checkpoints.checkpoint import Checkpoint

WAY = ["--source", "untreated", "--target", "treated"]


@pytest.fixture
def phenotrans(
    monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> Callable[..., tuple[int, str, str]]:
    """Run the command line in this process, as `main` does: exit code, standard output, standard error."""

    def run(*arguments: object) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", ["phenotrans", *map(str, arguments)])
        code: object = 0
        try:
            cli.main()
        except SystemExit as end:
            code = end.code
        out, err = capfd.readouterr()
        return int(code or 0), out, err

    return run


@pytest.fixture
def wells(tmp_path: Path) -> list[Path]:
    paths = []
    for plate in ("p1", "p2"):
        pixels = np.random.default_rng(len(paths)).integers(0, 200, (2, 40, 33)).astype(np.uint16)
        image = Image(
            pixels, "CYX", ("marker 0", "marker 1"), pixel_size_um=0.4, unit="µm", colors=("#ff0000", "#00ff00")
        )
        write(image, tmp_path / plate / "A01.ome.tif")
        paths.append(tmp_path / plate / "A01.ome.tif")
    return paths


@pytest.fixture
def checkpoint(make_checkpoint: Callable[..., Checkpoint], tmp_path: Path) -> Path:
    return make_checkpoint().save(tmp_path / "engine.safetensors")


def test_translating_keeps_what_the_input_was(
    phenotrans: Callable[..., tuple[int, str, str]], wells: list[Path], checkpoint: Path, tmp_path: Path
) -> None:
    out = tmp_path / "out"
    code, said, _ = phenotrans("translate", wells[0], "--checkpoint", checkpoint, *WAY, "--out", out)
    assert code == 0
    assert said.split() == [str(out / "A01_translated.ome.tif"), str(out / "A01_difference.ome.tif")]
    real, translated, difference = (
        read(p) for p in (wells[0], *(out / f"A01_{k}.ome.tif" for k in ("translated", "difference")))
    )
    for image, dtype in ((translated, np.uint16), (difference, np.float32)):
        assert (image.axes, image.channels, image.dtype) == (real.axes, real.channels, dtype)
        assert image.pixel_size_um == pytest.approx(0.4)
        assert image.colors == real.colors
    expected = real.plane().astype(np.float32) + difference.plane()
    np.testing.assert_allclose(translated.plane(), np.clip(expected, 0, 65535), atol=0.51)
    written = provenance(out / "A01_translated.ome.tif")
    assert written["source"] == "untreated"
    assert written["checkpoint"] == "engine"


def test_names_in_files_command_no_terminal(phenotrans: Callable[..., tuple[int, str, str]], tmp_path: Path) -> None:
    named = Image(np.zeros((2, 8, 8), np.uint8), "CYX", ("DA\x1b]0;owned\x07PI", "PH3"))
    written = write(named, tmp_path / "image.ome.zarr")
    code, out, err = phenotrans("info", written)
    assert code == 0
    assert "DA]0;ownedPI" in out
    assert "\x1b" not in out + err
    code, out, err = phenotrans("info", tmp_path / "no\x1b[31mthing.tif")
    assert code == 2
    assert "\x1b" not in out + err


def test_equal_names_do_not_overwrite_each_other(
    phenotrans: Callable[..., tuple[int, str, str]], wells: list[Path], checkpoint: Path, tmp_path: Path
) -> None:
    code, _, _ = phenotrans("translate", *wells, "--checkpoint", checkpoint, *WAY, "--out", tmp_path / "out")
    assert code == 0
    kinds = ("difference", "translated")
    expected = [f"{plate}_A01_{kind}.ome.tif" for plate in ("p1", "p2") for kind in kinds]
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == expected


def test_existing_results_are_refused_unless_said(
    phenotrans: Callable[..., tuple[int, str, str]], wells: list[Path], checkpoint: Path, tmp_path: Path
) -> None:
    command = ("translate", wells[0], "--checkpoint", checkpoint, *WAY, "--out", tmp_path / "out")
    assert phenotrans(*command)[0] == 0
    before = (tmp_path / "out" / "A01_translated.ome.tif").stat().st_mtime_ns
    code, _, err = phenotrans(*command)
    assert code == 2
    assert "exists already" in err
    assert (tmp_path / "out" / "A01_translated.ome.tif").stat().st_mtime_ns == before
    assert phenotrans(*command, "--overwrite")[0] == 0


def test_a_failing_input_does_not_stop_the_others(
    phenotrans: Callable[..., tuple[int, str, str]], wells: list[Path], checkpoint: Path, tmp_path: Path
) -> None:
    broken, empty = tmp_path / "broken.tif", tmp_path / "empty.tif"
    broken.write_bytes(wells[0].read_bytes()[:900])
    empty.touch()
    code, out, err = phenotrans(
        "translate",
        broken,
        wells[0],
        empty,
        tmp_path / "none.tif",
        "--checkpoint",
        checkpoint,
        *WAY,
        "--out",
        tmp_path / "out",
    )
    assert code == 1
    assert "A01_translated" in out
    assert "3 of 4 images failed" in err
    assert all(name in err.splitlines()[-1] for name in ("broken.tif", "empty.tif", "none.tif"))
    assert not list((tmp_path / "out").glob("*.part.*"))


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (["--source", "sick"], "source condition 'sick' is unknown"),
        (["--checkpoint", "nothing"], "neither a file nor a bundled name"),
        (["--channel", "marker 0"], "expected CHECKPOINT=IMAGE"),
        (["--channel", "marker 0=GFP"], "do not exist: GFP"),
        (["--axes", "CY"], "axes"),
        (["--device", "gpu"], "no device 'gpu'"),
        (["--tile", "8"], "tile of 8"),
    ],
)
def test_bad_input_is_one_message_and_exit_code_2(
    change: list[str],
    said: str,
    phenotrans: Callable[..., tuple[int, str, str]],
    wells: list[Path],
    checkpoint: Path,
    tmp_path: Path,
) -> None:
    command = ["translate", wells[0], "--checkpoint", checkpoint, *WAY, "--out", tmp_path / "out", *change]
    code, out, err = phenotrans(*command)
    assert code == 2
    assert said.casefold() in err.casefold()
    assert "Traceback" not in err
    assert out == ""
    assert not (tmp_path / "out").exists()


def test_info_describes_images_and_checkpoints(
    phenotrans: Callable[..., tuple[int, str, str]], wells: list[Path], checkpoint: Path
) -> None:
    code, image, _ = phenotrans("info", wells[0])
    assert code == 0
    for part in ("CYX (C 2 × Y 40 × X 33)", "uint16", "marker 0 (#ff0000)", "0.4 µm"):
        assert part in image
    code, card, _ = phenotrans("info", checkpoint)
    assert code == 0
    for part in ("cyclegan", "untreated, treated", "marker 0, marker 1", "no held-out score"):
        assert part in card
    assert phenotrans("info", "nowhere.tif")[0] == 2


def test_help_names_every_command_and_every_setting() -> None:
    from napari_phenotrans.cli.train import train
    from napari_phenotrans.core.settings import flag
    from napari_phenotrans.engines import ENGINES

    runner = CliRunner()
    overview = runner.invoke(cli.phenotrans, ["--help"]).output
    assert all(name in overview for name in ("demo", "info", "translate", "train", "import", "export"))
    details = runner.invoke(train, ["--help"]).output
    for entry in ENGINES.values():
        for name, declared in entry.settings.model_fields.items():
            hidden = (declared.json_schema_extra or {}).get("cli") is False
            assert (flag(name) in details) != hidden, name


def test_help_waits_for_nothing_heavy() -> None:
    code = """
import sys
from napari_phenotrans.cli.main import main
sys.argv = ["phenotrans", "--help"]
try:
    main()
except SystemExit:
    pass
heavy = {"torch", "numpy", "pydantic", "napari", "rich"} & set(sys.modules)
assert not heavy, heavy
"""
    subprocess.run([sys.executable, "-c", code], check=True, capture_output=True)


@pytest.mark.parametrize(("number", "code"), [(signal.SIGTERM, 143), (signal.SIGINT, 130)])
def test_a_signal_ends_a_batch_cleanly(
    number: signal.Signals,
    code: int,
    phenotrans: Callable[..., tuple[int, str, str]],
    wells: list[Path],
    checkpoint: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    from napari_phenotrans.translation import outputs

    # a shell that starts this in the background has it ignore Ctrl+C
    ctrl_c = signal.signal(signal.SIGINT, signal.default_int_handler)
    original, written = outputs.write_as, []

    def write_as(*arguments: Any, **more: Any) -> Any:
        original(*arguments, **more)
        written.append(arguments)
        if len(written) == 3:  # the second image's translation is there, its difference is not
            signal.raise_signal(number)

    monkeypatch.setattr(outputs, "write_as", write_as)
    before = signal.getsignal(signal.SIGTERM)
    out = tmp_path / "out"
    try:
        ended, _, said = phenotrans("translate", *wells, "--checkpoint", checkpoint, *WAY, "--out", out)
    finally:
        signal.signal(signal.SIGINT, ctrl_c)
    assert ended == code
    assert "Stopped." in said
    assert "2 images: 1 translated, 1 not done." in said
    assert sorted(path.name for path in out.iterdir()) == ["p1_A01_difference.ome.tif", "p1_A01_translated.ome.tif"]
    assert signal.getsignal(signal.SIGTERM) is before


@pytest.mark.parametrize("error", [MemoryError(), RuntimeError("can't start new thread")])
def test_memory_that_runs_out_anywhere_is_one_sentence(
    error: Exception, phenotrans: Callable[..., tuple[int, str, str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    def read(*_: Any, **__: Any) -> None:
        raise error

    monkeypatch.setattr("napari_phenotrans.io.read", read)
    code, out, err = phenotrans("info", "well.ome.tif")
    assert (code, out) == (2, "")
    assert err.startswith("phenotrans: Memory ran out") and err.count("\n") == 1
