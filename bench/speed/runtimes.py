"""One tile through other ways to compute a network on a CPU: ``python -m bench runtimes``.

Each is compared with torch's own layers, in turns and with the same weights; what it takes to get ready is told apart.
A runtime that is not installed is named as such: none of them is a dependency.
"""

from __future__ import annotations

import importlib.util
import io
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
import torch

from bench.common.paired import circumstances, run
from bench.common.writing import publish, spread
from bench.speed.translate import CHANNELS, CONDITIONS, Residual, plain_network, random_checkpoint
from napari_phenotrans.translation.translator import Translator

if TYPE_CHECKING:
    from collections.abc import Callable

    from torch import Tensor, nn

    from napari_phenotrans.checkpoints.checkpoint import Checkpoint

    Network = Callable[[Tensor], Tensor]

HEADING = "## Other ways to compute a tile"
# The library that each needs.
NEEDS = {"torch.compile": "torch", "ONNX Runtime": "onnxruntime", "OpenVINO": "openvino"}


@click.command()
@click.option("--tile", type=click.IntRange(32), default=512, show_default=True, help="Side of the tile.")
@click.option("--width", type=click.IntRange(4), default=64, show_default=True, help="Of the ResNet.")
@click.option("--blocks", type=click.IntRange(1), default=9, show_default=True, help="Of the ResNet.")
@click.option("--repeats", type=click.IntRange(1), default=3, show_default=True, help="Timed rounds of each.")
@click.option("--out", type=click.Path(path_type=Path), help="Document in which to put the table.")
@click.option("--json", "json_file", type=click.Path(path_type=Path), help="File to write all figures to.")
def runtimes(tile: int, width: int, blocks: int, repeats: int, out: Path | None, json_file: Path | None) -> None:
    """Seconds of one tile as we compute it, compiled by torch, and in ONNX Runtime and OpenVINO."""
    checkpoint = random_checkpoint(blocks, width)
    # as the generator's, the last layer is added to the image
    plain = Residual(*plain_network(checkpoint.tensors, str(len(CONDITIONS) - 1), blocks, checkpoint.card))
    x = torch.rand(1, len(CHANNELS), tile, tile, generator=torch.Generator().manual_seed(0)) * 2 - 1
    makers: dict[str, Callable[[], Network]] = {
        "napari-phenotrans": lambda: ours(checkpoint),
        "torch.compile": lambda: torch.compile(plain),
        "ONNX Runtime": lambda: in_onnxruntime(plain, x),
        "OpenVINO": lambda: in_openvino(plain, x),
    }
    rows = []
    with torch.inference_mode():
        for name, make in makers.items():
            if importlib.util.find_spec(NEEDS.get(name, "torch")) is None:
                rows.append({"way": name, "installed": False})
                continue
            rows.append({"way": name, "installed": True} | compared(make, plain, x, repeats))
            click.echo(f"{name}: {spread(rows[-1]['ratios'])} times torch's layers")
    result = {"bench": "runtimes", "tile": tile, "width": width, "blocks": blocks, "repeats": repeats, "rows": rows}
    result |= circumstances()
    publish(table(result), result, out, json_file)


def compared(make: Callable[[], Network], plain: nn.Module, x: Tensor, repeats: int) -> dict[str, Any]:
    """Time a network that is yet to be made against torch's layers."""
    began = time.perf_counter()
    network = make()
    made = network(x)
    ready = time.perf_counter() - began
    expected = plain(x)
    times = run(lambda: network(x), lambda: plain(x), repeats, warm=True)
    return {
        "until_the_first_s": round(ready, 2),
        "seconds": [round(s, 4) for s in times.ours],
        "torch_seconds": [round(s, 4) for s in times.reference],
        "ratios": [round(ratio, 3) for ratio in times.ratios],
        "difference": float((made - expected).abs().max() / expected.abs().max()),
    }


def ours(checkpoint: Checkpoint) -> Network:
    """Return the generator as it translates."""
    engine = Translator(checkpoint, device="cpu", precision="fp32").engine
    return engine.networks_to(CONDITIONS[-1])


def in_onnxruntime(network: nn.Module, x: Tensor) -> Network:
    import onnxruntime

    program = io.BytesIO()
    torch.onnx.export(network, (x,), program, input_names=["x"], output_names=["y"], dynamo=False)
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = torch.get_num_threads()
    session = onnxruntime.InferenceSession(program.getvalue(), options, providers=["CPUExecutionProvider"])
    return lambda y: torch.from_numpy(session.run(None, {"x": y.numpy()})[0])


def in_openvino(network: nn.Module, x: Tensor) -> Network:
    import openvino

    exact = {"INFERENCE_PRECISION_HINT": "f32", "INFERENCE_NUM_THREADS": torch.get_num_threads()}
    model = openvino.compile_model(openvino.convert_model(network, example_input=x), "CPU", exact)
    return lambda y: torch.from_numpy(model(y.numpy())[0])


def table(result: dict[str, Any]) -> list[str]:
    """Return the section of the documentation."""
    rows = []
    for row in result["rows"]:
        if row["installed"]:
            cells = (spread(row["seconds"]), spread(row["torch_seconds"]), f"**{spread(row['ratios'])}**")
            rows.append(
                f"| {row['way']} | {' | '.join(cells)} | {row['until_the_first_s']} s | {row['difference']:.0e} |"
            )
        else:
            rows.append(f"| {row['way']} | not installed | | | | |")
    return [
        HEADING,
        "",
        f"`python -m bench runtimes`: one tile of {len(CHANNELS)} × {result['tile']} × {result['tile']} through a "
        f"ResNet-{result['blocks']} of width {result['width']}, cpu, float32, the same weights; torch's own layers in "
        f"turns with each ({result['repeats']} rounds; median, least and most).",
        "",
        "| | seconds | torch's layers, seconds | ratio | from making it to its first tile | largest difference |",
        "|---|---|---|---|---|---|",
        *rows,
        "",
        f"{result['cpu']}, {result['cores']} cores, {result['threads']} threads, torch {result['torch']}, "
        f"{str(result['date'])[:10]}, commit {result['commit']}.",
    ]
