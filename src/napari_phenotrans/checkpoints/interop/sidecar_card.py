"""The card beside exported networks, from which importing restores what their format cannot hold."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING

from pydantic import BaseModel, ConfigDict, ValidationError

from napari_phenotrans.checkpoints.checkpoint import Card
from napari_phenotrans.checkpoints.interop.foreign_weights import read_tensors
from napari_phenotrans.core.digests import file_sha256
from napari_phenotrans.core.errors import InputError
from napari_phenotrans.io.atomic import refuse_existing, replacing

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path

    from torch import Tensor

CARD_FILE = "phenotrans_card.json"
README_FILE = "phenotrans_readme.txt"
STATISTICS_FILE = "phenotrans_statistics.safetensors"
# Fields of a card that stay true of networks that were trained further.
INDEPENDENT_OF_WEIGHTS = (
    "conditions", "channels", "low", "high", "pixel_size", "pixel_unit", "synthetic", "attribution",
)  # fmt: skip


class _Content(BaseModel):
    """Content of the file: the card, and checksums of the files beside it."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    card: Card
    sha256: dict[str, str]


@dataclass(frozen=True)
class Exported:
    """A folder that was exported, and its card.

    The files may have been changed since, by further training in the program that they were exported for. Then scores,
    settings and normalization statistics do not apply any more, but channels, conditions and limits do.
    """

    folder: Path
    card: Card
    sha256: dict[str, str]

    def is_unchanged(self, files: Sequence[Path], read: Card) -> bool:
        """Return whether these files are the exported ones, unchanged; ``read`` is the card made from them alone."""
        listed = {self.folder / name: digest for name, digest in self.sha256.items()}
        return (
            set(files) <= set(listed)
            and all(file.is_file() and file_sha256(file) == digest for file, digest in listed.items())
            and self._fits(read)
        )

    def names_for(self, read: Card) -> Card:
        """Return the card of changed files: ``read``, with names and limits of the export where their numbers fit."""
        card = self.card
        if not self._fits(read):
            return read
        update = {name: getattr(card, name) for name in INDEPENDENT_OF_WEIGHTS}
        targets = tuple(card.conditions[read.conditions.index(target)] for target in read.targets)
        return read.model_copy(update={**update, "targets": targets})

    def _fits(self, read: Card) -> bool:
        card = self.card
        return (len(read.channels), len(read.conditions)) == (len(card.channels), len(card.conditions))

    def statistics(self) -> dict[str, Tensor]:
        """Return the normalization statistics by the translators' names; none where the card knows none."""
        if STATISTICS_FILE not in self.sha256:
            return {}
        return read_tensors(self.folder / STATISTICS_FILE, "Export the checkpoint again.")


def read_exported(folder: Path) -> Exported | None:
    """Read the card of an exported folder; None where there is none.

    Raises
    ------
    InputError
        If there is a card that cannot be read.
    """
    path = folder / CARD_FILE
    if not path.is_file():
        return None
    try:
        content = _Content.model_validate_json(path.read_bytes())
    except (OSError, ValidationError) as error:
        raise InputError(
            f"{path} is no card that this version can read. Update napari-phenotrans, export again, or remove the "
            f"file: the networks are then imported as if nobody had described them."
        ) from error
    return Exported(folder, content.card, content.sha256)


def limits_and_size(card: Card) -> str:
    """Return a card's limits and pixel size, for a readme."""
    limits = "\n".join(
        f"  {channel}: {low:.6g} is -1, {high:.6g} is 1"
        for channel, low, high in zip(card.channels, card.low, card.high, strict=True)
    )
    unit = "µm" if card.pixel_unit == "um" else "pixels of the file"
    size = f"One pixel is {card.pixel_size:.6g} {unit}. " if card.pixel_size else ""
    return f"""Intensities, channel by channel in this order, linear in between:
{limits}
{size}Trained on crops of {card.crop} x {card.crop} pixels."""


def write_exported(
    folder: Path, card: Card, files: Mapping[str, Callable[[Path], object]], *, overwrite: bool = False
) -> list[Path]:
    """Write files and the card that belongs to them into a folder, and return their paths.

    A new folder appears whole or not at all. In a folder that exists each file appears whole, the card last, so that
    a card never vouches for files that are not there.

    Parameters
    ----------
    folder, card
        Where, and what to describe them with.
    files
        By name relative to the folder: what writes each of them to a path.
    overwrite
        Whether files that exist may be replaced; other files in the folder always stay.

    Raises
    ------
    InputError
        If a file exists and may not be overwritten, or something cannot be written.
    """
    for name in (*files, CARD_FILE):
        refuse_existing(folder / name, overwrite)
    if folder.exists():
        _fill(folder, card, files, overwrite)
    else:
        with replacing(folder) as temporary:
            _fill(temporary, card, files, overwrite)
    return [folder / name for name in (*files, CARD_FILE)]


def _fill(folder: Path, card: Card, files: Mapping[str, Callable[[Path], object]], overwrite: bool) -> None:
    for name, write in files.items():
        with replacing(folder / name, overwrite=overwrite) as temporary:
            write(temporary)
    # nothing depends on the readme
    sha256 = {name: file_sha256(folder / name) for name in files if name != README_FILE}
    content = {"card": card.model_dump(mode="json"), "sha256": sha256}
    with replacing(folder / CARD_FILE, overwrite=overwrite) as temporary:
        temporary.write_text(json.dumps(content, indent=2), encoding="utf-8")
