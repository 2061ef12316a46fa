"""Events that translating and training yield while they run: small frozen records to draw, print or write."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Notice:
    """Something the user should know that stops nothing.

    Parameters
    ----------
    text
        One or two sentences.

    Examples
    --------
    >>> import napari_phenotrans as pt
    >>> pt.Notice("The pixel size is unknown.").text
    'The pixel size is unknown.'
    """

    text: str


@dataclass(frozen=True)
class Progressed:
    """Progress of work in equal parts: ``done`` of ``total``, and in a few words what is done."""

    what: str
    done: int
    total: int
