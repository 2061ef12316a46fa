"""Several answers and completions in the dock."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest
import torch

from napari_phenotrans.checkpoints.checkpoint import Card, Checkpoint
from napari_phenotrans.core import kinds
from napari_phenotrans.core.image import Image
from napari_phenotrans.engines import ENGINES
from napari_phenotrans.io import read, write
from napari_phenotrans.translation.batch import FileDone
from napari_phenotrans.translation.complete import complete_image
from napari_phenotrans.translation.request import Answers
from napari_phenotrans.translation.translate import Translator, translate_image
from napari_phenotrans.widgets.translate.answers_form import AnswersForm
from napari_phenotrans.widgets.translate.folder_job import TranslateFolder
from napari_phenotrans.widgets.translate.jobs import Recipe
from napari_phenotrans.widgets.translate.save_controller import commands_of
from napari_phenotrans.widgets.translate.save_job import layers_to_save
from napari_phenotrans.widgets.translate.view_bar import SPREAD
from napari_phenotrans.widgets.viewer.layers import info

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from pytestqt.qtbot import QtBot

    from napari_phenotrans.widgets.translate.dock import TranslateDock

    Open = Callable[..., TranslateDock]

WAIT_MS = 120_000


@pytest.fixture
def flow(tmp_path: Path) -> Path:
    """A flow that keeps DNA."""
    torch.manual_seed(0)
    entry = ENGINES["flow"]
    names = ("DNA", "GFP")
    settings = entry.settings.make(crop=32, width=8, levels=3, kept=("DNA",), channels=names)
    card = Card(
        engine="flow",
        settings=settings.model_dump(mode="json"),
        conditions=("untreated", "drug"),
        channels=names,
        low=(0.0, 0.0),
        high=(200.0, 200.0),
        crop=32,
        translation={"evaluations": 4},
    )
    return Checkpoint.of(entry.load()(settings, 2, ("untreated", "drug")), card).save(tmp_path / "flow.safetensors")


@pytest.fixture
def image(tmp_path: Path) -> Path:
    values = np.random.default_rng(0).integers(0, 200, (2, 40, 50)).astype(np.float32)
    path = tmp_path / "untreated" / "well.ome.tif"
    path.parent.mkdir()
    write(Image(values, "CYX", ("DNA", "GFP")), path)
    return path


def done(qtbot: QtBot, dock: TranslateDock) -> None:
    qtbot.waitUntil(lambda: "translated in" in dock.status.text(), timeout=WAIT_MS)


def open_image(dock: TranslateDock, path: Path, qtbot: QtBot) -> None:
    dock.open_files([path])
    qtbot.waitUntil(lambda: dock.channels.layers[0] is not None, timeout=WAIT_MS)
    dock.conditions.choose("untreated", "drug")


def shown(dock: TranslateDock, name: str = "GFP – translated to drug") -> tuple[np.ndarray, np.ndarray]:
    layers = dock.viewer.layers
    return (
        np.asarray(layers[name].data),
        np.asarray(layers["GFP – difference"].data),
    )


def test_the_slider_shows_each_sample_and_their_mean(open_dock: Open, flow: Path, image: Path, qtbot: QtBot) -> None:
    dock = open_dock(flow)
    open_image(dock, image, qtbot)
    assert not dock.view_bar.sample.isVisible()
    dock.answers.samples.setValue(2)
    dock.answers.redraw.setValue(0.6)
    dock.answers.seed.setValue(3)
    dock.translate()
    done(qtbot, dock)
    real = read(image)
    expected = translate_image(
        real, str(flow), source="untreated", target="drug", samples=2, redraw=0.6, seed=3, how=dock.engine.how
    )
    assert expected.mean is not None
    assert expected.spread is not None
    bar = dock.view_bar
    assert (bar.sample.minimum(), bar.sample.maximum()) == (0, 3)
    for place, wanted in enumerate((expected.translated, *expected.samples, expected.mean)):
        bar.sample.setValue(place)
        translated, difference = shown(dock)
        np.testing.assert_allclose(translated, wanted.pixels[1], atol=0.02)
        np.testing.assert_allclose(difference, wanted.pixels[1] - real.pixels[1], atol=0.02)
    dna = dock.viewer.layers["DNA – translated to drug"].data
    np.testing.assert_array_equal(np.asarray(dna), real.pixels[0])

    # in place of the difference, where they differ
    spread = dock.viewer.layers["GFP – spread of the samples"]
    np.testing.assert_allclose(np.asarray(spread.data), expected.spread.pixels[1], atol=0.02)
    assert (np.asarray(dock.viewer.layers["DNA – spread of the samples"].data) == 0).all()
    assert not spread.visible
    dock.views.choose_view("matrix")
    dock.views.choose_difference(SPREAD)
    assert spread.visible
    assert not dock.viewer.layers["GFP – difference"].visible
    assert "spread of the samples" in dock.views.comparison.headings[2]
    bar.sample.setValue(2)
    assert "sample 2 of 2" in dock.views.comparison.headings[1]
    assert "What they disagree on, the image does not decide" in dock.trust_panel.samples.text()

    # what is kept of it
    rows = dock.selection.rows()
    parts = {part.kind: part for part in layers_to_save(dock.viewer, rows)}
    assert parts["translated"].provenance["sample"] == "sample 2 of 2"
    np.testing.assert_array_equal(np.asarray(parts["translated"].image.plane()[1]), shown(dock)[0])
    assert kinds.SPREAD in parts
    assert "--samples 2 --redraw 0.6 --seed 3" in commands_of(rows)[0]


@pytest.mark.slow
def test_another_translation_forgets_the_samples(open_dock: Open, flow: Path, image: Path, qtbot: QtBot) -> None:
    dock = open_dock(flow)
    open_image(dock, image, qtbot)
    dock.answers.samples.setValue(2)
    dock.translate()
    done(qtbot, dock)
    dock.view_bar.sample.setValue(1)
    dock.views.choose_difference(SPREAD)
    dock.answers.samples.setValue(1)
    dock.translate()
    assert "translated in" not in dock.status.text()
    done(qtbot, dock)
    assert not [layer for layer in dock.viewer.layers if "spread" in layer.name]
    assert dock.view_bar.units.findData(SPREAD) < 0
    assert dock.translating.samples is None
    assert "sample" not in info(dock.viewer.layers["GFP – translated to drug"])
    plain = translate_image(read(image), str(flow), source="untreated", target="drug", how=dock.engine.how)
    np.testing.assert_allclose(shown(dock)[0], plain.translated.pixels[1], atol=0.02)
    assert dock.trust_panel.samples.isHidden()


def test_a_channel_that_the_image_lacks_is_completed(open_dock: Open, flow: Path, image: Path, qtbot: QtBot) -> None:
    alone = image.with_name("alone.ome.tif")
    real = read(image).part(channels=[0])
    write(real, alone)
    dock = open_dock(flow)
    open_image(dock, alone, qtbot)
    assert "choose the layer for GFP" in dock.selection.missing
    dock.answers.what.setCurrentIndex(1)
    dock.answers.what.activated.emit(1)
    assert dock.answers.drawn == ("GFP",)
    assert dock.selection.missing == ""
    dock.answers.samples.setValue(2)
    dock.translate()
    done(qtbot, dock)
    expected = complete_image(real, str(flow), condition="drug", samples=2, how={"evaluations": 4})
    for place, wanted in enumerate(expected.samples):
        dock.view_bar.sample.setValue(place)
        np.testing.assert_allclose(shown(dock, "GFP – completed as drug")[0], wanted.pixels[1], atol=0.02)
    assert dock.view_bar.sample.maximum() == 2
    dock.views.choose_view("matrix")
    assert dock.views.comparison.headings[1].startswith("completed: GFP drawn as drug by flow, sample 2 of 2")
    assert not dock.conditions.source_box.isEnabled()
    rows = dock.selection.rows()
    assert commands_of(rows)[0].startswith(f"phenotrans complete {alone} ")
    real_part = next(part for part in layers_to_save(dock.viewer, rows) if part.kind == "real")
    assert real_part.image.channels == ("DNA",)
    # it was not measured, so that it is not translated either
    dock.answers.what.setCurrentIndex(0)
    dock.answers.what.activated.emit(0)
    assert "choose the layer for GFP" in dock.selection.missing


def test_a_channel_is_completed_beside_what_was_measured(
    open_dock: Open, flow: Path, image: Path, qtbot: QtBot
) -> None:
    dock = open_dock(flow)
    open_image(dock, image, qtbot)
    dock.answers.what.setCurrentIndex(1)
    dock.answers.what.activated.emit(1)
    dock.translate()
    done(qtbot, dock)
    real = read(image)
    expected = complete_image(real, str(flow), condition="drug", how={"evaluations": 4}).completed
    translated, difference = shown(dock, "GFP – completed as drug")
    np.testing.assert_allclose(translated, expected.pixels[1], atol=0.02)
    np.testing.assert_allclose(difference, expected.pixels[1] - real.pixels[1], atol=0.02)


def test_samples_that_memory_does_not_hold_are_refused(
    open_dock: Open, flow: Path, image: Path, qtbot: QtBot, monkeypatch: pytest.MonkeyPatch
) -> None:
    dock = open_dock(flow)
    open_image(dock, image, qtbot)
    dock.answers.samples.setValue(5)
    monkeypatch.setattr("napari_phenotrans.widgets.translate.dock.WHOLE", 40 * 50 * 2 * 8 * 6)
    dock.translate()
    assert "5 samples of 1 planes are too large for memory" in " ".join(dock.notices.texts)


def test_a_folder_gets_as_many_answers(flow: Path, image: Path, tmp_path: Path) -> None:
    class Engines:
        def get(self, *_: object) -> Translator:
            return Translator(str(flow))

    recipe = Recipe(str(flow), "untreated", "drug", how={"evaluations": 4}, answers=Answers(2, 0.5, 1))
    job = TranslateFolder(recipe, [image], tmp_path / "out")
    (done,) = (e for e in job.events(Engines(), lambda: None) if isinstance(e, FileDone))  # type: ignore[arg-type]
    assert [path.name for path in done.answers][:2] == ["well_sample-1.ome.tif", "well_sample-2.ome.tif"]


def test_a_folder_is_completed_and_its_images_are_opened(
    open_dock: Open, flow: Path, image: Path, qtbot: QtBot
) -> None:
    # an image that has what is kept, and nothing to be drawn
    dna = image.with_name("dna.ome.tif")
    write(read(image).part(channels=[0]), dna)
    dock = open_dock(flow)
    open_image(dock, image, qtbot)
    folder = dock.save_panel.folder
    folder.show_folder(image.parent)
    assert folder.start_button.text() == "Translate 2 images" and folder._out == image.parent / "translated"
    dock.answers.what.setCurrentIndex(1)
    dock.answers.what.activated.emit(1)
    assert folder.start_button.text() == "Complete 2 images" and folder._out == image.parent / "completed"
    assert folder.choose_button.text() == "Complete a folder…"
    folder.start_button.click()
    assert folder.status.text().startswith("completing")
    qtbot.waitUntil(lambda: folder.status.text().startswith("2 done of 2"), timeout=WAIT_MS)
    written = folder._done[dna].written
    wanted = complete_image(read(dna), str(flow), condition="drug", how={"evaluations": 4}).completed
    np.testing.assert_allclose(read(written[0]).pixels, wanted.pixels, atol=0.02)
    # chosen from the list, they are opened
    folder.table.row_entered.emit(folder._rows[dna])
    qtbot.waitUntil(lambda: "GFP – completed" in dock.viewer.layers, timeout=WAIT_MS)
    assert any("dna_completed.ome.tif: Not measured" in text for text in dock.notices.texts)


def test_the_form_offers_what_an_engine_can_make(qtbot: QtBot, flow: Path, checkpoint: Path) -> None:
    form = AnswersForm()
    qtbot.addWidget(form)
    assert form.answers == Answers()
    form.set_card(Checkpoint.read_card(checkpoint))
    assert form.isHidden()
    form.set_card(Checkpoint.read_card(flow))
    assert not form.isHidden()
    assert [form.what.itemText(i) for i in range(form.what.count())][1:] == ["Complete: draw GFP from DNA"]
    assert form.answers.redraw == ENGINES["flow"].redraw
    assert not form.redraw.isEnabled()
    with qtbot.waitSignal(form.changed):
        form.samples.setValue(4)
    assert form.redraw.isEnabled()
    assert form.seed.isEnabled()
    form.set_card(Checkpoint.read_card(checkpoint))
    assert form.answers == Answers()
    assert form.drawn == ()
