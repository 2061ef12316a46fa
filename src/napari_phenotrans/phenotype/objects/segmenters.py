"""What finds objects: scikit-image here, StarDist or Cellpose in a process of their own."""

from __future__ import annotations

import subprocess
import sys
import tempfile
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import IO, TYPE_CHECKING

import numpy as np

from napari_phenotrans.core.digests import digest, file_sha256
from napari_phenotrans.core.errors import InputError
from napari_phenotrans.phenotype.objects.segmenter_process import READY, receive, send

if TYPE_CHECKING:
    from collections.abc import Iterator

    from napari_phenotrans.phenotype.objects.segmentation import Finder, ObjectAppearance

PATIENCE_S = 10  # for a process to end that was told to


@dataclass(frozen=True)
class Library:
    """A library that finds objects.

    Parameters
    ----------
    title
        Its name.
    models
        Its own ones for nuclei.
    in_folder
        Whether weights are a folder; a file otherwise.
    terms
        What to know of its own models, in a sentence.
    """

    title: str
    models: tuple[str, ...]
    in_folder: bool
    terms: str = ""


LIBRARIES = {
    "stardist": Library("StarDist", ("2D_versatile_fluo", "2D_paper_dsb2018"), in_folder=True),
    "cellpose": Library(
        "Cellpose", ("cpsam_v2", "cpsam"), in_folder=False, terms=" It was made from data licensed CC-BY-NC."
    ),
}


@dataclass(frozen=True)
class ChosenSegmenter:
    """What finds the objects of a report.

    Parameters
    ----------
    name
        "scikit-image", or a library's.
    weights
        A path, or the name of one of the library's own models; empty for scikit-image.
    identity
        Tells these weights from others, whatever they are called.
    notice
        What the user should know.
    """

    name: str
    weights: str = ""
    identity: str = ""
    notice: str = ""


def choose_finder(name: str, weights: str | None) -> ChosenSegmenter:
    """Check what was chosen, before anything is computed; nothing is loaded yet.

    Parameters
    ----------
    name
        "scikit-image", or one of `LIBRARIES`.
    weights
        What the user named.

    Raises
    ------
    InputError
        If a library's weights are not said or not there, or weights are said that nothing needs.
    """
    library = LIBRARIES.get(name)
    if library is None:
        if weights:
            raise InputError(
                f"--weights {weights} goes with StarDist and Cellpose only. Leave it out, or say --objects stardist or "
                f"--objects cellpose."
            )
        return ChosenSegmenter(name)
    what = "the folder of a StarDist model (with its config.json)" if library.in_folder else "a file of Cellpose's"
    own = " or ".join(library.models)
    if not weights:
        raise InputError(
            f"{library.title} needs weights, and nothing is downloaded by itself. Name {what} with --weights, or its "
            f"own model {own}, which {library.title} downloads where it is not there yet."
        )
    if weights in library.models:
        return ChosenSegmenter(
            name,
            weights,
            f"{weights} of {library.title} {_version(name)}",
            f"{library.title}'s own model {weights} finds the objects; {library.title} downloads it where it is not "
            f"there yet.{library.terms}",
        )
    path = Path(weights).expanduser()
    if not (path / "config.json" if library.in_folder else path).is_file():
        raise InputError(
            f"--weights {weights} is not {what}, and none of {library.title}'s own models either. Name one, or {own}."
        )
    return ChosenSegmenter(name, str(path), f"weights {_digest(path)} in {library.title} {_version(name)}")


@contextmanager
def open_finder(chosen: ChosenSegmenter, look: ObjectAppearance, device: str) -> Iterator[Finder | None]:
    """Load what finds objects; a library's process ends with the block.

    None where scikit-image finds them: it does so where they are measured.

    Raises
    ------
    InputError
        If the library is not installed, or cannot use the weights.
    """
    if chosen.name not in LIBRARIES:
        yield None
        return
    arguments = [chosen.name, chosen.weights, device, f"{look.diameter:g}"]
    with (
        tempfile.TemporaryFile() as log,
        subprocess.Popen(
            [sys.executable, "-m", "napari_phenotrans.phenotype.objects.segmenter_process", *arguments],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=log,
        ) as child,
    ):
        try:
            process = SegmenterProcess(LIBRARIES[chosen.name].title, child, log, look)
            process.answer()
            yield process
        finally:
            child.kill()
            assert child.stdin
            # what was still to be sent is of no use
            with suppress(OSError):
                child.stdin.close()


class SegmenterProcess:
    """StarDist or Cellpose in another process.

    They import TensorFlow, torchvision and torch.optim, which must not get into a process that draws with OpenGL. They
    see planes whose dark and bright end are those of all real planes, 0 and 1, and none by its own: else an object
    would be found or not by what else its plane shows.

    Parameters
    ----------
    title
        Of the library.
    child
        The process, which reads planes and writes labels.
    log
        What else it writes.
    look
        What objects look like.
    """

    def __init__(self, title: str, child: subprocess.Popen[bytes], log: IO[bytes], look: ObjectAppearance) -> None:
        self._title, self._child, self._log, self._look = title, child, log, look

    def __call__(self, plane: np.ndarray) -> np.ndarray:
        """Return labels (Y, X) int32 of a plane (Y, X) in the images' units; raises InputError if the library fails."""
        if np.percentile(plane, 99.8) <= self._look.least:
            return np.zeros(plane.shape, np.int32)
        shares = (plane.astype(np.float32) - self._look.low) / (self._look.high - self._look.low)
        assert self._child.stdin
        try:
            send(self._child.stdin, shares)
        except OSError as error:
            raise self._ended() from error
        return self.answer()

    def answer(self) -> np.ndarray:
        """Wait for what the process answers; raises InputError if it ends instead, or says why it cannot."""
        assert self._child.stdout
        answer = receive(self._child.stdout)
        if answer is None:
            raise self._ended()
        if answer.dtype.kind == "U" and str(answer) != READY:
            raise InputError(str(answer))
        return answer

    def _ended(self) -> InputError:
        self._child.wait(PATIENCE_S)
        self._log.seek(0)
        lines = self._log.read().decode(errors="replace").split("\n")
        last = next((line.strip() for line in reversed(lines) if line.strip()), "nothing")
        return InputError(
            f"{self._title} ended while it should find objects. The last that it said: {last}. Check the weights, or "
            f"have the objects found by scikit-image."
        )


def _digest(path: Path) -> str:
    """Return a digest of a file, or of all files of a folder."""
    files = [path] if path.is_file() else sorted(each for each in path.iterdir() if each.is_file())
    return digest(*map(file_sha256, files))[:16]


def _version(name: str) -> str:
    try:
        return version(name)
    except PackageNotFoundError:
        return ""
