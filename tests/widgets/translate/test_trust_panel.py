from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from qtpy.QtCore import Qt
from qtpy.QtWidgets import QLabel, QWidget

from napari_phenotrans.checkpoints.checkpoint import Score
from napari_phenotrans.checkpoints.describe import score_words
from napari_phenotrans.metrics.picture import Row, Verdict
from napari_phenotrans.translation.events import PictureJudged
from napari_phenotrans.translation.trust import TrustRow
from napari_phenotrans.widgets.translate.trust_panel import TrustPanel, how_far, summary

if TYPE_CHECKING:
    from pytestqt.qtbot import QtBot

SCORE = Score(
    metric="gap closed", direction="a → b", value=0.86, low=0.8, high=0.9, floor=0.968, copy_source=0, groups=4
)
ROWS = [
    TrustRow("DNA", -0.4, 2.0, 200.0, 0.004, 1.0, None, (SCORE,)),
    TrustRow("FKHR-EGFP", 4.5, 12.0, 300.0, 0.234, 1.0, 0.71, (SCORE,)),
]


@pytest.fixture
def panel(qtbot: QtBot) -> TrustPanel:
    made = TrustPanel()
    qtbot.addWidget(made)
    made.resize(320, 600)
    made.show()
    return made


def texts(widget: QWidget) -> list[str]:
    return [label.text() for label in widget.findChildren(QLabel)]


def test_button_asks_for_a_check_and_not_twice(panel: TrustPanel, qtbot: QtBot) -> None:
    with qtbot.waitSignal(panel.check_requested):
        qtbot.mouseClick(panel.check_button, Qt.MouseButton.LeftButton)
    panel.set_busy(True)
    assert panel.check_button.text() == "Checking…"
    with qtbot.assertNotEmitted(panel.check_requested):
        qtbot.mouseClick(panel.check_button, Qt.MouseButton.LeftButton)
    panel.set_busy(False)
    panel.check_button.setFocus()
    with qtbot.waitSignal(panel.check_requested):
        qtbot.keyClick(panel.check_button, Qt.Key.Key_Space)


def test_slider_says_the_factor_and_what_passes_by_chance(panel: TrustPanel, qtbot: QtBot) -> None:
    assert panel.factor == 2
    assert "5 % of the pixels would pass by chance" in panel.chance.text()
    for widget, key, factor in (
        (panel.factor_slider, Qt.Key.Key_Right, 2.1),
        (panel.factor_slider, Qt.Key.Key_PageUp, 2.6),
        (panel.factor_box, Qt.Key.Key_Down, 2.5),
    ):
        # PySide6 does not say by itself what a signal is called
        with qtbot.waitSignals([(panel.factor_changed, "factor_changed")]) as said:
            qtbot.keyClick(widget, key)
        assert [signal.args for signal in said.all_signals_and_args] == [(factor,)]
        assert (panel.factor_slider.value(), panel.factor_box.value()) == (round(10 * factor), pytest.approx(factor))
    with qtbot.assertNotEmitted(panel.factor_changed):
        panel.set_factor(3)
    assert panel.factor == 3
    assert "less than 1 % of the pixels" in panel.chance.text()
    panel.set_factor(5)
    assert "less than 1 %" in panel.chance.text()
    panel.set_factor(99)
    assert panel.factor == 5


def test_one_sentence_names_the_channel_that_changes_most_first() -> None:
    assert summary(ROWS) == (
        "In FKHR-EGFP, 23 % of all pixels change by more than what the engine gets wrong by itself, on average by "
        "4.0 % of the range; in DNA, 0.4 %."
    )
    twice = TrustRow("DNA", 0, 0, 1, 0.2, 2.0, None, ())
    assert "more than 2 times what the engine gets wrong" in summary([twice])
    nothing = TrustRow("DNA", 0, 0, 1, 0.0, 2.0, None, ())
    assert summary([nothing]).startswith("Nothing to speak of changes")


