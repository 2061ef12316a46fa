"""Choosing the channels that an engine keeps: for a flow the check proposes, the user decides."""

from __future__ import annotations

from typing import TYPE_CHECKING

from qtpy.QtCore import Signal
from qtpy.QtWidgets import QWidget

from napari_phenotrans.dataset.channel_differences import explain_kept, proposed_kept
from napari_phenotrans.widgets.common.form_parts import Form, in_column, wrapped_label
from napari_phenotrans.widgets.common.tick_list import TickList

if TYPE_CHECKING:
    from collections.abc import Sequence

    from napari_phenotrans.dataset.channel_differences import ChannelDifference
    from napari_phenotrans.dataset.size_difference import SizeDifference


class KeptChooser(QWidget):
    """A tick per channel, set as the check proposes until the user ticks one himself, and what that means.

    Signals
    -------
    changed
        The user has ticked or unticked a channel.
    """

    changed = Signal()

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._chosen: tuple[str, ...] | None = None
        self._differences: tuple[ChannelDifference, ...] | None = None
        self._sizes: tuple[SizeDifference, ...] = ()
        self._proposes = True
        self.ticks = TickList(
            "Channels that come back bit for bit, and that the others are made to fit: those that the condition does "
            "not act on. The check measures which these are."
        )
        self.note = wrapped_label(tooltip="AUC: 0.5 where a channel tells nothing of the condition, 1 where all.")
        in_column(Form({"Kept": self.ticks}), self.note, of=self)
        self.ticks.changed.connect(self._on_ticked)
        self._show()

    @property
    def value(self) -> tuple[str, ...] | None:
        """The kept channels; None where nobody chose and nothing is proposed: training does what it does by itself."""
        if self._chosen is None and (self._differences is None or not self._proposes):
            return None
        return self.ticks.ticked

    def let_propose(self, proposes: bool) -> None:
        """Tick what the check proposes, or nothing, where the user has ticked nothing."""
        self._proposes = proposes
        self._show()

    def show_channels(self, channels: Sequence[str]) -> None:
        """Offer other channels."""
        if tuple(self.ticks.boxes) != tuple(channels):
            self.ticks.show_names({name: name for name in channels}, ())
            self._show()

    def show_differences(
        self, differences: Sequence[ChannelDifference] | None, sizes: Sequence[SizeDifference] = ()
    ) -> None:
        """Take what a check has measured; None where there is no check."""
        self._sizes = tuple(sizes)
        self._differences = None if differences is None else tuple(differences)
        self._show()

    def choose(self, kept: Sequence[str] | None) -> None:
        """Tick these channels as if the user had; None ticks what the check proposes."""
        self._chosen = None if kept is None else tuple(kept)
        self._show()

    def _on_ticked(self) -> None:
        self._chosen = self.ticks.ticked
        self._show()
        self.changed.emit()

    def _show(self) -> None:
        # of the channels that are offered now: not all of them may be kept
        differences = [each for each in self._differences or () if each.channel in self.ticks.boxes]
        proposed = proposed_kept(differences) if self._proposes else ()
        self.ticks.tick(proposed if self._chosen is None else self._chosen)
        if self._differences is None and self._chosen is None:
            self.note.setText("Which channels may be kept is measured when the images are checked.")
        else:
            self.note.setText(explain_kept(differences, self.ticks.ticked, self._sizes))
