"""Settings of a phenotype report."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from napari_phenotrans.core.settings import Settings


class ReportSettings(Settings):
    """Settings of a phenotype report, for the command line and a form."""

    objects: Literal["scikit-image", "stardist", "cellpose", "none"] = Field(
        "scikit-image", description="What finds the objects; none measures whole crops."
    )
    weights: str | None = Field(
        None,
        description="Weights of StarDist (a model's folder) or Cellpose (a file), or the name of a model of theirs "
        "(2D_versatile_fluo, cpsam_v2), which they download where it is not there yet.",
    )
    object_channel: str | None = Field(
        None, description="Channel that shows the objects; the one whose name says DNA where none is said."
    )
    diameter: float | None = Field(
        None, gt=2, description="Diameter of a typical object in pixels; measured where none is said."
    )
    crop: int | None = Field(
        None, ge=16, description="Side of a whole crop in pixels; the checkpoint's where none is said."
    )
    translate: Literal["auto", "held-out", "all"] = Field(
        "auto",
        description="Fields to translate: those that training did not see, or all; auto takes the held-out ones where "
        "they are of five groups per condition, else all.",
    )
    seed: int = Field(0, ge=0, description="Seed of permutations, bootstraps and random halves.")
