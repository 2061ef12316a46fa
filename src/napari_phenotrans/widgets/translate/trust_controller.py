"""Checking a translation against the engine's own error: starts the check, and shows its layers and numbers."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
from qtpy.QtCore import QObject, Signal

from napari_phenotrans.checkpoints.checkpoint import Checkpoint
from napari_phenotrans.core.errors import InputError
from napari_phenotrans.core.events import Notice
from napari_phenotrans.core.region import Region
from napari_phenotrans.engines import engine_entry
from napari_phenotrans.metrics.flicker import flicker_words
from napari_phenotrans.metrics.turned import turn_sentence
from napari_phenotrans.runs.family import with_families
from napari_phenotrans.translation.events import (
    ErrorDone,
    EvaluationDone,
    FlickerDone,
    PictureJudged,
    TurnedDone,
    TurnTested,
)
from napari_phenotrans.translation.trust import FACTOR, TrustRow, trust_table
from napari_phenotrans.widgets.translate.jobs import Beside, Check, Recipe
from napari_phenotrans.widgets.translate.trust_layers import TrustLayers
from napari_phenotrans.widgets.viewer.layer_info import images_of_condition
from napari_phenotrans.widgets.viewer.layers import channel_name, info, to_image
from napari_phenotrans.widgets.viewer.plane_storage import PlaneStorage
from napari_phenotrans.widgets.viewer.visible_region import shown_plane

if TYPE_CHECKING:
    from collections.abc import Sequence

    from napari import Viewer

    from napari_phenotrans.checkpoints.checkpoint import Card
    from napari_phenotrans.widgets.common.worker import Problem, Runner
    from napari_phenotrans.widgets.viewer.channel_row import Row

# Planes on either side of the checked one, along Z and T, whose agreement is measured.
NEAR = 2


class TrustController(QObject):
    """Starts checks of translations on a runner, and holds their results.

    Signals
    -------
    moved
        How far it is (0 to 1), and the same as a text.
    checked
        The check has ended, with this status.
    failed
        Why it could not go on.
    table_changed
        The rows of the table, a list of `TrustRow`, after a check and where the factor was changed.
    stack_checked
        What is known of the agreement of neighboring planes, a list of sentences.
    turned
        How far what is made of the image upside down differs, a `TurnedDone`, and the rows that it is of.
    judged
        What the picture gate says of this picture, a `PictureJudged`, where real images of the target are open.
    """

    moved = Signal(float, str)
    checked = Signal(str)
    failed = Signal(str)
    table_changed = Signal(list)
    stack_checked = Signal(list)
    judged = Signal(object)
    turned = Signal(object, tuple)

    def __init__(self, viewer: Viewer, runner: Runner, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._viewer = viewer
        self._runner = runner
        self._job: Check | None = None
        self._rows: tuple[Row, ...] = ()
        self._card: Card | None = None
        self._done: ErrorDone | None = None
        self._judged: PictureJudged | None = None
        self._flicker: FlickerDone | None = None
        self._turned: TurnTested | None = None
        self._checked: list[tuple[np.ndarray, ErrorDone]] = []
        self._recipe: Recipe | None = None
        self._factor = FACTOR
        self.layers: TrustLayers | None = None
        runner.came.connect(self._on_came)
        runner.ended.connect(self._on_ended)

    @property
    def errors(self) -> list[ErrorDone]:
        """The results of the checks so far."""
        return [error for _, error in self._checked]

    def start(self, rows: Sequence[Row], device: str, *, upside_down: bool = False) -> None:
        """Check what was translated of the shown plane, by what it was translated with; ``upside_down``, too.

        Raises
        ------
        InputError
            If nothing of the shown plane was translated, or the checkpoint is gone.
        """
        provenance = info(rows[0].translated).get("provenance", {})
        t, z = shown_plane(self._viewer, rows[0].real)
        storage = PlaneStorage(rows[0].real)
        region: Region | None = None
        if [t, z] not in [list(plane) for plane in provenance.get("planes", [])]:
            regions = [Region(*entry[2:]) for entry in provenance.get("regions", []) if tuple(entry[:2]) == (t, z)]
            if not regions:
                raise InputError(
                    "Nothing of the shown plane was translated to its end. Translate it, or move the sliders to a "
                    "plane that was."
                )
            region = regions[-1]
        checkpoint = provenance.get("family") or provenance["checkpoint file"] or provenance["checkpoint"]
        first, *others = with_families((checkpoint,))
        if others and upside_down:
            raise InputError(
                "Several trainings that translate together are not turned upside down. Check without it, or choose one "
                "of the trainings as the checkpoint."
            )
        card = Checkpoint.read_card(first)
        engine_settings = engine_entry(card.engine).translation.model_fields
        recipe = Recipe(
            checkpoint,
            provenance["source"],
            provenance["target"],
            device,
            provenance["precision"],
            provenance["tile"],
            {name: provenance[name] for name in engine_settings if name in provenance},
            turns=provenance.get("turns", 1),
        )
        names = [provenance["channels"].get(name, name) for name in card.channels]
        image = to_image([row.real for row in rows], names)
        slices = region.slices if region else (slice(None), slice(None))
        difference = np.stack([storage.get(row.difference.data, t, z, slices) for row in rows]).astype(np.float32)
        if recipe != self._recipe or tuple(rows) != self._rows:
            self.clear()
        self._card, self._recipe, self._rows = card, recipe, tuple(rows)
        targets = images_of_condition(self._viewer, card, recipe.target)
        beside = _beside(rows, provenance, (t, z), region)
        self._job = Check(image, recipe, (t, z), region, difference, provenance["channels"], targets, beside)
        self._job.upside_down = upside_down
        self._done = self._judged = self._flicker = self._turned = None
        self._runner.start(self._job)

    def set_factor(self, factor: float) -> None:
        """Believe changes beyond so many times the engine's error."""
        self._factor = factor
        if self.layers:
            self.layers.set_factor(factor)
            self.table_changed.emit(self.table())

    def table(self) -> list[TrustRow]:
        """Return the results so far, a row per channel."""
        if not self._card or not self._recipe:
            return []
        rows = trust_table(self._card, self._recipe.source, self._recipe.target, self._checked, self._factor)
        turned = {row.channel: row.of_change for row in self._turned.rows} if self._turned else {}
        return [replace(row, turned=turned.get(row.channel)) for row in rows]

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
        elif isinstance(event, PictureJudged):
            self._judged = event
        elif isinstance(event, FlickerDone):
            self._flicker = event
        elif isinstance(event, TurnedDone):
            self.turned.emit(event, self._rows)
        elif isinstance(event, TurnTested):
            self._turned = event

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
        others = [pair for pair in self._checked if _rectangle(pair[1]) != _rectangle(self._done)]
        self._checked = [*others, (difference, self._done)]
        if self.layers is None:
            self.layers = TrustLayers(self._viewer, self._rows)
        self.layers.set_factor(self._factor)
        self.layers.add(self._done)
        self.table_changed.emit(self.table())
        turned = [turn_sentence(self._turned.rows)] if self._turned else []
        self.stack_checked.emit([*turned, *_stack_words(self._flicker)])
        self.judged.emit(self._judged)
        self.checked.emit(f"checked {', '.join(channel_name(row.real) for row in self._rows)}")


