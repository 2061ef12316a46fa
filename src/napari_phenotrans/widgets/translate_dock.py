"""The dock that translates: it opens files, asks for channels and conditions, and shows what comes."""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from napari.layers import Layer
from napari.utils.notifications import show_error
from qtpy.QtCore import QEvent, QSignalBlocker, QTimer
from qtpy.QtWidgets import QFileDialog

from napari_phenotrans.errors import InputError
from napari_phenotrans.events import Notice, PlaneDone
from napari_phenotrans.widgets.checkpoint_chooser import card_warnings
from napari_phenotrans.widgets.compare import Comparison, find_row
from napari_phenotrans.widgets.guesses import fitting_checkpoint, image_id, image_name, known_condition, path_of
from napari_phenotrans.widgets.layers import info, layer_data, letters_of, to_image, with_axes
from napari_phenotrans.widgets.opening import Opened, opening
from napari_phenotrans.widgets.progress import Progress
from napari_phenotrans.widgets.results import Results
from napari_phenotrans.widgets.translate_form import TranslateForm
from napari_phenotrans.widgets.translate_worker import Problem, Ready, Request, Tile, TranslationRunner
from napari_phenotrans.widgets.view import center, shown_plane

if TYPE_CHECKING:
    from collections.abc import Sequence

    from napari import Viewer
    from napari.layers import Image as ImageLayer

    from napari_phenotrans.widgets.layers import LayerData

DRAW_EVERY_MS = 100


