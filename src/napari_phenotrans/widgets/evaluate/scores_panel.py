"""Scores with their floors: what is compared, and the table of scores."""

from __future__ import annotations

from itertools import groupby
from typing import TYPE_CHECKING

from qtpy.QtWidgets import QAbstractItemView, QCheckBox, QHeaderView, QTreeWidget, QTreeWidgetItem, QWidget

from napari_phenotrans.core.text import minus_signs, three_decimals
from napari_phenotrans.features import EXTRACTORS
from napari_phenotrans.widgets.common.form_parts import Form, as_tooltip, in_column, push_button
from napari_phenotrans.widgets.common.notices import NOTE, Notices
from napari_phenotrans.widgets.common.tick_list import TickList

if TYPE_CHECKING:
    from napari_phenotrans.evaluation.evaluate import Evaluation
    from napari_phenotrans.metrics.score_row import ScoreRow

HEADINGS = (
    ("Score", "The metric, and the channel; below, what it allows to say."),
    ("Value", "Translated source against real target."),
    ("Best", "Two random halves of the real target against each other: no engine can do better than this."),
    ("Unchanged", "The real source as it is, offered as translation: an engine that is no better is worth nothing."),
)
TOGETHER = "all channels"
TALLEST = 420
DEFAULT = ("profile",)


class ScoresPanel(QWidget):
    """Asks for scores, and shows them: one block per direction and features, two lines per score."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.features = TickList("What is compared. Scores of different features do not compare with each other.")
        self.features.show_names({name: name for name in EXTRACTORS}, DEFAULT)
        for name, box in self.features.boxes.items():
            box.setToolTip(EXTRACTORS[name].about)
        self.download_box = QCheckBox("Download what is missing")
        self.download_box.setToolTip("Weights of inception (91 MB) and vgg (528 MB); else what needs them is left out.")
        self.button = push_button(
            "Compute scores", "Translate the fields, and score them against real ones of the target."
        )
        self.table = QTreeWidget()
        self.table.setAccessibleName("Scores")
        self.table.setToolTip("Read a score between the best that is possible and what the unchanged source scores.")
        self.table.setHeaderLabels([heading for heading, _ in HEADINGS])
        titles, header = self.table.headerItem(), self.table.header()
        assert titles is not None and header is not None
        for column, (_, tooltip) in enumerate(HEADINGS):
            titles.setToolTip(column, tooltip)
        header.setStretchLastSection(False)
        header.setSectionResizeMode(QHeaderView.ResizeMode.ResizeToContents)
        header.setSectionResizeMode(0, QHeaderView.ResizeMode.Stretch)
        self.table.setRootIsDecorated(False)
        self.table.setIndentation(8)
        self.table.setEditTriggers(QAbstractItemView.EditTrigger.NoEditTriggers)
        self.table.hide()
        self.notes = Notices(kind=NOTE)
        form = Form({"Features": self.features})
        in_column(form, self.download_box, self.button, self.table, self.notes, of=self)

    def clear(self) -> None:
        """Show no scores."""
        self.table.clear()
        self.table.hide()
        self.notes.say("notes")

    def show_scores(self, evaluation: Evaluation) -> None:
        """Show the scores of an evaluation."""
        self.clear()
        lines = 1
        for (direction, features), rows in groupby(evaluation.rows, lambda row: (row.direction, row.features)):
            title = " · ".join(part for part in (direction, f"features: {features}" if features else "") if part)
            block = QTreeWidgetItem([title])
            self.table.addTopLevelItem(block)
            block.setFirstColumnSpanned(True)
            lines += 1
            for row in rows:
                line, below = QTreeWidgetItem(_cells(row)), QTreeWidgetItem([_details(row)])
                for item in (line, below):
                    for column in range(len(HEADINGS)):
                        item.setToolTip(column, as_tooltip(about_score(row)))
                block.addChild(line)
                line.addChild(below)
                below.setFirstColumnSpanned(True)
                lines += 2
        self.table.expandAll()
        self.table.setFixedHeight(min(TALLEST, (lines + 1) * (self.table.fontMetrics().height() + 6)))
        self.table.show()
        self.notes.say("notes", evaluation.notes)


def about_score(row: ScoreRow) -> str:
    """Return a score with its interval, p value and notes, as sentences."""
    sentences = [f"{row.metric}, {row.channel or TOGETHER}: {_number(row.value)}"]
    if row.low is not None and row.high is not None:
        sentences[0] += f", 95 % over groups {_number(row.low)} to {_number(row.high)}"
    if row.p is not None:
        sentences.append(f"p {row.p:.3g} by permutation")
    sentences.append(f"{row.n} crops of {row.groups} groups on each side")
    sentences += [text for text in (row.verdict, row.note) if text]
    return ".\n".join(sentences) + "."


def _cells(row: ScoreRow) -> list[str]:
    name = f"{row.metric}, {row.channel or TOGETHER}"
    return [name, _number(row.value), _number(row.floor), _number(row.copy_source)]


def _details(row: ScoreRow) -> str:
    parts = [row.verdict] if row.verdict else []
    if row.low is not None and row.high is not None:
        parts.append(f"{_number(row.low)} to {_number(row.high)}")
    if row.p is not None:
        parts.append(f"p {row.p:.3g}")
    parts.append(f"{row.n} crops")
    return "; ".join([*parts, row.note] if row.note else parts)


def _number(value: float | None) -> str:
    return minus_signs(three_decimals(value, missing="–"))
