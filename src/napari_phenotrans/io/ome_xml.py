"""The part of OME-XML that an `Image` knows: channels, pixel size, step, interval, and our own annotation.

Read with ElementTree and forgivingly: files in the wild seldom validate, and a strict parse of one element per plane
costs seconds.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING
from xml.etree import ElementTree

from napari_phenotrans.io.display import noted_display
from napari_phenotrans.io.metadata import Facts

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

NAMESPACE = "napari-phenotrans"
AXES_NAMESPACE = "napari-phenotrans/axes"
_COLORS_OF_SAMPLES = (("red", "#ff0000"), ("green", "#00ff00"), ("blue", "#0000ff"), ("alpha", None))


@dataclass(frozen=True)
class OmeXml:
    """A parsed OME-XML block."""

    root: ElementTree.Element

    @classmethod
    def parse(cls, text: str) -> OmeXml | None:
        """Parse a block; None where it is not well-formed or no OME-XML."""
        try:
            root = ElementTree.fromstring(text.strip().strip("\0"))
        except (ElementTree.ParseError, ValueError):
            return None
        return cls(root) if _name(root) == "OME" else None

    @property
    def images(self) -> list[ElementTree.Element]:
        return list(_children(self.root, "Image"))

    @property
    def names(self) -> list[str]:
        """Name of each image, its ID where it has none."""
        return [image.get("Name") or image.get("ID") or "" for image in self.images]

    @property
    def companion(self) -> str | None:
        """Name of the file that holds the metadata, for a file that holds pixels alone."""
        return next((e.get("MetadataFile") for e in _children(self.root, "BinaryOnly")), None)

    def files(self) -> list[str]:
        """Names of the files that hold the planes, as far as they are stated, each once."""
        found = (e.get("FileName") for e in self.root.iter() if _name(e) == "UUID")
        return list(dict.fromkeys(name for name in found if name))

    @property
    def uuid(self) -> str | None:
        """Identity of the file that the block stands in."""
        return self.root.get("UUID")

    def planes_in(self, index: int) -> list[tuple[str | None, str | None]]:
        """Return file name and UUID, or None for this file, of each entry about planes of an image."""
        entries = [e for e in self.images[index].iter() if _name(e) == "TiffData"]
        found = [next(_children(entry, "UUID"), None) for entry in entries]
        return [(None, None) if e is None else (e.get("FileName"), e.text) for e in found]

    def has_planes(self, index: int) -> bool:
        """Return whether an image is more than metadata."""
        return bool(self.planes_in(index))

    def numbered(self, kept: Sequence[int]) -> str:
        """Return the block with these images only, in this order, each called by its number."""
        root = ElementTree.Element(self.root.tag, dict(self.root.attrib))
        for index in kept:
            image = self.images[index]
            called = ElementTree.SubElement(root, image.tag, {**image.attrib, "Name": str(index)})
            called.extend(image)
        root.extend(child for child in self.root if _name(child) != "Image")
        return ElementTree.tostring(root, encoding="unicode")

    def facts(self, index: int) -> Facts:
        """Return what is stated of one image."""
        if index >= len(self.images):
            return Facts()
        pixels = next(_children(self.images[index], "Pixels"), None)
        if pixels is None:
            return Facts()
        names: list[str | None] = []
        colors: list[str | None] = []
        for channel in _children(pixels, "Channel"):
            samples = int(channel.get("SamplesPerPixel") or 1)
            if 1 < samples <= len(_COLORS_OF_SAMPLES):
                names += [name for name, _ in _COLORS_OF_SAMPLES[:samples]]
                colors += [color for _, color in _COLORS_OF_SAMPLES[:samples]]
            else:
                names.append(channel.get("Name") or channel.get("Fluor"))
                colors.append(_color(channel.get("Color")))
        return Facts(
            channels=tuple(names),
            colors=tuple(colors),
            x=_quantity(pixels, "PhysicalSizeX", "µm"),
            y=_quantity(pixels, "PhysicalSizeY", "µm"),
            z=_quantity(pixels, "PhysicalSizeZ", "µm"),
            interval=_quantity(pixels, "TimeIncrement", "s"),
            origin=_position(pixels),
            display=noted_display(self.annotation(AXES_NAMESPACE).get("display")),
            provenance=self.annotation(),
            description=next((e.text or "" for e in _children(self.images[index], "Description")), "").strip(),
        )

    def most_planes(self) -> int:
        """Return how many planes the image of most planes is said to have."""
        stated = [next(_children(image, "Pixels"), None) for image in self.images]
        counts = ([pixels.get(f"Size{letter}", "1") for letter in "TZC"] for pixels in stated if pixels is not None)
        return max((math.prod(int(n) if n.isdecimal() else 1 for n in sizes) for sizes in counts), default=0)

    def annotation(self, namespace: str = NAMESPACE) -> dict[str, str]:
        """Return the keys and values that `write` noted, empty where another program wrote the file."""
        values: dict[str, str] = {}
        for element in self.root.iter():
            if _name(element) == "MapAnnotation" and element.get("Namespace") == namespace:
                values.update({e.get("K", ""): e.text or "" for e in element.iter() if _name(e) == "M"})
        return values


def _name(element: ElementTree.Element) -> str:
    # the namespace changes with the version of the schema
    return element.tag.rpartition("}")[2] if isinstance(element.tag, str) else ""


def _children(element: ElementTree.Element, name: str) -> Iterator[ElementTree.Element]:
    return (child for child in element if _name(child) == name)


def _quantity(pixels: ElementTree.Element, attribute: str, default: str) -> tuple[float, str] | None:
    value = pixels.get(attribute)
    try:
        return (float(value), pixels.get(f"{attribute}Unit", default)) if value else None
    except ValueError:
        return None


def _position(pixels: ElementTree.Element) -> dict[str, tuple[float, str]]:
    """Return where the first plane lies on the stage."""
    plane = next(_children(pixels, "Plane"), None)
    if plane is None:
        return {}
    stated = {a: _quantity(plane, f"Position{a}", "reference frame") for a in "ZYX"}
    return {a: length for a, length in stated.items() if length}


def _color(value: str | None) -> str | None:
    """Return "#rrggbb" of OME's signed 32-bit RGBA."""
    try:
        return f"#{(int(value) & 0xFFFFFFFF) >> 8:06x}" if value else None
    except ValueError:
        return None


def ome_color(color: str) -> int:
    """Return OME's signed 32-bit RGBA, opaque, of "#rrggbb"."""
    value = int(color.lstrip("#"), 16) << 8 | 0xFF
    return value - (1 << 32) if value >= 1 << 31 else value


def read_companion(path: Path) -> tuple[OmeXml | None, str]:
    """Read a ``.companion.ome`` file; gives the parsed block and its text."""
    text = Path(path).read_text(encoding="utf-8", errors="replace")
    return OmeXml.parse(text), text
