"""How a translation was made: all that is needed to cite it and to repeat it."""

from __future__ import annotations

import json
import shlex
from contextlib import suppress
from datetime import UTC, datetime
from importlib.metadata import version
from typing import TYPE_CHECKING, Any

from napari_phenotrans.checkpoints.checkpoint import BUNDLED, Checkpoint, bundled
from napari_phenotrans.checkpoints.matching import match_channels
from napari_phenotrans.core.errors import InputError
from napari_phenotrans.core.kinds import DIFFERENCE, MADE, MEAN, SAMPLE, SPREAD, TRANSLATED, unit_word
from napari_phenotrans.core.settings import flag
from napari_phenotrans.engines import engine_entry
from napari_phenotrans.engines.settings import as_written_earlier

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import numpy as np

    from napari_phenotrans.core.image import Image
    from napari_phenotrans.translation.request import TranslationRequest

# Entries that are words even where they look like numbers: a condition may be called 10.
_TEXTS = (
    *("by", "real", "real sha256", "checkpoint", "checkpoint file", "checkpoint sha256", "engine", "source", "target"),
    *("device", "precision", "date", "kind", "unit", "partial", "completion", "sample", "made of"),
)


def provenance_of(
    checkpoint: Checkpoint,
    image: Image,
    request: TranslationRequest,
    computed: Mapping[str, Any],
) -> dict[str, Any]:
    """Return a translation's provenance; see `Translator.provenance`.

    ``computed`` says how it was computed: device, precision, tiles, and what the engine was told. Channels are
    named where the image calls one of them otherwise than the checkpoint, region and positions where they are not all
    of the image.
    """
    card, path = checkpoint.card, checkpoint.path
    indices, _ = match_channels(image, card, request.channels)
    names = zip(card.channels, (image.channels[i] for i in indices), strict=True)
    positions, region = request.positions, request.region
    answers, default = request.answers, computed.get("redraw")
    drawn = {
        "samples": answers.samples,
        "redraw": default if answers.redraw is None else answers.redraw,
        "seed": answers.seed,
    }
    everywhere = positions is None or set(positions) == set(image.positions())
    return {
        "translated": True,
        "by": f"napari-phenotrans {version('napari-phenotrans')}",
        "real": str(image.path.absolute()) if image.path else "",
        "reading": dict(image.reading),
        "checkpoint": checkpoint.name,
        "checkpoint file": "" if path is None or path.parent == BUNDLED else str(path.absolute()),
        "checkpoint sha256": "" if path is None else Checkpoint.read_digest(path),
        **({"made of": image.kind} if image.kind in MADE else {}),
        "engine": card.engine,
        "synthetic training images": card.synthetic,
        "source": request.source,
        "target": request.target,
        "channels": {mine: theirs for mine, theirs in names if mine != theirs},
        "region": None if region is None else [region.top, region.left, region.height, region.width],
        "positions": None if everywhere else [list(position) for position in positions or ()],
        **{name: value for name, value in computed.items() if name != "redraw"},
        **(drawn if answers.several else {}),
        **({"turns": request.turns} if request.turns > 1 else {}),
        **({"date": datetime.now(UTC).isoformat(timespec="seconds")} if request.dated else {}),
    }


def decoded(noted: Mapping[str, str]) -> dict[str, Any]:
    """Return provenance as it was before it was written as text, so that a translation can be repeated by it."""
    found: dict[str, Any] = dict(noted)
    for name, text in noted.items():
        if name not in _TEXTS:
            # what is no JSON was text before
            with suppress(ValueError):
                found[name] = json.loads(text)
    return found


def of_images(
    provenance: Mapping[str, Any], dtype: np.dtype, samples: int = 0, extras: Sequence[str] = ()
) -> list[dict[str, Any]]:
    """Return the provenance of a translation and its difference, and what comes beside; each says its kind and unit.

    Parameters
    ----------
    provenance
        What they have in common.
    dtype
        Of the real image.
    samples
        How many answers were drawn.
    extras
        Kinds of further maps.
    """
    unit = {"unit": unit_word(dtype)}
    pair = [{**provenance, "kind": kind, **unit} for kind in (TRANSLATED, DIFFERENCE, *extras)]
    return [*pair, *of_answers({**provenance, **unit}, samples)]


def of_answers(provenance: Mapping[str, Any], samples: int) -> list[dict[str, Any]]:
    """Return the provenance of each of several answers, of their mean and of their spread; it says which it is."""
    if samples < 2:
        return []
    which = [(SAMPLE, f"{number} of {samples}") for number in range(1, samples + 1)]
    which += [(MEAN, "mean of all"), (SPREAD, "spread of all (SD)")]
    return [{**provenance, "kind": kind, "sample": each} for kind, each in which]


def translate_command(provenance: Mapping[str, Any], out: str = "translated") -> str:
    """Return the line for a shell that translates, or completes, the same pixels to the same result.

    Parameters
    ----------
    provenance
        What `Translator.provenance` returned.
    out
        Folder for the results.

    Raises
    ------
    InputError
        If the image or the checkpoint is in no file, or the planes are not all those of some T with some Z.
    """
    if not provenance["real"]:
        raise InputError("There is no command for an image that lies in no file. Save it, and open the file.")
    checkpoint = provenance["checkpoint file"] or provenance["checkpoint"]
    if checkpoint not in bundled() and not provenance["checkpoint file"]:
        raise InputError("There is no command for a checkpoint that lies in no file. Save it, and load the file.")
    completed = provenance.get("completed", ())
    verb, matched = ("complete", "--name") if completed else ("translate", "--channel")
    several = [name for name in provenance.get("training files", ()) if name] or [checkpoint]
    parts = ["phenotrans", verb, provenance["real"], *(part for name in several for part in ("--checkpoint", name))]
    if completed:
        parts += ["--condition", provenance["target"], "--out", out]
        parts += [part for name in completed for part in ("--channel", name)]
    else:
        parts += ["--source", provenance["source"], "--target", provenance["target"], "--out", out]
    for mine, theirs in provenance["channels"].items():
        parts += [matched, f"{mine}={theirs}"]
    for name, value in provenance["reading"].items():
        parts += [flag(name)] if value is True else ["--pattern" if name == "join" else flag(name), value]
    if provenance["positions"] is not None:
        positions = {(int(t), int(z)) for t, z in provenance["positions"]}
        ts, zs = (sorted(set(axis)) for axis in zip(*positions, strict=True))
        if len(ts) * len(zs) != len(positions):
            raise InputError(
                f"There is no single command for these {len(positions)} planes: expected each of the T {ts} with each "
                f"of the Z {zs}. Translate them one after the other."
            )
        parts += [part for t in ts for part in ("--t", t)] + [part for z in zs for part in ("--z", z)]
    if provenance["region"] is not None:
        parts += ["--region", *provenance["region"]]
    # a completion begins at noise, draws all of it, and goes from no condition to another
    settings = ["evaluations"] if completed else list(engine_entry(provenance["engine"]).translation.model_fields)
    parts += ["--allow-translated"] if "made of" in provenance else []
    drawn = ("samples", "seed") if completed else ("samples", "redraw", "seed", "turns")
    said = as_written_earlier(provenance)
    for name in ("device", "precision", "tile", "overlap", *settings, *drawn):
        value = said.get(name)  # earlier versions had fewer
        parts += [] if value is None else [flag(name), ",".join(value) if isinstance(value, list | tuple) else value]
    return shlex.join(map(str, parts))
