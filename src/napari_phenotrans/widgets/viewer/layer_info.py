"""Which image, channel and condition layers show, as far as their metadata and names tell."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from napari.layers import Image as ImageLayer

from napari_phenotrans.checkpoints.matching import by_position, find_stains, match_channels
from napari_phenotrans.core.errors import InputError
from napari_phenotrans.core.image import Image
from napari_phenotrans.widgets.viewer.layers import KEY, MADE, REAL, channel_name, info, role, to_image

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from napari import Viewer

    from napari_phenotrans.checkpoints.checkpoint import Card

LOOSE = "loose layers"
# Marks a layer that an engine made and the user wants to translate all the same.
ALLOWED = "allowed"


def real_layers(viewer: Viewer) -> list[ImageLayer]:
    """Return the image layers that were not made by translating, and those that the user allowed all the same."""
    images = [layer for layer in viewer.layers if isinstance(layer, ImageLayer)]
    return [layer for layer in images if role(layer) in (None, REAL) or info(layer).get(ALLOWED)]


def made_alone(viewer: Viewer) -> list[ImageLayer]:
    """Return layers that an engine made and that belong to no real layer of the viewer: results that were reopened."""
    images = [layer for layer in viewer.layers if isinstance(layer, ImageLayer) and role(layer) in MADE]
    return [layer for layer in images if not any(info(layer).get(name) for name in ("of", "kept", ALLOWED))]


def allow(layers: Sequence[ImageLayer]) -> None:
    """Let layers be translated although an engine made them."""
    for layer in layers:
        layer.metadata[KEY] = info(layer) | {ALLOWED: True}


def image_id(layer: ImageLayer) -> str:
    """Return what is equal for the layers of one image; layers that others added are one image together."""
    return info(layer).get("image", LOOSE)


def path_of(layer: ImageLayer) -> Path | None:
    """Return the file that a layer came from; None where it came from none."""
    path = info(layer).get("path") or layer.source.path
    return Path(path) if path else None


def image_name(layer: ImageLayer) -> str:
    """Return the name of the file that a layer came from; layers that others added have none together."""
    path = path_of(layer)
    if image_id(layer) == LOOSE:
        return "Other layers"
    return path.name if path else layer.name


def known_condition(layer: ImageLayer, conditions: Sequence[str]) -> str | None:
    """Return the condition that a layer shows, as its metadata, its folder or its file's name say; None if unknown."""
    condition = info(layer).get("condition")
    if condition in conditions:
        return condition
    path = path_of(layer)
    if path is None:
        return None
    by_name = {condition.casefold(): condition for condition in conditions}
    for folder in path.parents:
        if folder.name.casefold() in by_name:
            return by_name[folder.name.casefold()]
    name_parts = set(re.split(r"[^a-z0-9]+", path.name.casefold()))
    in_name = [condition for name, condition in by_name.items() if name in name_parts]
    return in_name[0] if len(in_name) == 1 else None


def match_layers(layers: Sequence[ImageLayer], card: Card) -> tuple[list[ImageLayer | None], list[str]]:
    """Find the checkpoint's channels among layers: by name, else by position where there are as many.

    Returns
    -------
    One layer or None per channel of the checkpoint, and what the user should know.
    """
    names = [channel_name(layer) for layer in layers]
    if not names:
        return [None] * len(card.channels), []
    try:
        probe = Image(np.empty((len(names), 1, 1), np.uint8), "CYX", channels=tuple(names))
        indices, notices = match_channels(probe, card, {})
    except InputError:
        places, guesses = find_stains(names, card.channels, {})
        matched = [None if place is None else layers[place] for place in places]
        if any(matched) or len(layers) != len(card.channels):
            return matched, guesses
        return list(layers), [by_position("No layer has the name of a channel of the checkpoint", names, card.channels)]
    return [layers[index] for index in indices], notices


def image_for(card: Card, reals: Sequence[ImageLayer]) -> tuple[Image, dict[str, str]]:
    """Put the layers of a checkpoint's channels, in its order, together to an image.

    Returns
    -------
    The image, and its names for those channels of the checkpoint that it calls otherwise.

    Raises
    ------
    InputError
        If the layers are not one image's.
    """
    names = [channel_name(layer) for layer in reals]
    if len(set(names)) < len(names):
        # layers of the same name: their order tells which is which
        names = list(card.channels)
    pairs = zip(card.channels, names, strict=True)
    return to_image(reals, names), {mine: theirs for mine, theirs in pairs if mine != theirs}


def fitting_checkpoint(layers: Sequence[ImageLayer], cards: Mapping[str, Card], current: str | None) -> str | None:
    """Return a checkpoint whose channels are all among these layers: the current one or the first that is.

    Those that find them by name go before those that find them by meaning; where none does the current one stays.
    """
    names = [channel_name(layer) for layer in layers]
    by_name: list[str] = []
    by_meaning: list[str] = []
    for key, card in cards.items():
        places, guesses = find_stains(names, card.channels, {})
        if None not in places:
            (by_meaning if guesses else by_name).append(key)
    fitting = by_name or by_meaning
    return current if current in fitting or not fitting else fitting[0]


def images_of_condition(viewer: Viewer, card: Card, condition: str) -> list[tuple[Image, dict[str, str]]]:
    """Return the real images in the viewer that are known to show a condition, as `image_for` gives them.

    Those that lack a channel of the checkpoint are left out.
    """
    by_image: dict[str, list[ImageLayer]] = {}
    for layer in real_layers(viewer):
        by_image.setdefault(image_id(layer), []).append(layer)
    found = []
    for layers in by_image.values():
        if known_condition(layers[0], card.conditions) != condition:
            continue
        matched, _ = match_layers(layers, card)
        present = [layer for layer in matched if layer is not None]
        if len(present) == len(matched):
            try:
                found.append(image_for(card, present))
            except InputError:  # layers that are not one image's
                continue
    return found
