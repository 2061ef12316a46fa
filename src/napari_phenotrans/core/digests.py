"""Digests of files, texts and arrays: SHA-256 for what is written into files, BLAKE2 for the keys of caches."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    import numpy as np


def file_sha256(file: Path) -> str:
    """Return the digest of a file's content, in hexadecimal digits."""
    with file.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def sha256_of(parts: Iterable[str | np.ndarray]) -> str:
    """Return the digest of texts (in UTF-8) and arrays (their values in C order) one after the other."""
    digest = hashlib.sha256()
    for part in parts:
        digest.update(part.encode() if isinstance(part, str) else part.tobytes())
    return digest.hexdigest()


def digest(*parts: str | bytes | np.ndarray) -> str:
    """Return a fast digest of texts and arrays, their shapes and dtypes included, in 32 hexadecimal digits."""
    content = hashlib.blake2b(digest_size=16)
    for part in parts:
        if isinstance(part, str | bytes):
            content.update(part.encode() if isinstance(part, str) else part)
        else:
            content.update(f"{part.dtype.str} {part.shape}".encode())
            content.update(part.data if part.flags.c_contiguous else part.tobytes())
        content.update(b"\0")
    return content.hexdigest()
