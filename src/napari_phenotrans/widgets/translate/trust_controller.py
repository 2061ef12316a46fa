"""The check of a translation, as seen from the GUI: what of it was translated, by what, and what came of the check."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from qtpy.QtCore import QObject, Signal

from napari_phenotrans.checkpoints.checkpoint import Checkpoint
from napari_phenotrans.core.errors import InputError
from napari_phenotrans.core.events import Notice
from napari_phenotrans.core.region import Region
from napari_phenotrans.engines import engine_entry
from napari_phenotrans.translation.events import ErrorDone, EvaluationDone
from napari_phenotrans.translation.trust import FACTOR, TrustRow, trust_table
from napari_phenotrans.widgets.translate.jobs import Check, Recipe
from napari_phenotrans.widgets.translate.trust_layers import TrustLayers
from napari_phenotrans.widgets.viewer.layers import channel_name, info, to_image
from napari_phenotrans.widgets.viewer.plane_room import PlaneRoom
from napari_phenotrans.widgets.viewer.visible import shown_plane

if TYPE_CHECKING:
    from collections.abc import Sequence

    from napari import Viewer

    from napari_phenotrans.checkpoints.checkpoint import Card
    from napari_phenotrans.widgets.common.worker import Problem, Runner
    from napari_phenotrans.widgets.viewer.rows import Row


class TrustController(QObject):
    """Starts checks on a runner, and keeps what they found.

    Signals
    -------
    moved
        How far it is (0 to 1), and the same in words.
    checked
        The layers are there; in words.
    failed
        Why it could not go on, in words.
    found
        The rows of the table, a list of `TrustRow`; again where the factor was changed.
    """

    moved = Signal(float, str)
    checked = Signal(str)
    failed = Signal(str)
    found = Signal(list)

    def __init__(self, viewer: Viewer, runner: Runner, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._viewer = viewer
        self._runner = runner
        self._job: Check | None = None
        self._rows: tuple[Row, ...] = ()
        self._card: Card | None = None
        self._done: ErrorDone | None = None
        self._checked: list[tuple[np.ndarray, ErrorDone]] = []
        self._recipe: Recipe | None = None
        self._factor = FACTOR
        self.layers: TrustLayers | None = None
        runner.came.connect(self._on_came)
        runner.ended.connect(self._on_ended)

    @property
    def errors(self) -> list[ErrorDone]:
        """What the checks so far have found."""
        return [error for _, error in self._checked]

    def start(self, rows: Sequence[Row], device: str) -> None:
        """Check what was translated of the shown plane, by what it was translated with.

        Raises
        ------
        InputError
            If nothing of the shown plane was translated, or the checkpoint is gone.
        """
        provenance = info(rows[0].translated).get("provenance", {})
        t, z = shown_plane(self._viewer, rows[0].real)
        room = PlaneRoom(rows[0].real)
        region: Region | None = None
        if [t, z] not in [list(plane) for plane in provenance.get("planes", [])]:
            here = [Region(*place[2:]) for place in provenance.get("regions", []) if tuple(place[:2]) == (t, z)]
            if not here:
                raise InputError(
                    "Nothing of the shown plane was translated to its end. Translate it, or move the sliders to a "
                    "plane that was."
                )
            region = here[-1]
        checkpoint = provenance["checkpoint file"] or provenance["checkpoint"]
        card = Checkpoint.read_card(checkpoint)
        told = engine_entry(card.engine).translation.model_fields
        recipe = Recipe(
            checkpoint,
            provenance["source"],
            provenance["target"],
            device,
            provenance["precision"],
            provenance["tile"],
            {name: provenance[name] for name in told if name in provenance},
        )
        names = [provenance["channels"].get(name, name) for name in card.channels]
        image = to_image([row.real for row in rows], names)
        slices = region.slices if region else (slice(None), slice(None))
        difference = np.stack([room.get(row.difference.data, t, z, slices) for row in rows]).astype(np.float32)
        if recipe != self._recipe or tuple(rows) != self._rows:
            self.clear()
        self._card, self._recipe, self._rows = card, recipe, tuple(rows)
        self._job = Check(image, recipe, (t, z), region, difference, provenance["channels"])
        self._done = None
        self._runner.start(self._job)

    def set_factor(self, factor: float) -> None:
        """Believe changes beyond so many times the engine's error."""
        self._factor = factor
        if self.layers:
            self.layers.set_factor(factor)
            self.found.emit(self.table())

    def table(self) -> list[TrustRow]:
        """Return what was found, a row per channel."""
        if not self._card or not self._recipe:
            return []
        return trust_table(self._card, self._recipe.source, self._recipe.target, self._checked, self._factor)

    def clear(self) -> None:
        """Forget what was checked; its layers go."""
        if self.layers:
            self.layers.clear()
        self.layers, self._checked, self._recipe = None, [], None

    def close(self) -> None:
        """Forget what runs; layers stay."""
        self._job = None

    # ---- what comes

    def _on_came(self, job: Any, event: Any) -> None:
        if job is not self._job or isinstance(event, Notice):
            return
        if isinstance(event, EvaluationDone):
            self.moved.emit(0.0, f"checking: tile {event.done} of {event.total}")
        elif isinstance(event, ErrorDone):
            self._done = event

    def _on_ended(self, job: Any, problem: Problem | None) -> None:
        if self._job is None or job is not self._job:
            return
        difference, self._job = self._job.difference, None
        if problem:
            self.failed.emit(problem.text)
            return
        if self._done is None:
            self.checked.emit("check cancelled")
            return
        if not all(layer in self._viewer.layers for row in self._rows for layer in row.layers):
            self.checked.emit("not checked: a layer was removed meanwhile")
            return
        place = _place(self._done)
        self._checked = [pair for pair in self._checked if _place(pair[1]) != place] + [(difference, self._done)]
        if self.layers is None:
            self.layers = TrustLayers(self._viewer, self._rows)
        self.layers.set_factor(self._factor)
        self.layers.add(self._done)
        self.found.emit(self.table())
        self.checked.emit(f"checked {', '.join(channel_name(row.real) for row in self._rows)}")


def _place(error: ErrorDone) -> tuple[int, ...]:
    return error.t, error.z, error.top, error.left, *error.engine_error.shape[1:]
