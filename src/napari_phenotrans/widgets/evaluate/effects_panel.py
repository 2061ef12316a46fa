"""The effects of a report: every measurement in one plot, the chosen one in words, and its objects."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from qtpy.QtCore import QSignalBlocker, QSize, Qt, Signal
from qtpy.QtGui import QIcon, QPixmap
from qtpy.QtWidgets import QCheckBox, QComboBox, QCompleter, QLayout, QWidget
from superqt import QFlowLayout

from napari_phenotrans.phenotype.page import text as report_text
from napari_phenotrans.widgets.common.form_parts import (
    Form,
    in_column,
    in_row,
    keep_tab_order,
    narrow_box,
    push_button,
    wrapped_label,
)
from napari_phenotrans.widgets.evaluate.effect_table import EffectTable
from napari_phenotrans.widgets.evaluate.effect_text import LOOKS, SENTENCES, about_effect, about_object, verdict_words
from napari_phenotrans.widgets.evaluate.paired_objects import PairedObjects
from napari_phenotrans.widgets.evaluate.point_plot import DIAGONAL, Axis, Line, PointPlot, Points, shown_color

if TYPE_CHECKING:
    from collections.abc import Iterator

    from napari_phenotrans.phenotype.result import PhenotypeReport
    from napari_phenotrans.phenotype.statistics.effects import Effect

HEIGHT, OBJECTS_HEIGHT = 280, 240
SWATCH = 10
OBJECT = "#56b4e9"


class EffectsPanel(QWidget):
    """A point per measurement, a point per object of the chosen one, and the first effects in words.

    Signals
    -------
    object_chosen
        The `ObjectLocation` of an object that the user chose.
    """

    object_chosen = Signal(object)

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._report: PhenotypeReport | None = None
        self._effects: tuple[Effect, ...] = ()
        self._effect: Effect | None = None
        self._paired: PairedObjects | None = None
        self._order = np.zeros(0, int)
        self._object: int | None = None
        self._theme = "dark"
        effects = self._make_effects()
        objects = self._make_objects()
        self.table = EffectTable()
        in_column(*effects, *objects, self.table, of=self, spacing=4)
        keep_tab_order(self.box, self.before_button, self.next_button, self.table)

        self.fields_box.toggled.connect(lambda _: self._draw_effects())
        self.plot.picked.connect(self.choose)
        self.box.activated.connect(self.choose)
        self.table.effect_chosen.connect(self.choose)
        self.objects.picked.connect(self.choose_object)
        self.before_button.clicked.connect(lambda _: self._step(-1))
        self.next_button.clicked.connect(lambda _: self._step(1))

    def _make_effects(self) -> list[QWidget | QLayout]:
        """Make the plot of all measurements, and what chooses one of them."""
        self.plot = PointPlot("Effects: reality against the engine", HEIGHT)
        self.plot.setToolTip(
            "A point per measurement: to the right what differs in reality, upwards what the engine changes; on the "
            "dashed line both are equal. Click on a point to choose it; draw a rectangle to look closer, double-click "
            "to see all."
        )
        self.plot.about = lambda number: f"{self._effects[number].measurement.words}: {self._effects[number].verdict}"
        self.boxes: dict[str, QCheckBox] = {}
        verdicts = QWidget()
        self._flow = QFlowLayout(verdicts)
        self._flow.setContentsMargins(0, 0, 0, 0)
        self.fields_box = QCheckBox()
        self.fields_box.setToolTip(
            "Measurements of whole fields, such as counts, instead of those of objects; in standard deviations between "
            "fields."
        )
        self.box = narrow_box("The measurement that is looked at, the largest real difference first; type to search.")
        self.box.setEditable(True)
        self.box.setInsertPolicy(QComboBox.InsertPolicy.NoInsert)
        completer = self.box.completer()
        assert completer is not None
        completer.setFilterMode(Qt.MatchFlag.MatchContains)
        completer.setCompletionMode(QCompleter.CompletionMode.PopupCompletion)
        self.summary = wrapped_label(tooltip="The measurement in numbers, beside what would be there by chance.")
        return [self.plot, verdicts, self.fields_box, Form({"Measured": self.box}), self.summary]

    def _make_objects(self) -> list[QWidget | QLayout]:
        """Make the plot of the chosen measurement's objects, and what goes from one to the next."""
        self.objects = PointPlot("Objects before and after translation", OBJECTS_HEIGHT)
        self.objects.setToolTip(
            "A point per object that was found again: to the right its value in the real image, upwards in the "
            "translated one; on the dashed line nothing changed. Click on a point to see the object in the viewer."
        )
        self.objects.about = self._object_text
        self.before_button, self.next_button = push_button("◀"), push_button("▶")
        for button, text in ((self.before_button, "Larger change"), (self.next_button, "Smaller change")):
            button.setAccessibleName(text)
            button.setToolTip(f"{text}: show the object before or after this one in the order of change.")
            button.setFixedWidth(36)
        self.object_label = wrapped_label(tooltip="The object that the viewer shows.")
        return [self.objects, in_row(self.before_button, self.object_label, self.next_button, stretch=(0, 1, 0))]

    # ---- what the dock tells

    def show_report(self, report: PhenotypeReport) -> None:
        """Show a report, its first effect chosen."""
        for _ in self.filling(report):
            pass

    def filling(self, report: PhenotypeReport) -> Iterator[None]:
        """Show a report part by part; between them the event loop may have its turn."""
        self._report, self._effects = report, report.effects.rows
        self._effect = self._paired = None
        of_fields = len(report.effects.of_fields)
        with QSignalBlocker(self.box), QSignalBlocker(self.fields_box):
            self.box.clear()
            self.box.addItems([row.measurement.words for row in self._effects])
            self.fields_box.setText(f"whole fields instead ({of_fields})")
            self.fields_box.setChecked(of_fields == len(self._effects))
            self.fields_box.setEnabled(0 < of_fields < len(self._effects))
        yield
        self._draw_effects()
        yield
        self.table.show_effects(report)
        yield
        self.choose(0)

    def choose(self, number: int) -> None:
        """Show a measurement's numbers and its objects."""
        if self._report is None or not 0 <= number < len(self._effects):
            return
        effect = self._effect = self._effects[number]
        m = effect.measurement
        with QSignalBlocker(self.box):
            self.box.setCurrentIndex(number)
        edit = self.box.lineEdit()
        assert edit is not None
        # a long name is read from its beginning
        edit.setCursorPosition(0)
        if m.per_field != self.fields_box.isChecked():
            self.fields_box.setChecked(m.per_field)
        self.plot.ring(number)
        self.table.mark(number)
        self.summary.setText("\n".join(about_effect(self._report, effect)))
        paired = self._paired = PairedObjects.of(self._report, m)
        self._order = paired.by_change
        what = "fields" if m.per_field else self._report.objects
        unit = f" ({report_text.unit(m)})" if report_text.unit(m) else ""
        points = Points(what, np.arange(len(paired.rows)), paired.before, paired.after, OBJECT)
        axes = Axis(f"{what}, real {self._report.source}{unit}", m.log), Axis(f"translated{unit}", m.log)
        self.objects.ring(None)
        self.objects.show_points([points], axes, (DIAGONAL, Line("y", effect.target)))
        self._object = None
        self._show_object_text()

    def choose_object(self, number: int) -> None:
        """Choose an object of the measurement, and ask for it to be shown."""
        if self._paired is None:
            return
        self._object = number
        self.objects.ring(number)
        self._show_object_text()
        self.object_chosen.emit(self._paired.location(number))

    def set_theme(self, name: str) -> None:
        """Take the colors of one of napari's themes."""
        self._theme = name
        for plot in (self.plot, self.objects):
            plot.set_theme(name)
        self._color_boxes()
        self.table.set_theme(name)

    @property
    def effect(self) -> Effect | None:
        """The chosen measurement."""
        return self._effect

    @property
    def paired(self) -> PairedObjects | None:
        """The chosen measurement's objects."""
        return self._paired

    # ---- drawing

    def _draw_effects(self) -> None:
        """Draw the measurements of objects, or those of whole fields: their standard deviations do not compare."""
        assert self._report
        per_field = self.fields_box.isChecked()
        x, y = (np.array([getattr(row, name) for row in self._effects]) for name in ("real_sd", "made_sd"))
        shown = np.array([row.measurement.per_field == per_field for row in self._effects]) & np.isfinite(x + y)
        kinds = []
        for verdict, (color, symbol) in LOOKS.items():
            numbers = np.flatnonzero(shown & np.array([row.verdict == verdict for row in self._effects]))
            if len(numbers):
                kinds.append(Points(verdict, numbers, x[numbers], y[numbers], color, symbol))
        for box in self.boxes.values():
            self._flow.removeWidget(box)
            box.hide()
            box.deleteLater()
        self.boxes = {}
        for kind in kinds:
            box = self.boxes[kind.name] = QCheckBox(f"{verdict_words(kind.name)} ({len(kind.numbers)})")
            box.setToolTip(SENTENCES[kind.name])
            box.setIconSize(QSize(SWATCH, SWATCH))
            box.setChecked(True)
            box.toggled.connect(self._on_kinds)
            self._flow.addWidget(box)
        self._color_boxes()
        self._on_kinds()
        axes = (
            Axis(f"real: {self._report.target} − {self._report.source} (SD)"),
            Axis(f"engine: translated − {self._report.source} (SD)"),
        )
        self.plot.show_points(kinds, axes, (DIAGONAL, Line("x"), Line("y")))

    def _color_boxes(self) -> None:
        for verdict, box in self.boxes.items():
            swatch = QPixmap(SWATCH, SWATCH)
            swatch.fill(shown_color(LOOKS[verdict][0], self._theme))
            box.setIcon(QIcon(swatch))

    def _on_kinds(self) -> None:
        self.plot.hide_kinds([name for name, box in self.boxes.items() if not box.isChecked()])

    def _step(self, by: int) -> None:
        if not len(self._order):
            return
        rank = int(np.flatnonzero(self._order == self._object)[0]) + by if self._object is not None else 0
        self.choose_object(int(self._order[np.clip(rank, 0, len(self._order) - 1)]))

    def _show_object_text(self) -> None:
        assert self._paired and self._report
        count = len(self._order)
        self.before_button.setEnabled(bool(count))
        self.next_button.setEnabled(bool(count))
        if self._object is not None:
            self.object_label.setText(self._object_text(self._object))
            return
        what = "fields" if self._paired.measurement.per_field else self._report.objects
        self.object_label.setText(
            f"{count} {what}, each before and after; the line across is the mean of real {self._report.target}. "
            f"Click on one to see it."
            if count
            else f"None of the {what} was found again after translation."
        )

    def _object_text(self, number: int) -> str:
        assert self._paired
        return about_object(self._paired, number)
