"""Settings of every engine, without torch: the command line and the forms read them before torch is loaded."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar, Literal

from pydantic import Field

from napari_phenotrans.core.settings import TrainingSettings, TranslationSettings

if TYPE_CHECKING:
    from collections.abc import Mapping


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

    two_conditions: ClassVar[bool] = True
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
    norm: Literal["crop", "position"] = Field(
        "crop",
        description="Normalization in the generators: crop over each crop, by stored statistics when translating; "
        "position over the channels of each position, the same in training and translating.",
    )
    output: Literal["residual", "masked", "tanh"] = Field(
        "residual",
        description="residual adds the last layer to the image; masked adds it where a mask, learned along, says so; "
        "tanh is the paper's saturating output.",
    )
    sparsity: float = Field(0.0, ge=0, description="Weight of the mask's mean: how dear it is to change a place.")
    noise: bool = Field(
        False,
        description="Show generators noise beside the image, so that what the image does not tell, such as which "
        "mitosis goes, can be decided at random: by the place in the plane, the same each time.",
    )
    kept: tuple[str, ...] | None = Field(
        None,
        description="Channels that come back bit for bit, by name: the networks see them, and the others are made to "
        "fit. All change where none is said.",
    )
    pin_background: bool = Field(
        False,
        description="Shift what is made of a crop to the crop's own background in training, so that no constant "
        "offset can be learned.",
    )
    cycle: float = Field(10.0, ge=0, description="Weight of the round trip's L1 error; at 0 there is no round trip.")
    cycle_end: float = Field(
        1.0, ge=0, le=1, description="Share of that weight at the last step; it falls evenly from the first on."
    )
    cycle_noise: float = Field(
        0.0,
        ge=0,
        le=1,
        description="SD of the noise on a translated crop before its way back, as a share of the range: hidden signals "
        "drown in it.",
    )
    cycle_camera: float = Field(
        0.0,
        ge=0,
        le=20,
        description="SD of further noise there, in SDs of the camera's own in each channel, measured on training "
        "images; above 0 what goes back is rounded to 256 gray levels too.",
    )
    cycle_pool: int = Field(
        1, ge=1, le=16, description="Pixels along a side that are averaged before the round trip is compared."
    )
    cycle_features: float = Field(
        0.0,
        ge=0,
        le=1,
        description="Share of the round trip's error that is taken of the discriminator's feature maps in place of "
        "pixels, which must not come back each as it was.",
    )
    unmatched: float = Field(
        0.0,
        ge=0,
        description="Price of a mask, learned along, of what has no counterpart in the target and need not come back: "
        "the mean of it counts so much. At 0 there is none, and everything has to come back.",
    )
    l1_weights: tuple[str, ...] | None = Field(
        None,
        description="By how much the round trip's and the identity's error in a channel counts, as in PH3=4; once "
        "where nothing is said.",
    )
    contrast: float = Field(
        0.0,
        ge=0,
        description="Weight of the patchwise contrastive loss (CUT), which asks for no way back: a translated place "
        "shall tell which place of the image it came from.",
    )
    identity: float = Field(
        5.0, ge=0, description="Weight of the L1 error on images that are of the target condition already."
    )
    adversarial: Literal["least-squares", "relativistic"] = Field(
        "least-squares",
        description="What discriminators learn: least-squares to tell real from translated crop by crop, relativistic "
        "which of two is real.",
    )
    penalty: float = Field(
        0.0, ge=0, description="Weight of the penalty on steep discriminators, on real and translated crops."
    )
    learning_rate: float = Field(2e-4, gt=0, description="Adam's learning rate in the first half of the steps.")
    discriminator_rate: float | None = Field(
        None, gt=0, description="Learning rate of the discriminators, where it is another one."
    )
    pool: int = Field(50, ge=0, description="Translated crops kept to show discriminators again; 0 turns it off.")
    ema: float = Field(0.995, ge=0, lt=1, description="Decay of the averaged generators that translate.")
    averaging: float = Field(
        0.0,
        ge=0,
        le=0.28,
        description="Width of that average as a share of the steps so far, in place of the decay: short and long "
        "trainings then average alike. At 0 the decay holds.",
    )
    convolutions: Literal["patches", "plain", "timed"] = Field(
        "patches",
        description="How wide convolutions are trained on a processor: patches where these should be faster, plain "
        "always directly, timed as half a second of timing says. They differ by rounding.",
    )
    shape: float = Field(
        0.0,
        ge=0,
        description="Weight of shape consistency: a small network for each condition, which learns to find objects in "
        "real images, shall find those of the source in what is made of it.",
    )
    shape_channel: str | None = Field(
        None,
        description="Channel that shows the objects whose shape has to stay; the first whose name says DNA where none "
        "is said. Not needed with masks.",
    )
    masks: str | None = Field(
        None,
        description="Folder of label images of these objects: the data set's folders and file names, 0 for background. "
        "Where none is said, nuclei are found.",
    )
    augment: Literal["none", "level", "fluorescence", "original"] = Field(
        "none",
        description="Augmentation of all that discriminators see: level varies gain and offset of each channel, "
        "fluorescence place and orientation too; original is the published color,translation,cutout.",
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


# Bourou et al. 2024 in the words of diffusers' schedulers: the noise schedule of the published DDIM examples.
PUBLISHED_SCHEDULE: dict[str, Any] = {
    "num_train_timesteps": 3000,
    "beta_start": 1e-4,
    "beta_end": 0.02,
    "beta_schedule": "scaled_linear",
    "prediction_type": "v_prediction",
    "rescale_betas_zero_snr": True,
    "timestep_spacing": "trailing",
    "clip_sample": True,
    "clip_sample_range": 1.0,
}
_PAPER: dict[str, Any] = {
    "crop": 128,
    "levels": 3,
    "layers": 2,
    "objective": "discrete",
    "schedule": PUBLISHED_SCHEDULE,
    "ema": 0.9999,
    "warmup": 500,
    "batch": 48,
}


class DenoiserSettings(TrainingSettings):
    """One denoiser for all conditions, told which one it looks at."""

    steps: int = Field(20_000, ge=1, description="Number of updates.")
    width: int = Field(
        32, ge=4, multiple_of=2, description="Channels of the denoiser's first level; quality and cost grow with it."
    )
    levels: int = Field(
        5, ge=3, le=6, description="Levels of the denoiser, each half as fine; fewer where a crop leaves under 4 x 4."
    )
    layers: int = Field(1, ge=1, le=4, description="Residual layers per level.")
    learning_rate: float = Field(2e-4, gt=0, description="AdamW's highest learning rate.")
    warmup: int = Field(200, ge=0, description="Steps in which the learning rate rises to its highest.")
    decay: Literal["cosine", "constant"] = Field(
        "cosine", description="The learning rate after the warm-up: falling to 0 at the last step, or constant."
    )
    ema: float = Field(0.999, ge=0, lt=1, description="Decay of the averaged denoiser that translates.")
    label_drop: float = Field(0.1, ge=0, lt=1, description="Share of crops that are shown without their condition.")
    separate: bool = Field(
        False,
        description="A network for each condition, trained on its own images alone, in place of one that is told the "
        "condition: twice the memory and time.",
    )
    search_depth: bool = Field(
        True,
        description="After training, measure what each noise changes, and search on held-out fields how deep to "
        "translate where nothing is said; else depth counts levels of noise, and is the engine's default.",
    )
    network: dict[str, Any] | None = Field(
        None,
        description="Complete diffusers configuration of an imported denoiser, in place of width, levels and layers.",
        json_schema_extra={"cli": False},
    )


# A step costs the same in both engines, so that their presets differ in what they are told, not in size.
_DENOISER_PRESETS: dict[str, dict[str, Any]] = {
    # of a look the first preview is there within a minute
    "look": {
        "steps": 1000,
        "crop": 64,
        "width": 16,
        "levels": 4,
        "batch": 4,
        "learning_rate": 1e-3,
        "warmup": 50,
        "ema": 0.998,
        "save_every": 100,
        "score_every": 500,
    },
    "overnight": {
        "steps": 6000,
        "crop": 64,
        "width": 32,
        "levels": 4,
        "batch": 8,
        "learning_rate": 5e-4,
        "save_every": 500,
        "score_every": 1000,
    },
    "gpu": {
        "steps": 30_000,
        "crop": 128,
        "width": 64,
        "levels": 5,
        "batch": 32,
        "ema": 0.9995,
        "save_every": 1000,
        "score_every": 2500,
    },
}


class FlowSettings(DenoiserSettings):
    """Flow with kept channels: given the channels that stay, it makes the others anew for another condition."""

    presets: ClassVar[dict[str, dict[str, Any]]] = _DENOISER_PRESETS
    when: ClassVar[str] = (
        "Two or more conditions that leave some channels alone, such as a nuclear stain: these come back bit for bit, "
        "and the others are made to fit them, object by object."
    )

    kept: tuple[str, ...] | None = Field(
        None,
        description="Channels that come back bit for bit, by name: those that the condition does not act on. The "
        "others move; all do where none is said.",
    )
    kept_jitter: float = Field(
        0.2,
        ge=0,
        le=1,
        description="How much the brightness of kept channels is varied in training (SD of its logarithm), so that it "
        "does not tell the conditions apart.",
    )
    times: Literal["logit-normal", "uniform"] = Field(
        "logit-normal",
        description="Where between image and noise it trains: logit-normal mostly where it is decided what an image "
        "shows, uniform everywhere alike.",
    )


class PhenDiffSettings(DenoiserSettings):
    """PhenDiff: one denoiser for all conditions."""

    # Previews and scores take a hundred network evaluations each way, so there are fewer of them.
    presets: ClassVar[dict[str, dict[str, Any]]] = {
        **_DENOISER_PRESETS,
        "paper": {**_PAPER, "width": 64, "learning_rate": 3e-4, "steps": 50_000},
        "paper-small": {**_PAPER, "width": 128, "learning_rate": 1e-4, "steps": 30_000},
        # Su et al. 2023: source to noise with one network, noise to target with the other
        "ddib": {"separate": True, "label_drop": 0.0},
    }

    when: ClassVar[str] = (
        "Many images, more than two conditions, or a strength to choose; about a hundred passes translate, so a GPU is "
        "wanted."
    )

    objective: Literal["edm", "v", "flow", "discrete"] = Field(
        "flow",
        description="What the network predicts and at which noise it trains: flow matching, v with a cosine "
        "schedule, edm (Karras 2022), or discrete: the published table of noise levels.",
    )
    schedule: dict[str, Any] | None = Field(
        None,
        description="diffusers' scheduler configuration for the discrete objective; the published one where none.",
        json_schema_extra={"cli": False},
    )


# Of several answers, the share of the noise that is drawn anew: `bench answers` says what less and more would do.
FLOW_REDRAW = 0.3
# Of the range, the most over the bundled flows, their directions and channels: `bench evaluations`.
FLOW_BF16_RMS = 0.0013


class InversionTranslation(TranslationSettings):
    """How an engine translates that inverts the image first."""

    scale: Literal["effect", "noise"] = Field(
        "effect",
        description="What strength or depth counts: effect is the share of the greatest change, where the checkpoint "
        "says how much each noise changes; noise goes through the levels of noise, as in earlier versions.",
    )
    evaluations: int = Field(
        50,
        ge=2,
        le=1000,
        title="Network evaluations",
        description="Network evaluations in each direction at the greatest noise; fewer at less.",
    )


def as_written_earlier(how: Mapping[str, Any]) -> dict[str, Any]:
    """Return translation settings that were written down, read on the scale of their time.

    Those from before depth could count in effect do not say what it counts in: it was noise.
    """
    counted = "scale" in how or not {"strength", "depth"} & set(how)
    return dict(how) if counted else {**how, "scale": "noise"}


class FlowTranslation(InversionTranslation):
    """How a flow with kept channels translates."""

    depth: float = Field(
        0.9,
        ge=0,
        le=1,
        description="How much the moving channels change, as a share of the most: the more, the farther they are taken "
        "towards noise. 0 returns the image unchanged.",
    )
    evaluations: int = Field(
        16,
        ge=2,
        le=1000,
        title="Network evaluations",
        description="Network evaluations in each direction at the greatest noise; fewer at less.",
    )
    guidance: float = Field(
        0.0,
        ge=0,
        le=10,
        description="Emphasis of what the target has and the source has not; 0 leaves it as learned.",
    )
    guided: tuple[str, ...] | None = Field(
        None,
        description="Channels that guidance acts on, by name: a rare marker alone, where the others would be overdone. "
        "All that move where none is said.",
    )


class PhenDiffTranslation(InversionTranslation):
    """How PhenDiff translates."""

    strength: float = Field(
        0.5,
        ge=0,
        le=1,
        description="How much changes, as a share of the most: the more, the deeper the image is inverted. 0 returns "
        "it unchanged.",
    )
    guidance: float = Field(
        1.0, ge=0, le=10, description="Emphasis of the target condition when generating; 1 leaves it as learned."
    )
    kept: tuple[str, ...] | None = Field(
        None,
        description="Channels that come back bit for bit, by name: those that the condition does not act on. The "
        "others are made to fit them.",
    )
    solver: Literal["dpm", "heun", "ddim"] = Field(
        "dpm", description="dpm and heun are of second order; ddim is the published first-order one, for comparison."
    )
