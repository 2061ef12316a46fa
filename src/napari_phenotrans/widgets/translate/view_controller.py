"""Showing a translation in the view and with the difference that the user chose."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from napari_phenotrans.core.errors import InputError
from napari_phenotrans.core.kinds import ABOVE_ERROR
from napari_phenotrans.widgets.common.preferences import last_choices, preferences, remember
from napari_phenotrans.widgets.translate.held_result import HeldResult
from napari_phenotrans.widgets.translate.view_bar import (
    ABOVE,
    AGREES,
    HELD_RESULT,
    MAPS,
    OUTLINES,
    REAL_IMAGE,
    RELATIVE,
    SPREAD,
    TURNS,
    WHOLE,
)
from napari_phenotrans.widgets.viewer.comparison import VIEWS, Comparison
from napari_phenotrans.widgets.viewer.difference_scale import unit_of
from napari_phenotrans.widgets.viewer.layers import AGREEMENT, OUTLINED, TURNED, info, role

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from napari import Viewer
    from napari.layers import Image as ImageLayer

    from napari_phenotrans.widgets.common.notices import Notices
    from napari_phenotrans.widgets.translate.map_layers import MapLayers
    from napari_phenotrans.widgets.translate.sample_layers import SampleLayers
    from napari_phenotrans.widgets.translate.trust_controller import TrustController
    from napari_phenotrans.widgets.translate.view_bar import ViewBar
    from napari_phenotrans.widgets.viewer.channel_row import Row


# What the view bar calls the maps of these roles.
SHOWN_MAPS = {AGREES: AGREEMENT, OUTLINES: OUTLINED, TURNS: TURNED}


class ViewController:
    """Connects the view bar, the comparison in the viewer, and the layers of the check.

    Parameters
    ----------
    viewer
        Where layers are compared.
    bar
        Where the user chooses what to see.
    trust
        Knows the engine's error, once it was checked.
    rows
        Returns what there is to be compared.
    notices
        Where the reason is shown why a view cannot be.
    """

    def __init__(
        self, viewer: Viewer, bar: ViewBar, trust: TrustController, rows: Callable[[], list[Row]], notices: Notices
    ) -> None:
        self._viewer = viewer
        self.comparison = Comparison(viewer)
        # what the user holds, what the shown result is compared with, and whether no other result came since
        self._held: HeldResult | None = None
        self._beside, self._just_held = REAL_IMAGE, False
        # whether an image that a result was held of has gone: what is left of it is about to go, too
        self._suspended = False
        self._bar, self._trust, self._rows, self._notices = bar, trust, rows, notices
        last = last_choices().view
        self._view = last if last is not None else preferences().view
        self._difference = WHOLE
        self._samples: SampleLayers | None = None
        self._maps: MapLayers | None = None
        bar.sample_chosen.connect(self.show_sample)
        bar.view_chosen.connect(self.choose_view)
        bar.difference_chosen.connect(self.choose_difference)
        bar.beside_chosen.connect(self.choose_beside)
        bar.hold_requested.connect(self.hold)
        bar.follow(self.comparison)

    def choose_view(self, view: str) -> None:
        """Show a view; none where it is empty."""
        self._view, self._suspended = view, False
        remember(view=view)
        self.update()

    def compare(self) -> None:
        """Show the view that was chosen last."""
        self.choose_view(self._view or preferences().view)

    def restore(self, view: str, difference: str) -> None:
        """Show a view, and a difference that needs no check of the engine, as they were when they were kept."""
        self._difference = ABOVE if difference == ABOVE and self._above(self._rows()) else WHOLE
        self.choose_view(view if view in VIEWS else self._view or preferences().view)

    def choose_difference(self, shown: str) -> None:
        """Show differences as `view_bar` names it: `WHOLE`, `RELATIVE` or `ABOVE`; or one of its `MAPS`."""
        self._difference = shown
        layers = self._trust.layers
        self.comparison.show_relative(layers.engine_errors if layers and shown == RELATIVE else None)
        self.update()

    def choose_beside(self, beside: str) -> None:
        """Compare the shown result with `REAL_IMAGE`, or with `HELD_RESULT`."""
        self._beside, self._just_held = beside, False
        self.update()

    def hold(self) -> None:
        """Hold what is shown now; the next result that comes stands beside it."""
        rows = self._rows()
        if not rows:
            return
        try:
            self._held = HeldResult(self._viewer, rows)
        except InputError as error:
            self._notices.say("view", [str(error)])
            return
        self._beside, self._just_held = REAL_IMAGE, True
        self.update()

    def begin(self, rows: Sequence[Row]) -> None:
        """Show the rows of a result that begins to come, beside one that was held for it."""
        if self._just_held:
            self._beside, self._just_held = HELD_RESULT, False
        self._suspended = False
        self.show(rows)
        self.show_units()

    def refresh(self) -> None:
        """Draw anew what is put together of several layers; to be called when pixels came."""
        self.comparison.refresh()
        if self._held and self._beside == HELD_RESULT:
            self._held.refresh()

    def release(self) -> None:
        """Hold nothing any more."""
        held, self._held, self._beside = self._held, None, REAL_IMAGE
        if held:
            held.clear()

    @property
    def shown(self) -> dict[str, str]:
        """Which view and which difference are shown, to be kept."""
        return {"view": self.comparison.view or self._view or "", "difference": self._difference}

    def set_samples(self, samples: SampleLayers | None) -> None:
        """Offer several answers, or none."""
        self._samples = samples
        self._bar.set_samples(samples.names if samples else (), samples.shown if samples else 0)
        self._offer_maps()

    def set_maps(self, maps: MapLayers | None) -> None:
        """Offer the maps that came with a translation, or none."""
        self._maps = maps
        self._offer_maps()

    def _offer_maps(self) -> None:
        maps = self._thirds()
        if self._difference in MAPS and self._difference not in maps:
            self._difference = WHOLE
        self._bar.set_maps(list(maps))
        self.update()

    def _thirds(self) -> dict[str, Mapping[ImageLayer, ImageLayer]]:
        """Return by `view_bar.MAPS` the layer of each real layer that may stand in the place of its difference."""
        spread = {SPREAD: self._samples.spreads} if self._samples else {}
        layers = self._maps.layers if self._maps else {}
        return spread | {which: layers[kind] for which, kind in SHOWN_MAPS.items() if kind in layers}

    def show_sample(self, place: int) -> None:
        """Show one of several answers in the layers of translated and difference."""
        if self._samples:
            self._samples.show(place)
            self.refresh()
            if self._maps:
                self._maps.refresh()
            if self._trust.layers:
                self._trust.layers.refresh()
            self.update()

    def forget_check(self) -> None:
        """Show whole differences: nothing is known of the engine's error any more."""
        self._difference = WHOLE
        if self.comparison.relative:
            self.comparison.show_relative(None)

    def update(self) -> None:
        """Show what there is now."""
        rows = self._rows()
        if self._held and any(real not in self._viewer.layers for real in self._held.reals):
            # a viewer that closes takes the images first: nothing is to be shown of the rest
            self._held, self._beside, self._suspended = None, REAL_IMAGE, True
        self._bar.set_enabled(bool(rows), "Translate first: there is nothing to compare.")
        if not self._view or not rows or self._suspended:
            self.comparison.leave()
        else:
            self.show(rows)
        self.show_units()

    def show(self, rows: Sequence[Row]) -> None:
        """Show these rows, and their captions after what is there is drawn."""
        beside = self._held.beside(rows) if self._held else []
        self._bar.set_held(bool(beside), self._beside)
        compared = beside if beside and self._beside == HELD_RESULT else self._with_difference(rows)
        if self._view:
            try:
                self.comparison.show(compared, self._view, captions_later=True)
            except InputError as error:
                self._notices.say("view", [str(error)])
                return
        self._notices.say("view")

    def _with_difference(self, rows: Sequence[Row]) -> list[Row]:
        """Return rows with what was chosen to be shown as their difference."""
        third = self._above(rows) if self._difference == ABOVE else self._thirds().get(self._difference, {})
        return [replace(row, difference=third[row.real]) if row.real in third else row for row in rows]

    def show_units(self) -> None:
        """Offer differences against the engine's error where that is known."""
        rows = self._rows()
        self._bar.set_difference(
            self._difference,
            possible=self._trust.layers is not None,
            unit=unit_of(rows[0].real) if rows else "counts",
            above=bool(self._above(rows)),
        )

    def _above(self, rows: Sequence[Row]) -> Mapping[ImageLayer, ImageLayer]:
        """Return by real layer the layer of what lies above the engine's error, of this check or of a kept one."""
        if self._trust.layers:
            return self._trust.layers.above
        by_id = {str(row.real.unique_id): row.real for row in rows}
        found = {
            by_id.get(info(layer).get("of", "")): layer for layer in self._viewer.layers if role(layer) == ABOVE_ERROR
        }
        return {real: layer for real, layer in found.items() if real is not None}

    def close(self) -> None:
        """Leave the view, and stop listening to the viewer."""
        self._bar.unfollow()
        self.comparison.close()
