"""Tests of napari_phenotrans.runs.parse: every mutation of a run folder's files ends in a sentence."""

from __future__ import annotations

import json
from contextlib import suppress
from typing import TYPE_CHECKING, Any

import pytest

from napari_phenotrans.core.errors import InputError
from napari_phenotrans.core.events import Notice
from napari_phenotrans.runs.launch import request_stop
from napari_phenotrans.runs.lock import read_owner
from napari_phenotrans.runs.monitor import RunWatch
from napari_phenotrans.runs.parse import parse_decided, parse_event, parse_folders
from napari_phenotrans.runs.recent import RememberedRuns, list_runs
from napari_phenotrans.runs.record import fields_from, read_decided
from napari_phenotrans.training.events import (
    Divided,
    Failed,
    Finished,
    Losses,
    Pace,
    Preview,
    RolledBack,
    Saved,
    Scored,
    Started,
    Stopped,
    to_json,
)

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

DECIDED = {
    "engine": "shift",
    "settings": {"steps": 10, "save_every": 2, "score_every": 2},
    "conditions": ["a", "b"],
    "channels": ["DNA", "GFP"],
    "training": {"folder": "data", "fields": [["a/1.tif", "a", "1"]]},
    "held-out": {"folder": "data", "fields": []},
    "about": "",
    "attribution": "",
    "synthetic": False,
    "host": "elsewhere",
    "pid": 17,
    "process started": 1e9,
    "torch": "2.9",
}
EVENTS = (
    Started(0, 10, "cpu", {"a": 1, "b": 2}, {}),
    Notice("Few fields."),
    Losses(1, {"cycle": 0.5, "identity": float("nan")}),
    Pace(1, 2.5, 10**9),
    Divided(2, 4, 2),
    RolledBack(3, 2, 0.5, "the loss was not a number"),
    Preview(3, "previews/step-00003.png", {"change": 0.1}),
    Scored(4, {"kid": 0.5}, True, {"kid": 0.1}, {"kid": 0.9}),
    Saved(4, "last.safetensors"),
    Stopped(4, "stopped by request"),
    Finished(10),
    Failed(4, "no room"),
)
ODD: tuple[Any, ...] = (
    None, True, -1, 1.5, 10**30, -(10**30), 1e308, "", "x", "\0", "\ud800", "../..", [], {}, [[]], {"a": {}},
)  # fmt: skip


def mutations(value: Any) -> Iterator[Any]:
    """Give what a value can become: another one, or one in which a part is missing or another one."""
    yield from ODD
    if isinstance(value, dict):
        for key, part in value.items():
            yield {k: v for k, v in value.items() if k != key}
            yield from ({**value, key: odd} for odd in mutations(part))
    elif isinstance(value, list):
        for index, part in enumerate(value):
            yield from ([*value[:index], odd, *value[index + 1 :]] for odd in mutations(part))


def write(path: Path, value: Any) -> None:
    path.write_bytes(json.dumps(value).encode())


def test_what_a_run_writes_is_read(tmp_path: Path) -> None:
    write(tmp_path / "run.json", DECIDED)
    assert json.loads(json.dumps(read_decided(tmp_path / "run.json"))) == DECIDED
    for event in EVENTS:
        written = to_json(event)
        parsed = parse_event(written.encode())
        assert parsed is not None
        assert parsed["event"] == type(event).__name__
        missing = set(json.loads(written)) - set(parsed)
        assert missing <= {"path", "crops", "step"}, "of what a history does not ask for"


def test_every_mutated_run_is_read_or_refused_by_name(tmp_path: Path) -> None:
    path, refused = tmp_path / "run.json", 0
    for value in mutations(DECIDED):
        write(path, value)
        try:
            decided = read_decided(path)
        except InputError as error:
            assert str(path) in str(error)
            refused += 1
        else:
            fields_from(decided["training"], tuple(decided["conditions"]))
        watch = RunWatch(tmp_path)
        watch.poll()
        assert watch.sentence
    assert refused > 150


def test_every_mutated_process_is_read_or_is_none(tmp_path: Path) -> None:
    process = {"host": "elsewhere", "pid": 17, "process started": 1e9, "born": "boot 17"}
    for name in ("lock", "starting.json"):
        none = 0
        for value in mutations(process):
            write(tmp_path / name, value)
            owner = read_owner(tmp_path / name)
            none += owner is None
            if owner:
                owner.is_running()
            RunWatch(tmp_path).poll()
            with suppress(InputError):
                request_stop(tmp_path)
        assert none > 20


@pytest.mark.parametrize("event", EVENTS, ids=lambda event: type(event).__name__)
def test_every_mutated_event_is_read_or_left_out_by_its_line(event: Any, tmp_path: Path) -> None:
    written = json.loads(to_json(event))
    first = to_json(EVENTS[0])
    for value in mutations(written):
        (tmp_path / "events.jsonl").write_text(f"{first}\n{json.dumps(value)}\n", encoding="utf-8")
        watch = RunWatch(tmp_path)
        watch.poll()
        try:
            parse_event(json.dumps(value).encode())
        except ValueError:
            assert "line 2 of events.jsonl (" in watch.notes[-1]
        assert watch.device == "cpu" or event is EVENTS[0]


def test_events_of_another_version_are_passed_over() -> None:
    assert parse_event(b'{"event": "Invented later", "anything": 1}') is None
    older = parse_event(
        b'{"event": "Scored", "step": 4, "scores": {"kid": null}, "best": true, "floors": {}, "new": 1}'
    )
    assert older == {"event": "Scored", "step": 4, "scores": {"kid": None}, "best": True, "floors": {}}


def test_a_refusal_names_the_place_and_the_value(tmp_path: Path) -> None:
    wrong = DECIDED | {"training": {"folder": "data", "fields": [["a/1.tif", "a"]]}}
    with pytest.raises(InputError, match=r"run.json cannot be read: training.fields.0.2: .*required.*Expected the"):
        parse_decided(json.dumps(wrong).encode(), tmp_path / "run.json")
    with pytest.raises(InputError, match=r"conditions: .*got 7"):
        parse_decided(json.dumps(DECIDED | {"conditions": 7}).encode(), tmp_path / "run.json")
    with pytest.raises(InputError, match=r"run\.json cannot be read: .*fields are of \['a'\], none of the conditions"):
        parse_decided(json.dumps(DECIDED | {"conditions": ["aa", "b"]}).encode(), tmp_path / "run.json")
    with pytest.raises(ValueError, match=r"Losses.losses.cycle: .*got 'much'"):
        parse_event(b'{"event": "Losses", "step": 1, "losses": {"cycle": "much"}}')


def test_mutated_lists_of_runs_remember_nothing(tmp_path: Path) -> None:
    file = tmp_path / "runs.json"
    for value in mutations(["one", "two"]):
        write(file, value)
        list_runs(RememberedRuns(file).folders())
    with pytest.raises(InputError, match="no file's name may have"):
        parse_folders(b'["a\\u0000b"]', file)
