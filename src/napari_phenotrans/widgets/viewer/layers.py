"""Image <-> napari layers. Nothing else converts pixels, scale, units, axes, names and colors between the two."""

from __future__ import annotations

import math
import uuid
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_phenotrans.core import kinds
from napari_phenotrans.core.errors import InputError
from napari_phenotrans.core.image import AXES, Image
from napari_phenotrans.core.kinds import (
    ABOVE_ERROR,
    AGREEMENT,
    AMOUNTS,
    DIFFERENCE,
    MADE,
    REAL,
    ROUND_TRIP,
    SIGNED,
    SPREAD,
    TRANSLATED,
    TURNED,
)
from napari_phenotrans.io.display import GRAY, fitting, viewer_colors
from napari_phenotrans.io.metadata import unit_symbol

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from napari.layers import Image as ImageLayer
    from napari.layers import Layer

# Where layers keep what they are: `layer.metadata[KEY]`, a dictionary with at least "role".
KEY = "phenotrans"
OUTLINED = "difference outlined where it agrees"
HELD_RESULT, COMPARED = HELD = ("held result", "difference of two results")

# Bytes up to which an image's pixels are loaded when its layers are made.
IN_MEMORY = 64 * 2**20
# Colors up to which a color table is kept itself, not by its name.
MOST_COLORS = 16
DIVERGING = {"name": "phenotrans difference", "colors": kinds.DIVERGING}
# The same; what is no number is drawn in a color that no difference has.
WITH_OUTLINE = {"name": "phenotrans outlined difference", "colors": kinds.DIVERGING, "nan_color": (0.55, 1, 0.35, 1)}
AXES_BY_LABEL = {"time": "T", "channel": "C", "c": "C", "t": "T", "z": "Z", "y": "Y", "x": "X"}

LayerData = tuple[Any, dict[str, Any], str]


# ---- Image -> layers


def layer_data(
    image: Image, *, condition: str | None = None, attribution: str = "", in_memory: int = IN_MEMORY
) -> list[LayerData]:
    """Return one layer-data tuple per channel; a pyramid becomes a multiscale layer, lazy pixels stay lazy.

    Parameters
    ----------
    image
        Any image.
    condition
        The biological state that it shows, where that is known.
    attribution
        Whom to cite for it.
    in_memory
        Bytes up to which pixels are loaded now.
    """
    letters = image.axes.replace("C", "")
    group = uuid.uuid4().hex
    metadata = {"attribution": attribution} if attribution else {}
    pyramid = [_at_hand(pixels, image.axes, in_memory) for pixels in (image.pixels, *image.pyramid)]
    layers: list[LayerData] = []
    for index, channel in enumerate(image.channels):
        levels = [_channel(pixels, image.axes, index) for pixels in pyramid]
        kept = image.display[index] if image.display else None
        options: dict[str, Any] = {
            "name": called(channel, image.provenance),
            "scale": _scale(image, letters),
            "units": _units(image, letters),
            "translate": tuple(image.origin_um.get(a, 0.0) if image.pixel_size_um else 0.0 for a in letters),
            "axis_labels": tuple(letters.lower()),
            "colormap": _colormap(image, index),
            "blending": "additive",
            "contrast_limits": kept or fitting(_some_planes(levels[-1], letters), image.kind),
            "metadata": metadata
            | {
                KEY: {
                    "role": image.kind,
                    "image": group,
                    "path": str(image.path or ""),
                    "channel": channel,
                    "axes": image.axes,
                    "unit": image.unit,
                    "condition": condition,
                    "description": image.description,
                    "synthetic": image.synthetic,
                    "notes": image.notes,
                    "reading": dict(image.reading),
                    "provenance": dict(image.provenance),
                }
            },
        }
        if len(levels) > 1:
            layers.append((levels, options | {"multiscale": True}, "image"))
        else:
            layers.append((levels[0], options, "image"))
    return layers


def called(channel: str, provenance: Mapping[str, Any]) -> str:
    """Return the name of a layer of a channel, which says what it is where nobody measured it."""
    kind = kinds.kind_of(provenance)
    if kind == TRANSLATED and provenance.get("target"):
        return f"{channel} – translated to {provenance['target']}"
    sample = provenance.get("sample", "")
    return f"{channel} – {kind} {sample}".rstrip() if kind in MADE else channel


