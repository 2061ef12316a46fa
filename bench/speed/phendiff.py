"""Translating with PhenDiff, against the schedulers of diffusers: ``python -m bench phendiff``.

Row A: the bundled network with our solver, at the fewest evaluations whose round trip is at least as exact, and the
same weights in diffusers' network with DDIM, 100 steps up to noise and 100 back. Row B: what is shipped, as it is
used by default, and the published network of 15.7 million weights, 100 + 100 steps.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import click
import numpy as np
import torch
from torch import Tensor

from bench.common.ceilings import ceilings, describe, distance, wait_for, work_of
from bench.common.paired import Paired, circumstances, run
from bench.common.writing import publish, spread
from napari_phenotrans.checkpoints.checkpoint import Checkpoint
from napari_phenotrans.core.resample import rescaled_size, to_size
from napari_phenotrans.engines.device import arithmetic, choose_device
from napari_phenotrans.engines.settings import PhenDiffTranslation
from napari_phenotrans.io import read
from napari_phenotrans.io.samples import SAMPLES
from napari_phenotrans.translation.translator import Translator

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from napari_phenotrans.engines.phendiff import PhenDiff

CHECKPOINT, SOURCE, TARGET = "bbbc013-phendiff", "untreated", "wortmannin"
STEPS = 100
# Evaluations each way that are tried, fewest first.
COUNTS = (4, 5, 6, 7, 8, 10, 12, 14, 16, 18, 20, 25, 30, 40, 50, 75, 100)
WANTED = {"A": {"cpu": 4.0, "cuda": 6.0}, "B": {"cpu": 15.0, "cuda": 15.0}}
GAP = 0.05
HEADING = "## Translating with PhenDiff"


@dataclass(frozen=True)
class Options:
    """What the command was told; see there."""

    size: int
    batch: int
    strengths: tuple[float, ...]
    spacing: str
    paper_steps: int
    repeats: int
    device: str
    gap: bool
    gap_side: int


@click.command()
@click.option("--size", type=click.IntRange(32), default=64, show_default=True, help="Side of the crops.")
@click.option("--batch", type=click.IntRange(1, 16), default=4, show_default=True, help="Crops at once.")
@click.option("--strength", "strengths", type=float, multiple=True, help="Of row A; the shipped one and 1 if none.")
@click.option("--spacing", type=click.Choice(["trailing", "leading"]), default="trailing", show_default=True)
@click.option("--paper-steps", type=click.IntRange(1, STEPS), default=10, show_default=True, help="Timed of row B's.")
@click.option("--repeats", type=click.IntRange(1), default=5, show_default=True, help="Timed rounds of each.")
@click.option("--device", default="cpu", show_default=True, help="Device of both: cpu, cuda, mps or auto.")
@click.option("--gap/--no-gap", default=True, show_default=True, help="Measure the gap closed, too.")
@click.option("--gap-side", type=click.IntRange(64), default=256, show_default=True, help="Of each field's middle.")
@click.option("--out", type=click.Path(path_type=Path), help="Document in which to put the table.")
@click.option("--json", "json_file", type=click.Path(path_type=Path), help="File to write all figures to.")
def phendiff(out: Path | None, json_file: Path | None, **said: Any) -> None:
    """Seconds of PhenDiff's translation, against DDIM of diffusers at no better a round trip, and the published one."""
    options = Options(**said)
    where, repeats = choose_device(options.device), options.repeats
    checkpoint = Checkpoint.load(CHECKPOINT)
    shipped = in_noise(checkpoint)
    x = crops(options.size, options.batch).to(where)
    limits = ceilings(where)
    rows = [
        equal_error(checkpoint, x, strength, options.spacing, repeats, limits)
        for strength in options.strengths or (1.0, shipped.strength)
    ]
    rows.append(against_paper(checkpoint, x, shipped, options.paper_steps, repeats, limits))
    result: dict[str, Any] = {
        "bench": "phendiff",
        "checkpoint": CHECKPOINT,
        "crops": list(x.shape),
        "device": where.type,
        "repeats": repeats,
        "rows": rows,
        "gap": gaps(checkpoint, shipped, options.gap_side, options.device) if options.gap else None,
        "ceilings": limits,
        "limits": describe(limits),
        **circumstances(),
    }
    publish(table(result), result, out, json_file)


