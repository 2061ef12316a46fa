"""What became of the files of a batch: a table, and how many of each."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from napari_phenotrans.core.text import counted, table
from napari_phenotrans.translation.batch import FileCompleted, FileDone, FileFailed, FileSkipped

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

TRANSLATED, COMPLETED, SKIPPED, FAILED = "translated", "completed", "skipped", "failed"
SAME = "made before from the same pixels, checkpoint and settings"
# Letters of a reason in the table; it was said in full when the file failed.
_LONGEST = 100


@dataclass(frozen=True)
class FileEnd:
    """What became of a file, why where it was not worked on, and the seconds that it took."""

    path: Path
    state: str
    why: str
    seconds: float

    @classmethod
    def of(cls, event: Any) -> FileEnd | None:
        """Return what an event of a batch says of a file's end, None where it ends none."""
        if isinstance(event, FileDone):
            return cls(event.path, TRANSLATED, "", event.seconds)
        if isinstance(event, FileCompleted):
            return cls(event.path, COMPLETED, "", event.seconds)
        if isinstance(event, FileSkipped):
            return cls(event.path, SKIPPED, SAME, event.seconds)
        if isinstance(event, FileFailed):
            return cls(event.path, FAILED, event.reason, event.seconds)
        return None


class Summary:
    """Collects how the files of a batch ended.

    Parameters
    ----------
    paths
        All that were asked for.
    """

    def __init__(self, paths: Sequence[Path]) -> None:
        self._paths = list(dict.fromkeys(paths))
        self._ends: dict[Path, FileEnd] = {}

    def add(self, event: Any) -> None:
        """Take in an event of a batch; of a file that ended the last word counts."""
        end = FileEnd.of(event)
        if end is not None:
            self._ends[end.path] = end

    @property
    def ends(self) -> tuple[FileEnd, ...]:
        """How files ended, in the order that they did."""
        return tuple(self._ends.values())

    @property
    def failed(self) -> tuple[Path, ...]:
        """The files that failed."""
        return tuple(end.path for end in self.ends if end.state == FAILED)

    @property
    def nothing_done(self) -> bool:
        """Whether every file failed."""
        return bool(self._ends) and len(self.failed) == len(self._paths)

    def words(self) -> str:
        """Say how many there are of each: ``24 images: 20 translated, 3 skipped, 1 failed``."""
        counts = Counter(end.state for end in self.ends)
        left = len(self._paths) - len(self._ends)
        states = [(counts[state], state) for state in (TRANSLATED, COMPLETED, SKIPPED, FAILED)]
        told = [f"{number} {state}" for number, state in [*states, (left, "not done")] if number]
        return f"{counted(len(self._paths), 'image')}: {', '.join(told)}"

    def lines(self) -> list[str]:
        """Return a table with a line for each file that ended, and a last line with their numbers."""
        rows = [("image", "state", "seconds", "why")]
        for end in self.ends:
            why = " ".join(end.why.split())
            why = why if len(why) <= _LONGEST else f"{why[: _LONGEST - 1].rstrip()}…"
            rows.append((str(end.path), end.state, f"{end.seconds:.1f}", why))
        return [*table(rows, right={2}), f"{self.words()}."]
