"""Where translations are written: names that say what they are and never collide."""

from __future__ import annotations

import re
from collections import Counter
from contextlib import ExitStack
from dataclasses import dataclass
from typing import TYPE_CHECKING, Self

import numpy as np

from napari_phenotrans.core.kinds import FILE_WORDS, MAPS, MEAN, SAMPLE, TRANSLATED
from napari_phenotrans.io import FORMATS, write_as
from napari_phenotrans.io.atomic import clear_leftovers, refuse_existing, replacing_together
from napari_phenotrans.io.display import windows
from napari_phenotrans.io.registry import is_zarr, suffix_of
from napari_phenotrans.io.write_planes import halvings

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from napari_phenotrans.core.image import Image
    from napari_phenotrans.io.write_zarr import GrowingZarr
    from napari_phenotrans.translation.complete import Completion
    from napari_phenotrans.translation.translate import ResultSink, Translation

# What is no image of the input's kind, and is written as float32.
_FLOAT = re.compile(rf"_({'|'.join(word for kind, word in FILE_WORDS.items() if kind in MAPS)})\.ome\.(tif|zarr)$")
_FLOATING = np.dtype(np.float32)
# Pixels of a plane.
PYRAMID = 4096 * 4096


@dataclass(frozen=True)
class Results:
    """The files that a translation of one input becomes: one result, of which none is there without the others.

    Attributes
    ----------
    name
        What tells it from the results of other inputs.
    translated, difference
        The translation.
    answers
        Where several were drawn: a file for each sample, then their mean and their spread.
    format
        One of `io.FORMATS`.
    extras
        A file for each further map that was asked for.
    """

    name: str
    translated: Path
    difference: Path
    answers: tuple[Path, ...] = ()
    format: str = "ome-tiff"
    extras: tuple[Path, ...] = ()

    @property
    def all(self) -> tuple[Path, ...]:
        """All files, in the order of `Translation.images`."""
        return self.translated, self.difference, *self.extras, *self.answers

    @property
    def in_the_way(self) -> list[Path]:
        """The files that are there and a result of their own."""
        # a translation without its difference is none: earlier versions left it when they broke off
        whole = self.difference.exists()
        return [path for path in self.all if path.exists() and (whole or path != self.translated)]


@dataclass(frozen=True)
class CompletedResults:
    """The files that a completion of one input becomes, in the order of `Completion.images`."""

    name: str
    all: tuple[Path, ...]
    format: str = "ome-tiff"

    @property
    def in_the_way(self) -> list[Path]:
        """The files that are there."""
        return [path for path in self.all if path.exists()]


def answer_names(samples: int) -> list[str]:
    """Return what the files of several answers are called after the input's name; nothing where there are none."""
    if samples < 2:
        return []
    return [*(f"sample-{number}" for number in range(1, samples + 1)), "samples-mean", "samples-spread"]


def result_paths(
    inputs: Sequence[Path], out: Path, samples: int = 1, format: str | None = None, extras: Sequence[str] = ()
) -> dict[Path, Results]:
    """Name the results of each input: ``out/<name>_translated.ome.tif`` and ``out/<name>_difference.ome.tif``.

    Of several samples also ``<name>_sample-1.ome.tif`` and so on, ``<name>_samples-mean.ome.tif`` and
    ``<name>_samples-spread.ome.tif``; ``extras`` are kinds of further maps, such as
    ``<name>_turned.ome.tif``. Those of an OME-Zarr are OME-Zarr too, unless ``format``, one of `io.FORMATS`, says
    otherwise. Inputs of equal name get as much of their folder in front as tells
    them apart: ``plate1_A01``, ``plate2_A01``.
    """
    results = {}
    for path, name in _names(inputs).items():
        key = format or usual_format(path)
        translated, difference, *others = (
            out / f"{name}_{what}{FORMATS[key].suffix}"
            for what in ("translated", "difference", *(FILE_WORDS[kind] for kind in extras), *answer_names(samples))
        )
        maps, answers = others[: len(extras)], others[len(extras) :]
        results[path] = Results(name, translated, difference, tuple(answers), key, tuple(maps))
    return results


def completed_paths(
    inputs: Sequence[Path], out: Path, samples: int = 1, format: str | None = None
) -> dict[Path, CompletedResults]:
    """Name the completions of each input: ``out/<name>_completed.ome.tif``.

    Of several samples ``<name>_completed_sample-1.ome.tif`` and so on, with ``…_samples-mean`` and ``…_samples-spread``
    as of a translation.
    """
    kinds = ["completed", *(f"completed_{what}" for what in answer_names(samples))][samples > 1 :]
    results = {}
    for path, name in _names(inputs).items():
        key = format or usual_format(path)
        files = tuple(out / f"{name}_{what}{FORMATS[key].suffix}" for what in kinds)
        results[path] = CompletedResults(name, files, key)
    return results


def usual_format(path: Path) -> str:
    """Return the format that results of an input have where none is said."""
    return "ome-zarr" if is_zarr(path) else "ome-tiff"


