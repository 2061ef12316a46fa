"""The list of runs: name, state, step and best score of each."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from qtpy.QtCore import QSignalBlocker, Qt, Signal
from qtpy.QtGui import QBrush, QColor
from qtpy.QtWidgets import QAbstractItemView, QFileDialog, QHeaderView, QTreeWidget, QTreeWidgetItem, QWidget

from napari_phenotrans.widgets.common.form_parts import in_column, in_row, push_button
from napari_phenotrans.widgets.runs.run_curves import run_name
from napari_phenotrans.widgets.runs.run_state import STATES

if TYPE_CHECKING:
    from collections.abc import Sequence

    from napari_phenotrans.widgets.runs.run_state import RunSnapshot

NAME, STATE, STEP, SCORE = range(4)
TITLES = ("Run", "State", "Step", "KID")
TOOLTIPS = (
    "The run's folder.",
    "What the run is doing; the line below the list says it in full.",
    "How many steps it has made.",
    "The best score on held-out fields so far, averaged over the directions; lower is better.",
)
ROWS = 5


class RunList(QWidget):
    """A line per run folder; one or several can be chosen.

    Signals
    -------
    selection_changed
        The folders of the chosen runs; empty where none is.
    opened
        A folder that the user picked.
    removed
        Folders that the user wants out of the list; nothing is deleted.
    """

    selection_changed = Signal(list)
    opened = Signal(Path)
    removed = Signal(list)

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._items: dict[Path, QTreeWidgetItem] = {}
        self.tree = QTreeWidget()
        self.tree.setAccessibleName("Runs")
        self.tree.setToolTip("Choose a run to watch it; hold Ctrl to choose several and compare them.")
        self.tree.setRootIsDecorated(False)
        self.tree.setAlternatingRowColors(False)
        self.tree.setSelectionMode(QAbstractItemView.SelectionMode.ExtendedSelection)
        self.tree.setHeaderLabels(TITLES)
        self.tree.setTextElideMode(Qt.TextElideMode.ElideMiddle)
        self.tree.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        titles, header = self.tree.headerItem(), self.tree.header()
        assert titles is not None and header is not None
        for number, tooltip in enumerate(TOOLTIPS):
            titles.setToolTip(number, tooltip)
        header.setStretchLastSection(False)
        header.setMinimumSectionSize(24)
        header.setSectionResizeMode(QHeaderView.ResizeMode.ResizeToContents)
        header.setSectionResizeMode(NAME, QHeaderView.ResizeMode.Stretch)
        self.tree.setFixedHeight(round(self.fontMetrics().height() * 1.5 * (ROWS + 1)))
        self.open_button = push_button("Open a run…", "Add a run folder, also one that another machine writes to.")
        self.remove_button = push_button(
            "Remove from list", "Take the chosen runs out of this list; their folders stay as they are."
        )
        self.remove_button.setEnabled(False)
        in_column(self.tree, in_row(self.open_button, self.remove_button), of=self)
        self.tree.itemSelectionChanged.connect(lambda: self.selection_changed.emit(self.selected))
        self.open_button.clicked.connect(lambda _: self._ask())
        self.remove_button.clicked.connect(lambda _: self.removed.emit(self.selected))
        self.selection_changed.connect(lambda folders: self.remove_button.setEnabled(bool(folders)))

    @property
    def folders(self) -> tuple[Path, ...]:
        """All runs, as they stand in the list."""
        return tuple(self._items)

    @property
    def selected(self) -> list[Path]:
        """The chosen runs."""
        return [folder for folder, item in self._items.items() if item.isSelected()]

    def add(self, folder: Path) -> None:
        """Add a run folder at the top, where it is not in the list yet."""
        if folder in self._items:
            return
        item = QTreeWidgetItem()
        item.setToolTip(NAME, str(folder))
        for number in (STEP, SCORE):
            item.setTextAlignment(number, Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter)
        self._items[folder] = item
        self.tree.insertTopLevelItem(0, item)
        same = [known for known in self._items if known.name == folder.name]
        for known in same:
            self._items[known].setText(NAME, run_name(known, same))

    def remove(self, folders: Sequence[Path]) -> None:
        """Take runs out of the list."""
        with QSignalBlocker(self.tree):
            for folder in folders:
                item = self._items.pop(folder)
                self.tree.takeTopLevelItem(self.tree.indexOfTopLevelItem(item))
        self.selection_changed.emit(self.selected)

    def choose(self, folders: Sequence[Path]) -> None:
        """Choose these runs and no others."""
        with QSignalBlocker(self.tree):
            for folder, item in self._items.items():
                item.setSelected(folder in folders)
            if folders:
                self.tree.scrollToItem(self._items[folders[0]])
        self.selection_changed.emit(self.selected)

    def show_run(self, run: RunSnapshot) -> None:
        """Show the state of a run."""
        item = self._items.get(run.folder)
        if item is None:
            return
        style = STATES[run.state]
        item.setText(STATE, f"{style.sign} {style.word}")
        item.setForeground(STATE, QBrush(QColor(style.color)))
        item.setToolTip(STATE, run.description)
        item.setText(STEP, str(run.step))
        item.setToolTip(STEP, f"{run.step} of {run.steps} steps")
        item.setText(SCORE, "" if run.best is None else f"{run.best:.3g}")

    def _ask(self) -> None:
        start = str(self.selected[0].parent) if self.selected else ""
        if folder := QFileDialog.getExistingDirectory(self, "Choose a run folder", start):
            self.opened.emit(Path(folder))
