"""Settings of every engine, without torch: the command line and the forms read them before torch is loaded."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from napari_phenotrans.settings import TrainingSettings


class ShiftSettings(TrainingSettings):
    """Mean shift: adds what the conditions' mean intensities differ by. A baseline that an engine has to beat."""

    steps: int = Field(50, ge=1, description="Number of batches that the means are taken over.")


class CycleGANSettings(TrainingSettings):
    """CycleGAN: two generators that must undo each other, each against a discriminator."""

    blocks: int = Field(6, ge=1, le=24, description="Residual blocks of a generator.")
    upsampling: Literal["resize", "transposed", "antialias"] = Field(
        "resize", description="How generators enlarge: resize leaves no checkerboard, the others are for imports."
    )
    output: Literal["residual", "tanh"] = Field(
        "residual", description="residual adds the last layer to the image, tanh is the paper's saturating output."
    )
    cycle: float = Field(10.0, ge=0, description="Weight of the round trip's L1 error.")
    identity: float = Field(
        5.0, ge=0, description="Weight of the L1 error on images that are of the target condition already."
    )
    learning_rate: float = Field(2e-4, gt=0, description="Adam's learning rate in the first half of the steps.")
    pool: int = Field(50, ge=0, description="Translated crops kept to show discriminators again; 0 turns it off.")
    ema: float = Field(0.995, ge=0, lt=1, description="Decay of the averaged generators that translate.")
