"""One translation of ``python -m bench scale``: ``python -m bench.speed.scale_child ORDERS``.

ORDERS are four paths as JSON. Prints seconds and peak memory of ``phenotrans translate`` as JSON, in the last line.
"""

from __future__ import annotations

import json
import re
import resource
import sys
import time
from pathlib import Path

from napari_phenotrans.cli.main import phenotrans


def main(first: str, image: str, checkpoint: str, out: str) -> None:
    started = 0.0
    # the first translation imports and allocates what every one does
    for number, path in enumerate((first, image)):
        started = time.perf_counter()
        words = ["translate", path, "--checkpoint", checkpoint, "--source", "healthy", "--target", "diseased"]
        phenotrans([*words, "--out", f"{out}/{number}", "--device", "cpu"], standalone_mode=False)
    seconds = time.perf_counter() - started
    print(json.dumps({"seconds": seconds, "memory_gb": peak_memory() / 1e9}))


def peak_memory() -> int:
    """Return the most bytes that this process had in memory."""
    status = Path("/proc/self/status")
    if status.exists():
        # what getrusage says begins with the memory of the process that started this one
        found = re.search(r"VmHWM:\s+(\d+) kB", status.read_text())
        assert found
        return 1024 * int(found[1])
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)


if __name__ == "__main__":
    main(*json.loads(sys.argv[1]))