def translated_data(real: ImageLayer, pixels: Any, target: str, verb: str = "translated to") -> LayerData:
    """Return the layer of a channel's translation: everything but the pixels and the name is its real layer's.

    ``verb`` says in the layer's name what was done for the target condition.
    """
    options = like(real) | {
        "name": f"{channel_name(real)} – {verb} {target}",
        "colormap": real.colormap,
        "contrast_limits": tuple(real.contrast_limits),
        "gamma": real.gamma,
        "blending": "additive",
        "metadata": {KEY: _derived(real, TRANSLATED)},
    }
    return pixels, options, "image"


def difference_data(real: ImageLayer, pixels: Any, limit: float) -> LayerData:
    """Return the layer of a channel's difference map, translated - real, in float32: colors diverge from 0."""
    return _signed_data(real, pixels, limit, DIFFERENCE)


def round_trip_data(real: ImageLayer, pixels: np.ndarray, limit: float) -> LayerData:
    """Return the layer of what a channel's round trip got wrong, source → target → source - real, in float32."""
    return _signed_data(real, pixels, limit, ROUND_TRIP)


def believed_data(real: ImageLayer, pixels: Any, limit: float) -> LayerData:
    """Return the layer of a channel's difference map where it exceeds the engine's error, 0 elsewhere, in float32."""
    return _signed_data(real, pixels, limit, ABOVE_ERROR)


def absent_data(like_this: ImageLayer, channel: str) -> LayerData:
    """Return an empty real layer for a channel that an image has not: 0 everywhere, and no memory is used for it."""
    pixels = full_resolution(like_this)
    zero = np.zeros((), pixels.dtype)
    about = {name: value for name, value in info(like_this).items() if name != "of"}
    options = like(like_this) | {
        "name": f"{channel} (absent)",
        "colormap": "gray",
        "blending": "additive",
        "contrast_limits": tuple(like_this.contrast_limits),
        "metadata": {KEY: about | {"role": REAL, "channel": channel, "absent": True}},
    }
    return np.broadcast_to(zero, tuple(int(n) for n in pixels.shape)), options, "image"


def held_data(real: ImageLayer, pixels: Any) -> LayerData:
    """Return the layer of a channel's translation that is held to be compared with another one."""
    options = translated_data(real, pixels, "")[1]
    name = f"{channel_name(real)} – {HELD_RESULT}"
    return pixels, options | {"name": name, "metadata": {KEY: _derived(real, HELD_RESULT)}}, "image"


def compared_data(real: ImageLayer, pixels: Any, limit: float) -> LayerData:
    """Return the layer of what differs between a channel's shown and held translation, in float32."""
    return _signed_data(real, pixels, limit, COMPARED)


def spread_data(real: ImageLayer, pixels: Any, limit: float) -> LayerData:
    """Return the layer of how much a channel's samples differ, in float32: black where they are all the same."""
    pixels, options, kind = _signed_data(real, pixels, limit, SPREAD)
    return pixels, options | {"colormap": "inferno", "contrast_limits": (0.0, limit)}, kind


def turned_data(real: ImageLayer, pixels: Any, limit: float) -> LayerData:
    """Return the layer of how far turns of the image differ in a channel, in float32: black where they do not."""
    pixels, options, kind = _signed_data(real, pixels, limit, TURNED)
    return pixels, options | {"colormap": "inferno", "contrast_limits": (0.0, limit)}, kind


def agreement_data(real: ImageLayer, pixels: Any) -> LayerData:
    """Return the layer of which share of trainings or samples changes a channel alike: 1 all up, -1 all down."""
    return _signed_data(real, pixels, 1.0, AGREEMENT)


def outlined_data(real: ImageLayer, pixels: Any, limit: float) -> LayerData:
    """Return the layer of a channel's difference map in which outlines are no numbers, in float32."""
    pixels, options, kind = _signed_data(real, pixels, limit, OUTLINED)
    return pixels, options | {"colormap": WITH_OUTLINE}, kind


def like(real: ImageLayer) -> dict[str, Any]:
    """Return the options that put a new layer where another one is: scale, place, units and axes."""
    return {
        "scale": real.scale,
        "translate": real.translate,
        "rotate": real.rotate,
        "shear": real.shear,
        "affine": real.affine,
        "units": real.units,
        "axis_labels": real.axis_labels,
    }


# ---- layers -> Image


def info(layer: Layer) -> dict[str, Any]:
    """Return the plugin's metadata of a layer; empty for layers that others made."""
    return layer.metadata.get(KEY, {})


def role(layer: Layer) -> str | None:
    """Return ``real``, ``translated``, ``difference`` and the like; None for layers that others made."""
    return info(layer).get("role")


