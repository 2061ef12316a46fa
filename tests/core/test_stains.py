"""Tests of napari_phenotrans.core.stains."""

from __future__ import annotations

from pathlib import Path

import pytest

from napari_phenotrans.core.stains import STAINS, bare, plain, stain_in, stain_of


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("ZO-1", "zo1"),
        ("ZO1 (Alexa Fluor 488)", "zo1"),
        ("AF647 PH3", "ph3"),
        ("PH3_647", "ph3"),
        ("DAPI [405/450 nm]", "dapi"),
        ("Tubulin (Cy3, 561)", "tubulin"),
        ("α-tubulin", "alphatubulin"),
        # nothing but a dye or a wavelength is the name itself
        ("Alexa 488", "alexa488"),
        ("405", "405"),
        ("(561)", "561"),
        # numbers that belong to the name
        ("S100", "s100"),
        ("p53", "p53"),
        ("Hoechst 33342", "hoechst33342"),
        ("FKHR-EGFP", "fkhregfp"),
    ],
)
def test_dyes_and_wavelengths_are_no_part_of_a_name(name: str, expected: str) -> None:
    assert bare(name) == expected


def test_every_name_means_one_stain_and_is_found_however_it_is_written() -> None:
    every = [plain(name) for names in STAINS.values() for name in names]
    assert len(every) == len(set(every))
    for stain, names in STAINS.items():
        for name in names:
            written = (name, name.upper(), name.replace("-", " "), f"{name} (488)", f"{name} (Alexa 647)")
            assert {stain_of(each) for each in written} == {stain}


@pytest.mark.parametrize("name", ["FITC", "561", "channel 1", "FKHR-EGFP", "H3", "histone H3", ""])
def test_other_names_mean_none_of_them(name: str) -> None:
    assert stain_of(name) is None


def test_a_part_of_a_name_may_say_what_is_stained() -> None:
    assert [stain_in(name) for name in ("FKHR-EGFP", "DNA_1", "ZO-1", "Hoechst 33342", "H3", "FKHR")] == [
        "GFP", "DNA", "ZO1", "DNA", None, None,
    ]  # fmt: skip


def test_the_documentation_lists_them_all() -> None:
    text = (Path(__file__).parents[2] / "docs" / "formats.md").read_text(encoding="utf-8")
    rows = [f"| {stain} | {', '.join(names)} |" for stain, names in STAINS.items()]
    assert [row for row in rows if row not in text] == []
