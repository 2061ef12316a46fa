"""What a user typed after ``phenotrans train``, and the run that it asks for."""

from __future__ import annotations

from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import TYPE_CHECKING, Any

from napari_phenotrans.core.errors import InputError
from napari_phenotrans.core.settings import NO_NAME, flag
from napari_phenotrans.engines import FIRST_CHOICE, engine_entry

if TYPE_CHECKING:
    from napari_phenotrans.core.settings import TrainingSettings
    from napari_phenotrans.dataset.dataset import DataSet
    from napari_phenotrans.training.run import Run


@dataclass(frozen=True)
class TrainOptions:
    """The options of ``phenotrans train``; None, or an empty tuple, where nothing was typed.

    Parameters
    ----------
    dataset, engine, preset, out, held_out, held_out_share, held_out_groups, split_by, null, repeats, from_, resume,
    dry_run, report
        As the command's help says.
    settings
        The engine's settings that were typed, by their names.

    Raises
    ------
    InputError
        If a report is asked for without a dry run, or a null with what does not go with it.
    """

    dataset: Path | None = None
    engine: str | None = None
    preset: str | None = None
    out: Path | None = None
    held_out: Path | None = None
    held_out_share: float = 0.2
    held_out_groups: tuple[str, ...] | None = None
    split_by: str | None = None
    null: str | None = None
    repeats: int = 1
    from_: Path | None = None
    resume: Path | None = None
    dry_run: bool = False
    report: Path | None = None
    settings: dict[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if self.null is not None and (self.held_out or self.settings.get("conditions")):
            raise InputError(
                "--null divides one condition into halves, of which a share or groups are held out: leave --conditions "
                "and --held-out out."
            )
        if self.report and not self.dry_run:
            raise InputError("--report goes with --dry-run: a training writes its own files into --out.")

    @classmethod
    def typed(cls, values: dict[str, Any]) -> TrainOptions:
        """Take click's parameters: those that are no option of the command itself are settings."""
        own = {option.name for option in fields(cls)} - {"settings"}
        settings = {name: value for name, value in values.items() if name not in own and value is not None}
        return cls(**{name: values[name] for name in own}, settings=settings)

    def run(self) -> Run:
        """Return the run to train: a new one, or the one to go on with.

        Raises
        ------
        InputError
            If options do not go together, or the data set or the run cannot be used.
        """
        return self._new_run() if self.resume is None else self._resumed_run(self.resume)

    def _resumed_run(self, folder: Path) -> Run:
        from napari_phenotrans.training.run import Run

        others = (
            *(self.dataset, self.engine, self.preset, self.out, self.held_out, self.held_out_groups),
            *(self.split_by, self.null, self.from_),
        )
        if any(other is not None for other in others) or self.repeats > 1 or set(self.settings) - {"steps"}:
            raise InputError("--resume goes on with the run's own data set and settings; only --steps may be raised.")
        return Run.load(folder).for_steps(self.settings.get("steps"))

    def _new_run(self) -> Run:
        from napari_phenotrans.training.run import Run

        if self.out is None and not self.dry_run:
            raise InputError("Where to? Name the run folder to make with --out, or look first with --dry-run.")
        earlier = None
        if self.from_:
            earlier = Run.load(self.from_.parent if self.from_.name == "run.json" else self.from_)
        engine = self.engine or (earlier.engine if earlier else FIRST_CHOICE)
        settings = self._make_settings(engine, earlier)
        training, held_out = self._fields(settings, earlier)
        return Run(self.out or Path("run"), training, engine, settings, held_out)

    def _make_settings(self, engine: str, earlier: Run | None) -> TrainingSettings:
        """Return the settings: those of an earlier run, then the preset's, then what was typed."""
        settings_class = engine_entry(engine).settings
        presets = settings_class.presets
        if self.preset is not None and self.preset not in presets:
            raise InputError(f"--preset {self.preset}: the engine {engine} has the presets {', '.join(presets)}.")
        foreign = [flag(name) for name in self.settings if name not in settings_class.model_fields]
        if foreign:
            raise InputError(f"{', '.join(foreign)}: no setting of the engine {engine}. Leave it out.")
        before = earlier.settings.model_dump() if earlier and earlier.engine == engine else {}
        typed = dict(self.settings)
        if typed.get("kept") in ((NO_NAME,), ("",)):
            typed["kept"] = ()
        if self.null is not None:
            # the earlier training's own; a null has halves of one of them
            before["conditions"] = None
        return settings_class.make(**(before | (presets[self.preset] if self.preset else {}) | typed))

    def _fields(self, settings: TrainingSettings, earlier: Run | None) -> tuple[DataSet, DataSet | None]:
        """Return the fields to train on and those held out."""
        from napari_phenotrans.dataset.check import too_many_conditions
        from napari_phenotrans.dataset.dataset import DataSet
        from napari_phenotrans.dataset.held_out_choice import HeldOutChoice

        folder = self.dataset or (earlier.dataset.folder if earlier else None)
        if folder is None:
            raise InputError("Which images? Name a data set folder: one folder of images per condition.")
        if self.null is not None:
            dataset = DataSet.open_halves(folder, self.null, settings.seed)
        elif self.dataset is None and earlier is not None:
            return earlier.dataset, earlier.held_out
        else:
            dataset = DataSet.open(folder, settings.conditions)
        for problem in too_many_conditions(dataset.conditions, settings):
            raise InputError(f"{problem.what} {problem.do}")
        choice = HeldOutChoice(self.held_out_share, self.held_out_groups or (), self.held_out, self.split_by)
        return choice.split(dataset, settings.seed)
