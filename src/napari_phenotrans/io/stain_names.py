"""Which channel names of a file stand for stains, and which only number its planes or repeat its name."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

STAINS = (
    r"(?:DAPI|Hoechst\d*|DNA|E?GFP|RFP|YFP|CFP|mCherry|tdTomato|FITC|TRITC|Cy\d(?:\.5)?"
    r"|Texas ?Red|TxRed|Alexa ?\d+|AF\d+|Actin|Phalloidin|Tubulin|PH3|ZO-?1|brightfield|phase|DIC)"
)
# Words that count, alone or with a number: "c:1/3 z:2/5", "Slice 4", "frame_0001"; S100 and p53 are proteins.
_COUNTED = (
    r"(?:[cztsp]\s*[:=]|(?:ch|channel|slice|plane|frame|image|img|page|series|position|pos|time|stack|layer)(?![a-z]))"
)
_EDGE = r"[\s:;,._\-#()\[\]]*"
_NUMBER = r"\d+(?:\s*(?:/|of)\s*\d+)?"
_PLANE = re.compile(rf"(?:{_EDGE}(?:{_COUNTED}{_EDGE})?{_NUMBER})+{_EDGE}", re.I)
# An instrument's own names of its channels, which stay the same from file to file.
_INSTRUMENT = re.compile(r"(?:ch|channel|c|w)[\s_:#-]*\d+", re.I)
_FILE = re.compile(r"\.(?:ome\.)?(?:tiff?|lsm|stk|czi|nd2|lif|png|jpe?g|zarr)\b", re.I)


def number_planes(names: Sequence[str], path: Path) -> bool:
    """Return whether any of the names numbers planes or repeats a file's name, so that none can be trusted.

    Numbers alone are wavelengths, such as 405 and 488, unless they count from 0 or 1.
    """
    stem = path.name.split(".")[0].casefold()
    if re.fullmatch(STAINS, stem, re.I):
        stem = ""
    plain = [name.strip() for name in names]
    if [name.lstrip("0") or "0" for name in plain] in ([str(i + k) for i in range(len(plain))] for k in (0, 1)):
        return True
    return any(_names_no_stain(name, stem) for name in plain)


def _names_no_stain(name: str, stem: str) -> bool:
    if re.fullmatch(r"\d+(?:\.\d+)?(?:\s*nm)?", name) or _INSTRUMENT.fullmatch(name):
        return False
    without = _FILE.sub("", name)
    named_file = without != name
    if stem and stem in without.casefold():
        at = without.casefold().index(stem)
        without, named_file = without[:at] + without[at + len(stem) :], True
    rest = without.strip(" -_:;,.#()[]")
    if named_file and (not rest or _PLANE.fullmatch(rest)):
        return True
    if rest != name and named_file and _FILE.search(name):
        return not re.search(STAINS, rest, re.I)
    return bool(_PLANE.fullmatch(name))
