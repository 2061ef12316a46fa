from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from qtpy.QtCore import QPoint, Qt
from qtpy.QtWidgets import QLabel, QPushButton, QStyle, QStyleOptionSlider, QVBoxLayout, QWidget

from napari_phenotrans.checkpoints.checkpoint import Card
from napari_phenotrans.core.errors import InputError
from napari_phenotrans.engines import ENGINES
from napari_phenotrans.widgets.common.engine_form import EngineForm
from napari_phenotrans.widgets.common.tick_list import TickList

if TYPE_CHECKING:
    from pytestqt.qtbot import QtBot

OWN = {
    "background": "source",
    "scale": "effect",
    "strength": 0.36,
    "evaluations": 50,
    "guidance": 1.0,
    "kept": None,
    "solver": "dpm",
}


def card(engine: str = "phendiff", translation: dict[str, Any] | None = None, **settings: Any) -> Card:
    return Card(
        engine=engine,
        settings=ENGINES[engine].settings.make(**settings).model_dump(mode="json"),
        conditions=("untreated", "drug"),
        channels=("DNA", "GFP"),
        low=(0.0, 0.0),
        high=(255.0, 255.0),
        crop=64,
        translation=translation or {},
    )


@pytest.fixture
def form(qtbot: QtBot) -> EngineForm:
    made = EngineForm()
    qtbot.addWidget(made)
    made.set_card(card(translation={"strength": 0.36}))
    made.resize(320, 200)
    made.show()
    return made


def drag(qtbot: QtBot, form: EngineForm, *pixels: int, release: bool = True) -> None:
    """Drag the slider's handle so many pixels at a time."""
    slider = form.slider
    option = QStyleOptionSlider()
    slider.initStyleOption(option)
    parts = QStyle.ComplexControl.CC_Slider, option, QStyle.SubControl.SC_SliderHandle, slider
    place = slider.style().subControlRect(*parts).center()
    qtbot.mousePress(slider, Qt.MouseButton.LeftButton, pos=place)
    for step in pixels:
        place += QPoint(step, 0)
        qtbot.mouseMove(slider, place)
    if release:
        qtbot.mouseRelease(slider, Qt.MouseButton.LeftButton, pos=place)


@pytest.mark.parametrize(
    ("engine", "label"),
    [("cyclegan", None), ("scgan", None), ("shift", None), ("phendiff", "Strength"), ("flow", "Depth")],
)
def test_the_slider_is_called_as_the_engine_calls_it(engine: str, label: str | None, qtbot: QtBot) -> None:
    form = EngineForm()
    qtbot.addWidget(form)
    assert form.how == {}
    form.set_card(card(engine))
    form.show()
    assert form.slider.isVisible() == (label is not None)
    shown = [each.text() for each in form.findChildren(QLabel) if each.isVisible()]
    assert (label in shown) if label else not {"Strength", "Depth"} & set(shown)
    assert form.how["background"] == "source"
    if label:
        form.slider.setValue(20)
        assert form.how[label.lower()] == pytest.approx(0.4)
    form.set_card(None)
    assert form.isHidden()
    assert form.how == {}


def test_it_starts_with_what_the_checkpoint_says(form: EngineForm) -> None:
    assert form.how == OWN
    assert (form.slider.value(), form.strength_box.text()) == (18, "0.36")
    assert not form.reset_button.isEnabled()
    form.set_card(card())
    assert form.how == OWN | {"strength": 0.5}


def test_dragging_says_so_at_each_step_and_settles_at_the_end(form: EngineForm, qtbot: QtBot) -> None:
    heard: list[tuple[str, float]] = []
    form.dragging.connect(lambda: heard.append(("dragging", form.how["strength"])))
    form.changed.connect(lambda: heard.append(("changed", form.how["strength"])))
    drag(qtbot, form, 20, 1, 20, release=False)
    assert heard
    assert {kind for kind, _ in heard} == {"dragging"}
    strengths = [strength for _, strength in heard]
    assert strengths == sorted(set(strengths))
    # in steps that can be seen, of which each is kept
    assert all(round(strength / 0.02, 6) == round(strength / 0.02) for strength in strengths)
    qtbot.mouseRelease(form.slider, Qt.MouseButton.LeftButton)
    assert heard[-1] == ("changed", strengths[-1])
    assert form.reset_button.isEnabled()


def test_keys_settle_once(form: EngineForm, qtbot: QtBot) -> None:
    heard: list[float] = []
    form.changed.connect(lambda: heard.append(form.how["strength"]))
    with qtbot.waitSignal(form.changed), qtbot.assertNotEmitted(form.dragging):
        for _ in range(3):
            qtbot.keyClick(form.slider, Qt.Key.Key_Right)
    assert heard == [pytest.approx(0.42)]


