"""The view of one run: its state, scores, previews and losses, and buttons to stop, continue and translate."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from qtpy.QtCore import QSignalBlocker, Signal
from qtpy.QtWidgets import QProgressBar, QSpinBox, QWidget

from napari_phenotrans.widgets.common.form_parts import (
    Form,
    as_panel,
    in_column,
    in_row,
    keep_tab_order,
    narrow_box,
    push_button,
    wrapped_label,
)
from napari_phenotrans.widgets.common.notices import Notices
from napari_phenotrans.widgets.common.section import Section
from napari_phenotrans.widgets.common.settings_form import wheel_where_focused
from napari_phenotrans.widgets.runs.curve_panel import CurvePanel
from napari_phenotrans.widgets.runs.run_previews import RunPreviews
from napari_phenotrans.widgets.runs.run_state import (
    STATES,
    checkpoint_text,
    in_offered_order,
    nearest_checkpoint,
    pace,
    words_about,
)

if TYPE_CHECKING:
    from napari import Viewer

    from napari_phenotrans.runs.monitor import CheckpointFile
    from napari_phenotrans.widgets.runs.run_state import RunSnapshot

NO_SCORES = "No scores yet: they need held-out fields, and come every so many steps."
BETTER = {"kid": "lower is better", "gap closed": "1 is all of it, 0 none"}


class RunView(QWidget):
    """Shows a run, and emits what is requested of it.

    Signals
    -------
    stop_requested
        The run in this folder is to save and end.
    continue_requested
        The run in this folder is to go on: to so many steps, or to those that it was meant to make where that is 0.
    translate_requested
        The checkpoint file to translate with.
    settings_requested
        A new run is to begin with the settings of the run in this folder.
    """

    stop_requested = Signal(Path)
    continue_requested = Signal(Path, int)
    translate_requested = Signal(Path)
    settings_requested = Signal(Path)

    def __init__(self, viewer: Viewer, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._checkpoints: tuple[CheckpointFile, ...] = ()
        self._run: RunSnapshot | None = None
        self.heading = wrapped_label(tooltip="The run's engine, and what it is doing.")
        self.bar = QProgressBar()
        self.bar.setAccessibleName("Steps made")
        self.bar.setToolTip("Steps made, of those that it is to make.")
        self.bar.setTextVisible(False)
        self.pace = wrapped_label(
            tooltip="Speed without scoring and saving, and the memory that training takes at most."
        )
        self.family = wrapped_label(tooltip="The trainings that differ from this one by their seed alone.")
        self.notices, self.notes = Notices(), Notices()
        self._column = in_column(self.heading, self.bar, self.pace, self.family, self.notices, of=self)
        self._add_commands()
        self._add_checkpoints()
        self._add_sections(viewer)
        self._column.addStretch(1)
        keep_tab_order(self.stop_button, self.resume_button, self.settings_button, self.more_box, self.more_button)

    def _add_commands(self) -> None:
        """Add the buttons that stop and continue the run."""
        self.stop_button = push_button("Stop", "Save and end within one step; the run can be resumed.")
        self.resume_button = push_button("Resume", "Go on from the last saved step.")
        self.settings_button = push_button(
            "Use these settings", "Fill in the settings above as this run has them, to start another one."
        )
        self.more_box = QSpinBox()
        self.more_box.setAccessibleName("More steps")
        self.more_box.setRange(1, 10_000_000)
        self.more_box.setPrefix("+ ")
        self.more_box.setToolTip("How many steps to add to those that the run was meant to make.")
        wheel_where_focused(self.more_box)
        self.more_button = push_button(
            "Continue with more", "Go on from the last saved step, for so many steps more than it was meant to make."
        )
        self._more = QWidget()
        in_row(self.more_box, self.more_button, of=self._more, stretch=(1, 1))
        self._column.addLayout(in_row(self.stop_button, self.resume_button, self.settings_button))
        self._column.addWidget(self._more)
        self.stop_button.clicked.connect(lambda _: self.stop_requested.emit(self._shown.folder))
        self.resume_button.clicked.connect(lambda _: self.continue_requested.emit(self._shown.folder, 0))
        self.more_button.clicked.connect(
            lambda _: self.continue_requested.emit(self._shown.folder, self._shown.steps + self.more_box.value())
        )
        self.settings_button.clicked.connect(lambda _: self.settings_requested.emit(self._shown.folder))

    def _add_checkpoints(self) -> None:
        """Add the box of checkpoints, and the button that translates with the chosen one."""
        self.checkpoint_box = narrow_box("Checkpoints of this run; a click on the score curve chooses the nearest one.")
        self.translate_button = push_button(
            "Translate with it", "Put this checkpoint into the Translate dock; the run may go on meanwhile."
        )
        self._column.addLayout(Form({"Checkpoint": self.checkpoint_box}))
        self.picture_notices = Notices()
        self._column.addWidget(self.picture_notices)
        self.family_button = push_button(
            "Translate with all of its family",
            "Put all trainings that differ by their seed alone into the Translate dock: it shows the mean of what they "
            "change, and where they agree.",
        )
        self._column.addWidget(self.translate_button)
        self._column.addWidget(self.family_button)
        self.family_button.clicked.connect(lambda _: self.translate_requested.emit(self._shown.folder.parent))
        self.checkpoint_box.currentIndexChanged.connect(lambda _: self._mark())
        self.translate_button.clicked.connect(lambda _: self._translate())

    def _add_sections(self, viewer: Viewer) -> None:
        """Add scores, previews, losses and notes."""
        self.score_box = narrow_box("Which score on held-out fields is drawn.")
        self.scores = CurvePanel("Scores on held-out fields", pickable=True)
        self.score_hint = wrapped_label(tooltip="How to read this score.")
        self.losses = CurvePanel("Losses", smoothing=True)
        self.previews = RunPreviews(viewer)
        self._score_form = as_panel(Form({"Score": self.score_box}))
        scores = as_panel(self._score_form, self.scores, self.score_hint)
        self.sections: dict[str, Section] = {}
        for title, tooltip, part in (
            ("Scores", "What it reaches on fields that training never sees.", scores),
            ("Previews", "The same few crops, translated as training goes.", self.previews),
            ("Losses", "What training lowers; of GANs they say little about how good a translation is.", self.losses),
            ("Notes", "What the run noted by the way.", self.notes),
        ):
            section = self.sections[title] = Section(title, tooltip, key=f"run {title}", opened=title != "Notes")
            section.add(part)
            section.toggled.connect(self._draw)
            self._column.addWidget(section)
        self.score_box.activated.connect(lambda _: self._draw_scores())
        self.scores.picked.connect(self.pick)

    # ---- what the panel tells

    def show_run(self, run: RunSnapshot) -> None:
        """Show the state of a run; another one than before begins with its best checkpoint."""
        before, self._run = self._run, run
        other = before is None or run.folder != before.folder
        engine = run.engine or "no engine yet"
        self.heading.setText(f"{STATES[run.state].sign} {run.folder.name}, {engine}: {run.description}")
        # while torch is loaded nobody knows how far it is
        self.bar.setRange(0, 0 if run.state == "starting" else max(1, run.steps))
        self.bar.setValue(run.step)
        self.bar.setVisible(run.living)
        self.pace.setText(pace(run))
        self.pace.setVisible(bool(pace(run)))
        self.family.setText(run.family)
        self.family.setVisible(bool(run.family))
        self.family_button.setVisible(bool(run.family))
        if before is None or (run.folder, run.state) != (before.folder, before.state):
            # what was requested has happened, or was requested of another run
            self.say("")
        if other:
            self.more_box.setValue(max(1, run.steps // 2))
        self.notices.say("error", [run.error] if run.error and run.error not in run.description else [])
        self.notices.say("findings", [f"{finding.sentence} {finding.advice}" for finding in run.findings])
        self.notes.say("notes", run.notes)
        self.sections["Notes"].setVisible(bool(run.notes))
        going_on = run.state in ("died", "failed", "stopped")
        self.stop_button.setEnabled(run.living)
        self.resume_button.setEnabled(going_on and run.step < run.steps)
        self._more.setEnabled(going_on or run.state == "finished")
        self.settings_button.setEnabled(bool(run.settings))
        self._show_checkpoints(in_offered_order(run.checkpoints), other)
        self.previews.show_run(run)
        self._show_kinds(list(run.scores))
        self._draw()

    def say(self, text: str) -> None:
        """Show what became of a request; an empty text hides it."""
        self.notices.say("request", [text])

    def set_theme(self, name: str) -> None:
        """Take the colors of one of napari's themes."""
        for panel in (self.scores, self.losses):
            panel.plot.set_theme(name)

    def close_previews(self) -> None:
        """Take the previews out of the viewer."""
        self.previews.hide_layers()

    # ---- checkpoints

    @property
    def checkpoint(self) -> CheckpointFile | None:
        """The chosen checkpoint."""
        index = self.checkpoint_box.currentIndex()
        return self._checkpoints[index] if 0 <= index < len(self._checkpoints) else None

    def pick(self, step: int) -> None:
        """Choose the checkpoint that is nearest to a step."""
        index = nearest_checkpoint(self._checkpoints, step)
        if index is not None:
            self.checkpoint_box.setCurrentIndex(index)

    def _show_checkpoints(self, files: tuple[CheckpointFile, ...], other: bool) -> None:
        if files == self._checkpoints and not other:
            return
        before = None if other else self.checkpoint
        self._checkpoints = files
        with QSignalBlocker(self.checkpoint_box):
            self.checkpoint_box.clear()
            for file in files:
                self.checkpoint_box.addItem(checkpoint_text(file), str(file.path))
            if not files:
                self.checkpoint_box.addItem("none yet")
            # what was chosen stays, and the best comes first
            self.checkpoint_box.setCurrentIndex(max(0, self.checkpoint_box.findData(str(before and before.path))))
        self.translate_button.setEnabled(bool(self._checkpoints))
        self._mark()

    def _mark(self) -> None:
        self.scores.plot.mark(self.checkpoint.step if self.checkpoint else None)
        self.picture_notices.say("pictures", words_about(self.checkpoint) if self.checkpoint else [])

    def _translate(self) -> None:
        if self.checkpoint:
            self.translate_requested.emit(self.checkpoint.path)

    # ---- curves

    def _show_kinds(self, kinds: list[str]) -> None:
        if kinds == [self.score_box.itemData(index) for index in range(self.score_box.count())]:
            return
        kind_before = self.score_box.currentData()
        self.score_box.clear()
        for kind in kinds:
            self.score_box.addItem("KID" if kind == "kid" else kind, kind)
        self.score_box.setCurrentIndex(max(0, self.score_box.findData(kind_before)))

    def _draw(self) -> None:
        self._draw_scores()
        if self._run is not None and self.sections["Losses"].opened:
            self.losses.show_curves(self._run.losses)

    def _draw_scores(self) -> None:
        if self._run is None or not self.sections["Scores"].opened:
            return
        kind = self.score_box.currentData()
        self.scores.show_curves(*self._run.scores.get(kind, ((), ())))
        for widget in (self._score_form, self.scores):
            widget.setVisible(kind is not None)
        self.score_hint.setText(BETTER.get(kind, "") if kind else NO_SCORES)

    @property
    def _shown(self) -> RunSnapshot:
        """The run that is shown; there is one before anything can be clicked on."""
        assert self._run
        return self._run
