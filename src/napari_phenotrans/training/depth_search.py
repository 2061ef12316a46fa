"""After training: what each noise changes, and the depth that shows most of the phenotype on held-out fields."""

from __future__ import annotations

import time
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from napari_phenotrans.checkpoints.checkpoint import Checkpoint, PictureVerdict
from napari_phenotrans.core.events import Notice
from napari_phenotrans.engines.denoiser import DenoiserEngine
from napari_phenotrans.engines.effect import CROPS, LEVELS, measure_effect
from napari_phenotrans.engines.settings import DenoiserSettings
from napari_phenotrans.runs.paths import BEST, LAST
from napari_phenotrans.training.events import Saved
from napari_phenotrans.training.stopping import AskedToStop, stopped_by

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from pathlib import Path

    from napari_phenotrans.training.prepare import Prepared
    from napari_phenotrans.training.validation import HeldOut, Trial

AMOUNTS = (0.5, 0.7, 0.85, 1.0)  # shares of the greatest effect
ALIKE = 0.05  # of the gap: nobody should choose by less


@dataclass(frozen=True)
class Chosen:
    """The translation settings that a search chose, by name, and why in a sentence."""

    settings: dict[str, Any]
    why: str


def settle_depth(
    folder: Path, prepared: Prepared, settings: Any, stopped: Callable[[], bool]
) -> Iterator[Notice | Saved]:
    """Measure and search, and write what was found into the card of the run's checkpoint.

    That is the best one, or the last where nothing was scored. Without held-out fields the depth stays at the noise of
    the engine's own, said in the new scale.

    Parameters
    ----------
    folder
        The run's.
    prepared
        What it trained with.
    settings
        Of its engine; those of other engines have nothing to settle.
    stopped
        Whether the user has asked to stop: then everything stays as it is.
    """
    if not isinstance(settings, DenoiserSettings) or not settings.search_depth or stopped():
        return
    name, held_out, began = BEST if (folder / BEST).exists() else LAST, prepared.held_out, time.monotonic()
    checkpoint = Checkpoint.load(folder / name)
    engine = checkpoint.build_engine(prepared.engine.device)
    assert isinstance(engine, DenoiserEngine)
    count = len(AMOUNTS) + len(engine.guidance_trials(held_out.markers)) if held_out else 0
    tries = f", and trying {count} settings on the held-out fields" if held_out and held_out.differs else ""
    yield Notice(f"Measuring what {LEVELS} levels of noise change, on {CROPS} crops of each condition{tries}.")

    # ---- the scale, the depth on it, and the scores of this depth
    step = checkpoint.card.training["steps"]
    try:
        with stopped_by(folder, engine):
            usual = engine.noise(engine.translation_settings.make())
            engine.effect = measure_effect(engine, prepared.statistics_pieces)
            chosen = Chosen({engine.amount: engine.effect.share(usual)}, "")
            if held_out and held_out.differs:
                searched = search(engine, held_out, stopped)
                if searched is None:
                    return
                chosen = searched
            update: dict[str, Any] = {"effect": engine.effect, "translation": chosen.settings}
            if held_out and chosen.why:
                scores = held_out.score(engine, step, engine.translation_settings.make(**chosen.settings))
                pictures = tuple(PictureVerdict.of(verdict) for verdict in scores.verdicts)
                update |= {"scores": scores.scores, "pictures": pictures}
    except AskedToStop:
        return

    # ---- the checkpoint
    settled = replace(checkpoint, card=checkpoint.card.model_copy(update=update))
    same = name == LAST or Checkpoint.read_card(folder / LAST).training["steps"] != step
    for path in (name,) if same else (name, LAST):
        settled.save(folder / path, overwrite=True)
        yield Saved(step, path)
    said = chosen.why or (
        f"{_said(chosen.settings).capitalize()} is what this checkpoint translates with, the noise that the engine "
        f"goes to by itself: there are no held-out fields that differ, to search it on."
    )
    yield Notice(f"{said} ({time.monotonic() - began:.0f} s.)")


def search(engine: DenoiserEngine, held_out: HeldOut, stopped: Callable[[], bool]) -> Chosen | None:
    """Try depths on the held-out fields, then guidance at the best of them; None where the user stopped it."""
    tried: list[tuple[dict[str, Any], Trial]] = []
    known: dict[Any, Any] = {}

    def attempt(values: dict[str, Any]) -> bool:
        if stopped():
            return False
        tried.append((values, held_out.try_out(engine, engine.translation_settings.make(**values), known)))
        return True

    if not all(attempt({engine.amount: amount}) for amount in AMOUNTS):
        return None
    deepest, _ = best_of(tried)
    if not all(attempt(deepest | guided) for guided in engine.guidance_trials(held_out.markers)):
        return None
    settings, trial = best_of(tried)
    return Chosen(settings, _why(settings, trial, tried))


def best_of(tried: Sequence[tuple[dict[str, Any], Trial]]) -> tuple[dict[str, Any], Trial]:
    """Return what closes most of the gap; among those within `ALIKE` of it what passes the gate or fails it least.

    Where pictures are alike too, the one that was tried first, which changes least.
    """
    most = max(trial.gap for _, trial in tried)
    return min(
        ((settings, trial) for settings, trial in tried if trial.gap >= most - ALIKE), key=lambda each: each[1].faults
    )


def _why(settings: dict[str, Any], trial: Trial, tried: Sequence[tuple[dict[str, Any], Trial]]) -> str:
    pictures = "its pictures pass"
    if trial.faults:
        pictures = f"its pictures have {trial.faults} fault{'s' if trial.faults > 1 else ''}"
    others = "; ".join(f"{_said(each)}: {one.gap:.2f}, {one.faults}" for each, one in tried if each != settings)
    return (
        f"{_said(settings).capitalize()} is what this checkpoint translates with: on the held-out fields it closes "
        f"{trial.gap:.2f} of the gap, averaged over the directions, and {pictures} (gap and faults of the others: "
        f"{others})."
    )


def _said(settings: dict[str, Any]) -> str:
    return ", ".join(
        f"{name} {', '.join(value) if isinstance(value, tuple) else f'{value:g}'}" for name, value in settings.items()
    )
