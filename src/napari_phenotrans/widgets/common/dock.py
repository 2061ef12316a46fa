"""What the docks share: a scroll area of parts and sections, and below it, always in sight, what is going on."""

from __future__ import annotations

import gc
from pathlib import Path
from typing import TYPE_CHECKING

from napari.utils.notifications import show_error
from qtpy import PYSIDE6
from qtpy.QtCore import QEvent, QObject, Qt, QTimer
from qtpy.QtWidgets import QDockWidget, QFrame, QLayout, QMainWindow, QScrollArea, QVBoxLayout, QWidget

from napari_phenotrans.widgets.common.form_parts import in_row, progress_bar, push_button, wrapped_label
from napari_phenotrans.widgets.common.later import later
from napari_phenotrans.widgets.common.notices import ERROR, Notices
from napari_phenotrans.widgets.common.section import Section
from napari_phenotrans.widgets.common.worker import Runner

if TYPE_CHECKING:
    from collections.abc import Sequence

    from napari import Viewer
    from qtpy.QtGui import QDragEnterEvent, QDropEvent, QResizeEvent

# Until what napari drops together with a dock is gone.
COLLECT_AFTER_MS = 200
# Until what was added or shown last has its place among the other parts.
SCROLL_AFTER_MS = 50
# A dock is narrower only where its content lets it be.
LEAST_WIDTH = 300
# Where the keyboard is: napari's themes show it in few fields. The frame is there always, so that nothing moves.
FOCUS = """
QPushButton, QToolButton { border: 1px solid transparent; }
QPushButton:focus, QToolButton:focus, QAbstractSpinBox:focus, QLineEdit:focus { border: 1px solid #4e9af1; }
QComboBox:focus { border: 1px solid #4e9af1; }
QCheckBox:focus { text-decoration: underline; }
"""
# Of the dock's height, what sentences may take from its parts before they are scrolled.
MOST_OF_NOTICES = 0.35


