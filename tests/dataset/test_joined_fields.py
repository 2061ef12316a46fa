"""Training folders whose files hold one channel each."""

from pathlib import Path

import numpy as np
import pytest
import tifffile

from napari_phenotrans.core.errors import InputError
from napari_phenotrans.core.settings import TrainingSettings
from napari_phenotrans.dataset.check import check
from napari_phenotrans.dataset.dataset import DataSet

CASE = Path(__file__).parents[3] / "shared" / "data" / "field_cases" / "F05_split_channels_training" / "D2_split"
RNG = np.random.default_rng(0)


def make(folder: Path, pattern: str, channels: tuple[str, ...], fields: int = 3) -> None:
    for condition in ("ctrl", "drug"):
        (folder / condition).mkdir()
        for field in range(fields):
            for channel in channels:
                name = pattern.format(field=field, channel=channel)
                pixels = RNG.integers(0, 250, (24, 32), np.uint8)
                tifffile.imwrite(folder / condition / name, pixels, metadata=None)


@pytest.mark.skipif(not CASE.is_dir(), reason="the reported files are not here")
def test_wavelengths_in_files_of_their_own_are_one_field() -> None:
    dataset = DataSet.open(CASE)
    assert dataset.count() == {"ctrl": 5, "drug": 5}
    assert dataset.channels() == ("w1", "w2")
    training, held_out = dataset.split(0.4)
    assert not {f.group for f in training.fields} & {f.group for f in held_out.fields}


@pytest.mark.parametrize(
    ("pattern", "channels"),
    [
        ("P1_A0{field}_s1_{channel}.TIF", ("w1", "w2", "w3")),
        ("well{field}_{channel}.tif", ("DAPI", "GFP")),
        ("x{field}_ch{channel}.tif", ("00", "01")),
        ("r01c01f0{field}p01-{channel}sk1fk1fl1.tiff", ("ch1", "ch2")),
    ],
)
def test_channel_files_are_joined_by_every_pattern(tmp_path: Path, pattern: str, channels: tuple[str, ...]) -> None:
    make(tmp_path, pattern, channels)
    dataset = DataSet.open(tmp_path)
    assert dataset.count() == {"ctrl": 3, "drug": 3}
    planes = dataset.planes(dataset.channels())
    assert [x.shape for x in planes["ctrl"]] == [(len(channels), 24, 32)] * 3
    report = check(dataset, None, TrainingSettings(channels=dataset.channels()))
    assert report.channels == dataset.channels()


def test_a_field_that_lacks_a_channel_is_refused(tmp_path: Path) -> None:
    make(tmp_path, "P1_A0{field}_s1_{channel}.tif", ("w1", "w2"))
    (tmp_path / "drug" / "P1_A02_s1_w2.tif").unlink()
    with pytest.raises(InputError, match=r"one channel each \(w1, w2.*lack some"):
        DataSet.open(tmp_path)


@pytest.mark.parametrize("pattern", ["plate_{channel}0{field}.tif", "organoid{field}{channel}.tif"])
def test_whole_images_are_not_joined(tmp_path: Path, pattern: str) -> None:
    make(tmp_path, pattern, ("A", "B", "C"))
    assert DataSet.open(tmp_path).count() == {"ctrl": 9, "drug": 9}


def test_a_field_of_extreme_pixel_size_is_refused(tmp_path: Path) -> None:
    make(tmp_path, "organoid{field}{channel}.tif", ("A",))
    path = tmp_path / "drug" / "organoid1A.tif"
    with tifffile.TiffWriter(path, imagej=True) as file:
        file.write(np.zeros((24, 32), np.uint8), resolution=(2, 2), metadata={"unit": "mm"})
    with pytest.raises(InputError, match=r"organoid1A\.tif states 500 µm per pixel.*16 times apart"):
        DataSet.open(tmp_path).planes(("channel 1",), pixel_size=0.5)


@pytest.mark.parametrize("companion", [True, False])
def test_a_set_of_ome_tiff_counts_once(tmp_path: Path, companion: bool) -> None:
    files = sorted((Path(__file__).parents[1] / "data" / "multifile").glob("*.ome.tiff"))
    assert len(files) == 5
    names = [file.name for file in files]
    planes = "".join(
        f'<TiffData FirstZ="{z}" IFD="0" PlaneCount="1"><UUID FileName="{name}">urn:uuid:0-{z}</UUID></TiffData>'
        for z, name in enumerate(names)
    )
    xml = (
        '<OME xmlns="http://www.openmicroscopy.org/Schemas/OME/2016-06"{}><Image ID="Image:0"><Pixels ID="Pixels:0" '
        'DimensionOrder="XYZCT" Type="uint8" SizeX="32" SizeY="24" SizeC="1" SizeZ="5" SizeT="1">'
        f'<Channel ID="Channel:0" Name="DNA"/>{planes}</Pixels></Image></OME>'
    )
    binary = (
        '<OME xmlns="http://www.openmicroscopy.org/Schemas/OME/2016-06"{}>'
        '<BinaryOnly MetadataFile="a.companion.ome" UUID="urn:uuid:1"/></OME>'
    )
    for condition in ("ctrl", "drug"):
        folder = tmp_path / condition
        folder.mkdir()
        for z, name in enumerate(names):
            stated = (binary if companion else xml).format(f' UUID="urn:uuid:0-{z}"')
            pixels = RNG.integers(0, 250, (24, 32), np.uint8)
            tifffile.imwrite(folder / name, pixels, description=stated, metadata=None, photometric="minisblack")
        if companion:
            (folder / "a.companion.ome").write_text(xml.format(' UUID="urn:uuid:1"'))
    dataset = DataSet.open(tmp_path)
    assert dataset.count() == {"ctrl": 1, "drug": 1}
    assert dataset.fields[0].image().sizes == {"Z": 5, "Y": 24, "X": 32}
