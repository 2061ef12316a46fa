"""Where translations are written: names that say what they are and never collide."""

from __future__ import annotations

from collections import Counter
from contextlib import ExitStack
from dataclasses import dataclass
from typing import TYPE_CHECKING, Self

import numpy as np

from napari_phenotrans.io import write_as
from napari_phenotrans.io.atomic import clear_leftovers, refuse_existing, replacing_together
from napari_phenotrans.io.registry import is_zarr, suffix_of
from napari_phenotrans.io.write_planes import halvings

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from napari_phenotrans.core.image import Image
    from napari_phenotrans.io.write_zarr import GrowingZarr
    from napari_phenotrans.translation.translate import ResultSink, Translation

# Pixels of a plane.
PYRAMID = 4096 * 4096


@dataclass(frozen=True)
class Results:
    """The two files that a translation of one input becomes: one result, of which none is there without the other."""

    name: str
    translated: Path
    difference: Path

    @property
    def both(self) -> tuple[Path, Path]:
        return self.translated, self.difference


def result_paths(inputs: Sequence[Path], out: Path) -> dict[Path, Results]:
    """Name the results of each input: ``out/<name>_translated.ome.tif`` and ``out/<name>_difference.ome.tif``.

    Those of an OME-Zarr are OME-Zarr too. Inputs of equal name get as much of their folder in front as tells them
    apart: ``plate1_A01``, ``plate2_A01``.
    """
    paths = list(dict.fromkeys(inputs))
    depths = range(1, 1 + max(len(path.absolute().parts) for path in paths))
    tries = [{path: name_of(path, depth) for path in paths} for depth in depths]
    # one folder may hold A01.tif and A01.png
    tries.append({path: path.name.replace(".", "_") for path in paths})
    names: dict[Path, str] = {}
    for tried in tries:
        times = Counter(tried.values())
        names |= {path: name for path, name in tried.items() if path not in names and times[name] == 1}
    results = {}
    for path in paths:
        kind = ".ome.zarr" if is_zarr(path) else ".ome.tif"
        both = (out / f"{names[path]}_{what}{kind}" for what in ("translated", "difference"))
        results[path] = Results(names[path], *both)
    return results


def refuse_existing_results(results: Results, overwrite: bool) -> None:
    """Refuse before anything is computed, if a result exists and may not be overwritten.

    A translation without its difference is none: earlier versions left it when they broke off.
    """
    clear_leftovers(results.difference.parent)
    if results.difference.exists():
        for path in results.both:
            refuse_existing(path, overwrite)


def write_results(
    translation: Translation, results: Results, *, overwrite: bool = False, pyramid_above: int = PYRAMID
) -> None:
    """Write translated (the input's dtype) and difference (float32) with their provenance.

    Planes of more than ``pyramid_above`` pixels are written with smaller versions of themselves, for viewers. Both
    files appear together; until then what was there stays.
    """
    refuse_existing_results(results, overwrite)
    images = translation.translated, translation.difference
    with replacing_together(results.both, overwrite=True) as temporaries:
        for image, path, temporary in zip(images, results.both, temporaries, strict=True):
            pyramid = _pixels(image) > pyramid_above
            write_as(path.name, image, temporary, pyramid=pyramid, metadata=translation.provenance)


class ResultFiles:
    """The results of one input while they come: OME-Zarr grow as planes come, OME-TIFF are written at the end.

    A context; what is not finished when it ends is removed.

    Parameters
    ----------
    results
        Their places.
    overwrite
        Whether what is there may be replaced.
    pyramid_above
        As of `write_results`.
    """

    def __init__(self, results: Results, *, overwrite: bool, pyramid_above: int = PYRAMID) -> None:
        self._results, self._overwrite, self._pyramid_above = results, overwrite, pyramid_above
        self._growing: tuple[GrowingZarr, ...] = ()
        self._stack = ExitStack()

    @property
    def rooms(self) -> Callable[[Image], tuple[ResultSink, ResultSink]] | None:
        """What makes room for results, as `translation.translating` takes it; None where they are written at the end.

        Raises
        ------
        InputError
            If the folder cannot be written to.
        """
        return self._grow if self._results.translated.suffix == ".zarr" else None

    def finish(self, translation: Translation) -> None:
        """Write what is left to write."""
        if not self._growing:
            write_results(translation, self._results, overwrite=self._overwrite, pyramid_above=self._pyramid_above)
        for file in self._growing:
            file.finish(translation.provenance)

    def __enter__(self) -> Self:
        self._stack.__enter__()
        return self

    def __exit__(self, *error: object) -> bool | None:
        return self._stack.__exit__(*error)  # type: ignore[arg-type]

    def _grow(self, image: Image) -> tuple[ResultSink, ResultSink]:
        from napari_phenotrans.io.write_zarr import GrowingZarr

        refuse_existing_results(self._results, self._overwrite)
        temporaries = self._stack.enter_context(replacing_together(self._results.both, overwrite=True))
        dtypes = image.dtype, np.dtype(np.float32)
        first, second = (
            GrowingZarr(
                image,
                temporary,
                dtype,
                levels=halvings(image) if _pixels(image) > self._pyramid_above else 0,
                name=path.name.removesuffix(".ome.zarr"),
            )
            for path, temporary, dtype in zip(self._results.both, temporaries, dtypes, strict=True)
        )
        self._growing = first, second
        return first, second


def _pixels(image: Image) -> int:
    """Pixels of one plane of one channel."""
    return image.sizes["Y"] * image.sizes["X"]


def name_of(path: Path, depth: int = 1) -> str:
    """Return a file's name without its suffix, with ``depth - 1`` of its folders in front."""
    stem = path.name.removesuffix(suffix_of(path) or path.suffix)
    folders = path.absolute().parts[1:-1]
    return "_".join([*folders[len(folders) - depth + 1 :], stem]) if depth > 1 else stem
