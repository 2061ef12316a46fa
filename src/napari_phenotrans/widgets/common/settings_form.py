"""A form for any settings class: one labeled field per setting, with its limits and its help."""

from __future__ import annotations

import math
from dataclasses import dataclass
from types import NoneType
from typing import TYPE_CHECKING, Any, Literal, get_args, get_origin

from pydantic import ValidationError
from qtpy.QtCore import QEvent, QObject, QSignalBlocker, Qt, Signal
from qtpy.QtGui import QValidator
from qtpy.QtWidgets import (
    QAbstractSpinBox,
    QApplication,
    QCheckBox,
    QComboBox,
    QDoubleSpinBox,
    QLabel,
    QLineEdit,
    QSizePolicy,
    QWidget,
)
from superqt import QLargeIntSpinBox

from napari_phenotrans.core.errors import InputError
from napari_phenotrans.widgets.common.form_parts import Form, in_column, narrow_box, wrapped_label
from napari_phenotrans.widgets.common.tick_list import TickList

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Mapping

    from pydantic.fields import FieldInfo

    from napari_phenotrans.core.settings import Settings

DECIMALS = 12
# What a spin box may reach where the setting has no limit of its own.
UNBOUNDED = 10**9


def label_of(name: str, info: FieldInfo) -> str:
    """Return a field's label: its title, or its name with spaces."""
    text = info.title or name.replace("_", " ")
    return text[0].upper() + text[1:]


class SettingsForm(QWidget):
    """Fields for a settings class, made from its annotations, limits and descriptions; it starts with the defaults.

    Fields that are none of the command line's (``json_schema_extra={"cli": False}``) are left out.

    Parameters
    ----------
    settings_class
        What the form is for.
    fields
        Names of the fields to show, in this order; all where none are given.
    names
        By field what its value, several names, is chosen from: such a field has a check box for each.

    Signals
    -------
    changed
        The user changed a field; what it holds now may lie outside its limits.
    """

    changed = Signal()

    def __init__(
        self,
        settings_class: type[Settings],
        fields: Iterable[str] | None = None,
        parent: QWidget | None = None,
        *,
        names: Mapping[str, Iterable[str]] | None = None,
    ) -> None:
        super().__init__(parent)
        self._class = settings_class
        self._entries: dict[str, _Entry] = {}
        self._problems: dict[str, QLabel] = {}
        form = Form()
        known = settings_class.model_fields
        for name in known if fields is None else fields:
            info = known[name]
            extra = info.json_schema_extra
            if isinstance(extra, dict) and extra.get("cli") is False:
                continue
            chosen_from = (names or {}).get(name)
            entry = _make_entry(name, info) if chosen_from is None else _make_ticks(name, info, chosen_from)
            entry.widget.setObjectName(name)
            entry.write(info.get_default(call_default_factory=True))
            entry.edited.connect(self._on_edited)
            problem = wrapped_label(tooltip="What is wrong with the field above.")
            problem.hide()
            form.add(label_of(name, info), in_column(entry.widget, problem, spacing=2), buddy=entry.widget)
            self._entries[name], self._problems[name] = entry, problem
        self.setLayout(form)

    @property
    def fields(self) -> dict[str, QWidget]:
        """The fields' widgets by the settings' names, in order."""
        return {name: entry.widget for name, entry in self._entries.items()}

    @property
    def stops(self) -> list[QWidget]:
        """Where the Tab key stops, in order: the fields, and each box of one that is made of boxes."""
        widgets = self.fields.values()
        return [stop for one in widgets for stop in (one.boxes.values() if isinstance(one, TickList) else [one])]

    @property
    def values(self) -> dict[str, Any]:
        """What the fields hold, as it would be given to the settings class."""
        return {name: entry.read() for name, entry in self._entries.items()}

    @property
    def problems(self) -> dict[str, str]:
        """Why fields cannot be used, by the settings' names."""
        return {name: label.text() for name, label in self._problems.items() if label.text()}

    @property
    def settings(self) -> Settings:
        """The settings; why a field cannot be used is also shown below it.

        Raises
        ------
        InputError
            If a field's value is outside its limits or of the wrong type.
        """
        return self._make(self.values)

    def set_values(self, values: Mapping[str, Any]) -> None:
        """Show other values; the fields that are not named keep theirs, and nothing is emitted.

        Raises
        ------
        InputError
            If a value cannot be used; the form is then as it was.
        """
        self._class.make(**values)
        for name, value in values.items():
            if name in self._entries:
                with QSignalBlocker(self._entries[name].widget):
                    self._entries[name].write(value)
        self._check()

    def refuse(self, name: str, choices: Collection[str]) -> None:
        """Take choices out of a field that offers some; the chosen one stays chosen unless it is among them."""
        box = self._entries[name].widget
        assert isinstance(box, QComboBox), f"the field {name} has no choices"
        with QSignalBlocker(box):
            for choice in choices:
                if (index := box.findData(choice)) >= 0:
                    box.removeItem(index)

    def _make(self, values: dict[str, Any]) -> Settings:
        try:
            made = self._class.make(**values)
        except InputError as error:
            cause = error.__cause__
            assert isinstance(cause, ValidationError)
            problems = {str(p["loc"][0]): f"{p['msg']}, got {p['input']!r}." for p in cause.errors() if p["loc"]}
            self._show_problems(problems)
            known = self._class.model_fields
            sentences = [f"{label_of(name, known[name])}: {text}" for name, text in problems.items()]
            raise InputError(" ".join(sentences)) from error
        self._show_problems({})
        return made

    def _show_problems(self, problems: Mapping[str, str]) -> None:
        for name, label in self._problems.items():
            label.setText(problems.get(name, ""))
            label.setVisible(name in problems)

    def _check(self) -> None:
        try:
            self._make(self.values)
        except InputError:
            # shown below the field
            return

    def _on_edited(self, *_: Any) -> None:
        self._check()
        self.changed.emit()


