"""``python -m bench NAME``: one command per comparison."""

from __future__ import annotations

import click

from bench.bundle import bundle
from bench.evaluate import evaluate_bench
from bench.gui import gui
from bench.gui_training import gui_training
from bench.null import null
from bench.quality import quality
from bench.translate import translate


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

if __name__ == "__main__":
    main(prog_name="python -m bench")
