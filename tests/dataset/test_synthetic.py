import csv

import numpy as np
import pytest
from scipy import ndimage

from napari_phenotrans.core.errors import InputError
from napari_phenotrans.dataset.synthetic import CHANNELS, CONDITIONS, DISEASES, Disease, organoid, pair, write_dataset
from napari_phenotrans.dataset.synthetic_stack import Stack
from napari_phenotrans.io import provenance, read

SEEDS = range(20)


@pytest.fixture(scope="module")
def pairs():
    return [pair(seed) for seed in SEEDS]


def present(made):
    return [nucleus for nucleus in made.nuclei if nucleus.present]


def mitoses(made):
    return [nucleus for nucleus in present(made) if nucleus.mitotic]


def light(made, channel, label):
    """Mean counts of one channel over one nucleus."""
    return made.image.pixels[CHANNELS.index(channel)][made.labels == label].mean()


@pytest.mark.parametrize("condition", CONDITIONS)
def test_equal_seed_equal_bytes(condition, pairs):
    again = organoid(3, condition)
    assert again.image.pixels.tobytes() == organoid(3, condition).image.pixels.tobytes()
    one_of_pair = getattr(pairs[3], condition)
    np.testing.assert_array_equal(again.image.pixels, one_of_pair.image.pixels)
    np.testing.assert_array_equal(again.labels, one_of_pair.labels)
    assert again.nuclei == one_of_pair.nuclei
    assert (again.image.pixels != getattr(pairs[4], condition).image.pixels).mean() > 0.9


def test_image_says_what_it_is(pairs):
    image = pairs[0].healthy.image
    assert (image.axes, image.channels, image.dtype) == ("CYX", ("DAPI", "PH3", "ZO1"), np.uint16)
    assert image.sizes == {"C": 3, "Y": 256, "X": 256}
    assert (image.pixel_size_um, image.unit) == (0.65, "µm")
    assert all(len(color) == 7 and color.startswith("#") for color in image.colors)
    assert image.synthetic


def test_counts_stay_clear_of_the_ends_of_the_range(pairs):
    for made in pairs:
        for condition in (made.healthy, made.diseased):
            assert condition.image.pixels.min() > 20
            assert condition.image.pixels.max() < 5000


def test_pixels_away_from_changes_are_equal():
    made = pair(1, disease=Disease(nuclei_lost=0.05, mitoses_lost=0.5))
    changed = np.isin(made.healthy.labels, [change.label for change in made.changes])
    differs = (made.healthy.image.pixels != made.diseased.image.pixels).any(axis=0)
    away_um = ndimage.distance_transform_edt(~changed) * 0.65
    # a mitosis that calms down grows from its chromatin to its whole ellipse, some 4 µm more
    assert (away_um > 12).mean() > 0.1
    assert not differs[away_um > 12].any()
    assert differs[changed].mean() > 0.9


def test_junctions_are_the_same_in_both_conditions(pairs):
    for made in pairs:
        np.testing.assert_array_equal(made.healthy.image.pixels[2], made.diseased.image.pixels[2])


def test_unchanged_nuclei_keep_their_brightness(pairs):
    ratios = []
    for made in pairs[:5]:
        changed = {change.label for change in made.changes}
        for nucleus in made.healthy.nuclei:
            if nucleus.label not in changed:
                was, now = (light(one, "DAPI", nucleus.label) for one in (made.healthy, made.diseased))
                ratios.append(now / was)
    # neighbors' light is missing, nothing else
    assert 0.85 < np.median(ratios) <= 1
    assert np.percentile(ratios, 5) > 0.7


def test_density_and_ph3_share_fall_as_stated(pairs):
    healthy, diseased = ([getattr(made, condition) for made in pairs] for condition in CONDITIONS)
    count_healthy, count_diseased = (sum(len(present(one)) for one in side) for side in (healthy, diseased))
    assert count_diseased / count_healthy == pytest.approx(1 - 0.35, abs=0.01)
    share_healthy = sum(len(mitoses(one)) for one in healthy) / count_healthy
    share_diseased = sum(len(mitoses(one)) for one in diseased) / count_diseased
    assert 0.03 < share_healthy < 0.06
    assert share_diseased / share_healthy == pytest.approx(1 - 0.7, abs=0.06)
    assert np.mean([len(mitoses(one)) for one in healthy]) >= 4
    assert all(mitoses(one) for one in healthy)


def test_the_fall_is_seen_in_the_pixels(pairs):
    def seen(side, channel, level):
        return np.mean([(getattr(made, side).image.pixels[channel] > level).mean() for made in pairs])

    assert 0.5 < seen("diseased", 0, 500) / seen("healthy", 0, 500) < 0.8
    assert 0.1 < seen("diseased", 1, 900) / seen("healthy", 1, 900) < 0.35


