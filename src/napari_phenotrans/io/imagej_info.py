"""ImageJ's free text of an image, in which `write` notes what the format has no place for."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from napari_phenotrans.io.metadata import with_sentence
from napari_phenotrans.io.write_planes import as_text

if TYPE_CHECKING:
    from collections.abc import Mapping

    from napari_phenotrans.core.image import Image

# How the lines begin that are ours.
_IMAGE, _PROVENANCE = "napari-phenotrans image: ", "napari-phenotrans provenance: "


@dataclass(frozen=True)
class ImagejInfo:
    """What the free text says.

    Attributes
    ----------
    description
        What is not ours.
    image
        Axes, channels and colors as the image had them; empty in files of other programs.
    provenance
        What `write` was given as metadata.
    """

    description: str = ""
    image: dict[str, Any] = field(default_factory=dict)
    provenance: dict[str, str] = field(default_factory=dict)

    @classmethod
    def parse(cls, text: str) -> ImagejInfo:
        """Divide the text; lines of ours that were changed by hand count as description."""
        rest, image, provenance = [], {}, {}
        for line in text.split("\n"):
            begin = next((known for known in (_IMAGE, _PROVENANCE) if line.startswith(known)), "")
            try:
                noted = json.loads(line.removeprefix(begin)) if begin else None
            except ValueError:
                noted = None
            if begin == _IMAGE and isinstance(noted, dict):
                image = noted
            elif begin == _PROVENANCE and isinstance(noted, list) and len(noted) == 2:
                provenance[str(noted[0])] = str(noted[1])
            else:
                rest.append(line)
        return cls("\n".join(rest).strip(), image, provenance)


def info_text(image: Image, metadata: Mapping[str, Any]) -> str:
    """Return the free text of an image: what it is, what it said before, and a line for each thing that is noted."""
    about = {
        "axes": "".join(letter for letter in "TZCYX" if letter in image.axes),
        "channels": list(image.channels),
        "colors": list(image.colors),
        "unit": image.unit,
        "placed": bool(image.origin_um),
        "display": bool(image.display),
    }
    lines = [with_sentence(image.description, metadata), _IMAGE + json.dumps(about)]
    lines += [_PROVENANCE + json.dumps(list(entry)) for entry in as_text(metadata).items()]
    return "\n".join(line for line in lines if line)
