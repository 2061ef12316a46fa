"""Reading, translating and measuring: from fields and a checkpoint to tables."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_phenotrans.checkpoints.matching import match_channels
from napari_phenotrans.core.errors import InputError
from napari_phenotrans.core.events import Notice, Progressed
from napari_phenotrans.core.resample import SAME, labels_to_size, rescaled_size, to_size
from napari_phenotrans.dataset.dataset import Field
from napari_phenotrans.io import read
from napari_phenotrans.phenotype.objects.pairs import Match, Pairs, match
from napari_phenotrans.phenotype.objects.tables import Place, Table
from napari_phenotrans.translation.events import PlaneDone

if TYPE_CHECKING:
    from collections.abc import Generator, Iterator, Mapping, Sequence
    from pathlib import Path

    from napari_phenotrans.core.image import Image
    from napari_phenotrans.phenotype.objects.measure import MeasuredPlane
    from napari_phenotrans.phenotype.objects.measure_cached import Measuring
    from napari_phenotrans.phenotype.statistics.effects import Role
    from napari_phenotrans.translation.translate import Translator


# Objects are counted up to the largest number: more would take more memory than images do.
MOST_OBJECTS = 10**7

Known = Callable[[Field, int, int], np.ndarray | None]
"""Known objects (Y, X) of a real field at (t, z), in the file's own pixels; None where they are to be found."""


@dataclass(frozen=True, eq=False)
class Optics:
    """How planes are read: the translator's channels, at one pixel size.

    Parameters
    ----------
    translator
        Its card says which channels, in which order.
    channels
        The images' name for a channel of the card where they differ.
    pixel_size_um
        What all planes are resampled to; None where files do not say theirs.
    """

    translator: Translator
    channels: Mapping[str, str]
    pixel_size_um: float | None

    def planes(self, image: Image) -> Iterator[tuple[int, int, np.ndarray]]:
        """Yield (t, z, plane) of all positions, (C, Y, X)."""
        indices, _ = match_channels(image, self.translator.card, self.channels)
        for t, z in image.positions():
            plane = image.plane(t=t if "T" in image.axes else None, z=z if "Z" in image.axes else None)[indices]
            if not np.isfinite(plane).all():
                raise InputError(f"{image.path} holds values that are not finite at t={t}, z={z}. Take it out.")
            yield t, z, self.resampled(plane, image)

    def translated(
        self, image: Image, source: str, target: str, t: int, z: int, tick: Callable[[], None], how: Mapping[str, Any]
    ) -> tuple[np.ndarray, list[str]]:
        """Translate one position; returns (C, Y, X) as `planes` has it, and what was said."""
        said = []
        for event in self.translator.translate(
            image, source=source, target=target, channels=self.channels, positions=[(t, z)], how=how, tick=tick
        ):
            if isinstance(event, Notice):
                said.append(event.text)
            elif isinstance(event, PlaneDone):
                return self.resampled(event.translated, image), said
        raise AssertionError("a translation ends with its plane")

    def resampled(self, plane: np.ndarray, image: Image) -> np.ndarray:
        """Return a plane (C, Y, X) of an image at the common pixel size."""
        size = self.size(image)
        return plane if plane.shape[1:] == size else to_size(plane, *size)

    def size(self, image: Image) -> tuple[int, int]:
        """Return height and width of an image's planes at the common pixel size."""
        own = image.sizes["Y"], image.sizes["X"]
        if not (image.pixel_size_um and self.pixel_size_um):
            return own
        ratio = image.pixel_size_um / self.pixel_size_um
        return own if abs(ratio - 1) <= SAME else rescaled_size(*own, ratio)

    def objects(self, known: np.ndarray | None, one: Field, image: Image) -> np.ndarray | None:
        """Return the known objects (Y, X) of a plane as `planes` has it, int32.

        Raises
        ------
        InputError
            If they are not of the plane's size, or are not numbered as objects are.
        """
        if known is None:
            return None
        own, size = (image.sizes["Y"], image.sizes["X"]), self.size(image)
        if known.shape not in (own, size):
            measured = f", and is measured at {_by(size)}" if size != own else ""
            raise InputError(
                f"The objects of {one.name} are given in {_by(known.shape)} pixels, but the field has {_by(own)}"
                f"{measured}. Label this very field, in its own pixels."
            )
        if known.min() < 0 or known.max() > MOST_OBJECTS:
            raise InputError(
                f"The objects of {one.name} have numbers from {known.min()} to {known.max()}: expected 0 for "
                f"background, and 1 to {MOST_OBJECTS} at most. Number them anew."
            )
        return (known if known.shape == size else labels_to_size(known, *size)).astype(np.int32)