def test_mitoses_are_bright_in_ph3_and_near_a_lumen(pairs):
    for made in pairs[:5]:
        marked = [light(made.healthy, "PH3", nucleus.label) for nucleus in mitoses(made.healthy)]
        rest = [light(made.healthy, "PH3", n.label) for n in made.healthy.nuclei if not n.mitotic]
        assert min(marked) > 3 * np.median(rest)
        assert np.percentile(rest, 95) < 350
        ring = made.healthy.image.pixels[2] > 700
        away_um = ndimage.distance_transform_edt(~ring) * 0.65
        near = [away_um[round(n.y), round(n.x)] < 10 for n in mitoses(made.healthy)]
        assert np.mean(near) > 0.7


def test_table_agrees_with_labels(pairs):
    for made in pairs[:5]:
        for one in (made.healthy, made.diseased):
            assert one.labels.dtype == np.int32
            assert one.labels.shape == one.image.pixels.shape[1:]
            assert set(np.unique(one.labels)) - {0} == {nucleus.label for nucleus in present(one)}
        places = ndimage.center_of_mass(
            made.healthy.labels > 0, made.healthy.labels, [nucleus.label for nucleus in made.healthy.nuclei]
        )
        off = [np.hypot(n.y - y, n.x - x) for n, (y, x) in zip(made.healthy.nuclei, places, strict=True)]
        assert np.median(off) < 1.5
        areas = np.bincount(made.healthy.labels.ravel())[1:]
        ellipses = [np.pi / 4 * n.major * n.minor for n in made.healthy.nuclei]
        assert 0.7 < np.median(areas / ellipses) < 1.1


def test_angles_are_those_of_the_masks(pairs):
    made, errors = pairs[0].healthy, []
    for nucleus in made.nuclei:
        y, x = np.nonzero(made.labels == nucleus.label)
        long_and_inside = nucleus.major > 1.7 * nucleus.minor and 12 < nucleus.y < 244 and 12 < nucleus.x < 244
        if long_and_inside and not nucleus.mitotic:
            axes = np.linalg.eigh(np.cov(x, y))[1]
            errors.append(abs(np.sin(np.arctan2(axes[1, 1], axes[0, 1]) - nucleus.angle)))
    assert len(errors) > 50
    assert np.median(errors) < 0.15


def test_changes_are_what_differs_between_the_tables(pairs):
    for made in pairs:
        removed = {change.label for change in made.changes if change.change == "removed"}
        calmed = {change.label for change in made.changes if change.change == "mitosis to interphase"}
        assert removed | {n.label for n in present(made.diseased)} == {n.label for n in made.healthy.nuclei}
        assert {n.label for n in mitoses(made.diseased)} == {n.label for n in mitoses(made.healthy)} - removed - calmed
        counts = made.summary
        assert counts["nuclei healthy"] - counts["removed"] == counts["nuclei diseased"]
        assert counts["removed"] + counts["mitosis to interphase"] == len(made.rows())
        assert list(made.rows()[0]) == ["label", "y", "x", "stage", "change"]


def test_no_disease_changes_nothing():
    made = pair(7, disease=Disease(nuclei_lost=0, mitoses_lost=0))
    np.testing.assert_array_equal(made.healthy.image.pixels, made.diseased.image.pixels)
    np.testing.assert_array_equal(made.healthy.labels, made.diseased.labels)
    assert not made.changes


def test_worst_disease_leaves_no_nucleus():
    made = organoid(7, "diseased", disease=Disease(nuclei_lost=1, mitoses_lost=1))
    assert not present(made)
    assert not made.labels.any()


def test_more_disease_takes_the_same_nuclei_and_more():
    few, many = (
        {n.label for n in organoid(2, "diseased", disease=Disease(nuclei_lost=lost)).nuclei if not n.present}
        for lost in (0.1, 0.4)
    )
    assert few < many


@pytest.mark.parametrize(("size", "pixel_size_um"), [(64, 0.65), (97, 1.5), (301, 0.4), (128, 0.2)])
def test_other_sizes(size, pixel_size_um):
    made = organoid(11, size=size, pixel_size_um=pixel_size_um)
    assert made.image.pixels.shape == (3, size, size)
    assert made.image.pixel_size_um == pytest.approx(pixel_size_um)
    assert made.nuclei
    lengths_um = np.array([nucleus.major for nucleus in made.nuclei]) * pixel_size_um
    assert 7 < np.median(lengths_um) < 13


