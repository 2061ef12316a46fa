"""Make the pictures of the documentation: ``xvfb-run -a -s "-screen 0 1600x1200x24" python docs/screenshots.py``."""

from __future__ import annotations

import argparse
import os
import tempfile
from pathlib import Path

# napari as it comes, whatever its user set or chose last; what was measured is kept from one theme to the next
os.environ["XDG_CACHE_HOME"] = tempfile.mkdtemp()
os.environ["NAPARI_CONFIG"] = str(Path(tempfile.mkdtemp()) / "settings.yaml")
os.environ["XDG_DATA_HOME"] = tempfile.mkdtemp()

import napari
import numpy as np
from PIL import Image
from qtpy.QtCore import QEventLoop, Qt, QTimer
from qtpy.QtWidgets import QApplication, QScrollArea, QWidget

from napari_phenotrans.dataset.synthetic import write_dataset
from napari_phenotrans.io import read
from napari_phenotrans.io.samples import SAMPLES
from napari_phenotrans.translation.translate import translate_image
from napari_phenotrans.widgets.evaluate.dock import EvaluateDock
from napari_phenotrans.widgets.train.dock import TrainingDock
from napari_phenotrans.widgets.translate.dock import TranslateDock
from napari_phenotrans.widgets.translate.result_layers import add_translation
from napari_phenotrans.widgets.viewer.comparison import VIEWS
from napari_phenotrans.widgets.viewer.layers import layer_data

IMAGES = Path(__file__).parent / "images"
SAMPLE = SAMPLES["bbbc013-untreated"]
DENOISER = "bbbc013-phendiff"
THEMES = ("dark", "light")
WINDOW, NARROW, WIDE = (1400, 900), (320, 600), 430
# What the evaluate dock is shown with: organoids that the checkpoint was not trained on.
ORGANOIDS, FIRST_SEED, FIELD = 6, 7000, 192
# Until a view is drawn, whose captions come one after the other.
DRAWN_S = 5.0
# The moving picture: its window, where it looks, its colors; how far the line goes, and for how long what is shown.
GIF_WINDOW, GIF_CENTER, GIF_ZOOM, GIF_WIDTH, GIF_COLORS = (1400, 640), (290.0, 330.0), 2.0, 620, 128
GIF_SHARES, GIF_STEPS, GIF_MS, GIF_REST_MS = (0.22, 0.74), 16, 110, 900
ENGINE, MEASURED = "synthetic-organoids-cyclegan", "DAPI, nucleus: mean intensity"


def wait(seconds: float) -> None:
    """Let napari work and draw."""
    loop = QEventLoop()
    QTimer.singleShot(round(1000 * seconds), loop.quit)
    loop.exec()


def wait_for(dock: TranslateDock, *words: str) -> None:
    """Wait until the dock says one of these, and has nothing more to do."""
    while dock.runner.busy or not dock.status.text().startswith(words):
        wait(0.2)
    wait(DRAWN_S)


def pictures(theme: str, out: Path) -> None:
    """Use the dock as its user does, in one napari, and save what is to be seen on the way."""

    def save(name: str, part: QWidget | None = None) -> None:
        wait(DRAWN_S)
        path = out / f"{name}_{theme}.png"
        if part:
            part.grab().save(str(path))
        else:
            viewer.window.screenshot(str(path), canvas_only=False, flash=False)
        print(f"{path}: {dock.status.text()}; {dock.notices.texts}", flush=True)

    viewer = napari.Viewer(show=False)
    viewer.theme = theme
    viewer.show()
    # napari gives the window the size that it had last; the pictures all have the same
    wait(0.5)
    viewer.window.resize(*WINDOW)
    wait(0.5)
    dock = TranslateDock(viewer)
    frame = viewer.window.add_dock_widget(dock, name="Translate (Phenotype translation)")

    # The views.
    dock.checkpoints.choose(SAMPLE.checkpoint)
    dock.open_files([SAMPLE.path], translate=True)
    wait_for(dock, "translated", "not translated")
    for view in VIEWS:
        choose_view(dock, view)
        if view == "blink" and not dock.views.comparison.blink.translated:
            # it stays there
            dock.view_bar.step_button.click()
        save(view)
    choose_view(dock, "matrix")

    # What of it may be believed.
    trust = dock.sections["Trust"]
    trust.button.click()
    dock.trust_panel.check_button.click()
    wait_for(dock, "checked", "not checked", "not translated")
    show_whole(trust)
    save("trust")
    trust.button.click()

    # An engine that may be told more.
    dock.checkpoints.choose(DENOISER)
    dock.translate()
    wait_for(dock, "translated", "not translated")
    dock.engine.section.button.click()
    show_whole(dock.engine)
    save("phendiff")
    dock.engine.section.button.click()

    # As narrow as it gets.
    frame.setFloating(True)
    frame.resize(*NARROW)
    save("dock", frame)
    viewer.close()
    QApplication.processEvents()


