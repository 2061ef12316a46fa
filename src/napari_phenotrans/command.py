"""The command that makes a translation again."""

from __future__ import annotations

import shlex
from typing import TYPE_CHECKING, Any

from napari_phenotrans.checkpoint import bundled
from napari_phenotrans.engines import engine_entry
from napari_phenotrans.errors import InputError
from napari_phenotrans.settings import flag

if TYPE_CHECKING:
    from collections.abc import Mapping


def translate_command(provenance: Mapping[str, Any], out: str = "translated") -> str:
    """Return the line for a shell that translates the same pixels to the same result.

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
    parts = ["phenotrans", "translate", provenance["real"], "--checkpoint", checkpoint]
    parts += ["--source", provenance["source"], "--target", provenance["target"], "--out", out]
    for mine, theirs in provenance["channels"].items():
        parts += ["--channel", f"{mine}={theirs}"]
    for name, said in provenance["reading"].items():
        parts += ["--join"] if said is True else ["--pattern" if name == "join" else flag(name), said]
    if provenance["positions"] is not None:
        places = {(int(t), int(z)) for t, z in provenance["positions"]}
        ts, zs = (sorted(set(axis)) for axis in zip(*places, strict=True))
        if len(ts) * len(zs) != len(places):
            raise InputError(
                f"There is no single command for these {len(places)} planes: expected each of the T {ts} with each of "
                f"the Z {zs}. Translate them one after the other."
            )
        parts += [part for t in ts for part in ("--t", t)] + [part for z in zs for part in ("--z", z)]
    if provenance["region"] is not None:
        parts += ["--region", *provenance["region"]]
    told = engine_entry(provenance["engine"]).translation.model_fields
    for name in ("device", "precision", "tile", "overlap", *told):
        parts += [] if provenance[name] is None else [flag(name), provenance[name]]
    return shlex.join(map(str, parts))
