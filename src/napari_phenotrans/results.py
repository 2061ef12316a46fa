"""Where translations are written: names that say what they are and never collide."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING

from napari_phenotrans.io import write
from napari_phenotrans.io.registry import suffix_of
from napari_phenotrans.io.replacing import refuse_existing

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from napari_phenotrans.translation import Translation


@dataclass(frozen=True)
class Results:
    """The two files that a translation of one input becomes."""

    name: str
    translated: Path
    difference: Path


def result_paths(inputs: Sequence[Path], out: Path) -> dict[Path, Results]:
    """Name the results of each input: ``out/<name>_translated.ome.tif`` and ``out/<name>_difference.ome.tif``.

    Inputs of equal name get as much of their folder in front as tells them apart: ``plate1_A01``, ``plate2_A01``.
    """
    paths = list(dict.fromkeys(inputs))
    depths = range(1, 1 + max(len(path.absolute().parts) for path in paths))
    tries = [{path: name_of(path, depth) for path in paths} for depth in depths]
    # one folder may hold A01.tif and A01.png
    tries.append({path: path.name.replace(".", "_") for path in paths})
    names: dict[Path, str] = {}
    for tried in tries:
        counted = Counter(tried.values())
        names |= {path: name for path, name in tried.items() if path not in names and counted[name] == 1}
    return {
        path: Results(names[path], out / f"{names[path]}_translated.ome.tif", out / f"{names[path]}_difference.ome.tif")
        for path in paths
    }


def refuse_existing_results(results: Results, overwrite: bool) -> None:
    """Refuse before anything is computed, if a result exists and may not be overwritten."""
    refuse_existing(results.translated, overwrite)
    refuse_existing(results.difference, overwrite)


def write_results(translation: Translation, results: Results, *, overwrite: bool = False) -> None:
    """Write translated (the input's dtype) and difference (float32) with their provenance."""
    for image, path in ((translation.translated, results.translated), (translation.difference, results.difference)):
        write(image, path, overwrite=overwrite, metadata=translation.provenance)


def name_of(path: Path, depth: int = 1) -> str:
    """Return a file's name without its suffix, with ``depth - 1`` of its folders in front."""
    stem = path.name.removesuffix(suffix_of(path) or path.suffix)
    folders = path.absolute().parts[1:-1]
    return "_".join([*folders[len(folders) - depth + 1 :], stem]) if depth > 1 else stem
