"""Engines by name. Names and settings need no torch; the class is loaded when it is asked for."""

from __future__ import annotations

from dataclasses import dataclass
from importlib import import_module
from typing import TYPE_CHECKING

from napari_phenotrans.core.errors import InputError
from napari_phenotrans.core.settings import TranslationSettings
from napari_phenotrans.engines.settings import (
    FLOW_BF16_RMS,
    FLOW_REDRAW,
    CycleGANSettings,
    FlowSettings,
    FlowTranslation,
    PhenDiffSettings,
    PhenDiffTranslation,
    SCGANSettings,
    ShiftSettings,
)

if TYPE_CHECKING:
    from napari_phenotrans.core.settings import TrainingSettings
    from napari_phenotrans.engines.base import Engine


@dataclass(frozen=True)
class EngineEntry:
    """An engine's settings, where its class is (``module:name``), and what it can be told when it translates.

    ``redraw`` as of `Engine`: None where it gives one answer only. ``bf16_rms`` is what bfloat16 costs, as a share of
    the range, where a card records nothing; None where that differs from checkpoint to checkpoint.
    """

    settings: type[TrainingSettings]
    place: str
    translation: type[TranslationSettings] = TranslationSettings
    redraw: float | None = None
    bf16_rms: float | None = None

    def load(self) -> type[Engine]:
        """Import the engine's class, and torch with it."""
        module, name = self.place.split(":")
        return getattr(import_module(f"napari_phenotrans.engines.{module}"), name)


# The first one is what is taken where none is named.
ENGINES: dict[str, EngineEntry] = {
    "flow": EngineEntry(FlowSettings, "flow:KeptFlow", FlowTranslation, FLOW_REDRAW, FLOW_BF16_RMS),
    "cyclegan": EngineEntry(CycleGANSettings, "cyclegan:CycleGAN"),
    "scgan": EngineEntry(SCGANSettings, "scgan:SCGAN"),
    "phendiff": EngineEntry(PhenDiffSettings, "phendiff:PhenDiff", PhenDiffTranslation),
    "shift": EngineEntry(ShiftSettings, "shift:Shift"),
}
FIRST_CHOICE = next(iter(ENGINES))
WHY_FIRST = (
    "The one to begin with: on BBBC013 seven minutes on one core close 0.8 of the gap both ways, with every nucleus in "
    "its place."
)


def engine_entry(name: str) -> EngineEntry:
    """Return an engine by name.

    Raises
    ------
    InputError
        If there is no such engine.
    """
    if name not in ENGINES:
        raise InputError(f"There is no engine {name!r}. Choose one of {', '.join(ENGINES)}.")
    return ENGINES[name]
