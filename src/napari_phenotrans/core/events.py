"""What translating and training say while they run: small frozen records, for whoever asked to draw, print or write."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Notice:
    """Something the user should know and that stops nothing, in one sentence or two."""

    text: str


@dataclass(frozen=True)
class Progressed:
    """Work that comes in equal parts: ``done`` of ``total``, and in a few words what it is."""

    what: str
    done: int
    total: int