def training_pictures(theme: str, out: Path) -> None:
    """Put a data set together in the training dock, check another one, and save both."""
    viewer = napari.Viewer(show=False)
    viewer.theme = theme
    viewer.show()
    wait(0.5)
    viewer.window.resize(*WINDOW)
    wait(0.5)
    dock = TrainingDock(viewer)
    frame = viewer.window.add_dock_widget(dock, name="Train (Phenotype translation)")

    # Rectangles drawn on opened wells, sent to their conditions.
    collect = dock.data.collect
    dock.data.section.button.click()
    for sample, condition in (("bbbc013-untreated", "untreated"), ("bbbc013-wortmannin", "wortmannin")):
        for layer in viewer.layers:
            layer.visible = False
        for pixels, options, _ in layer_data(read(SAMPLES[sample].path)):
            viewer.add_image(pixels, **options)
        corners = [(60, 40), (60, 350), (360, 190)]
        squares = [np.array([[y, x], [y, x + 220], [y + 220, x + 220], [y + 220, x]]) for y, x in corners]
        viewer.add_shapes(squares, name=f"crops of {condition}", face_color="transparent", edge_color="white",
                          edge_width=3)  # fmt: skip
        collect.condition_box.setEditText(condition)
        collect.rectangles_button.click()
    viewer.reset_view()
    show_whole(dock.sections["Data"])
    wait(1)
    viewer.window.screenshot(str(out / f"training_data_{theme}.png"), canvas_only=False, flash=False)
    viewer.layers.clear()
    dock.data.section.button.click()

    # As narrow as it gets, after a check.
    dock.open_dataset(write_dataset(Path(tempfile.mkdtemp()) / "organoids", 6))
    while not dock.status.text().startswith("checked"):
        wait(0.2)
    frame.setFloating(True)
    frame.resize(*NARROW)
    show_whole(dock.report)
    wait(1)
    frame.grab().save(str(out / f"training_dock_{theme}.png"))
    print(dock.status.text(), dock.report.problems, flush=True)
    viewer.close()
    QApplication.processEvents()


