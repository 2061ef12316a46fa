"""Showing an object of a report in the viewer: real and translated side by side, with a ring around it in both."""

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
from napari_phenotrans.widgets.viewer.channel_row import Row, find_row
from napari_phenotrans.widgets.viewer.comparison import Comparison
from napari_phenotrans.widgets.viewer.file_opener import FileOpener
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
from napari_phenotrans.widgets.viewer.snapshot import add_quietly, put_first
from napari_phenotrans.widgets.viewer.visible_region import shown_plane

if TYPE_CHECKING:
    from collections.abc import Sequence

    from napari import Viewer
    from napari.layers import Image as ImageLayer
    from napari.layers import Points

    from napari_phenotrans.checkpoints.checkpoint import Card
    from napari_phenotrans.widgets.evaluate.paired_objects import ObjectLocation
    from napari_phenotrans.widgets.translate.jobs import Recipe

MARK = "mark"
NAMES = "chosen, real", "chosen, translated"
COLOR = "#ffff00"
# In diameters of a typical object: the ring, and what of the field is in sight around it.
RING, IN_SIGHT = 1.8, 9.0
# How much more or less may be in sight before the zoom is changed.
LOOSE = 2.5


class ObjectView(QObject):
    """Opens and translates the field of an object, compares both, and rings the object.

    Signals
    -------
    moved
        How far opening and translating is (0 to 1), and the same in words.
    shown
        The object that was asked for is in the view's center.
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
        self._files = FileOpener(viewer, self)
        self._runner = Runner(self)
        self._translating = TranslateController(viewer, self._runner, self)
        self._location: ObjectLocation | None = None
        self._with: tuple[Card, Recipe, dict[str, str]] | None = None
        self._marks: list[Points] = []
        self._opening = self._fresh = False
        self._files.opened.connect(self._on_opened)
        self._files.failed.connect(self._on_failed)
        self._translating.moved.connect(self.moved)
        self._translating.noticed.connect(self.noticed)
        self._translating.ended.connect(lambda *_: self._on_translated())
        self._translating.failed.connect(lambda _, text: self._on_failed(text))

    @property
    def busy(self) -> bool:
        """Whether a field is being opened or translated."""
        return self._opening or self._runner.busy

    @property
    def marks(self) -> tuple[Points, ...]:
        """The layers that mark what was chosen: in the real image, and in the translated one."""
        return tuple(layer for layer in self._marks if layer in self._viewer.layers)

    def show(self, location: ObjectLocation, card: Card, recipe: Recipe, channels: dict[str, str]) -> None:
        """Show an object, in place of one that is still on its way.

        Parameters
        ----------
        location
            Where it is.
        card, recipe
            What translated it, and how.
        channels
            The image's name for a channel of the checkpoint where they differ.
        """
        self._location, self._with = location, (card, recipe, channels)
        if self._opening:
            # looked at again once the file is there
            return
        self._go_on()

    def cancel(self) -> None:
        """Stop translating; what is there stays."""
        self._location = None
        self._runner.cancel()

    def leave(self) -> None:
        """Take the marks away, and show the viewer as it was; opened fields stay among its layers."""
        self._location = None
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

    # ---- from a location to layers

    def _go_on(self) -> None:
        """Do what is needed next to show what was asked for."""
        if self._location is None or self._with is None:
            return
        location, (card, recipe, channels) = self._location, self._with
        reals = self._reals(location, card, channels)
        if not reals:
            self._opening = True
            self.moved.emit(0.0, f"opening {location.field}…")
            self._files.open([location.path])
            return
        rows = self._rows(reals, recipe, location)
        if rows:
            self._runner.cancel()
            self._show(rows, location)
            return
        # the real image can be looked at meanwhile
        image = to_image(reals, [channel_name(layer) for layer in reals])
        self.moved.emit(0.0, f"translating {location.field}…")
        names = {mine: theirs for mine, theirs in channels.items() if theirs in image.channels}
        job = Translate(image, recipe, ((location.t, location.z),), channels=names, reals=tuple(reals))
        self._translating.start(job)

    def _reals(self, location: ObjectLocation, card: Card, channels: dict[str, str]) -> list[ImageLayer]:
        """Return the field's real layers in the order of the checkpoint's channels; none where it is not open."""
        of_file = [layer for layer in self._viewer.layers if role(layer) == REAL and path_of(layer) == location.path]
        # of a file that was opened twice, the layers of the first
        of_file = [layer for layer in of_file if info(layer).get("image") == info(of_file[0]).get("image")]
        by_name = {channel_name(layer): layer for layer in of_file}
        layers = [by_name.get(channels.get(name, name)) for name in card.channels]
        if None in layers:
            layers, _ = match_layers(of_file, card)
        present = [layer for layer in layers if layer is not None]
        return present if len(present) == len(card.channels) else []

    def _rows(self, reals: Sequence[ImageLayer], recipe: Recipe, location: ObjectLocation) -> list[Row]:
        """Return the field's rows, if they show this plane translated in this way."""
        rows = []
        for real in reals:
            row = find_row(self._viewer, real)
            if row is None or not _made_by(info(row.translated).get("provenance", {}), recipe, location):
                return []
            rows.append(row)
        return rows

    def _on_opened(self, layers: list[ImageLayer], translate: bool) -> None:
        self._opening = False
        if self._location and self._with and path_of(layers[0]) == self._location.path:
            card, _, channels = self._with
            if not self._reals(self._location, card, channels):
                self._on_failed(
                    f"{self._location.field} has the channels {', '.join(map(channel_name, layers))}, the checkpoint "
                    f"{', '.join(card.channels)}: it cannot be shown translated."
                )
                return
        self._go_on()

    def _on_translated(self) -> None:
        if self._location is None or self._with is None:
            return
        card, recipe, channels = self._with
        rows = self._rows(self._reals(self._location, card, channels), recipe, self._location)
        if rows:
            self._show(rows, self._location)

    def _on_failed(self, text: str) -> None:
        self._opening, self._location = False, None
        self.failed.emit(text)

    # ---- in the viewer

    def _show(self, rows: Sequence[Row], location: ObjectLocation) -> None:
        with one_update(self._viewer):
            try:
                self.comparison.show(rows, "composites")
            except InputError as error:
                self._on_failed(str(error))
                return
            self._mark(rows, location)
        self._look_at(rows[0].real, location)
        self.shown.emit(location)

    def _mark(self, rows: Sequence[Row], location: ObjectLocation) -> None:
        """Ring the object in both halves; of a whole field nothing is ringed."""
        viewer, real = self._viewer, rows[0].real
        point = _position_in(real, location)
        layers = self.marks
        at = point[None] if location.center else np.zeros((0, real.ndim))
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
            layer.size = RING * location.width * _ratio(real, location)
            layer.selected_data = set()
            layer.visible = True
        # Cells of the grid take as many layers as there are channels, in the order of the list: the first mark falls
        # into the cell of the real image, and what comes after hidden layers into that of the translated one.
        shown = [*(row.real for row in rows), *(row.translated for row in rows)]
        hidden = [row.difference for row in rows[1:]]
        put_first(viewer, [*shown, self._marks[0], *hidden, self._marks[1]])

    def _look_at(self, real: ImageLayer, location: ObjectLocation) -> None:
        viewer = self._viewer
        letters, _ = letters_of(real)
        point = _position_in(real, location)
        world = np.asarray(real.data_to_world(point), float)
        if shown_plane(viewer, real) != (location.t, location.z):
            for axis, letter in enumerate(letters):
                if letter in "TZ":
                    viewer.dims.set_point(viewer.dims.ndim - real.ndim + axis, float(world[axis]))
        if location.center is None:
            return
        viewer.scene.camera.center = (*viewer.scene.camera.center[:-2], *world[-2:])
        wide = IN_SIGHT * location.width * _ratio(real, location) * float(real.scale[-1])
        fitting = float(np.min(np.asarray(viewer.canvas.viewbox_size(viewer.layers)))) / wide
        if not fitting / LOOSE < viewer.scene.camera.zoom < fitting * LOOSE:
            viewer.scene.camera.zoom = fitting


