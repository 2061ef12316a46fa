"""The runs of the training dock: their list, and below it the chosen run, or a comparison of several."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from qtpy.compat import isalive
from qtpy.QtCore import Signal
from qtpy.QtWidgets import QWidget
from superqt.utils import create_worker

from napari_phenotrans.core.errors import InputError
from napari_phenotrans.runs.family import MEMBER
from napari_phenotrans.runs.launch import continue_training, request_stop
from napari_phenotrans.runs.recent import RememberedRuns, list_runs
from napari_phenotrans.widgets.common.form_parts import in_column, wrapped_label
from napari_phenotrans.widgets.common.later import later
from napari_phenotrans.widgets.runs.run_list import RunList
from napari_phenotrans.widgets.runs.run_watcher import RunWatcher
from napari_phenotrans.widgets.translate.layers_menu import raise_dock

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from napari import Viewer

    from napari_phenotrans.widgets.runs.run_compare import RunCompare
    from napari_phenotrans.widgets.runs.run_state import RunSnapshot
    from napari_phenotrans.widgets.runs.run_view import RunView

NO_RUN_CHOSEN = "Choose a run to watch it."


class RunsPanel(QWidget):
    """Lists the runs that were started or opened before and those beside them, and shows the chosen ones.

    Runs may be going on here or on another computer that writes to the same disk.

    Parameters
    ----------
    viewer
        Where previews are shown, and whose translate dock takes checkpoints.
    remembered
        Where run folders are remembered between sessions.

    Signals
    -------
    translate_with
        A checkpoint file that was put into the translate dock.
    settings_requested
        A run folder whose settings are to be filled in.
    living_found
        A run that is going on was chosen, for the user had chosen none.
    """

    translate_with = Signal(Path)
    settings_requested = Signal(Path)
    living_found = Signal()

    def __init__(
        self, viewer: Viewer, parent: QWidget | None = None, *, remembered: RememberedRuns | None = None
    ) -> None:
        super().__init__(parent)
        self.setObjectName("phenotrans_runs")
        self.viewer = viewer
        self.list = RunList()
        self.watcher = RunWatcher(self)
        self.view: RunView | None = None
        self.compare: RunCompare | None = None
        self.status = wrapped_label(tooltip="What is shown below, or what is needed for it.")
        self._remembered = remembered or RememberedRuns()
        self._runs: dict[Path, RunSnapshot] = {}
        self._loading = False
        # until the user has chosen a run, one that is going on is chosen
        self._nothing_chosen_yet = True
        self._column = in_column(self.list, self.status, of=self)
        self._column.addStretch(1)

        self.list.selection_changed.connect(self._on_chosen)
        self.list.opened.connect(self.open_run)
        self.list.removed.connect(self._on_removed)
        self.watcher.polled.connect(self._on_polled)
        viewer.events.theme.connect(self._on_theme)
        self._update_status()
        self._work(_find_runs, self._remembered, then=self._on_found)

    def add_run(self, folder: Path) -> None:
        """Add a run folder to the list, and remember it."""
        folder = folder.absolute()
        self.list.add(folder)
        self.watcher.watch(folder)
        self._work(self._remembered.add, folder)

    def open_run(self, folder: Path) -> None:
        """Add a run folder to the list, and show it."""
        self.add_run(folder)
        self.list.choose([folder.absolute()])

    def close_viewer(self) -> None:
        """Stop watching, and leave the viewer as it was; runs go on."""
        if self.watcher.closed:
            return
        self.watcher.close()
        self.viewer.events.theme.disconnect(self._on_theme)
        if self.view:
            self.view.close_previews()

    # ---- the list

    def _on_found(self, folders: list[Path]) -> None:
        known = set(self.list.folders)
        for folder in reversed(folders):
            if folder not in known:
                self.list.add(folder)
                self.watcher.watch(folder)

    def _on_removed(self, folders: list[Path]) -> None:
        for folder in folders:
            self.watcher.forget(folder)
            self._runs.pop(folder, None)
            self._work(self._remembered.remove, folder)
        self.list.remove(folders)

    def _on_chosen(self, folders: list[Path]) -> None:
        self._nothing_chosen_yet = False
        self.watcher.look_at(folders)
        self._update_status()
        if len(folders) != 1 and self.view:
            self.view.close_previews()
            self.view.hide()
        if len(folders) < 2 and self.compare:
            self.compare.hide()
        if folders and not self.view and not self._loading:
            # it takes most of a second, and is needed by nobody who has no run
            self._loading = True
            self._work(_load_view, then=lambda _: self._make_view())

    def _on_polled(self, runs: Sequence[RunSnapshot]) -> None:
        for run in runs:
            if run.members:
                self._show_members(run.folder, run.members)
                continue
            self._runs[run.folder] = run
            self.list.show_run(run)
            if self._nothing_chosen_yet and run.living:
                self.list.choose([run.folder])
                self.living_found.emit()
        polled, chosen = {run.folder for run in runs}, self.list.selected
        if polled & set(chosen):
            self._show()
        families = {folder.parent for folder in polled - set(chosen) if folder.name.startswith(MEMBER)}
        if len(chosen) == 1 and chosen[0].parent in families:
            # what is said of its family has changed
            self.watcher.look_at(chosen)

    def _show_members(self, family: Path, members: Sequence[Path]) -> None:
        """Put the trainings of a family in its place, the first one on top; it is chosen where the family was."""
        chosen = family in self.list.selected
        for folder in reversed(members):
            self.add_run(folder)
        self._on_removed([family])
        if chosen:
            self.list.choose([members[0]])

    # ---- the chosen runs

    def _make_view(self) -> None:
        from napari_phenotrans.widgets.runs.run_view import RunView

        self._loading = False
        self.view = RunView(self.viewer)
        self.view.stop_requested.connect(self._stop)
        self.view.continue_requested.connect(self._continue)
        self.view.translate_requested.connect(self._translate)
        self.view.settings_requested.connect(self.settings_requested)
        self._add(self.view)
        # filled in another turn of the event loop, so that neither is long
        later(self, self._show)

    def _add(self, widget: RunView | RunCompare) -> None:
        widget.hide()
        widget.set_theme(self.viewer.theme)
        self._column.insertWidget(self._column.count() - 1, widget)

    def _show(self) -> None:
        """Show what was last read of the chosen runs."""
        runs = [self._runs[folder] for folder in self.list.selected if folder in self._runs]
        if not runs or len(runs) < len(self.list.selected) or self.view is None:
            return
        if len(runs) == 1:
            self.view.show_run(runs[0])
            self.view.show()
        else:
            if self.compare is None:
                from napari_phenotrans.widgets.runs.run_compare import RunCompare

                self.compare = RunCompare()
                self._add(self.compare)
            self.compare.show_runs(runs)
            self.compare.show()
        self._update_status()

    def _update_status(self) -> None:
        count = len(self.list.selected)
        if count == 1:
            self.status.setText("" if self.view else "reading the run…")
        else:
            self.status.setText(f"{count} runs compared" if count else NO_RUN_CHOSEN)
        self.status.setVisible(bool(self.status.text()))

    def _on_theme(self, _: Any = None) -> None:
        for widget in (self.view, self.compare):
            if widget:
                widget.set_theme(self.viewer.theme)

    # ---- what is requested of a run

    def _stop(self, folder: Path) -> None:
        self._do(lambda: request_stop(folder), folder, "stopping: it saves first…")

    def _continue(self, folder: Path, steps: int) -> None:
        self._do(lambda: continue_training(folder, steps or None), folder, "starting: loading torch…")

    def _do(self, action: Callable[[], Any], folder: Path, status: str) -> None:
        """Do something with a run on a worker thread, for its folder may be far away."""
        assert self.view
        self.view.say(status)
        self._work(action, then=lambda _: self.watcher.look_at([folder]))

    def _translate(self, path: Path) -> None:
        assert self.view
        self.view.close_previews()
        try:
            raise_dock(self.viewer).checkpoints.choose(path)
        except InputError as error:
            self.view.say(str(error))
            return
        self.translate_with.emit(path)

    def _work(self, function: Callable[..., Any], *args: Any, then: Callable[[Any], None] = lambda _: None) -> None:
        def unless_closed(call: Callable[[Any], None]) -> Callable[[Any], None]:
            # napari destroys the dock with its window, and what a worker then returns is nobody's
            return lambda result: call(result) if isalive(self) and not self.watcher.closed else None

        connect: dict[str, Any] = {"returned": unless_closed(then), "errored": unless_closed(self._on_error)}
        create_worker(function, *args, _connect=connect)

    def _on_error(self, error: Exception) -> None:
        if not isinstance(error, (InputError, OSError)):
            raise error
        if self.view:
            self.view.say(str(error))
        else:
            self.status.setText(str(error))


def _find_runs(remembered: RememberedRuns) -> list[Path]:
    """Return the remembered run folders, and those that lie beside them, the latest first."""
    folders = remembered.folders()
    beside = list_runs(list(dict.fromkeys(folder.parent for folder in folders)))
    return list(dict.fromkeys([*folders, *beside]))


def _load_view() -> None:
    """Import what shows a run, which takes a second, for the main thread to find it."""
    from napari_phenotrans.widgets.common.plot import load_pyqtgraph

    load_pyqtgraph()
