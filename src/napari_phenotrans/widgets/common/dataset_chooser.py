"""Choosing a data set folder."""

from __future__ import annotations

from pathlib import Path

from qtpy.QtCore import Signal
from qtpy.QtWidgets import QFileDialog, QWidget

from napari_phenotrans.widgets.common.form_parts import as_tooltip, in_column, in_row, push_button, wrapped_label


class DatasetChooser(QWidget):
    """A button that asks for a data set, and what is known of the chosen one.

    Parameters
    ----------
    drop_tooltip
        What may be dropped on the dock.
    text
        What stands there until a data set is chosen.

    Signals
    -------
    folder_chosen
        A folder to look into, a path.
    """

    folder_chosen = Signal(object)

    def __init__(self, drop_tooltip: str, text: str, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        #: Where the dialog begins.
        self.start_in = ""
        self.button = push_button("Choose a data set…", "A folder that holds one folder of images per condition.")
        self.button.clicked.connect(lambda _: self._ask())
        self.about = wrapped_label(text, "The data set.")
        hint = wrapped_label("or drop it here", drop_tooltip)
        in_column(in_row(self.button, hint, stretch=(0, 1)), self.about, of=self)

    def show_folder(self, folder: Path, counts: str) -> None:
        """Show which data set is chosen, and how many fields it has."""
        self.start_in = str(folder)
        self.about.setText(f"{folder.name}: {counts} fields")
        self.about.setToolTip(as_tooltip(str(folder)))

    def show_problem(self, text: str) -> None:
        """Show why a folder is no data set."""
        self.about.setText(text)

    def _ask(self) -> None:
        chosen = QFileDialog.getExistingDirectory(self, "Data set", self.start_in)
        if chosen:
            self.folder_chosen.emit(Path(chosen))