class Dock(QWidget):
    """A dock of the viewer. Subclasses add parts and sections, lay them out, connect them, and `restore` what was last.

    Parameters
    ----------
    viewer
        The viewer that it belongs to.
    name
        One word; sections remember under it whether they are open.
    start, cancel_tooltip, bar_tooltip
        Text of the button that starts what the dock is for, and what Cancel and the bar say when pointed at.

    Attributes
    ----------
    runner
        Computes what the dock starts.
    notices
        Sentences for the user; the subject ``run`` is about the last thing that was started.
    status
        One line: what the dock is doing, or what it needs.
    """

    #: Status after a failure, whose reason is among the notices.
    failed_status = "stopped"

    def __init__(self, viewer: Viewer, name: str, *, start: str, cancel_tooltip: str, bar_tooltip: str) -> None:
        super().__init__()
        self.viewer = viewer
        self.runner = Runner(self)
        self._name = name
        self.setObjectName(f"phenotrans_{name}")
        self.setAcceptDrops(True)
        self.setStyleSheet(FOCUS)
        self.notices = Notices()
        self.start_button = push_button(start)
        self.cancel_button = push_button("Cancel", cancel_tooltip)
        self.cancel_button.clicked.connect(lambda _: self.cancel())
        self.bar = progress_bar("Progress", bar_tooltip)
        self.status = wrapped_label(tooltip="What the dock is doing, or what it needs.")
        self.sections: dict[str, Section] = {}
        self.area = QScrollArea()
        self._notice_area = QScrollArea()
        self._inside = QWidget()
        # scrolls once what came has its place
        self._to_show: QWidget | None = None
        self._scrolling = QTimer(self)
        self._scrolling.setSingleShot(True)
        self._scrolling.setInterval(SCROLL_AFTER_MS)
        self._scrolling.timeout.connect(self._scroll)
        self._column = QVBoxLayout(self._inside)
        self._column.setSpacing(8)

    # ---- what it looks like

    def add(self, *parts: QWidget | QLayout) -> None:
        """Add parts to the scroll area, below those that are there."""
        for part in parts:
            if isinstance(part, QLayout):
                self._column.addLayout(part)
            else:
                self._column.addWidget(part)

    def add_section(self, title: str, tooltip: str, part: QWidget, *, opened: bool = False) -> None:
        """Add a part that folds away under its title; ``opened`` counts until the user opens or closes it."""
        section = Section(title, tooltip, key=f"{self._name} {title}", opened=opened)
        section.add(part)
        self.sections[title] = section
        self.add(section)

    def lay_out(self, *below: QWidget) -> None:
        """Put together what was added, and below the scroll area: more parts, notices, status, bar and buttons.

        What is below is anchored to the lower edge, the buttons last: whatever is said above them, they stay.
        """
        self._column.addStretch(1)
        _as_window_on(self.area, self._inside)
        _as_window_on(self._notice_area, self.notices)
        self._notice_area.hide()
        for inside in (self._inside, self.notices):
            inside.installEventFilter(self)
        whole = QVBoxLayout(self)
        whole.addWidget(self.area, 1)
        whole.addWidget(self._notice_area)
        for part in (*below, self.status, self.bar):
            whole.addWidget(part)
        whole.addLayout(in_row(self.start_button, self.cancel_button, stretch=(2, 1)))
        self.notices.changed.connect(self._fit)
        self.show_busy(False)
        self._fit()

    def _fit(self) -> None:
        """Never be narrower than what is inside and a scroll bar, and let sentences take what they need up to a part.

        The bar's width is kept free also where it is hidden: what is opened next would have it come and cut the rest.
        """
        bar = self.area.verticalScrollBar()
        assert bar is not None
        self.area.setMinimumWidth(max(self._inside.minimumSizeHint().width() + bar.sizeHint().width(), LEAST_WIDTH))
        shown = bool(self.notices.texts)
        self._notice_area.setVisible(shown)
        if shown:
            width = max(self._notice_area.width(), self.area.minimumWidth())
            wanted = self.notices.heightForWidth(width - bar.sizeHint().width())
            self._notice_area.setFixedHeight(min(wanted, max(60, round(MOST_OF_NOTICES * self.height()))))

    def show_from_top(self, part: QWidget) -> None:
        """Scroll until a part stands at the top, or as far up as the dock's end lets it."""
        self._to_show = part
        self._scrolling.start()

    def _scroll(self) -> None:
        bar = self.area.verticalScrollBar()
        if self._to_show is not None and bar is not None:
            bar.setValue(self._to_show.mapTo(self._inside, self._to_show.rect().topLeft()).y())

    # ---- what is going on

    @property
    def busy(self) -> bool:
        """Whether something is computed that Cancel stops."""
        return self.runner.busy

    def begin(self, text: str) -> None:
        """Show that something was started, as a status, and forget what was noticed of the last thing."""
        self.notices.say("run")
        self.status.setText(text)
        self.show_busy(True)

    def show_busy(self, busy: bool) -> None:
        """Show that something is computed, or that nothing is."""
        self.cancel_button.setEnabled(busy)
        self.bar.setVisible(busy)
        if busy:
            self.bar.setValue(0)

    def show_progress(self, share: float, text: str) -> None:
        """Show how much is done, from 0 to 1, and the same as a status."""
        self.bar.setValue(round(1000 * share))
        self.status.setText(text)

    def fail(self, text: str) -> None:
        """Show why something cannot be done: in the dock, or in napari's corner where the dock is not in sight."""
        self.notices.say("run", [text], ERROR)
        self.status.setText(self.failed_status)
        if not self.isVisible():
            show_error(text)

    def cancel(self) -> None:
        """Stop what is computed; what is done by then stays."""
        self.runner.cancel()

    def unload(self) -> None:
        """Release the memory that the engine holds."""
        self.runner.unload()
        self.status.setText("the engine has given back its memory")

    # ---- the beginning and the end

    def restore(self) -> None:
        """Show what the user chose last."""
        raise NotImplementedError

    def take(self, paths: Sequence[Path]) -> None:
        """Take files and folders that were dropped on the dock."""
        raise NotImplementedError

    def end(self) -> None:
        """Stop what runs and release what is held; called once, when the dock was closed."""
        self.runner.unload()

    # ---- what Qt calls

    def dragEnterEvent(self, event: QDragEnterEvent | None) -> None:
        if event is not None and _paths(event):
            event.acceptProposedAction()

    def dropEvent(self, event: QDropEvent | None) -> None:
        if event is not None and (paths := _paths(event)):
            event.acceptProposedAction()
            self.take(paths)

    def _tab(self) -> None:
        """Share the place of another dock of this plugin, behind which it would else take half of the height."""
        mine, window = self.parent(), self.window()
        if not isinstance(mine, QDockWidget) or not isinstance(window, QMainWindow) or mine.isFloating():
            return
        area = window.dockWidgetArea(mine)
        for other in window.findChildren(Dock):
            place = other.parent()
            if other is self or not isinstance(place, QDockWidget) or place.isFloating() or place.isHidden():
                continue
            if window.dockWidgetArea(place) == area and mine not in window.tabifiedDockWidgets(place):
                window.tabifyDockWidget(place, mine)
                mine.show()
                mine.raise_()
                return

    def eventFilter(self, a0: QObject | None, a1: QEvent | None) -> bool:
        if a1 is not None and a1.type() == QEvent.Type.LayoutRequest:
            self._fit()
        return super().eventFilter(a0, a1)

    def resizeEvent(self, a0: QResizeEvent | None) -> None:
        super().resizeEvent(a0)
        self._fit()

    def event(self, event: QEvent | None) -> bool:
        # napari takes the widget out of its dock when that is closed, and merely hides it otherwise
        if event is not None and event.type() == QEvent.Type.ParentChange and isinstance(self.parent(), QDockWidget):
            # napari has a place for it only after this
            later(self, self._tab)
        if event is not None and event.type() == QEvent.Type.ParentChange and self.parent() is None:
            self.end()
            # Its parts refer to each other, so that the garbage collector has to find them, which runs in whatever
            # thread comes to it. Parts of a plot that are deleted outside the GUI's thread take the process with them.
            QTimer.singleShot(COLLECT_AFTER_MS, gc.collect)
            if PYSIDE6:
                # it holds what is connected to its signals where no collector looks, until they are deleted
                later(self, self.deleteLater, COLLECT_AFTER_MS // 2)
        return super().event(event)


def _as_window_on(area: QScrollArea, inside: QWidget) -> None:
    """Let an area scroll what is inside up and down, as wide as the area."""
    area.setWidget(inside)
    area.setWidgetResizable(True)
    area.setFrameShape(QFrame.Shape.NoFrame)
    area.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)


def _paths(event: QDropEvent | QDragEnterEvent) -> list[Path]:
    data = event.mimeData()
    return [Path(url.toLocalFile()) for url in data.urls() if url.isLocalFile()] if data else []