def channel_name(layer: Layer) -> str:
    """Return the name of the channel that a layer shows; the layer's own name for layers that others made."""
    return info(layer).get("channel") or layer.name


def look_of(layer: ImageLayer) -> dict[str, Any]:
    """Return what a file of images does not hold of a layer's looks: its channel, color table and gamma."""
    colormap = layer.colormap
    colors = np.asarray(colormap.colors, float)
    named = len(colors) > MOST_COLORS
    table = str(colormap.name) if named else {"name": str(colormap.name), "colors": np.round(colors, 4).tolist()}
    return {"channel": channel_name(layer), "colormap": table, "gamma": float(layer.gamma)}


def with_look(options: dict[str, Any], look: Mapping[str, Any]) -> dict[str, Any]:
    """Return a layer's options with the looks that `look_of` returned; what cannot be one is left out."""
    from napari.utils.colormaps import AVAILABLE_COLORMAPS

    table, gamma = look.get("colormap"), look.get("gamma")
    kept: dict[str, Any] = {}
    if isinstance(table, dict) and np.shape(table.get("colors") or ())[1:] == (4,):
        kept["colormap"] = {"name": str(table.get("name") or "kept"), "colors": table["colors"]}
    elif isinstance(table, str) and table in AVAILABLE_COLORMAPS:
        kept["colormap"] = table
    if isinstance(gamma, int | float) and 0 < gamma < 10:
        kept["gamma"] = float(gamma)
    return options | kept


def made_by(layer: Layer) -> dict[str, Any]:
    """Return how a layer was made, with its ``kind``; of a real layer no more than its file says."""
    about = {name: value for name, value in info(layer).get("provenance", {}).items() if name != "channel"}
    return about | {"kind": role(layer)} if role(layer) in MADE else about


def letters_of(layer: ImageLayer) -> tuple[str, bool]:
    """Return a layer's axes, and whether its labels tell them, or they are guessed.

    Layers without axis labels are taken as YX, ZYX or TZYX, and RGB layers have their channels last.
    """
    labeled = "".join(AXES_BY_LABEL.get(label.casefold(), "?") for label in layer.axis_labels)
    known = "?" not in labeled and len(set(labeled)) == len(labeled) and {"Y", "X"} <= set(labeled)
    letters = labeled if known else AXES.replace("C", "")[-layer.ndim :]
    if layer.rgb:
        return letters + "C", True
    return letters, known or layer.ndim == 2


def pixel_size_um(layer: ImageLayer) -> float | None:
    """Return micrometers per pixel, the geometric mean of Y and X; None where the layer's unit is no length."""
    high, wide = _micrometers(layer, "Y"), _micrometers(layer, "X")
    if high and wide and abs(high - wide) > 0.01 * min(high, wide):
        return math.sqrt(high * wide)
    return high


def set_pixel_size(layers: Sequence[ImageLayer], micrometers: float) -> None:
    """Say how large the pixels of layers are, which said nothing of it; what they show stays where it is in pixels."""
    for layer in layers:
        letters = letters_of(layer)[0]
        letters = letters.replace("C", "") if layer.rgb else letters
        sizes = [
            float(np.sign(scale)) * micrometers if letter in "YX" else float(scale)
            for letter, scale in zip(letters, layer.scale, strict=True)
        ]
        places = [start / old * new for start, old, new in zip(layer.translate, layer.scale, sizes, strict=True)]
        # a Z step that nobody knows is shown as one micrometer, as in a file that knows the pixel size alone
        units = zip(letters, layer.units, strict=True)
        layer.units = tuple("um" if letter in "ZYX" else str(unit) for letter, unit in units)
        layer.scale, layer.translate = sizes, places


