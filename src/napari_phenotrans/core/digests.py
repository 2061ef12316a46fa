"""SHA-256 digests of files, and of text and arrays."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path


def file_sha256(file: Path) -> str:
    """Return the digest of a file's content, in hexadecimal digits."""
    with file.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def sha256_of(parts: Iterable[str | np.ndarray]) -> str:
    """Return the digest of texts (in UTF-8) and arrays (their values in C order) one after the other."""
    digest = hashlib.sha256()
    for part in parts:
        digest.update(part.encode() if isinstance(part, str) else np.ascontiguousarray(part).tobytes())
    return digest.hexdigest()
