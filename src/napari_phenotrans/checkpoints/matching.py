"""Whether an image and a checkpoint belong together: conditions, channels, pixel size."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import numpy as np

from napari_phenotrans.core.errors import InputError
from napari_phenotrans.core.resample import factor, refuse_extreme
from napari_phenotrans.core.stains import bare, plain, stain_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from napari_phenotrans.checkpoints.checkpoint import Card
    from napari_phenotrans.core.image import Image

# Pixels beyond 1.25 lie outside the limits, and more than 1 % of them is too many; single noisy pixels do in any image,
# because limits are fitted to smoothed planes.
OUTSIDE, OUTSIDE_SHARE = 1.25, 0.01
# Where the brightest 0.1 % of the pixels do not reach 5 % of the range, the image is too dark to translate.
BRIGHT_SHARE, DIM = 0.001, 0.05


def check_conditions(card: Card, source: str, target: str) -> None:
    """Refuse conditions that the checkpoint does not know, or does not translate to.

    Raises
    ------
    InputError
        Naming the conditions it knows.
    """
    for role, condition in (("source", source), ("target", target)):
        if condition not in card.conditions:
            raise InputError(
                f"The {role} condition {condition!r} is unknown to the checkpoint, which was trained on "
                f"{' and '.join(card.conditions)}. Choose one of these."
            )
    if target not in card.targets:
        raise InputError(
            f"The checkpoint does not translate to {target!r}: it was imported in one direction only, to "
            f"{', '.join(map(repr, card.targets))}. Choose that as the target, or import the other direction too."
        )


def match_channels(image: Image, card: Card, synonyms: Mapping[str, str]) -> tuple[list[int], list[str]]:
    """Find the checkpoint's channels in the image.

    Parameters
    ----------
    image, card
        What is to be translated, and by what.
    synonyms
        The image's name for a channel of the checkpoint, where they differ.

    Returns
    -------
    The image's channel index for each channel of the checkpoint, and what the user should know.

    Raises
    ------
    InputError
        If a channel is missing, with both lists.
    """
    unknown = [name for name in synonyms if name not in card.channels]
    absent = [name for name in synonyms.values() if name not in image.channels]
    if unknown or absent:
        raise InputError(
            f"Said channels do not exist: {', '.join(unknown + absent)}. The checkpoint has "
            f"{', '.join(card.channels)}, the image {', '.join(image.channels)}; "
            f"say CHECKPOINT=IMAGE, as in DAPI=Hoechst."
        )
    _refuse_ambiguous(image, card, synonyms)
    places, guesses = find_stains(image.channels, card.channels, synonyms)
    indices = [place for place in places if place is not None]
    if len(indices) == len(card.channels):
        if len(set(indices)) < len(indices):
            raise InputError(
                f"Two channels of the checkpoint were matched to the same channel of the image: {synonyms}."
            )
        rest = [name for index, name in enumerate(image.channels) if index not in indices]
        notices = [f"Not translated, for the checkpoint does not know them: {', '.join(rest)}."] if rest else []
        return indices, [*guesses, *notices]
    unnamed = [side for side, names in (("image", image.channels), ("checkpoint", card.channels)) if _nameless(names)]
    if not synonyms and unnamed and len(image.channels) == len(card.channels):
        reason = f"The {unnamed[0]} names no channels"
        return list(range(len(card.channels))), [by_position(reason, image.channels, card.channels)]
    raise InputError(
        f"The checkpoint was trained on the {len(card.channels)} channels {', '.join(card.channels)}; the image has "
        f"{len(image.channels)}: {', '.join(image.channels)}. Say which is which, as in "
        f"{card.channels[0]}={image.channels[0]}, or choose another checkpoint."
    )


def find_channel(image: Image, name: str, synonyms: Mapping[str, str]) -> int | None:
    """Return the place of one of a checkpoint's channels in the image, None where the image has it not."""
    return find_stains(image.channels, (name,), synonyms)[0][0]


def find_stains(
    names: Sequence[str], wanted: Sequence[str], said: Mapping[str, str]
) -> tuple[list[int | None], list[str]]:
    """Find channels by name: as said, else spelled alike, else without dye and wavelength, else the only synonym.

    Parameters
    ----------
    names
        The image's, or those of layers.
    wanted
        The checkpoint's.
    said
        The image's name for a wanted one, where the user said it.

    Returns
    -------
    The place of each wanted channel, None where it was not found, and a notice that says what was guessed.
    """
    spelled = {plain(name): index for index, name in enumerate(names)}
    exact = {name: index for index, name in enumerate(names)}
    places = [exact.get(said.get(name, ""), spelled.get(plain(said.get(name, name)))) for name in wanted]
    guesses = []
    for meaning in (bare, stain_of):
        for index, name in enumerate(wanted):
            meant = meaning(name)
            free = [place for place, other in enumerate(names) if place not in places and meaning(other) == meant]
            # of several that mean the same nothing tells which
            if places[index] is not None or meant is None or len(free) != 1 or [*map(meaning, wanted)].count(meant) > 1:
                continue
            places[index] = free[0]
            if meaning is stain_of:
                guesses.append(f"{names[free[0]]} for {name}")
    if guesses:
        return places, [f"Taken by their meaning: {', '.join(guesses)}. If that is wrong, say which channel is which."]
    return places, []


