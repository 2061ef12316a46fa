"""A nucleus of a report in the viewer: its field before and after, side by side, and the nucleus ringed in both."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from qtpy.QtCore import QObject, Signal

from napari_phenotrans.core.errors import InputError
from napari_phenotrans.widgets.common.worker import Runner
from napari_phenotrans.widgets.translate.jobs import Translate
from napari_phenotrans.widgets.translate.translate_controller import TranslateController
from napari_phenotrans.widgets.viewer.batched_update import one_update
from napari_phenotrans.widgets.viewer.comparison import Comparison
from napari_phenotrans.widgets.viewer.files import Files
from napari_phenotrans.widgets.viewer.layer_info import match_layers, path_of
from napari_phenotrans.widgets.viewer.layers import (
    KEY,
    REAL,
    channel_name,
    full_resolution,
    info,
    letters_of,
    like,
    pixel_size_um,
    role,
    to_image,
)
from napari_phenotrans.widgets.viewer.rows import Row, find_row
from napari_phenotrans.widgets.viewer.snapshot import add_quietly, put_first
from napari_phenotrans.widgets.viewer.visible import shown_plane

if TYPE_CHECKING:
    from collections.abc import Sequence

    from napari import Viewer
    from napari.layers import Image as ImageLayer
    from napari.layers import Points

    from napari_phenotrans.checkpoints.checkpoint import Card
    from napari_phenotrans.widgets.evaluate.paired_objects import Spot
    from napari_phenotrans.widgets.translate.jobs import Recipe

MARK = "mark"
NAMES = "chosen, real", "chosen, translated"
COLOR = "#ffff00"
# In diameters of a typical object: the ring, and what of the field is in sight around it.
RING, IN_SIGHT = 1.8, 9.0
# How much more or less may be in sight before the zoom is changed.
LOOSE = 2.5


class NucleusView(QObject):
    """Opens fields, translates what is shown of them, and marks what was chosen; one comparison, marks used again.

    Signals
    -------
    moved
        How far opening and translating is (0 to 1), and the same in words.
    shown
        The nucleus that was asked for is in the view's center.
    noticed
        Something the user should know of a field.
    failed
        Why a field cannot be shown, in words.
    """

    moved = Signal(float, str)
    shown = Signal(object)
    noticed = Signal(str)
    failed = Signal(str)

    def __init__(self, viewer: Viewer, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._viewer = viewer
        self.comparison = Comparison(viewer)
        self._files = Files(viewer, self)
        self._runner = Runner(self)
        self._translating = TranslateController(viewer, self._runner, self)
        self._spot: Spot | None = None
        self._with: tuple[Card, Recipe, dict[str, str]] | None = None
        self._marks: list[Points] = []
        self._opening = self._fresh = False
        self._files.opened.connect(self._on_opened)
        self._files.failed.connect(self._on_failed)
        self._translating.moved.connect(self.moved)
        self._translating.noticed.connect(self.noticed)
        self._translating.ended.connect(lambda _, words: self._on_translated())
        self._translating.failed.connect(lambda _, text: self._on_failed(text))

    @property
    def busy(self) -> bool:
        """Whether a field is being opened or translated."""
        return self._opening or self._runner.busy

    @property
    def marks(self) -> tuple[Points, ...]:
        """The layers that mark what was chosen: in the real image, and in the translated one."""
        return tuple(layer for layer in self._marks if layer in self._viewer.layers)

    def show(self, spot: Spot, card: Card, recipe: Recipe, channels: dict[str, str]) -> None:
        """Show a nucleus, in place of one that is still on its way.

        Parameters
        ----------
        spot
            Where it is.
        card, recipe
            What translated it, and how.
        channels
            The image's name for a channel of the checkpoint where they differ.
        """
        self._spot, self._with = spot, (card, recipe, channels)
        if self._opening:
            # looked at again once the file is there
            return
        self._go_on()

    def cancel(self) -> None:
        """Stop translating; what is there stays."""
        self._spot = None
        self._runner.cancel()

    def leave(self) -> None:
        """Take the marks away, and show the viewer as it was; opened fields stay among its layers."""
        self._spot = None
        if not self.marks and not self.comparison.active:
            # napari would build its scene anew all the same
            return
        with one_update(self._viewer):
            for layer in self.marks:
                self._viewer.layers.remove(layer)
            self._marks = []
            self.comparison.leave()

    def close(self) -> None:
        """Leave, stop, and release what the engine holds in memory."""
        self._translating.close()
        self._runner.unload()
        self.leave()
        self.comparison.close()

    # ---- from a spot to layers

    def _go_on(self) -> None:
        """Do what is needed next to show what was asked for."""
        if self._spot is None or self._with is None:
            return
        spot, (card, recipe, channels) = self._spot, self._with
        reals = self._reals(spot, card, channels)
        if not reals:
            self._opening = True
            self.moved.emit(0.0, f"opening {spot.field}…")
            self._files.open([spot.path])
            return
        rows = self._rows(reals, recipe, spot)
        if rows:
            self._runner.cancel()
            self._show(rows, spot)
            return
        # the real image can be looked at meanwhile
        image = to_image(reals, [channel_name(layer) for layer in reals])
        self.moved.emit(0.0, f"translating {spot.field}…")
        said = {mine: theirs for mine, theirs in channels.items() if theirs in image.channels}
        job = Translate(image, recipe, ((spot.t, spot.z),), channels=said, reals=tuple(reals))
        self._translating.start(job)

    def _reals(self, spot: Spot, card: Card, channels: dict[str, str]) -> list[ImageLayer]:
        """Return the field's real layers in the order of the checkpoint's channels; none where it is not open."""
        of_file = [layer for layer in self._viewer.layers if role(layer) == REAL and path_of(layer) == spot.path]
        # of a file that was opened twice, the layers of the first
        of_file = [layer for layer in of_file if info(layer).get("image") == info(of_file[0]).get("image")]
        by_name = {channel_name(layer): layer for layer in of_file}
        said = [by_name.get(channels.get(name, name)) for name in card.channels]
        found = [layer for layer in said if layer is not None]
        if len(found) < len(said):
            matched, _ = match_layers(of_file, card)
            found = [layer for layer in matched if layer is not None]
        return found if len(found) == len(card.channels) else []

    def _rows(self, reals: Sequence[ImageLayer], recipe: Recipe, spot: Spot) -> list[Row]:
        """Return the field's rows, if they show this plane translated in this way."""
        rows = []
        for real in reals:
            row = find_row(self._viewer, real)
            if row is None or not _made_by(info(row.translated).get("provenance", {}), recipe, spot):
                return []
            rows.append(row)
        return rows

    def _on_opened(self, layers: list[ImageLayer], translate: bool) -> None:
        self._opening = False
        if self._spot and self._with and path_of(layers[0]) == self._spot.path:
            card, _, channels = self._with
            if not self._reals(self._spot, card, channels):
                self._on_failed(
                    f"{self._spot.field} has the channels {', '.join(map(channel_name, layers))}, the checkpoint "
                    f"{', '.join(card.channels)}: it cannot be shown translated."
                )
                return
        self._go_on()

    def _on_translated(self) -> None:
        if self._spot is None or self._with is None:
            return
        card, recipe, channels = self._with
        rows = self._rows(self._reals(self._spot, card, channels), recipe, self._spot)
        if rows:
            self._show(rows, self._spot)

    def _on_failed(self, text: str) -> None:
        self._opening, self._spot = False, None
        self.failed.emit(text)

    # ---- in the viewer

    def _show(self, rows: Sequence[Row], spot: Spot) -> None:
        with one_update(self._viewer):
            try:
                self.comparison.show(rows, "composites")
            except InputError as error:
                self._on_failed(str(error))
                return
            self._mark(rows, spot)
        self._look_at(rows[0].real, spot)
        self.shown.emit(spot)

    def _mark(self, rows: Sequence[Row], spot: Spot) -> None:
        """Ring the nucleus in both halves; of a whole field nothing is ringed."""
        viewer, real = self._viewer, rows[0].real
        point = _place(real, spot)
        layers = self.marks
        at = point[None] if spot.center else np.zeros((0, real.ndim))
        if len(layers) < 2 or any(layer.ndim != real.ndim for layer in layers):
            for layer in layers:
                viewer.layers.remove(layer)
            options = {
                "size": 1,
                "face_color": "transparent",
                "border_color": COLOR,
                "border_width": 0.06,
                "antialiasing": 1,
                "blending": "translucent",
                "metadata": {KEY: {"role": MARK}},
            }
            empty = np.zeros((0, real.ndim))
            self._marks = [add_quietly(viewer, (empty, options | {"name": name}, "points")) for name in NAMES]
        for layer in self._marks:
            for name, value in like(real).items():
                setattr(layer, name, value)
            layer.data = at
            layer.size = RING * spot.width * _ratio(real, spot)
            layer.selected_data = set()
            layer.visible = True
        # Cells of the grid take as many layers as there are channels, in the order of the list: the first mark falls
        # into the cell of the real image, and what comes after hidden layers into that of the translated one.
        shown = [*(row.real for row in rows), *(row.translated for row in rows)]
        hidden = [row.difference for row in rows[1:]]
        put_first(viewer, [*shown, self._marks[0], *hidden, self._marks[1]])

    def _look_at(self, real: ImageLayer, spot: Spot) -> None:
        viewer = self._viewer
        letters, _ = letters_of(real)
        point = _place(real, spot)
        world = np.asarray(real.data_to_world(point), float)
        if shown_plane(viewer, real) != (spot.t, spot.z):
            for axis, letter in enumerate(letters):
                if letter in "TZ":
                    viewer.dims.set_point(viewer.dims.ndim - real.ndim + axis, float(world[axis]))
        if spot.center is None:
            return
        viewer.scene.camera.center = (*viewer.scene.camera.center[:-2], *world[-2:])
        wide = IN_SIGHT * spot.width * _ratio(real, spot) * float(real.scale[-1])
        fitting = float(np.min(np.asarray(viewer.canvas.viewbox_size(viewer.layers)))) / wide
        if not fitting / LOOSE < viewer.scene.camera.zoom < fitting * LOOSE:
            viewer.scene.camera.zoom = fitting


