"""When is a translated picture good? Measures that see what a biologist's eye sees, and the gate made of them."""

from __future__ import annotations

from napari_phenotrans.metrics.picture.gate import Gate, Row, Verdict
from napari_phenotrans.metrics.picture.limits import Limits
from napari_phenotrans.metrics.picture.registry import MEASURES

__all__ = ["MEASURES", "Gate", "Limits", "Row", "Verdict"]
