"""Checkpoint: one ``.safetensors`` file with all that translation needs, and its card in the header."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, Self

import numpy as np
from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save_file

from napari_phenotrans.checkpoints.soundness import refuse_not_finite, refuse_oversized
from napari_phenotrans.core.background import Offset
from napari_phenotrans.core.digests import sha256_of
from napari_phenotrans.core.effect import Effect
from napari_phenotrans.core.errors import InputError
from napari_phenotrans.core.intensity import Intensity
from napari_phenotrans.core.settings import LOOK
from napari_phenotrans.engines import ENGINES, engine_entry
from napari_phenotrans.io.atomic import replacing

if TYPE_CHECKING:
    from napari_phenotrans.engines.base import Engine
    from napari_phenotrans.metrics.picture import Verdict

BUNDLED = Path(__file__).parents[1] / "data" / "checkpoints"
CARD_KEY = "napari-phenotrans card"
# What no checkpoint reaches: a card that says more is refused before anything is made of it.
MOST_NAMES, LARGEST_CROP = 1000, 65_536


class Score(BaseModel):
    """A metric's value on held-out fields, with its interval, floor and what copying the source would score."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    metric: str
    direction: str
    value: float
    low: float | None = None
    high: float | None = None
    floor: float | None = None
    copy_source: float | None = None
    groups: int
    what: str = ""


class PictureVerdict(BaseModel):
    """What the gate of pictures says of one direction on held-out fields; ``values`` by channel and measure."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    direction: str
    passed: bool
    sentences: tuple[str, ...]
    values: dict[str, dict[str, float]] = {}

    @classmethod
    def of(cls, verdict: Verdict) -> Self:
        values: dict[str, dict[str, float]] = {}
        for row in verdict.rows:
            if row.value is not None:
                values.setdefault(row.channel, {})[row.measure] = round(row.value, 4)
        return cls(
            direction=verdict.direction, passed=verdict.passed, sentences=tuple(verdict.sentences), values=values
        )


class Card(BaseModel):
    """What a checkpoint says about its engine, its images and its training.

    Attributes
    ----------
    engine, settings
        The engine's name in `ENGINES` and its settings.
    conditions, channels
        Names, in the order that the networks know.
    targets
        The conditions it translates to; all where empty. Imports may know one direction only.
    low, high
        Intensity limits per channel, see `Intensity`.
    pixel_size, pixel_unit
        Working pixel size: micrometers per pixel (``um``); or, where the training files had none, pixels of the file
        per working pixel (``pixel``).
    crop
        Side of the training crops in working pixels.
    statistics
        ``fixed``: normalization statistics are stored; ``plane``: the network normalizes each plane by its own.
    bf16_rms
        RMS error that bfloat16 costs, as a share of the range; None where it was not measured.
    translation
        Translation settings where the user chooses none, such as PhenDiff's ``strength``.
    synthetic
        The training images were invented.
    about, attribution
        One sentence about the checkpoint, and whom to cite for the images.
    training
        Of the training: steps, seed, fields, …
    scores
        What it reached on held-out fields.
    pictures
        What the gate of pictures said of them, per direction; nothing where they were not judged. The best checkpoint
        of a run is one that passes, if there is any, else merely the one that closes most of the gap.
    background
        What is added to the background of each direction; none in files from before it was measured.
    effect
        How much each noise changes, of engines that invert: what strength and depth count in. Nothing in files from
        before it was measured, in which they count levels of noise.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    format: Literal[1] = 1
    engine: str
    settings: dict[str, Any]
    conditions: tuple[str, ...] = Field(min_length=1, max_length=MOST_NAMES)
    channels: tuple[str, ...] = Field(min_length=1, max_length=MOST_NAMES)
    targets: tuple[str, ...] = ()
    low: tuple[float, ...]
    high: tuple[float, ...]
    pixel_size: float | None = Field(default=None, ge=1e-6, le=1e6)
    pixel_unit: Literal["um", "pixel"] = "pixel"
    crop: int = Field(ge=1, le=LARGEST_CROP)
    statistics: Literal["fixed", "plane"] = "fixed"
    bf16_rms: float | None = None
    translation: dict[str, Any] = {}
    synthetic: bool = False
    about: str = ""
    attribution: str = ""
    training: dict[str, Any] = {}
    scores: tuple[Score, ...] = ()
    pictures: tuple[PictureVerdict, ...] = ()
    background: tuple[Offset, ...] = ()
    effect: Effect | None = None

    @model_validator(mode="after")
    def _fit_together(self) -> Self:
        if not len(self.low) == len(self.high) == len(self.channels):
            raise ValueError(
                f"{len(self.low)} low and {len(self.high)} high for {len(self.channels)} channels, one each expected,"
            )
        if self.effect and len(self.effect.sds) != len(self.channels):
            raise ValueError(f"{len(self.effect.sds)} SDs of the effect for {len(self.channels)} channels,")
        return self

    @model_validator(mode="after")
    def _know_targets(self) -> Self:
        unknown = set(self.targets) - set(self.conditions)
        if unknown:
            raise ValueError(f"the targets {sorted(unknown)} are none of the conditions {list(self.conditions)}")
        if not self.targets:
            object.__setattr__(self, "targets", self.conditions)
        return self

    @property
    def intensity(self) -> Intensity:
        return Intensity(self.low, self.high)

    @property
    def is_look(self) -> bool:
        """Whether it has seen no more pixels than its engine's preset *look* shows, and started from no other.

        False where an engine needs no longer than that, and where it is not known how long it was trained.
        """
        if self.engine not in ENGINES or self.settings.get("start_from"):
            return False
        declared = ENGINES[self.engine].settings
        steps, batch = self.training.get("steps"), self.settings.get("batch", declared.make().batch)
        if not declared.has_look() or not isinstance(steps, int) or not isinstance(batch, int):
            return False
        return steps * batch * self.crop**2 <= declared.make(**declared.presets[LOOK]).pixels_shown


