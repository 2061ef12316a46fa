"""Reading, translating and measuring: from fields and a checkpoint to tables."""

from __future__ import annotations

from collections import defaultdict, deque
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
    from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
    from concurrent.futures import Future
    from pathlib import Path

    from napari_phenotrans.core.image import Image
    from napari_phenotrans.dataset.dataset import Field
    from napari_phenotrans.phenotype.objects.measure import MeasuredPlane
    from napari_phenotrans.phenotype.objects.measure_cached import Measuring
    from napari_phenotrans.phenotype.request import Known
    from napari_phenotrans.phenotype.result import FirstLook
    from napari_phenotrans.phenotype.selection import Subject
    from napari_phenotrans.phenotype.statistics.effects import Role
    from napari_phenotrans.translation.translator import Translator

# Objects are counted up to the largest number: more would take more memory than images do.
MOST_OBJECTS = 10**7
# Fields of each condition for a first look, and from how many of both together on there is one.
FIRST_OF_EACH, WORTH_A_LOOK = 2, 10
MEASURING = "translating and measuring fields"  # in words, for whoever waits


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
    look: Callable[[Gathered, int, int], FirstLook | None] | None = None,
) -> Generator[Progressed | Notice | FirstLook, None, Gathered]:
    """Read and measure all real fields, and translate and measure those that are to be.

    Objects are measured in other processes while the engine translates what comes next.

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
    look
        Makes a first look of a few fields of each condition: of what was measured of them, their number, and that of
        all. They come first then, where there are many.
    """
    gathering = _Gathering(subject, dict(zip(("source", "target"), conditions, strict=True)), optics, measuring)
    first, rest = _first_fields(subject, WORTH_A_LOOK if look else None)
    total = len(first) + len(rest)
    what = f"{prefix}{MEASURING}"

    def settle(most: int) -> Iterator[Progressed | FirstLook]:
        """Take in what is measured; wait until at most so many fields are not."""
        for done in gathering.settle(most):
            yield Progressed(what, done, total)
            found = gathering.result_of(first) if done == len(first) else None
            if look and found is not None and (looked := look(found, done, total)) is not None:
                yield looked

    yield Progressed(what, 0, total)
    for role, field in [*first, *rest]:
        yield from gathering.add(role, field, pictures, prefix)
        yield from settle(total)
    yield from settle(0)
    return gathering.result()


def _first_fields(subject: Subject, least: int | None) -> tuple[list[tuple[Role, Field]], list[tuple[Role, Field]]]:
    """Return the fields for a first look, and the others; there is none of fewer fields than ``least``, or for None."""
    roles: tuple[Role, ...] = ("source", "target")
    every: list[tuple[Role, Field]] = [(role, field) for role in roles for field in subject.fields[role]]
    translated = {role: [f for f in subject.fields[role] if subject.is_translated(f)] for role in roles}
    if least is None or len(every) < least or not all(translated.values()):
        return [], every
    first: list[tuple[Role, Field]] = []
    for role, fields in translated.items():
        places = dict.fromkeys(np.linspace(0, len(fields) - 1, FIRST_OF_EACH).astype(int).tolist())
        first += [(role, fields[place]) for place in places]
    return first, [each for each in every if each not in first]


class _Plane:
    """A real plane that is being measured, or has been, and what was made of it.

    Attributes
    ----------
    place
        Which plane.
    waiting
        By role what was started.
    values, match
        By role what came of it; and how real and translated objects match, where the plane was translated.
    pictures
        The files of real and translated plane.
    """

    def __init__(self, place: Place) -> None:
        self.place = place
        self.waiting: dict[Role, Future[dict[str, np.ndarray]]] = {}
        self.values: dict[Role, MeasuredPlane] = {}
        self.match: Match | None = None
        self.pictures: tuple[Path, Path] | None = None

    def take_in(self, measuring: Measuring) -> None:
        """Wait for what was started, and keep its values; of the objects' outlines only how they match."""
        objects = {}
        for role, future in self.waiting.items():
            objects[role], self.values[role] = measuring.result(future)
        self.waiting = {}
        if "translated" in objects:
            self.match = match(objects["source"], objects["translated"])


