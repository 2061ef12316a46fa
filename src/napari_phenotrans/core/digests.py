"""Digests of files, texts and arrays: SHA-256 for what is written into files, BLAKE2 for the keys of caches."""

from __future__ import annotations

import hashlib
from functools import lru_cache
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    import numpy as np


def file_sha256(file: Path) -> str:
    """Return the digest of a file's content, in hexadecimal digits."""
    with file.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def content_sha256(path: Path) -> str:
    """Return the digest of a file's content, or of a folder's files and their names in it, in hexadecimal digits.

    What did not change since the last call, by size and time, is not read again.

    Raises
    ------
    OSError
        If something cannot be read.
    """
    files = [path] if path.is_file() else sorted(file for file in path.rglob("*") if file.is_file())
    stamps = tuple((file, file.stat().st_size, file.stat().st_mtime_ns) for file in files)
    return _content_sha256(path, stamps)


@lru_cache(maxsize=64)
def _content_sha256(path: Path, stamps: tuple[tuple[Path, int, int], ...]) -> str:
    if [file for file, *_ in stamps] == [path]:
        return file_sha256(path)
    return sha256_of(part for file, *_ in stamps for part in (file.relative_to(path).as_posix(), file_sha256(file)))


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
