"""Extractors by name: what turns crops into the features that scores compare.

Which one was used stands beside every score, because scores of different features do not compare. Each is fixed for a
data set: fitted to real training crops of all conditions, or to photographs; never to an engine or its translations.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from napari_phenotrans.core.errors import InputError
from napari_phenotrans.features.base import Extractor, ExtractorResources

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Mapping

    import numpy as np

    from napari_phenotrans.core.events import Progressed

__all__ = ["EXTRACTORS", "Entry", "Extractor", "ExtractorResources", "extractor_entry"]


@dataclass(frozen=True)
class Entry:
    """An extractor before it is built.

    Parameters
    ----------
    about
        What it measures, in one sentence.
    build
        ``(fit, resources)`` to a generator of progress that returns the `Extractor`; ``fit`` holds real training crops
        (n, C, s, s) in about [-1, 1] per condition.
    channels
        Whether it also gives features of each channel by itself.
    """

    about: str
    build: Callable[[Mapping[str, np.ndarray], ExtractorResources], Generator[Progressed, None, Extractor]]
    channels: bool = True


def _profile(fit: Mapping[str, np.ndarray], resources: ExtractorResources) -> Generator[Progressed, None, Extractor]:
    from napari_phenotrans.features.profile import build_profile

    return build_profile(fit, resources)


def _in_domain(fit: Mapping[str, np.ndarray], resources: ExtractorResources) -> Generator[Progressed, None, Extractor]:
    from napari_phenotrans.features.in_domain import build_in_domain

    return build_in_domain(fit, resources)


def _inception(fit: Mapping[str, np.ndarray], resources: ExtractorResources) -> Generator[Progressed, None, Extractor]:
    from napari_phenotrans.features.pretrained import build_photographs

    return build_photographs("inception", fit, resources)


def _vgg(fit: Mapping[str, np.ndarray], resources: ExtractorResources) -> Generator[Progressed, None, Extractor]:
    from napari_phenotrans.features.pretrained import build_photographs

    return build_photographs("vgg", fit, resources)


EXTRACTORS: dict[str, Entry] = {
    "profile": Entry(
        "Classical measurements of each crop: intensities, structure at four sizes, correlations.", _profile
    ),
    "in-domain": Entry(
        "A small network trained here on real crops: to tell conditions apart, and real from spoiled crops.",
        _in_domain,
        channels=False,
    ),
    "inception": Entry("Inception-v3 trained on photographs, as published FID and KID use it (91 MB).", _inception),
    "vgg": Entry("VGG-16 trained on photographs, as published precision and recall use it (528 MB).", _vgg),
}


def extractor_entry(name: str) -> Entry:
    """Return an extractor's entry.

    Raises
    ------
    InputError
        If there is none of that name.
    """
    if name not in EXTRACTORS:
        raise InputError(f"There are no features {name!r}. Choose among {', '.join(EXTRACTORS)}.")
    return EXTRACTORS[name]
