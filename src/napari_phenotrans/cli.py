"""``phenotrans``: the same jobs as in napari, without napari and without a display."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from napari_phenotrans.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from napari_phenotrans.image import Image
    from napari_phenotrans.results import Results
    from napari_phenotrans.translation import Event, Translator

DEVICE = click.option("--device", default="auto", show_default=True, help="auto, cpu, cuda, cuda:1 or mps.")
OVERWRITE = click.option("--overwrite", is_flag=True, help="Replace files that exist.")


def reading(command: Callable[..., None]) -> Callable[..., None]:
    """Give a command the options of reading an image."""
    for option in (
        click.option("--series", default=0, help="Which image of a file that holds several, from 0."),
        click.option(
            "--pattern",
            help="Join by this regular expression, not by a guess: (?P<channel>…), and (?P<z>…), (?P<t>…) if needed.",
        ),
        click.option("--join", is_flag=True, help="Join the channels that lie in files beside the input to one image."),
        click.option("--axes", help="Axes of the pixels where the file leaves them open, as in ZCYX."),
    ):
        command = option(command)
    return command


TRAIN = "Train an engine on a data set: one folder of images per condition."


class Commands(click.Group):
    """The commands; ``train`` builds its options from the engines' settings and is loaded when asked for."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return ["demo", "info", "translate", "train", "import"]

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        # the settings need pydantic, for which `phenotrans --help` does not wait
        with formatter.section("Commands"):
            formatter.write_dl(
                [(name, command.get_short_help_str(limit=90)) for name, command in self.commands.items()]
                + [("train", TRAIN)]
            )

    def get_command(self, ctx: click.Context, name: str) -> click.Command | None:
        if name == "train":
            from napari_phenotrans.cli_train import train

            return train
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
    from napari_phenotrans.demo import SHOWN, run_demo

    shown = []
    with Progress("loading torch") as progress:
        for number, result in enumerate(run_demo(out, progress.show), start=1):
            shown.append(result)
            progress.say(f"{number} of {len(SHOWN)} done")
            click.echo(f"{result.sample.title}\n  {result.sample.condition} → {result.sample.target}")
            for notice in result.translation.notices:
                click.echo(f"  note: {notice}")
            for path in (result.results.translated, result.results.difference, result.sheet):
                click.echo(f"  {path}")
            click.echo(f"  {result.sample.attribution}")
    if in_napari:
        from napari_phenotrans.widgets.show import show_translations

        show_translations([result.translation for result in shown])


@phenotrans.command()
@click.argument("file", type=click.Path(path_type=Path))
@reading
def info(file: Path, **how: Any) -> None:
    """Say what FILE holds: an image, or a checkpoint (a file, or a bundled name)."""
    from napari_phenotrans.checkpoint import Checkpoint, bundled
    from napari_phenotrans.describe import describe_card, describe_image
    from napari_phenotrans.io import read

    if str(file) in bundled() or file.suffix == ".safetensors":
        click.echo(describe_card(str(file), Checkpoint.read_card(file)))
    else:
        click.echo(describe_image(read(file, **_said(how))))


@phenotrans.command()
@click.argument("inputs", nargs=-1, required=True, type=click.Path(path_type=Path))
@click.option("--checkpoint", required=True, help="A checkpoint file, or the name of a bundled one.")
@click.option("--source", required=True, help="Condition that the images show.")
@click.option("--target", required=True, help="Condition to translate to; the source itself is the identity control.")
@click.option("--out", required=True, type=click.Path(path_type=Path), help="Folder for the results.")
@click.option(
    "--channel",
    "channels",
    multiple=True,
    metavar="CHECKPOINT=IMAGE",
    help="The image's name for a channel of the checkpoint where they differ, as in DAPI=Hoechst.",
)
@reading
@DEVICE
@click.option("--precision", type=click.Choice(["auto", "fp32", "bf16"]), default="auto", show_default=True)
@click.option("--tile", default=512, show_default=True, help="Side of a tile in working pixels.")
@click.option("--overlap", type=int, help="Pixels that tiles share; what the engine needs where none is said.")
@OVERWRITE
def translate(
    inputs: Sequence[Path],
    checkpoint: str,
    source: str,
    target: str,
    out: Path,
    channels: Sequence[str],
    overwrite: bool,
    device: str,
    precision: str,
    tile: int,
    overlap: int | None,
    **how: Any,
) -> None:
    """Translate images and write OUT/<name>_translated.ome.tif and OUT/<name>_difference.ome.tif.

    INPUTS are image files. With several, those that fail are named at the end and the others are still done.
    """
    from napari_phenotrans.results import result_paths
    from napari_phenotrans.translation import Translator

    said = _pairs(channels)
    with Progress("loading torch") as progress:
        translator = Translator(checkpoint, device=device, precision=precision, tile=tile, overlap=overlap)
        places = result_paths(inputs, out)

        def one(path: Path) -> None:
            progress.say(path.name)
            _translate_one(
                path, places[path], translator, progress.show, how=_said(how), overwrite=overwrite,
                more={"source": source, "target": target, "channels": said},
            )  # fmt: skip

        if len(places) == 1:
            one(inputs[0])
            return
        failed: dict[Path, str] = {}
        for path in places:
            try:
                one(path)
            except InputError as error:
                failed[path] = str(error)
                click.echo(f"{path}: failed: {error}", err=True)
    if failed:
        click.echo(f"{len(failed)} of {len(places)} images failed: {', '.join(map(str, failed))}", err=True)
        sys.exit(1)


