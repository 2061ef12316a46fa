"""``python -m bench NAME``: one command per comparison."""

from __future__ import annotations

import click

from bench.bundle import bundle
from bench.gui import gui
from bench.quality import quality
from bench.translate import translate


@click.group()
def main() -> None:
    """Measure napari-phenotrans against plain references, interleaved in one run."""


main.add_command(translate)
main.add_command(bundle)
main.add_command(quality)
main.add_command(gui)

if __name__ == "__main__":
    main(prog_name="python -m bench")
