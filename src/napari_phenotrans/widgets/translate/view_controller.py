"""What the translate dock shows of a translation: the view that the user wants, and which difference."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from napari_phenotrans.core.errors import InputError
from napari_phenotrans.widgets.common.preferences import choices, keep, preferences
from napari_phenotrans.widgets.translate.view_bar import ABOVE, RELATIVE, WHOLE
from napari_phenotrans.widgets.viewer.comparison import Comparison
from napari_phenotrans.widgets.viewer.difference_scale import unit_of

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from napari import Viewer

    from napari_phenotrans.widgets.common.notices import Notices
    from napari_phenotrans.widgets.translate.trust_controller import TrustController
    from napari_phenotrans.widgets.translate.view_bar import ViewBar
    from napari_phenotrans.widgets.viewer.rows import Row


class ViewController:
    """Keeps the view bar, the comparison in the viewer, and what is known of the engine's error together.

    Parameters
    ----------
    viewer
        Where layers are compared.
    bar
        Where the user says what to see.
    checking
        Knows the engine's error, once it was checked.
    rows
        Returns what there is to be compared.
    notices
        Where it is said why a view cannot be shown.
    """

    def __init__(
        self, viewer: Viewer, bar: ViewBar, checking: TrustController, rows: Callable[[], list[Row]], notices: Notices
    ) -> None:
        self.comparison = Comparison(viewer)
        self._bar, self._checking, self._rows, self._notices = bar, checking, rows, notices
        last = choices().view
        self._view = last if last is not None else preferences().view
        self._difference = WHOLE
        bar.chosen.connect(self.choose_view)
        bar.difference_chosen.connect(self.choose_difference)
        bar.follow(self.comparison)

    def choose_view(self, view: str) -> None:
        """Show a view; none where it is empty."""
        self._view = view
        keep(view=view)
        self.update()

    def compare(self) -> None:
        """Show the view that was chosen last."""
        self.choose_view(self._view or preferences().view)

    def choose_difference(self, shown: str) -> None:
        """Show of differences what `view_bar` names."""
        self._difference = shown
        layers = self._checking.layers
        self.comparison.show_relative(layers.engine_errors if layers and shown == RELATIVE else None)
        self.update()

    def forget_check(self) -> None:
        """Show whole differences: nothing is known of the engine's error any more."""
        self._difference = WHOLE
        if self.comparison.relative:
            self.comparison.show_relative(None)

    def update(self) -> None:
        """Show what there is now."""
        rows = self._rows()
        self._bar.set_enabled(bool(rows), "Translate first: there is nothing to compare.")
        if not self._view or not rows:
            self.comparison.leave()
        else:
            self.show(rows)
        self.show_units()

    def show(self, rows: Sequence[Row], *, captions_later: bool = False) -> None:
        """Show these rows, their captions after what is there is drawn if they may come later."""
        if self._view:
            if self._checking.layers and self._difference == ABOVE:
                above = self._checking.layers.above
                rows = [replace(row, difference=above[row.real]) if row.real in above else row for row in rows]
            try:
                self.comparison.show(rows, self._view, captions_later=captions_later)
            except InputError as error:
                self._notices.say("view", [str(error)])
                return
        self._notices.say("view")

    def show_units(self) -> None:
        """Offer differences against the engine's error where that is known."""
        rows = self._rows()
        self._bar.set_difference(
            self._difference,
            possible=self._checking.layers is not None,
            unit=unit_of(rows[0].real) if rows else "counts",
        )

    def close(self) -> None:
        """Leave the view, and stop listening to the viewer."""
        self._bar.unfollow()
        self.comparison.close()
