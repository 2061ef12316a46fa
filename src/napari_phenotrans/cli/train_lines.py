"""What ``phenotrans train`` prints as a run goes on: a line per event, and a table of scores."""

from __future__ import annotations

from typing import TYPE_CHECKING

from napari_phenotrans.checkpoints.checkpoint import Checkpoint
from napari_phenotrans.checkpoints.describe import picture_words
from napari_phenotrans.core.events import Notice
from napari_phenotrans.core.text import table
from napari_phenotrans.runs.paths import BEST
from napari_phenotrans.training import events

if TYPE_CHECKING:
    from napari_phenotrans.training.events import Event, Scored
    from napari_phenotrans.training.run import Run

LOSSES_EVERY = 50  # steps between lines about losses


def event_line(event: Event, run: Run) -> str | None:
    """Return what to print for an event; None where nothing is printed."""
    match event:
        case events.Started():
            start = f" from step {event.step}" if event.step else ""
            return f"training on {event.device}{start}: {event.fields} fields, held out {event.held_out}"
        case Notice():
            return f"note: {event.text}"
        case events.Losses() if event.step % LOSSES_EVERY == 0 or event.step == run.settings.steps:
            losses = ", ".join(f"{name} {value:.3f}" for name, value in event.losses.items())
            return f"step {event.step} of {run.settings.steps}: {losses}"
        case events.Scored():
            return "\n".join(_score_rows(event))
        case events.Saved():
            return f"step {event.step}: {run.folder / event.path}"
        case events.Divided():
            return (
                f"step {event.step}: memory ran out; from here on a batch is computed in {event.parts} parts of "
                f"{event.crops} crops per condition"
            )
        case events.RolledBack():
            return (
                f"step {event.step}: {event.reason}; back to step {event.to_step}, learning rates now × {event.rate:g}"
            )
        case events.Stopped():
            return f"stopped at step {event.step}: {event.reason}. Go on with --resume {run.folder}"
        case events.Finished():
            return "\n".join([f"finished after {event.step} steps", *_about_best(run)])
    return None


def _about_best(run: Run) -> list[str]:
    """Return what the pictures of the best checkpoint are like, as its card says; nothing where there is none."""
    best = run.folder / BEST
    if not best.is_file():
        return []
    return [f"{BEST}: {text}" for text in picture_words(Checkpoint.read_card(best))]


def _score_rows(event: Scored) -> list[str]:
    """Return one table row per direction; every score, with intervals and floors, is in the run folder's events."""
    held_out = f"step {event.step}, held-out{' (best so far)' if event.best else ''}"
    prefix = "kid "
    directions = [
        name.removeprefix(prefix)
        for name in event.scores
        if name.startswith(prefix) and not name.startswith(("kid low ", "kid high "))
    ]
    gap = "gap closed {}: "
    channels = list(
        dict.fromkeys(
            name.removeprefix(gap.format(direction))
            for direction in directions
            for name in event.scores
            if name.startswith(gap.format(direction))
        )
    )
    rows = [[held_out, "KID", *(f"gap closed, {channel}" for channel in channels), "round trip", "identity"]]
    for direction in directions:
        source = direction.partition(" → ")[0]
        rows.append(
            [
                f"  {direction}",
                f"{event.scores[prefix + direction]:.3f}",
                *(_two_digits(event.scores.get(gap.format(direction) + channel)) for channel in channels),
                _mean_share(event.scores, f"round trip {direction}: "),
                _mean_share(event.scores, f"identity {source} → {source}: "),
            ]
        )
    return table(rows, right=range(1, len(rows[0])))


def _two_digits(value: float | None) -> str:
    return "-" if value is None else f"{value:.2f}"


def _mean_share(scores: dict[str, float], prefix: str) -> str:
    """Average a score over the channels, as a percentage of the intensity limits' range."""
    values = [value for name, value in scores.items() if name.startswith(prefix)]
    return f"{100 * sum(values) / len(values):.2f} %" if values else "-"
