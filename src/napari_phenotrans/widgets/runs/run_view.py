"""One run: how it goes, what it reached, and what can be done with it."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from qtpy.QtCore import QSignalBlocker, Signal
from qtpy.QtWidgets import QHBoxLayout, QProgressBar, QPushButton, QSpinBox, QVBoxLayout, QWidget

from napari_phenotrans.widgets.common.form_layout import Form, keep_tab_order, narrow_box
from napari_phenotrans.widgets.common.notices import Notices, wrapped_label
from napari_phenotrans.widgets.common.section import Section
from napari_phenotrans.widgets.common.settings_form import wheel_where_focused
from napari_phenotrans.widgets.runs.curve_panel import CurvePanel
from napari_phenotrans.widgets.runs.run_previews import RunPreviews
from napari_phenotrans.widgets.runs.run_state import STATES, checkpoint_words, nearest_checkpoint, offered, pace

if TYPE_CHECKING:
    from napari import Viewer

    from napari_phenotrans.runs.monitor import CheckpointFile
    from napari_phenotrans.widgets.runs.run_state import RunLook

NO_SCORES = "No scores yet: they need held-out fields, and come every so many steps."
BETTER = {"kid": "lower is better", "gap closed": "1 is all of it, 0 none"}


class RunView(QWidget):
    """What a run says, and buttons for what may be wanted of it; does nothing itself.

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
        self._run: RunLook | None = None
        self.heading = wrapped_label()
        self.heading.setToolTip("The run's engine, and what it is doing.")
        self.bar = QProgressBar()
        self.bar.setAccessibleName("Steps made")
        self.bar.setToolTip("Steps made, of those that it is to make.")
        self.bar.setTextVisible(False)
        self.pace = wrapped_label()
        self.pace.setToolTip("Speed without scoring and saving, and the memory that training takes at most.")
        self.notices, self.notes = Notices(), Notices()

        # ---- what can be done
        self.stop_button = QPushButton("Stop")
        self.stop_button.setToolTip("Save and end within one step; the run can be resumed.")
        self.resume_button = QPushButton("Resume")
        self.resume_button.setToolTip("Go on from the last saved step.")
        self.more_box = QSpinBox()
        self.more_box.setAccessibleName("More steps")
        self.more_box.setRange(1, 10_000_000)
        self.more_box.setPrefix("+ ")
        self.more_box.setToolTip("How many steps to add to those that the run was meant to make.")
        wheel_where_focused(self.more_box)
        self.more_button = QPushButton("Continue with more")
        self.more_button.setToolTip("Go on from the last saved step, for so many steps more than it was meant to make.")
        self.settings_button = QPushButton("Use these settings")
        self.settings_button.setToolTip("Fill in the settings above as this run has them, to start another one.")

        # ---- what it reached
        self.checkpoint_box = narrow_box("Checkpoints of this run; a click on the score curve chooses the nearest one.")
        self.translate_button = QPushButton("Translate with it")
        self.translate_button.setToolTip("Put this checkpoint into the Translate dock; the run may go on meanwhile.")
        self.score_box = narrow_box("Which score on held-out fields is drawn.")
        self.scores = CurvePanel("Scores on held-out fields", pickable=True)
        self.scores_said = wrapped_label()
        self.scores_said.setToolTip("How to read this score.")
        self.losses = CurvePanel("Losses", smoothing=True)
        self.previews = RunPreviews(viewer)

        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        for widget in (self.heading, self.bar, self.pace, self.notices):
            column.addWidget(widget)
        buttons = QHBoxLayout()
        buttons.addWidget(self.stop_button)
        buttons.addWidget(self.resume_button)
        buttons.addWidget(self.settings_button)
        column.addLayout(buttons)
        self._more = QWidget()
        more = QHBoxLayout(self._more)
        more.setContentsMargins(0, 0, 0, 0)
        more.addWidget(self.more_box, 1)
        more.addWidget(self.more_button, 1)
        column.addWidget(self._more)
        form = Form()
        form.add("Checkpoint", self.checkpoint_box)
        column.addLayout(form)
        column.addWidget(self.translate_button)
        scored = QWidget()
        inside = QVBoxLayout(scored)
        inside.setContentsMargins(0, 0, 0, 0)
        self._kinds = QWidget()
        kinds = Form()
        kinds.add("Score", self.score_box)
        self._kinds.setLayout(kinds)
        inside.addWidget(self._kinds)
        inside.addWidget(self.scores)
        inside.addWidget(self.scores_said)
        parts = (
            ("Scores", "What it reaches on fields that training never sees.", scored),
            ("Previews", "The same few crops, translated as training goes.", self.previews),
            ("Losses", "What training lowers; of GANs they say little about how good a translation is.", self.losses),
            ("Notes", "What the run noted by the way.", self.notes),
        )
        self.sections = {}
        for title, tooltip, part in parts:
            section = self.sections[title] = Section(title, tooltip, key=f"run {title}", opened=title != "Notes")
            section.add(part)
            section.toggled.connect(self._draw)
            column.addWidget(section)
        column.addStretch(1)
        keep_tab_order(self.stop_button, self.resume_button, self.settings_button, self.more_box, self.more_button)

        self.stop_button.clicked.connect(lambda _: self.stop_requested.emit(self._shown.folder))
        self.resume_button.clicked.connect(lambda _: self.continue_requested.emit(self._shown.folder, 0))
        self.more_button.clicked.connect(
            lambda _: self.continue_requested.emit(self._shown.folder, self._shown.steps + self.more_box.value())
        )
        self.settings_button.clicked.connect(lambda _: self.settings_requested.emit(self._shown.folder))
        self.checkpoint_box.currentIndexChanged.connect(lambda _: self._mark())
        self.translate_button.clicked.connect(lambda _: self._translate())
        self.score_box.activated.connect(lambda _: self._draw_scores())
        self.scores.picked.connect(self.pick)

    # ---- what the panel tells

    def show_run(self, run: RunLook) -> None:
        """Show what a run has come to; another one than before begins with its best checkpoint."""
        before, self._run = self._run, run
        other = before is None or run.folder != before.folder
        look = STATES[run.state]
        self.heading.setText(f"{look.sign} {run.folder.name}, {run.engine or 'no engine yet'}: {run.words}")
        # while torch is loaded nobody knows how far it is
        self.bar.setRange(0, 0 if run.state == "starting" else max(1, run.steps))
        self.bar.setValue(run.step)
        self.bar.setVisible(run.living)
        self.pace.setText(pace(run))
        self.pace.setVisible(bool(pace(run)))
        if before is None or (run.folder, run.state) != (before.folder, before.state):
            # what was wanted has happened, or was wanted of another run
            self.say("")
        if other:
            self.more_box.setValue(max(1, run.steps // 2))
        self.notices.say("error", [run.error] if run.error and run.error not in run.words else [])
        self.notices.say("findings", [f"{one.sentence} {one.advice}" for one in run.findings])
        self.notes.say("notes", run.notes)
        self.sections["Notes"].setVisible(bool(run.notes))
        going_on = run.state in ("died", "failed", "stopped")
        self.stop_button.setEnabled(run.living)
        self.resume_button.setEnabled(going_on and run.step < run.steps)
        self._more.setEnabled(going_on or run.state == "finished")
        self.settings_button.setEnabled(bool(run.settings))
        self._show_checkpoints(offered(run.checkpoints), other)
        self.previews.show_run(run)
        self._show_kinds(list(run.scores))
        self._draw()

    def say(self, text: str) -> None:
        """Say what became of a request; nothing takes back what was said."""
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
                self.checkpoint_box.addItem(checkpoint_words(file), str(file.path))
            if not files:
                self.checkpoint_box.addItem("none yet")
            # what was chosen stays, and the best comes first
            self.checkpoint_box.setCurrentIndex(max(0, self.checkpoint_box.findData(str(before and before.path))))
        self.translate_button.setEnabled(bool(self._checkpoints))
        self._mark()

    def _mark(self) -> None:
        self.scores.plot.mark(self.checkpoint.step if self.checkpoint else None)

    def _translate(self) -> None:
        if self.checkpoint:
            self.translate_requested.emit(self.checkpoint.path)

    # ---- curves

    def _show_kinds(self, kinds: list[str]) -> None:
        if kinds == [self.score_box.itemData(index) for index in range(self.score_box.count())]:
            return
        chosen = self.score_box.currentData()
        self.score_box.clear()
        for kind in kinds:
            self.score_box.addItem("KID" if kind == "kid" else kind, kind)
        self.score_box.setCurrentIndex(max(0, self.score_box.findData(chosen)))

    def _draw(self) -> None:
        self._draw_scores()
        if self._run is not None and self.sections["Losses"].opened:
            self.losses.show_curves(self._run.losses)

    def _draw_scores(self) -> None:
        if self._run is None or not self.sections["Scores"].opened:
            return
        kind = self.score_box.currentData()
        self.scores.show_curves(*self._run.scores.get(kind, ((), ())))
        for widget in (self._kinds, self.scores):
            widget.setVisible(kind is not None)
        self.scores_said.setText(BETTER.get(kind, "") if kind else NO_SCORES)

    @property
    def _shown(self) -> RunLook:
        """The run that is shown; there is one before anything can be clicked on."""
        assert self._run
        return self._run