def _names(inputs: Sequence[Path]) -> dict[Path, str]:
    """Return a name for each input that no other has, however a system takes upper and lower case."""
    paths = list(dict.fromkeys(inputs))
    depths = range(1, 1 + max(len(path.absolute().parts) for path in paths))
    # one folder may hold A01.tif and A01.png: then their suffixes tell them apart
    tries = [{path: name_of(path, depth) for path in paths} for depth in depths]
    tries += [{path: name_of(path, depth) + suffix_of_name(path) for path in paths} for depth in depths]
    tries += [
        {path: f"{name_of(path)}-{number}" for number, path in enumerate(paths, start=start)} for start in (1, 10**6)
    ]
    names: dict[Path, str] = {}
    taken: set[str] = set()
    for tried in tries:
        times = Counter(name.casefold() for name in tried.values())
        for path, name in tried.items():
            if path not in names and times[name.casefold()] == 1 and name.casefold() not in taken:
                names[path] = name
                taken.add(name.casefold())
    return {path: names[path] for path in paths}


def suffix_of_name(path: Path) -> str:
    """Return a file's suffix as a part of a name: ``_ome_tif``."""
    return (suffix_of(path) or path.suffix).replace(".", "_")


def refuse_existing_results(results: Results | CompletedResults, overwrite: bool) -> None:
    """Refuse before anything is computed, if a result exists and may not be overwritten."""
    clear_leftovers(results.all[0].parent)
    for path in results.in_the_way:
        refuse_existing(path, overwrite)


def write_results(
    made: Translation | Completion,
    results: Results | CompletedResults,
    *,
    overwrite: bool = False,
    pyramid_above: int = PYRAMID,
) -> None:
    """Write what was made with its provenance: images in the input's dtype, differences and spreads in float32.

    Planes of more than ``pyramid_above`` pixels are written with smaller versions of themselves, for viewers. All
    files appear together; until then what was there stays.
    """
    refuse_existing_results(results, overwrite)
    with replacing_together(results.all, overwrite=True) as temporaries:
        for image, path, temporary, about in zip(made.images, results.all, temporaries, made.provenances, strict=True):
            pyramid = _pixels(image) > pyramid_above
            compared = _compared_with(made, image)
            shown = image.replace(display=windows(image, image.kind, *compared)) if compared else image
            write_as(path.name, shown, temporary, format=results.format, pyramid=pyramid, metadata=about)


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

    def __init__(self, results: Results | CompletedResults, *, overwrite: bool, pyramid_above: int = PYRAMID) -> None:
        self._results, self._overwrite, self._pyramid_above = results, overwrite, pyramid_above
        self._growing: tuple[GrowingZarr, ...] = ()
        self._stack = ExitStack()

    @property
    def rooms(self) -> Callable[[Image], Sequence[ResultSink]] | None:
        """What makes room for results, as `translation.translating` takes it; None where they are written at the end.

        Raises
        ------
        InputError
            If the folder cannot be written to.
        """
        return self._grow if self._results.all[0].suffix == ".zarr" else None

    def finish(self, made: Translation | Completion) -> None:
        """Write what is left to write."""
        if not self._growing:
            write_results(made, self._results, overwrite=self._overwrite, pyramid_above=self._pyramid_above)
            return
        for file, image, about in zip(self._growing, made.images, made.provenances, strict=True):
            file.finish(about, *_compared_with(made, image))

    def __enter__(self) -> Self:
        self._stack.__enter__()
        return self

    def __exit__(self, *error: object) -> bool | None:
        return self._stack.__exit__(*error)  # type: ignore[arg-type]

    def _grow(self, image: Image) -> Sequence[ResultSink]:
        from napari_phenotrans.io.write_zarr import USUAL_VERSION, GrowingZarr

        refuse_existing_results(self._results, self._overwrite)
        paths = self._results.all
        temporaries = self._stack.enter_context(replacing_together(paths, overwrite=True))
        self._growing = tuple(
            GrowingZarr(
                image,
                temporary,
                _FLOATING if _FLOAT.search(path.name) else image.dtype,
                levels=halvings(image) if _pixels(image) > self._pyramid_above else 0,
                name=path.name.removesuffix(".ome.zarr"),
                version="0.5" if self._results.format == "ome-zarr-0.5" else USUAL_VERSION,
            )
            for path, temporary in zip(paths, temporaries, strict=True)
        )
        return self._growing


def _compared_with(made: Translation | Completion, image: Image) -> tuple[Image, ...]:
    """Return the images whose ranges of intensities one that was made is to share: brightness may be the phenotype."""
    real = getattr(made, "real", None)
    return (real,) if real is not None and image.kind in (TRANSLATED, SAMPLE, MEAN) else ()


def _pixels(image: Image) -> int:
    """Pixels of one plane of one channel."""
    return image.sizes["Y"] * image.sizes["X"]


def name_of(path: Path, depth: int = 1) -> str:
    """Return a file's name without its suffix, with ``depth - 1`` of its folders in front."""
    stem = path.name.removesuffix(suffix_of(path) or path.suffix)
    folders = path.absolute().parts[1:-1]
    return "_".join([*folders[len(folders) - depth + 1 :], stem]) if depth > 1 else stem
