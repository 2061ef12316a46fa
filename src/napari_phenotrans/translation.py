"""Translating an image with a checkpoint: plane by plane, tile by tile, back into the image's own units."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from importlib.metadata import version
from typing import TYPE_CHECKING, Any, Literal, cast, get_args

import numpy as np

from napari_phenotrans.checkpoint import Checkpoint
from napari_phenotrans.errors import InputError
from napari_phenotrans.events import EvaluationDone, Notice, PlaneDone, TileDone
from napari_phenotrans.intensity import to_dtype
from napari_phenotrans.io.scratch import room
from napari_phenotrans.matching import check_conditions, match_channels, working_scale
from napari_phenotrans.resample import WorkingPlane, pad, rescaled_size, to_size
from napari_phenotrans.settings import flag
from napari_phenotrans.tiles import Blend, Tile, plan

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping
    from pathlib import Path

    import torch

    from napari_phenotrans.image import Image
    from napari_phenotrans.settings import TranslationSettings

Precision = Literal["fp32", "bf16"]
Event = Notice | EvaluationDone | TileDone | PlaneDone

TILE = 512
# Imported generators normalize a plane by its own statistics, so it has to pass the network whole.
WHOLE_PLANE = 2048 * 2048
STATISTICS_TILES = 16
# Tiles that an engine wants small go through its network together, up to so many pixels.
AT_ONCE = 256 * 256
# Limits are fitted to smoothed planes, so that single noisy pixels lie a little outside in any image.
OUTSIDE, OUTSIDE_SHARE = 1.25, 0.01


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
        context where none is said.
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
        import torch

        from napari_phenotrans.engines.device import choose_device

        self.checkpoint = checkpoint if isinstance(checkpoint, Checkpoint) else Checkpoint.load(checkpoint)
        self.card = self.checkpoint.card
        self.device = choose_device(device)
        self.precision = self._choose_precision(precision)
        self.engine = self.checkpoint.build_engine(self.device)
        # channels last is the layout that convolutions compute in; it saves a conversion around each of them
        self.engine.translators.to(memory_format=torch.channels_last)
        usual = self.engine.tile or TILE
        self.tile = usual if tile is None else tile
        self.overlap = self.engine.context if overlap is None else overlap
        if self.tile < self.engine.smallest or not 0 <= self.overlap < self.tile:
            raise InputError(
                f"A tile of {self.tile} with an overlap of {self.overlap} cannot be used: expected a tile of at least "
                f"{self.engine.smallest} and an overlap smaller than it. Say --tile {usual}."
            )
        self.how = self._choose_how(how or {})

    def translate(
        self,
        image: Image,
        *,
        source: str,
        target: str,
        channels: Mapping[str, str] | None = None,
        positions: Iterable[tuple[int, int]] | None = None,
        look_at: Callable[[], tuple[float, float] | None] | None = None,
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
        look_at
            Called before every tile: the point (y, x) of the plane whose tiles come first.
        tick
            Called before every network evaluation; raise in it to stop.

        Returns
        -------
        Iterator of `Notice`, `EvaluationDone`, `TileDone` and `PlaneDone`. What cannot be translated is refused here,
        before the first event.

        Raises
        ------
        InputError
            If conditions or channels do not fit.
        """
        check_conditions(self.card, source, target)
        indices, notices = match_channels(image, self.card, channels or {})
        scale, about_scale = working_scale(image, self.card)
        chosen = list(image.positions()) if positions is None else list(positions)
        return self._events(
            image, source, target, indices, scale, [*notices, *about_scale], chosen, look_at, tick or (lambda: None)
        )

    def provenance(self, image: Image, source: str, target: str) -> dict[str, Any]:
        """Return what is needed to say, and to repeat, how a translation was made."""
        return {
            "translated": True,
            "by": f"napari-phenotrans {version('napari-phenotrans')}",
            "real": str(image.path or ""),
            "checkpoint": self.checkpoint.name,
            "engine": self.card.engine,
            "synthetic training images": self.card.synthetic,
            "source": source,
            "target": target,
            "device": self.device.type,
            "precision": self.precision,
            "tile": self.tile,
            "overlap": self.overlap,
            **self.how.model_dump(),
            "date": datetime.now(UTC).isoformat(timespec="seconds"),
        }

    def _choose_precision(self, said: str) -> Precision:
        if said in get_args(Precision):
            return cast("Precision", said)
        if said != "auto":
            raise InputError(f"There is no precision {said!r}. Say auto, fp32 or bf16.")
        sound = self.card.bf16_rms is not None and self.card.bf16_rms <= 0.005
        return "bf16" if sound and self.device.type == "cuda" else "fp32"

    def _choose_how(self, said: Mapping[str, Any]) -> TranslationSettings:
        known = self.engine.translation_settings
        foreign = [flag(name) for name in said if name not in known.model_fields]
        if foreign:
            raise InputError(
                f"{', '.join(foreign)}: the engine {self.card.engine} of this checkpoint has "
                f"{'only ' + ', '.join(map(flag, known.model_fields)) if known.model_fields else 'no such choice'}. "
                f"Leave it out."
            )
        return known.make(**(self.card.translation | dict(said)))

    def _events(
        self,
        image: Image,
        source: str,
        target: str,
        indices: list[int],
        scale: float,
        notices: list[str],
        positions: list[tuple[int, int]],
        look_at: Callable[[], tuple[float, float] | None] | None,
        tick: Callable[[], None],
    ) -> Iterator[Event]:
        yield from (Notice(text) for text in notices)
        intensity = self.card.intensity
        said_outside = False
        for done, (t, z) in enumerate(positions, start=1):
            # Into the engine's world: working pixels, about [-1, 1], whole multiples of its stride.
            real = image.plane(t=t if "T" in image.axes else None, z=z if "Z" in image.axes else None)[indices]
            small = to_size(real, *rescaled_size(real.shape[1], real.shape[2], scale))
            x = intensity.normalize(small)
            if not np.isfinite(x).all():
                raise InputError(
                    f"{image.path or 'The image'} holds values that are not finite at t={t}, z={z}. "
                    f"Replace NaN and infinity before translating."
                )
            outside = float((np.abs(x) > OUTSIDE).mean())
            if outside > OUTSIDE_SHARE and not said_outside:
                said_outside = True
                yield Notice(
                    f"{outside:.0%} of the pixels lie outside the intensities that training saw: the translation "
                    f"there is a guess. Check exposure, bit depth and that the channels are the right ones."
                )
            padded = pad(x, self.engine.stride, self.engine.smallest)
            place = WorkingPlane(real, small, intensity, scale)

            # Tile by tile.
            tiling = self._tiling(padded, target, tick)
            yield from (Notice(text) for text in tiling.notices)
            center = _order(look_at, scale)
            result = None
            for event in self._evaluations(padded, source, target, tiling, center, tick):
                if isinstance(event, np.ndarray):
                    result = event
                elif isinstance(event, _Tiled):
                    top, left, difference = place.difference(event.tile, event.values)
                    region = real[:, top : top + difference.shape[1], left : left + difference.shape[2]]
                    if region.size:
                        translated, _ = to_dtype(region + difference, real.dtype)
                        yield TileDone(t, z, top, left, translated, event.done, event.total)
                else:
                    yield EvaluationDone(t, z, event.done, event.total)

            # And back: the difference returns to the image's pixels, so that what the engine left alone stays sharp.
            assert result is not None
            whole = Tile(0, 0, small.shape[1], small.shape[2])
            _, _, difference = place.difference(whole, result[:, : small.shape[1], : small.shape[2]])
            translated, clipped = to_dtype(real + difference, real.dtype)
            yield PlaneDone(t, z, translated, difference, clipped, done, len(positions))

    def _tiling(self, x: np.ndarray, target: str, tick: Callable[[], None]) -> _Tiling:
        height, width = x.shape[1:]
        stride = self.engine.stride
        if self.card.statistics == "fixed":
            return _Tiling(plan(height, width, tile=self.tile, overlap=self.overlap, stride=stride), [])
        self.engine.use_fixed_statistics(False)
        if height * width <= WHOLE_PLANE:
            return _Tiling([Tile(0, 0, height, width)], [])
        # Too large to pass whole: the network's statistics are averaged over tiles of this plane, then kept.
        tiles = plan(height, width, tile=self.tile, overlap=self.overlap, stride=stride)
        some = [tiles[i] for i in np.linspace(0, len(tiles) - 1, min(STATISTICS_TILES, len(tiles))).astype(int)]

        def crops() -> Iterator[torch.Tensor]:
            for tile in some:
                tick()
                yield self._tensor(x[:, *tile.slices])

        self.engine.fix_statistics(target, crops())
        return _Tiling(
            tiles,
            [
                f"This imported network normalizes each plane by its own statistics, and a plane of {height} × {width} "
                f"is too large to pass it whole (limit {WHOLE_PLANE} pixels): statistics are averaged over "
                f"{len(some)} tiles instead, so the result differs slightly from the original program's."
            ],
        )

    def _evaluations(
        self,
        x: np.ndarray,
        source: str,
        target: str,
        tiling: _Tiling,
        center: Callable[[], tuple[float, float] | None],
        tick: Callable[[], None],
    ) -> Iterator[_Tiled | _Evaluated | np.ndarray]:
        """Drive the engine: each network evaluation over all tiles, blended; yields the translation last."""
        import torch

        from napari_phenotrans.engines.device import arithmetic

        steps = self.engine.translation(self._tensor(x), source, target, self.how)
        try:
            evaluation = next(steps)
            while True:
                height, width = evaluation.x.shape[2:]
                blend = Blend(evaluation.x.shape[1], height, width, self.overlap)
                left = list(tiling.tiles)
                # where the engine wants small tiles; else one by one, so that the first is there soon
                at_once = max(1, AT_ONCE // (left[0].height * left[0].width)) if self.engine.tile else 1
                while left:
                    point = center()
                    if point:
                        left.sort(key=lambda tile: tile.distance_to(*point))
                    nearest, left = left[:at_once], left[at_once:]
                    tick()
                    with arithmetic(self.device, self.precision):
                        values = evaluation.network(torch.cat([evaluation.x[:, :, *tile.slices] for tile in nearest]))
                    for tile, translated in zip(nearest, values.float().cpu().numpy(), strict=True):
                        blend.add(tile, translated)
                    done, total = len(tiling.tiles) - len(left), len(tiling.tiles)
                    for tile in nearest:
                        if evaluation.final:
                            yield _Tiled(tile, blend.read(tile), done, total)
                    if not evaluation.final:
                        yield _Evaluated(done, total)
                evaluation = steps.send(self._tensor(blend.result()))
        except StopIteration as finished:
            yield finished.value[0].float().cpu().numpy()

    def _tensor(self, x: np.ndarray) -> torch.Tensor:
        import torch

        tensor = torch.from_numpy(np.ascontiguousarray(x))[None].to(self.device)
        return tensor.contiguous(memory_format=torch.channels_last)


@dataclass(frozen=True, eq=False)
class Translation:
    """A whole translated image: real (its translated channels only), translated, difference, and what was said."""

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
    """Translate an image whole and return it; ``on_event`` sees every event, to draw progress with.

    Arrays above 512 MB live in temporary files, so that memory stays at a few planes.
    """
    translator = (
        checkpoint if isinstance(checkpoint, Translator) else Translator(checkpoint, device=device, precision=precision)
    )
    events = translator.translate(image, source=source, target=target, **more)
    indices, _ = match_channels(image, translator.card, more.get("channels") or {})
    real = only_channels(image, indices)
    translated = real.replace(pixels=room(real.pixels.shape, real.dtype), pyramid=())
    difference = real.replace(pixels=room(real.pixels.shape, np.dtype(np.float32)), pyramid=())
    notices: list[str] = []
    clipped = np.zeros(len(indices), np.int64)
    for event in events:
        on_event(event)
        if isinstance(event, Notice):
            notices.append(event.text)
        elif isinstance(event, PlaneDone):
            real.place(event.translated, translated.pixels, event.t, event.z)
            real.place(event.difference, difference.pixels, event.t, event.z)
            clipped += event.clipped
    for name, count in zip(real.channels, clipped, strict=True):
        if count:
            notices.append(
                f"{count} translated pixels of {name} lie outside what {real.dtype} can hold and were set to its "
                f"nearest value; the difference map has them in full."
            )
            on_event(Notice(notices[-1]))
    provenance = translator.provenance(image, source, target) | {"notices": notices}
    return Translation(real, translated, difference, tuple(notices), provenance)


def only_channels(image: Image, indices: list[int]) -> Image:
    """Return the image with these channels alone, in this order; lazy where the image is."""
    if indices == list(range(len(image.channels))):
        return image
    axis = image.axes.index("C")

    def take(pixels: Any) -> Any:
        return pixels[(slice(None),) * axis + (indices,)]

    return image.replace(
        pixels=take(image.pixels),
        channels=tuple(image.channels[i] for i in indices),
        colors=tuple(image.colors[i] for i in indices),
        pyramid=tuple(take(level) for level in image.pyramid),
    )


# ---- what passes between the steps above


@dataclass(frozen=True)
class _Tiling:
    tiles: list[Tile]
    notices: list[str]


@dataclass(frozen=True, eq=False)
class _Tiled:
    tile: Tile
    values: np.ndarray
    done: int
    total: int


@dataclass(frozen=True)
class _Evaluated:
    done: int
    total: int


def _order(
    look_at: Callable[[], tuple[float, float] | None] | None, scale: float
) -> Callable[[], tuple[float, float] | None]:
    def center() -> tuple[float, float] | None:
        point = look_at() if look_at else None
        return (point[0] * scale, point[1] * scale) if point else None

    return center
