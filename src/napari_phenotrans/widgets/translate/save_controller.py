"""Saving results, copying the command that makes them again, and translating a folder: what the form's buttons do."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from qtpy.QtCore import QObject, Signal

from napari_phenotrans.core.errors import InputError
from napari_phenotrans.core.kinds import FILE_WORDS
from napari_phenotrans.translation.batch import FileCompleted
from napari_phenotrans.translation.kept import SUFFIX as KEPT
from napari_phenotrans.translation.provenance import translate_command
from napari_phenotrans.widgets.common.preferences import (
    folder_to_write_to,
    last_choices,
    open_folders_here,
    preferences,
    remember,
)
from napari_phenotrans.widgets.common.worker import Runner
from napari_phenotrans.widgets.translate.folder_job import TranslateFolder, reading_result
from napari_phenotrans.widgets.translate.result_layers import add_translation
from napari_phenotrans.widgets.translate.save_job import (
    Save,
    Saved,
    Saving,
    layers_to_save,
    note_saved,
    translated_parts,
)
from napari_phenotrans.widgets.viewer.batched_update import one_update
from napari_phenotrans.widgets.viewer.layer_info import path_of
from napari_phenotrans.widgets.viewer.layers import info

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path

    from napari import Viewer

    from napari_phenotrans.translation.batch import FileDone
    from napari_phenotrans.translation.translate import Translation
    from napari_phenotrans.widgets.common.worker import Problem
    from napari_phenotrans.widgets.translate.jobs import Recipe
    from napari_phenotrans.widgets.translate.save_panel import SavePanel
    from napari_phenotrans.widgets.viewer.channel_row import Row


class SaveController(QObject):
    """Does what a `SavePanel` asks for.

    Parameters
    ----------
    viewer
        Where the layers are.
    panel
        Asks, and is told.
    rows
        Gives what is compared or chosen: what would be saved.
    recipe
        Returns how files would be translated; raises InputError where something is not chosen.
    shown
        Returns how the comparison is shown, to be kept with it.

    Signals
    -------
    opened
        The rows of a file of the folder whose results were wanted, and their provenance.
    completed_wanted
        The files of a completed image that were wanted.
    failed
        Why something could not be done.
    """

    opened = Signal(object, dict)
    completed_wanted = Signal(list)
    failed = Signal(str)

    def __init__(
        self,
        viewer: Viewer,
        panel: SavePanel,
        rows: Callable[[], list[Row]],
        recipe: Callable[[], Recipe],
        shown: Callable[[], Mapping[str, Any]] = dict,
        parent: QObject | None = None,
    ) -> None:
        super().__init__(parent)
        self._viewer, self._panel = viewer, panel
        self._rows, self._recipe, self._shown = rows, recipe, shown
        self._saver, self._folder = Runner(self), Runner(self)
        # of the folder that was translated last
        self._reading: dict[str, Any] = {}
        panel.start_in = str(preferences().folder or last_choices().folder or "")
        panel.save_requested.connect(self.save)
        panel.copy_requested.connect(self.copy)
        panel.cancel_requested.connect(self._saver.cancel)
        panel.folder.batch_requested.connect(self.translate_folder)
        panel.folder.open_requested.connect(self.open_result)
        panel.folder.cancel_requested.connect(self._folder.cancel)
        self._saver.came.connect(self._on_saving)
        self._saver.ended.connect(self._on_saved)
        self._folder.came.connect(lambda _, event: panel.folder.show_event(event))
        self._folder.ended.connect(lambda _, problem: panel.folder.end(problem.text if problem else ""))

    def update(self, missing: str, *, completes: bool) -> None:
        """Tell the panel whether there are results to save.

        ``missing`` is what translating a folder still needs; ``completes`` says that channels are drawn instead.
        """
        rows = self._rows()
        done = bool(rows) and "planes" in info(rows[0].translated).get("provenance", {})
        self._panel.set_ready(done, "Translate something first.")
        if rows and not self._panel.start_in and (path := path_of(rows[0].real)):
            self._panel.start_in = str(folder_to_write_to(path.parent))
        self._panel.folder.set_completes(completes)
        self._panel.folder.set_ready(not missing, missing)

    def save(self, folder: Path, format: str, overwrite: bool) -> None:
        """Keep what is compared, unless it was kept there before and may not be replaced: then ask."""
        rows = self._rows()
        try:
            parts = layers_to_save(self._viewer, rows)
            job = Save(parts, folder, format, overwrite, rows=tuple(rows), shown=self._shown())
        except InputError as error:
            self._panel.say(str(error))
            return
        if job.existing and not overwrite:
            self._panel.ask_to_replace(folder, format, job.existing)
            return
        remember(folder=str(folder))
        self._panel.set_busy(True)
        self._saver.start(job)

    def copy(self) -> None:
        """Put on the clipboard what makes the same translation again."""
        try:
            self._panel.copy("\n".join(commands_of(self._rows())))
        except InputError as error:
            self._panel.offer_saving(str(error))

    def translate_folder(self, paths: list[Path], out: Path, more: dict[str, Any]) -> None:
        """Translate files, or complete them, with what is chosen in the dock."""
        try:
            recipe = self._recipe()
        except InputError as error:
            self._panel.folder.end(str(error))
            return
        self._reading = dict(more.get("reading", {}))
        self._folder.start(TranslateFolder(recipe, paths, out, more))

    def open_result(self, done: FileDone | FileCompleted) -> None:
        """Show the results of a file of the folder."""
        if isinstance(done, FileCompleted):
            self.completed_wanted.emit(list(done.written))
            return
        worker = reading_result(done, self._reading)
        worker.returned.connect(self._on_read)
        worker.errored.connect(lambda error: self.failed.emit(str(error)))
        worker.start()

    def close(self) -> None:
        """Stop, and release what the engine holds in memory."""
        self._saver.unload()
        self._folder.unload()

    def _on_saving(self, job: Save, event: Saving | Saved) -> None:
        if isinstance(event, Saving):
            self._panel.set_busy(True, event.share)
        else:
            note_saved(job.rows, event)
            open_folders_here(KEPT)
            words = ", ".join(FILE_WORDS[kind].replace("_", " ") for kind in event.paths)
            self._panel.say(
                f"saved {words} in {event.folder}. Drop that folder here or on the viewer to see the comparison again."
            )

    def _on_saved(self, _: Save, problem: Problem | None) -> None:
        status = self._panel.status.text()
        self._panel.set_busy(False)
        self._panel.say(problem.text if problem else status if status.startswith("saved") else "saving was cancelled")

    def _on_read(self, translation: Translation) -> None:
        with one_update(self._viewer):
            rows = add_translation(self._viewer, translation)
        self.opened.emit(rows, translation.provenance)


def commands_of(rows: Sequence[Row]) -> list[str]:
    """Return the commands that make the translated pixels of some rows again: one per part that was translated.

    Raises
    ------
    InputError
        If image or checkpoint lie in no file, see `translate_command`.
    """
    return [translate_command(part) for part in translated_parts(info(rows[0].translated)["provenance"])]
