"""Saving a comparison on the background thread: one folder of real, translated, difference and those of the check."""

from __future__ import annotations

import re
from collections import defaultdict
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_phenotrans.core.errors import InputError
from napari_phenotrans.core.kinds import (
    ABOVE_ERROR,
    AGREEMENT,
    DIFFERENCE,
    FILE_WORDS,
    REAL,
    ROUND_TRIP,
    SPREAD,
    TRANSLATED,
    TURNED,
    unit_word,
)
from napari_phenotrans.io.formats import FORMATS, refuse_dtype
from napari_phenotrans.translation.kept import kept_folder
from napari_phenotrans.translation.outputs import name_of
from napari_phenotrans.widgets.common.worker import Job
from napari_phenotrans.widgets.viewer.layer_info import path_of
from napari_phenotrans.widgets.viewer.layers import KEY, channel_name, info, look_of, role, to_image

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence
    from pathlib import Path

    from napari import Viewer
    from napari.layers import Image as ImageLayer

    from napari_phenotrans.core.image import Image
    from napari_phenotrans.widgets.common.worker import Engines
    from napari_phenotrans.widgets.viewer.channel_row import Row

#: What the user calls a format, and what it is called on the command line.
TITLES = {format_.title: key for key, format_ in FORMATS.items()}
# Kinds of layers that are saved, in this order.
KINDS = (REAL, TRANSLATED, DIFFERENCE, ROUND_TRIP, ABOVE_ERROR, TURNED, AGREEMENT, SPREAD)


@dataclass(frozen=True, eq=False)
class SavedLayer:
    """One of the images to save: its kind, its pixels, what is written beside them, and its layers' looks."""

    kind: str
    image: Image
    provenance: dict[str, Any]
    looks: tuple[dict[str, Any], ...] = ()


@dataclass(frozen=True)
class Saving:
    """How much is written, from 0 to 1."""

    share: float


@dataclass(frozen=True)
class Saved:
    """All is written; ``paths`` by kind, in ``folder``."""

    folder: Path
    paths: dict[str, Path]


def layers_to_save(viewer: Viewer, rows: Sequence[Row]) -> list[SavedLayer]:
    """Gather the layers to save of some rows; only to be used on the main thread.

    Parameters
    ----------
    viewer
        Where the layers are; also the round-trip error and the like are looked for there.
    rows
        One row per channel.

    Returns
    -------
    Parts whose pixels stay where they are until they are written.

    Raises
    ------
    InputError
        If layers of one kind do not belong together.
    """
    layers: dict[str | None, list[ImageLayer]] = defaultdict(list)
    for row in rows:
        if not info(row.real).get("absent"):
            layers[REAL].append(row.real)
        for layer in viewer.layers:
            if info(layer).get("of") == str(row.real.unique_id):
                layers[role(layer)].append(layer)
    made = {name: value for name, value in info(rows[0].translated).get("provenance", {}).items() if name != "channel"}
    parts = []
    for kind in (kind for kind in KINDS if layers[kind]):
        image = to_image(layers[kind], [channel_name(layer) for layer in layers[kind]])
        if kind == REAL:
            known = ("by", "real", "reading", "source")
            provenance = {"kind": REAL} | {name: made[name] for name in known if name in made}
            provenance |= image.provenance
        else:
            about = info(layers[kind][0])
            provenance = made | {name: about[name] for name in ("checked", "factor", "sample") if name in about}
            provenance |= {"kind": kind, "unit": unit_word(np.dtype(rows[0].real.dtype))}
        parts.append(SavedLayer(kind, image, provenance, tuple(look_of(layer) for layer in layers[kind])))
    return parts


def names_for(parts: Sequence[SavedLayer], suffix: str) -> dict[str, str]:
    """Return what the file of each kind is called: ``<image>_real.ome.tif`` and so on."""
    return {part.kind: f"{_stem(parts[0])}_{FILE_WORDS[part.kind]}{suffix}" for part in parts}


def _stem(real: SavedLayer) -> str:
    path = real.image.path
    # characters that some system forbids in names of files
    stem = name_of(path) if path else re.sub(r'[\\/:*?"<>|\s]+', "_", real.image.channels[0])
    # what is kept once more is called as it was
    return stem.removesuffix(f"_{FILE_WORDS[REAL]}")


