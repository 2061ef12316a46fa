"""The request for a translation."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from napari_phenotrans.core.errors import InputError
from napari_phenotrans.core.turns import TURNS

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from napari_phenotrans.core.region import Region

# Each is shown, held and written by itself.
MOST_SAMPLES = 100


@dataclass(frozen=True)
class Answers:
    """Several answers of an engine that can give them: translations that chance makes differ.

    Parameters
    ----------
    samples
        How many; one or none is the translation alone, without chance.
    redraw
        Share of the noise that is drawn anew after the image was inverted to it: at 0 all answers are the same, at 1
        nothing but the kept channels says what they show. The engine's own where None.
    seed
        Of what is drawn. A sample depends on it and its number alone, however many are made.
    agreement
        Whether it is also said where samples of a translation change the same, which costs one answer more.

    Raises
    ------
    InputError
        If one lies outside its limits.
    """

    samples: int = 1
    redraw: float | None = None
    seed: int = 0
    agreement: bool = False

    def __post_init__(self) -> None:
        problems = [
            text
            for fits, text in (
                (0 <= self.samples <= MOST_SAMPLES, f"--samples {self.samples}: expected 1 to {MOST_SAMPLES}"),
                (self.redraw is None or 0 <= self.redraw <= 1, f"--redraw {self.redraw}: expected 0 to 1"),
                (0 <= self.seed < 2**63, f"--seed {self.seed}: expected 0 or more"),
            )
            if not fits
        ]
        if problems:
            raise InputError(f"Samples cannot be drawn so: {'; '.join(problems)}.")

    @property
    def several(self) -> bool:
        """Whether chance is asked for at all."""
        return self.samples > 1


@dataclass(frozen=True)
class TranslationRequest:
    """From which condition to which, what of an image, and how.

    Parameters
    ----------
    source, target
        Conditions that the checkpoint knows; equal ones are the identity control.
    channels
        The image's name for a channel of the checkpoint where they differ: ``{"DAPI": "Hoechst"}``.
    positions
        The (t, z) to translate; all where none are said.
    region
        The part of each plane to translate, in pixels of the image. It comes out as in the whole plane, except from
        imported networks that normalize by the statistics of what they see.
    how
        What the engine is told this time, such as PhenDiff's ``strength``; goes before what the translator was told.
    way_back
        Whether the image is a translation from ``target`` to ``source`` itself, which networks tell from a real one.
    answers
        How many answers to draw beside the translation itself.
    drawn_channels
        Channels that are drawn from the kept ones alone, in place of translating: a completion. Others that move come
        back as they are.
    allow_translated
        Whether an image that an engine made may be translated once more; it is refused otherwise.
    turns
        In how many of the 8 flips and quarter turns (`core.turns`) the image is translated: the translation is the mean
        over them, turned back. From engines that depend on their tile a region is then not quite as in the whole plane.
    dated
        Whether the provenance says when it was made. Without it equal translations are equal files, byte for byte.

    Raises
    ------
    InputError
        If there are not so many turns, or samples are asked for besides.
    """

    source: str
    target: str
    channels: Mapping[str, str] = field(default_factory=dict)
    positions: Sequence[tuple[int, int]] | None = None
    region: Region | None = None
    how: Mapping[str, Any] = field(default_factory=dict)
    way_back: bool = False
    answers: Answers = Answers()
    drawn_channels: tuple[str, ...] = ()
    allow_translated: bool = False
    turns: int = 1
    dated: bool = False

    def __post_init__(self) -> None:
        if not 1 <= self.turns <= TURNS:
            raise InputError(f"--turns {self.turns}: expected 1 to {TURNS}, flips and quarter turns together.")
        if self.turns > 1 and (self.answers.several or self.drawn_channels):
            raise InputError(
                "Turns are averaged of the translation alone, not of samples or completions. Ask for one of the two."
            )
