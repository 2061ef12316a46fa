"""What is kept between evaluations: by content, within bounds, never in the way."""

from __future__ import annotations

import os

import numpy as np

from napari_phenotrans.features.base import eight_bit
from napari_phenotrans.features.cache import Cache


def test_what_was_put_comes_back(tmp_path):
    cache = Cache(tmp_path / "deep" / "down")
    cache.put("key", {"values": np.arange(6.0).reshape(2, 3)})
    np.testing.assert_array_equal(cache.get("key")["values"], np.arange(6.0).reshape(2, 3))
    assert cache.get("other") is None
    assert cache.problem == ""


def test_without_a_folder_nothing_is_kept():
    cache = Cache()
    cache.put("key", {"values": np.zeros(1)})
    cache.prune()
    assert cache.get("key") is None


def test_a_damaged_file_is_as_none_and_a_folder_that_cannot_be_written_to_is_said(tmp_path):
    cache = Cache(tmp_path)
    (tmp_path / "key.safetensors").write_bytes(b"half")
    assert cache.get("key") is None
    (tmp_path / "file").write_text("no folder")
    blocked = Cache(tmp_path / "file")
    blocked.put("key", {"values": np.zeros(1)})
    assert blocked.problem.startswith("Features are not kept")
    assert blocked.get("key") is None


def test_what_was_not_used_for_longest_goes_first(tmp_path):
    cache = Cache(tmp_path)
    for age, key in enumerate(("newest", "middle", "oldest")):
        cache.put(key, {"values": np.zeros(1000)})
        os.utime(tmp_path / f"{key}.safetensors", (1e9 - age, 1e9 - age))
    cache.get("oldest")
    cache.prune(most=17_000)
    assert {path.stem for path in tmp_path.iterdir()} == {"oldest", "newest"}


def test_eight_bits_reach_from_limit_to_limit_for_every_crop_alike():
    crops = np.array([-1.5, -1, -0.5, 0, 1, 1.5], np.float32)
    np.testing.assert_array_equal(eight_bit(crops), [0, 0, 64, 128, 255, 255])
    dim = np.full((1, 1, 4, 4), -0.9, np.float32)
    assert eight_bit(dim).max() == 13
