"""The dock that translates images: what happens when its parts are used."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any
from weakref import WeakSet

from napari.utils.notifications import show_error
from qtpy.QtCore import QSignalBlocker, QTimer
from qtpy.QtWidgets import QFileDialog

from napari_phenotrans.checkpoints.describe import card_warnings
from napari_phenotrans.checkpoints.matching import why_none_fits
from napari_phenotrans.checkpoints.told_apart import known_of_pictures
from napari_phenotrans.core.errors import InputError
from napari_phenotrans.core.kinds import AGREEMENT, TURNED
from napari_phenotrans.core.text import duration
from napari_phenotrans.engines.settings import as_written_earlier
from napari_phenotrans.runs.family import is_family
from napari_phenotrans.translation.kept import is_kept
from napari_phenotrans.translation.trust import doubts
from napari_phenotrans.widgets.common.notices import ERROR, NOTE
from napari_phenotrans.widgets.common.preferences import last_choices, preferences, remember
from napari_phenotrans.widgets.translate.kept_layers import show_kept
from napari_phenotrans.widgets.translate.layers_menu import train_on
from napari_phenotrans.widgets.translate.layout import TranslateForm
from napari_phenotrans.widgets.translate.made_images import MadeImages
from napari_phenotrans.widgets.translate.no_change import CHANGES_NOTHING, changes_nothing
from napari_phenotrans.widgets.translate.pace import Pace
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
from napari_phenotrans.widgets.viewer.layers import channel_name, info, letters_of, pixel_size_um, set_pixel_size
from napari_phenotrans.widgets.viewer.plane_storage import WHOLE, needs_folder
from napari_phenotrans.widgets.viewer.visible_region import look_at, shown_plane

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from concurrent.futures import Future

    from napari import Viewer
    from napari.layers import Image as ImageLayer

    from napari_phenotrans.core.region import Region
    from napari_phenotrans.translation.effort import Effort
    from napari_phenotrans.widgets.translate.jobs import Recipe, Translate
    from napari_phenotrans.widgets.translate.map_layers import MapLayers
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
            f"shown plane, ask for fewer, or make them on the command line, which writes them to a folder."
        )


# Looks at the center of the view: of fewer network evaluations while a slider moves, and as the plane will be there.
QUICK, EXACT = "quick", "exact"
# No engine is read while checkpoints are leafed through.
READY_AFTER_MS, TRIED_EVERY_MS = 300, 150
NO_TURNS = "Turns are averaged of the translation by one checkpoint alone, not of samples, completions or families."
# Nobody plans by less.
WORTH_SAYING_S = 5.0


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
        # the last translation that was asked for, and the look that waits for the one that is on its way: a quick one
        # while the slider moves, an exact one once it stands
        self._last_job: Translate | None = None
        self._next_look = ""
        # how, and at what, a quick look was taken last
        self._looked: tuple[Recipe, Region | None] | None = None
        # layers whose pixel size the user has said, who may correct it
        self._sized: WeakSet[ImageLayer] = WeakSet()
        # reads the engine as soon as it is known which, so that it is ready when it is asked for
        self._getting_ready = QTimer(self)
        self._pace = Pace()
        # the engine that is being tried out, and a timer that asks for what came of it
        self._trying: tuple[str, str, Future[Effort | None]] | None = None
        self._tried = QTimer(self)
        self._tried.setInterval(TRIED_EVERY_MS)
        self._tried.timeout.connect(self._on_tried)
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
        self.size_box.valueChanged.connect(self._apply_pixel_size)
        self.checkpoints.changed.connect(self._on_checkpoint)
        self.checkpoints.failed.connect(self.fail)
        self.channels.changed.connect(self._on_channels)
        self.conditions.changed.connect(self._on_conditions)
        self.engine.dragging.connect(lambda: self._look(QUICK))
        self.engine.changed.connect(self._on_engine_settings)
        self.answers.changed.connect(self._on_answers)
        self.scope.changed.connect(self._on_scope)
        self.channels.image_box.activated.connect(lambda _: self._forget_files())
        self.devices.failed.connect(lambda text: self.notices.say("device", [text], ERROR))
        self.devices.changed.connect(self._getting_ready.start)
        self.devices.unload_requested.connect(self.unload)
        self.runner.ended.connect(lambda *_: self.devices.update_memory())
        self.trust_panel.check_requested.connect(self._check)
        self.trust_panel.factor_changed.connect(self.trust.set_factor)
        self.trust_panel.turns_changed.connect(self._update_state)
        self.question.answered.connect(self._on_condition_answered)
        self.start_button.clicked.connect(lambda _: self.translate())
        self.train_button.clicked.connect(lambda _: train_on(self.viewer, self.channels.image_layers))

    def _connect_controllers(self) -> None:
        self.files.opened.connect(self._on_opened)
        self.files.noticed.connect(lambda text: self.notices.add("file", text, NOTE))
        self.files.failed.connect(self._on_file_failed)
        self.files.finished.connect(self._on_channels)
        self.translating.begun.connect(self._on_begun)
        self.translating.grown.connect(self._on_grown)
        self.translating.moved.connect(self.show_progress)
        self.translating.sampled.connect(self._on_samples)
        self.translating.mapped.connect(self._on_maps)
        self.translating.said.connect(lambda said: self.trust_panel.show_said(said.about, said.text))
        self.translating.drawn.connect(self.views.refresh)
        self.view_bar.clear_requested.connect(self._clear)
        for button in (self.view_bar.hold_button, self.save_panel.save_button, self.save_panel.copy_button):
            # before what the click does: that is about the result, not about a look that covers part of it
            button.pressed.connect(self._settle)
        self.translating.noticed.connect(lambda text: self.notices.add("result", text))
        self.translating.stopped.connect(lambda text: self.notices.add("run", text, ERROR))
        self.translating.ended.connect(self._on_translated)
        self.translating.failed.connect(lambda _, text: self._on_ended(text, failed=True))
        self.trust.moved.connect(self.show_progress)
        self.trust.checked.connect(self._on_checked)
        self.trust.failed.connect(lambda text: self._on_ended(text, failed=True))
        self.trust.table_changed.connect(self.trust_panel.show_table)
        self.trust.turned.connect(self.translating.show_map)
        self.trust.judged.connect(self.trust_panel.show_judged)
        self.trust.stack_checked.connect(self.trust_panel.show_stack)
        self.saving.opened.connect(lambda rows, provenance: self.show_image([r.real for r in rows], provenance))
        self.saving.completed_wanted.connect(self.open_files)
        self.saving.failed.connect(self.fail)

    # ---- what the user can do

    def take(self, paths: Sequence[Path]) -> None:
        """Open files that were dropped, and translate the shown plane of the last."""
        self.open_files(paths, translate=True)

    def open_files(self, paths: Sequence[Path], *, translate: bool = False) -> None:
        """Open files as layers; with ``translate``, also translate the shown plane of the last."""
        self.question.hide()
        self._forget_files()
        for path in filter(is_family, paths):
            try:
                self.checkpoints.choose(path)
            except InputError as error:
                self._on_file_failed(str(error))
        paths = [path for path in paths if not is_family(path)]
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
        self.answers.settle()
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
        self._last_job, self._next_look = job, ""
        self._start(job, folder)

    def cancel(self) -> None:
        """Stop what is computed, and what was to come after it; what is done by then stays."""
        self._next_look = ""
        super().cancel()

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
        self.saving.update(self.selection.missing, completes=bool(self.answers.drawn))

    # ---- translating

    def _start(self, job: Translate, folder: Path | None = None) -> None:
        self.notices.say("result")
        self.notices.say("file failed")
        self.begin("preparing the engine…" if self.devices.loaded else "loading torch…")
        self.start_button.setText("Translate" if job.preview else "Translate again")
        self.translating.start(job, folder)

    def _look(self, how: str) -> None:
        """Translate a crop at the view's center; while one is on its way the next waits, and only the latest."""
        running = self.translating.job
        if running and running.preview:
            self._next_look = how
            return
        self._next_look = ""
        crop = self.selection.crop()
        if crop is None:
            return
        try:
            quick, exact = (self.selection.job(crop, quick=quick) for quick in (True, False))
        except InputError as error:
            self.fail(str(error))
            return
        if how == EXACT and quick.recipe != exact.recipe and self._looked != (quick.recipe, crop):
            # something is to be seen at once all the same
            self._next_look = EXACT
            how = QUICK
        self._start(quick if how == QUICK else exact)

    def _on_engine_settings(self) -> None:
        if self.checkpoints.name:
            remember(how={self.checkpoints.name: self.engine.how})
        # the whole plane takes its time: it is translated when the user asks for it
        self._look(EXACT)

    def _on_answers(self) -> None:
        # what is kept is drawn from, whatever condition it shows
        self.conditions.source_box.setEnabled(not self.answers.drawn)
        self._allow_turns()
        self._update_state()

    def _on_samples(self, samples: SampleLayers | None) -> None:
        self.views.set_samples(samples)
        self.trust_panel.say_samples(samples.count if samples else 0)

    def _on_maps(self, maps: MapLayers | None) -> None:
        self.views.set_maps(maps)
        if maps is None:
            for about in (TURNED, AGREEMENT):
                self.trust_panel.show_said(about, "")

    def _allow_turns(self) -> None:
        """Let the image be translated in turns where it is translated once, by one training."""
        family = self.checkpoints.name and is_family(self.checkpoints.name)
        several = self.answers.answers.several or self.answers.drawn
        self.trust_panel.allow_turns(NO_TURNS if family or several else "")

    def _on_begun(self, rows: Sequence[Row]) -> None:
        job = self.translating.job
        if job is not None and not job.preview:
            # what a preview covers comes back, and with it what was checked of it
            self._forget_check()
        self.view_bar.set_enabled(True)
        self.views.begin(rows)

    def _clear(self) -> None:
        """Remove the result that is shown, and all that was made of it."""
        reals = {str(row.real.unique_id) for row in self.selection.rows()}
        self.translating.clear()
        self._forget_check()
        self.views.release()
        for layer in list(self.viewer.layers):
            if info(layer).get("of") in reals:
                self.viewer.layers.remove(layer)
        self._last_job = None
        self.show_busy(self.busy)
        self._notice_result()
        self.views.update()
        self._update_state()

    def _on_grown(self, rows: Sequence[Row]) -> None:
        if self.selection.reals == [row.real for row in rows]:
            self.views.show(self.selection.rows())

    def _on_translated(self, job: Translate, text: str) -> None:
        if self.translating.complete:
            self._pace.note(job, self.translating.seconds)
        if job.preview:
            self._looked = (job.recipe, job.region) if job.quick and self.translating.complete else self._looked
            if self._next_look:
                self._look(self._next_look)
                return
            if job.quick:
                text = "a quick look at the center of the view; let go to see it as it will be"
            else:
                text = f"the center of the view, as it will be; press Translate for the rest{self._time_it_takes()}"
        self._on_ended(text)

    def _time_it_takes(self, least: float = 0.0) -> str:
        """How long what is chosen will take, as in ": about 3 min for this plane".

        Empty where nothing is known yet, and of less than so many seconds.
        """
        if self.selection.missing or not self.selection.reals:
            return ""
        try:
            card = self.checkpoints.card
            zoom = self.selection.zoom(card, self.selection.reals[0]) if card else 1.0
            seconds = self._pace.seconds(self.selection.job(), zoom)
        except InputError:
            # what is missing is said elsewhere
            return ""
        what = {"stack": "the stack", "plane": "this plane"}.get(self.scope.scope, "this part of it")
        return f": about {duration(seconds)} for {what}" if seconds > least else ""

    def _on_ended(self, text: str, *, failed: bool = False) -> None:
        # a check may wait for the translation that it replaced, and the other way round
        self.show_busy(self.busy)
        self.saving.update(self.selection.missing, completes=bool(self.answers.drawn))
        self._notice_result()
        if failed:
            self.fail(text)
        else:
            self.status.setText(text)

    # ---- trust

    def _settle(self) -> None:
        """Show the whole result again where a look at a crop covers part of it."""
        self._next_look = ""
        if self.translating.settle():
            self.show_busy(False)
            self._update_state()

    def _check(self) -> None:
        self._settle()
        rows = self.selection.rows()
        if not rows:
            self.fail("There is no translation to check: press Translate first.")
            return
        try:
            self.trust.start(rows, self.devices.device, upside_down=self.trust_panel.upside_down.isChecked())
        except InputError as error:
            self.fail(str(error))
            return
        self.begin("checking…")
        self.trust_panel.set_busy(True)

    def _on_checked(self, text: str) -> None:
        self.trust_panel.set_busy(False)
        self._on_ended(text)
        if self.trust.layers:
            # what was asked for is what is shown now, in the view that shows differences, and its answer in sight
            self.views.choose_difference(ABOVE)
            if self.views.comparison.view != "matrix":
                self.views.choose_view("matrix")
            self.show_from_top(self.trust_panel.check_button)

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
        look_at(self.viewer, layers)
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

    def _apply_pixel_size(self, micrometers: float) -> None:
        layers = self.channels.image_layers
        if not layers or not micrometers:
            return
        ids = {str(layer.unique_id) for layer in layers}
        made = [layer for layer in self.viewer.layers if info(layer).get("of") in ids]
        set_pixel_size([*layers, *made], micrometers)
        self._sized.update(layers)
        self.viewer.reset_view()
        self._notice_doubts()

    def _show_pixel_size(self, layer: ImageLayer | None) -> None:
        """Ask for the pixel size of an image that does not say it."""
        known = pixel_size_um(layer) if layer is not None else None
        with QSignalBlocker(self.size_box):
            self.size_box.setValue(known or 0.0)
        self.reading.setRowVisible(self.size_row, layer is not None and (known is None or layer in self._sized))

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
        self._allow_turns()
        self._show_known_pictures()
        self._getting_ready.start()

    def _get_ready(self) -> None:
        if not self.devices.loaded:
            # which devices there are is not known yet
            self._getting_ready.start()
        elif self.checkpoints.name and self.checkpoints.card and not self.busy:
            how, (source, target) = self.engine.how, self.checkpoints.card.conditions[:2]
            way = self.conditions.source or source, self.conditions.target or target
            name, device = self.checkpoints.name, self.devices.device
            ready = self.runner.get_ready(name, device, self.devices.precision, preferences().tile, way, how)
            self._trying = name, device, ready
            self._tried.start()

    def _on_tried(self) -> None:
        """Say how long the chosen translation will take, once a tile was tried."""
        if self._trying and self._trying[2].done():
            (name, device, ready), self._trying = self._trying, None
            if effort := ready.result():
                self._pace.expect(name, device, effort)
                self._update_state()
        if not self._trying:
            self._tried.stop()
            self.devices.update_memory()

    def _on_channels(self) -> None:
        layer = self.selection.first
        self.notices.say("channels", self.channels.notices)
        self.axes_edit.setText(axes_of(layer) if layer else "")
        self._show_pixel_size(layer)
        self.scope.set_layer(layer)
        card = self.checkpoints.card
        if layer is not None and card and image_id(layer) != self._image:
            # a condition that the user chose for this image stays when a channel is chosen by hand
            self._image = image_id(layer)
            self.conditions.choose(known_condition(layer, card.conditions))
        self._notice_image(layer)
        self._notice_doubts()
        self._notice_unfit()
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

    def _notice_unfit(self) -> None:
        """Say why no checkpoint fits the image, and lead on; layers chosen by hand are what they are said to be."""
        names = [channel_name(layer) for layer in self.channels.image_layers]
        by_hand = self.selection.reals and not self.channels.notices
        self.checkpoints.show_fit(names)
        why = "" if by_hand else why_none_fits(names, self.checkpoints.cards.values())
        self.notices.say("unfit", [why])
        self.train_button.setVisible(bool(why))

    def _notice_result(self) -> None:
        """Say what was noticed while the result that is shown was made; while one is being made, it comes by itself."""
        if not self.translating.job:
            rows = self.selection.rows()
            made = info(rows[0].translated).get("provenance", {}) if rows else {}
            card = self.checkpoints.cards.get(made.get("checkpoint file") or made.get("checkpoint", ""))
            nothing = card is not None and changes_nothing(card, rows, *shown_plane(self.viewer, rows[0].real))
            self.notices.say("result", [*([CHANGES_NOTHING] if nothing else []), *made.get("notices", ())])

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
        self.status.setText(missing or f"ready{self._time_it_takes(WORTH_SAYING_S)}")
        self.start_button.setToolTip(missing or "Translate from source to target.")
        self.saving.update(self.selection.missing, completes=bool(self.answers.drawn))

    def fail(self, text: str) -> None:
        self.trust_panel.set_busy(False)
        super().fail(text)

    # ---- the end

    def end(self) -> None:
        self._getting_ready.stop()
        self._tried.stop()
        self.made.close()
        self.translating.close()
        self.trust.close()
        self.saving.close()
        super().end()
        self.views.close()
        self.channels.close_viewer()
