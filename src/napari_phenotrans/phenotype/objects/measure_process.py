"""The process that finds and measures objects: planes come in, values go out, as `measure_pool` asks for them."""

from __future__ import annotations

import json
import os
import sys
from contextlib import suppress
from dataclasses import asdict, dataclass
from io import BytesIO
from typing import Any

import numpy as np

from napari_phenotrans.core.errors import InputError
from napari_phenotrans.phenotype.objects.catalog import Measurement
from napari_phenotrans.phenotype.objects.measure import MeasuredPlane, Scale, measure
from napari_phenotrans.phenotype.objects.segmentation import ObjectAppearance, scikit_image_finder, squares
from napari_phenotrans.phenotype.objects.segmenter_process import receive, send

# How much less of the processor it asks for than the engine that translates beside it (Linux' "nice").
NICENESS = 5


@dataclass(frozen=True)
class Way:
    """How planes are measured: one way for all of a report.

    Parameters
    ----------
    channels
        Names, in the order of the planes.
    scale
        What pixels mean.
    object_channel
        Index of the channel that shows the objects.
    look
        What objects look like that scikit-image finds; None where they are given, or there are none to find.
    crop
        Side in pixels of the squares that are measured where no objects are given or found.
    """

    channels: tuple[str, ...]
    scale: Scale
    object_channel: int
    look: ObjectAppearance | None
    crop: int

    def __call__(self, plane: np.ndarray, labels: np.ndarray | None) -> tuple[np.ndarray, MeasuredPlane]:
        """Return the objects (Y, X) of a plane (C, Y, X), int32, and their values; ``labels`` where they are given."""
        if labels is not None:
            objects = labels.astype(np.int32)
        elif self.look is not None:
            objects = scikit_image_finder(self.look)(plane[self.object_channel].astype(np.float32))
        else:
            objects = squares(plane.shape[1], plane.shape[2], self.crop)
        crops = labels is None and self.look is None
        return objects, measure(plane, objects, self.channels, self.scale, crops=crops)

    def as_json(self) -> str:
        """Return what `from_json` reads."""
        return json.dumps(asdict(self))

    @classmethod
    def from_json(cls, text: str) -> Way:
        """Read what `as_json` returned."""
        said: dict[str, Any] = json.loads(text)
        scale = Scale(**said["scale"] | {limit: tuple(said["scale"][limit]) for limit in ("low", "high")})
        look = said["look"] and ObjectAppearance(**said["look"])
        return cls(tuple(said["channels"]), scale, said["object_channel"], look, said["crop"])


# ---- values as arrays, for the cache and for a pipe


def packed(objects: np.ndarray, measured: MeasuredPlane) -> dict[str, np.ndarray]:
    """Return objects and values as arrays by name."""
    names = json.dumps([[asdict(m) for m in measurements] for measurements in (measured.columns, measured.field)])
    return {
        "objects": objects,
        "labels": measured.labels,
        "centers": measured.centers,
        "values": measured.values,
        "field": np.array(list(measured.field.values())),
        "names": np.frombuffer(names.encode(), np.uint8),
    }


def unpacked(arrays: dict[str, np.ndarray]) -> tuple[np.ndarray, MeasuredPlane]:
    """Return what `packed` was given."""
    names = json.loads(arrays["names"].tobytes().decode())
    columns, of_field = ([Measurement(**fields) for fields in measurements] for measurements in names)
    field = dict(zip(of_field, arrays["field"].tolist(), strict=True))
    measured = MeasuredPlane(arrays["labels"], arrays["centers"], tuple(columns), arrays["values"], field)
    return arrays["objects"], measured


def to_bytes(arrays: dict[str, np.ndarray]) -> np.ndarray:
    """Return arrays by name as one of bytes."""
    buffer = BytesIO()
    arguments: dict[str, Any] = dict(arrays)
    np.savez(buffer, **arguments)
    return np.frombuffer(buffer.getbuffer(), np.uint8)


def from_bytes(content: np.ndarray) -> dict[str, np.ndarray]:
    """Return the arrays that `to_bytes` was given."""
    with np.load(BytesIO(content.tobytes()), allow_pickle=False) as arrays:
        return dict(arrays)


def main() -> None:
    """Answer every plane with its objects and their values, or with a sentence, until no more come."""
    way = Way.from_json(sys.argv[1])
    # what libraries print must not get between the answers
    answers = os.fdopen(os.dup(sys.stdout.fileno()), "wb")
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())
    if sys.platform != "win32":
        with suppress(OSError):
            os.nice(NICENESS)
    while (content := receive(sys.stdin.buffer)) is not None:
        arrays = from_bytes(content)
        try:
            send(answers, to_bytes(packed(*way(arrays["plane"], arrays.get("labels")))))
        except InputError as error:
            send(answers, np.array(str(error)))


if __name__ == "__main__":
    main()