def test_a_typed_strength_is_taken_as_it_is(form: EngineForm, qtbot: QtBot) -> None:
    form.strength_box.selectAll()
    with qtbot.waitSignal(form.changed):
        qtbot.keyClicks(form.strength_box, "0.333")
        qtbot.keyClick(form.strength_box, Qt.Key.Key_Return)
    assert form.how["strength"] == 0.333
    assert form.slider.value() == 17


def test_a_drag_there_and_back_settles_too(form: EngineForm, qtbot: QtBot) -> None:
    """Whoever shows a preview while the slider is dragged has to hear that it is over."""
    with qtbot.waitSignals([form.dragging, form.changed]):
        drag(qtbot, form, 30, -30)
    assert form.how == OWN


def test_more_settings_are_one_click_away(form: EngineForm, qtbot: QtBot) -> None:
    assert form.form is not None
    assert set(form.form.fields) == {"background", "scale", "evaluations", "guidance", "kept", "solver"}
    assert not form.form.isVisible()
    qtbot.mouseClick(form.section.button, Qt.MouseButton.LeftButton)
    assert form.form.isVisible()
    evaluations = form.form.fields["evaluations"]
    evaluations.selectAll()
    with qtbot.waitSignal(form.changed):
        qtbot.keyClicks(evaluations, "20")
        qtbot.keyClick(evaluations, Qt.Key.Key_Return)
    assert form.how == OWN | {"evaluations": 20}


def test_kept_channels_are_ticked_by_name(form: EngineForm, qtbot: QtBot) -> None:
    assert form.form is not None
    ticks = form.form.fields["kept"]
    assert isinstance(ticks, TickList)
    assert list(ticks.boxes) == ["DNA", "GFP"]
    assert ticks.ticked == ()
    with qtbot.waitSignal(form.changed):
        ticks.boxes["DNA"].click()
    assert form.how == OWN | {"kept": ("DNA",)}
    # as it was remembered, in JSON
    form.choose({"kept": ["GFP"]})
    assert form.how["kept"] == ("GFP",)
    form.reset_button.click()
    assert form.how == OWN


def test_reset_returns_to_the_checkpoint(form: EngineForm, qtbot: QtBot) -> None:
    form.choose({"strength": 0.8, "solver": "heun"})
    assert form.how == OWN | {"strength": 0.8, "solver": "heun"}
    with qtbot.waitSignal(form.changed):
        qtbot.mouseClick(form.reset_button, Qt.MouseButton.LeftButton)
    assert form.how == OWN
    assert not form.reset_button.isEnabled()


def test_choosing_says_nothing_and_skips_what_the_engine_does_not_know(form: EngineForm, qtbot: QtBot) -> None:
    with qtbot.assertNotEmitted(form.changed, wait=400), qtbot.assertNotEmitted(form.dragging):
        form.choose({"strength": 0.333, "left over": 3})
    assert form.how == OWN | {"strength": 0.333}
    with pytest.raises(InputError, match="strength"):
        form.choose({"strength": 7})
    assert form.how == OWN | {"strength": 0.333}


@pytest.mark.parametrize(("objective", "offered"), [("flow", False), ("edm", False), ("v", False), ("discrete", True)])
def test_the_published_solver_is_offered_where_it_works(objective: str, offered: bool, form: EngineForm) -> None:
    form.set_card(card(objective=objective))
    assert form.form is not None
    box = form.form.fields["solver"]
    assert ("ddim" in [box.itemData(i) for i in range(box.count())]) == offered
    form.choose({"solver": "ddim"})
    assert form.how["solver"] == ("ddim" if offered else "dpm")


def test_every_part_is_explained_and_reached_by_tab(qtbot: QtBot) -> None:
    around, form, below = QWidget(), EngineForm(), QPushButton("below")
    qtbot.addWidget(around)
    column = QVBoxLayout(around)
    column.addWidget(form)
    column.addWidget(below)
    # makes fields anew, which Qt would put behind the button
    form.set_card(card(translation={"strength": 0.36}))
    form.section.set_open(True)
    form.reset_button.setEnabled(True)
    around.show()
    assert form.form is not None
    wanted = [form.slider, form.strength_box, form.reset_button, form.section.button, *form.form.stops, below]
    assert {form.form.fields["solver"], *form.form.fields["kept"].boxes.values()} < set(wanted)  # type: ignore[attr-defined]
    around.activateWindow()
    form.slider.setFocus()
    reached = []
    for _ in wanted:
        reached.append(around.focusWidget())
        around.focusNextChild()
    assert reached == wanted
    assert "pure noise" in form.slider.toolTip()
    assert all(widget.toolTip() for widget in wanted[:-1])
    assert {label.buddy() for label in form.findChildren(QLabel) if label.buddy() is not None} >= {form.slider}
