"""``python -m bench NAME``: one command per comparison."""

from __future__ import annotations

import click

from bench.blind import blind
from bench.bundle import bundle
from bench.costs import costs
from bench.evaluate import evaluate_bench
from bench.gui import gui
from bench.gui_training import gui_training
from bench.null import null
from bench.phendiff import phendiff
from bench.picture import picture
from bench.quality import quality
from bench.reading import reading
from bench.runtimes import runtimes
from bench.scale import scale
from bench.start import start
from bench.training import training
from bench.translate import translate
from bench.truth import truth


@click.group()
def main() -> None:
    """Measure napari-phenotrans against plain references, interleaved in one run."""


main.add_command(translate)
main.add_command(bundle)
main.add_command(evaluate_bench)
main.add_command(quality)
main.add_command(gui)
main.add_command(gui_training)
main.add_command(null)
main.add_command(phendiff)
main.add_command(scale)
main.add_command(costs)
main.add_command(reading)
main.add_command(runtimes)
main.add_command(start)
main.add_command(training)
main.add_command(truth)
main.add_command(picture)
main.add_command(blind)

if __name__ == "__main__":
    main(prog_name="python -m bench")