def _translate_one(
    path: Path,
    results: Results,
    translator: Translator,
    show: Callable[[Event], None],
    *,
    how: dict[str, Any],
    overwrite: bool,
    more: dict[str, Any],
) -> None:
    from napari_phenotrans.io import read
    from napari_phenotrans.results import refuse_existing_results, write_results
    from napari_phenotrans.translation import translate_image

    refuse_existing_results(results, overwrite)
    image: Image = read(path, **how)
    for note in image.notes:
        click.echo(f"{path}: note: {note}", err=True)
    translation = translate_image(image, translator, on_event=show, **more)
    for notice in translation.notices:
        click.echo(f"{path}: note: {notice}", err=True)
    write_results(translation, results, overwrite=overwrite)
    click.echo(results.translated)
    click.echo(results.difference)


@phenotrans.command("import")
@click.argument("path", type=click.Path(path_type=Path))
@click.option("--out", required=True, type=click.Path(path_type=Path), help="The checkpoint to write.")
@click.option(
    "--limits",
    nargs=2,
    type=float,
    default=(0, 255),
    show_default=True,
    help="Intensities that the network sees as -1 and 1; such files do not know them.",
)
@click.option("--channels", help="Names of the channels, separated by commas.")
@click.option("--conditions", nargs=2, help="Names of the conditions A and B.")
@OVERWRITE
def import_(
    path: Path,
    out: Path,
    limits: tuple[float, float],
    channels: str | None,
    conditions: tuple[str, str] | None,
    overwrite: bool,
) -> None:
    """Make a checkpoint from generators that pytorch-CycleGAN-and-pix2pix or CUT saved (PATH: .pth file or folder)."""
    from napari_phenotrans.describe import describe_card
    from napari_phenotrans.interop import import_checkpoint
    from napari_phenotrans.io.replacing import refuse_existing

    refuse_existing(out, overwrite)
    if out.suffix != ".safetensors":
        raise InputError(
            f"A checkpoint is written as .safetensors, got {out.name!r}. Say --out {out.stem}.safetensors."
        )
    names = tuple(name.strip() for name in channels.split(",")) if channels else None
    checkpoint = import_checkpoint(path, limits=limits, channels=names, conditions=conditions)
    checkpoint.save(out, overwrite=overwrite)
    click.echo(describe_card(str(out), checkpoint.card))


class Progress:
    """A progress bar on the terminal, from the events of translating; nothing where output is not a terminal."""

    def __init__(self, text: str) -> None:
        from rich.console import Console
        from rich.progress import BarColumn, TextColumn, TimeRemainingColumn
        from rich.progress import Progress as Bar

        self._bar = Bar(
            TextColumn("{task.description}"),
            BarColumn(),
            TextColumn("{task.percentage:>3.0f} %"),
            TimeRemainingColumn(),
            console=Console(stderr=True),
            transient=True,
        )
        self._task = self._bar.add_task(text, total=None)
        self._planes = (0, 1)

    def __enter__(self) -> Progress:
        self._bar.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._bar.stop()

    def say(self, text: str) -> None:
        """Name what is being done."""
        self._planes = (0, 1)
        self._bar.update(self._task, description=text, completed=0, total=None)

    def show(self, event: Event) -> None:
        """Draw one event."""
        from napari_phenotrans.events import EvaluationDone, PlaneDone, TileDone

        if isinstance(event, PlaneDone):
            self._planes = (event.done, event.total)
            self._bar.update(self._task, completed=event.done, total=event.total)
        elif isinstance(event, TileDone | EvaluationDone):
            done, total = self._planes
            self._bar.update(self._task, completed=done + event.done / event.total, total=total)


def _said(how: dict[str, Any]) -> dict[str, Any]:
    """Turn the options of `reading` into the arguments of `read`."""
    return {"axes": how["axes"], "series": how["series"], "join": how["pattern"] or how["join"]}


def _pairs(said: Sequence[str]) -> dict[str, str]:
    pairs = {}
    for pair in said:
        checkpoint, equals, image = pair.partition("=")
        if not (checkpoint and equals and image):
            raise InputError(f"--channel {pair!r} cannot be read: expected CHECKPOINT=IMAGE, as in DAPI=Hoechst.")
        pairs[checkpoint] = image
    return pairs


def main() -> None:
    """Run the command line; errors of the user's end with one message and exit code 2."""
    try:
        phenotrans(standalone_mode=False)
    except click.ClickException as error:
        error.show()
        sys.exit(error.exit_code)
    except click.Abort:
        click.echo("Stopped.", err=True)
        sys.exit(130)
    except InputError as error:
        click.echo(f"phenotrans: {error}", err=True)
        sys.exit(2)
