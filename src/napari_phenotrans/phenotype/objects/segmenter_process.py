"""The process that finds objects by StarDist or Cellpose: planes come in, labels go out, as `finders` asks for them."""

from __future__ import annotations

import os
import struct
import sys
from io import BytesIO, TextIOWrapper
from typing import IO, TYPE_CHECKING

import numpy as np

from napari_phenotrans.core.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Callable

    Find = Callable[[np.ndarray], np.ndarray]

_LENGTH = struct.Struct("<Q")
READY = "ready"


def load_stardist(weights: str, device: str, diameter: float) -> Find:
    """Load a StarDist model: the folder of one, or the name of one of StarDist's own, which it may download.

    Parameters
    ----------
    weights
        The folder has ``config.json`` and the weights, as StarDist writes them.
    device
        Anything but ``cpu`` lets TensorFlow choose.
    diameter
        Is not used: StarDist finds objects of the size that it was trained on.
    """
    if device == "cpu":
        os.environ["CUDA_VISIBLE_DEVICES"] = "-1"
    try:
        from stardist.models import StarDist2D
    except ImportError as error:
        raise InputError(
            f"StarDist cannot be used ({error}). Run 'pip install napari-phenotrans[stardist]', or leave --objects out."
        ) from error
    if os.path.isdir(weights):
        folder, name = os.path.split(os.path.abspath(weights))
        model = StarDist2D(None, name=name, basedir=folder)
    else:
        model = StarDist2D.from_pretrained(weights)
    return lambda plane: model.predict_instances(plane)[0]


def load_cellpose(weights: str, device: str, diameter: float) -> Find:
    """Load a Cellpose model: a file, or the name of one of Cellpose's own, which it may download.

    Parameters
    ----------
    weights
        As `cellpose.models.CellposeModel` takes them.
    device
        ``cpu``, ``auto``, or a device of torch's.
    diameter
        Of a typical object in pixels.
    """
    try:
        from cellpose.models import MODEL_NAMES, CellposeModel
    except ImportError as error:
        raise InputError(
            f"Cellpose cannot be used ({error}). Run 'pip install napari-phenotrans[cellpose]', or leave --objects out."
        ) from error
    torch_device = None
    if device not in ("auto", "cpu"):
        import torch

        torch_device = torch.device(device)
    if not os.path.isfile(weights) and weights not in MODEL_NAMES:
        # it would take its default model instead
        raise InputError(f"This Cellpose has no model {weights}, only {', '.join(MODEL_NAMES)}. Install a newer one.")
    model = CellposeModel(gpu=device != "cpu", device=torch_device, pretrained_model=weights)
    return lambda plane: model.eval(plane, diameter=diameter, normalize=False)[0]


LOADERS = {"stardist": load_stardist, "cellpose": load_cellpose}


def send(stream: IO[bytes], array: np.ndarray) -> None:
    """Write an array, or a text as one, with its length before it."""
    buffer = BytesIO()
    np.save(buffer, array, allow_pickle=False)
    stream.write(_LENGTH.pack(buffer.tell()))
    stream.write(buffer.getvalue())
    stream.flush()


def receive(stream: IO[bytes]) -> np.ndarray | None:
    """Read what was sent; None where the other side has ended."""
    head = stream.read(_LENGTH.size)
    if len(head) < _LENGTH.size:
        return None
    (length,) = _LENGTH.unpack(head)
    content = stream.read(length)
    return np.load(BytesIO(content), allow_pickle=False) if len(content) == length else None


def main() -> None:
    """Load a model and say so, or why not; then answer every plane with labels, until no more come."""
    name, weights, device, diameter = sys.argv[1:]
    # what the libraries print must not get between the answers, nor, kept back until the end, after an error
    answers = os.fdopen(os.dup(sys.stdout.fileno()), "wb")
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())
    if isinstance(sys.stdout, TextIOWrapper):
        sys.stdout.reconfigure(line_buffering=True)
    try:
        find = LOADERS[name](weights, device, float(diameter))
    except InputError as error:
        send(answers, np.array(str(error)))
        return
    send(answers, np.array(READY))
    while (plane := receive(sys.stdin.buffer)) is not None:
        send(answers, find(plane).astype(np.int32))


if __name__ == "__main__":
    main()