def to_image(layers: Sequence[ImageLayer], channels: Sequence[str]) -> Image:
    """Put one layer per channel together to an image, without copying or loading pixels.

    Parameters
    ----------
    layers
        Layers of equal shape, dtype and axes.
    channels
        The name of each channel.

    Raises
    ------
    InputError
        If the layers differ, have channels inside, or their axes are unknown.
    """
    first = layers[0]
    letters, _ = letters_of(first)
    for layer in layers:
        mine, _ = letters_of(layer)
        if "C" in mine:
            raise InputError(
                f"The layer {layer.name!r} holds several channels: its axes are {mine}, its shape is "
                f"{full_resolution(layer).shape}. Split it first: say its axes and press Apply."
            )
        here, there = full_resolution(layer), full_resolution(first)
        if (tuple(here.shape), here.dtype, mine) != (tuple(there.shape), there.dtype, letters):
            raise InputError(
                f"The chosen layers do not belong together: {first.name!r} has axes {letters}, shape "
                f"{tuple(there.shape)} and {there.dtype}, {layer.name!r} has axes {mine}, shape "
                f"{tuple(here.shape)} and {here.dtype}. Choose layers of one image."
            )
    about = info(first)
    path = about.get("path") or first.source.path
    return Image(
        _Stacked([full_resolution(layer) for layer in layers]),
        "C" + letters,
        channels=tuple(channels),
        pixel_size_um=pixel_size_um(first),
        unit=about.get("unit") or _unit(first),
        path=_path(path),
        z_step_um=_micrometers(first, "Z"),
        frame_interval_s=_in(first, "T", "s"),
        colors=tuple(_color(layer) for layer in layers),
        description=about.get("description", ""),
        reading=about.get("reading", {}),
        notes=_scale_notes(first),
        origin_um=_origin(first) if pixel_size_um(first) else {},
        display=tuple((float(low), float(high)) for low, high in (layer.contrast_limits for layer in layers)),
        provenance=made_by(first),
    )


def with_axes(layer: ImageLayer, axes: str) -> Image:
    """Read one layer anew with axes that the user typed, as an image of its own; raises as `Image` does."""
    pixels = full_resolution(layer)
    names: tuple[str, ...] = ()
    if layer.rgb:
        pixels, names = pixels[..., :3], ("red", "green", "blue")
    colors = tuple({"red": "#ff0000", "green": "#00ff00", "blue": "#0000ff"}[name] for name in names)
    return Image(
        pixels,
        axes,
        channels=names,
        colors=colors,
        pixel_size_um=pixel_size_um(layer),
        unit="µm" if pixel_size_um(layer) else "pixel",
        path=_path(info(layer).get("path") or layer.source.path),
        description=info(layer).get("description", ""),
    )


def full_resolution(layer: ImageLayer) -> Any:
    """Return the pixels, of a multiscale layer the finest."""
    return layer.data[0] if layer.multiscale else layer.data


class _Stacked:
    """Layers' pixels as one lazy array (C, …): what is sliced is read, nothing else."""

    def __init__(self, arrays: list[Any]) -> None:
        self._arrays = arrays
        self.shape = (len(arrays), *(int(n) for n in arrays[0].shape))
        self.ndim = len(self.shape)
        self.dtype = np.dtype(arrays[0].dtype)

    def __getitem__(self, index: Any) -> np.ndarray:
        first, *rest = index if isinstance(index, tuple) else (index,)
        channels = np.arange(len(self._arrays))[first]
        if np.ndim(channels) == 0:
            return np.asarray(self._arrays[int(channels)][tuple(rest)])
        return np.stack([np.asarray(self._arrays[i][tuple(rest)]) for i in channels])


# ---- helpers of the functions above


def _at_hand(pixels: Any, axes: str, in_memory: int) -> Any:
    """Load what is small, so that drawing it again reads no file; wrap the rest for Dask to read when it is drawn."""
    size = int(np.prod(pixels.shape)) * np.dtype(pixels.dtype).itemsize
    if isinstance(pixels, np.ndarray) or size <= in_memory:
        return np.asarray(pixels)
    import dask.array as da

    if isinstance(pixels, da.Array):
        return pixels
    planes = tuple(int(n) if letter in "YX" else 1 for letter, n in zip(axes, pixels.shape, strict=True))
    # a name of its own: dask would else read all pixels to make one
    return da.from_array(pixels, chunks=getattr(pixels, "chunks", None) or planes, name=uuid.uuid4().hex)


def _channel(pixels: Any, axes: str, index: int) -> Any:
    if "C" not in axes:
        return pixels
    return pixels[(slice(None),) * axes.index("C") + (index,)]


def _some_planes(pixels: Any, letters: str) -> np.ndarray:
    # first, middle and last plane: enough to see by, and no stack is read for it
    shape = pixels.shape
    picks = {0.0, 0.5, 1.0} if len(letters) > 2 else {0.0}
    planes = [
        pixels[
            tuple(
                slice(None) if letter in "YX" else round(share * (n - 1))
                for letter, n in zip(letters, shape, strict=True)
            )
        ]
        for share in picks
    ]
    return np.stack([np.asarray(plane) for plane in planes])


