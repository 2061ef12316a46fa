import errno
import os
import random
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from napari_phenotrans.core.errors import InputError
from napari_phenotrans.core.image import Image
from napari_phenotrans.io import read, write_tiff
from napari_phenotrans.translation.outputs import ResultFiles, refuse_existing_results, result_paths, write_results
from napari_phenotrans.translation.translate import Translation


def names(*inputs: str) -> list[str]:
    return [result.name for result in result_paths([Path(i) for i in inputs], Path("out")).values()]


def test_names_say_what_they_are() -> None:
    result = result_paths([Path("a/well.ome.tif")], Path("out"))[Path("a/well.ome.tif")]
    assert result.translated == Path("out/well_translated.ome.tif")
    assert result.difference == Path("out/well_difference.ome.tif")


def test_equal_names_get_as_much_of_their_folder_as_tells_them_apart() -> None:
    assert names("/p1/A01.tif", "/p2/A01.tif", "/p2/A02.tif") == ["p1_A01", "p2_A01", "A02"]
    assert names("/x/p/A01.tif", "/y/p/A01.tif") == ["x_p_A01", "y_p_A01"]
    assert len(set(names("/x/A01.tif", "/x/A01.png", "/x/A01.ome.tif"))) == 3


@pytest.mark.parametrize("seed", range(20))
def test_no_two_results_have_one_name(seed: int) -> None:
    # names that are equal in other folders, with other suffixes or in other case, or like a folder and a name joined
    chance = random.Random(seed)
    parts = ["a", "A", "b", "a_b", "a_b_a", "a-1", "a_tif"]
    suffixes = [".tif", ".png", ".ome.tif", ".TIF"]
    paths = {f"/{'/'.join(chance.choices(parts, k=chance.randint(1, 3)))}{chance.choice(suffixes)}" for _ in range(60)}
    made = names(*sorted(paths))
    assert len({name.casefold() for name in made}) == len(made) == len(paths)
    assert not any("/" in name for name in made)


def test_existing_results_are_refused(tmp_path: Path) -> None:
    results = result_paths([Path("well.tif")], tmp_path)[Path("well.tif")]
    refuse_existing_results(results, overwrite=False)
    results.difference.touch()
    with pytest.raises(InputError, match="exists already"):
        refuse_existing_results(results, overwrite=False)
    refuse_existing_results(results, overwrite=True)


def test_results_of_an_ome_zarr_are_ome_zarr(tmp_path: Path) -> None:
    paths = [tmp_path / name for name in ("a.ome.zarr", "b.ome.tif")]
    paths[0].mkdir()
    (paths[0] / ".zgroup").touch()
    named = [results.difference.name for results in result_paths(paths, tmp_path).values()]
    assert named == ["a_difference.ome.zarr", "b_difference.ome.tif"]


def translation(value: int) -> Translation:
    real = Image(np.full((1, 8, 8), value, np.uint8), "CYX", ("DNA",))
    difference = real.replace(pixels=np.full((1, 8, 8), value, np.float32))
    return Translation(real, real, difference, (), {})


def values(results: Any) -> list[float]:
    return [float(read(path).plane().max()) for path in results.all]


def test_a_translation_without_its_difference_does_not_count_as_a_result(tmp_path: Path) -> None:
    results = result_paths([Path("well.tif")], tmp_path)[Path("well.tif")]
    results.translated.touch()
    refuse_existing_results(results, overwrite=False)
    write_results(translation(1), results)
    assert values(results) == [1, 1]


def test_translated_and_difference_appear_together_or_not_at_all(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    results = result_paths([Path("well.tif")], tmp_path)[Path("well.tif")]
    write_results(translation(1), results)
    whole = write_tiff.write_ome_tiff

    def full_at_the_difference(image: Image, path: Path, **more: Any) -> None:
        whole(image, path, **more)
        if image.dtype == np.float32:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(path))

    with monkeypatch.context() as patch:
        patch.setattr(write_tiff, "write_ome_tiff", full_at_the_difference)
        with pytest.raises(InputError, match=r"well_difference\.ome\.tif could not be written: No space left"):
            write_results(translation(2), results, overwrite=True)
    assert values(results) == [1, 1]
    assert len(list(tmp_path.iterdir())) == 2
    write_results(translation(2), results, overwrite=True)
    assert values(results) == [2, 2]


def test_growing_results_leave_what_was_there_until_both_are_done(tmp_path: Path) -> None:
    source = tmp_path / "well.ome.zarr"
    source.mkdir()
    (source / ".zgroup").touch()
    results = result_paths([source], tmp_path / "out")[source]

    def grow(value: int, *, breaks: bool = False) -> None:
        made = translation(value)
        with ResultFiles(results, overwrite=True) as files:
            assert files.rooms is not None
            for sink, image in zip(files.rooms(made.real), (made.translated, made.difference), strict=True):
                sink.put(image.plane(), 0, 0, 0, 0)
            if breaks:
                raise KeyboardInterrupt
            files.finish(made)

    grow(1)
    with pytest.raises(KeyboardInterrupt):
        grow(2, breaks=True)
    assert values(results) == [1, 1]
    grow(3)
    assert values(results) == [3, 3]
    assert len(list((tmp_path / "out").iterdir())) == 2
