"""The dock that translates images: what happens when its parts are used."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from napari.utils.notifications import show_error
from qtpy.QtCore import QSignalBlocker, QTimer
from qtpy.QtWidgets import QFileDialog

from napari_phenotrans.checkpoints.describe import card_warnings
from napari_phenotrans.checkpoints.told_apart import known_of_pictures
from napari_phenotrans.core.errors import InputError
from napari_phenotrans.engines.settings import as_written_earlier
from napari_phenotrans.translation.kept import is_kept
from napari_phenotrans.translation.trust import doubts
from napari_phenotrans.widgets.common.notices import ERROR, NOTE
from napari_phenotrans.widgets.common.preferences import last_choices, preferences, remember
from napari_phenotrans.widgets.translate.kept_layers import show_kept
from napari_phenotrans.widgets.translate.layout import TranslateForm
from napari_phenotrans.widgets.translate.made_images import MadeImages
from napari_phenotrans.widgets.translate.save_controller import SaveController
from napari_phenotrans.widgets.translate.selection import Selection
from napari_phenotrans.widgets.translate.translate_controller import TranslateController
from napari_phenotrans.widgets.translate.trust_controller import TrustController
from napari_phenotrans.widgets.translate.view_bar import ABOVE
from napari_phenotrans.widgets.translate.view_controller import ViewController
from napari_phenotrans.widgets.viewer.file_opener import FileOpener, axes_of, holds_channels
from napari_phenotrans.widgets.viewer.layer_info import (
    fitting_checkpoint,
    image_id,
    image_name,
    known_condition,
    made_alone,
    path_of,
)
from napari_phenotrans.widgets.viewer.layers import info, letters_of
from napari_phenotrans.widgets.viewer.plane_storage import WHOLE, needs_folder

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from napari import Viewer
    from napari.layers import Image as ImageLayer

    from napari_phenotrans.widgets.translate.jobs import Translate
    from napari_phenotrans.widgets.translate.sample_layers import SampleLayers
    from napari_phenotrans.widgets.viewer.channel_row import Row


def refuse_too_many(job: Translate) -> None:
    """Refuse samples that memory does not hold: of a folder's files, and of large images, they are written instead.

    Raises
    ------
    InputError
        Saying what to do.
    """
    samples = job.recipe.answers.samples
    if samples > 1 and needs_folder(job.image, len(job.positions), job.region, whole=WHOLE // (samples + 2)):
        raise InputError(
            f"{samples} samples of {len(job.positions)} planes are too large for memory. Translate a region or the "
            f"shown plane, ask for fewer, or make them with phenotrans translate --samples {samples}."
        )


# No engine is read while checkpoints are leafed through.
READY_AFTER_MS = 300


class TranslateDock(TranslateForm):
    """Opens images, translates them, and shows, checks and saves what comes of it.

    Parameters
    ----------
    napari_viewer
        The viewer whose layers are translated.
    """

    def __init__(self, napari_viewer: Viewer) -> None:
        super().__init__(napari_viewer)
        self.files = FileOpener(napari_viewer, self)
        self.translating = TranslateController(napari_viewer, self.runner, self)
        self.trust = TrustController(napari_viewer, self.runner, self)
        self.selection = Selection(self, napari_viewer, self.translating)
        self.views = ViewController(napari_viewer, self.view_bar, self.trust, self.selection.rows, self.notices)
        self.saving = SaveController(
            napari_viewer, self.save_panel, self.selection.rows, self.selection.recipe, lambda: self.views.shown, self
        )
        # the image whose condition is chosen
        self._image: str | None = None
        # the last translation that was asked for, and whether the slider has moved on since the preview began
        self._last_job: Translate | None = None
        self._preview_again = False
        # reads the engine as soon as it is known which, so that it is ready when it is asked for
        self._getting_ready = QTimer(self)
        self._getting_ready.setSingleShot(True)
        self._getting_ready.setInterval(READY_AFTER_MS)
        self._getting_ready.timeout.connect(self._get_ready)
        self.made = MadeImages(napari_viewer, self.notices, self.question, self.channels, self)
        self.restore()
        self._connect_form()
        self._connect_controllers()
        self._on_checkpoint()

    def _connect_form(self) -> None:
        self.open_button.clicked.connect(self._ask_for_files)
        self.axes_edit.returnPressed.connect(self._apply_axes)
        self.axes_button.clicked.connect(self._apply_axes)
        self.checkpoints.changed.connect(self._on_checkpoint)
        self.checkpoints.failed.connect(self.fail)
        self.channels.changed.connect(self._on_channels)
        self.conditions.changed.connect(self._on_conditions)
        self.engine.dragging.connect(self._preview)
        self.engine.changed.connect(self._on_engine_settings)
        self.answers.changed.connect(self._on_answers)
        self.scope.changed.connect(self._on_scope)
        self.channels.image_box.activated.connect(lambda _: self._forget_files())
        self.devices.failed.connect(lambda text: self.notices.say("device", [text], ERROR))
        self.devices.changed.connect(self._getting_ready.start)
        self.devices.unload_requested.connect(self.unload)
        self.trust_panel.check_requested.connect(self._check)
        self.trust_panel.factor_changed.connect(self.trust.set_factor)
        self.question.answered.connect(self._on_condition_answered)
        self.start_button.clicked.connect(lambda _: self.translate())

    def _connect_controllers(self) -> None:
        self.files.opened.connect(self._on_opened)
        self.files.noticed.connect(lambda text: self.notices.add("file", text, NOTE))
        self.files.failed.connect(self._on_file_failed)
        self.files.finished.connect(self._on_channels)
        self.translating.begun.connect(self._on_begun)
        self.translating.grown.connect(self._on_grown)
        self.translating.moved.connect(self.show_progress)
        self.translating.sampled.connect(self._on_samples)
        self.translating.drawn.connect(self.views.comparison.refresh)
        self.translating.noticed.connect(lambda text: self.notices.add("result", text))
        self.translating.ended.connect(self._on_translated)
        self.translating.failed.connect(lambda _, text: self._on_ended(text, failed=True))
        self.trust.moved.connect(self.show_progress)
        self.trust.checked.connect(self._on_checked)
        self.trust.failed.connect(lambda text: self._on_ended(text, failed=True))
        self.trust.table_changed.connect(self.trust_panel.show_table)
        self.trust.judged.connect(self.trust_panel.show_judged)
        self.trust.stack_checked.connect(self.trust_panel.show_stack)
        self.saving.opened.connect(lambda rows, provenance: self.show_image([r.real for r in rows], provenance))
        self.saving.failed.connect(self.fail)

    # ---- what the user can do

    def take(self, paths: Sequence[Path]) -> None:
        """Open files that were dropped, and translate the shown plane of the last."""
        self.open_files(paths, translate=True)

    def open_files(self, paths: Sequence[Path], *, translate: bool = False) -> None:
        """Open files as layers; with ``translate``, also translate the shown plane of the last."""
        self.question.hide()
        self._forget_files()
        for path in filter(is_kept, paths):
            try:
                show_kept(self.viewer, path)
            except InputError as error:
                self._on_file_failed(str(error))
        paths = [path for path in paths if not is_kept(path)]
        if not paths:
            return
        self.status.setText(f"opening {', '.join(path.name for path in paths)}…")
        self.files.open(paths, translate=translate)

    def translate(self) -> None:
        """Translate what is chosen, or say what is missing."""
        self.question.hide()
        if missing := self.selection.missing:
            self.fail(missing)
            return
        try:
            self.selection.make_room()
            job = self.selection.job()
            refuse_too_many(job)
        except InputError as error:
            self.fail(str(error))
            return
        folder = None
        made = [layer for row in self.selection.rows() for layer in (row.translated, row.difference)]
        if needs_folder(job.image, len(job.positions), job.region, made):
            answer = QFileDialog.getExistingDirectory(
                self, "The result is too large for memory: choose a folder for it", self.save_panel.start_in
            )
            if not answer:
                self.status.setText("not translated: results this large need a folder")
                return
            folder = Path(answer)
        self._last_job = job
        self._start(job, folder)

    def show_image(self, layers: Sequence[ImageLayer], provenance: dict[str, Any]) -> None:
        """Choose an image and how it was translated; what was made of it is compared."""
        checkpoint = provenance["checkpoint"]
        if checkpoint in self.checkpoints.cards and checkpoint != self.checkpoints.name:
            self.checkpoints.choose(checkpoint)
        self.channels.choose(image_id(layers[0]))
        self.conditions.choose(provenance["source"], provenance["target"])

    def show_kept(self, layers: Sequence[ImageLayer], provenance: dict[str, Any], shown: Mapping[str, Any]) -> None:
        """Show a comparison that was kept: as `show_image`, with the engine's settings, the view and the difference."""
        self.show_image(layers, provenance)
        if self.checkpoints.name == provenance["checkpoint"]:
            try:
                self.engine.choose(as_written_earlier(provenance))
            except InputError as error:
                # of another version: what was translated shows them all the same
                self.notices.say("kept", [str(error)])
        self.views.restore(str(shown.get("view", "")), str(shown.get("difference", "")))
        self.saving.update(self.selection.missing)

    # ---- translating

    def _start(self, job: Translate, folder: Path | None = None) -> None:
        self.notices.say("result")
        self.notices.say("file failed")
        self.begin("preparing the engine…" if self.devices.loaded else "loading torch…")
        self.translating.start(job, folder)

    def _preview(self) -> None:
        """Translate a crop at the view's center; while one is on its way the next waits, and only the latest."""
        running = self.translating.job
        if running and running.preview:
            self._preview_again = True
            return
        self._preview_again = False
        crop = self.selection.crop()
        if crop is None:
            return
        try:
            self._start(self.selection.job(crop))
        except InputError as error:
            self.fail(str(error))

    def _on_engine_settings(self) -> None:
        if self.checkpoints.name:
            remember(how={self.checkpoints.name: self.engine.how})
        self._preview_again = False
        if self._last_job and self.selection.reals == list(self._last_job.reals) and not self.selection.missing:
            # what is shown was made otherwise: nothing stale stays
            self.translate()

    def _on_answers(self) -> None:
        # what is kept is drawn from, whatever condition it shows
        self.conditions.source_box.setEnabled(not self.answers.drawn)
        self._update_state()
        if self._last_job and self.selection.reals == list(self._last_job.reals) and not self.selection.missing:
            self.translate()

    def _on_samples(self, samples: SampleLayers | None) -> None:
        self.views.set_samples(samples)
        self.trust_panel.say_samples(samples.count if samples else 0)

    def _on_begun(self, rows: Sequence[Row]) -> None:
        self._forget_check()
        self.view_bar.set_enabled(True)
        self.views.show(rows, captions_later=True)

    def _on_grown(self, rows: Sequence[Row]) -> None:
        if self.selection.reals == [row.real for row in rows]:
            self.views.show(self.selection.rows())

    def _on_translated(self, job: Translate, text: str) -> None:
        if job.preview:
            if self._preview_again:
                self._preview()
                return
            text = "a preview at the center of the view; press Translate for the rest"
        self._on_ended(text)

    def _on_ended(self, text: str, *, failed: bool = False) -> None:
        # a check may wait for the translation that it replaced, and the other way round
        self.show_busy(self.busy)
        self.saving.update(self.selection.missing)
        self._notice_result()
        if failed:
            self.fail(text)
        else:
            self.status.setText(text)

    # ---- trust

    def _check(self) -> None:
        rows = self.selection.rows()
        if not rows:
            self.fail("There is no translation to check: press Translate first.")
            return
        try:
            self.trust.start(rows, self.devices.device)
        except InputError as error:
            self.fail(str(error))
            return
        self.begin("checking…")
        self.trust_panel.set_busy(True)

    def _on_checked(self, text: str) -> None:
        self.trust_panel.set_busy(False)
        self._on_ended(text)
        if self.trust.layers:
            # what was asked for is what is shown now
            self.views.choose_difference(ABOVE)

    def _forget_check(self) -> None:
        self.views.forget_check()
        self.trust.clear()
        self.trust_panel.clear()
        self.views.show_units()

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
        if not translate or layers[0] in made_alone(self.viewer):
            return
        if card is None or None in self.channels.layers:
            self.fail(self.selection.missing)
        elif known_condition(layers[0], card.conditions):
            self.translate()
        else:
            self.question.ask(
                f"Which condition does {image_name(layers[0])} show?",
                card.conditions,
                "The image's condition; translation starts at once.",
            )

    def _on_file_failed(self, text: str) -> None:
        self.notices.add("file failed", text, ERROR)
        if not self.isVisible():
            show_error(text)

    def _forget_files(self) -> None:
        """What was said of files that were opened is no longer about what is looked at."""
        self.notices.say("file")
        self.notices.say("file failed")

    def _on_condition_answered(self, condition: str) -> None:
        if condition in MadeImages.ANSWERS:
            return
        self.conditions.choose(condition)
        self.translate()

    def _apply_axes(self) -> None:
        layer = self.selection.first
        axes = self.axes_edit.text().strip().upper()
        if layer is None or (axes == axes_of(layer) and not holds_channels(layer)):
            return
        try:
            self.files.read_with_axes(layer, axes)
        except InputError as error:
            self.fail(str(error))

    # ---- choices

    def restore(self) -> None:
        last = last_choices()
        self.scope.choose(last.scope or "plane")
        if not self.checkpoints.restore(last.checkpoint):
            remember(checkpoint=None)

    def _on_checkpoint(self) -> None:
        card, name = self.checkpoints.card, self.checkpoints.name
        self._image = None
        self.runner.cancel()
        with QSignalBlocker(self.conditions), QSignalBlocker(self.engine):
            # one signal for all of it, when the channels too are the new checkpoint's
            self.conditions.set_card(card)
            self.engine.set_card(card)
            self.answers.set_card(card)
            if name:
                remember(checkpoint=name)
                try:
                    self.engine.choose(as_written_earlier(last_choices().how.get(name, {})))
                except InputError:
                    # written by another version: the checkpoint's own settings stand there already
                    remember(how={name: {}})
        self.channels.set_card(card)
        self._show_known_pictures()
        self._getting_ready.start()

    def _get_ready(self) -> None:
        if not self.devices.loaded:
            # which devices there are is not known yet
            self._getting_ready.start()
        elif self.checkpoints.name and not self.busy:
            tile = preferences().tile
            self.runner.get_ready(self.checkpoints.name, self.devices.device, self.devices.precision, tile)

    def _on_channels(self) -> None:
        layer = self.selection.first
        self.notices.say("channels", self.channels.notices)
        self.axes_edit.setText(axes_of(layer) if layer else "")
        self.scope.set_layer(layer)
        card = self.checkpoints.card
        if layer is not None and card and image_id(layer) != self._image:
            # a condition that the user chose for this image stays when a channel is chosen by hand
            self._image = image_id(layer)
            self.conditions.choose(known_condition(layer, card.conditions))
        self._notice_image(layer)
        self._notice_doubts()
        self._notice_result()
        self._update_state()
        self.views.update()

    def _notice_image(self, layer: ImageLayer | None) -> None:
        """Say what the user should know of the chosen image."""
        synthetic = layer is not None and info(layer).get("synthetic")
        said = ["This image is synthetic: no microscope was involved."] if synthetic else []
        self.notices.say("synthetic", said, NOTE)
        # also of what was opened without this dock
        about = info(layer) if layer is not None else {}
        path = path_of(layer) if layer is not None else None
        self.notices.say("reading", [f"{path.name}: {note}" if path else note for note in about.get("notes", ())], NOTE)
        letters, known = letters_of(layer) if layer is not None else ("", True)
        guess = (
            f"The layer {layer.name} does not say what its axes are; {letters} is a guess. If that is wrong, say them "
            f"under Axes."
            if layer is not None and not known
            else ""
        )
        self.notices.say("axes", [guess])

    def _notice_doubts(self) -> None:
        """Say what makes a translation of this image by this checkpoint doubtful, before anything is computed."""
        card = self.checkpoints.card
        texts = card_warnings(card) if card else []
        if card and self.selection.reals:
            try:
                image, channels = self.selection.image(card)
                texts = doubts(card, image, channels=channels)
            except InputError as error:
                texts = [str(error)]
        self.notices.say("doubts", texts)

    def _notice_result(self) -> None:
        """Say what was noticed while the result that is shown was made; while one is being made, it comes by itself."""
        if not self.translating.job:
            rows = self.selection.rows()
            made = info(rows[0].translated).get("provenance", {}) if rows else {}
            self.notices.say("result", made.get("notices", ()))

    def _show_known_pictures(self) -> None:
        card, name = self.checkpoints.card, self.checkpoints.name
        source, target = self.conditions.source, self.conditions.target
        self.trust_panel.show_known(known_of_pictures(name, card, source, target) if card and name else [])

    def _on_conditions(self) -> None:
        self._show_known_pictures()
        if self.translating.job and not self.translating.job.preview and not self.selection.missing:
            # it runs towards what is no longer wanted
            self.translate()
        else:
            self._update_state()

    def _on_scope(self) -> None:
        remember(scope=self.scope.scope)
        self._update_state()

    def _update_state(self) -> None:
        if self.busy:
            return
        # what failed did so with what was chosen before
        self.notices.say("run")
        missing = self.selection.missing
        self.status.setText(missing or "ready")
        self.start_button.setToolTip(missing or "Translate from source to target.")
        self.saving.update(self.selection.missing)

    def fail(self, text: str) -> None:
        self.trust_panel.set_busy(False)
        super().fail(text)

    # ---- the end

    def end(self) -> None:
        self._getting_ready.stop()
        self.made.close()
        self.translating.close()
        self.trust.close()
        self.saving.close()
        super().end()
        self.views.close()
        self.channels.close_viewer()