def _scale(image: Image, letters: str) -> tuple[float, ...]:
    sizes = {
        "T": image.frame_interval_s,
        "Z": image.z_step_um if image.pixel_size_um else None,
        "Y": image.pixel_size_um,
        "X": image.pixel_size_um,
    }
    return tuple(sizes[letter] or 1.0 for letter in letters)


def _units(image: Image, letters: str) -> tuple[str, ...]:
    length = "um" if image.pixel_size_um else "pixel"
    # a Z step that is unknown beside a known pixel size is shown as one micrometer, so that 3D views stay possible
    units = {"T": "s" if image.frame_interval_s else "pixel", "Z": length, "Y": length, "X": length}
    return tuple(units[letter] for letter in letters)


def _colormap(image: Image, index: int) -> Any:
    if image.kind in SIGNED:
        return DIVERGING
    if image.kind in AMOUNTS:
        return "inferno"
    color = viewer_colors(image.channels, image.colors)[index]
    return "gray" if color == GRAY else color


def _signed_data(real: ImageLayer, pixels: Any, limit: float, derived: str) -> LayerData:
    options = like(real) | {
        "name": f"{channel_name(real)} – {derived}",
        "colormap": DIVERGING,
        "contrast_limits": (-limit, limit),
        "blending": "additive",
        "metadata": {KEY: _derived(real, derived)},
    }
    return pixels, options, "image"


def _derived(real: ImageLayer, derived: str) -> dict[str, Any]:
    return {
        "role": derived,
        "of": str(real.unique_id),
        "channel": channel_name(real),
        "synthetic": info(real).get("synthetic", False),
    }


def _color(layer: ImageLayer) -> str | None:
    """Return "#rrggbb" where a layer's colors go straight from black to a color; white says nothing."""
    ends = np.asarray(layer.colormap.colors)[:, :3]
    if len(ends) != 2 or ends[0].any() or np.ptp(ends[1]) == 0:
        return None
    return "#" + "".join(f"{round(float(part) * 255):02x}" for part in ends[1])


def _unit(layer: ImageLayer) -> str:
    """Return the unit in which a layer of others states its pixel size."""
    letters = letters_of(layer)[0].replace("C", "")
    stated = unit_symbol(str(layer.units[letters.index("X")])) if pixel_size_um(layer) else None
    return stated or "pixel"


def _micrometers(layer: ImageLayer, letter: str) -> float | None:
    return _in(layer, letter, "um")


def _in(layer: ImageLayer, letter: str, unit: str) -> float | None:
    """Return the step along an axis in a unit, None where the layer has none of that kind.

    A negative scale mirrors what is shown; it says nothing of how large a pixel is.
    """
    letters, _ = letters_of(layer)
    letters = letters.replace("C", "") if layer.rgb else letters
    if letter not in letters:
        return None
    axis = letters.index(letter)
    step = layer.scale[axis] * layer.units[axis]
    return (abs(float(step.to(unit).magnitude)) or None) if step.is_compatible_with(unit) else None


def _scale_notes(layer: ImageLayer) -> tuple[str, ...]:
    """Return what the user should know of a layer's scale."""
    letters, _ = letters_of(layer)
    letters = letters.replace("C", "")
    mirrored = [a for a, s in zip(letters, layer.scale, strict=True) if a in "YX" and s < 0]
    notes = []
    if mirrored:
        notes.append(
            f"The layer {layer.name!r} has a negative scale along {' and '.join(mirrored)}, which mirrors what is "
            f"shown: its pixels are translated as they are stored, and its pixel size is taken without the sign."
        )
    high, wide = (abs(layer.scale[letters.index(a)]) for a in "YX")
    if abs(high - wide) > 0.01 * min(high, wide):
        notes.append(
            f"The layer {layer.name!r} has pixels {high:.4g} high and {wide:.4g} wide; their geometric mean is used as "
            f"pixel size."
        )
    return tuple(notes)


def _origin(layer: ImageLayer) -> dict[str, float]:
    """Return where a layer's first pixel lies, in micrometers; nothing where that is no place of its own."""
    letters, _ = letters_of(layer)
    places = zip(letters.replace("C", ""), layer.translate, layer.units, strict=True)
    placed = {a: start * unit for a, start, unit in places if a in "ZYX"}
    if not any(start.magnitude for start in placed.values()):
        return {}
    return {a: float(start.to("um").magnitude) for a, start in placed.items() if start.is_compatible_with("um")}


def _path(path: Any) -> Any:
    from pathlib import Path

    return Path(path) if path else None
