"""Reading a large OME-TIFF plane by plane, beside tifffile alone: ``python -m bench reading``."""

from __future__ import annotations

import tempfile
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING, Any

import click
import numpy as np
import tifffile

from bench.common.paired import circumstances, run
from bench.common.writing import PERFORMANCE, met, publish, spread
from napari_phenotrans.io import read

if TYPE_CHECKING:
    from collections.abc import Iterator

SIDE, CHANNELS = 2048, 3
KINDS = {"uncompressed": None, "zlib": "zlib", "LZW": "lzw"}
RATIO = 0.9
HEADING = "## Reading"


@click.command()
@click.option("--gigabytes", type=click.FloatRange(min=0.01), default=2.0, show_default=True, help="Of pixels.")
@click.option("--side", type=click.IntRange(64), default=SIDE, show_default=True, help="Of a plane.")
@click.option("--repeats", type=click.IntRange(1), default=5, show_default=True, help="Timed rounds of each.")
@click.option("--out", type=click.Path(path_type=Path), default=PERFORMANCE, show_default=True)
@click.option("--json", "json_file", type=click.Path(path_type=Path), help="File to write all figures to.")
@click.option("--work", type=click.Path(path_type=Path), help="Folder for the files; a temporary one if none.")
def reading(gigabytes: float, side: int, repeats: int, out: Path, json_file: Path | None, work: Path | None) -> None:
    """Gigabytes per second of our reader and of tifffile alone, over the planes of a Z-stack, one after the other."""
    count = max(1, round(gigabytes * 1e9 / (CHANNELS * side * side * 2)))
    result: dict[str, Any] = {
        "bench": "reading",
        "planes": count,
        "channels": CHANNELS,
        "side": side,
        "gigabytes": count * CHANNELS * side * side * 2 / 1e9,
        "repeats": repeats,
        "kinds": {},
    }
    for kind, compression in KINDS.items():
        # one at a time, for the disk's sake
        with tempfile.TemporaryDirectory(dir=work) as folder:
            result["kinds"][kind] = measure(Path(folder) / "stack.ome.tif", count, side, compression, repeats)
        ratios = result["kinds"][kind]["ratios"]
        click.echo(f"{kind}: {spread(ratios)} times tifffile alone")
    result |= circumstances() | {"tifffile": tifffile.__version__}
    publish(table(result), result, out, json_file)


def measure(path: Path, count: int, side: int, compression: str | None, repeats: int) -> dict[str, Any]:
    """Write a Z-stack and read it both ways, in turns; every plane must be the same."""
    write_stack(path, count, side, compression)
    sums: dict[str, list[int]] = {"ours": [], "reference": []}

    def ours() -> None:
        image = read(path)
        sums["ours"] = [_look(image.plane(z=z)) for z in range(count)]

    def reference() -> None:
        with tifffile.TiffFile(path) as tif:
            sums["reference"] = [_look(tif.asarray(key=range(CHANNELS * z, CHANNELS * (z + 1)))) for z in range(count)]

    times = run(ours, reference, repeats)
    if sums["ours"] != sums["reference"]:
        raise click.ClickException(f"{path.name}: both ways must give the same pixels, and do not.")
    gigabytes = count * CHANNELS * side * side * 2 / 1e9
    return {
        "gigabytes_per_second": [round(gigabytes / seconds, 3) for seconds in times.ours],
        "tifffile_gigabytes_per_second": [round(gigabytes / seconds, 3) for seconds in times.reference],
        "ratios": [round(ratio, 3) for ratio in times.ratios],
    }


def write_stack(path: Path, count: int, side: int, compression: str | None) -> None:
    """Write (Z, C, Y, X) of uint16 with cells and noise, page by page."""
    rng = np.random.default_rng(0)
    cells = np.kron(rng.gamma(1.0, 300.0, (side // 16, side // 16)), np.ones((16, 16)))
    pages = [(cells + rng.normal(200.0, 10.0, cells.shape)).clip(0).astype(np.uint16) for _ in range(CHANNELS)]

    def planes() -> Iterator[np.ndarray]:
        for z in range(count):
            for page in pages:
                yield page + np.uint16(z)

    tifffile.imwrite(
        path,
        planes(),
        shape=(count, CHANNELS, *cells.shape),
        dtype=np.uint16,
        photometric="minisblack",
        compression=compression,
        bigtiff=True,
        metadata={"axes": "ZCYX"},
    )


def _look(plane: np.ndarray) -> int:
    """Look at some of a plane (C, Y, X), so that it has to be there."""
    return int(plane[:, ::64, ::64].sum())


def table(result: dict[str, Any]) -> list[str]:
    """Return the section of the documentation."""
    kinds = result["kinds"]
    lines = [
        HEADING,
        "",
        f"`python -m bench reading`: an OME-TIFF of {result['gigabytes']:.1f} GB of pixels ({result['planes']} planes "
        f"of {result['channels']} × {result['side']} × {result['side']} uint16), plane by plane, opening it included: "
        f"`napari_phenotrans.io.read(path).plane(z=z)` against `TiffFile(path).asarray(key=…)` of tifffile "
        f"{result['tifffile']}, in turns ({result['repeats']} rounds; median, least and most). The file is in the "
        "system's cache.",
        "",
        "| | GB/s | tifffile alone, GB/s | ratio |",
        "|---|---|---|---|",
    ]
    for kind, found in kinds.items():
        speeds = (spread(found[f"{who}gigabytes_per_second"]) for who in ("", "tifffile_"))
        lines.append(f"| {kind} | {' | '.join(speeds)} | {spread(found['ratios'])} |")
    slow = [kind for kind, found in kinds.items() if median(found["ratios"]) < RATIO]
    lines += [
        "",
        f"Wanted: at least {RATIO} times ({met(slow)}).",
        "",
        f"{result['cpu']}, {result['cores']} cores, {str(result['date'])[:10]}, commit {result['commit']}.",
    ]
    return lines
