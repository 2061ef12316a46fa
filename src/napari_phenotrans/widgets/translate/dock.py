"""The dock that translates: it opens files, asks for channels and conditions, and shows what comes."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from napari.utils.notifications import show_error
from qtpy.QtCore import QSignalBlocker, QTimer
from qtpy.QtWidgets import QFileDialog

from napari_phenotrans.checkpoints.describe import card_warnings
from napari_phenotrans.core.errors import InputError
from napari_phenotrans.translation.trust import doubts
from napari_phenotrans.widgets.common.preferences import choices, keep, preferences
from napari_phenotrans.widgets.common.worker import Runner
from napari_phenotrans.widgets.translate.layout import TranslateForm
from napari_phenotrans.widgets.translate.save_controller import SaveController
from napari_phenotrans.widgets.translate.selection import Selection
from napari_phenotrans.widgets.translate.translate_controller import TranslateController
from napari_phenotrans.widgets.translate.trust_controller import TrustController
from napari_phenotrans.widgets.translate.view_bar import ABOVE
from napari_phenotrans.widgets.translate.view_controller import ViewController
from napari_phenotrans.widgets.viewer.files import Files, axes_of
from napari_phenotrans.widgets.viewer.layer_info import fitting_checkpoint, image_id, image_name, known_condition
from napari_phenotrans.widgets.viewer.layers import info, letters_of
from napari_phenotrans.widgets.viewer.plane_room import needs_folder

if TYPE_CHECKING:
    from collections.abc import Sequence

    from napari import Viewer
    from napari.layers import Image as ImageLayer

    from napari_phenotrans.widgets.translate.jobs import Translate
    from napari_phenotrans.widgets.viewer.rows import Row


# No engine is read while checkpoints are leafed through.
READY_AFTER_MS = 300


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
        self.files = Files(napari_viewer, self)
        self.runner = Runner(self)
        self.translating = TranslateController(napari_viewer, self.runner, self)
        self.checking = TrustController(napari_viewer, self.runner, self)
        self.chosen = Selection(self, napari_viewer, self.translating)
        self.looking = ViewController(napari_viewer, self.view_bar, self.checking, self.chosen.rows, self.notices)
        self.keeping = SaveController(napari_viewer, self.keep_panel, self.chosen.rows, self.chosen.recipe, self)
        self._image: str | None = None
        # the last translation that was asked for, and whether the slider has moved on since the preview began
        self._asked: Translate | None = None
        self._preview_again = False
        # reads the engine as soon as it is known which, so that it is ready when it is asked for
        self._getting_ready = QTimer(self)
        self._getting_ready.setSingleShot(True)
        self._getting_ready.setInterval(READY_AFTER_MS)
        self._getting_ready.timeout.connect(self._get_ready)
        self._restore()

        self.dropped.connect(lambda paths: self.open_files(paths, translate=True))
        self.open_button.clicked.connect(self._ask_for_files)
        self.axes_edit.returnPressed.connect(self._apply_axes)
        self.axes_button.clicked.connect(self._apply_axes)
        self.files.opened.connect(self._on_opened)
        self.files.noticed.connect(lambda text: self.notices.add("file", text))
        self.files.failed.connect(self._on_file_failed)
        self.files.finished.connect(self._on_channels)
        self.checkpoints.changed.connect(self._on_checkpoint)
        self.checkpoints.failed.connect(self._on_failed)
        self.channels.changed.connect(self._on_channels)
        self.conditions.changed.connect(self._on_conditions)
        self.engine.dragging.connect(self._preview)
        self.engine.changed.connect(self._on_settled)
        self.scope.changed.connect(self._on_scope)
        self.devices.failed.connect(self._on_failed)
        self.devices.changed.connect(self._getting_ready.start)
        self.devices.unload_requested.connect(self._unload)
        self.trust_panel.check_requested.connect(self._check)
        self.trust_panel.factor_changed.connect(self.checking.set_factor)
        self.checking.found.connect(self.trust_panel.show_table)
        self.keeping.opened.connect(lambda rows, provenance: self.show_image([r.real for r in rows], provenance))
        self.keeping.failed.connect(self._on_failed)
        self.question.answered.connect(self._on_condition_said)
        self.translate_button.clicked.connect(lambda _: self.translate())
        self.cancel_button.clicked.connect(lambda _: self.runner.cancel())
        self.translating.begun.connect(self._on_begun)
        self.translating.grown.connect(self._on_grown)
        self.translating.moved.connect(self._on_moved)
        self.translating.drawn.connect(self.looking.comparison.refresh)
        self.translating.noticed.connect(lambda text: self.notices.add("run", text))
        self.translating.ended.connect(self._on_translated)
        self.translating.failed.connect(lambda _, text: self._on_ended(text, failed=True))
        self.checking.moved.connect(self._on_moved)
        self.checking.checked.connect(self._on_checked)
        self.checking.failed.connect(lambda text: self._on_ended(text, failed=True))
        self._on_checkpoint()

    # ---- what the user can do

    def open_files(self, paths: Sequence[Path], *, translate: bool = False) -> None:
        """Open files as layers; with ``translate``, also translate the shown plane of the last."""
        self.question.hide()
        self.notices.say("file")
        self.status.setText(f"opening {', '.join(path.name for path in paths)}…")
        self.files.open(paths, translate=translate)

    def translate(self) -> None:
        """Translate what is chosen; what is missing is said instead."""
        self.question.hide()
        if missing := self.chosen.missing:
            self._on_failed(missing)
            return
        try:
            job = self.chosen.job()
        except InputError as error:
            self._on_failed(str(error))
            return
        folder = None
        made = [layer for row in self.chosen.rows() for layer in (row.translated, row.difference)]
        if needs_folder(job.image, len(job.positions), job.region, made):
            said = QFileDialog.getExistingDirectory(
                self, "The result is too large for memory: choose a folder for it", self.keep_panel.start_in
            )
            if not said:
                self.status.setText("not translated: results this large need a folder")
                return
            folder = Path(said)
        self._asked = job
        self._start(job, folder)

    def show_image(self, layers: Sequence[ImageLayer], provenance: dict[str, Any]) -> None:
        """Choose an image and how it was translated; what was made of it is compared."""
        checkpoint = provenance["checkpoint"]
        if checkpoint in self.checkpoints.cards and checkpoint != self.checkpoints.name:
            self.checkpoints.choose(checkpoint)
        self.channels.choose(image_id(layers[0]))
        self.conditions.choose(provenance["source"], provenance["target"])

    # ---- translating

    def _start(self, job: Translate, folder: Path | None = None) -> None:
        self.notices.say("run")
        self.bar.setValue(0)
        self.status.setText("preparing the engine…" if self.devices.loaded else "loading torch…")
        self.say_busy(True)
        self.translating.start(job, folder)

    def _preview(self) -> None:
        """Translate a crop at the view's center; while one is on its way the next waits, and only the latest."""
        running = self.translating.job
        if running and running.preview:
            self._preview_again = True
            return
        self._preview_again = False
        crop = self.chosen.crop()
        if crop is None:
            return
        try:
            self._start(self.chosen.job(crop))
        except InputError as error:
            self._on_failed(str(error))

    def _on_settled(self) -> None:
        if self.checkpoints.name:
            keep(how={self.checkpoints.name: self.engine.how})
        self._preview_again = False
        if self._asked and self.chosen.reals == list(self._asked.reals) and not self.chosen.missing:
            # what is shown was made otherwise: nothing stale stays
            self.translate()

    def _on_begun(self, rows: Sequence[Row]) -> None:
        self._forget_check()
        self.view_bar.set_enabled(True)
        self.looking.show(rows, captions_later=True)

    def _on_grown(self, rows: Sequence[Row]) -> None:
        if self.chosen.reals == [row.real for row in rows]:
            self.looking.show(self.chosen.rows())

    def _on_moved(self, share: float, words: str) -> None:
        self.bar.setValue(round(1000 * share))
        self.status.setText(words)

    def _on_translated(self, job: Translate, words: str) -> None:
        if job.preview:
            if self._preview_again:
                self._preview()
                return
            words = "a preview at the center of the view; press Translate for the rest"
        self._on_ended(words)

    def _on_ended(self, words: str, *, failed: bool = False) -> None:
        # a check may wait for the translation that it replaced, and the other way round
        self.say_busy(self.runner.busy)
        self.keeping.update(self.chosen.missing)
        if failed:
            self._on_failed(words)
        else:
            self.status.setText(words)

    def _unload(self) -> None:
        self.runner.unload()
        self.status.setText("the engine has given back its memory")

    # ---- trust

    def _check(self) -> None:
        rows = self.chosen.rows()
        if not rows:
            self._on_failed("There is no translation to check: press Translate first.")
            return
        try:
            self.checking.start(rows, self.devices.device)
        except InputError as error:
            self._on_failed(str(error))
            return
        self.notices.say("run")
        self.trust_panel.set_busy(True)
        self.say_busy(True)

    def _on_checked(self, words: str) -> None:
        self.trust_panel.set_busy(False)
        self._on_ended(words)
        if self.checking.layers:
            # what was asked for is what is shown now
            self.looking.choose_difference(ABOVE)

    def _forget_check(self) -> None:
        self.looking.forget_check()
        self.checking.clear()
        self.trust_panel.clear()
        self.looking.show_units()

    # ---- files

    def _ask_for_files(self) -> None:
        paths, _ = QFileDialog.getOpenFileNames(self, "Open images")
        if paths:
            self.open_files([Path(path) for path in paths])

    def _on_opened(self, layers: list[ImageLayer], translate: bool) -> None:
        fitting = fitting_checkpoint(layers, self.checkpoints.cards, self.checkpoints.name)
        if fitting and fitting != self.checkpoints.name:
            self.checkpoints.choose(fitting)
        self.channels.choose(image_id(layers[0]))
        card = self.checkpoints.card
        if not translate:
            return
        if card is None or None in self.channels.layers:
            self._on_failed(self.chosen.missing)
        elif known_condition(layers[0], card.conditions):
            self.translate()
        else:
            self.question.ask(
                f"Which condition does {image_name(layers[0])} show?",
                card.conditions,
                "The image's condition; translation starts at once.",
            )

    def _on_file_failed(self, text: str) -> None:
        self.notices.add("file", text)
        show_error(text)

    def _on_condition_said(self, condition: str) -> None:
        self.conditions.choose(condition)
        self.translate()

    def _apply_axes(self) -> None:
        layer = self.chosen.first
        said = self.axes_edit.text().strip().upper()
        if layer is None or said == axes_of(layer):
            return
        try:
            self.files.say_axes(layer, said)
        except InputError as error:
            self._on_failed(str(error))

    # ---- choices

    def _restore(self) -> None:
        """Show what the user prefers, and what was chosen last."""
        said, last = preferences(), choices()
        self.devices.choose(said.device, said.precision)
        self.scope.choose(last.scope or "plane")
        if last.checkpoint and last.checkpoint != self.checkpoints.name:
            try:
                self.checkpoints.choose(last.checkpoint)
            except InputError:
                # a file that was moved since: what the dock begins with will do
                keep(checkpoint=None)

    def _on_checkpoint(self) -> None:
        card, name = self.checkpoints.card, self.checkpoints.name
        self._image = None
        self.runner.cancel()
        with QSignalBlocker(self.conditions), QSignalBlocker(self.engine):
            # said once, when the channels too are the new checkpoint's
            self.conditions.set_card(card)
            self.engine.set_card(card)
            if name:
                keep(checkpoint=name)
                try:
                    self.engine.choose(choices().how.get(name, {}))
                except InputError:
                    # written by another version: the checkpoint's own settings stand there already
                    keep(how={name: {}})
        self.channels.set_card(card)
        self._getting_ready.start()

    def _get_ready(self) -> None:
        if not self.devices.loaded:
            # which devices there are is not known yet
            self._getting_ready.start()
        elif self.checkpoints.name and not self.runner.busy:
            tile = preferences().tile
            self.runner.get_ready(self.checkpoints.name, self.devices.device, self.devices.precision, tile)

    def _on_channels(self) -> None:
        layer = self.chosen.first
        self.notices.say("channels", self.channels.notices)
        self.axes_edit.setText(axes_of(layer) if layer else "")
        self.scope.set_layer(layer)
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
        self._say_doubts()
        self._update_state()
        self.looking.update()

    def _say_doubts(self) -> None:
        """Say what makes a translation of this image by this checkpoint doubtful, before anything is computed."""
        card = self.checkpoints.card
        texts = card_warnings(card) if card else []
        if card and self.chosen.reals:
            try:
                image, channels = self.chosen.image(card)
                texts = doubts(card, image, channels=channels)
            except InputError as error:
                texts = [str(error)]
        self.notices.say("doubts", texts)

    def _on_conditions(self) -> None:
        if self.translating.job and not self.translating.job.preview and not self.chosen.missing:
            # it runs towards what is no longer wanted
            self.translate()
        else:
            self._update_state()

    def _on_scope(self) -> None:
        keep(scope=self.scope.scope)
        self._update_state()

    def _update_state(self) -> None:
        if self.runner.busy:
            return
        missing = self.chosen.missing
        self.status.setText(missing or "ready")
        self.translate_button.setToolTip(missing or "Translate from source to target.")
        self.keeping.update(self.chosen.missing)

    def _on_failed(self, text: str) -> None:
        self.trust_panel.set_busy(False)
        self.notices.say("run", [text])
        self.status.setText("not translated: see above")
        show_error(text)

    # ---- the end

    def end(self) -> None:
        self._getting_ready.stop()
        self.translating.close()
        self.checking.close()
        self.keeping.close()
        self.runner.unload()
        self.looking.close()
        self.channels.close_viewer()
