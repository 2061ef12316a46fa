"""Names of channels: spellings, dyes beside them, and the names that mean one stain."""

from __future__ import annotations

import re

# By what is stained: names that mean the same thing in the same place. A dye that is bound to antibodies of any kind
# (FITC, Alexa 488, Cy5) is nothing of its own, and proteins of one compartment are not taken for each other.
STAINS: dict[str, tuple[str, ...]] = {
    "DNA": ("DAPI", "Hoechst", "Hoechst 33342", "Hoechst 33258", "DRAQ5", "NucBlue", "DNA", "nuclei", "nucleus"),
    "PH3": ("PH3", "pHH3", "phospho-histone H3", "phospho H3", "H3S10ph", "PH3 Ser10", "phospho-histone H3 Ser10"),
    "ZO1": ("ZO1", "TJP1", "zonula occludens 1", "zona occludens 1", "tight junction protein 1"),
    "actin": ("actin", "F-actin", "phalloidin"),
    "tubulin": ("tubulin", "alpha-tubulin", "a-tubulin"),
    "TUBB3": ("TUBB3", "TUJ1", "beta-III-tubulin", "b3-tubulin"),
    "GFP": ("GFP", "EGFP"),
    "Ki67": ("Ki67", "MKI67"),
    "cleaved caspase 3": ("cleaved caspase 3", "CC3", "cCasp3", "active caspase 3"),
    "SOX2": ("SOX2", "SRY-box 2"),
    "N-cadherin": ("N-cadherin", "Ncad", "CDH2"),
    "E-cadherin": ("E-cadherin", "Ecad", "CDH1"),
    "yH2AX": ("yH2AX", "gamma-H2AX", "phospho-H2AX", "H2AX pS139"),
}

_GREEK = {"α": "alpha", "β": "beta", "γ": "gamma"}
# How a stain is excited, filtered or bound: wavelengths and dyes that any antibody may carry.
_WAVELENGTH = r"\d{3}(?:\s*[-/]\s*\d{2,3})?\s*(?:nm|ex|em)?"
_DYE = (
    r"(?:alexa(?:\s*fluor)?|af|atto|cf|dylight|janelia\s*fluor|jf)[\s_-]*\d{3}(?:plus)?"
    r"|cy[\s_-]*\d(?:\.5)?|fitc|tritc|texas\s*red|txred|rhodamine"
)
_BESIDE = rf"(?:{_DYE}|{_WAVELENGTH})"
_BRACKETS = re.compile(rf"[(\[{{]\s*(?:{_BESIDE}[\s,;/_-]*)+[)\]}}]", re.I)
_BEFORE = re.compile(rf"^(?:{_BESIDE})[\s_,;:/-]+", re.I)
_BEHIND = re.compile(rf"[\s_,;:/-]+(?:{_BESIDE})$", re.I)


def plain(name: str) -> str:
    """Return a channel's name without case, spaces, hyphens and underscores: ZO-1 and zo1 are one name."""
    return re.sub(r"[\s_\-]+", "", name).casefold()


def bare(name: str) -> str:
    """Return a channel's plain name without the dye and the wavelength beside it: ``PH3 (Alexa 647)`` is ph3."""
    without = "".join(_GREEK.get(letter, letter) for letter in name.strip())
    for beside in (_BRACKETS, _BEFORE, _BEHIND):
        if re.fullmatch(rf"\W*{_BESIDE}\W*", without, re.I):
            break  # what is only a dye or a wavelength has no other name
        without = beside.sub("", without).strip()
    return re.sub(r"[()\[\]{}]", "", plain(without))


def stain_of(name: str) -> str | None:
    """Return what a channel's name says is stained, see `STAINS`; None where it is none of these."""
    return _BY_NAME.get(bare(name))


def stain_in(name: str) -> str | None:
    """Return the stain that a channel's name says, or that a part of it does: FKHR-EGFP is GFP, DNA_1 is DNA."""
    parts = (part for part in re.split(r"[\s_\-/]+", name) if part)
    return stain_of(name) or next((stain for part in parts if (stain := stain_of(part))), None)


_BY_NAME = {plain(name): stain for stain, names in STAINS.items() for name in names}
