"""Whole images translated: what `Translator` yields plane by plane, put together."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_phenotrans.events import Notice, PlaneDone
from napari_phenotrans.io.scratch import room
from napari_phenotrans.matching import match_channels
from napari_phenotrans.translator import Event, Translator

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping
    from pathlib import Path

    from napari_phenotrans.checkpoint import Checkpoint
    from napari_phenotrans.image import Image
    from napari_phenotrans.tiles import Region

__all__ = ["Event", "Translation", "Translator", "translate", "translate_image"]


@dataclass(frozen=True, eq=False)
class Translation:
    """A translated image: real (its translated channels and planes only), translated, difference, and what was said."""

    real: Image
    translated: Image
    difference: Image
    notices: tuple[str, ...]
    provenance: dict[str, Any]


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
    **more: Any,
) -> Iterator[Event | Translation]:
    """Yield what `Translator.translate` does, which also says the arguments, and last the `Translation`.

    Where positions or a region are said, the images of the translation hold these only; positions have to be all those
    of some T with some Z. Arrays above 512 MB live in temporary files, so that memory stays at a few planes.
    """
    chosen = image.checked_positions(positions)
    asked: dict[str, Any] = {"channels": channels, "positions": chosen, "region": region, "how": how}
    events = translator.translate(image, source=source, target=target, **asked, **more)
    indices, _ = match_channels(image, translator.card, channels or {})
    real = image.part(channels=indices, positions=chosen, region=region)
    translated = real.replace(pixels=room(real.pixels.shape, real.dtype), pyramid=())
    difference = real.replace(pixels=room(real.pixels.shape, np.dtype(np.float32)), pyramid=())
    places = dict(zip(chosen, real.positions(), strict=True))
    notices: list[str] = []
    clipped = np.zeros(len(indices), np.int64)
    for event in events:
        yield event
        if isinstance(event, Notice):
            notices.append(event.text)
        elif isinstance(event, PlaneDone):
            place = places[event.t, event.z]
            real.place(event.translated, translated.pixels, *place)
            real.place(event.difference, difference.pixels, *place)
            clipped += event.clipped
    for name, count in zip(real.channels, clipped, strict=True):
        if count:
            notices.append(
                f"{count} translated pixels of {name} lie outside what {real.dtype} can hold and were set to its "
                f"nearest value; the difference map has them in full."
            )
            yield Notice(notices[-1])
    provenance = translator.provenance(image, source, target, **asked) | {"notices": notices}
    yield Translation(real, translated, difference, tuple(notices), provenance)
