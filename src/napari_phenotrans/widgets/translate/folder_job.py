"""Translating or completing a folder's images on the background thread, and reading the results of one of them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from superqt.utils import thread_worker

from napari_phenotrans.core.events import Notice
from napari_phenotrans.widgets.common.worker import Job
from napari_phenotrans.widgets.translate.progress import Progress

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence
    from pathlib import Path

    from napari_phenotrans.translation.batch import FileCompleted, FileDone, FileFailed, FileSkipped, FileStarted
    from napari_phenotrans.translation.translate import Translation
    from napari_phenotrans.translation.translator import Translator
    from napari_phenotrans.widgets.common.worker import Engines
    from napari_phenotrans.widgets.translate.jobs import Recipe


@dataclass(frozen=True)
class FileRunning:
    """How much of a file is translated, from 0 to 1."""

    path: Path
    share: float


@dataclass(frozen=True)
class FileNoticed:
    """Something that the user should know of a file."""

    path: Path
    text: str


class TranslateFolder(Job):
    """Translate files one after the other, or complete them where the recipe draws channels, and write their results.

    Parameters
    ----------
    recipe
        How to translate.
    paths, out
        The files, and the folder for the results.
    more
        Other fields of `napari_phenotrans.translation.batch.FilesRequest`, or of `CompleteFiles`.
    """

    def __init__(self, recipe: Recipe, paths: Sequence[Path], out: Path, more: Mapping[str, Any] | None = None) -> None:
        super().__init__()
        self.recipe, self.paths, self.out, self.more = recipe, tuple(paths), out, dict(more or {})

    def events(
        self, engines: Engines, tick: Callable[[], None]
    ) -> Iterator[FileStarted | FileRunning | FileNoticed | FileDone | FileCompleted | FileSkipped | FileFailed]:
        from napari_phenotrans.translation.batch import FileCompleted, FileDone, FileFailed, FileSkipped, FileStarted

        recipe = self.recipe
        translator = engines.get(recipe.checkpoint, recipe.device, recipe.precision, recipe.tile)
        path, progress, percent_sent = self.paths[0], Progress(), 0
        for event in self._batch(translator, tick):
            if isinstance(event, FileStarted):
                path, progress, percent_sent = event.path, Progress(event.planes), 0
                yield event
            elif isinstance(event, (FileDone, FileCompleted, FileSkipped, FileFailed)):
                yield event
            elif isinstance(event, Notice):
                yield FileNoticed(path, event.text)
            else:
                # planes stay here: the GUI is told how many percent there are, each once
                progress.add(event)
                if round(100 * progress.share) > percent_sent:
                    percent_sent = round(100 * progress.share)
                    yield FileRunning(path, progress.share)

    def _batch(self, translator: Translator, tick: Callable[[], None]) -> Iterator[Any]:
        from napari_phenotrans.translation.batch import CompleteFiles, FilesRequest, complete_files, translate_files
        from napari_phenotrans.translation.complete import CompletionRequest
        from napari_phenotrans.translation.request import TranslationRequest

        recipe = self.recipe
        if recipe.drawn:
            completion = CompletionRequest(recipe.target, recipe.drawn, answers=recipe.answers, how=recipe.how)
            return complete_files(CompleteFiles(self.paths, self.out, completion, **self.more), translator, tick=tick)
        translation = TranslationRequest(
            recipe.source, recipe.target, how=recipe.how, answers=recipe.answers, turns=recipe.turns
        )
        return translate_files(FilesRequest(self.paths, self.out, translation, **self.more), translator, tick=tick)


@thread_worker
def reading_result(done: FileDone, reading: Mapping[str, Any] | None = None) -> Translation:
    """Read a file and its results, for `result_layers.add_translation`; pixels stay in the files.

    Parameters
    ----------
    done
        The file.
    reading
        How it was read, as of `napari_phenotrans.translation.batch.FilesRequest`.

    Raises
    ------
    InputError
        If one of the files is gone or damaged.
    """
    from napari_phenotrans.translation.batch import read_result

    return read_result(done, reading)
