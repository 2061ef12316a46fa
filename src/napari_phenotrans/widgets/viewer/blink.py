"""Real and translated by turns in one place: what changes catches the eye."""

from __future__ import annotations

from typing import TYPE_CHECKING

from psygnal import Signal
from qtpy.QtCore import QTimer

if TYPE_CHECKING:
    from collections.abc import Sequence

    from napari_phenotrans.widgets.viewer.channel_row import Row

# Changes per second. More than three flashes in a second can harm people with photosensitive epilepsy.
RATES = (0.25, 3.0)
RATE = 1.0


class Blink:
    """Shows the real layers of some rows, then the translated ones, and so on.

    Signals
    -------
    changed
        The other ones are shown now, or the blinking was paused or goes on.
    """

    changed = Signal()

    def __init__(self) -> None:
        self._rows: tuple[Row, ...] = ()
        self._translated = False
        self._rate = RATE
        self._timer: QTimer | None = None

    @property
    def translated(self) -> bool:
        """Whether the translated layers are shown now."""
        return self._translated

    @property
    def running(self) -> bool:
        """Whether it goes on by itself."""
        return self._timer is not None

    @property
    def rate(self) -> float:
        """Changes per second, from 0.25 to 3."""
        return self._rate

    @rate.setter
    def rate(self, rate: float) -> None:
        self._rate = min(max(rate, RATES[0]), RATES[1])
        if self._timer:
            self._timer.setInterval(round(1000 / self._rate))

    def begin(self, rows: Sequence[Row]) -> None:
        """Show the real layers and start changing."""
        self._rows = tuple(rows)
        self._show(translated=False)
        self.run()

    def end(self) -> None:
        """Stop; what is shown is left as it is."""
        self.pause()
        self._rows = ()

    def run(self) -> None:
        """Go on changing."""
        if self._rows and self._timer is None:
            self._timer = QTimer()
            self._timer.timeout.connect(self._change)
            self._timer.start(round(1000 / self._rate))
            self.changed.emit()

    def pause(self) -> None:
        """Stay at what is shown."""
        if self._timer is not None:
            self._timer.stop()
            self._timer = None
            self.changed.emit()

    def step(self) -> None:
        """Change by hand; it no longer changes by itself."""
        self.pause()
        self._change()

    def _change(self) -> None:
        self._show(translated=not self._translated)

    def _show(self, *, translated: bool) -> None:
        self._translated = translated
        for row in self._rows:
            # first what comes, so that nothing is empty in between
            shown, hidden = (row.translated, row.real) if translated else (row.real, row.translated)
            shown.visible, hidden.visible = True, False
        if self._rows:
            self.changed.emit()
