"""Finding and measuring the objects of a plane, with a cache by content."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from importlib.metadata import PackageNotFoundError, version
from typing import TYPE_CHECKING

import numpy as np

from napari_phenotrans.core.digests import digest
from napari_phenotrans.phenotype.objects.catalog import Measurement
from napari_phenotrans.phenotype.objects.measure import MeasuredPlane, Scale, measure
from napari_phenotrans.phenotype.objects.segmentation import squares

if TYPE_CHECKING:
    from collections.abc import Callable

    from napari_phenotrans.features.cache import Cache
    from napari_phenotrans.phenotype.objects.segmentation import Finder

# Counts up when what is found or measured changes, so that nothing older is taken from the cache.
VERSION = 2


@dataclass(frozen=True, eq=False)
class Measuring:
    """How planes are measured: one way for all of a report.

    Parameters
    ----------
    channels
        Names, in the order of the planes.
    scale
        What pixels mean.
    finder, finder_name
        Finds objects, and what distinguishes it from others; where it is None objects are squares of ``crop`` pixels.
    object_channel
        Index of the channel that shows the objects.
    crop
        See there.
    cache
        Keeps what was measured.
    tick
        Called before every plane; raise in it to stop.
    """

    channels: tuple[str, ...]
    scale: Scale
    finder: Finder | None
    finder_name: str
    object_channel: int
    crop: int
    cache: Cache
    tick: Callable[[], None]

    def __call__(self, plane: np.ndarray, labels: np.ndarray | None = None) -> tuple[np.ndarray, MeasuredPlane]:
        """Return the objects (Y, X) of a plane (C, Y, X) and their values; ``labels`` where they are known."""
        self.tick()
        key = self._key(plane, labels)
        cached = self.cache.get(key)
        if cached is not None:
            return cached["objects"], _unpacked(cached)
        if labels is not None:
            objects = labels.astype(np.int32)
        elif self.finder is None:
            objects = squares(plane.shape[1], plane.shape[2], self.crop)
        else:
            objects = self.finder(plane[self.object_channel].astype(np.float32))
        measured = measure(plane, objects, self.channels, self.scale, crops=labels is None and self.finder is None)
        self.cache.put(key, _packed(measured) | {"objects": objects})
        return objects, measured

    def _key(self, plane: np.ndarray, labels: np.ndarray | None) -> str:
        try:
            library = version("cp_measure")
        except PackageNotFoundError:
            library = ""
        how = (VERSION, library, self.channels, self.scale, self.finder_name, self.object_channel, self.crop)
        return f"objects-{digest(repr(how), plane, *([] if labels is None else [labels]))}"


def _packed(measured: MeasuredPlane) -> dict[str, np.ndarray]:
    names = json.dumps([[asdict(m) for m in measurements] for measurements in (measured.columns, measured.field)])
    return {
        "labels": measured.labels,
        "centers": measured.centers,
        "values": measured.values,
        "field": np.array(list(measured.field.values())),
        "names": np.frombuffer(names.encode(), np.uint8),
    }


def _unpacked(cached: dict[str, np.ndarray]) -> MeasuredPlane:
    names = json.loads(cached["names"].tobytes().decode())
    columns, of_field = ([Measurement(**fields) for fields in measurements] for measurements in names)
    field = dict(zip(of_field, cached["field"].tolist(), strict=True))
    return MeasuredPlane(cached["labels"], cached["centers"], tuple(columns), cached["values"], field)
