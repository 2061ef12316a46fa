"""Settings that are declared once, for the command line, the forms in napari and ``run.json``."""

from __future__ import annotations

from typing import Any, ClassVar, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from napari_phenotrans.core.errors import InputError

# The presets that every engine has, each in words.
PRESETS = {"look": "look in minutes", "overnight": "overnight on a CPU", "gpu": "GPU"}
LOOK = "look"
NO_NAME = "none"  # what is typed for a list of names that is empty
LOOK_MEANS = (
    "A look takes about ten minutes on two cores and shows whether the conditions can be told apart at all, and what "
    "training longer may bring; it is nothing to draw conclusions from."
)


class Settings(BaseModel):
    """Base of every settings class: frozen, typed, with limits and one line of help per field.

    A field's ``description`` is its help on the command line and its tooltip in a form; ``ge``, ``gt``, ``le``,
    ``lt`` and ``Literal`` are its limits in both.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    @classmethod
    def make(cls, **values: Any) -> Self:
        """Build settings from what a user typed.

        Raises
        ------
        InputError
            If a value is unknown, of the wrong type or outside its limits; every problem is listed, each under
            the name that the user typed (``--save-every``).
        """
        try:
            return cls(**values)
        except ValidationError as error:
            problems = [
                f"{flag(str(p['loc'][0]))}: {p['msg'].lower()}, got {p['input']!r}" if p["loc"] else p["msg"]
                for p in error.errors()
            ]
            raise InputError(
                f"Settings cannot be used: {'; '.join(problems)}. See --help for types and limits."
            ) from error


def flag(name: str) -> str:
    """Return the name of a field as the user types it: ``save_every`` is ``--save-every``."""
    return "--" + name.replace("_", "-")


class TranslationSettings(Settings):
    """What every engine may be told when it translates."""

    background: Literal["source", "target", "engine"] = Field(
        "source",
        description="Background of the translation: source keeps the image's own; target matches the target's, which "
        "may be the plate's doing; engine leaves what the network made of it.",
    )


class TrainingSettings(Settings):
    """Settings that every engine's training has.

    ``presets`` are settings that belong together, by name, those of `PRESETS` first; what a user says beside one goes
    before it. ``when`` says in a sentence when the engine is the one to take. ``two_conditions`` says that it learns
    between two conditions and no more.
    """

    presets: ClassVar[dict[str, dict[str, Any]]] = {}
    when: ClassVar[str] = ""
    two_conditions: ClassVar[bool] = False

    steps: int = Field(3000, ge=1, description="Number of updates.")
    crop: int = Field(128, ge=32, multiple_of=4, description="Side of the square training crops in working pixels.")
    width: int = Field(64, ge=4, description="Channels of the networks' first layer; quality and cost grow with it.")
    batch: int = Field(4, ge=1, description="Crops of each condition per step, over all devices together.")
    save_every: int = Field(500, ge=1, description="Steps between checkpoints and previews.")
    score_every: int = Field(500, ge=0, description="Steps between scores on held-out fields; 0 scores never.")
    keep: int = Field(
        5,
        ge=0,
        description="Checkpoints of past scored steps that are kept, spread evenly, besides the best and the last.",
    )
    early_stop: int = Field(
        0, ge=0, description="Stop after so many scores in a row without a better one; 0 goes on to the last step."
    )
    seed: int = Field(0, ge=0, description="Seed of weights, crops and augmentation.")
    pixel_size: float | None = Field(
        None, gt=0, description="Working pixel size: micrometers per pixel, or pixels per pixel where files have none."
    )
    channels: tuple[str, ...] | None = Field(None, description="Channels to use, by name; all where none is said.")
    conditions: tuple[str, ...] | None = Field(None, description="Folders to use; all where none is said.")
    start_from: str | None = Field(
        None, description="Checkpoint (a file, or a bundled name) whose networks training starts from."
    )
    device: str = Field("auto", pattern=r"^(auto|cpu|mps|cuda(:\d+)?)$", description="auto, cpu, cuda, cuda:1 or mps.")
    devices: int = Field(
        1, ge=1, le=1024, description="Processes to train with, one per GPU; on a CPU they share its cores."
    )
    precision: Literal["auto", "fp32", "bf16"] = Field(
        "auto", description="auto trains in bf16 on a GPU that computes in it, in fp32 elsewhere."
    )
    dated: bool = Field(
        False,
        description="Note date and time spent in checkpoints; otherwise equal trainings give equal files.",
    )

    @classmethod
    def has_look(cls) -> bool:
        """Whether the preset *look* is less than the whole training, which some engines are done with in seconds."""
        return LOOK in cls.presets and cls.make(**cls.presets[LOOK]).pixels_shown < cls.make().pixels_shown

    @property
    def pixels_shown(self) -> int:
        """How many pixels of each condition, counted again in each crop that shows them, training looks at."""
        return self.steps * self.batch * self.crop**2