class TranslateDock(TranslateForm):
    """See the module's docstring.

    Parameters
    ----------
    napari_viewer
        The viewer whose layers are translated.
    """

    def __init__(self, napari_viewer: Viewer) -> None:
        super().__init__(napari_viewer)
        self.viewer = napari_viewer
        self.comparison = Comparison(napari_viewer)
        self.runner = TranslationRunner(self)
        self._request: Request | None = None
        self._results: Results | None = None
        self._ready: Ready | None = None
        self._progress = Progress()
        self._said: list[str] = []
        self._image: str | None = None
        # draws at most so often, however fast tiles come
        self._timer = QTimer(self)
        self._timer.setSingleShot(True)
        self._timer.setInterval(DRAW_EVERY_MS)
        self._timer.timeout.connect(self._draw)

        self.dropped.connect(lambda paths: self.open_files(paths, translate=True))
        self.open_button.clicked.connect(self._ask_for_files)
        self.axes_edit.returnPressed.connect(self._apply_axes)
        self.axes_button.clicked.connect(self._apply_axes)
        self.checkpoints.changed.connect(self._on_checkpoint)
        self.checkpoints.failed.connect(self._on_failed)
        self.devices.failed.connect(self._on_failed)
        self.channels.changed.connect(self._on_channels)
        self.conditions.changed.connect(self._update_state)
        self.scope_box.currentIndexChanged.connect(lambda _: self._update_state())
        self.compare_box.toggled.connect(lambda _: self._update_comparison())
        self.question.answered.connect(self._on_condition_said)
        self.translate_button.clicked.connect(lambda _: self.translate())
        self.cancel_button.clicked.connect(lambda _: self.runner.cancel())
        self.runner.came.connect(self._on_came)
        self.runner.ended.connect(self._on_ended)
        self._on_checkpoint()

    # ---- what the user can do

    def open_files(
        self, paths: Sequence[Path], *, translate: bool = False, axes: str | None = None, instead_of: str = ""
    ) -> None:
        """Open files as layers; with ``translate``, also translate the shown plane of the last.

        ``axes`` are what the user said; an image with the id ``instead_of`` is removed once the new one is there.
        """
        self.question.hide()
        self.notices.say("file")
        self.status.setText(f"opening {', '.join(path.name for path in paths)}…")
        worker = opening(list(paths), translate=translate, axes=axes, instead_of=instead_of)
        worker.yielded.connect(self._on_opened)
        worker.finished.connect(self._on_all_opened)
        worker.start()

    def translate(self) -> None:
        """Translate what is chosen; what is missing is said instead."""
        self.question.hide()
        if missing := self._missing():
            self._on_failed(missing)
            return
        card, name = self.checkpoints.card, self.checkpoints.name
        source, target = self.conditions.source, self.conditions.target
        assert card and name and source and target
        reals = [layer for layer in self.channels.layers if layer is not None]
        try:
            image = to_image(reals, card.channels)
        except InputError as error:
            self._on_failed(str(error))
            return
        whole = self.scope_box.currentData() == "all"
        positions = tuple(image.positions()) if whole else (shown_plane(self.viewer, reals[0]),)
        self._request = Request(
            image,
            name,
            source,
            target,
            self.devices.device,
            positions,
            look_at=center(self.viewer, reals[0]),
            reals=tuple(reals),
        )
        self._results, self._ready, self._said = None, None, []
        self._progress = Progress(planes=len(positions))
        self.notices.say("run")
        self.bar.setValue(0)
        self.status.setText("preparing the engine…" if self.devices.loaded else "loading torch…")
        self.say_busy(True)
        self.runner.start(self._request)

    def show_image(self, layers: Sequence[ImageLayer], provenance: dict[str, Any]) -> None:
        """Choose an image and how it was translated; what was made of it is compared."""
        if provenance["checkpoint"] in self.checkpoints.cards:
            self.checkpoints.choose(provenance["checkpoint"])
        self.channels.choose(image_id(layers[0]))
        self.conditions.choose(provenance["source"], provenance["target"])

    # ---- files

    def _ask_for_files(self) -> None:
        paths, _ = QFileDialog.getOpenFileNames(self, "Open images")
        if paths:
            self.open_files([Path(path) for path in paths])

    def _on_opened(self, opened: Opened) -> None:
        if opened.problem:
            self.notices.add("file", opened.problem)
            show_error(opened.problem)
            return
        if opened.instead_of:
            reals = {layer for layer in self.viewer.layers if info(layer).get("image") == opened.instead_of}
            ids = {str(layer.unique_id) for layer in reals}
            for old in [layer for layer in self.viewer.layers if layer in reals or info(layer).get("of") in ids]:
                self.viewer.layers.remove(old)
        layers = self._add(opened.layers)
        for note in info(layers[0])["notes"]:
            self.notices.add("file", f"{opened.path.name}: {note}")
        self._choose_image(layers)
        if opened.translate:
            self._translate_opened(layers)

    def _on_all_opened(self, _: None = None) -> None:
        self._update_state()

    def _add(self, data: Sequence[LayerData]) -> list[ImageLayer]:
        return [self.viewer.add_layer(Layer.create(*item)) for item in data]

    def _choose_image(self, layers: list[ImageLayer]) -> None:
        fitting = fitting_checkpoint(layers, self.checkpoints.cards, self.checkpoints.name)
        if fitting and fitting != self.checkpoints.name:
            self.checkpoints.choose(fitting)
        self.channels.choose(image_id(layers[0]))

    def _translate_opened(self, layers: list[ImageLayer]) -> None:
        card = self.checkpoints.card
        if card is None or None in self.channels.layers:
            self._on_failed(self._missing())
        elif known_condition(layers[0], card.conditions):
            self.translate()
        else:
            self.question.ask(
                f"Which condition does {image_name(layers[0])} show?",
                card.conditions,
                "The image's condition; translation starts at once.",
            )

    def _on_condition_said(self, condition: str) -> None:
        self.conditions.choose(condition)
        self.translate()

    def _apply_axes(self) -> None:
        layer = self._first_layer()
        said = self.axes_edit.text().strip().upper()
        if layer is None or said == self._axes_of(layer):
            return
        path = path_of(layer)
        try:
            if info(layer) and path:
                self.open_files([path], axes=said, instead_of=image_id(layer))
            elif "C" in said:
                layers = self._add(layer_data(with_axes(layer, said)))
                layer.visible = False
                self._choose_image(layers)
            else:
                # refused here, where letters and shape do not fit together
                with_axes(layer, said)
                layer.axis_labels = tuple(said.lower())
                self._on_channels()
        except InputError as error:
            self._on_failed(str(error))

    # ---- choices

    def _on_checkpoint(self) -> None:
        card = self.checkpoints.card
        self._image = None
        self.notices.say("checkpoint", card_warnings(card) if card else [])
        with QSignalBlocker(self.conditions):
            # said once, when the channels too are the new checkpoint's
            self.conditions.set_card(card)
        self.channels.set_card(card)

    def _on_channels(self) -> None:
        layer = self._first_layer()
        self.notices.say("channels", self.channels.notices)
        self.axes_edit.setText(self._axes_of(layer) if layer else "")
        guessed = ""
        if layer is not None:
            letters, known = letters_of(layer)
            if not known:
                guessed = (
                    f"The layer {layer.name} does not say what its axes are; {letters} is a guess. If that is wrong, "
                    f"say them under Axes."
                )
            card = self.checkpoints.card
            if card and image_id(layer) != self._image:
                # a condition that the user said for this image is kept when a channel is chosen by hand
                self._image = image_id(layer)
                self.conditions.choose(known_condition(layer, card.conditions))
        synthetic = layer is not None and info(layer).get("synthetic")
        self.notices.say("synthetic", ["This image is synthetic: no microscope was involved."] if synthetic else [])
        self.notices.say("axes", [guessed])
        self._update_state()
        self._update_comparison()

    def _first_layer(self) -> ImageLayer | None:
        chosen = [layer for layer in self.channels.layers if layer is not None]
        return next(iter(chosen or self.channels.image_layers), None)

    @staticmethod
    def _axes_of(layer: ImageLayer) -> str:
        return info(layer).get("axes") or letters_of(layer)[0]

    def _missing(self) -> str:
        """Return what has to be chosen before translating, in words; nothing where all is there."""
        card = self.checkpoints.card
        if card is None:
            return "Choose a checkpoint."
        if not self.channels.image_layers:
            return "Open an image, or drop one here."
        missing = [name for name, layer in zip(card.channels, self.channels.layers, strict=True) if layer is None]
        if missing:
            return (
                f"The checkpoint translates {', '.join(card.channels)}; choose the layer for {', '.join(missing)}, "
                f"or another checkpoint."
            )
        if self.conditions.source is None:
            return "Choose the source condition: what the image shows."
        return ""

    def _update_state(self) -> None:
        if self.runner.busy:
            return
        missing = self._missing()
        self.status.setText(missing or "ready")
        self.translate_button.setToolTip(missing or "Translate from source to target.")

    def _update_comparison(self) -> None:
        if self.runner.busy:
            return
        chosen = [layer for layer in self.channels.layers if layer is not None]
        whole = len(chosen) == len(self.channels.layers) > 0
        found = [find_row(self.viewer, layer) for layer in (chosen if whole else self.channels.image_layers)]
        rows = [row for row in found if row is not None]
        rows = rows if self.compare_box.isChecked() and len(rows) == len(found) else []
        if rows or self.comparison.active:
            with self.viewer.layers.batched_update():
                self.comparison.show(rows)

    def _on_failed(self, text: str) -> None:
        self.notices.say("run", [text])
        self.status.setText("not translated: see above")
        show_error(text)

    # ---- what comes back

    def _on_came(self, request: Request, event: Any) -> None:
        if request is not self._request:
            return
        if isinstance(event, Ready):
            self._ready = event
            self._progress.begin()
        elif isinstance(event, Notice):
            self._said.append(event.text)
            self.notices.add("run", event.text)
        else:
            self._show(request, event)
            self._progress.add(event.tile if isinstance(event, Tile) else event)
        if not self._timer.isActive():
            self._timer.start()

    def _show(self, request: Request, event: Any) -> None:
        if not isinstance(event, (Tile, PlaneDone)):
            return
        if not all(layer in self.viewer.layers for layer in request.reals):
            self.runner.cancel()
            self._said.append("Stopped: a layer that was being translated was removed.")
            return
        if self._results is None:
            assert self._ready is not None
            # in one go: napari builds its scene anew for each change of layers and grid, which takes a while
            with self.viewer.layers.batched_update():
                self._results = Results(self.viewer, request.reals, self._ready.provenance)
                self.comparison.show(self._results.rows if self.compare_box.isChecked() else [])
        if isinstance(event, Tile):
            self._results.add_tile(event.tile, event.difference)
        else:
            self._results.add_plane(event)

    def _on_ended(self, request: Request, problem: Problem | None) -> None:
        if request is not self._request:
            return
        self._timer.stop()
        counts = zip(request.image.channels, self._progress.clipped, strict=False)
        if clipped := ", ".join(f"{count} pixels of {name}" for name, count in counts if count):
            self._said.append(
                f"Brighter or darker than {request.image.dtype} can hold, so set to its nearest value: {clipped}. "
                f"The difference has them in full."
            )
        if self._results:
            self._results.note(self._said)
            self._results.refresh()
        self.say_busy(False)
        self.notices.say("run", [problem.text] if problem else self._said)
        self.bar.setValue(round(1000 * self._progress.share))
        if problem:
            self.status.setText("not translated: see above")
            show_error(problem.text)
        elif self._progress.share < 1:
            self.status.setText(f"cancelled after {self._progress.share:.0%}; what is translated stays")
        else:
            assert self._ready is not None
            seconds = time.monotonic() - self._progress.began
            self.status.setText(f"translated in {seconds:.1f} s on {self._ready.device}")

    def _draw(self) -> None:
        if self._results:
            self._results.refresh()
        self.bar.setValue(round(1000 * self._progress.share))
        if self._ready:
            self.status.setText(f"{self._progress.words()} on {self._ready.device}")
        # last, for napari's bar lets other events through, which may end what is drawn here
        self.runner.show_progress(self._progress.share)

    # ---- the end

    def event(self, event: QEvent | None) -> bool:
        # napari takes the widget out of its dock when that is closed, and merely hides it otherwise
        if event is not None and event.type() == QEvent.Type.ParentChange and self.parent() is None:
            self._request = None
            self._timer.stop()
            self.runner.close()
            self.comparison.close()
            self.channels.close_viewer()
        return super().event(event)