def _made_by(provenance: dict[str, Any], recipe: Recipe, location: ObjectLocation) -> bool:
    """Tell whether a layer shows this plane as this recipe translates it."""
    if not provenance.get("checkpoint file"):
        same = provenance.get("checkpoint") == recipe.checkpoint
    else:
        same = provenance["checkpoint file"] == str(Path(recipe.checkpoint).absolute())
    settings = {"source": recipe.source, "target": recipe.target, **recipe.how}
    planes = [tuple(plane) for plane in provenance.get("planes", [])]
    same = same and all(provenance.get(name) == value for name, value in settings.items())
    return same and (location.t, location.z) in planes


def _ratio(real: ImageLayer, location: ObjectLocation) -> float:
    """Return how many pixels of the layer are as long as one of those that the object was measured in."""
    own = pixel_size_um(real)
    return location.pixel_size_um / own if own and location.pixel_size_um else 1.0


def _position_in(real: ImageLayer, location: ObjectLocation) -> np.ndarray:
    """Return the position of an object in a layer, in its pixels; of a whole field its middle."""
    letters, _ = letters_of(real)
    sizes = dict(zip(letters, full_resolution(real).shape, strict=True))
    if location.center is None:
        y, x = ((sizes[letter] - 1) / 2 for letter in "YX")
    else:
        # centers of pixels stand at whole numbers
        y, x = ((value + 0.5) * _ratio(real, location) - 0.5 for value in location.center)
    position = {"T": location.t, "Z": location.z, "Y": y, "X": x}
    return np.array([position[letter] for letter in letters], float)
