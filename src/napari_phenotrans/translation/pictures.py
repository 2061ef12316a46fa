"""What the picture gate says of translated fields: limits from the real fields that they are judged beside."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from napari_phenotrans.checkpoints.matching import match_channels, working_scale
from napari_phenotrans.core.crop_grid import center, grid
from napari_phenotrans.core.errors import InputError
from napari_phenotrans.core.resample import rescaled_size, to_size
from napari_phenotrans.features.profile import SMALLEST, Profile
from napari_phenotrans.metrics.gap import gap_closed_profile
from napari_phenotrans.metrics.groups import Features, Measured
from napari_phenotrans.metrics.picture import Gate, Limits, Verdict
from napari_phenotrans.translation.events import PictureJudged

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from napari_phenotrans.checkpoints.checkpoint import Card
    from napari_phenotrans.core.image import Image
    from napari_phenotrans.core.intensity import Intensity
    from napari_phenotrans.translation.request import TranslationRequest
    from napari_phenotrans.translation.translator import Translator

CROP = 64
WIDEST = 384  # working pixels of a field's middle that are judged: some hundred nuclei
MOST_FIELDS = 16  # of a condition
WHOLE = 10**6


def middle(plane: np.ndarray, widest: int = WIDEST) -> np.ndarray:
    """Return the middle (C, h, w) of a plane, no wider and no higher than ``widest``."""
    top, left = (max(0, side - widest) // 2 for side in plane.shape[1:])
    return plane[:, top : top + widest, left : left + widest]


@dataclass(frozen=True, eq=False)
class Pictures:
    """Fields of one kind.

    Parameters
    ----------
    planes
        (C, H, W) each, in working pixels and in the images' units.
    groups
        The group of each; each a group of its own where none are said.
    """

    planes: Sequence[np.ndarray]
    groups: Sequence[str] = ()

    def middles(self, widest: int = WIDEST) -> Pictures:
        """Return the middle of each field."""
        return Pictures([middle(plane, widest) for plane in self.planes], self.groups)

    def features(self, profile: Profile, intensity: Intensity, crop: int) -> Features:
        """Return the profile of all crops that fit."""
        crops = [_crops(plane, intensity, crop) for plane in self.planes]
        groups = self.groups or [str(index) for index in range(len(crops))]
        return Features(profile(np.concatenate(crops)), np.repeat(np.array(groups), [len(each) for each in crops]))


class PictureJudge:
    """The gate, with limits learned from real fields of a data set.

    Parameters
    ----------
    real
        Real fields by condition.
    channels
        Their names.
    intensity
        The data set's limits: what measurements of crops are scaled by.
    """

    def __init__(self, real: Mapping[str, Pictures], channels: Sequence[str], intensity: Intensity) -> None:
        self._real = {condition: pictures.middles() for condition, pictures in real.items()}
        self._intensity = intensity
        self.gate = Gate(Limits.fit({name: some.planes for name, some in self._real.items()}, channels))
        self._looked = {condition: self.gate.look(some.planes) for condition, some in self._real.items()}

    def judge(
        self,
        translated: Pictures,
        source: Pictures | None,
        to: str,
        *,
        kept: Sequence[str] = (),
        direction: str = "",
    ) -> Verdict:
        """Judge the translated fields of one direction.

        Parameters
        ----------
        translated, source
            Each translated field, and the real one at its place that it was made from; None where these are not known.
        to
            The condition that they were translated to.
        kept
            Channels that are to be returned bit for bit.
        direction
            As the verdict is to say it.

        Raises
        ------
        InputError
            If fields do not fit together.
        """
        made, before = translated.middles(), source.middles() if source else None
        return self.gate.judge(
            before.planes if before else None,
            made.planes,
            self._looked[to],
            to=to,
            kept=kept,
            gaps=self._gaps(made, before, self._real[to]) if before else None,
            direction=direction,
        )

    def _gaps(self, made: Pictures, source: Pictures, target: Pictures) -> dict[str, Measured]:
        """Return the gap closed of each channel in which the conditions are known to differ.

        A single field of a condition does not tell how it differs from another; fields may be too small for crops.
        """
        limits = self.gate.limits
        known = [name for name in limits.channels if {"differs", "marker"} & set(limits.shared[name])]
        names = [name for name in known if name not in limits.unchanged]
        return gaps_closed(
            made, source, target, [limits.channels.index(name) for name in names], names, self._intensity
        )


def judge_image(
    translator: Translator,
    image: Image,
    request: TranslationRequest,
    difference: np.ndarray,
    targets: Sequence[tuple[Image, Mapping[str, str]]],
) -> PictureJudged:
    """Judge one translated plane, or a region of it, by real images of the target.

    Parameters
    ----------
    translator, image, request
        What was translated, by what: one plane, or a region of it.
    difference
        The difference map (C, h, w) that came of it, in the image's units.
    targets
        Real images of the target, with their names for the checkpoint's channels where they differ; of stacks the
        middle plane counts.

    Raises
    ------
    InputError
        If an image does not have the checkpoint's channels.
    """
    card = translator.card
    (t, z), *_ = request.positions or [(0, 0)]
    indices, _ = match_channels(image, card, request.channels)
    before = image.plane(t, z, request.region)[indices].astype(np.float32)
    real, made = (Pictures([_working(each, image, card)]) for each in (before, before + difference))
    target = Pictures([_working(_middle_plane(each, card, names), each, card) for each, names in targets])
    judge = PictureJudge({"source": real, "target": target}, card.channels, card.intensity)
    direction, kept = f"{request.source} → {request.target}", translator.kept_by(request.how)
    return PictureJudged(judge.judge(made, real, "target", kept=kept, direction=direction), len(targets))


def _middle_plane(image: Image, card: Card, channels: Mapping[str, str]) -> np.ndarray:
    indices, _ = match_channels(image, card, channels)
    positions = list(image.positions())
    t, z = positions[len(positions) // 2]
    return image.plane(t, z)[indices].astype(np.float32)


def _working(plane: np.ndarray, image: Image, card: Card) -> np.ndarray:
    scale, _ = working_scale(image, card)
    size = rescaled_size(plane.shape[1], plane.shape[2], scale)
    return plane if size == plane.shape[1:] else to_size(plane, *size)


def gaps_closed(
    made: Pictures,
    source: Pictures,
    target: Pictures,
    places: Sequence[int],
    names: Sequence[str],
    intensity: Intensity,
) -> dict[str, Measured]:
    """Return the gap closed of channels, by name, in crops of 64 pixels or of the smallest field.

    Parameters
    ----------
    made, source, target
        Translated, real source and real target fields.
    places, names
        Of the channels.
    intensity
        The data set's limits.
    """
    crop = min([CROP, *(side for some in (made, source, target) for each in some.planes for side in each.shape[1:])])
    if crop < SMALLEST:
        return {}
    fitted = [_crops(plane, intensity, crop) for some in (target, source) for plane in some.planes]
    profile = Profile.fit(np.concatenate(fitted))
    sides = [some.features(profile, intensity, crop) for some in (target, made, source)]
    gaps = {}
    for place, name in zip(places, names, strict=True):
        try:
            gaps[name] = gap_closed_profile(*(side.columns(profile.of_channel(place)) for side in sides))
        except InputError:  # the conditions look alike, crop for crop: there is no gap
            continue
    return gaps


def _crops(plane: np.ndarray, intensity: Intensity, crop: int) -> np.ndarray:
    return grid(center(intensity.normalize(plane), crop, WHOLE)[None], crop)
