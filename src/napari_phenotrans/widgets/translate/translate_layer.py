"""Translating an image layer without the dock: a function for scripts and other plugins, and a small form for it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from magicgui import magic_factory
from napari.layers import Layer
from napari.qt.threading import thread_worker
from napari.utils.notifications import show_error, show_info

from napari_phenotrans.checkpoints.checkpoint import Checkpoint, bundled
from napari_phenotrans.core.errors import InputError
from napari_phenotrans.translation.translate import translate_image
from napari_phenotrans.widgets.common.worker import background
from napari_phenotrans.widgets.translate.result_layers import results_like
from napari_phenotrans.widgets.viewer.batched_update import one_update
from napari_phenotrans.widgets.viewer.channel_row import find_row, link
from napari_phenotrans.widgets.viewer.layer_info import image_for, image_id, known_condition, match_layers, real_layers
from napari_phenotrans.widgets.viewer.layers import KEY

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    import napari
    from magicgui.widgets import FunctionGui
    from napari.layers import Image as ImageLayer
    from napari.types import LayerDataTuple

    from napari_phenotrans.checkpoints.checkpoint import Card

DEVICES = ("auto", "cpu", "cuda", "mps")


def translate_layer(
    layer: ImageLayer,
    checkpoint: str,
    source: str,
    target: str,
    *,
    other_channels: Sequence[ImageLayer] = (),
    device: str = "auto",
) -> list[LayerDataTuple]:
    """Translate an image layer, all its planes, from one condition to another.

    Parameters
    ----------
    layer
        Of one channel. Its scale, units, axes, color and contrast are those of the results.
    checkpoint
        Name of a bundled checkpoint, or the path of a file.
    source, target
        Two of the checkpoint's conditions: what the layer shows, and what it is translated to.
    other_channels
        The layers of the image's other channels, where the checkpoint translates several.
    device
        ``auto``, ``cpu``, ``cuda`` or ``mps``.

    Returns
    -------
    Per channel of the checkpoint two layers, as (pixels, options, "image"): translated, in the layer's dtype, and the
    difference translated - real, float32. Their metadata say how they were made.

    Raises
    ------
    InputError
        If the layers are not all channels of the checkpoint, or checkpoint and conditions do not go together.
    """
    return _prepare(layer, checkpoint, source, target, other_channels, device)()


def _prepare(
    layer: ImageLayer, checkpoint: str, source: str, target: str, other_channels: Sequence[ImageLayer], device: str
) -> Callable[[], list[LayerDataTuple]]:
    """Gather all that a translation needs of the layers; the returned function touches none, on whatever thread."""
    card = Checkpoint.read_card(checkpoint)
    matched, _ = match_layers([layer, *other_channels], card)
    reals = [match for match in matched if match is not None]
    if len(reals) < len(card.channels):
        missing = [name for name, match in zip(card.channels, matched, strict=True) if match is None]
        raise InputError(
            f"The checkpoint {checkpoint} translates {', '.join(card.channels)}; there is no layer for "
            f"{', '.join(missing)} beside {layer.name!r}. Name the layers as the checkpoint names its channels, or "
            f"choose another checkpoint."
        )
    image, channels = image_for(card, reals)
    make_layers = results_like(reals, target)

    def translate() -> list[LayerDataTuple]:
        translation = translate_image(image, checkpoint, source=source, target=target, channels=channels, device=device)
        return [data for pair in make_layers(translation) for data in pair]

    return translate


@thread_worker(ignore_errors=True, progress={"desc": "Phenotype translation"})
def _translating(translate: Callable[[], list[LayerDataTuple]]) -> list[LayerDataTuple]:
    # torch is used on that thread alone, which this one waits for
    return background().submit(translate).result()


# ---- the form


def _follow_choices(form: FunctionGui) -> None:
    """Let source and target be conditions of the chosen checkpoint, and the source that of the chosen layer."""

    def card() -> Card:
        return Checkpoint.read_card(form.checkpoint.value)

    def offer_conditions() -> None:
        form.source.choices = lambda _: card().conditions
        form.target.choices = lambda _: card().targets
        choose_source()

    def choose_source() -> None:
        condition = known_condition(form.layer.value, card().conditions) if form.layer.value else None
        if condition:
            form.source.value = condition
        choose_target()

    def choose_target() -> None:
        others = [condition for condition in card().targets if condition != form.source.value]
        if others and form.target.value == form.source.value:
            form.target.value = others[0]

    form.checkpoint.changed.connect(offer_conditions)
    form.layer.changed.connect(choose_source)
    form.source.changed.connect(choose_target)
    offer_conditions()


@magic_factory(
    call_button="Translate",
    widget_init=_follow_choices,
    layer={"label": "Image layer", "tooltip": "A layer of the image; those of its other channels are found."},
    checkpoint={"choices": lambda _: bundled(), "tooltip": "A bundled checkpoint."},
    source={"widget_type": "ComboBox", "tooltip": "The condition that the image shows."},
    target={"widget_type": "ComboBox", "tooltip": "The condition to translate to."},
    device={"choices": DEVICES, "tooltip": "Where the networks run. auto takes a GPU where there is one."},
)
def translate_layer_form(
    viewer: napari.Viewer, layer: napari.layers.Image, checkpoint: str, source: str, target: str, device: str = "auto"
) -> None:
    """Translate the image that a layer belongs to, and show the translated layers in place of the real ones."""
    reals = [real for real in real_layers(viewer) if image_id(real) == image_id(layer)]
    others = [real for real in reals if real is not layer]
    try:
        translate = _prepare(layer, checkpoint, source, target, others, device)
    except InputError as error:
        show_error(str(error))
        return

    def add(results: list[LayerDataTuple]) -> None:
        with one_update(viewer):
            for data in results:
                viewer.add_layer(Layer.create(*data))
            for row in filter(None, (find_row(viewer, real) for real in reals)):
                link(viewer, row)
                # together with the translated one they would add up
                row.real.visible = row.difference.visible = False
        notices = results[0][1]["metadata"][KEY]["provenance"]["notices"]
        show_info(" ".join([f"Translated from {source} to {target}.", *notices]))

    def fail(error: Exception) -> None:
        if not isinstance(error, InputError):
            raise error
        show_error(str(error))

    worker = _translating(translate)
    worker.returned.connect(add)
    worker.errored.connect(fail)
    worker.start()
