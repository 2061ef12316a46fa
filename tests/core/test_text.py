import subprocess
import sys
from io import StringIO

import pytest
from matplotlib import rc_context

from napari_phenotrans.core.text import (
    as_cell,
    counted,
    duration,
    few,
    first_of,
    from_cell,
    gigabytes,
    listed,
    minus_signs,
    natural_key,
    percent,
    printable,
    table,
    three_decimals,
    three_digits,
    without_math,
)


def test_numbers_in_names_count_as_numbers_and_case_does_not() -> None:
    names = ["a10", "A2", "b1", "10x", "9", "a2c", "a"]
    assert sorted(names, key=natural_key) == ["9", "10x", "a", "A2", "a2c", "a10", "b1"]


def test_what_looks_like_a_digit_and_is_no_number_is_text() -> None:
    assert sorted(["b", "a²", "a1"], key=natural_key) == ["a1", "a²", "b"]


@pytest.mark.parametrize(
    ("number", "text"),
    [(0.012345, "0.0123"), (-2.5, "−2.5"), (123.456, "123.5"), (-123.456, "−123.5"), (1234.5, "1234"), (0, "0")],
)
def test_three_digits(number: float, text: str) -> None:
    assert three_digits(number) == text


@pytest.mark.parametrize(
    ("number", "text"), [(0.5, "0.500"), (-99.99, "-99.990"), (123.4, "123"), (12345.6, "12346"), (None, "-")]
)
def test_three_decimals(number: float | None, text: str) -> None:
    assert three_decimals(number) == text


def test_a_missing_number_is_shown_as_asked_for() -> None:
    assert three_decimals(None, missing="–") == "–"


def test_minus_signs() -> None:
    assert minus_signs("[-0.20, 1.00]") == "[−0.20, 1.00]"


@pytest.mark.parametrize(
    ("share", "text"),
    [(0, "0 %"), (0.0004, "< 0.1 %"), (0.001, "0.1 %"), (0.0994, "9.9 %"), (0.0999, "10 %"), (1, "100 %")],
)
def test_percent(share: float, text: str) -> None:
    assert percent(share) == text


@pytest.mark.parametrize(
    ("seconds", "words"), [(0.2, "1 s"), (40, "40 s"), (700, "12 min"), (5000, "83 min"), (6480, "1.8 h")]
)
def test_durations_in_words(seconds: float, words: str) -> None:
    assert duration(seconds) == words


def test_sizes() -> None:
    assert gigabytes(1932735283) == "1.8 GB"


def test_one_thing_has_no_plural() -> None:
    assert [counted(number, "field") for number in (0, 1, 2)] == ["0 fields", "1 field", "2 fields"]
    assert counted(2, "group was", "groups were") == "2 groups were"


def test_lists_of_names() -> None:
    assert [listed("abc"[:count]) for count in (1, 2, 3)] == ["a", "a and b", "a, b and c"]
    assert few(["a", "b", "c"]) == "a, b, c"
    assert few(list("abcde")) == "a, b, c and 2 more"
    assert few(list("abc"), 2, separator="; ") == "a; b and 1 more"
    assert first_of(list("abcde")) == "a, b, c, d, e"
    assert first_of(list("abcdef")) == "a, b, c, d, e, …"


def test_tables_are_aligned_and_end_without_spaces() -> None:
    rows = [("name", "n", "note"), ("a", "10", ""), ("long name", "5", "odd")]
    assert table(rows, right=[1]) == ["name        n  note", "a          10", "long name   5  odd"]


def test_a_table_of_unequal_rows_is_refused() -> None:
    with pytest.raises(ValueError, match="shorter"):
        table([("a", "b"), ("c",)])


@pytest.mark.parametrize("text", ["=1+2", "+a", "-b", "@c", "\t=1", "\r=1", '=HYPERLINK("http://x")'])
def test_no_cell_is_a_formula_and_what_was_written_comes_back(text: str) -> None:
    assert as_cell(text) == f"'{text}"
    assert as_cell(as_cell(text)) == as_cell(text)
    assert from_cell(str(as_cell(text))) == text


@pytest.mark.parametrize("value", ["A01", "'quoted'", "", "a=b", -0.5, 3, None])
def test_other_cells_stay(value: object) -> None:
    assert as_cell(value) == value
    if isinstance(value, str):
        assert from_cell(value) == value


def test_what_is_printed_commands_no_terminal() -> None:
    assert printable("a\x1b]0;title\x07b\x9b31mc") == "a]0;titleb31mc"
    assert printable("photo\u202egpj.exe\u2066") == "photogpj.exe"
    assert printable("µm\t1\u00a0234\nDAPI → PH3 × 2\ud800") == "µm\t1\u00a0234\nDAPI → PH3 × 2"


@pytest.mark.parametrize("name", ["$5", "a $x_ b$ c", r"$\frac$", "x_^{"])
def test_a_figure_shows_names_as_they_are(name: str) -> None:
    from matplotlib.figure import Figure

    figure = Figure()
    axis = figure.subplots()
    axis.set_title(name)
    axis.plot([0, 1], label=name)
    axis.legend()
    without_math(figure)
    svg = StringIO()
    with rc_context({"svg.fonttype": "none"}):
        figure.savefig(svg, format="svg")
    assert svg.getvalue().count(f">{name}</text>") == 2


def test_nothing_heavy_is_imported() -> None:
    said = "import sys; import napari_phenotrans.core.text; print('numpy' in sys.modules or 'torch' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", said], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"
