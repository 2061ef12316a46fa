"""Saving layers as files on the background thread: real, translated, difference and those of the check."""

from __future__ import annotations

import re
from collections import defaultdict
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from napari_phenotrans.core.errors import InputError
from napari_phenotrans.translation.outputs import name_of
from napari_phenotrans.widgets.common.worker import Job
from napari_phenotrans.widgets.viewer.layer_info import path_of
from napari_phenotrans.widgets.viewer.layers import (
    BELIEVED,
    DIFFERENCE,
    KEY,
    REAL,
    ROUND_TRIP,
    SPREAD,
    TRANSLATED,
    channel_name,
    info,
    role,
    to_image,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence
    from pathlib import Path

    import numpy as np
    from napari import Viewer
    from napari.layers import Image as ImageLayer

    from napari_phenotrans.core.image import Image
    from napari_phenotrans.widgets.common.worker import Engines
    from napari_phenotrans.widgets.viewer.channel_row import Row

#: What the user calls a format, and the suffix of its files.
FORMATS = {"OME-TIFF": ".ome.tif", "OME-Zarr": ".ome.zarr"}
# What files are called, in the order in which they are written.
KINDS = {
    REAL: "real",
    TRANSLATED: "translated",
    DIFFERENCE: "difference",
    ROUND_TRIP: "round_trip",
    BELIEVED: "believed",
    SPREAD: "samples-spread",
}


@dataclass(frozen=True, eq=False)
class SavedLayer:
    """One of the images to save: which (a value of `KINDS`), its pixels, and what is written beside them."""

    kind: str
    image: Image
    provenance: dict[str, Any]


@dataclass(frozen=True)
class Saving:
    """How much is written, from 0 to 1."""

    share: float


@dataclass(frozen=True)
class Saved:
    """All is written; ``paths`` by kind."""

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
            provenance = {"translated": False} | {name: made[name] for name in known if name in made}
        else:
            about = info(layers[kind][0])
            provenance = made | {name: about[name] for name in ("checked", "factor", "sample") if name in about}
        parts.append(SavedLayer(KINDS[kind], image, provenance | {"role": kind}))
    return parts


def paths_for(parts: Sequence[SavedLayer], folder: Path, suffix: str) -> dict[str, Path]:
    """Return where each kind goes: ``<image>_real.ome.tif`` and so on."""
    path = parts[0].image.path
    # characters that some system forbids in names of files
    stem = name_of(path) if path else re.sub(r'[\\/:*?"<>|\s]+', "_", parts[0].image.channels[0])
    return {part.kind: folder / f"{stem}_{part.kind}{suffix}" for part in parts}


class Save(Job):
    """Write parts to files, each of which appears when it is complete.

    Parameters
    ----------
    parts
        What to write, see `layers_to_save`.
    folder
        Where to.
    suffix
        One of `FORMATS`.
    overwrite
        Whether files that exist may be replaced; otherwise nothing is written where one does.
    rows
        The rows, for the main thread; nothing here touches them.
    """

    def __init__(
        self,
        parts: Sequence[SavedLayer],
        folder: Path,
        suffix: str,
        overwrite: bool = False,
        rows: tuple[Row, ...] = (),
    ) -> None:
        super().__init__()
        self.parts, self.paths = tuple(parts), paths_for(parts, folder, suffix)
        self.overwrite, self.rows = overwrite, rows

    @property
    def existing(self) -> list[Path]:
        """The files that would be replaced."""
        return [path for path in self.paths.values() if path.exists()]

    def events(self, engines: Engines, tick: Callable[[], None]) -> Iterator[Saving | Saved]:
        from napari_phenotrans.io import write

        if self.existing and not self.overwrite:
            names = ", ".join(path.name for path in self.existing)
            raise InputError(
                f"{self.existing[0].parent} holds {names} already. Nothing was saved: choose another folder."
            )
        for number, part in enumerate(self.parts, start=1):
            image = part.image.replace(pixels=_Ticking(part.image.pixels, tick))
            write(image, self.paths[part.kind], overwrite=self.overwrite, metadata=part.provenance)
            yield Saving(number / len(self.parts))
        yield Saved(self.paths)


def note_saved(rows: Sequence[Row], saved: Saved) -> None:
    """Tell layers that came from no file where they are now, so that a command can be made of them."""
    path = saved.paths[KINDS[REAL]]
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
