from __future__ import annotations

import subprocess
import sys

import pytest

SAY = """
import os, threading
from napari_phenotrans.widgets.common.worker import background
def niceness():
    return os.getpriority(os.PRIO_PROCESS, threading.get_native_id())
os.nice(3)
print(niceness(), background().submit(niceness).result())
"""
NICEST = 19  # Linux takes more for this


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux knows a priority per thread")
def test_what_computes_asks_for_less_of_the_processor_than_the_window() -> None:
    # a process of its own: here the tests have switched it off
    said = subprocess.run([sys.executable, "-c", SAY], capture_output=True, text=True, check=True).stdout
    window, computing = map(int, said.split())
    assert computing == min(window + 10, NICEST)
