"""The events of a run, gathered for a view: curves, scores, pace, and how it ended."""

from __future__ import annotations

import math
from bisect import bisect_right
from dataclasses import dataclass
from typing import Any

import numpy as np

# The pace is measured over two periods of scoring and saving, whose time counts too, and at least so many steps.
_PERIODS = 2
_LEAST_STEPS = 20


@dataclass(frozen=True, eq=False)
class Series:
    """Values over steps. The arrays do not change afterwards.

    Parameters
    ----------
    steps
        Steps, rising, (n,) integers.
    values
        Their values, (n,) floats; may hold NaN.
    """

    steps: np.ndarray
    values: np.ndarray

    def __len__(self) -> int:
        return len(self.steps)


class RunHistory:
    """What is known of a run from its events so far.

    Where a later `Started` or `RolledBack` goes back to an earlier step, what came after that step is dropped.

    Attributes
    ----------
    step, steps
        Updates made, and to be made.
    device
        What it trains on, in words.
    fields, held_out
        Training and held-out fields per condition.
    losses, scores, facts
        Curves by name: losses of each step, scores on held-out fields, and what previews show (see
        `previews.write_preview`).
    floors, copy_source
        What two halves of real target and what real source score, by the names of scores.
    rate_s
        Steps per second, lately, without scoring and saving; None before it is known.
    left_s
        Seconds to the last step at the present pace, scoring and saving included; None before it is known.
    memory
        Bytes in use at most (the GPU's where there is one); None before it is known.
    notes
        Notices, divided batches and rollbacks, in sentences.
    rollbacks
        (step, reason) of each time it went back.
    best_step
        Step of the best score so far.
    saved
        Step of each checkpoint by its path in the folder.
    end, reason
        "finished", "stopped" or "failed", and why; empty while it goes on.
    latest
        Time of the last event, in seconds since 1970.
    """

    def __init__(self) -> None:
        self._forget()

    def _forget(self) -> None:
        self.step = self.steps = 0
        self.device = ""
        self.fields: dict[str, int] = {}
        self.held_out: dict[str, int] = {}
        self.losses: dict[str, Series] = {}
        self.scores: dict[str, Series] = {}
        self.facts: dict[str, Series] = {}
        self.floors: dict[str, float] = {}
        self.copy_source: dict[str, float] = {}
        self.rate_s: float | None = None
        self.left_s: float | None = None
        self.memory: int | None = None
        self.notes: list[str] = []
        self.rollbacks: list[tuple[int, str]] = []
        self.best_step: int | None = None
        self.saved: dict[str, int] = {}
        self.end = self.reason = ""
        self.latest = 0.0
        self._curves: dict[str, dict[str, _Growing]] = {"losses": {}, "scores": {}, "facts": {}}
        self._times = _Growing()
        self._period = 0

    def add_event(self, event: dict[str, Any]) -> None:
        """Add one line of ``events.jsonl`` (see `parse_event`); curves show it after `update_curves`."""
        self.latest = float(event.get("time", self.latest))
        match event.get("event"):
            case "Started":
                self._cut(event["step"])
                self.step, self.steps = event["step"], event["steps"]
                self.device, self.fields, self.held_out = event["device"], event["fields"], event["held_out"]
                self.end = self.reason = ""
                self.rate_s = None
                self._begin(event["step"])
            case "Losses":
                self.step = event["step"]
                self._times.append(self.step, self.latest)
                self._add("losses", self.step, event["losses"])
            case "Scored":
                self._add("scores", event["step"], event["scores"])
                self.floors |= event["floors"]
                self.copy_source |= event.get("copy_source", {})
                if event["best"]:
                    self.best_step = event["step"]
            case "Preview":
                self._add("facts", event["step"], event.get("facts", {}))
            case "Saved":
                self.saved[event["path"]] = event["step"]
            case "Pace":
                self.rate_s, self.memory = event["steps_per_second"], event["memory"]
            case "Notice":
                self.notes.append(event["text"])
            case "Divided":
                self.notes.append(
                    f"Memory ran out at step {event['step']}: from there on a batch is computed in {event['parts']} "
                    f"parts."
                )
            case "RolledBack":
                self.rollbacks.append((event["step"], event["reason"]))
                self.notes.append(
                    f"At step {event['step']} {event['reason']}; it went back to step {event['to_step']}, with "
                    f"learning rates × {event['rate']:g}."
                )
                self._cut(event["to_step"])
                self.step = event["to_step"]
                self._begin(self.step)
            case "Stopped":
                self.step, self.end, self.reason = event["step"], "stopped", event["reason"]
            case "Finished":
                self.step, self.end = event["step"], "finished"
            case "Failed":
                self.step, self.end, self.reason = event["step"], "failed", event["error"]

    def update_curves(self, period: int = 0) -> None:
        """Bring curves and the time left up to date; ``period`` is the steps between scorings or savings."""
        for kind, curves in self._curves.items():
            setattr(self, kind, {name: curve.series() for name, curve in curves.items() if curve.count})
        times = self._times.series()
        window = max(_LEAST_STEPS, _PERIODS * period)
        steps, at = times.steps[-window - 1 :], times.values[-window - 1 :]
        self.left_s = None
        if len(steps) > 1 and steps[-1] > steps[0] and not self.end:
            self.left_s = float((self.steps - self.step) * (at[-1] - at[0]) / (steps[-1] - steps[0]))

    def _begin(self, step: int) -> None:
        self._times = _Growing()
        self._times.append(step, self.latest)

    def _add(self, kind: str, step: int, values: dict[str, float]) -> None:
        curves = self._curves[kind]
        for name, value in values.items():
            if name not in curves:
                curves[name] = _Growing()
            curves[name].append(step, value)

    def _cut(self, step: int) -> None:
        """Drop what came after a step."""
        for curves in self._curves.values():
            for curve in curves.values():
                curve.cut(step)
        if self.best_step is not None and self.best_step > step:
            # the best step before that one is not known until the next better score
            self.best_step = None


class _Growing:
    """A curve that grows; the arrays of an earlier `series` do not change.

    What was added since the last `series` is kept in lists: an array that grows by single values costs ten times as
    much, and a run may have hundreds of thousands of steps.
    """

    def __init__(self) -> None:
        self._steps: list[int] = []
        self._values: list[float] = []
        self._made = Series(np.empty(0, np.int64), np.empty(0))

    @property
    def count(self) -> int:
        return len(self._steps)

    def append(self, step: int, value: float | None) -> None:
        self._steps.append(step)
        self._values.append(math.nan if value is None else value)

    def cut(self, step: int) -> None:
        left = bisect_right(self._steps, step)
        del self._steps[left:], self._values[left:]
        self._made = Series(self._made.steps[:left], self._made.values[:left])

    def series(self) -> Series:
        done = len(self._made)
        if done < self.count:
            self._made = Series(
                np.concatenate([self._made.steps, np.array(self._steps[done:], np.int64)]),
                np.concatenate([self._made.values, np.array(self._values[done:], np.float64)]),
            )
        return self._made
