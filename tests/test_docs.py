"""The documents: links lead somewhere, modules that are named exist, and what is to be added works when it is."""

from __future__ import annotations

import ast
import re
import sys
import tomllib
from importlib import import_module
from pathlib import Path
from pkgutil import resolve_name
from types import ModuleType
from typing import TYPE_CHECKING

import click
import numpy as np
import pytest

from bench.__main__ import COMMANDS
from docs import reference_tables
from napari_phenotrans import engines, io, metrics
from napari_phenotrans.checkpoints.checkpoint import Checkpoint
from napari_phenotrans.cli.main import phenotrans
from napari_phenotrans.core.settings import flag
from napari_phenotrans.dataset.dataset import DataSet
from napari_phenotrans.dataset.synthetic import write_dataset
from napari_phenotrans.io import READERS
from napari_phenotrans.metrics import Features
from napari_phenotrans.training.run import Run
from napari_phenotrans.translation.translate import translate_image

if TYPE_CHECKING:
    from collections.abc import Callable

ROOT = Path(__file__).parents[1]
DOCUMENTS = [ROOT / "README.md", ROOT / "tests" / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
PACKAGE = ROOT / "src" / "napari_phenotrans"
each_document = pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.relative_to(ROOT).as_posix())


def anchors(document: Path) -> set[str]:
    """Return the anchors that GitHub gives a document's headings."""
    headings = re.findall(r"^#+ (.+)$", document.read_text(encoding="utf-8"), re.M)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


@each_document
def test_links_lead_somewhere(document: Path) -> None:
    for link in re.findall(r"\]\(([^)\s]+)\)", document.read_text(encoding="utf-8")):
        if link.startswith(("http:", "https:")):
            continue
        name, _, anchor = link.partition("#")
        target = document.parent / name if name else document
        assert target.exists(), link
        assert not anchor or anchor in anchors(target), link


@each_document
def test_modules_that_are_named_exist(document: Path) -> None:
    text = document.read_text(encoding="utf-8")
    for name in re.findall(r"`((?:\w+/)+\w+\.py)`", text):
        assert any((folder / name).exists() for folder in (PACKAGE, ROOT, document.parent)), name
    for name in re.findall(r"`(napari_phenotrans[\w.]+)", text):
        resolve_name(name)


# ---- adding to it: the examples of docs/developers/extending.md

EXTENDING = ROOT / "docs" / "developers" / "extending.md"
EXAMPLES = dict(re.findall(r"```python\n# ([^\n]+)\n(.*?)```", EXTENDING.read_text(encoding="utf-8"), re.S))


@pytest.fixture
def add(monkeypatch: pytest.MonkeyPatch) -> Callable[[str, str], None]:
    """Put an example's module where its first line says, and its line into the registry."""

    def name_of(file: str) -> str:
        return "napari_phenotrans." + file.removesuffix(".py").replace("/", ".").removesuffix(".__init__")

    def do(module: str, registry: str) -> None:
        name = name_of(module)
        made = ModuleType(name)
        monkeypatch.setitem(sys.modules, name, made)
        exec(compile(EXAMPLES[module], module, "exec"), vars(made))
        file, place = registry.split(": ")
        registered = vars(import_module(name_of(file)))
        lines = eval("{" + EXAMPLES[registry] + "}", {**registered, **vars(made)})
        for key, value in lines.items():
            assert key not in registered[place]
            monkeypatch.setitem(registered[place], key, value)

    return do


