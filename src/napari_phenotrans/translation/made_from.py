"""What results were made from: pixels, checkpoint and settings, so that a batch is continued and nothing made twice."""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_phenotrans.core.errors import InputError
from napari_phenotrans.core.region import Region
from napari_phenotrans.core.text import listed
from napari_phenotrans.io import provenance, read
from napari_phenotrans.translation.streaming import rows_at_once

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence
    from pathlib import Path

    from napari_phenotrans.core.image import Image
    from napari_phenotrans.translation.request import TranslationRequest
    from napari_phenotrans.translation.translator import Translator

#: What it is called in the provenance of a result.
MADE_FROM = "made from"
# Rows that are read at once, at least.
_ROWS = 512


@dataclass(frozen=True)
class MadeFrom:
    """What a result was made from; two that are equal are of the same pixels.

    Attributes
    ----------
    pixels
        Digest of the image's pixels where they were translated, of their channels' names and pixel size. Names of
        files, formats and compression are no part of it.
    checkpoint
        Digest of its weights and card.
    settings
        As of `Translator.settings`, with the planes and the format.
    """

    pixels: str
    checkpoint: str
    settings: dict[str, Any]

    @classmethod
    def of(
        cls,
        image: Image,
        translator: Translator,
        request: TranslationRequest,
        *,
        format: str = "",
        tick: Callable[[], None] | None = None,
    ) -> MadeFrom:
        """Read the pixels that will be translated once, for their digest.

        ``request`` says its positions, ``format`` how it is written; ``tick`` is called before each part that is read.
        """
        positions = image.checked_positions(request.positions)
        settings = translator.settings(request) | {"planes": [list(each) for each in positions], "format": format}
        # as it will be read again
        settings = json.loads(json.dumps(settings))
        content = pixels_digest(image, positions, request.region, tick)
        return cls(content, translator.digest, settings)

    @classmethod
    def recorded(cls, result: Path) -> MadeFrom | None:
        """Return what a result says of itself, None where it says nothing.

        Raises
        ------
        InputError
            If the file cannot be read or is damaged.
        """
        read(result)
        text = provenance(result).get(MADE_FROM)
        try:
            said = json.loads(text) if text else None
            return cls(**said) if said else None
        except (ValueError, TypeError):
            return None

    def as_provenance(self) -> dict[str, Any]:
        """Return what a result's provenance is to hold."""
        return {MADE_FROM: asdict(self)}

    def unlike(self, earlier: MadeFrom) -> str:
        """Say how an earlier result was made otherwise than this one would be; nothing where it was not."""
        differing = []
        if self.pixels != earlier.pixels:
            differing.append("from other pixels")
        if self.checkpoint != earlier.checkpoint:
            differing.append("by another checkpoint")
        names = dict.fromkeys([*self.settings, *earlier.settings])
        changed = [name for name in names if self.settings.get(name) != earlier.settings.get(name)]
        if changed:
            pairs = ((name, earlier.settings.get(name), self.settings.get(name)) for name in changed)
            told = [f"{name} {_plain(theirs)}, now {_plain(mine)}" for name, theirs, mine in pairs]
            differing.append(f"with other settings ({'; '.join(told)})")
        return listed(differing) if differing else ""


def pixels_digest(
    image: Image,
    positions: Iterable[tuple[int, int]],
    region: Region | None = None,
    tick: Callable[[], None] | None = None,
) -> str:
    """Return the SHA-256 of pixels, channels' names and pixel size, in hexadecimal digits.

    Parameters
    ----------
    image
        The image; a part of a plane is read at a time.
    positions, region
        The (t, z), and the part of each plane.
    tick
        Called before each part.
    """
    region = region or Region(0, 0, image.sizes["Y"], image.sizes["X"])
    dtype = image.dtype.newbyteorder("<")
    facts = (dtype.str, region.height, region.width, image.channels, image.pixel_size_um)
    whole = hashlib.sha256(repr(facts).encode())
    step = max(rows_at_once(image), _ROWS)
    for t, z in positions:
        # of each channel by itself, so that it does not matter how many rows are read at once
        each = [hashlib.sha256() for _ in image.channels]
        for top in range(region.top, region.bottom, step):
            if tick:
                tick()
            rows = min(step, region.bottom - top)
            part = image.plane(t, z, Region(top, region.left, rows, region.width))
            for digest, channel in zip(each, part, strict=True):
                digest.update(np.ascontiguousarray(channel, dtype).data)
        for digest in each:
            whole.update(digest.digest())
    return whole.hexdigest()


def refuse_other(results: Sequence[Path], made_from: MadeFrom) -> None:
    """Refuse results that were made from something else, or do not say from what.

    Raises
    ------
    InputError
        Naming one of them and in what it differs.
    """
    for path in results:
        recorded = MadeFrom.recorded(path)
        what = "does not say what it was made from" if recorded is None else ""
        if recorded is not None and (unlike := made_from.unlike(recorded)):
            what = f"was made {unlike}"
        if what:
            raise InputError(
                f"{path} exists already, and {what}: it is not skipped. Choose another folder, or allow to replace it "
                f"(on the command line: --overwrite)."
            )


def _plain(value: Any) -> str:
    return "none" if value is None else json.dumps(value) if isinstance(value, list | dict) else str(value)
