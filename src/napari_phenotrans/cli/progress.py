"""A progress bar on the terminal."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from napari_phenotrans.core.events import Progressed
    from napari_phenotrans.translation.translate import Event


class Progress:
    """A progress bar on the terminal, drawn from events; nothing is drawn where the output is no terminal."""

    def __init__(self, text: str) -> None:
        from rich.console import Console
        from rich.progress import BarColumn, TextColumn, TimeRemainingColumn
        from rich.progress import Progress as Bar

        self._bar = Bar(
            # names of files are no markup
            TextColumn("{task.description}", markup=False),
            BarColumn(),
            TextColumn("{task.percentage:>3.0f} %"),
            TimeRemainingColumn(),
            console=Console(stderr=True),
            transient=True,
        )
        self._task = self._bar.add_task(text, total=None)
        # done, which may be a part of one, and all
        self._planes: tuple[float, int] = (0, 1)

    def __enter__(self) -> Progress:
        self._bar.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._bar.stop()

    def say(self, text: str) -> None:
        """Show what is being done, in words."""
        self._planes = (0, 1)
        self._bar.update(self._task, description=text, completed=0, total=None)

    def show(self, event: Event | Progressed) -> None:
        """Draw one event."""
        from napari_phenotrans.core.events import Progressed
        from napari_phenotrans.translation.events import EvaluationDone, PlaneDone, RegionDone, SampleDone, TileDone

        if isinstance(event, Progressed):
            self._bar.update(self._task, description=event.what, completed=event.done, total=event.total)
        elif isinstance(event, PlaneDone | RegionDone | SampleDone):
            self._planes = (event.planes, event.total)
            self._bar.update(self._task, completed=event.planes, total=event.total)
        elif isinstance(event, TileDone | EvaluationDone):
            done, total = self._planes
            self._bar.update(self._task, completed=done + event.done / event.total, total=total)