@dataclass(frozen=True, eq=False)
class Checkpoint:
    """An engine's weights and card: all that translation needs.

    Parameters
    ----------
    card
        What it says about itself, see `Card`.
    tensors
        The weights of the engine's ``translators`` by name; float16 on disk where so saved.
    path
        Where it was loaded from.

    Examples
    --------
    >>> import napari_phenotrans as pt
    >>> checkpoint = pt.Checkpoint.load("bbbc013-flow")
    >>> checkpoint.card.engine, checkpoint.card.conditions, checkpoint.card.channels
    ('flow', ('untreated', 'wortmannin'), ('DNA', 'FKHR-EGFP'))
    >>> {score.direction: round(score.value, 2) for score in checkpoint.card.scores if score.metric == "gap closed"}
    {'untreated → wortmannin': 0.87, 'wortmannin → untreated': 0.87}
    """

    card: Card
    tensors: dict[str, np.ndarray]
    path: Path | None = None
    # what the file says; not copied to one of another card
    _stated: str = field(default="", init=False, repr=False)

    @classmethod
    def load(cls, name_or_path: str | Path) -> Checkpoint:
        """Load a bundled checkpoint by name, or a file.

        Parameters
        ----------
        name_or_path
            A name out of `bundled`, such as ``bbbc013-flow``, or a ``.safetensors`` file that phenotrans wrote.

        Returns
        -------
        The checkpoint; nothing in it is executed, only tensors and text are read.

        Raises
        ------
        InputError
            If there is no such checkpoint, the file is none, or its weights and card do not belong together.

        Examples
        --------
        >>> import napari_phenotrans as pt
        >>> pt.Checkpoint.load("bbbc013-cyclegan").name
        'bbbc013-cyclegan'
        """
        path = find(name_or_path)
        card, text, digest = _read_header(path)
        with safe_open(path, framework="numpy") as file:
            tensors = {name: file.get_tensor(name) for name in sorted(file.keys())}
        if _digest(text, tensors) != digest:
            raise InputError(
                f"{path} was changed after it was saved: its weights and card do not match its checksum. "
                f"Get the file again from where it came."
            )
        refuse_not_finite(tensors, path)
        loaded = cls(card, tensors, path)
        object.__setattr__(loaded, "_stated", digest)
        return loaded

    @staticmethod
    def read_card(name_or_path: str | Path) -> Card:
        """Read the card alone, without the weights and without torch; raises as `load` does."""
        return _read_header(find(name_or_path))[0]

    @staticmethod
    def read_digest(name_or_path: str | Path) -> str:
        """Read the digest of weights and card, as it stands in the file: what tells this checkpoint from any other.

        Raises as `load` does.
        """
        return _read_header(find(name_or_path))[2]

    @classmethod
    def of(cls, engine: Engine, card: Card, *, half: bool = False) -> Checkpoint:
        """Take an engine's translating networks as they are now; ``half`` stores them as float16."""
        tensors = {
            name: value.detach().cpu().numpy().astype(np.float16 if half else np.float32)
            for name, value in engine.translators.state_dict().items()
        }
        return cls(card, tensors)

    def save(self, path: str | Path, *, overwrite: bool = False) -> Path:
        """Write the checkpoint, atomically.

        Raises
        ------
        InputError
            If the file exists and may not be overwritten, or cannot be written.
        """
        path = Path(path)
        text = self.card.model_dump_json()
        header = {CARD_KEY: text, "sha256": _digest(text, self.tensors)}
        with replacing(path, overwrite=overwrite) as temporary:
            tensors = {name: np.ascontiguousarray(t) for name, t in self.tensors.items()}
            try:
                save_file(tensors, temporary, metadata=header)
            except SafetensorError as error:
                # what safetensors raises on a full disk
                raise OSError(str(error)) from error
            _order_header(temporary)
        return path

    @property
    def name(self) -> str:
        return self.path.stem if self.path else self.card.engine

    @property
    def digest(self) -> str:
        """What tells it from any other: the digest of weights and card, in its file or as it would be saved."""
        return self._stated or _digest(self.card.model_dump_json(), self.tensors)

    def build_engine(self, device: Any = "cpu") -> Engine:
        """Build the engine with this checkpoint's weights (float32), ready to translate.

        Raises
        ------
        InputError
            If settings or weights do not fit the engine.
        """
        import torch

        where = self.path or "The checkpoint"
        entry = engine_entry(self.card.engine)
        # an engine that is told of a channel by name finds it so
        settings = entry.settings.make(**(self.card.settings | {"channels": self.card.channels}))
        refuse_oversized(settings, sum(value.size for value in self.tensors.values()), where)
        engine = entry.load()(settings, len(self.card.channels), self.card.conditions)
        engine.keep_targets(self.card.targets)
        state = {name: torch.from_numpy(np.asarray(value, np.float32)) for name, value in self.tensors.items()}
        try:
            engine.translators.load_state_dict(state)
        except RuntimeError as error:
            raise InputError(f"{where} does not hold the weights that its card describes: {error}") from error
        engine.use_fixed_statistics(self.card.statistics == "fixed")
        engine.offsets, engine.effect = self.card.background, self.card.effect
        engine.translators.requires_grad_(False)
        return engine.to(device)


