from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

import pytest
from pydantic import Field
from qtpy.QtCore import QPoint, QPointF, Qt
from qtpy.QtGui import QWheelEvent
from qtpy.QtWidgets import QAbstractSpinBox, QApplication, QComboBox, QLabel, QLineEdit, QScrollArea

from napari_phenotrans.core.errors import InputError
from napari_phenotrans.core.settings import Settings
from napari_phenotrans.engines import ENGINES
from napari_phenotrans.engines.settings import PhenDiffSettings, PhenDiffTranslation
from napari_phenotrans.widgets.common.settings_form import SettingsForm

if TYPE_CHECKING:
    from collections.abc import Callable

    from pytestqt.qtbot import QtBot

    Make = Callable[..., SettingsForm]

CLASSES = sorted(
    {entry.settings for entry in ENGINES.values()} | {entry.translation for entry in ENGINES.values()},
    key=lambda settings: settings.__name__,
)
for_all = pytest.mark.parametrize("settings", CLASSES, ids=lambda settings: settings.__name__)


@pytest.fixture
def make_form(qtbot: QtBot) -> Make:
    def make(*args: Any, **more: Any) -> SettingsForm:
        form = SettingsForm(*args, **more)
        qtbot.addWidget(form)
        form.show()
        return form

    return make


def other_value(name: str, value: Any, widget: Any) -> Any:
    """Return a value that the field accepts and that is not its default."""
    if isinstance(widget, QComboBox):
        return next(data for data in map(widget.itemData, range(widget.count())) if data != value)
    if isinstance(widget, QLineEdit):
        names = {"channels": ("DNA", "GFP"), "kept": ("DNA",), "guided": ("GFP",), "conditions": ("a", "b")}
        names["l1_weights"] = ("GFP=2",)
        return (names | {"pixel_size": 0.325, "discriminator_rate": 1e-4, "device": "cuda:1"}).get(name, "somewhere")
    if isinstance(value, bool):
        return not value
    if isinstance(value, int):
        step = 2 * widget.singleStep()
        return value + step if value + step <= widget.maximum() else value - step
    return round(value * 0.9 + 0.01, 10)


@for_all
def test_every_setting_has_a_field_with_label_and_help(settings: type[Settings], make_form: Make) -> None:
    form = make_form(settings)
    shown = {name for name, info in settings.model_fields.items() if not info.json_schema_extra}
    assert set(form.fields) == shown
    labels = {label.buddy(): label for label in form.findChildren(QLabel) if label.buddy() is not None}
    for name, widget in form.fields.items():
        assert widget.toolTip() == settings.model_fields[name].description
        assert labels[widget].toolTip() == widget.toolTip()
        assert "_" not in labels[widget].text()
    assert form.settings == settings()


@for_all
def test_values_come_back_as_they_were_given(settings: type[Settings], make_form: Make) -> None:
    form = make_form(settings)
    others = {name: other_value(name, form.values[name], widget) for name, widget in form.fields.items()}
    form.set_values(others)
    assert form.values == others
    assert form.settings == settings.make(**others)
    for preset in getattr(settings, "presets", {}).values():
        form.set_values(preset)
        shown = {name: value for name, value in preset.items() if name in form.fields}
        assert form.values == others | shown
        others = form.values


@for_all
def test_no_spin_box_leaves_its_limits(settings: type[Settings], make_form: Make) -> None:
    form = make_form(settings)
    for widget in form.fields.values():
        if isinstance(widget, QAbstractSpinBox):
            for far in (-(10**6), 10**6):
                widget.setValue(far)
                widget.stepBy(-3 if far < 0 else 3)
                assert form.settings is not None


def test_labels_are_the_settings_titles_or_names_in_words(make_form: Make) -> None:
    form = make_form(PhenDiffTranslation, ["guidance", "evaluations"])
    assert [label.text() for label in form.findChildren(QLabel) if label.buddy() is not None] == [
        "Guidance",
        "Network evaluations",
    ]


def test_what_the_command_line_does_not_ask_is_left_out(make_form: Make) -> None:
    assert not {"network", "schedule"} & set(make_form(PhenDiffSettings).fields)


