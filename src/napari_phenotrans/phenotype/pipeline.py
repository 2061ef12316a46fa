"""Reading, translating and measuring: from fields and a checkpoint to tables."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_phenotrans.checkpoints.matching import match_channels
from napari_phenotrans.core.errors import InputError
from napari_phenotrans.core.events import Notice, Progressed
from napari_phenotrans.core.resample import SAME, labels_to_size, rescaled_size, to_size
from napari_phenotrans.phenotype.objects.pairs import Match, Pairs, match
from napari_phenotrans.phenotype.objects.tables import Place, Table
from napari_phenotrans.translation.events import PlaneDone
from napari_phenotrans.translation.request import TranslationRequest

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterator, Mapping
    from pathlib import Path

    from napari_phenotrans.core.image import Image
    from napari_phenotrans.dataset.dataset import Field
    from napari_phenotrans.phenotype.objects.measure import MeasuredPlane
    from napari_phenotrans.phenotype.objects.measure_cached import Measuring
    from napari_phenotrans.phenotype.request import Known
    from napari_phenotrans.phenotype.selection import Subject
    from napari_phenotrans.phenotype.statistics.effects import Role
    from napari_phenotrans.translation.translator import Translator

# Objects are counted up to the largest number: more would take more memory than images do.
MOST_OBJECTS = 10**7


@dataclass(frozen=True, eq=False)
class Optics:
    """How planes are read and translated: the translator's channels, at one pixel size.

    Parameters
    ----------
    translator
        Its card says which channels, in which order.
    channels
        The images' name for a channel of the card where they differ.
    pixel_size_um
        What all planes are resampled to; None where files do not say theirs.
    how
        What the engine is told.
    labels
        Known objects of a real plane, which are its translation's, too; None where they are to be found.
    """

    translator: Translator
    channels: Mapping[str, str]
    pixel_size_um: float | None
    how: Mapping[str, Any]
    labels: Known | None

    def planes(self, image: Image) -> Iterator[tuple[int, int, np.ndarray]]:
        """Yield (t, z, plane) of all positions, (C, Y, X)."""
        indices, _ = match_channels(image, self.translator.card, self.channels)
        for t, z in image.positions():
            plane = image.plane(t, z)[indices]
            if not np.isfinite(plane).all():
                raise InputError(f"{image.path} holds values that are not finite at t={t}, z={z}. Take it out.")
            yield t, z, self.resampled(plane, image)

    def request(self, source: str, target: str, t: int, z: int) -> TranslationRequest:
        """Return what is asked of the translator for one plane."""
        return TranslationRequest(source, target, self.channels, [(t, z)], how=self.how)

    def translated(
        self, image: Image, request: TranslationRequest, tick: Callable[[], None]
    ) -> tuple[np.ndarray, list[str]]:
        """Translate one plane; returns (C, Y, X) as `planes` has it, and what the user should know."""
        notices = []
        for event in self.translator.translate(image, request, tick=tick):
            if isinstance(event, Notice):
                notices.append(event.text)
            elif isinstance(event, PlaneDone):
                return self.resampled(event.translated, image), notices
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

    def objects(self, field: Field, image: Image, t: int, z: int) -> np.ndarray | None:
        """Return the known objects (Y, X) of a plane as `planes` has it, int32; None where they are to be found.

        Raises
        ------
        InputError
            If they are not of the plane's size, or are not numbered as objects are.
        """
        known = self.labels(field, t, z) if self.labels else None
        if known is None:
            return None
        own, size = (image.sizes["Y"], image.sizes["X"]), self.size(image)
        if known.shape not in (own, size):
            measured = f", and is measured at {_by(size)}" if size != own else ""
            raise InputError(
                f"The objects of {field.name} are given in {_by(known.shape)} pixels, but the field has {_by(own)}"
                f"{measured}. Label this very field, in its own pixels."
            )
        if known.min() < 0 or known.max() > MOST_OBJECTS:
            raise InputError(
                f"The objects of {field.name} have numbers from {known.min()} to {known.max()}: expected 0 for "
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
    subject: Subject,
    conditions: tuple[str, str],
    optics: Optics,
    measuring: Measuring,
    pictures: Path,
    prefix: str = "",
) -> Generator[Progressed | Notice, None, Gathered]:
    """Read and measure all real fields, and translate and measure those that are to be.

    Parameters
    ----------
    subject
        The fields; those that are translated are so from source to target and to source, from target to target.
    conditions
        Source and target, as the checkpoint names them.
    optics, measuring
        How planes are read, translated and measured.
    pictures
        Folder for planes that are needed later, as files.
    prefix
        Put before what is being done, and before the names of those files.
    """
    gathering = _Gathering(subject, dict(zip(("source", "target"), conditions, strict=True)), optics, measuring)
    total = sum(map(len, subject.fields.values()))
    done = 0
    roles: tuple[Role, ...] = ("source", "target")
    for role in roles:
        for field in subject.fields[role]:
            yield Progressed(f"{prefix}{field.name}", done, total)
            yield from gathering.add(role, field, pictures, prefix)
            done += 1
    yield Progressed(f"{prefix}measured", total, total)
    return gathering.result()


class _Gathering:
    """What was measured so far; parameters as of `gather`, conditions by role."""

    def __init__(self, subject: Subject, conditions: Mapping[str, str], optics: Optics, measuring: Measuring) -> None:
        self._subject, self._conditions, self._optics, self._measuring = subject, conditions, optics, measuring
        self._measured: dict[Role, list[tuple[Place, MeasuredPlane]]] = defaultdict(list)
        self._matches: list[Match] = []
        self._pictures: dict[Place, tuple[Path, Path]] = {}
        self._noticed: set[str] = set()

    def add(self, role: Role, field: Field, pictures: Path, prefix: str) -> Iterator[Notice]:
        """Measure a real field, and its translations where it is translated."""
        optics, measuring = self._optics, self._measuring
        own, target = self._conditions[role], self._conditions["target"]
        again: Role = "source again" if role == "source" else "target again"
        image = field.image()
        for t, z, plane in optics.planes(image):
            labels = optics.objects(field, image, t, z)
            place = Place(field.name, field.group, t, z, self._subject.was_seen(field), plane[0].size)
            objects, values = measuring(plane, labels)
            self._measured[role].append((place, values))
            if not self._subject.is_translated(field):
                continue

            # ---- what the engine changes where it should change nothing
            same, _ = optics.translated(image, optics.request(own, own, t, z), measuring.tick)
            self._measured[again].append((place, measuring(same, labels)[1]))
            if role == "target":
                continue

            # ---- source → target
            translated, notices = optics.translated(image, optics.request(own, target, t, z), measuring.tick)
            for notice in notices:
                if notice not in self._noticed:
                    self._noticed.add(notice)
                    yield Notice(notice)
            objects_after, values = measuring(translated, labels)
            self._measured["translated"].append((place, values))
            self._matches.append(match(objects, objects_after))
            number = len(self._pictures)
            real_file, translated_file = (pictures / f"{prefix}{number}-{n}.npy" for n in ("real", "translated"))
            np.save(real_file, plane)
            np.save(translated_file, translated)
            self._pictures[place] = real_file, translated_file

    def result(self) -> Gathered:
        """Return all of it.

        Raises
        ------
        InputError
            If no object was found anywhere.
        """
        columns = max((values.columns for planes in self._measured.values() for _, values in planes), key=len)
        if not columns:
            raise InputError(
                "No objects were found in any field, real or translated. Look at the channel that objects are found "
                "in, say --diameter, or measure whole crops (--objects none)."
            )
        tables = {role: Table.of(planes, columns) for role, planes in self._measured.items()}
        return Gathered(tables, Pairs.of(tables["source"], tables["translated"], self._matches), self._pictures)


def _by(shape: tuple[int, ...]) -> str:
    return " × ".join(map(str, shape))
