"""How a translation was made: all that is needed to say it, and to make it again."""

from __future__ import annotations

from datetime import UTC, datetime
from importlib.metadata import version
from typing import TYPE_CHECKING, Any

from napari_phenotrans.checkpoint import BUNDLED
from napari_phenotrans.matching import match_channels

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from napari_phenotrans.checkpoint import Checkpoint
    from napari_phenotrans.image import Image
    from napari_phenotrans.tiles import Region


def provenance_of(
    checkpoint: Checkpoint,
    image: Image,
    source: str,
    target: str,
    computed: Mapping[str, Any],
    *,
    channels: Mapping[str, str],
    region: Region | None,
    positions: Iterable[tuple[int, int]] | None,
) -> dict[str, Any]:
    """Return a translation's provenance; see `Translator.provenance`.

    ``computed`` says how it was computed: device, precision, tiles, and what the engine was told. Channels are
    named where the image calls one of them otherwise than the checkpoint, region and positions where they are not all
    of the image.
    """
    card, path = checkpoint.card, checkpoint.path
    indices, _ = match_channels(image, card, channels)
    names = zip(card.channels, (image.channels[i] for i in indices), strict=True)
    asked = None if positions is None else list(positions)
    everywhere = asked is None or set(asked) == set(image.positions())
    return {
        "translated": True,
        "by": f"napari-phenotrans {version('napari-phenotrans')}",
        "real": str(image.path.absolute()) if image.path else "",
        "reading": dict(image.reading),
        "checkpoint": checkpoint.name,
        "checkpoint file": "" if path is None or path.parent == BUNDLED else str(path.absolute()),
        "engine": card.engine,
        "synthetic training images": card.synthetic,
        "source": source,
        "target": target,
        "channels": {mine: theirs for mine, theirs in names if mine != theirs},
        "region": None if region is None else [region.top, region.left, region.height, region.width],
        "positions": None if everywhere else [list(position) for position in asked or ()],
        **computed,
        "date": datetime.now(UTC).isoformat(timespec="seconds"),
    }
