"""Digests: known values, and what makes no difference."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from napari_phenotrans.core.digests import digest, file_sha256, sha256_of

if TYPE_CHECKING:
    from pathlib import Path

ABC = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"  # FIPS 180-2, appendix B.1


def test_digests_are_sha256_of_the_parts_in_order(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"abc")
    assert file_sha256(tmp_path / "file") == ABC
    assert sha256_of(["a", np.frombuffer(b"b", np.uint8), "c"]) == ABC
    assert sha256_of(["b", "a", "c"]) != ABC


def test_arrays_count_by_their_values_not_their_memory() -> None:
    array = np.arange(6, dtype=np.float32).reshape(2, 3)
    assert sha256_of([np.asfortranarray(array)]) == sha256_of([array])
    assert sha256_of([array.T]) != sha256_of([array])


def test_a_digest_tells_shapes_types_and_order_apart() -> None:
    zeros = np.zeros((2, 3))
    keys = {digest(zeros), digest(zeros.T), digest(zeros.astype(np.float32)), digest("ab", "c"), digest("a", "bc")}
    assert len(keys) == 5
    assert digest(zeros[:, ::2]) == digest(np.zeros((2, 2)))
