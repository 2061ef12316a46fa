"""Keeps what libraries that read files log from the user's terminal; what matters of it becomes a note."""

from __future__ import annotations

import logging
from functools import cache

# Python prints the warnings of a logger that nobody listens to.
LOGGERS = ("tifffile", "zarr", "numcodecs", "imagecodecs", "nd2", "liffile", "pylibCZIrw", "PIL", "fsspec", "dask")


@cache
def quiet_libraries() -> None:
    """Give each library's logger a listener that does nothing; listeners of the application hear them as before."""
    for name in LOGGERS:
        logging.getLogger(name).addHandler(logging.NullHandler())
