"""TIFF in all its kinds: OME-TIFF, ImageJ, LSM, STK, MetaXpress, plain."""

from __future__ import annotations

import math
import operator
import re
import struct
import threading
from typing import TYPE_CHECKING, Any
from xml.etree import ElementTree

import tifffile

from napari_phenotrans.core.errors import InputError
from napari_phenotrans.core.text import first_of
from napari_phenotrans.io.axes import settle
from napari_phenotrans.io.lazy import LazyPixels, naming_damage
from napari_phenotrans.io.metadata import make_image, remarks
from napari_phenotrans.io.ome_files import images_by_file, refuse_foreign
from napari_phenotrans.io.ome_xml import AXES_NAMESPACE, OmeXml, read_companion
from napari_phenotrans.io.size_limit import MOST_PLANES
from napari_phenotrans.io.tiff_metadata import imagej_info, tiff_facts
from napari_phenotrans.io.tiff_region import read_encoded, read_stored
from napari_phenotrans.io.tiff_values import Values, values_of

if TYPE_CHECKING:
    from pathlib import Path

    import numpy as np

    from napari_phenotrans.core.image import Image
    from napari_phenotrans.io.lazy import Within

EXPECTED = "a TIFF file that tifffile can read"
_KINDS = (tifffile.TiffFileError, ElementTree.ParseError)
# ImageDescription, and the tags of STK, LSM and ImageJ
_DESCRIBING = {270, 33628, 33629, 34412, 50838, 50839}


def read_tiff(path: Path, axes: str | None = None, series: int = 0) -> Image:
    """Open a TIFF file of any kind; pixels stay in the file.

    Parameters
    ----------
    path
        The file, or the ``.companion.ome`` of a set of OME-TIFF files.
    axes
        The axes that the user said.
    series
        Which of several images in the file.

    Raises
    ------
    InputError
        If the file is damaged, cut short or none, or its axes cannot be mapped.
    """
    notes: list[str] = []
    with naming_damage(path, EXPECTED, *_KINDS):
        path, ome, text = _metadata(path, notes)
        if ome is not None:
            _refuse_endless(path, ome)
            text = _ours(path, ome, text, series, notes)
        with tifffile.TiffFile(path, omexml=text) as tif:
            _refuse_lost_tags(path, tif)
            notes += _damaged(tif)
            page_series = _choose(path, tif, series, ome, notes)
            if ome is not None and page_series.kind == "ome":
                facts = ome.facts(_number(ome, page_series))
                notes += remarks(ome.annotation())
                stated, shape = _with_single_axes(page_series, ome.annotation(AXES_NAMESPACE).get("axes", ""))
            else:
                facts = tiff_facts(tif, page_series)
                notes += remarks(facts.provenance)
                stated, shape = _with_single_axes(page_series, imagej_info(tif).image.get("axes", ""))
            letters, guessed = settle(path, stated, shape, axes)
            values = values_of(tif, page_series)
            notes += [values.note] if values.note else []
            levels = []
            for level in page_series.levels:
                sizes = dict(zip(level.axes, level.shape, strict=True))
                if any(sizes.get(a, 1) != n for a, n in zip(stated, shape, strict=True) if a not in "YX"):
                    continue  # not the same planes: no part of the pyramid
                _refuse_incomplete(path, level, ome)
                levels.append(_lazy(path, level, stated, tuple(sizes.get(a, 1) for a in stated), values))
    return make_image(levels[0], letters, facts, path, pyramid=tuple(levels[1:]), notes=(*notes, *guessed))


def tiff_provenance(path: Path) -> dict[str, str]:
    """Return what `write` noted in an OME-TIFF, empty for other files."""
    with naming_damage(path, EXPECTED, *_KINDS), tifffile.TiffFile(path) as tif:
        ome = OmeXml.parse(tif.ome_metadata) if tif.ome_metadata else None
        return ome.annotation() if ome else imagej_info(tif).provenance


def _refuse_endless(path: Path, ome: OmeXml) -> None:
    if (planes := ome.most_planes()) > MOST_PLANES:
        raise InputError(
            f"{path} says that it holds {planes} planes. Up to {MOST_PLANES} are expected: the file is damaged. Get it "
            f"again from where it came."
        )


def _metadata(path: Path, notes: list[str]) -> tuple[Path, OmeXml | None, str | None]:
    """Find the file to open, its OME-XML, and that text where it stands in a companion file."""
    if path.name.lower().endswith(".companion.ome"):
        ome, text = read_companion(path)
        if ome is not None:
            refuse_foreign(path, ome)
        files = [path.with_name(name) for name in (ome.files() if ome else [])]
        present = next((file for file in files if file.is_file()), None)
        if present is None:
            raise InputError(
                f"{path} describes the planes of {len(files)} TIFF files, of which none is beside it. Put the files "
                f"into the same folder: {', '.join(file.name for file in files[:5])}."
            )
        return present, ome, text
    with tifffile.TiffFile(path) as tif:
        ome = OmeXml.parse(tif.ome_metadata) if tif.ome_metadata else None
    if ome is None or ome.companion is None:
        return path, ome, None
    refuse_foreign(path, ome)
    companion = path.with_name(ome.companion)
    if companion.is_file():
        ome, text = read_companion(companion)
        return path, ome, text
    notes.append(
        f"This file is one part of an image that {companion.name} describes, which is not beside it; only the planes "
        f"in this file were read."
    )
    return path, None, None


