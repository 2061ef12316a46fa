"""Translating an image with a checkpoint: plane by plane, tile by tile, back into the image's own units."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal, cast, get_args

import numpy as np

from napari_phenotrans.checkpoint import Checkpoint
from napari_phenotrans.driving import Driver, Evaluated, Task, Tiled
from napari_phenotrans.errors import InputError
from napari_phenotrans.events import EvaluationDone, Notice, PlaneDone, TileDone
from napari_phenotrans.intensity import to_dtype
from napari_phenotrans.matching import check_conditions, match_channels, outside_intensities, working_scale
from napari_phenotrans.plane import Cut, WorkingPlane
from napari_phenotrans.provenance import provenance_of
from napari_phenotrans.settings import flag
from napari_phenotrans.tiles import Region

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping
    from pathlib import Path

    from napari_phenotrans.image import Image
    from napari_phenotrans.settings import TranslationSettings
    from napari_phenotrans.tiles import View

Precision = Literal["fp32", "bf16"]
Event = Notice | EvaluationDone | TileDone | PlaneDone

TILE = 512


class Translator:
    """A checkpoint's engine on a device, ready to translate image after image.

    Parameters
    ----------
    checkpoint
        A checkpoint, a bundled name or a file.
    device
        ``auto``, ``cpu``, ``cuda``, ``cuda:1`` or ``mps``.
    precision
        ``fp32``, ``bf16``, or ``auto``: bf16 on a GPU where the card records that it costs at most 0.5 % RMS of the
        range, else fp32.
    tile, overlap
        Side of a tile and pixels that neighbors share, in working pixels; what the engine was trained for and its
        context where none is said. The tile becomes smaller where memory runs out.
    how
        What the engine may be told, such as PhenDiff's ``strength``; the card's own choice where nothing is said.

    Raises
    ------
    InputError
        If the checkpoint cannot be used or the device is not there.
    """

    def __init__(
        self,
        checkpoint: Checkpoint | str | Path,
        *,
        device: str = "auto",
        precision: str = "auto",
        tile: int | None = None,
        overlap: int | None = None,
        how: Mapping[str, Any] | None = None,
    ) -> None:
        from napari_phenotrans.engines.device import choose_device
        from napari_phenotrans.networks.inference import quicken

        self.checkpoint = checkpoint if isinstance(checkpoint, Checkpoint) else Checkpoint.load(checkpoint)
        self.card = self.checkpoint.card
        self.device = choose_device(device)
        self.precision = self._choose_precision(precision)
        self.engine = self.checkpoint.build_engine(self.device)
        quicken(self.engine.translators, self.device)
        usual = self.engine.tile or TILE
        tile, overlap = usual if tile is None else tile, self.engine.context if overlap is None else overlap
        if tile < self.engine.smallest or not 0 <= overlap < tile:
            raise InputError(
                f"A tile of {tile} with an overlap of {overlap} cannot be used: expected a tile of at least "
                f"{self.engine.smallest} and an overlap smaller than it. Say --tile {usual}."
            )
        self._driver = Driver(
            self.engine, self.device, self.precision, tile, overlap, fixed=self.card.statistics == "fixed"
        )
        self._said = dict(how or {})
        self.how = self._choose_how({})

    @property
    def tile(self) -> int:
        """Side of a tile in working pixels, as memory allowed so far."""
        return self._driver.tile

    @property
    def overlap(self) -> int:
        """Working pixels that neighboring tiles share."""
        return self._driver.overlap

    def translate(
        self,
        image: Image,
        *,
        source: str,
        target: str,
        channels: Mapping[str, str] | None = None,
        positions: Iterable[tuple[int, int]] | None = None,
        region: Region | None = None,
        how: Mapping[str, Any] | None = None,
        look_at: Callable[[], View | None] | None = None,
        tick: Callable[[], None] | None = None,
    ) -> Iterator[Event]:
        """Translate planes of an image from one condition to another.

        Parameters
        ----------
        image
            Any image with the checkpoint's channels.
        source, target
            Conditions that the checkpoint knows; equal ones are the identity control.
        channels
            The image's name for a channel of the checkpoint where they differ: ``{"DAPI": "Hoechst"}``.
        positions
            The (t, z) to translate; all where none are said.
        region
            The part of each plane to translate, in pixels of the image. It comes out as in the whole plane, except
            from imported networks that normalize by the statistics of what they see.
        how
            What the engine is told this time; goes before what the translator was told.
        look_at
            Asked before every plane and every tile for what the user looks at: it comes first, the nearest to its
            center before the rest of it; and planes nearest to its place along T and Z.
        tick
            Called before every network evaluation; raise in it to stop.

        Returns
        -------
        Iterator of `Notice`, `EvaluationDone`, `TileDone` and `PlaneDone`. Where it is known what the user looks at,
        and tiles are large, a glimpse comes first: a `TileDone` of a small crop there, 0 of the plane's tiles done.
        What cannot be translated is refused here, before the first event.

        Raises
        ------
        InputError
            If conditions, channels, positions, region or ``how`` do not fit.
        """
        check_conditions(self.card, source, target)
        indices, notices = match_channels(image, self.card, channels or {})
        scale, about_scale = working_scale(image, self.card)
        asked = self._choose_how(how or {})
        chosen = image.checked_positions(positions)
        if region is not None:
            image.refuse_outside(region)
        if region is not None and self.card.statistics != "fixed":
            notices.append(
                "This imported network normalizes by the statistics of what it sees: the region is translated by its "
                "own, not quite as it would be in the whole plane."
            )

        def begin(view: Callable[[], Region | None]) -> Task:
            return Task(source, target, asked, view, tick or (lambda: None))

        return self._events(image, begin, indices, scale, [*notices, *about_scale], chosen, region, look_at)

    def provenance(
        self,
        image: Image,
        source: str,
        target: str,
        *,
        region: Region | None = None,
        how: Mapping[str, Any] | None = None,
        positions: Iterable[tuple[int, int]] | None = None,
        channels: Mapping[str, str] | None = None,
    ) -> dict[str, Any]:
        """Return what is needed to say, and to repeat, how a translation was made; arguments as of `translate`."""
        computed = {
            "device": self.device.type,
            "precision": self.precision,
            "tile": self.tile,
            "overlap": self.overlap,
            **self._choose_how(how or {}).model_dump(),
        }
        return provenance_of(
            self.checkpoint,
            image,
            source,
            target,
            computed,
            channels=channels or {},
            region=region,
            positions=positions,
        )

    def forget(self) -> None:
        """Drop what is kept of earlier translations: PhenDiff's inversions."""
        self._driver.inversions.forget()

    def _choose_precision(self, said: str) -> Precision:
        if said in get_args(Precision):
            return cast("Precision", said)
        if said != "auto":
            raise InputError(f"There is no precision {said!r}. Say auto, fp32 or bf16.")
        sound = self.card.bf16_rms is not None and self.card.bf16_rms <= 0.005
        return "bf16" if sound and self.device.type == "cuda" else "fp32"

    def _choose_how(self, said: Mapping[str, Any]) -> TranslationSettings:
        known = self.engine.translation_settings
        foreign = [flag(name) for name in (self._said | dict(said)) if name not in known.model_fields]
        if foreign:
            raise InputError(
                f"{', '.join(foreign)}: the engine {self.card.engine} of this checkpoint has "
                f"{'only ' + ', '.join(map(flag, known.model_fields)) if known.model_fields else 'no such choice'}. "
                f"Leave it out."
            )
        return known.make(**(self.card.translation | self._said | dict(said)))

    def _events(
        self,
        image: Image,
        begin: Callable[[Callable[[], Region | None]], Task],
        indices: list[int],
        scale: float,
        notices: list[str],
        positions: list[tuple[int, int]],
        region: Region | None,
        look_at: Callable[[], View | None] | None,
    ) -> Iterator[Event]:
        yield from (Notice(text) for text in notices)
        size = (image.sizes["Y"], image.sizes["X"])
        cut = Cut.around(
            region or Region(0, 0, *size),
            size,
            scale,
            context=max(self.engine.context, self.overlap),
            stride=self.engine.stride,
            smallest=self.engine.smallest,
            grid=(self.tile, self.overlap) if self.engine.tile else None,
        )

        def looked_at() -> Region | None:
            view = look_at() if look_at else None
            return cut.seen(view.region) if view else None

        said_outside: set[str] = set()
        left = list(positions)
        while left:
            view = look_at() if look_at else None
            t, z = min(left, key=lambda place: _distance(place, view))
            left.remove((t, z))
            first, done = len(left) + 1 == len(positions), len(positions) - len(left)

            # Into the engine's world: working pixels, about [-1, 1], whole multiples of its stride.
            def read(part: Region, t: int = t, z: int = z) -> np.ndarray:
                plane = image.plane(t=t if "T" in image.axes else None, z=z if "Z" in image.axes else None, region=part)
                return plane[indices]

            place = WorkingPlane(cut, read, self.card.intensity)
            if not np.isfinite(place.x).all():
                raise InputError(
                    f"{image.path or 'The image'} holds values that are not finite at t={t}, z={z}. "
                    f"Replace NaN and infinity before translating."
                )
            for subject, text in outside_intensities(place.x, self.card).items():
                if subject not in said_outside:
                    said_outside.add(subject)
                    yield Notice(text)

            # Tile by tile, and back: a difference that is added to the image's own pixels.
            padded = place.padded(self.engine.stride, self.engine.smallest)
            for event in self._driver.translation(padded, begin(looked_at), glimpse=first):
                if isinstance(event, Notice):
                    yield event
                elif isinstance(event, Evaluated):
                    yield EvaluationDone(t, z, event.done, event.total)
                elif isinstance(event, Tiled):
                    brought = place.difference(event.tile, event.values, event.shown)
                    if brought:
                        where, difference = brought
                        translated, _ = to_dtype(place.real(where) + difference, image.dtype)
                        yield TileDone(t, z, where.top, where.left, translated, event.done, event.total)
                else:
                    whole = Region(0, 0, *event.values.shape[1:])
                    brought = place.difference(whole, event.values, whole)
                    assert brought is not None
                    where, difference = brought
                    translated, clipped = to_dtype(place.real(where) + difference, image.dtype)
                    yield PlaneDone(t, z, translated, difference, clipped, done, len(positions), where.top, where.left)


def _distance(place: tuple[int, int], view: View | None) -> int:
    """Planes between a position (t, z) and what the user looks at."""
    if view is None:
        return 0
    return sum(abs(at - looked) for at, looked in zip(place, (view.t, view.z), strict=True) if looked is not None)