def test_what_speaks_for_it_and_what_to_do_next_is_said(panel: TrustPanel) -> None:
    panel.show_table(ROWS)
    said = panel.how_far.text()
    assert said == how_far(ROWS)
    assert "went 0.86 of the way to the target, where real images reach 0.97." in said
    assert said.endswith("look for the same in real images of the target, under Evaluate.")
    assert panel.how_far.isVisible()
    less = SCORE.model_copy(update={"value": -0.2, "floor": None, "what": "log GFP nucleus over ring"})
    said = how_far([TrustRow("DNA", 0, 0, 1, 0.2, 2.0, None, (less,))])
    assert "went −0.20 of the way to the target (GFP in the nucleus over the ring around it). Before" in said
    assert how_far([TrustRow("DNA", 0, 0, 1, 0.2, 2.0, None, ())]).startswith("Nobody has written down how good")
    panel.clear()
    assert not panel.how_far.isVisible()


def test_scores_are_named_in_words() -> None:
    said = score_words("gap closed", "log GFP nucleus over ring")
    assert said == "Share of the way to the target: GFP in the nucleus over the ring around it"
    assert score_words("IoU", "nuclei before and after") == "Overlap: nuclei before and after"
    assert score_words("KID", "") == "KID"
    said = score_words("median GFP nucleus over ring", "translated cells")
    assert said == "Median of GFP in the nucleus over the ring around it: translated cells"


def test_table_shows_numbers_scores_floor_and_copy_source(panel: TrustPanel) -> None:
    assert panel.summary.text() == "Not checked yet."
    assert not panel.table.isVisible()
    panel.show_table(ROWS)
    assert panel.summary.text() == summary(ROWS)
    shown = texts(panel.table)
    for expected in ("FKHR-EGFP", "+4.5\n+1.5 %", "−0.4\n−0.2 %", "12\n4.0 %", "23 %", "0.4 %", "71 %", "–"):
        assert expected in shown
    # the scores of both channels are the same one, said once
    assert texts(panel.scores)[-4:] == ["Share of the way to the target (4 groups)", "0.86\n0.8 to 0.9", "0.968", "0"]
    assert len(texts(panel.scores)) == 8
    assert "does not yet mean true" in panel.caution.text()
    assert panel.caution.isVisible()
    panel.show_table(ROWS[:1])
    assert "FKHR-EGFP" not in texts(panel)
    panel.show_table([])
    assert panel.summary.text() == "Not checked yet."
    assert not panel.table.isVisible()


def test_everything_says_what_it_is_and_fits_a_narrow_dock(panel: TrustPanel, qtbot: QtBot) -> None:
    panel.show_table(ROWS)
    qtbot.waitExposed(panel)
    assert panel.minimumSizeHint().width() <= 320 - 40  # margins and the dock's scroll bar
    for label in [*panel.findChildren(QLabel), panel.check_button, panel.factor_slider, panel.factor_box]:
        if label.window() is panel:
            assert label.toolTip(), label


def test_what_is_known_of_the_pictures_is_always_there(panel: TrustPanel) -> None:
    panel.show_known(["On held-out fields, a → b, GFP: leaves a fine grid."])
    panel.clear()
    assert panel.known.isVisible()
    assert "• On held-out fields, a → b, GFP: leaves a fine grid." in texts(panel)


def test_a_picture_is_judged_where_something_is_there_to_judge_it_by(panel: TrustPanel) -> None:
    bad = Row("GFP", "lattice", 3.8, 2.0, passed=False, sentence="leaves a fine grid")
    panel.show_judged(PictureJudged(Verdict("a → b", (bad,)), 1))
    assert panel.here.texts == ["This picture, beside 1 real image of the target:", "GFP: leaves a fine grid."]
    panel.show_judged(None)
    (text,) = panel.here.texts
    assert text.startswith("Open a real image of the target beside it")
    panel.clear()
    assert panel.here.texts == []