def _ours(path: Path, ome: OmeXml, text: str | None, series: int, notes: list[str]) -> str | None:
    """Return OME-XML of the images that may be read: those with planes in this file, and others where they are asked.

    In it, images are called by their number, which tells what is said of a series of pages. A file of a set thereby
    gives its own image, whatever other files of the set are there.
    """
    refuse_foreign(path, ome)
    own, others = images_by_file(path, ome)
    if len(ome.images) < 2:
        return text
    kept = own if series < len(own) else own + others
    elsewhere = [name for i, name in enumerate(ome.names) if i not in own and ome.has_planes(i)]
    if own and elsewhere:
        notes.append(
            f"The file is one of a set, whose other images ({first_of(elsewhere)}) lie in other files; what lies in "
            f"this one was read."
        )
    return ome.numbered(kept)


def _number(ome: OmeXml, series: tifffile.TiffPageSeries) -> int:
    """Return which Image of the OME-XML a series is."""
    return int(series.name) if len(ome.images) > 1 else 0


def _refuse_lost_tags(path: Path, tif: tifffile.TiffFile) -> None:
    """Refuse a file that ends before its descriptions do: pixels would open without what is known of them.

    tifffile leaves out tags that it cannot read.
    """
    first, tiff = tif.pages.first, tif.tiff
    tif.filehandle.seek(first.offset)
    (count,) = struct.unpack(tiff.tagnoformat, tif.filehandle.read(tiff.tagnosize))
    entries = tif.filehandle.read(count * tiff.tagsize)
    codes = {struct.unpack_from(tiff.byteorder + "H", entries, i * tiff.tagsize)[0] for i in range(count)}
    lost = sorted(code for code in codes & _DESCRIBING if code not in first.tags)
    if lost:
        raise InputError(
            f"{path} has a description that cannot be read (TIFF tag {lost[0]}). The file is cut short or damaged; get "
            f"it again from where it came."
        )


def _damaged(tif: tifffile.TiffFile) -> list[str]:
    """Return notes about descriptions that are there and cannot be understood: pixels open without what they say."""
    notes = []
    first = tif.pages.first
    if re.match(r"\s*(<(\?xml|!--).*?>\s*)*<(\w+:)?OME\b", first.description, re.DOTALL):
        whole = OmeXml.parse(first.description) is not None
        notes += [] if whole else ["The file's OME metadata are damaged: no names, sizes or units were read from them."]
    tag = first.tags.get("IJMetadata")
    if tag is not None and not isinstance(tag.value, dict):
        notes.append("The file's ImageJ metadata are damaged: no labels, colors or ranges were read from them.")
    return notes


def _choose(
    path: Path, tif: tifffile.TiffFile, index: int, ome: OmeXml | None, notes: list[str]
) -> tifffile.TiffPageSeries:
    every = [s for s in tif.series if not s.keyframe.is_reduced] or list(tif.series)
    by_ome = ome is not None and every and every[0].kind == "ome"
    if not 0 <= index < len(every):
        raise InputError(f"{path} holds {len(every)} images; series {index} was asked for. Say 0 to {len(every) - 1}.")
    page_series = every[index]
    names = [ome.names[_number(ome, s)] if ome is not None and by_ome else f"{s.axes} {s.shape}" for s in every]
    if len(every) > 1:
        notes.append(
            f"The file holds {len(every)} images ({first_of(names)}); number "
            f"{index} was read. The others open with series=1 and so on."
        )
    # tifffile falls back to single pages where the file is shorter than its description says
    if (tif.is_imagej and page_series.kind != "imagej") or (tif.is_shaped and page_series.kind != "shaped"):
        raise InputError(
            f"{path} holds less than its description says: expected what {tif.pages.first.description[:120]!r} "
            f"describes, found {page_series.axes} with shape {page_series.shape}. The file is cut short; get it again."
        )
    if ome is not None and page_series.kind != "ome":
        notes.append("The file's OME metadata do not fit its pages and were not used.")
    # pages are a chain; tifffile stops where it breaks
    next_offset = tif.pages.next_page_offset
    if page_series.kind != "ome" and next_offset is not None and not tif.is_ndpi:
        tif.filehandle.seek(next_offset)
        (following,) = struct.unpack(tif.tiff.offsetformat, tif.filehandle.read(tif.tiff.offsetsize))
        if following and following not in {page.offset for page in tif.pages}:
            raise InputError(
                f"{path} holds {len(tif.pages)} pages and refers to another that lies behind its end. The file is cut "
                f"short; get it again."
            )
    return page_series