@pytest.mark.parametrize(
    "arguments",
    [
        {"seed": -1},
        {"seed": 0, "condition": "ill"},
        {"seed": 0, "size": 63},
        {"seed": 0, "pixel_size_um": 0.1},
        {"seed": 0, "pixel_size_um": float("nan")},
    ],
)
def test_bad_arguments_are_refused(arguments):
    with pytest.raises(InputError, match="Say"):
        organoid(**arguments)


def test_disease_has_limits():
    with pytest.raises(InputError, match="--nuclei-lost"):
        Disease.make(nuclei_lost=1.2)


def test_dataset_is_unpaired_and_tabled(tmp_path):
    folder = write_dataset(tmp_path / "set", 2, size=96, first_seed=5)
    with (folder / "fields.csv").open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    files = [f"{condition}/organoid_000{number}.ome.tif" for condition in CONDITIONS for number in (1, 2)]
    assert rows == [{"file": name, "group": f"seed-{seed}"} for name, seed in zip(files, range(5, 9), strict=True)]
    assert sorted(path.name for path in folder.iterdir()) == ["diseased", "fields.csv", "healthy", "truth.csv"]
    for name, seed in zip(files, range(5, 9), strict=True):
        made, image = organoid(seed, name.split("/")[0], size=96), read(folder / name)
        np.testing.assert_array_equal(image.plane(), made.image.pixels)
        assert (image.channels, image.pixel_size_um, image.colors) == (CHANNELS, 0.65, made.image.colors)
        assert "ynthetic" in provenance(folder / name)["origin"]
    with (folder / "truth.csv").open(newline="", encoding="utf-8") as file:
        truth = list(csv.DictReader(file))
    last = [row for row in truth if row["file"] == files[-1]]
    assert len(last) == len(made.nuclei)
    assert [row["present"] == "True" for row in last] == [nucleus.present for nucleus in made.nuclei]


def test_dataset_overwrites_only_when_told(tmp_path):
    write_dataset(tmp_path, 1, size=64)
    with pytest.raises(InputError, match="exists already"):
        write_dataset(tmp_path, 1, size=64)
    write_dataset(tmp_path, 1, size=64, first_seed=1, overwrite=True)
    assert "seed-1" in (tmp_path / "fields.csv").read_text(encoding="utf-8")


def test_dataset_of_nothing_is_refused(tmp_path):
    with pytest.raises(InputError, match="at least 1"):
        write_dataset(tmp_path, 0)


def test_nuclei_swell_and_nothing_else_changes():
    made = pair(1, size=160, disease=DISEASES["swelling"])
    before, after = made.healthy, made.diseased
    assert [n.present for n in after.nuclei] == [n.present for n in before.nuclei]
    assert len(mitoses(after)) == len(mitoses(before))
    assert {change.change for change in made.changes} == {"swollen"}
    assert made.summary["swollen"] == len(present(before)) - len(mitoses(before))
    for was, now in zip(before.nuclei, after.nuclei, strict=True):
        ratio = (now.major * now.minor) / (was.major * was.minor)
        assert ratio == pytest.approx(1 if was.mitotic else 1.3, rel=0.01)
    # what is seen grows by nearly as much where no neighbor is in the way
    areas = [np.bincount(side.labels.ravel(), minlength=len(before.nuclei) + 1)[1:] for side in (before, after)]
    calm = np.array([not nucleus.mitotic for nucleus in before.nuclei]) & (areas[0] > 60)
    assert 1.12 < np.median(areas[1][calm] / areas[0][calm]) < 1.35
    # the same light per area, and junctions as they were
    lit = [light(side, "DAPI", index + 1) for side in (before, after) for index in np.flatnonzero(calm)]
    half = len(lit) // 2
    assert np.median(lit[half:]) == pytest.approx(np.median(lit[:half]), rel=0.1)
    np.testing.assert_array_equal(before.image.pixels[2], after.image.pixels[2])


def test_junctions_dim_and_nothing_else_changes():
    made = pair(1, size=160, disease=DISEASES["junctions"])
    before, after = (side.image.pixels.astype(float) for side in (made.healthy, made.diseased))
    np.testing.assert_array_equal(before[:2], after[:2])
    np.testing.assert_array_equal(made.healthy.labels, made.diseased.labels)
    assert made.changes == () and made.healthy.nuclei == made.diseased.nuclei
    bright = before[2] > np.percentile(before[2], 98)
    floor = np.percentile(before[2], 1)
    assert ((after[2] - floor)[bright].mean()) / ((before[2] - floor)[bright].mean()) == pytest.approx(0.68, abs=0.07)


def test_diseases_of_flat_images_are_refused_in_stacks():
    with pytest.raises(InputError, match="in flat synthetic images only"):
        organoid(0, "diseased", size=64, disease=DISEASES["swelling"], stack=Stack(2, 1.5))
