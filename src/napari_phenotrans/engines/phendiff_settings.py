"""Settings of PhenDiff, without torch."""

from __future__ import annotations

from typing import Any, ClassVar, Literal

from pydantic import Field

from napari_phenotrans.settings import TrainingSettings, TranslationSettings

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


class PhenDiffSettings(TrainingSettings):
    """PhenDiff: one denoiser for all conditions."""

    # Previews and scores take a hundred network evaluations each way, so there are fewer of them.
    presets: ClassVar[dict[str, dict[str, Any]]] = {
        "look": {
            "steps": 1000,
            "crop": 64,
            "width": 16,
            "levels": 4,
            "batch": 4,
            "learning_rate": 1e-3,
            "warmup": 50,
            "ema": 0.998,
            "save_every": 250,
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
        "paper": {**_PAPER, "width": 64, "learning_rate": 3e-4, "steps": 50_000},
        "paper-small": {**_PAPER, "width": 128, "learning_rate": 1e-4, "steps": 30_000},
    }

    when: ClassVar[str] = (
        "Many images, more than two conditions, or a strength to choose; about a hundred passes translate, so a GPU is "
        "wanted."
    )

    steps: int = Field(20_000, ge=1, description="Number of updates.")
    width: int = Field(
        32, ge=4, multiple_of=2, description="Channels of the denoiser's first level; quality and cost grow with it."
    )
    levels: int = Field(
        5, ge=3, le=6, description="Levels of the denoiser, each half as fine; fewer where a crop leaves under 4 x 4."
    )
    layers: int = Field(1, ge=1, le=4, description="Residual layers per level.")
    objective: Literal["edm", "v", "flow", "discrete"] = Field(
        "flow",
        description="What the network predicts and at which noise it trains: flow matching, v with a cosine "
        "schedule, edm (Karras 2022), or discrete: the published table of noise levels.",
    )
    learning_rate: float = Field(2e-4, gt=0, description="AdamW's highest learning rate.")
    warmup: int = Field(200, ge=0, description="Steps in which the learning rate rises to its highest.")
    decay: Literal["cosine", "constant"] = Field(
        "cosine", description="The learning rate after the warm-up: falling to 0 at the last step, or constant."
    )
    ema: float = Field(0.999, ge=0, lt=1, description="Decay of the averaged denoiser that translates.")
    label_drop: float = Field(0.1, ge=0, lt=1, description="Share of crops that are shown without their condition.")
    network: dict[str, Any] | None = Field(
        None,
        description="Complete diffusers configuration of an imported denoiser, in place of width, levels and layers.",
        json_schema_extra={"cli": False},
    )
    schedule: dict[str, Any] | None = Field(
        None,
        description="diffusers' scheduler configuration for the discrete objective; the published one where none.",
        json_schema_extra={"cli": False},
    )


class PhenDiffTranslation(TranslationSettings):
    """How PhenDiff translates."""

    strength: float = Field(
        0.5, ge=0, le=1, description="Depth of the inversion: 0 returns the image unchanged, 1 goes to pure noise."
    )
    evaluations: int = Field(
        50,
        ge=2,
        le=1000,
        title="Network evaluations",
        description="Network evaluations in each direction at strength 1; fewer at less.",
    )
    guidance: float = Field(
        1.0, ge=0, le=10, description="Emphasis of the target condition when generating; 1 leaves it as learned."
    )
    solver: Literal["dpm", "heun", "ddim"] = Field(
        "dpm", description="dpm and heun are of second order; ddim is the published first-order one, for comparison."
    )
