"""Which channels a flow keeps where its settings do not say."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

from napari_phenotrans.checkpoints.checkpoint import Checkpoint
from napari_phenotrans.dataset.channel_differences import explain_kept, proposed_kept
from napari_phenotrans.engines.settings import FlowSettings

if TYPE_CHECKING:
    from collections.abc import Sequence

    from napari_phenotrans.dataset.channel_differences import ChannelDifference
    from napari_phenotrans.training.run import Run


def settle_kept(run: Run, differences: Sequence[ChannelDifference]) -> tuple[Run, str]:
    """Let a flow keep what the check proposes, or what it starts from keeps, where nothing is said.

    Parameters
    ----------
    run
        The run to train; other engines' stay as they are.
    differences
        How surely each channel tells the conditions apart, as the check of the data set says.

    Returns
    -------
    The run to train, and why it keeps what it keeps, in sentences; empty where that was said.
    """
    s = run.settings
    if not isinstance(s, FlowSettings) or s.kept is not None:
        return run, ""
    if s.start_from:
        kept = tuple(Checkpoint.read_card(s.start_from).settings.get("kept") or ())
    else:
        kept = proposed_kept(differences)
    return dataclasses.replace(run, settings=s.model_copy(update={"kept": kept})), explain_kept(differences, kept)