class NumberBox(QDoubleSpinBox):
    """A box for floating-point numbers with as many digits as they need: 0.0002 and 2e-4 can be typed as well as 10.

    Its arrows go in steps of ``step``; without one, in steps that suit the number's size.
    """

    def __init__(self, step: float | None = None, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setDecimals(DECIMALS)
        self._step = step

    def textFromValue(self, v: float) -> str:
        return f"{v:.{DECIMALS}g}"

    def valueFromText(self, text: str | None) -> float:
        return float((text or "0").replace(",", "."))

    def validate(self, input: str | None, pos: int) -> tuple[QValidator.State, str, int]:
        text = input or ""
        try:
            inside = self.minimum() <= self.valueFromText(text) <= self.maximum()
        except ValueError:
            typing = set(text) <= set("0123456789.,eE+-")
            return (QValidator.State.Intermediate if typing else QValidator.State.Invalid), text, pos
        return (QValidator.State.Acceptable if inside else QValidator.State.Intermediate), text, pos

    def stepBy(self, steps: int) -> None:
        step = self._step
        if step is None:
            # a tenth of the number's power of ten: 0.0002 goes in steps of 0.00001, 10 in steps of 1
            size = abs(self.value())
            step = 10.0 ** (math.floor(math.log10(size)) - 1) if size else 0.01
        self.setValue(self.value() + steps * step)


class WholeBox(QLargeIntSpinBox):
    """An integer; where it has to be a multiple of another, its arrows go from multiple to multiple."""

    def __init__(self, multiple: int | None = None, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._multiple = multiple
        if multiple:
            self.setSingleStep(multiple)
        else:
            self.setStepType(QAbstractSpinBox.StepType.AdaptiveDecimalStepType)

    def stepBy(self, steps: int) -> None:
        beyond = self.value() % self._multiple if self._multiple else 0
        if self._multiple and beyond:
            self.setValue(self.value() - beyond + (self._multiple if steps > 0 else 0))
        else:
            super().stepBy(steps)


class _FocusedWheel(QObject):
    """Lets the wheel change a field only where the user has gone to; elsewhere it scrolls the dock."""

    def __init__(self, field: QWidget) -> None:
        super().__init__(field)
        self._field = field

    def eventFilter(self, a0: QObject | None, a1: QEvent | None) -> bool:
        if a1 is None or a1.type() != QEvent.Type.Wheel:
            return False
        focused = QApplication.focusWidget()
        if focused is not None and (focused is self._field or self._field.isAncestorOf(focused)):
            return False
        a1.ignore()
        return True


def wheel_where_focused(field: QWidget) -> None:
    """Let the wheel over a field scroll the dock that it is in, unless the field has the keyboard's focus."""
    field.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
    guard = _FocusedWheel(field)
    for widget in (field, *field.findChildren(QWidget)):
        widget.installEventFilter(guard)


# ---- from an annotation to a widget


@dataclass(frozen=True, eq=False)
class _Entry:
    """A field's widget, how its value is read and written, and the signal that says the user changed it."""

    widget: QWidget
    read: Callable[[], Any]
    write: Callable[[Any], None]
    edited: Any


def _make_entry(name: str, info: FieldInfo) -> _Entry:
    kind, tooltip = info.annotation, info.description or label_of(name, info)
    if get_origin(kind) is Literal:
        box = narrow_box(tooltip)
        for choice in get_args(kind):
            box.addItem(str(choice), choice)
        wheel_where_focused(box)
        return _Entry(box, box.currentData, lambda value: _choose(box, value), box.currentIndexChanged)
    if kind is bool:
        check = QCheckBox()
        check.setToolTip(tooltip)
        return _Entry(check, check.isChecked, lambda value: check.setChecked(bool(value)), check.toggled)
    if kind in (int, float):
        spin: Any = WholeBox(_limit(info, "multiple_of")) if kind is int else NumberBox()
        spin.setRange(*_range(info, whole=kind is int))
        spin.setKeyboardTracking(False)
        spin.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)
        spin.setMinimumWidth(60)
        spin.setToolTip(tooltip)
        wheel_where_focused(spin)
        return _Entry(spin, spin.value, spin.setValue, spin.valueChanged)
    optional = NoneType in get_args(kind)
    kinds = [part for part in get_args(kind) if part is not NoneType] if optional else [kind]
    inner: Any = kinds[0]
    if len(kinds) > 1 or not (inner in (str, int, float) or get_origin(inner) is tuple):
        raise TypeError(f"There is no field for the annotation {kind} of the setting {name}.")
    line = QLineEdit()
    line.setMinimumWidth(60)
    line.setToolTip(tooltip)
    if optional:
        line.setPlaceholderText("automatic")
    return _Entry(
        line,
        lambda: None if optional and not line.text().strip() else _parsed(line.text(), inner),
        lambda value: line.setText(_written(value)),
        line.editingFinished,
    )


def _make_ticks(name: str, info: FieldInfo, names: Iterable[str]) -> _Entry:
    ticks = TickList(info.description or label_of(name, info))
    ticks.show_names({each: each for each in names}, ())
    otherwise = None if NoneType in get_args(info.annotation) else ()
    return _Entry(ticks, lambda: ticks.ticked or otherwise, lambda value: ticks.tick(value or ()), ticks.changed)


def _parsed(text: str, kind: Any) -> Any:
    if get_origin(kind) is tuple:
        return tuple(part.strip() for part in text.split(",") if part.strip())
    try:
        return kind(text.strip().replace(",", ".") if kind is float else text.strip())
    except ValueError:
        # the settings class says what is wrong with it
        return text


def _written(value: Any) -> str:
    if value is None:
        return ""
    return ", ".join(value) if isinstance(value, tuple) else str(value)


def _choose(box: QComboBox, value: Any) -> None:
    index = box.findData(value)
    if index >= 0:
        box.setCurrentIndex(index)


def _limit(info: FieldInfo, name: str) -> Any:
    return next((getattr(m, name) for m in info.metadata if getattr(m, name, None) is not None), None)


def _range(info: FieldInfo, *, whole: bool) -> tuple[float, float]:
    beside = 1 if whole else 10.0**-DECIMALS
    low, above, high, below = (_limit(info, name) for name in ("ge", "gt", "le", "lt"))
    least = low if low is not None else above + beside if above is not None else -UNBOUNDED
    most = high if high is not None else below - beside if below is not None else UNBOUNDED
    return least, most
