"""Reading, translating and measuring: from fields and a checkpoint to tables."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_phenotrans.errors import InputError
from napari_phenotrans.events import Notice, PlaneDone, Progressed
from napari_phenotrans.io import read
from napari_phenotrans.matching import match_channels
from napari_phenotrans.phenotype.pairs import Match, Pairs, match
from napari_phenotrans.phenotype.tables import Place, Table
from napari_phenotrans.resample import SAME, rescaled_size, to_size

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
    from pathlib import Path

    from napari_phenotrans.dataset import Field
    from napari_phenotrans.image import Image
    from napari_phenotrans.phenotype.effects import Role
    from napari_phenotrans.phenotype.measurements import MeasuredPlane
    from napari_phenotrans.phenotype.measuring import Measuring
    from napari_phenotrans.translation import Translator


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
        if not (image.pixel_size_um and self.pixel_size_um):
            return plane
        ratio = image.pixel_size_um / self.pixel_size_um
        return (
            plane if abs(ratio - 1) <= SAME else to_size(plane, *rescaled_size(plane.shape[1], plane.shape[2], ratio))
        )


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
    labels: Callable[[Field, int, int], np.ndarray | None],
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
                known = labels(one, t, z)
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