def bundled() -> list[str]:
    """Return the names of the bundled checkpoints."""
    return sorted(path.stem for path in BUNDLED.glob("*.safetensors"))


def find(name_or_path: str | Path) -> Path:
    """Return the file of a bundled name or a path.

    Raises
    ------
    InputError
        If neither exists.
    """
    name = str(name_or_path)
    if name in bundled():
        return BUNDLED / f"{name}.safetensors"
    path = Path(name_or_path)
    if not path.is_file():
        raise InputError(
            f"There is no checkpoint {name!r}: neither a file nor a bundled name. Bundled are {', '.join(bundled())}."
        )
    return path


def _read_header(path: Path) -> tuple[Card, str, str]:
    try:
        with safe_open(path, framework="numpy") as file:
            header = file.metadata() or {}
    except (SafetensorError, OSError) as error:
        raise InputError(
            f"{path} is no checkpoint: {error}. Expected a .safetensors file that phenotrans wrote; other people's "
            f"generators come in with 'phenotrans import'."
        ) from error
    if CARD_KEY not in header or "sha256" not in header:
        raise InputError(
            f"{path} holds tensors but no card of napari-phenotrans, so nothing is known about its engine, channels "
            f"and intensities. Expected a file that 'phenotrans train' or 'phenotrans import' wrote."
        )
    try:
        return Card.model_validate_json(header[CARD_KEY]), header[CARD_KEY], header["sha256"]
    except ValidationError as error:
        raise InputError(
            f"{path} has a card that this version cannot read: {error.errors()[0]['msg']} at "
            f"{'.'.join(map(str, error.errors()[0]['loc']))}. Update napari-phenotrans, or get the file again."
        ) from error


def _order_header(path: Path) -> None:
    """Put the texts in the header in a fixed order, so that equal checkpoints are equal files."""
    # safetensors writes them in a new order each time; the same ones take the same room
    with path.open("rb+") as file:
        size = int.from_bytes(file.read(8), "little")
        header = json.loads(file.read(size))
        header["__metadata__"] = dict(sorted(header["__metadata__"].items()))
        ordered = json.dumps(header, ensure_ascii=False, separators=(",", ":")).encode().ljust(size)
        assert len(ordered) == size, "safetensors and json write the same text"
        file.seek(8)
        file.write(ordered)


def _digest(card: str, tensors: dict[str, np.ndarray]) -> str:
    # of the card as it stands in the file: a field that a later version adds must not make older files look
    # tampered with
    parts: list[str | np.ndarray] = [json.dumps(json.loads(card), sort_keys=True)]
    for name in sorted(tensors):
        tensor = np.ascontiguousarray(tensors[name])
        parts += [f"{name} {tensor.dtype.str} {tensor.shape}", tensor]
    return sha256_of(parts)
