"""What a package of the BioImage Model Zoo says to this program, beside what it says to others."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from pydantic import BaseModel, ConfigDict

from napari_phenotrans.checkpoints.checkpoint import Card

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

CARD_FILE = "phenotrans_card.json"
WEIGHTS_FILE = "weights.pt"
SOURCE_FILE = "translation.py"


@dataclass(frozen=True)
class PackageRequest:
    """What to write into a package, beside what the checkpoint says.

    Attributes
    ----------
    source, target
        The direction; None where the checkpoint knows one only.
    how
        How the engine translates, by the names of its translation settings, where not as the card says.
    image
        File with an image of the source to show and to test the package with; where None, a bundled one that fits, or
        an invented pattern.
    authors, license, cite
        Names, an SPDX identifier, and DOIs beside that of the engine's paper.
    """

    source: str | None = None
    target: str | None = None
    how: Mapping[str, Any] = field(default_factory=dict)
    image: Path | None = None
    authors: Sequence[str] = ()
    license: str | None = None
    cite: Sequence[str] = ()


class PackageCard(BaseModel):
    """The checkpoint's card, and which of its tensors lie in the file of weights, under which names.

    Attributes
    ----------
    card
        Of the checkpoint that the weights are: of one direction where each has a network of its own.
    source, target, translation
        What the package does.
    prefixes
        What the weights' names begin with, and the same in a checkpoint.
    sha256
        Of the file of weights.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    card: Card
    source: str
    target: str
    translation: dict[str, Any]
    prefixes: tuple[str, str]
    sha256: str