class Save(Job):
    """Keep a comparison as one folder, which appears when it is complete.

    Parameters
    ----------
    parts
        What to write, see `layers_to_save`.
    parent
        Where the folder comes.
    format
        One of `napari_phenotrans.io.FORMATS`.
    overwrite
        Whether a folder that exists may be replaced; otherwise nothing is written where one does.
    rows
        The rows, for the main thread; nothing here touches them.
    shown
        What was shown, as of `napari_phenotrans.translation.kept.Kept`.

    Raises
    ------
    InputError
        If the format cannot hold the pixels.
    """

    def __init__(
        self,
        parts: Sequence[SavedLayer],
        parent: Path,
        format: str,
        overwrite: bool = False,
        *,
        rows: tuple[Row, ...] = (),
        shown: Mapping[str, Any] | None = None,
    ) -> None:
        super().__init__()
        self.parts, self.format = tuple(parts), format
        for part in self.parts:
            refuse_dtype(part.image.dtype, format)
        self.names = names_for(parts, FORMATS[format].suffix)
        target = next((str(part.provenance["target"]) for part in parts if part.provenance.get("target")), "")
        self.folder = kept_folder(parent, _stem(parts[0]), target)
        self.overwrite, self.rows = overwrite, rows
        self.shown = dict(shown or {}) | {"layers": {part.kind: list(part.looks) for part in parts if part.looks}}

    @property
    def existing(self) -> list[Path]:
        """What would be replaced."""
        return [self.folder] if self.folder.exists() else []

    def events(self, engines: Engines, tick: Callable[[], None]) -> Iterator[Saving | Saved]:
        from napari_phenotrans.io import write
        from napari_phenotrans.translation.kept import keep

        if self.existing and not self.overwrite:
            raise InputError(
                f"{self.folder.parent} holds {self.folder.name} already. Nothing was saved: choose another folder."
            )
        parts = {part.kind: part for part in self.parts}

        def write_image(kind: str, file: Path) -> None:
            image = parts[kind].image.replace(pixels=_Ticking(parts[kind].image.pixels, tick))
            write(image, file, format=self.format, metadata=parts[kind].provenance)

        written = keep(self.folder, self.names, self.shown, write_image, overwrite=self.overwrite)
        for number, _ in enumerate(written, start=1):
            yield Saving(number / len(self.parts))
        yield Saved(self.folder, {kind: self.folder / name for kind, name in self.names.items()})


def note_saved(rows: Sequence[Row], saved: Saved) -> None:
    """Tell layers that came from no file where they are now, so that a command can be made of them."""
    path = saved.paths[REAL]
    for row in rows:
        if path_of(row.real) is not None:
            continue
        row.real.metadata[KEY] = info(row.real) | {"path": str(path)}
        for layer in (row.translated, row.difference):
            provenance = info(layer).get("provenance", {}) | {"real": str(path)}
            layer.metadata[KEY] = info(layer) | {"provenance": provenance}


def translated_parts(provenance: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Return provenances of translations that together make a layer again, one command each.

    Parameters
    ----------
    provenance
        The layer's, with the ``planes`` and ``regions`` that it has come to hold.
    """
    zs: dict[tuple[int, ...], dict[int, set[int]]] = defaultdict(lambda: defaultdict(set))
    for t, z, *region in (*provenance.get("planes", ()), *provenance.get("regions", ())):
        zs[tuple(region)][t].add(z)
    if not zs:
        return [dict(provenance)]
    parts = []
    for region, by_t in zs.items():
        # one command translates all those of some T with some Z
        ts: dict[tuple[int, ...], list[int]] = defaultdict(list)
        for t in sorted(by_t):
            ts[tuple(sorted(by_t[t]))].append(t)
        for depths, times in ts.items():
            whole = not region and "partial" not in provenance
            positions = None if whole else [[t, z] for t in times for z in depths]
            parts.append({**provenance, "region": list(region) or None, "positions": positions})
    return parts


class _Ticking:
    """Pixels that ask before every reading whether to go on."""

    def __init__(self, pixels: Any, tick: Callable[[], None]) -> None:
        self._pixels, self._tick = pixels, tick
        self.shape, self.dtype = pixels.shape, pixels.dtype

    def __getitem__(self, index: Any) -> np.ndarray:
        self._tick()
        return self._pixels[index]
