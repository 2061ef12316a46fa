from pathlib import Path

import pytest

from napari_phenotrans.core.errors import InputError
from napari_phenotrans.translation.outputs import refuse_existing_results, result_paths


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