def _refuse_incomplete(path: Path, series: tifffile.TiffPageSeries, ome: OmeXml | None) -> None:
    """Refuse a file that states more pixels than it holds, before somebody works with what is there."""
    missing = sum(page is None for page in series)
    if missing:
        absent = [name for name in (ome.files() if ome else []) if not path.with_name(name).exists()]
        where = f"; these files are not beside it: {', '.join(absent[:5])}" if absent else ""
        raise InputError(
            f"{path} describes {len(series)} planes (axes {series.axes}, shape {series.shape}), of which {missing} "
            f"are missing{where}. Get the whole image again from where it came."
        )
    pages = [page for page in series if page is not None]
    count, rest = divmod(math.prod(series.shape), max(1, series.keyframe.size))
    whole = len(pages) == count or (len(pages) == 1 and series.keyframe.is_final)
    extra = (count - 1) * series.keyframe.nbytes if len(pages) == 1 else 0
    for page in pages:
        ends = [o + n for o, n in zip(page.dataoffsets, page.databytecounts, strict=False)]
        end, size = max(ends, default=0) + extra, page.parent.filehandle.size
        if rest or not whole or end > size or not ends:
            raise InputError(
                f"{path} is cut short: axes {series.axes} with shape {series.shape} need {count} planes"
                f"{f' and {end} bytes' if whole else ''}, found {len(pages)} pages in {size} bytes. Get the file again "
                f"from where it came."
            )


def _with_single_axes(series: tifffile.TiffPageSeries, wanted: str) -> tuple[str, tuple[int, ...]]:
    """Return axes and shape, with those axes of length 1 that the writer had (OME-TIFF cannot say which it had)."""
    sizes = dict(zip(series.axes, series.shape, strict=True))
    if "".join(a for a in wanted if a in sizes) == series.axes and set(wanted) <= set("TZCYX"):
        return wanted, tuple(sizes.get(a, 1) for a in wanted)
    return series.axes, series.shape


def _lazy(path: Path, series: tifffile.TiffPageSeries, axes: str, shape: tuple[int, ...], values: Values) -> LazyPixels:
    keyframe = series.keyframe
    pages: list[Any] = list(series)
    count = math.prod(shape) // keyframe.size
    # the last axes lie in a page, at least Y and X; those of length 1 before them belong to neither
    splits = [k for k in range(len(shape)) if math.prod(shape[:k]) == count and "YX" in axes[k:]]
    if not splits:
        raise InputError(
            f"{path} stores its axes {axes} with shape {shape} in pages of shape {keyframe.shape}, which do not divide "
            f"them into planes. Convert it to a plain OME-TIFF."
        )
    planes = splits[-1]
    paged, plane_shape = shape[:planes], shape[planes:]
    tile = (keyframe.tilelength, keyframe.tilewidth) if keyframe.is_tiled else plane_shape
    chunk = tuple(
        dict(zip("YX", tile, strict=False)).get(a, n) for a, n in zip(axes[planes:], plane_shape, strict=True)
    )
    strides = [math.prod(paged[i + 1 :]) for i in range(planes)]
    sources = [(page.parent.filehandle.path, page.dataoffsets[0], page.parent.byteorder) for page in pages]
    stored = keyframe.is_final and series.transform is None
    # pages that stand one behind the other are one array, of which any part is read in one go
    path_0, start_0, _ = sources[0]
    as_one = stored and all(
        file == path_0 and start == start_0 + i * keyframe.nbytes for i, (file, start, _) in enumerate(sources)
    )

    def read_stored_page(position: tuple[int, ...], within: Within) -> np.ndarray:
        file, start, byteorder = sources[sum(map(operator.mul, position, strides))]
        kind = series.dtype.newbyteorder(byteorder)
        return read_stored(file, start, kind, shape if as_one else plane_shape, within)

    # decoding shares the file's one handle, which is open during a read only
    lock = threading.Lock()

    def read_coded(position: tuple[int, ...], within: Within) -> np.ndarray:
        page = pages[sum(map(operator.mul, position, strides))]
        with lock:
            page.parent.filehandle.open()
            try:
                part = read_encoded(page, axes[planes:], plane_shape, within)
            finally:
                page.parent.filehandle.close()
        return part if series.transform is None else series.transform(part)

    def read(position: tuple[int, ...], within: Within) -> np.ndarray:
        part = (read_stored_page if stored else read_coded)(position, within)
        return part if values.convert is None else values.convert(part.astype(part.dtype.newbyteorder("="), copy=False))

    return LazyPixels(
        shape,
        values.dtype,
        0 if as_one else planes,
        read,
        path=path,
        expected=EXPECTED,
        chunks=(1,) * planes + (chunk if keyframe.is_tiled else plane_shape),
        kinds=_KINDS,
    )
