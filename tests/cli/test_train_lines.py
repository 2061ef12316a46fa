"""What training prints."""

from __future__ import annotations

from types import SimpleNamespace
from typing import TYPE_CHECKING

from napari_phenotrans.checkpoints.checkpoint import Checkpoint, PictureVerdict
from napari_phenotrans.checkpoints.describe import NONE_PASSED
from napari_phenotrans.cli.train_lines import event_line
from napari_phenotrans.runs.paths import BEST
from napari_phenotrans.training.events import Finished

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path


def test_at_the_end_the_best_checkpoint_is_called_what_it_is(
    make_checkpoint: Callable[..., Checkpoint], tmp_path: Path
) -> None:
    run = SimpleNamespace(folder=tmp_path, settings=SimpleNamespace(steps=4))
    assert event_line(Finished(4), run) == "finished after 4 steps"  # type: ignore[arg-type]
    verdict = PictureVerdict(direction="a → b", passed=False, sentences=("GFP: leaves a fine grid.",))
    make_checkpoint("shift", pictures=(verdict,)).save(tmp_path / BEST)
    assert event_line(Finished(4), run) == "\n".join(  # type: ignore[arg-type]
        [
            "finished after 4 steps",
            f"{BEST}: On held-out fields, a → b: GFP: leaves a fine grid.",
            f"{BEST}: {NONE_PASSED}",
        ]
    )