def _made_by(provenance: dict[str, Any], recipe: Recipe, spot: Spot) -> bool:
    """Tell whether a layer shows this plane as this recipe translates it."""
    if not provenance.get("checkpoint file"):
        same = provenance.get("checkpoint") == recipe.checkpoint
    else:
        same = provenance["checkpoint file"] == str(Path(recipe.checkpoint).absolute())
    said = {"source": recipe.source, "target": recipe.target, **recipe.how}
    planes = [tuple(place) for place in provenance.get("planes", [])]
    return same and all(provenance.get(name) == value for name, value in said.items()) and (spot.t, spot.z) in planes


def _ratio(real: ImageLayer, spot: Spot) -> float:
    """Return how many pixels of the layer are as long as one of those that the nucleus was measured in."""
    own = pixel_size_um(real)
    return spot.pixel_size_um / own if own and spot.pixel_size_um else 1.0


def _place(real: ImageLayer, spot: Spot) -> np.ndarray:
    """Return a spot's place in a layer, in its pixels; of a whole field its middle."""
    letters, _ = letters_of(real)
    sizes = dict(zip(letters, full_resolution(real).shape, strict=True))
    if spot.center is None:
        y, x = ((sizes[letter] - 1) / 2 for letter in "YX")
    else:
        # centers of pixels stand at whole numbers
        y, x = ((value + 0.5) * _ratio(real, spot) - 0.5 for value in spot.center)
    place = {"T": spot.t, "Z": spot.z, "Y": y, "X": x}
    return np.array([place[letter] for letter in letters], float)
