"""Settings of every engine, without torch: the command line and the forms read them before torch is loaded."""

from __future__ import annotations

from typing import Any, ClassVar, Literal

from pydantic import Field

from napari_phenotrans.settings import TrainingSettings


class ShiftSettings(TrainingSettings):
    """Mean shift: adds what the conditions' mean intensities differ by. A baseline that an engine has to beat."""

    presets: ClassVar[dict[str, dict[str, Any]]] = {
        "look": {"steps": 50},
        "overnight": {"steps": 1000},
        "gpu": {"steps": 1000, "batch": 16},
    }
    when: ClassVar[str] = (
        "Adds the conditions' difference in mean brightness and is done in seconds: what every other engine has to "
        "beat."
    )

    steps: int = Field(50, ge=1, description="Number of batches that the means are taken over.")


class GANSettings(TrainingSettings):
    """Two generators that must undo each other, each against a discriminator."""

    # On one core a look takes about ten minutes and a night about six hours; a GPU has the published sizes.
    presets: ClassVar[dict[str, dict[str, Any]]] = {
        "look": {
            "steps": 1000,
            "crop": 64,
            "width": 16,
            "blocks": 4,
            "batch": 2,
            "save_every": 100,
            "score_every": 100,
        },
        "overnight": {
            "steps": 10_000,
            "crop": 96,
            "width": 24,
            "blocks": 6,
            "batch": 2,
            "ema": 0.998,
            "save_every": 250,
            "score_every": 250,
        },
        "gpu": {
            "steps": 20_000,
            "crop": 128,
            "width": 64,
            "blocks": 9,
            "batch": 8,
            "ema": 0.999,
            "save_every": 500,
            "score_every": 500,
        },
    }

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
    augment: Literal["none", "fluorescence", "original"] = Field(
        "none",
        description="Augmentation of all that discriminators see: fluorescence varies gain and offset of each channel, "
        "place and orientation; original is the published color,translation,cutout.",
    )


class CycleGANSettings(GANSettings):
    """CycleGAN: a good start from about 100 images per condition."""

    presets: ClassVar[dict[str, dict[str, Any]]] = {
        **GANSettings.presets,
        "code": {"identity": 5.0},
        "scgan-paper": {"identity": 0.5},
    }
    when: ClassVar[str] = (
        "Two conditions, from about 100 images of each: a good start, and one pass of the network translates."
    )


class SCGANSettings(GANSettings):
    """SCGAN: a CycleGAN whose discriminators also learn to reconstruct real crops; made for few images."""

    presets: ClassVar[dict[str, dict[str, Any]]] = {
        **GANSettings.presets,
        "paper": {
            "batch": 8,
            "width": 64,
            "blocks": 9,
            "upsampling": "transposed",
            "output": "tanh",
            "cycle": 10.0,
            "identity": 0.5,
            "self_supervision": 1.0,
            "ema": 0.0,
            "augment": "none",
        },
    }
    when: ClassVar[str] = (
        "Two conditions with few images of each: its discriminators also learn to reconstruct real crops, which keeps "
        "them from learning the images by heart."
    )

    batch: int = Field(
        8,
        ge=1,
        description="Crops of each condition per step, over all devices together; from 8 on discriminators normalize "
        "over the batch as published, below 8 over each crop.",
    )
    identity: float = Field(
        0.5, ge=0, description="Weight of the L1 error on images that are of the target condition already."
    )
    self_supervision: float = Field(
        1.0, ge=0, description="Weight of the discriminators' error in reconstructing real crops."
    )
    reconstruction: Literal["l1", "perceptual"] = Field(
        "l1", description="How reconstructions are compared: l1 by intensities, perceptual by VGG16's features."
    )
    vgg: str | None = Field(
        None, description="File with torchvision's VGG16 weights; where none is said, the one torchvision downloaded."
    )