def evaluation_pictures(dataset: Path, theme: str, out: Path) -> None:
    """Make a report in the evaluate dock, click on a nucleus, and save what is to be seen."""
    viewer = napari.Viewer(show=False)
    viewer.theme = theme
    viewer.show()
    wait(0.5)
    viewer.window.resize(*WINDOW)
    wait(0.5)
    dock = EvaluateDock(viewer)
    frame = viewer.window.add_dock_widget(dock, name="Evaluate (Phenotype translation)")
    viewer.window._qt_window.resizeDocks([frame], [WIDE], Qt.Orientation.Horizontal)
    dock.data.checkpoints.choose(ENGINE)
    dock.take([dataset])
    while not dock.status.text().startswith("ready"):
        wait(0.2)
    dock.make_report()
    while dock.runner.busy or dock.effects is None or dock.effects.paired is None:
        wait(0.2)
    effects = dock.effects
    effects.choose(effects.box.findText(MEASURED))
    # one that changes as much as most do
    effects.choose_object(int(effects.paired.by_change[len(effects.paired.by_change) // 4]))
    while dock.object_view.busy or not dock.object_view.marks:
        wait(0.2)
    show_whole(effects)
    wait(2)
    path = out / f"evaluate_{theme}.png"
    viewer.window.screenshot(str(path), canvas_only=False, flash=False)
    print(f"{path}: {dock.status.text()}; {dock.notices.texts}", flush=True)
    dock.tell()
    while dock.window_of_crops is None:
        wait(0.2)
    wait(1)
    dock.window_of_crops.grab().save(str(out / f"tell_{theme}.png"))
    viewer.close()
    QApplication.processEvents()


def curtain_gif(out: Path) -> None:
    """Draw the curtain over a well and back, and save it as a moving picture for the top of the README."""
    # translated before there is a window, which would be drawn for every tile
    translation = translate_image(read(SAMPLE.path), SAMPLE.checkpoint, source=SAMPLE.condition, target=SAMPLE.target)
    viewer = napari.Viewer(show=False)
    viewer.theme = "dark"
    viewer.show()
    wait(0.5)
    viewer.window.resize(*GIF_WINDOW)
    dock = TranslateDock(viewer)
    viewer.window.add_dock_widget(dock, name="Translate (Phenotype translation)")
    rows = add_translation(viewer, translation)
    dock.show_image([row.real for row in rows], translation.provenance)
    wait(1)
    choose_view(dock, "curtain")
    # a part of the well, in which a cell is large enough to see where its stain is
    camera = viewer.scene.camera
    camera.center, camera.zoom = GIF_CENTER, GIF_ZOOM
    wait(1)
    # there, a rest, and back
    there = 0.5 * (GIF_SHARES[0] + GIF_SHARES[1]) + 0.5 * (GIF_SHARES[1] - GIF_SHARES[0]) * np.cos(
        np.linspace(0, np.pi, GIF_STEPS)
    )
    frames = []
    for share in there:
        dock.views.comparison.curtain.share = float(share)
        wait(0.15)
        picture = Image.fromarray(viewer.screenshot(canvas_only=True, flash=False)[..., :3])
        frames.append(picture.resize((GIF_WIDTH, round(GIF_WIDTH * picture.height / picture.width)), Image.LANCZOS))
    # one set of colors for all, so that nothing flickers; the captions' white is among them
    some = frames[GIF_STEPS // 2].copy()
    some.paste("white", (0, 0, 60, 60))
    colors = some.quantize(GIF_COLORS)
    frames = [frame.quantize(palette=colors, dither=Image.Dither.NONE) for frame in frames]
    durations = [GIF_MS] * len(frames)
    durations[0] = durations[-1] = GIF_REST_MS
    path = out / "curtain.gif"
    frames[0].save(
        path,
        save_all=True,
        append_images=[*frames[1:], *frames[-2:0:-1]],
        duration=[*durations, *durations[-2:0:-1]],
        loop=0,
        optimize=True,
    )
    print(f"{path}: {2 * len(frames) - 2} frames, {path.stat().st_size / 1e6:.2f} MB", flush=True)
    viewer.close()
    QApplication.processEvents()


def choose_view(dock: TranslateDock, view: str) -> None:
    """Click on a view; a second click would leave it."""
    if dock.view_bar.view != view:
        dock.view_bar.buttons[view].click()
    if dock.views.comparison.view != view:
        raise SystemExit(f"clicking on {view} shows {dock.views.comparison.view or 'no view'}")


def show_whole(part: QWidget) -> None:
    """Scroll the dock so that a part of it can be seen, its beginning first."""
    area = part.parentWidget()
    while not isinstance(area, QScrollArea):
        area = area.parentWidget()
    wait(0.2)
    area.verticalScrollBar().setValue(part.mapTo(area.widget(), part.rect().topLeft()).y())


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, default=IMAGES)
    parser.add_argument("--theme", choices=THEMES, help="only this one")
    parser.add_argument("--dock", choices=("translate", "train", "evaluate", "gif"), help="only its pictures")
    said = parser.parse_args()
    said.out.mkdir(parents=True, exist_ok=True)
    if said.dock in (None, "gif"):
        curtain_gif(said.out)
    if said.dock == "gif":
        return
    organoids = Path(tempfile.mkdtemp()) / "organoids"
    write_dataset(organoids, ORGANOIDS, size=FIELD, first_seed=FIRST_SEED)
    for theme in [said.theme] if said.theme else THEMES:
        if said.dock in (None, "train"):
            training_pictures(theme, said.out)
        if said.dock in (None, "evaluate"):
            evaluation_pictures(organoids, theme, said.out)
        if said.dock in (None, "translate"):
            pictures(theme, said.out)


if __name__ == "__main__":
    main()