@dataclass(frozen=True, eq=False)
class Gathered:
    """What was measured.

    Parameters
    ----------
    tables
        By role; translated, source again and target again only of the groups that were translated.
    pairs
        Same objects before and after.
    pictures
        Per place of the translated table the files of real and translated plane, (C, Y, X) each.
    """

    tables: dict[Role, Table]
    pairs: Pairs
    pictures: dict[Place, tuple[Path, Path]]


def gather(
    fields: Mapping[Role, Sequence[Field]],
    conditions: tuple[str, str],
    translated: Callable[[Field], bool],
    seen: Callable[[Field], bool | None],
    optics: Optics,
    measuring: Measuring,
    *,
    labels: Known,
    pictures: Path,
    how: Mapping[str, Any],
    what: str = "",
) -> Generator[Progressed | Notice, None, Gathered]:
    """Read and measure all real fields, and translate and measure those that are to be.

    Parameters
    ----------
    fields
        Of the roles source and target.
    conditions
        Source and target, as the checkpoint names them.
    translated
        Which fields to translate: source to target and to source, target to target.
    seen
        Whether training saw a field; None where that is not known.
    optics, measuring
        How planes are read and measured.
    labels
        Known objects of a real plane; None where they are to be found. They are its translation's objects, too.
    pictures
        Folder for planes that are needed later, as files.
    how
        What the engine is told.
    what
        Put before what is being done.
    """
    source, target = conditions
    total = sum(len(some) for some in fields.values())
    found: dict[Role, list[tuple[Place, MeasuredPlane]]] = defaultdict(list)
    matches: list[Match] = []
    kept: dict[Place, tuple[Path, Path]] = {}
    said: dict[str, None] = {}
    done = 0
    for role in ("source", "target"):
        for one in fields[role]:
            yield Progressed(f"{what}{one.name}", done, total)
            image = read(one.path)
            for t, z, plane in optics.planes(image):
                known = optics.objects(labels(one, t, z), one, image)
                place = Place(one.name, one.group, t, z, seen(one), plane[0].size)
                objects, values = measuring(plane, known)
                found[role].append((place, values))
                if not translated(one):
                    continue
                again, _ = optics.translated(
                    image, *((source, source) if role == "source" else (target, target)), t, z, measuring.tick, how
                )
                found["source again" if role == "source" else "target again"].append(
                    (place, measuring(again, known)[1])
                )
                if role == "source":
                    made, notices = optics.translated(image, source, target, t, z, measuring.tick, how)
                    for notice in notices:
                        if notice not in said:
                            said[notice] = None
                            yield Notice(notice)
                    objects_after, values = measuring(made, known)
                    found["translated"].append((place, values))
                    matches.append(match(objects, objects_after))
                    files = tuple(pictures / f"{what}{len(kept)}-{name}.npy" for name in ("real", "translated"))
                    for file, pixels in zip(files, (plane, made), strict=True):
                        np.save(file, pixels)
                    kept[place] = (files[0], files[1])
            done += 1
    yield Progressed(f"{what}measured", total, total)

    columns = max((values.columns for some in found.values() for _, values in some), key=len)
    if not columns:
        raise InputError(
            "No objects were found in any field, real or translated. Look at the channel that objects are found in, "
            "say --diameter, or measure whole crops (--objects none)."
        )
    tables = {role: Table.of(some, columns) for role, some in found.items()}
    return Gathered(tables, Pairs.of(tables["source"], tables["translated"], matches), kept)


def _by(shape: tuple[int, ...]) -> str:
    return " × ".join(map(str, shape))
