"""Saying what is wrong with a value that a file of ours holds."""

from __future__ import annotations

from reprlib import Repr
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pydantic import ValidationError

_SHORT = Repr()
_SHORT.maxstring = _SHORT.maxother = 60


def problem_of(error: ValidationError) -> str:
    """Return what is wrong first, with the field's place and its value."""
    first = error.errors(include_url=False)[0]
    # the kind of an event is part of the place, but stands in no file
    place = ".".join(str(part) for part in first["loc"])
    got = "" if first["type"] in ("missing", "json_invalid") else f", got {_SHORT.repr(first['input'])}"
    return f"{place}: {first['msg']}{got}" if place else f"{first['msg']}{got}"
