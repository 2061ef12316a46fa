"""The bundled images: real wells of BBBC013 and synthetic organoids."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from napari_phenotrans.core.errors import InputError

if TYPE_CHECKING:
    from napari_phenotrans.core.image import Image

FOLDER = Path(__file__).parents[1] / "data" / "samples"
BBBC013 = (
    "We used image set BBBC013v1 provided by Ilya Ravkin, available from the Broad Bioimage Benchmark Collection "
    "[Ljosa et al., Nature Methods 2012]. CC BY 3.0."
)
INVENTED = "Synthetic: invented by napari-phenotrans, no microscope was involved. BSD-3-Clause."


@dataclass(frozen=True)
class Sample:
    """A bundled image: its file, its condition, the bundled checkpoint that knows it, and whom to cite."""

    file: str
    title: str
    condition: str
    target: str
    checkpoint: str
    attribution: str

    @property
    def path(self) -> Path:
        return FOLDER / self.file


SAMPLES: dict[str, Sample] = {
    "bbbc013-untreated": Sample(
        "bbbc013_untreated_D02.ome.tif",
        "BBBC013, untreated well (DNA, FKHR-EGFP)",
        "untreated",
        "wortmannin",
        "bbbc013-flow",
        BBBC013,
    ),
    "bbbc013-wortmannin": Sample(
        "bbbc013_wortmannin_D11.ome.tif",
        "BBBC013, well with 250 nM wortmannin (DNA, FKHR-EGFP)",
        "wortmannin",
        "untreated",
        "bbbc013-flow",
        BBBC013,
    ),
    "synthetic-organoid-healthy": Sample(
        "synthetic_organoid_healthy.ome.tif",
        "Synthetic organoid, healthy (DAPI, PH3, ZO1)",
        "healthy",
        "diseased",
        "synthetic-organoids-flow",
        INVENTED,
    ),
    "synthetic-organoid-diseased": Sample(
        "synthetic_organoid_diseased.ome.tif",
        "Synthetic organoid, diseased (DAPI, PH3, ZO1)",
        "diseased",
        "healthy",
        "synthetic-organoids-flow",
        INVENTED,
    ),
}


def sample(name: str) -> Image:
    """Open a bundled image.

    Parameters
    ----------
    name
        ``bbbc013-untreated`` or ``bbbc013-wortmannin``, wells of BBBC013 (DNA, FKHR-EGFP; 640 × 640 pixels, uint8);
        ``synthetic-organoid-healthy`` or ``synthetic-organoid-diseased``, which were invented (DAPI, PH3, ZO1).

    Returns
    -------
    The image, axes CYX.

    Raises
    ------
    InputError
        If there is none of that name.

    Examples
    --------
    >>> import napari_phenotrans as pt
    >>> pt.sample("bbbc013-untreated").channels
    ('DNA', 'FKHR-EGFP')
    """
    if name not in SAMPLES:
        raise InputError(f"There is no bundled image {name!r}. Choose among {', '.join(SAMPLES)}.")
    from napari_phenotrans.io import read

    return read(SAMPLES[name].path)
