"""What the training dock looks like: its parts and where they stand, and nothing of what they do."""

from __future__ import annotations

from typing import TYPE_CHECKING

from napari_phenotrans.widgets.common.dock import Dock
from napari_phenotrans.widgets.common.form_parts import as_panel, push_button
from napari_phenotrans.widgets.runs.runs_panel import RunsPanel
from napari_phenotrans.widgets.train.check_table import CheckTable
from napari_phenotrans.widgets.train.data_panel import TrainingDataPanel
from napari_phenotrans.widgets.train.example_crops import ExampleCrops
from napari_phenotrans.widgets.train.repeats_form import RepeatsForm
from napari_phenotrans.widgets.train.run_folder_chooser import RunFolderChooser
from napari_phenotrans.widgets.train.settings_panel import TrainingSettingsPanel

if TYPE_CHECKING:
    from napari import Viewer


class TrainingForm(Dock):
    """Sections for the data, their check, the settings, and the runs."""

    def __init__(self, viewer: Viewer) -> None:
        super().__init__(
            viewer,
            "train",
            start="Start training",
            cancel_tooltip="Stop checking, writing or estimating. A training is stopped among the runs.",
            bar_tooltip="Fields read or written.",
        )
        self.data = TrainingDataPanel(viewer)
        self.check_button = push_button(
            "Check the images",
            "Read every field once: list all that speaks against training on them, and show example crops.",
        )
        self.report = CheckTable()
        self.examples = ExampleCrops()
        self.settings = TrainingSettingsPanel()
        self.run_folder = RunFolderChooser()
        self.copy_button = push_button(
            "Copy command",
            "Copy the phenotrans train command that Start runs, for a shell or another computer: the dock watches its "
            "run folder just as well.",
        )
        self.runs = RunsPanel(viewer)
        check = as_panel(self.check_button, self.report, self.examples)
        self.repeats = RepeatsForm()
        settings = as_panel(self.settings, self.repeats, self.run_folder, self.copy_button)
        for title, tooltip, part in (
            ("Data", "What to train on.", self.data),
            ("Check", "Whether the images are fit to train on, and what of them an engine will see.", check),
            ("Settings", "What learns, how long, and what it costs.", settings),
            ("Runs", "Trainings that go on, here or elsewhere, and those that ended.", self.runs),
        ):
            self.add_section(title, tooltip, part, opened=True)
        self.lay_out()
