"""What ``phenotrans demo`` does: translate bundled samples, and write the images and a contact sheet of each."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from napari_phenotrans.io import read
from napari_phenotrans.io.samples import SAMPLES, Sample
from napari_phenotrans.translation.contact_sheet import contact_sheet
from napari_phenotrans.translation.outputs import Results, result_paths, write_results
from napari_phenotrans.translation.translate import Translation, translate_image

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from napari_phenotrans.translation.translate import Event

SAMPLE_NAMES = ("bbbc013-untreated", "synthetic-organoid-healthy")


@dataclass(frozen=True, eq=False)
class DemoResult:
    """One translated sample and the files that were written."""

    sample: Sample
    translation: Translation
    results: Results
    sheet: Path


def run_demo(out: Path, on_event: Callable[[Event], None] = lambda event: None) -> Iterator[DemoResult]:
    """Translate a real well and a synthetic organoid into ``out``, replacing what an earlier demo wrote there."""
    for name in SAMPLE_NAMES:
        sample = SAMPLES[name]
        translation = translate_image(
            read(sample.path), sample.checkpoint, source=sample.condition, target=sample.target, on_event=on_event
        )
        results = result_paths([sample.path], out)[sample.path]
        write_results(translation, results, overwrite=True)
        sheet = contact_sheet(translation, out / f"{results.name}_sheet.png", overwrite=True)
        yield DemoResult(sample, translation, results, sheet)