def _beside(
    rows: Sequence[Row], provenance: dict[str, Any], position: tuple[int, int], region: Region | None
) -> Beside | None:
    """Return what was translated around a plane, in the same place of it; None where the image is no stack."""
    storage = PlaneStorage(rows[0].real)
    if not any(letter in "TZ" and size > 1 for letter, size in zip(storage.letters, storage.shape, strict=True)):
        return None
    t, z = position
    if region is None:
        done = {(int(at[0]), int(at[1])) for at in provenance.get("planes", [])}
    else:
        done = {(at[0], at[1]) for at in provenance.get("regions", []) if Region(*at[2:]) == region}
    near = {(t + k, z) for k in range(-NEAR, NEAR + 1)} | {(t, z + k) for k in range(-NEAR, NEAR + 1)}
    slices = region.slices if region else (slice(None), slice(None))
    data = [row.difference.data for row in rows]

    def difference(t: int, z: int) -> np.ndarray:
        return np.stack([storage.get(each, t, z, slices) for each in data]).astype(np.float32)

    return Beside(tuple(sorted(near & done)), difference)


def _stack_words(done: FlickerDone | None) -> list[str]:
    """Return what is known of the agreement of neighboring planes; nothing where there are none."""
    if done is None:
        return []
    return flicker_words(done.rows) or [
        "Whether planes agree with their neighbors is not known: no plane beside this one is translated. Translate the "
        "stack, or a neighbor, and check again."
    ]


def _rectangle(error: ErrorDone) -> tuple[int, ...]:
    """Return where in the image a check was made: t, z, top, left, height, width."""
    return error.t, error.z, error.top, error.left, *error.engine_error.shape[1:]
