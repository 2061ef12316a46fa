"""Parts that are played in a napari of their own, and the display that they need."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import click

# Where ``python -m bench`` works: bench is not installed.
ROOT = Path(__file__).parents[2]


def needs_display(command: str) -> None:
    """Say how to get a display where there is none."""
    if sys.platform == "linux" and not (os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY")):
        raise click.UsageError(
            f'There is no display for napari. Say xvfb-run -a -s "-screen 0 1600x1200x24" python -m bench {command}.'
        )


def play(what: str, orders: dict[str, Any], folder: Path, module: str) -> dict[str, Any]:
    """Play a part in a process of its own, which begins without torch and with napari's settings as they come."""
    out = folder / f"{what}.json"
    done = subprocess.run(
        [sys.executable, "-m", module, what, json.dumps(orders), str(out)],
        cwd=ROOT,
        env=os.environ | {"NAPARI_CONFIG": str(folder / "settings.yaml")},
        stderr=subprocess.PIPE,
        text=True,
    )
    if done.returncode or not out.exists():
        raise click.ClickException(f"{what} ended with code {done.returncode}:\n{done.stderr[-3000:]}")
    return json.loads(out.read_text())
