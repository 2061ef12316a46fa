"""``python -m bench NAME``: one command per comparison."""

from __future__ import annotations

from importlib import import_module

import click

# Each command's module and function, and what it says. One is imported when it is asked for, without the others.
COMMANDS = {
    "translate": (
        "speed.translate",
        "translate",
        "Megapixels per second of translating, against plain torch.",
    ),
    "phendiff": ("speed.phendiff", "phendiff", "Seconds of PhenDiff's translation, against diffusers' schedulers."),
    "training": ("speed.training", "training", "Seconds of a training step, against plain eager loops."),
    "runtimes": ("speed.runtimes", "runtimes", "One tile through other ways to compute a network on a processor."),
    "scale": ("speed.scale", "scale", "Seconds per megapixel and memory as planes become larger."),
    "reading": ("speed.reading", "reading", "Reading a large stack plane by plane, beside tifffile alone."),
    "evaluate": ("speed.evaluate", "evaluate_bench", "Seconds to score invented crops, by part."),
    "costs": ("speed.costs", "costs", "Tiles, network evaluations, multiplications and imported modules; no times."),
    "start": ("window.start", "start", "Seconds until the command line answers and a dock is open."),
    "gui": ("window.gui", "gui", "How smooth napari stays while the dock translates."),
    "alone": ("window.alone", "alone", "How long napari alone leaves its window blocked."),
    "look": ("window.look", "look", "Seconds from the strength slider to a picture."),
    "gui-training": ("window.gui_training", "gui_training", "How smooth napari stays while a run trains beside it."),
    "quality": ("quality.engines", "quality", "How good the engines are, in fixed budgets on held-out wells."),
    "bundled": ("quality.bundled", "bundled", "Every bundled checkpoint on all fields it never saw, with intervals."),
    "bundle": ("quality.bundle", "bundle", "Train a bundled checkpoint again, and score it."),
    "minutes": ("quality.minutes", "minutes", "What each engine reaches over minutes of training."),
    "minutes-figure": ("quality.minutes", "minutes_figure", "Such runs drawn over time: gap, engine error and gate."),
    "answers": ("quality.answers", "answers", "How samples of a flow differ, over shares of the noise redrawn."),
    "pairings": ("quality.answers", "pairings", "Whether a completion is of the field that it is drawn from."),
    "evaluations": (
        "quality.evaluations",
        "evaluations",
        "Gap, engine error and seconds over network evaluations and precisions.",
    ),
    "remeasure": (
        "quality.remeasure",
        "remeasure",
        "Statistics and background of bundled GANs measured anew, without training.",
    ),
    "depths": (
        "quality.depths",
        "depths",
        "Gap and places of nuclei at several depths, with and without kept channels.",
    ),
    "effect": (
        "quality.effect",
        "effect",
        "How much each noise changes, measured for bundled checkpoints without training.",
    ),
    "picture": ("quality.picture", "picture", "What the picture gate says of checkpoints, real fields and defects."),
    "turns": ("quality.turns", "turns", "Whether fields upside down translate alike, and what means over turns do."),
    "again": ("quality.again", "again", "How far several trainings agree, and whether their mean is a better picture."),
    "flicker": ("quality.flicker", "flicker", "Whether translated planes of a stack agree with their neighbors."),
    "blind": ("quality.blind", "blind", "Translated and real crops shuffled on one sheet, its key apart."),
    "told": ("quality.blind", "told", "How many guesses about such a sheet were right."),
    "null": ("quality.null", "null", "What the phenotype report calls changed where nothing differs."),
    "variants": ("quality.variants", "variants", "What makes the flow better at equal computing time, over seeds."),
    "unseen": ("quality.unseen", "unseen", "Presets on folders that no one tuned to: gap closed, gate, sheets."),
    "claim": ("quality.claim", "claim", "SCGAN and CycleGAN on three wells: who learns them by heart?"),
    "claim-table": ("quality.claim", "claim_table", "What these trainings reach on all other wells, and the verdict."),
    "packages": ("quality.packages", "packages", "Packages of the BioImage Model Zoo beside this program's pixels."),
    "trial": ("quality.trial", "trial", "One choice of settings tried at small cost."),
    "fuzz": ("reliability.fuzz", "fuzz", "Mutated files of every kind: opened, or refused in a sentence."),
    "faults": ("reliability.faults", "faults", "Runs and translations killed, starved and disturbed, then run again."),
    "load": ("reliability.load", "load", "Whether memory, open files, threads and widgets grow under load."),
    "mutants": ("reliability.mutants", "mutants", "How many small mistakes in a module its tests notice."),
    "diseases": ("quality.diseases", "diseases", "What engines show of three diseases, and what they move besides."),
    "truth": ("quality.truth", "truth", "The phenotype report where the truth is known."),
}


class Comparisons(click.Group):
    """The comparisons, each imported when asked for."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(COMMANDS)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl([(name, said) for name, (_, _, said) in COMMANDS.items()])

    def get_command(self, ctx: click.Context, name: str) -> click.Command | None:
        if name not in COMMANDS:
            return None
        module, function, _ = COMMANDS[name]
        return getattr(import_module(f"bench.{module}"), function)


@click.group(cls=Comparisons)
def main() -> None:
    """Measure napari-phenotrans against plain references, interleaved in one run."""


if __name__ == "__main__":
    main(prog_name="python -m bench")