def test_the_engine_trains_into_a_checkpoint_that_translates(add: Callable[[str, str], None], tmp_path: Path) -> None:
    add("engines/contrast.py", "engines/__init__.py: ENGINES")
    write_dataset(tmp_path / "images", 3, size=64)
    dataset = DataSet.open(tmp_path / "images", ("healthy", "diseased"))
    settings = engines.engine_entry("contrast").settings.make(steps=5, crop=32, score_every=0)
    run = Run(tmp_path / "run", dataset, "contrast", settings)
    assert type(list(run.events())[-1]).__name__ == "Finished"
    checkpoint = Checkpoint.load(tmp_path / "run" / "last.safetensors")
    assert checkpoint.card.engine == "contrast"

    engine = checkpoint.build_engine()
    moments = {c: engine.networks_to(c).moments for c in engine.conditions}
    image = io.read(dataset.fields[0].path)
    x = checkpoint.card.intensity.normalize(image.plane())
    made = checkpoint.card.intensity.normalize(
        translate_image(image, checkpoint, source="healthy", target="diseased").translated.plane()
    )
    (mean, spread), (other_mean, other_spread) = (moments[c].numpy()[:, :, None, None] for c in ("healthy", "diseased"))
    expected = ((x - mean) * other_spread / spread + other_mean).reshape(made.shape)
    assert not np.allclose(made, x, atol=1e-3)
    darkest = checkpoint.card.intensity.normalize(np.zeros_like(image.plane()))  # what the dtype holds
    np.testing.assert_allclose(made, np.maximum(expected, darkest), atol=2e-3)


def test_the_metric_knows_which_way_round_it_is(add: Callable[[str, str], None]) -> None:
    add("metrics/mean_distance.py", "metrics/__init__.py: METRICS")
    metric = metrics.METRICS["mean distance"]
    rng = np.random.default_rng(0)
    groups = np.repeat(np.arange(8), 10)
    real = Features(rng.normal(size=(80, 4)), groups)
    near, far = (Features(rng.normal(shift, 1, size=(80, 4)), groups) for shift in (0.2, 1.0))
    assert metric(real, real, None).value == metric.best
    close, wide = metric(real, near, None), metric(real, far, None)
    assert close.value < wide.value == pytest.approx(1, abs=0.3)
    assert wide.low is not None and wide.high is not None
    assert wide.low < wide.value < wide.high
    assert metric(real, far, None, resamples=0).low is None


def test_the_reader_reads(add: Callable[[str, str], None], tmp_path: Path) -> None:
    pixels = np.arange(3 * 8 * 9, dtype=np.uint16).reshape(3, 8, 9)
    np.save(tmp_path / "a.npy", pixels)
    assert not io.readable(tmp_path / "a.npy")
    add("io/npy.py", "io/registry.py: READERS")
    assert READERS[".npy"] == "npy:read_npy"
    image = io.read(tmp_path / "a.npy")
    assert len(image.notes) == 1  # what the axes are was guessed
    np.testing.assert_array_equal(io.read(tmp_path / "a.npy", axes="CYX").plane(), pixels)


def test_every_slow_test_is_listed_with_its_reason() -> None:
    listed = re.findall(r"^\| `([\w/.]+)::(\w+)", (ROOT / "tests" / "README.md").read_text(encoding="utf-8"), re.M)
    marked = {
        (path.relative_to(ROOT / "tests").as_posix(), name)
        for path in (ROOT / "tests").rglob("test_*.py")
        for name in slow_tests(ast.parse(path.read_text(encoding="utf-8")))
    }
    assert marked == set(listed)


def slow_tests(tree: ast.Module) -> list[str]:
    """Return the tests that are marked slow, whole or in one of their cases."""
    functions = [node for node in tree.body if isinstance(node, ast.FunctionDef)]
    return [node.name for node in functions if any("mark.slow" in ast.unparse(each) for each in node.decorator_list)]


# ---- what the documents say to type, and quote

REPOSITORY = "https://github.com/napari-phenotrans/napari-phenotrans/blob/main/"
RAW = "https://raw.githubusercontent.com/napari-phenotrans/napari-phenotrans/main/"
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]


def typed(document: Path) -> list[str]:
    """Return the command lines of a document: those in its shell blocks, comments aside, and those within backticks."""
    text = document.read_text(encoding="utf-8").replace("\\\n", " ")
    blocks = re.findall(r"^ *```bash\n(.*?)^ *```", text, re.M | re.S)
    lines = [line.split(" #")[0].strip() for block in blocks for line in block.splitlines()]
    return lines + [" ".join(words.split()) for words in re.findall(r"(?<!`)`([a-z][^`]+)`(?!`)", text)]


