"""What becomes of the bytes of a sound file: one change each, told by a seed."""

from __future__ import annotations

import json
import re
from random import Random
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable

# what stands where a value stood: of another type, far outside, or what other programs trip over
ODD: tuple[Any, ...] = (
    None, True, -1, 0, 1.5, 2**31, 10**30, -(10**30), 1e308, "", "x", "\0", "\ud800", "../..", "$x$", "<b>x</b>",
    "=1+1", [], {}, [[]], {"a": {}},
)  # fmt: skip
NUMBERS = (b"0", b"-1", b"1", b"65536", b"4294967295", b"99999999999999999999", b"1e400", b"nan")


def flip_bit(data: bytes, rng: Random) -> bytes:
    place = rng.randrange(len(data))
    return data[:place] + bytes([data[place] ^ (1 << rng.randrange(8))]) + data[place + 1 :]


def cut_off(data: bytes, rng: Random) -> bytes:
    return data[: rng.randrange(len(data))]


def take_out(data: bytes, rng: Random) -> bytes:
    start, end = _range(data, rng)
    return data[:start] + data[end:]


def repeat(data: bytes, rng: Random) -> bytes:
    start, end = _range(data, rng)
    return data[:end] + data[start:]


def overwrite(data: bytes, rng: Random) -> bytes:
    start, end = _range(data, rng)
    filling = rng.choice((b"\0", b"\xff", b""))
    return data[:start] + (filling * (end - start) or rng.randbytes(end - start)) + data[end:]


def overwrite_head(data: bytes, rng: Random) -> bytes:
    """Put another number into the first bytes, where formats say how large they are."""
    size = rng.choice((1, 2, 4, 8))
    place = rng.randrange(max(1, min(len(data), 400) - size))
    value = rng.choice((0, 1, 2 ** (8 * size - 1), 2 ** (8 * size) - 1, rng.randrange(2 ** (8 * size))))
    return data[:place] + value.to_bytes(size, rng.choice(("little", "big"))) + data[place + size :]


def another_number(data: bytes, rng: Random) -> bytes:
    """Put another number where one is written in digits, as in JSON, XML and tables."""
    found = list(re.finditer(rb"(?<![\w.])-?\d+(\.\d+)?(?![\w.])", data[:200_000]))
    if not found:
        return flip_bit(data, rng)
    one = rng.choice(found)
    return data[: one.start()] + rng.choice(NUMBERS) + data[one.end() :]


def another_value(data: bytes, rng: Random) -> bytes:
    """Put something odd where a value stands in JSON, or take it out; a line of several is one document."""
    lines = data.split(b"\n")
    number = rng.randrange(len(lines))
    for text in (data, lines[number]):
        try:
            document = json.loads(text)
        except ValueError:
            continue
        changed = json.dumps(_changed(document, rng)).encode()
        return changed if text is data else b"\n".join([*lines[:number], changed, *lines[number + 1 :]])
    return another_number(data, rng)


MUTATIONS: dict[str, Callable[[bytes, Random], bytes]] = {
    "a bit flipped": flip_bit,
    "cut off": cut_off,
    "a part taken out": take_out,
    "a part repeated": repeat,
    "a part overwritten": overwrite,
    "another number in the head": overwrite_head,
    "another number in the text": another_number,
    "another value": another_value,
}


def mutate(data: bytes, seed: int) -> tuple[str, bytes]:
    """Return which of the mutations a seed chooses, and what it makes of data."""
    rng = Random(seed)
    name = rng.choice(list(MUTATIONS))
    return name, MUTATIONS[name](data, rng) if data else data


def _range(data: bytes, rng: Random) -> tuple[int, int]:
    start = rng.randrange(len(data))
    return start, min(len(data), start + rng.choice((1, 4, 16, 256, 4096)))


def _changed(document: Any, rng: Random) -> Any:
    """Return a document in which one value, chosen at random, is missing or another one."""
    if isinstance(document, dict) and document and rng.random() < 0.9:
        key = rng.choice(list(document))
        if rng.random() < 0.1:
            return {name: value for name, value in document.items() if name != key}
        return {**document, key: _changed(document[key], rng)}
    if isinstance(document, list) and document and rng.random() < 0.9:
        place = rng.randrange(len(document))
        return [*document[:place], _changed(document[place], rng), *document[place + 1 :]]
    return rng.choice(ODD)