class _Gathering:
    """What was measured so far; parameters as of `gather`, conditions by role."""

    def __init__(self, subject: Subject, conditions: Mapping[str, str], optics: Optics, measuring: Measuring) -> None:
        self._subject, self._conditions, self._optics, self._measuring = subject, conditions, optics, measuring
        # of each field its planes; those that are being measured wait in the order in which they were added
        self._planes: dict[tuple[Role, str], list[_Plane]] = {}
        self._waiting: deque[tuple[Role, str]] = deque()
        self._done = self._pictured = 0
        self._noticed: set[str] = set()

    def add(self, role: Role, field: Field, pictures: Path, prefix: str) -> Iterator[Notice]:
        """Have a real field measured, and its translations where it is translated."""
        optics, measuring = self._optics, self._measuring
        own, target = self._conditions[role], self._conditions["target"]
        again: Role = "source again" if role == "source" else "target again"
        planes = self._planes[role, field.name] = []
        image = field.image()
        for t, z, plane in optics.planes(image):
            labels = optics.objects(field, image, t, z)
            made = _Plane(Place(field.name, field.group, t, z, self._subject.was_seen(field), plane[0].size))
            planes.append(made)
            made.waiting[role] = measuring.start(plane, labels)
            if not self._subject.is_translated(field):
                continue

            # ---- what the engine changes where it should change nothing
            same, _ = optics.translated(image, optics.request(own, own, t, z), measuring.tick)
            made.waiting[again] = measuring.start(same, labels)
            if role == "target":
                continue

            # ---- source → target
            translated, notices = optics.translated(image, optics.request(own, target, t, z), measuring.tick)
            for notice in notices:
                if notice not in self._noticed:
                    self._noticed.add(notice)
                    yield Notice(notice)
            made.waiting["translated"] = measuring.start(translated, labels)
            real_file, translated_file = (pictures / f"{prefix}{self._pictured}-{n}.npy" for n in ("real", "made"))
            self._pictured += 1
            np.save(real_file, plane)
            np.save(translated_file, translated)
            made.pictures = real_file, translated_file
        self._waiting.append((role, field.name))

    def settle(self, most: int) -> Iterator[int]:
        """Take in fields that are measured, in order; yields after each how many there are.

        Waits until at most ``most`` are not; of those only what is there already is taken in.
        """
        while self._waiting:
            planes = self._planes[self._waiting[0]]
            if len(self._waiting) <= most and not all(f.done() for plane in planes for f in plane.waiting.values()):
                return
            for plane in planes:
                plane.take_in(self._measuring)
            self._waiting.popleft()
            self._done += 1
            yield self._done

    def result(self) -> Gathered:
        """Return all of it.

        Raises
        ------
        InputError
            If no object was found anywhere.
        """
        every = [(role, field) for role, fields in self._subject.fields.items() for field in fields]
        gathered = self.result_of(every)
        if gathered is None:
            raise InputError(
                "No objects were found in any field, real or translated. Look at the channel that objects are found "
                "in, say --diameter, or measure whole crops (--objects none)."
            )
        return gathered

    def result_of(self, fields: Sequence[tuple[Role, Field]]) -> Gathered | None:
        """Return what was measured of these fields; None where no object was found in them."""
        planes = [plane for role, field in fields for plane in self._planes[role, field.name]]
        measured: dict[Role, list[tuple[Place, MeasuredPlane]]] = defaultdict(list)
        for plane in planes:
            for role, values in plane.values.items():
                measured[role].append((plane.place, values))
        columns = max((values.columns for pairs in measured.values() for _, values in pairs), key=len)
        if not columns:
            return None
        tables = {role: Table.of(pairs, columns) for role, pairs in measured.items()}
        matches = [plane.match for plane in planes if plane.match is not None]
        pictures = {plane.place: plane.pictures for plane in planes if plane.pictures is not None}
        return Gathered(tables, Pairs.of(tables["source"], tables["translated"], matches), pictures)


def _by(shape: tuple[int, ...]) -> str:
    return " × ".join(map(str, shape))