@each_document
def test_what_is_typed_exists(document: Path) -> None:
    targets = set(re.findall(r"^([\w-]+):", (ROOT / "Makefile").read_text(encoding="utf-8"), re.M))
    for line in typed(document):
        words = line.split()
        if words[:1] == ["make"]:
            assert words[1] in targets, line
        elif line.startswith("python -m bench"):
            assert len(words) < 4 or words[3].startswith("-") or words[3] in COMMANDS, line
        elif words[:2] == ["pip", "install"]:
            extras = re.findall(r"(?:napari-phenotrans|\.)\[([\w,-]+)\]", line)
            assert {name for each in extras for name in each.split(",")} <= set(PROJECT["optional-dependencies"]), line
        elif words[:1] == ["phenotrans"] and len(words) > 1 and words[1].isalpha() and words[1].islower():
            command = phenotrans.get_command(click.Context(phenotrans), words[1])
            assert command is not None, line
            known = {name for option in command.params for name in (*option.opts, *option.secondary_opts)}
            said = {word.partition("=")[0] for word in words[2:] if word.startswith("--")}
            assert said <= known | {"--help"}, line


def test_addresses_in_the_readme_are_of_files_here() -> None:
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    links = re.findall(r"\]\(([^)\s]+)\)", text)
    assert links
    for link in links:
        known = next((start for start in (REPOSITORY, RAW) if link.startswith(start)), None)
        assert known or link.startswith("https://img.shields.io/badge/"), f"{link} leads nowhere on PyPI"
        assert known is None or (ROOT / link.removeprefix(known)).is_file(), link
    assert all(f"`{command}`" in text or f"\n{command} " in text for command in ("make demo", "make test"))


def test_badges_are_true() -> None:
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    pythons = [c.rpartition(" :: ")[2] for c in PROJECT["classifiers"] if re.search(r"Python :: 3\.\d+$", c)]
    (napari,) = (need for need in PROJECT["dependencies"] if need.startswith("napari>="))
    assert f"[Python {', '.join(pythons)}]" in text.replace("![", "[")
    assert f"napari {napari.removeprefix('napari>=')} or later" in text
    assert f"License: {PROJECT['license']}" in text


def test_messages_that_are_quoted_are_said() -> None:
    """Of ``docs/troubleshooting.md``: what stands in italics in the column of symptoms stands in the code."""
    code = "\n".join(path.read_text(encoding="utf-8") for path in sorted(PACKAGE.rglob("*.py")))
    code = re.sub(r'"\s*\n\s*f?"', "", code)  # strings that go on in the next line
    symptoms = re.findall(r"^\| ([^|]+) \|", (ROOT / "docs" / "troubleshooting.md").read_text(encoding="utf-8"), re.M)
    quoted = [words for symptom in symptoms for words in re.findall(r"\*([^*]+)\*", symptom)]
    assert len(quoted) > 30
    for words in quoted:
        pieces = [piece.strip(" ,;:()") for piece in words.split("…")]
        assert any(pieces), words
        assert all(piece in code for piece in pieces), words


# ---- the tables that the site is built with


def test_tables_have_every_setting_and_every_option() -> None:
    settings, commands = (reference_tables.fill(f"<!-- generated: {name} -->") for name in ("settings", "commands"))
    for name, entry in engines.ENGINES.items():
        part = settings.split(f"## Training: `{name}`\n")[1].split("\n## ")[0]
        common = settings.split("## Training, whatever the engine\n")[1].split("\n## ")[0]
        for field, declared in entry.settings.model_fields.items():
            hidden = isinstance(declared.json_schema_extra, dict) and not declared.json_schema_extra.get("cli", True)
            assert (f"| `{flag(field)}` |" in part + common) != hidden, (name, field)
        assert all(f"`{preset}`" in part for preset in entry.settings.presets)
    assert "| `--batch` | `8` |" in settings.split("## Training: `scgan`\n")[1].split("\n## ")[0]
    assert "| `--depth` | `0.9` | a number, ≥\xa00, ≤\xa01 |" in settings.split("## Translating: `flow`\n")[1]

    context = click.Context(phenotrans)
    for name in phenotrans.list_commands(context):
        assert f"## `phenotrans {name}`\n" in commands
    assert "| `--held-out-share` |" in commands
    assert not {"learning-rate", "scale"} & set(re.findall(r"^\| `--([\w-]+)`", commands, re.M))
    cells = {len(re.findall(r"(?<!\\)\|", line)) for line in commands.splitlines() if line.startswith("| `")}
    assert cells == {4}
