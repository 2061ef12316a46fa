"""Translating an image with a checkpoint: plane by plane, tile by tile, back into the image's own units."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any, Literal, cast, get_args

from napari_phenotrans.checkpoints.checkpoint import Checkpoint
from napari_phenotrans.checkpoints.matching import check_conditions
from napari_phenotrans.core.errors import InputError
from napari_phenotrans.core.kinds import AGREEMENT, MADE, TURNED, sentence_of
from napari_phenotrans.core.settings import flag
from napari_phenotrans.engines import engine_entry
from napari_phenotrans.runs.paths import BEST, LAST
from napari_phenotrans.translation.effort import MOST_OF_MEMORY, Effort, try_out
from napari_phenotrans.translation.image_translation import ImageTranslation
from napari_phenotrans.translation.limits import USUAL_LIMITS, Limits
from napari_phenotrans.translation.provenance import provenance_of
from napari_phenotrans.translation.tiled_inference import Task, TiledInference

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from pathlib import Path

    from napari_phenotrans.core.image import Image
    from napari_phenotrans.core.region import View
    from napari_phenotrans.core.settings import TranslationSettings
    from napari_phenotrans.translation.events import Event
    from napari_phenotrans.translation.request import TranslationRequest

Precision = Literal["fp32", "bf16"]

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
        ``fp32``, ``bf16``, or ``auto``: bf16 where the card, or the engine where the card says nothing, records that it
        costs at most 0.5 % RMS of the range, on a GPU or a processor that computes in it; else fp32.
    tile, overlap
        Side of a tile and pixels that neighbors share, in working pixels; what the engine was trained for and its
        context where none is said. The tile becomes smaller where memory runs out.
    how
        What the engine may be told, such as PhenDiff's ``strength``; the card's own choice where nothing is said.
    limits
        How much is done at once.

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
        limits: Limits = USUAL_LIMITS,
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
        # the tile becomes smaller where memory runs out; this is what was asked for
        self._asked = {"precision": self.precision, "tile": tile, "overlap": overlap}
        fixed = self.card.statistics == "fixed"
        self._driver = TiledInference(self.engine, self.device, self.precision, tile, overlap, fixed, limits)
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

    @property
    def kept(self) -> tuple[str, ...]:
        """Channels that come back bit for bit where nothing else is said, as the checkpoint names them."""
        return self.kept_by({})

    def kept_by(self, how: Mapping[str, Any]) -> tuple[str, ...]:
        """Return the channels that come back bit for bit where an engine is told so, as the checkpoint names them."""
        return tuple(self.card.channels[place] for place in self.engine.kept_by(self._choose_how(how)))

    def translate(
        self,
        image: Image,
        request: TranslationRequest,
        *,
        in_regions: bool = False,
        look_at: Callable[[], View | None] | None = None,
        tick: Callable[[], None] | None = None,
    ) -> Iterator[Event]:
        """Translate planes of an image from one condition to another.

        Parameters
        ----------
        image
            Any image with the checkpoint's channels.
        request
            What to translate.
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
        Iterator of `Notice`, `EvaluationDone`, `TileDone`, `PlaneDone` and `RegionDone`; where several answers
        are asked for, after each of the last two a `SampleDone` for each, a `SpreadDone`, and an `AgreementDone`
        where that is asked for; of several turns a `TurnedDone`. If it is known what the
        user looks at, and tiles are large, a glimpse comes first: a `TileDone` of a small crop there, 0 of the plane's
        tiles done.
        What cannot be translated is refused here, before the first event.

        Raises
        ------
        InputError
            If conditions, channels, positions, region or ``how`` do not fit, or the image was not measured and that is
            not allowed.
        """
        if not request.way_back and not request.allow_translated:
            refuse_made(image)
        how = self._choose_how(request.how)
        translation = ImageTranslation(self._driver, self.card, image, request, how)
        return translation.events(in_regions=in_regions, look_at=look_at, tick=tick)

    @property
    def name(self) -> str:
        """The checkpoint's name, with its folder where that tells it from others of one family."""
        path = self.checkpoint.path
        same = path is not None and path.name in (BEST, LAST)
        return f"{path.parent.name}/{self.checkpoint.name}" if path is not None and same else self.checkpoint.name

    @property
    def digest(self) -> str:
        """What a result is by: the digest of weights and card."""
        return self.checkpoint.digest

    def extras(self, request: TranslationRequest) -> tuple[str, ...]:
        """Return the kinds of the maps that come beside the difference, see `core.kinds`."""
        drawn = request.answers.several and request.answers.agreement and not request.drawn_channels
        return (TURNED,) if request.turns > 1 else (AGREEMENT,) if drawn else ()

    def settings(self, request: TranslationRequest) -> dict[str, Any]:
        """Return what a translation depends on beside the image and the checkpoint, as numbers, names and lists.

        Where memory runs out tiles become smaller than they say; the device is none of them.
        """
        answers, region = request.answers, request.region
        redraw = self.engine.redraw if answers.redraw is None else answers.redraw
        drawn = {"samples": answers.samples, "redraw": redraw, "seed": answers.seed}
        return {
            "source": request.source,
            "target": request.target,
            "channels": dict(request.channels),
            "region": None if region is None else [region.top, region.left, region.height, region.width],
            "drawn channels": list(request.drawn_channels),
            **self._asked,
            **self._choose_how(request.how).model_dump(mode="json"),
            **(drawn if answers.several or request.drawn_channels else {}),
            **({"turns": request.turns} if request.turns > 1 else {}),
        }

    def provenance(self, image: Image, request: TranslationRequest) -> dict[str, Any]:
        """Return what is needed to say, and to repeat, how a translation was made."""
        how = self._choose_how(request.how)
        noise = self.engine.noise_said(how)
        computed = {
            "device": self.device.type,
            "precision": self.precision,
            "tile": self.tile,
            "overlap": self.overlap,
            "redraw": self.engine.redraw,
            **how.model_dump(),
            **({"noise": noise} if noise else {}),
        }
        return provenance_of(self.checkpoint, image, request, computed)

    def try_out(self, source: str, target: str, how: Mapping[str, Any] | None = None) -> Effort:
        """Evaluate a dark tile, so that the first translation finds all ready, and measure what that takes.

        Where the device has less memory free than tiles need they become fewer at once, and smaller.

        Raises
        ------
        InputError
            If conditions or ``how`` do not fit, or memory does not suffice for a tile.
        """
        from napari_phenotrans.engines.device import memory_of

        check_conditions(self.card, source, target)
        task = Task(source, target, self._choose_how(how or {}), lambda: None, lambda: None)
        effort = try_out(self._driver, task)
        if effort.memory:
            self._driver.fit(round(MOST_OF_MEMORY * memory_of(self.device).free), effort.memory / effort.side**2)
        return replace(effort, grid=(self.tile, self.overlap))

    def forget(self) -> None:
        """Drop what is kept of earlier translations: PhenDiff's inversions."""
        self._driver.inversions.forget()

    def _choose_precision(self, precision: str) -> Precision:
        from napari_phenotrans.engines.device import computes_in_bf16

        if precision in get_args(Precision):
            return cast("Precision", precision)
        if precision != "auto":
            raise InputError(f"There is no precision {precision!r}. Say auto, fp32 or bf16.")
        cost = engine_entry(self.card.engine).bf16_rms if self.card.bf16_rms is None else self.card.bf16_rms
        return "bf16" if cost is not None and cost <= 0.005 and computes_in_bf16(self.device) else "fp32"

    def _choose_how(self, how: Mapping[str, Any]) -> TranslationSettings:
        known = self.engine.translation_settings
        foreign = [flag(name) for name in (self._said | dict(how)) if name not in known.model_fields]
        if foreign:
            raise InputError(
                f"{', '.join(foreign)}: the engine {self.card.engine} of this checkpoint has only "
                f"{', '.join(map(flag, known.model_fields))}. Leave it out."
            )
        return known.make(**(self.card.translation | self._said | dict(how)))


def refuse_made(image: Image) -> None:
    """Refuse an image that an engine made: what comes of it would say nothing of the cells.

    Raises
    ------
    InputError
        Saying what it is, and how to translate it all the same.
    """
    if image.kind in MADE:
        raise InputError(
            f"{image.path or 'The image'} was not measured: its provenance says {image.kind!r}. "
            f"{sentence_of(image.provenance)} Choose the real image, or say --allow-translated "
            f"(allow_translated=True)."
        )