def crops(size: int, count: int) -> Tensor:
    """Cut crops (count, C, size, size) from the middle of the bundled untreated well, as the engine sees them."""
    card = Checkpoint.load(CHECKPOINT).card
    plane = read(SAMPLES["bbbc013-untreated"].path).plane().astype(np.float32)
    assert card.pixel_size is not None
    small = card.intensity.normalize(to_size(plane, *rescaled_size(*plane.shape[1:], 1 / card.pixel_size)))
    side = int(np.ceil(np.sqrt(count)))
    top, left = ((n - side * size) // 2 for n in small.shape[1:])
    if min(top, left) < 0:
        raise click.UsageError(f"{count} crops of {size} do not fit in the sample's {small.shape[1:]} working pixels.")
    places = [(top + size * (i // side), left + size * (i % side)) for i in range(count)]
    return torch.from_numpy(np.stack([small[:, y : y + size, x : x + size] for y, x in places]).astype(np.float32))


# ---- the rows


def equal_error(
    checkpoint: Checkpoint, x: Tensor, strength: float, spacing: str, repeats: int, limits: dict[str, float]
) -> dict[str, Any]:
    """Compare, at one depth for both, with diffusers' schedulers on the same weights."""
    # here and not above: diffusers must not come into the processes of other commands, which show napari
    from bench.references.ddim import Plain, depth_table, same_network

    engine, network = build(checkpoint, x.device), same_network(checkpoint, x.device)
    plain = Plain.of(network, depth_table(engine.objective, strength), STEPS, spacing)
    labels = checkpoint.card.conditions.index(SOURCE), checkpoint.card.conditions.index(TARGET)

    def reference(y: Tensor, *, back: bool = False) -> Tensor:
        return plain.translate(y, *(labels[::-1] if back else labels))

    with arithmetic(x.device, "fp32"):
        theirs = percent(reference(reference(x), back=True), x)
    tried: dict[int, float] = {}
    for count in COUNTS:
        how = PhenDiffTranslation.make(strength=strength, scale="noise", evaluations=max(2, round(count / strength)))
        with arithmetic(x.device, "fp32"):
            tried[count] = percent(engine.round_trip(x, SOURCE, TARGET, how), x)
        if tried[count] <= theirs:
            break
    chosen = min(tried, key=lambda count: tried[count]) if tried[count] > theirs else count
    how = PhenDiffTranslation.make(strength=strength, scale="noise", evaluations=max(2, round(chosen / strength)))
    found = timed(
        lambda: engine.translate(x, SOURCE, TARGET, how),
        lambda: reference(x),
        lambda: plain.translate(x, *labels, first=1),
        x.device,
        repeats,
        limits,
    )
    return {
        "row": "A",
        "what": (
            f"our solver, {chosen} + {chosen} evaluations, strength {strength:g}"
            + ("" if tried[chosen] <= theirs else " (its round trip stays worse)")
        ),
        "against": f"diffusers {plain.version}: DDIMInverseScheduler and DDIMScheduler, {STEPS} + {STEPS} steps",
        "strength": strength,
        "greatest_noise": round(float(plain.greatest_noise), 3),
        "evaluations": chosen,
        "reached": tried[chosen] <= theirs,
        "round_trip_percent": {"ours": tried[chosen], "reference": theirs},
        "tried_percent": tried,
        **found,
    }


def against_paper(
    checkpoint: Checkpoint, x: Tensor, how: PhenDiffTranslation, steps: int, repeats: int, limits: dict[str, float]
) -> dict[str, Any]:
    """Compare what is shipped, as it is used by default, with the published network and its number of steps."""
    from bench.references.ddim import Plain, paper_network, same_network

    engine = build(checkpoint, x.device)
    network = paper_network(x.shape[1], len(checkpoint.card.conditions), x.shape[2], x.device)
    plain = Plain.published(network, STEPS)
    found = timed(
        lambda: engine.translate(x, SOURCE, TARGET, how),
        lambda: plain.translate(x, 0, 1, first=steps),
        lambda: plain.translate(x, 0, 1, first=1),
        x.device,
        repeats,
        limits,
        times=STEPS / steps,
    )
    ours, theirs = (sum(p.numel() for p in n.parameters()) for n in (same_network(checkpoint, x.device), network))
    evaluations = max(1, round(how.evaluations * how.strength))
    return {
        "row": "B",
        "what": f"as shipped: {ours / 1e6:.1f} million weights, {evaluations} + {evaluations} evaluations",
        "against": (
            f"the published network ({theirs / 1e6:.1f} million random weights, diffusers {plain.version}), "
            f"{STEPS} + {STEPS} steps" + (f", of which {steps} + {steps} were timed" if steps < STEPS else "")
        ),
        "weights": {"ours": ours, "reference": theirs},
        "strength": how.strength,
        "evaluations": evaluations,
        "steps_timed": steps,
        **found,
    }


def timed(
    ours: Callable[[], object],
    reference: Callable[[], object],
    step: Callable[[], object],
    device: torch.device,
    repeats: int,
    limits: dict[str, float],
    *,
    times: float = 1.0,
) -> dict[str, Any]:
    """Time both in turns, without gradients, in exact float32.

    ``step`` is one of the reference's hundred steps each way, of which its work is counted; ``times`` multiplies what
    the reference took, where fewer were timed.
    """

    def waited(call: Callable[[], object]) -> Callable[[], None]:
        def once() -> None:
            with arithmetic(device, "fp32"):
                call()
                wait_for(device)

        return once

    ours, reference = waited(ours), waited(reference)
    measured = run(ours, reference, repeats)
    pair = Paired(measured.ours, tuple(times * s for s in measured.reference))
    flops, moved = work_of(waited(step))
    work = {"ours": work_of(ours), "reference": (STEPS * flops, STEPS * moved)}
    seconds = {"ours": list(pair.ours), "reference": list(pair.reference)}
    return {
        "seconds": {name: [round(s, 4) for s in some] for name, some in seconds.items()},
        "ratio": round(pair.ratio, 3),
        "ratios": [round(ratio, 3) for ratio in pair.ratios],
        "limit": {name: distance(float(np.median(some)), work[name], limits) for name, some in seconds.items()},
    }


def gaps(checkpoint: Checkpoint, shipped: PhenDiffTranslation, side: int, device: str) -> dict[str, Any]:
    """Measure the gap closed as shipped and with four times the evaluations, on the middle of held-out wells."""
    from bench.quality.phenotype import gap_closed, log_ratios
    from bench.quality.scores import BBBC013_FIELDS, HELD_OUT, translate_plane

    folder = BBBC013_FIELDS
    if folder.exists():
        files = {c: [folder / c / f"{well}.tif" for well in HELD_OUT[c][:2]] for c in (SOURCE, TARGET)}
    else:
        files = {c: [SAMPLES[f"bbbc013-{c}"].path] for c in (SOURCE, TARGET)}
    planes = {c: [middle(read(path).plane(), side) for path in some] for c, some in files.items()}
    real = {c: np.concatenate([log_ratios(plane) for plane in some]) for c, some in planes.items()}
    translator = Translator(checkpoint, device=device)
    many = min(4 * shipped.evaluations, 1000)
    found: dict[str, Any] = {"wells": {c: len(some) for c, some in planes.items()}, "side": side, "directions": {}}
    for source, target in ((SOURCE, TARGET), (TARGET, SOURCE)):
        values = {}
        for evaluations in (shipped.evaluations, many):
            how = {"evaluations": evaluations, "strength": shipped.strength, "scale": shipped.scale}
            made = [log_ratios(translate_plane(p, translator, source, target, how)) for p in planes[source]]
            translator.forget()
            values[evaluations] = round(float(gap_closed(np.concatenate(made), real[target], real[source])), 4)
        found["directions"][f"{source} → {target}"] = values
    pairs = [list(values.values()) for values in found["directions"].values()]
    found["difference"] = round(max(abs(few - more) for few, more in pairs), 4)
    return found


# ---- small things


def build(checkpoint: Checkpoint, device: torch.device) -> PhenDiff:
    """Return the checkpoint's engine as the translator uses it."""
    return cast("PhenDiff", Translator(checkpoint, device=str(device)).engine)


def in_noise(checkpoint: Checkpoint) -> PhenDiffTranslation:
    """Return a card's own settings with its strength in levels of noise, which the reference can be told too."""
    engine = cast("PhenDiff", checkpoint.build_engine())
    how = PhenDiffTranslation.make(**checkpoint.card.translation)
    return how.model_copy(update={"strength": round(engine.way(how), 9), "scale": "noise"})


def percent(made: Tensor, x: Tensor) -> float:
    """Return the RMS difference in percent of the range, which is 2 here."""
    return float(f"{50 * float((made - x).pow(2).mean().sqrt()):.4g}")


def middle(plane: np.ndarray, side: int) -> np.ndarray:
    top, left = (max(0, (n - side) // 2) for n in plane.shape[1:])
    return plane[:, top : top + side, left : left + side]


def table(result: dict[str, Any]) -> list[str]:
    """Return the section of the documentation."""
    count, channels, size, _ = result["crops"]
    lines = [
        HEADING,
        "",
        f"`python -m bench phendiff`: {count} held-out crops of {channels} × {size} × {size} at once, "
        f"{result['device']}, float32, in turns ({result['repeats']} rounds; median, least and most). "
        "Where a strength is said, both sides go to the same noise. Round trip: RMS error of there and back, of the "
        "range.",
        "",
        "| ours | reference | seconds | seconds of the reference | ratio | wanted | round trip (reference) |",
        "|---|---|---|---|---|---|---|",
    ]
    for row in result["rows"]:
        errors = row.get("round_trip_percent")
        said = f"{errors['ours']:.2g} % ({errors['reference']:.2g} %)" if errors else ""
        seconds = " | ".join(spread(row["seconds"][who]) for who in ("ours", "reference"))
        wanted = WANTED[row["row"]].get(result["device"], WANTED[row["row"]]["cpu"])
        lines.append(
            f"| {row['what']} | {row['against']} | {seconds} | {spread(row['ratios'])} | ≥ {wanted:g} | {said} |"
        )
    lines += ["", f"Limits of the machine: {result['limits']}."]
    lines += [f"- {row['what']}: {row['limit']['ours']['said']}." for row in result["rows"]]
    if result["gap"]:
        lines += ["", *gap_lines(result["gap"])]
    lines += ["", _circumstances(result)]
    return lines


def gap_lines(gap: dict[str, Any]) -> Sequence[str]:
    """Say what four times the evaluations change."""
    wells = ", ".join(f"{count} {condition}" for condition, count in gap["wells"].items())
    said = "; ".join(
        f"{way} " + ", ".join(f"{value:.3f} at {evaluations}" for evaluations, value in values.items())
        for way, values in gap["directions"].items()
    )
    return [
        f"Gap closed (logarithm of GFP in the nucleus over its ring) on the middle {gap['side']} pixels of held-out "
        f"wells ({wells}), by evaluations at strength 1: {said}. Wanted: within {GAP} "
        f"({'held' if gap['difference'] <= GAP else 'missed'}: {gap['difference']:.3f})."
    ]


def _circumstances(result: dict[str, Any]) -> str:
    return (
        f"{result['cpu']}, {result['cores']} cores, {result['threads']} threads, torch {result['torch']}, "
        f"{str(result['date'])[:10]}, commit {result['commit']}."
    )
