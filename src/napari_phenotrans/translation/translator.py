"""Translating an image with a checkpoint: plane by plane, tile by tile, back into the image's own units."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal, cast, get_args

import numpy as np

from napari_phenotrans.checkpoints.checkpoint import Checkpoint
from napari_phenotrans.checkpoints.matching import check_conditions, match_channels, outside_intensities, working_scale
from napari_phenotrans.core.errors import InputError
from napari_phenotrans.core.events import Notice
from napari_phenotrans.core.intensity import to_dtype
from napari_phenotrans.core.region import Region
from napari_phenotrans.core.settings import flag
from napari_phenotrans.translation.events import EvaluationDone, PlaneDone, RegionDone, TileDone
from napari_phenotrans.translation.provenance import provenance_of
from napari_phenotrans.translation.streaming import Stream, StreamedRegion, rows_at_once
from napari_phenotrans.translation.tiled_inference import Evaluated, Task, Tiled, TiledInference
from napari_phenotrans.translation.working_plane import Cut, WorkingPlane

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping
    from pathlib import Path

    from napari_phenotrans.core.image import Image
    from napari_phenotrans.core.region import View
    from napari_phenotrans.core.settings import TranslationSettings

Precision = Literal["fp32", "bf16"]
Event = Notice | EvaluationDone | TileDone | PlaneDone | RegionDone

TILE = 512
# Planes of more working pixels come in regions where that is asked for, and those of an engine that evaluates many
# times are translated in squares of the image with this side.
LARGE_PLANE = 2048 * 2048
SQUARE = 2048


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
        from napari_phenotrans.networks.fuse_norms import quicken

        self.checkpoint = checkpoint if isinstance(checkpoint, Checkpoint) else Checkpoint.load(checkpoint)
        self.card = self.checkpoint.card
        self.device = choose_device(device)
        self.precision = self._choose_precision(precision)
        self.engine = self.checkpoint.build_engine(self.device)
        quicken(self.engine.translators)
        usual = self.engine.tile or TILE
        tile, overlap = usual if tile is None else tile, self.engine.context if overlap is None else overlap
        if tile < self.engine.smallest or not 0 <= overlap < tile:
            raise InputError(
                f"A tile of {tile} with an overlap of {overlap} cannot be used: expected a tile of at least "
                f"{self.engine.smallest} and an overlap smaller than it. Say --tile {usual}."
            )
        self._driver = TiledInference(
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
        in_regions: bool = False,
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
        in_regions
            Whether planes may come as `RegionDone`, none of them whole, so that memory does not grow with them. Those
            of engines that evaluate once all do, and come out as the whole plane does. Engines that evaluate many
            times translate planes of more than 2048 × 2048 working pixels so, each region with its surroundings, and
            it comes out nearly as in the whole plane. Imported networks that normalize by a plane's own statistics
            take it whole all the same.
        look_at
            Asked before every plane and every tile for what the user looks at: it comes first, the nearest to its
            center before the rest of it; and planes nearest to its place along T and Z.
        tick
            Called before every network evaluation; raise in it to stop.

        Returns
        -------
        Iterator of `Notice`, `EvaluationDone`, `TileDone`, `PlaneDone` and `RegionDone`. Where it is known what the
        user looks at, and tiles are large, a glimpse comes first: a `TileDone` of a small crop there, 0 of the plane's
        tiles done.
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

        return self._events(image, begin, indices, scale, [*notices, *about_scale], chosen, region, in_regions, look_at)

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
        in_regions: bool,
        look_at: Callable[[], View | None] | None,
    ) -> Iterator[Event]:
        yield from (Notice(text) for text in notices)
        size = (image.sizes["Y"], image.sizes["X"])
        cut = self._cut(region or Region(0, 0, *size), size, scale)

        def looked_at() -> Region | None:
            view = look_at() if look_at else None
            return cut.seen(view.region) if view else None

        task = begin(looked_at)
        in_regions = in_regions and self.card.statistics == "fixed"
        once = in_regions and self._driver.evaluates_once(task)
        large = in_regions and cut.working.height * cut.working.width > LARGE_PLANE
        said_outside: set[str] = set()
        left = list(positions)
        while left:
            view = look_at() if look_at else None
            t, z = min(left, key=lambda place: _distance(place, view))
            left.remove((t, z))

            def read(part: Region, t: int = t, z: int = z) -> np.ndarray:
                plane = image.plane(t=t if "T" in image.axes else None, z=z if "Z" in image.axes else None, region=part)
                plane = plane if indices == list(range(len(plane))) else plane[indices]
                if plane.dtype.kind == "f" and not np.isfinite(plane).all():
                    raise InputError(
                        f"{image.path or 'The image'} holds values that are not finite at t={t}, z={z}. "
                        f"Replace NaN and infinity before translating."
                    )
                return plane

            def outside(x: np.ndarray) -> Iterator[Notice]:
                for subject, text in outside_intensities(x, self.card).items():
                    if subject not in said_outside:
                        said_outside.add(subject)
                        yield Notice(text)

            place = (t, z, len(positions) - len(left), len(positions))
            if once:
                stream = Stream(self._driver, cut, read, rows_at_once(image), self.card.intensity, task)
                yield from _streamed(stream, cut, place, self.engine.kept, image.dtype)
                yield from outside(stream.sample)
            elif large:
                squares = cut.region.squares(SQUARE)
                for number, square in enumerate(squares, start=1):
                    part = self._cut(square, size, scale)
                    finished = place if number == len(squares) else (t, z, place[2] - 1, place[3])
                    for event in self._plane(part, read, task, outside, finished, image.dtype, keep=False):
                        if isinstance(event, PlaneDone):
                            yield RegionDone(**vars(event), share=number / len(squares))
                        elif not isinstance(event, TileDone):
                            yield event
            else:
                yield from self._plane(cut, read, task, outside, place, image.dtype, glimpse=place[2] == 1)

    def _plane(
        self,
        cut: Cut,
        read: Callable[[Region], np.ndarray],
        task: Task,
        outside: Callable[[np.ndarray], Iterator[Notice]],
        finished: tuple[int, int, int, int],
        dtype: np.dtype,
        *,
        glimpse: bool = False,
        keep: bool = True,
    ) -> Iterator[Event]:
        """Translate a cut of a plane; ``finished`` is its (t, z) and that of how many planes it is which."""
        t, z, done, total = finished
        # Into the engine's world: working pixels, about [-1, 1], whole multiples of its stride.
        place = WorkingPlane(cut, read, self.card.intensity, redrawn=self.engine.redraws)
        yield from outside(place.x)

        # Tile by tile, and back: a difference that is added to the image's own pixels.
        padded = place.padded(self.engine.stride, self.engine.smallest)
        for event in self._driver.translation(padded, task, glimpse=glimpse, keep=keep):
            if isinstance(event, Notice):
                yield event
            elif isinstance(event, Evaluated):
                yield EvaluationDone(t, z, event.done, event.total)
            elif isinstance(event, Tiled):
                brought = place.difference(event.tile, event.values, event.shown)
                if brought:
                    where, difference = brought
                    translated, _ = _translated(place.real(where), difference, self.engine.kept, dtype)
                    yield TileDone(t, z, where.top, where.left, translated, event.done, event.total)
            else:
                whole = Region(0, 0, *event.values.shape[1:])
                brought = place.difference(whole, event.values, whole)
                assert brought is not None
                where, difference = brought
                translated, clipped = _translated(place.real(where), difference, self.engine.kept, dtype)
                yield PlaneDone(t, z, translated, difference, clipped, done, total, where.top, where.left)

    def _cut(self, region: Region, size: tuple[int, int], scale: float) -> Cut:
        return Cut.around(
            region,
            size,
            scale,
            context=max(self.engine.context, self.overlap),
            stride=self.engine.stride,
            smallest=self.engine.smallest,
            grid=(self.tile, self.overlap) if self.engine.tile else None,
        )


def _streamed(
    stream: Stream, cut: Cut, finished: tuple[int, int, int, int], kept: tuple[int, ...], dtype: np.dtype
) -> Iterator[Event]:
    t, z, done, total = finished
    share = 0.0
    for event in stream:
        if isinstance(event, Evaluated):
            share = event.done / event.total
            yield EvaluationDone(t, z, event.done, event.total)
        elif isinstance(event, StreamedRegion):
            where = event.region
            translated, clipped = _translated(event.real, event.difference, kept, dtype)
            last = (where.bottom, where.right) == (cut.region.bottom, cut.region.right)
            yield RegionDone(
                t, z, translated, event.difference, clipped, done if last else done - 1, total, where.top, where.left,
                1.0 if last else min(share, 0.999),
            )  # fmt: skip
        else:
            yield event


def _translated(
    real: np.ndarray, difference: np.ndarray, kept: tuple[int, ...], dtype: np.dtype
) -> tuple[np.ndarray, tuple[int, ...]]:
    """Return real + difference, see `to_dtype`; in kept channels real itself, and their difference is set to 0."""
    places = list(kept)
    difference[places] = 0
    translated, clipped = to_dtype(real + difference, dtype)
    translated[places] = real[places]
    return translated, clipped


def _distance(place: tuple[int, int], view: View | None) -> int:
    """Planes between a position (t, z) and what the user looks at."""
    if view is None:
        return 0
    return sum(abs(at - looked) for at, looked in zip(place, (view.t, view.z), strict=True) if looked is not None)
