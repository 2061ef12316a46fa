"""Pictures judged while training: limits learned once from real held-out pieces, a verdict at each scoring."""

from __future__ import annotations

from typing import TYPE_CHECKING

from napari_phenotrans.metrics.groups import Measured
from napari_phenotrans.metrics.picture import Gate, Limits, Verdict

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import numpy as np

    from napari_phenotrans.checkpoints.checkpoint import Score


class PictureCheck:
    """The gate on held-out pieces.

    Parameters
    ----------
    pieces
        Per condition batches (n, C, h, w) of real held-out pieces.
    channels
        Their names.
    """

    def __init__(self, pieces: Mapping[str, Sequence[np.ndarray]], channels: Sequence[str]) -> None:
        planes = {condition: _single(batches) for condition, batches in pieces.items()}
        self.gate = Gate(Limits.fit(planes, channels))
        self._real = {condition: self.gate.look(some) for condition, some in planes.items()}

    def judge(
        self,
        source: str,
        target: str,
        translated: Sequence[np.ndarray],
        gaps: Sequence[Score],
        kept: Sequence[str] = (),
    ) -> Verdict:
        """Judge translated pieces, in the batches of the source's; ``gaps`` are the gaps closed per channel."""
        return self.gate.judge(
            self._real[source],
            _single(translated),
            self._real[target],
            to=target,
            kept=kept,
            gaps={gap.what: Measured(gap.value, gap.low, gap.high) for gap in gaps},
            direction=f"{source} → {target}",
        )


def _single(batches: Sequence[np.ndarray]) -> list[np.ndarray]:
    return [piece for batch in batches for piece in batch]
