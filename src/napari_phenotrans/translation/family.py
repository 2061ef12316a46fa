"""Several trainings as one translator: the mean of what they change, and where they agree."""

from __future__ import annotations

import hashlib
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from napari_phenotrans.checkpoints.matching import match_channels, working_scale
from napari_phenotrans.core.errors import InputError
from napari_phenotrans.core.events import Notice
from napari_phenotrans.core.intensity import to_dtype
from napari_phenotrans.core.kinds import AGREEMENT
from napari_phenotrans.core.region import Region
from napari_phenotrans.metrics.agreement import Agreement
from napari_phenotrans.translation.events import AgreementDone, EvaluationDone, PlaneDone, RegionDone, TileDone
from napari_phenotrans.translation.translator import Translator
from napari_phenotrans.translation.trust import WINDOW, local_error

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
    from pathlib import Path

    from napari_phenotrans.checkpoints.checkpoint import Checkpoint
    from napari_phenotrans.core.image import Image
    from napari_phenotrans.core.region import View
    from napari_phenotrans.translation.effort import Effort
    from napari_phenotrans.translation.events import Event
    from napari_phenotrans.translation.request import TranslationRequest


class TranslatorFamily(Translator):
    """Checkpoints of several trainings, which translate together: the result is the mean of their changes.

    After each `PlaneDone` or `RegionDone` comes an `AgreementDone`. Each training also translates from the source to
    itself: what it changes then is its own error. So n trainings cost 2 n translations.

    Parameters
    ----------
    checkpoints
        Two or more, of the same conditions and channels. Where they differ in more, planes come whole.
    folder
        The family's, where it is one that lies in a folder.
    computed
        As of `Translator`: device, precision, tile, overlap, how, limits.

    Raises
    ------
    InputError
        If they do not belong together, or `Translator` refuses one.
    """

    def __init__(
        self, checkpoints: Sequence[Checkpoint | str | Path], *, folder: Path | None = None, **computed: Any
    ) -> None:
        super().__init__(checkpoints[0], **computed)
        self._folder = folder
        self.members: tuple[Translator, ...] = (self, *(Translator(each, **computed) for each in checkpoints[1:]))
        for other in self.members[1:]:
            for what in ("conditions", "channels"):
                mine, theirs = getattr(self.card, what), getattr(other.card, what)
                if mine != theirs:
                    raise InputError(
                        f"These checkpoints do not belong together: {self.checkpoint.name} has the {what} "
                        f"{', '.join(mine)}, {other.checkpoint.name} {', '.join(theirs)}. Name trainings of one data "
                        f"set."
                    )
        self._alike = len({(m.card.engine, m.card.pixel_size, m.tile, m.overlap) for m in self.members}) == 1

    @property
    def digest(self) -> str:
        return hashlib.sha256(" ".join(m.checkpoint.digest for m in self.members).encode()).hexdigest()

    def extras(self, request: TranslationRequest) -> tuple[str, ...]:
        return (AGREEMENT,)

    def translate(
        self,
        image: Image,
        request: TranslationRequest,
        *,
        in_regions: bool = False,
        look_at: Callable[[], View | None] | None = None,
        tick: Callable[[], None] | None = None,
    ) -> Iterator[Event]:
        """Translate as `Translator.translate` does; what the user looks at orders nothing, and no tiles are shown.

        Raises
        ------
        InputError
            Also if samples, completions or turns are asked for.
        """
        if request.turns > 1 or request.answers.several or request.drawn_channels:
            raise InputError(
                "Several trainings translate together without samples and turns. Name one checkpoint for those."
            )
        regions = in_regions and self._alike
        asked = [request, replace(request, target=request.source)]
        runs = [
            Translator.translate(member, image, each, in_regions=regions, tick=tick)
            for each in asked
            for member in self.members
        ]
        return self._together(image, request, runs)

    def _together(self, image: Image, request: TranslationRequest, runs: Sequence[Iterator[Event]]) -> Iterator[Event]:
        """Go place by place: all changes, then all errors, then what they have in common."""
        channels, _ = match_channels(image, self.card, request.channels)
        scale, _ = working_scale(image, self.card)
        said: set[str] = set()
        count = len(self.members)
        while True:
            done = []
            for number, events in enumerate(runs):
                done.append((yield from _next_place(events, (number, len(runs)), said)))
            first = done[0]
            if first is None:
                return
            agreement = Agreement()
            for member, change, same in zip(self.members, done[:count], done[count:], strict=True):
                assert change is not None and same is not None and (change.top, change.left) == (first.top, first.left)
                agreement.add(change.difference, local_error(same.difference, member.card, WINDOW / scale))
            mean = agreement.mean
            where = Region(first.top, first.left, *mean.shape[1:])
            real = image.plane(first.t, first.z, where)[channels]
            translated, clipped = to_dtype(real + mean, image.dtype)
            # what none of them changes comes back bit for bit
            untouched = ~mean.any(axis=(1, 2))
            translated[untouched] = real[untouched]
            yield replace(first, translated=translated, difference=mean, clipped=clipped)
            yield AgreementDone(first.t, first.z, agreement.map, agreement.sums, first.top, first.left)

    def provenance(self, image: Image, request: TranslationRequest) -> dict[str, Any]:
        made = super().provenance(image, request)
        paths = [member.checkpoint.path for member in self.members]
        return made | {
            **({"family": str(self._folder.absolute())} if self._folder else {}),
            "trainings": len(self.members),
            "training files": [str(path.absolute()) if path else "" for path in paths],
            "training sha256": [member.checkpoint.digest for member in self.members],
        }

    def try_out(self, source: str, target: str, how: Mapping[str, Any] | None = None) -> Effort:
        tried = super().try_out(source, target, how)
        # every training there, and from the source to itself
        return replace(tried, evaluations=2 * len(self.members) * tried.evaluations)

    def forget(self) -> None:
        for member in self.members:
            Translator.forget(member)


def _next_place(
    events: Iterator[Event], place: tuple[int, int], said: set[str]
) -> Generator[Event, None, PlaneDone | RegionDone | None]:
    """Pass on the progress of a translation until a place of it is done, and return that; None at its end."""
    number, total = place
    for event in events:
        if isinstance(event, PlaneDone | RegionDone):
            return event
        if isinstance(event, EvaluationDone | TileDone):
            yield EvaluationDone(event.t, event.z, number * event.total + event.done, total * event.total)
        elif isinstance(event, Notice) and event.text not in said:
            said.add(event.text)
            yield event
    return None