def why_none_fits(names: Sequence[str], cards: Iterable[Card]) -> str:
    """Return in one sentence why no checkpoint fits an image with these channels; empty where one does."""
    wanted = [card.channels for card in cards]
    if not names or any(None not in find_stains(names, channels, {})[0] for channels in wanted):
        return ""
    if not wanted:
        return "There is no checkpoint yet."
    shows, kinds = ", ".join(names), "; ".join(", ".join(channels) for channels in dict.fromkeys(wanted))
    if len(wanted) == 1:
        return f"The only checkpoint does not fit this image, which shows {shows}: it translates {kinds}."
    return f"None of the {len(wanted)} checkpoints fits this image, which shows {shows}: they translate {kinds}."


def _refuse_ambiguous(image: Image, card: Card, synonyms: Mapping[str, str]) -> None:
    """Refuse a channel that the image has several of, unless the user says which."""
    wanted = {plain(name) for name in card.channels}
    for name in card.channels:
        if name in synonyms:
            continue
        numbered = re.compile(rf"{re.escape(plain(name))}\(\d+\)")
        alike = [other for other in image.channels if plain(other) == plain(name)]
        # a checkpoint that was trained on the numbered ones tells them apart itself
        more = [o for o in image.channels if numbered.fullmatch(plain(o)) and plain(o) not in wanted]
        if alike and len(alike) + len(more) > 1:
            raise InputError(
                f"The checkpoint asks for {name}, of which the image has {len(alike + more)}: "
                f"{', '.join(alike + more)}. Say which it is, as in {name}={(alike + more)[-1]}."
            )


def by_position(reason: str, mine: Sequence[str], theirs: Sequence[str]) -> str:
    """Return the notice that channels were matched by their order, with the reason and the risk."""
    pairs = ", ".join(f"{here} as {there}" for here, there in zip(mine, theirs, strict=True))
    return (
        f"{reason}, so they were matched by position: {pairs}. Check that the order is right: if it is not, one stain "
        f"is translated as another, and the result means nothing."
    )


def working_scale(image: Image, card: Card) -> tuple[float, list[str]]:
    """Return the factor that scales planes to the working pixel size, and what the user should know.

    Raises
    ------
    InputError
        If the two are so far apart that one is wrong.
    """
    notices = []
    if card.synthetic and not image.synthetic:
        notices.append(
            "This checkpoint was trained on synthetic images: on any other image its translation means nothing."
        )
    if card.pixel_size is None or card.pixel_unit == "pixel":
        # the training files had no pixel size, so there is nothing to compare with
        if image.pixel_size_um is not None and not card.synthetic:
            notices.append(
                f"The checkpoint does not know the pixel size of its training images, so the image's, "
                f"{image.pixel_size_um:.3g} µm, cannot be compared with it. Cells that are larger or smaller in pixels "
                f"than those that training saw are translated badly."
            )
        return factor(1.0, card.pixel_size or 1.0), notices
    if image.pixel_size_um is None:
        notices.append(
            f"The image's pixel size is unknown; training had {card.pixel_size:.3g} µm per pixel, and the image is "
            f"translated as if it had too. If it has another, its cells are larger or smaller than those that "
            f"training saw, and are translated badly."
        )
        return 1.0, notices
    scale = factor(image.pixel_size_um, card.pixel_size)
    refuse_extreme(image.pixel_size_um, card.pixel_size, image.path)
    if scale != 1 and not 0.25 <= scale <= 4:
        lost = "the detail that the engine goes by is not in it" if scale > 1 else "most of its detail is averaged away"
        notices.append(
            f"The image has {image.pixel_size_um:.3g} µm per pixel, training had {card.pixel_size:.3g}: so far apart "
            f"that the result is doubtful. The image is resampled to fit, and {lost}."
        )
    return scale, notices


def outside_intensities(x: np.ndarray, card: Card) -> dict[str, str]:
    """Warn of a plane that lies outside the intensities of training, by channel; under "" of all channels together.

    Parameters
    ----------
    x
        (C, Y, X) of the checkpoint's channels in about [-1, 1], see `Intensity.normalize`.
    card
        The checkpoint's.
    """
    texts = {}
    for name, channel, low, high in zip(card.channels, x, card.low, card.high, strict=True):
        share = float((np.abs(channel) > OUTSIDE).mean())
        if share > OUTSIDE_SHARE:
            texts[name] = (
                f"{name}: {share:.0%} of the pixels lie outside the intensities that training saw ({low:.4g} to "
                f"{high:.4g}). The engine has never met such values, so that its translation there is a guess. Check "
                f"exposure, bit depth and that the channels are the right ones."
            )
    reached = float(np.quantile(x.reshape(len(x), -1), 1 - BRIGHT_SHARE, axis=1).max() + 1) / 2
    if reached < DIM:
        texts[""] = (
            f"Even the brightest pixels reach only {max(reached, 0):.1%} of the range that training saw: to the engine "
            f"this is as good as black, and nothing in it is translated. If there are cells, check exposure and bit "
            f"depth: training images were brighter."
        )
    return texts


def _nameless(names: tuple[str, ...]) -> bool:
    return all(re.fullmatch(r"channel \d+", name) for name in names)
