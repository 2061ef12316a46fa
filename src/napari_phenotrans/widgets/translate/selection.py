"""What is chosen in the translate dock: which layers are to be translated, and how."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from napari_phenotrans.core.errors import InputError
from napari_phenotrans.core.region import Region
from napari_phenotrans.widgets.common.preferences import preferences
from napari_phenotrans.widgets.translate.jobs import Recipe, Translate
from napari_phenotrans.widgets.viewer.channel_row import find_row
from napari_phenotrans.widgets.viewer.layer_info import image_for
from napari_phenotrans.widgets.viewer.layers import absent_data, info, pixel_size_um
from napari_phenotrans.widgets.viewer.snapshot import add_quietly
from napari_phenotrans.widgets.viewer.visible_region import shown_plane, visible_region

if TYPE_CHECKING:
    from napari import Viewer
    from napari.layers import Image as ImageLayer

    from napari_phenotrans.checkpoints.checkpoint import Card
    from napari_phenotrans.core.image import Image
    from napari_phenotrans.widgets.translate.layout import TranslateForm
    from napari_phenotrans.widgets.translate.translate_controller import TranslateController
    from napari_phenotrans.widgets.viewer.channel_row import Row


def kept_channels(card: Card) -> tuple[str, ...]:
    """Return the names of the channels that a checkpoint keeps."""
    return tuple(card.settings.get("kept") or ())


# An engine's setting, and how many a look while the slider moves may take.
EVALUATIONS, QUICK_EVALUATIONS = "evaluations", 4


class Selection:
    """Reads the dock's form, and changes nothing in it.

    Parameters
    ----------
    form
        The dock's form.
    viewer
        Whose layers are translated.
    translating
        Knows the layers of a running translation that are not in the viewer yet.
    """

    def __init__(self, form: TranslateForm, viewer: Viewer, translating: TranslateController) -> None:
        self._form, self._viewer, self._translating = form, viewer, translating

    @property
    def missing(self) -> str:
        """What has to be chosen before translating, as a sentence; empty where nothing is missing."""
        card, channels = self._form.checkpoints.card, self._form.channels
        if card is None:
            return "Choose a checkpoint."
        if not channels.image_layers:
            return "Open an image, or drop one here."
        drawn = self._form.answers.drawn
        needed = kept_channels(card) if drawn else card.channels
        missing = [name for name in self._absent if name in needed]
        if missing:
            verb = f"draws {', '.join(drawn)} from" if drawn else "translates"
            return (
                f"The checkpoint {verb} {', '.join(needed)}; choose the layer for {', '.join(missing)}, or another "
                f"checkpoint."
            )
        if self._form.conditions.source is None and not drawn:
            return "Choose the source condition: what the image shows."
        return ""

    @property
    def _absent(self) -> list[str]:
        """The checkpoint's channels that no layer shows that was measured."""
        card, layers = self._form.checkpoints.card, self._form.channels.layers
        assert card
        return [
            name
            for name, layer in zip(card.channels, layers, strict=True)
            if layer is None or info(layer).get("absent")
        ]

    def make_room(self) -> None:
        """Add an empty layer for each channel of the checkpoint that a completion finds none of."""
        first, card = self.first, self._form.checkpoints.card
        if first is None or card is None or not self._form.answers.drawn:
            return
        for name, layer in zip(card.channels, self._form.channels.layers, strict=True):
            if layer is None:
                add_quietly(self._viewer, absent_data(first, name))

    @property
    def first(self) -> ImageLayer | None:
        """The first layer that is chosen, or else the image's first."""
        channels = self._form.channels
        layers = [layer for layer in channels.layers if layer is not None]
        return next(iter(layers or channels.image_layers), None)

    @property
    def reals(self) -> list[ImageLayer]:
        """The layer of each channel of the checkpoint; nothing where one is missing."""
        layers = self._form.channels.layers
        present = [layer for layer in layers if layer is not None]
        return present if len(present) == len(layers) else []

    def rows(self) -> list[Row]:
        """Return what was made of the chosen channels, or else of the whole image; nothing where a part is missing."""
        building = {row.real: row for row in self._translating.building}
        layers = self.reals or self._form.channels.image_layers
        rows = [row for layer in layers if (row := building.get(layer) or find_row(self._viewer, layer))]
        return rows if len(rows) == len(layers) else []

    def recipe(self) -> Recipe:
        """Return how to translate.

        Raises
        ------
        InputError
            If something is not chosen, or cannot be used.
        """
        form = self._form
        name, source, target = form.checkpoints.name, form.conditions.source, form.conditions.target
        drawn = form.answers.drawn
        source = target if drawn else source
        if not name or not source or not target:
            raise InputError("Choose a checkpoint, and the conditions that the images show and are translated to.")
        device, precision = form.devices.device, form.devices.precision
        return Recipe(
            name, source, target, device, precision, preferences().tile, form.engine.how, form.answers.answers, drawn,
            form.trust_panel.turns,
        )  # fmt: skip

    def image(self, card: Card) -> tuple[Image, dict[str, str]]:
        """Return the chosen layers as an image, and its names for the checkpoint's channels where they differ.

        Raises
        ------
        InputError
            If the layers are not one image's.
        """
        return image_for(card, self.reals)

    def job(self, crop: Region | None = None, *, quick: bool = False) -> Translate:
        """Gather all of it; nothing may be missing. A ``crop`` of the shown plane is a preview, whatever the scope.

        A ``quick`` one takes fewer network evaluations than what it is a preview of, where the engine takes several.

        Raises
        ------
        InputError
            If it does not go together.
        """
        card, scope = self._form.checkpoints.card, self._form.scope
        assert card
        recipe, reals = self.recipe(), self.reals
        image, channels = self.image(card)
        whole = scope.scope == "stack" and crop is None
        positions = tuple(image.positions()) if whole else (shown_plane(self._viewer, reals[0]),)
        region = crop or scope.region(self._viewer, reals[0])
        preview = crop is not None
        if quick and EVALUATIONS in recipe.how:
            fewer = min(recipe.how[EVALUATIONS], QUICK_EVALUATIONS)
            recipe = replace(recipe, how=recipe.how | {EVALUATIONS: fewer})
        job = Translate(image, recipe, positions, region, channels=channels, reals=tuple(reals), preview=preview)
        job.quick = quick
        return job

    def crop(self) -> Region | None:
        """Return the crop at the view's center that a preview translates; None where there is nothing to preview."""
        layer, card = self.first, self._form.checkpoints.card
        region = visible_region(self._viewer, layer) if layer else None
        if card is None or region is None or self.missing:
            return None
        # what the engine was trained on, in pixels of the image: less shows no cell, more takes longer than a moment
        side = round(card.crop * self.zoom(card, layer))
        y, x = region.center
        return Region(round(y) - side // 2, round(x) - side // 2, side, side).common(region)

    def zoom(self, card: Card, layer: ImageLayer) -> float:
        """Return how many pixels of the image a working pixel of the checkpoint is wide, as far as that is known."""
        if card.pixel_size is None:
            return 1.0
        here = 1.0 if card.pixel_unit == "pixel" else pixel_size_um(layer)
        return card.pixel_size / here if here else 1.0
