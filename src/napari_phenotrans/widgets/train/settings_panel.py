"""The settings of a training: engine, preset, and all others in a section, named as on the command line."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from qtpy.QtCore import QSignalBlocker, Signal
from qtpy.QtWidgets import QWidget

from napari_phenotrans.checkpoints.describe import SHOWN
from napari_phenotrans.core.errors import InputError
from napari_phenotrans.core.settings import LOOK, LOOK_MEANS, PRESETS
from napari_phenotrans.engines import ENGINES, FIRST_CHOICE, WHY_FIRST, engine_entry
from napari_phenotrans.engines.settings import FlowSettings
from napari_phenotrans.widgets.common.form_parts import (
    Form,
    add_choice,
    in_column,
    in_row,
    keep_tab_order,
    narrow_box,
    push_button,
    wrapped_label,
)
from napari_phenotrans.widgets.common.section import Section
from napari_phenotrans.widgets.common.settings_form import SettingsForm, label_of
from napari_phenotrans.widgets.train.kept_chooser import KeptChooser
from napari_phenotrans.widgets.train.start_chooser import StartChooser

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from napari_phenotrans.core.settings import TrainingSettings

DEFAULTS, OWN = "the engine's own", "own settings"
# These are chosen among the data.
AMONG_DATA = ("channels", "conditions")
KEPT = "kept"  # has ticks of its own, for its names are those of the channels
START_FROM = "start_from"  # a box offers what fits the data; any other file can be typed
SUMMARY = ("steps", "crop", "width", "batch")


class TrainingSettingsPanel(QWidget):
    """Settings of one engine's training.

    Signals
    -------
    changed
        Engine, preset or a field has changed.
    estimate_requested
        Time and memory are to be measured.
    file_requested
        Settings are to be loaded from a run.
    """

    changed = Signal()
    estimate_requested = Signal()
    file_requested = Signal()

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._form: SettingsForm | None = None
        self._declared: type[TrainingSettings] | None = None
        # what the fields started from: a preset's name, or the run.json of an earlier run, and its values
        self._preset: str | None = None
        self._file: Path | None = None
        self._base: dict[str, Any] = {}
        self.engine_box = narrow_box(
            "What learns to translate.", {name: (name, entry.settings.when) for name, entry in ENGINES.items()}
        )
        self.when = wrapped_label(tooltip="When to use this engine.")
        self.kept = KeptChooser()
        self.start_from = StartChooser()
        self.preset_box = narrow_box("Settings that belong together.")
        self.look = wrapped_label(LOOK_MEANS, "What this preset is good for.")
        self.summary = wrapped_label(tooltip="The settings that cost most time and memory.")
        self.section = Section("More", "Every setting, named as on the command line.", key="train settings")
        self.estimate_button = push_button(
            "Estimate", "Train ten steps on this computer, throw them away, and say what a run will cost."
        )
        self.load_button = push_button(
            "Load settings…", "Take data set, engine and settings from the run.json of any earlier run."
        )
        self.cost = wrapped_label(tooltip="Time and memory of the whole run, from the last estimate.")
        self.cost.hide()
        in_column(
            # sentences stand between forms, not in one: in a form's field column one would be a narrow tower
            Form({"Engine": self.engine_box}),
            self.when,
            self.start_from,
            self.kept,
            Form({"Preset": self.preset_box}),
            self.look,
            self.summary,
            self.section,
            in_row(self.estimate_button, self.load_button),
            self.cost,
            of=self,
        )

        self.engine_box.activated.connect(lambda _: self._on_engine())
        self.kept.changed.connect(self._on_field)
        self.start_from.changed.connect(self._on_start_from)
        self.preset_box.activated.connect(lambda _: self._on_preset())
        self.estimate_button.clicked.connect(lambda _: self.estimate_requested.emit())
        self.load_button.clicked.connect(lambda _: self.file_requested.emit())
        self._make_form()
        self._use_preset(next(iter(PRESETS)))

    # ---- what is chosen

    @property
    def engine(self) -> str:
        return self.engine_box.currentData()

    @property
    def preset(self) -> str | None:
        """The preset that the fields started from; None where it is an earlier run, or the engine's own settings."""
        return self._preset

    @property
    def file(self) -> Path | None:
        """The ``run.json`` that the fields started from; None where it was another."""
        return self._file

    @property
    def form(self) -> SettingsForm:
        """The fields under *More*."""
        assert self._form is not None
        return self._form

    def settings(self, **among_data: Any) -> TrainingSettings:
        """Return all settings; ``among_data`` are the conditions and channels.

        Raises
        ------
        InputError
            If a field holds what cannot be used, or every channel is to be kept.
        """
        values = self._base | self.field_values() | among_data
        kept, channels = values.get(KEPT), among_data.get("channels") or ()
        if kept and set(kept) >= set(channels):
            raise InputError("Every channel is to be kept, so that nothing is left to translate: let one move.")
        return engine_entry(self.engine).settings.make(**values)

    def field_values(self) -> dict[str, Any]:
        """Return the values of the fields alone, without the preset or the run that they started from.

        Raises
        ------
        InputError
            If a field holds what cannot be used.
        """
        values = self.form.settings.model_dump(include=set(self.form.fields))
        return values | ({KEPT: self.kept.value} if self._keeps and self.kept.value is not None else {})

    # ---- what the dock tells

    def offer_starts(self, conditions: Sequence[str], channels: Sequence[str]) -> None:
        """Offer the checkpoints that training on this may start from; a chosen one that fits no more is let go."""
        before = self.start_from.name
        self.start_from.offer(self.engine, conditions, channels)
        if before is not None and self.start_from.name is None:
            self.form.set_values({START_FROM: None})
        self.start_from.choose(self.form.values[START_FROM])

    def choose(self, engine: str, preset: str | None) -> None:
        """Choose an engine and one of its presets, its own settings where it has none of that name."""
        self.engine_box.setCurrentIndex(max(0, self.engine_box.findData(engine)))
        self._make_form()
        self._use_preset(preset)

    def load(self, file: Path, engine: str, settings: Mapping[str, Any]) -> None:
        """Show the settings of an earlier run.

        Raises
        ------
        InputError
            If they cannot be used; everything is as it was then.
        """
        known = {name: value for name, value in settings.items() if name not in (*AMONG_DATA, KEPT)}
        engine_entry(engine).settings.make(**known)
        self.engine_box.setCurrentIndex(self.engine_box.findData(engine))
        self._make_form()
        self._preset, self._file, self._base = None, file, known
        self._show_base()

    def set_pixel_size(self, pixel_size: float) -> None:
        """Train at this working pixel size."""
        self.form.set_values({"pixel_size": pixel_size})
        self._on_field()

    def show_cost(self, text: str) -> None:
        """Show what a run will cost; an empty text hides it."""
        self.cost.setText(text)
        self.cost.setVisible(bool(text))

    # ---- what the user does

    def _on_engine(self) -> None:
        before = self._preset
        self._make_form()
        self._use_preset(before)

    def _on_start_from(self) -> None:
        """Take the settings that tell networks apart from the checkpoint: others would not fit its weights."""
        self.form.set_values({START_FROM: self.start_from.name})
        if card := self.start_from.card:
            same = {name: card.settings[name] for name in SHOWN if name in card.settings}
            self.kept.choose(same.pop(KEPT, None))
            self.form.set_values({name: value for name, value in same.items() if name in self.form.fields})
        self._on_field()

    def _on_preset(self) -> None:
        if self.preset_box.currentData() != OWN:
            self._use_preset(self.preset_box.currentData())

    def _make_form(self) -> None:
        """Make the fields of the chosen engine, where they are another's."""
        declared = engine_entry(self.engine).settings
        if declared is self._declared:
            return
        self._declared = declared
        if self._form:
            self._form.setParent(None)
            self._form.deleteLater()
        self._form = SettingsForm(declared, [name for name in declared.model_fields if name not in (*AMONG_DATA, KEPT)])
        self._form.changed.connect(self._on_field)
        self.section.add(self._form)
        keep_tab_order(self.section.button, *self._form.fields.values())
        self.when.setText(f"{declared.when} {WHY_FIRST}" if self.engine == FIRST_CHOICE else declared.when)
        self.kept.setVisible(self._keeps)
        self.kept.let_propose(issubclass(declared, FlowSettings))
        with QSignalBlocker(self.preset_box):
            self.preset_box.clear()
            # published ones come after those that every engine has, under their own names
            for name in sorted(declared.presets, key=lambda name: name not in PRESETS):
                text = PRESETS.get(name, name)
                settings = ", ".join(f"{setting} {value}" for setting, value in declared.presets[name].items())
                add_choice(self.preset_box, name, text[0].upper() + text[1:], settings)
            self.preset_box.addItem(DEFAULTS, None)

    @property
    def _keeps(self) -> bool:
        return KEPT in engine_entry(self.engine).settings.model_fields

    def _use_preset(self, preset: str | None) -> None:
        declared = engine_entry(self.engine).settings
        self._preset = preset if preset in declared.presets else None
        self._file, self._base = None, dict(declared.presets[self._preset]) if self._preset else {}
        self._show_base()

    def _show_base(self) -> None:
        values = engine_entry(self.engine).settings.make(**self._base).model_dump()
        self.form.set_values({name: values[name] for name in self.form.fields})
        self._on_field()

    def _on_field(self) -> None:
        values = self.form.values
        declared = engine_entry(self.engine).settings
        before = declared.make(**self._base).model_dump()
        own = self._file is not None or any(values[name] != before[name] for name in values)
        with QSignalBlocker(self.preset_box):
            if (index := self.preset_box.findData(OWN)) >= 0:
                self.preset_box.removeItem(index)
            if own:
                self.preset_box.addItem(OWN, OWN)
            self.preset_box.setCurrentIndex(self.preset_box.findData(OWN if own else self._preset))
        shown = [name for name in SUMMARY if name in values]
        self.summary.setText(
            ", ".join(f"{label_of(name, declared.model_fields[name]).lower()} {values[name]}" for name in shown)
        )
        self.look.setVisible(self._preset == LOOK and not own and declared.has_look())
        self.show_cost("")
        self.changed.emit()
