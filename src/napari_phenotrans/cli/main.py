"""The command ``phenotrans`` and its subcommands."""

from __future__ import annotations

import logging
import signal
import sys
import warnings
from importlib import import_module
from keyword import iskeyword
from pathlib import Path
from typing import Any

import click

from napari_phenotrans.cli.options import read_arguments, reading
from napari_phenotrans.cli.progress import Progress
from napari_phenotrans.cli.say import say
from napari_phenotrans.core.errors import InputError, ran_out_of_memory, why_stopped

INTERRUPTED, TERMINATED = 130, 143  # exit codes, as of a shell: 128 and the number of the signal

# Commands whose options come from settings; those need pydantic, for which `phenotrans --help` does not wait.
LAZY = {
    "translate": (
        "cli.translate",
        "Translate images and write OUT/<name>_translated.ome.tif and …_difference.ome.tif.",
    ),
    "complete": ("cli.complete", "Draw a channel of images from the channels that a flow keeps."),
    "train": ("cli.train", "Train an engine on a data set: one folder of images per condition."),
    "runs": ("cli.runs", "List run folders: their state, what they reached, and in which settings they differ."),
    "evaluate": ("cli.evaluate", "Score translations against real images, beside what doing nothing scores."),
    "report": ("cli.report", "Say what differs between two conditions, and what of it translations show."),
    "import": (
        "cli.interop",
        "Make a checkpoint from other people's networks: CycleGAN, PhenDiff, diffusers, BioImage Model Zoo.",
    ),
    "export": ("cli.interop", "Write a checkpoint's networks so that other people's programs load them."),
}


class Commands(click.Group):
    """The commands; the lazy ones are imported when asked for."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return ["demo", "info", "translate", "complete", "train", "runs", "evaluate", "report", "import", "export"]

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl(
                [
                    (name, LAZY[name][1] if name in LAZY else self.commands[name].get_short_help_str(limit=90))
                    for name in self.list_commands(ctx)
                ]
            )

    def get_command(self, ctx: click.Context, name: str) -> click.Command | None:
        if name in LAZY:
            # `import` cannot be a name in Python
            return getattr(import_module(f"napari_phenotrans.{LAZY[name][0]}"), name + "_" * iskeyword(name))
        return super().get_command(ctx, name)


@click.group(cls=Commands, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110})
@click.version_option(package_name="napari-phenotrans")
def phenotrans() -> None:
    """See what a condition does to cells: translate real images from one condition to another."""


@phenotrans.command()
@click.option("--out", type=click.Path(path_type=Path), default=Path("demo-results"), show_default=True)
@click.option("--napari", "in_napari", is_flag=True, help="Open the result in napari.")
def demo(out: Path, in_napari: bool) -> None:
    """Translate a bundled real well and a synthetic organoid, and write images and a picture of each."""
    from napari_phenotrans.cli.demo_run import SAMPLE_NAMES, run_demo

    results = []
    with Progress("loading torch") as progress:
        for number, result in enumerate(run_demo(out, progress.show), start=1):
            results.append(result)
            progress.say(f"{number} of {len(SAMPLE_NAMES)} done")
            say(f"{result.sample.title}\n  {result.sample.condition} → {result.sample.target}")
            for notice in result.translation.notices:
                say(f"  note: {notice}")
            for path in (result.results.translated, result.results.difference, result.sheet):
                say(f"  {path}")
            say(f"  {result.sample.attribution}")
    if in_napari:
        from napari_phenotrans.widgets.translate.show_translations import show_translations

        show_translations([result.translation for result in results])


@phenotrans.command()
@click.argument("file", type=click.Path(path_type=Path))
@reading
def info(file: Path, **options: Any) -> None:
    """Say what FILE holds: an image, or a checkpoint (a file, or a bundled name)."""
    from napari_phenotrans.checkpoints.checkpoint import Checkpoint, bundled
    from napari_phenotrans.checkpoints.describe import describe_card, describe_image
    from napari_phenotrans.checkpoints.told_apart import describe_told, told_apart
    from napari_phenotrans.io import read

    if str(file) in bundled() or file.suffix == ".safetensors":
        say(describe_card(str(file), Checkpoint.read_card(file)))
        for trial in told_apart(file):
            say(describe_told(trial))
    else:
        say(describe_image(read(file, **read_arguments(options))))


def quiet() -> None:
    """Keep what libraries log, and warn of, from the terminal; ``python -W default`` and ``PYTHONWARNINGS`` show it."""
    # a logger that nobody listens to prints; and Lightning listens to its own where the root has no listener
    logging.getLogger().addHandler(logging.NullHandler())
    if not sys.warnoptions:
        warnings.simplefilter("ignore")


def main() -> None:
    """Run the command line; an `InputError` ends it with its message and exit code 2."""
    with warnings.catch_warnings():
        quiet()
        _run()


class _Terminated(KeyboardInterrupt):
    """The machine asked to end, as a cluster does before it takes its node back: what is unfinished is removed."""


def _terminate(*_: object) -> None:
    raise _Terminated


def _run() -> None:
    before = signal.signal(signal.SIGTERM, _terminate)
    try:
        # what a command returns is nothing, or the code that it ended with
        sys.exit(phenotrans(standalone_mode=False))
    except click.ClickException as error:
        error.show()
        sys.exit(error.exit_code)
    except click.Abort as error:
        say("Stopped.", err=True)
        sys.exit(TERMINATED if isinstance(error.__cause__, _Terminated) else INTERRUPTED)
    except InputError as error:
        say(f"phenotrans: {error}", err=True)
        sys.exit(2)
    except (MemoryError, RuntimeError, OSError) as error:
        if not ran_out_of_memory(error):
            raise
        say(f"phenotrans: {why_stopped(error)}", err=True)
        sys.exit(2)
    finally:
        signal.signal(signal.SIGTERM, before)
