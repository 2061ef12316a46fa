"""Whole images translated: what `Translator` yields plane by plane, put together."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

from napari_phenotrans.checkpoints.matching import match_channels
from napari_phenotrans.core.events import Notice
from napari_phenotrans.io.scratch import Scratch
from napari_phenotrans.translation.events import PlaneDone, RegionDone
from napari_phenotrans.translation.translator import Event, Translator

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping
    from pathlib import Path

    from napari_phenotrans.checkpoints.checkpoint import Checkpoint
    from napari_phenotrans.core.image import Image
    from napari_phenotrans.core.region import Region

__all__ = ["Event", "Translation", "Translator", "translate", "translate_image"]


@dataclass(frozen=True, eq=False)
class Translation:
    """A translated image: real (its translated channels and planes only), translated, difference, and what was said."""

    real: Image
    translated: Image
    difference: Image
    notices: tuple[str, ...]
    provenance: dict[str, Any]


class ResultSink(Protocol):
    """Where a result goes while it comes: `io.scratch.Scratch`, or a file that grows."""

    def put(self, values: np.ndarray, t: int, z: int, top: int, left: int) -> None:
        """Write (C, h, w); every pixel once."""

    def image(self) -> Image:
        """Return what was written."""


def translate(
    image: Image,
    checkpoint: Checkpoint | str | Path,
    *,
    source: str,
    target: str,
    device: str = "auto",
    precision: str = "auto",
    **more: Any,
) -> Iterator[Event]:
    """Translate an image as events; see `Translator` and `Translator.translate` for the parameters."""
    translator = Translator(checkpoint, device=device, precision=precision)
    return translator.translate(image, source=source, target=target, **more)


def translate_image(
    image: Image,
    checkpoint: Checkpoint | Translator | str | Path,
    *,
    source: str,
    target: str,
    device: str = "auto",
    precision: str = "auto",
    on_event: Callable[[Event], None] = lambda event: None,
    **more: Any,
) -> Translation:
    """Translate an image and return it; ``on_event`` sees every event, to draw progress with.

    The arguments and what is returned are those of `translating`.
    """
    translator = (
        checkpoint if isinstance(checkpoint, Translator) else Translator(checkpoint, device=device, precision=precision)
    )
    for event in translating(image, translator, source=source, target=target, **more):
        if isinstance(event, Translation):
            return event
        on_event(event)
    raise AssertionError("a translation ends with its result")


def translating(
    image: Image,
    translator: Translator,
    *,
    source: str,
    target: str,
    channels: Mapping[str, str] | None = None,
    positions: Iterable[tuple[int, int]] | None = None,
    region: Region | None = None,
    how: Mapping[str, Any] | None = None,
    rooms: Callable[[Image], tuple[ResultSink, ResultSink]] | None = None,
    **more: Any,
) -> Iterator[Event | Translation]:
    """Yield what `Translator.translate` does, which also says the arguments, and last the `Translation`.

    Where positions or a region are said, the images of the translation hold these only; positions have to be all those
    of some T with some Z. ``rooms`` makes room for translated and difference, once it is known what they will be like.
    Where none are said it is in memory, above 512 MB in temporary files. Planes come in regions where the
    engine allows it, so that memory stays at a part of one.
    """
    chosen = image.checked_positions(positions)
    asked: dict[str, Any] = {"channels": channels, "positions": chosen, "region": region, "how": how}
    events = translator.translate(image, source=source, target=target, in_regions=True, **asked, **more)
    indices, _ = match_channels(image, translator.card, channels or {})
    real = image.part(channels=indices, positions=chosen, region=region)
    translated, difference = (rooms or _scratch)(real)
    top, left = (region.top, region.left) if region else (0, 0)
    places = dict(zip(chosen, real.positions(), strict=True))
    notices: list[str] = []
    clipped = np.zeros(len(indices), np.int64)
    for event in events:
        yield event
        if isinstance(event, Notice):
            notices.append(event.text)
        elif isinstance(event, PlaneDone | RegionDone):
            place = (*places[event.t, event.z], event.top - top, event.left - left)
            translated.put(event.translated, *place)
            difference.put(event.difference, *place)
            clipped += event.clipped
    for name, count in zip(real.channels, clipped, strict=True):
        if count:
            notices.append(
                f"{count} translated pixels of {name} lie outside what {real.dtype} can hold and were set to its "
                f"nearest value; the difference map has them in full."
            )
            yield Notice(notices[-1])
    provenance = translator.provenance(image, source, target, **asked) | {"notices": notices}
    yield Translation(real, translated.image(), difference.image(), tuple(notices), provenance)


def _scratch(image: Image) -> tuple[ResultSink, ResultSink]:
    return Scratch(image, image.dtype), Scratch(image, np.dtype(np.float32))