def test_what_cannot_be_used_is_said_at_its_field(make_form: Make, qtbot: QtBot) -> None:
    form = make_form(PhenDiffSettings)
    crop, pixel_size = form.fields["crop"], form.fields["pixel_size"]
    crop.selectAll()
    qtbot.keyClicks(crop, "130")
    qtbot.keyClick(crop, Qt.Key.Key_Return)
    qtbot.keyClicks(pixel_size, "-2")
    qtbot.keyClick(pixel_size, Qt.Key.Key_Return)
    assert set(form.problems) == {"crop", "pixel_size"}
    assert "multiple of 4" in form.problems["crop"]
    with pytest.raises(InputError, match=r"Crop: .*130.* Pixel size: .*greater than 0"):
        form.settings  # noqa: B018
    label = next(label for label in form.findChildren(QLabel) if "multiple of 4" in label.text())
    assert label.isVisible()
    qtbot.keyClick(crop, Qt.Key.Key_Up)
    pixel_size.clear()
    qtbot.keyClick(pixel_size, Qt.Key.Key_Return)
    assert not form.problems
    assert not label.isVisible()
    assert (form.settings.crop, form.settings.pixel_size) == (132, None)


def test_typing_says_so_and_being_told_does_not(make_form: Make, qtbot: QtBot) -> None:
    form = make_form(PhenDiffSettings)
    with qtbot.assertNotEmitted(form.changed):
        form.set_values({"steps": 77, "objective": "edm", "channels": ("DNA",), "ema": 0.5})
    rate = form.fields["learning_rate"]
    rate.selectAll()
    with qtbot.waitSignal(form.changed):
        qtbot.keyClicks(rate, "3e-5")
        qtbot.keyClick(rate, Qt.Key.Key_Return)
    assert form.values["learning_rate"] == 3e-5
    channels = form.fields["channels"]
    channels.clear()
    with qtbot.waitSignal(form.changed):
        qtbot.keyClicks(channels, "DNA, GFP")
        qtbot.keyClick(channels, Qt.Key.Key_Return)
    assert form.settings.channels == ("DNA", "GFP")


def test_a_step_suits_the_size_of_the_number(make_form: Make, qtbot: QtBot) -> None:
    form = make_form(PhenDiffSettings)
    rate = form.fields["learning_rate"]
    qtbot.keyClick(rate, Qt.Key.Key_Up)
    assert rate.value() == pytest.approx(2.1e-4)
    assert rate.text() == "0.00021"


def test_refused_values_leave_the_form_as_it_was(make_form: Make) -> None:
    form = make_form(PhenDiffTranslation)
    before = form.values
    with pytest.raises(InputError, match="strength"):
        form.set_values({"evaluations": 20, "strength": 2})
    assert form.values == before


def test_refused_choices_are_not_offered(make_form: Make) -> None:
    form = make_form(PhenDiffTranslation)
    form.set_values({"solver": "heun"})
    form.refuse("solver", {"ddim"})
    box = form.fields["solver"]
    assert [box.itemData(i) for i in range(box.count())] == ["dpm", "heun"]
    assert form.values["solver"] == "heun"


def test_the_wheel_scrolls_past_a_field_that_has_no_focus(make_form: Make, qtbot: QtBot) -> None:
    form = make_form(PhenDiffSettings)
    area = QScrollArea()
    qtbot.addWidget(area)
    area.setWidget(form)
    area.resize(300, 200)
    with qtbot.waitExposed(area):
        area.show()
    area.activateWindow()
    form.fields["batch"].setFocus()
    qtbot.waitUntil(form.fields["batch"].hasFocus)
    for name, changes in (("steps", False), ("objective", False), ("batch", True)):
        field = form.fields[name]
        before = form.values[name]
        middle = QPointF(field.rect().center())
        event = QWheelEvent(
            middle,
            QPointF(field.mapToGlobal(field.rect().center())),
            QPoint(0, 0),
            QPoint(0, -120),
            Qt.MouseButton.NoButton,
            Qt.KeyboardModifier.NoModifier,
            Qt.ScrollPhase.NoScrollPhase,
            False,
        )
        QApplication.sendEvent(field, event)
        assert (form.values[name] != before) == changes


def test_an_annotation_without_a_field_is_our_mistake(qtbot: QtBot) -> None:
    class Odd(Settings):
        fits: Literal["a", "b"] = "a"
        odd: dict[str, int] = Field({}, description="What no field is for.")

    assert set(SettingsForm(Odd, ["fits"]).fields) == {"fits"}
    with pytest.raises(TypeError, match="odd"):
        SettingsForm(Odd)
