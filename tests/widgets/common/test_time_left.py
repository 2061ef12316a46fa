from __future__ import annotations

from napari_phenotrans.widgets.common.time_left import TimeLeft


def test_time_left_is_of_the_step_that_goes_on_and_of_what_was_done_here() -> None:
    now = 0.0
    left = TimeLeft(clock=lambda: now)
    assert left.after("reading", 0.5) == ""
    now = 1.0
    assert left.after("reading", 0.6) == ""  # too early to say
    now = 10.0
    # a tenth took 5 s since, for half was there before
    assert left.after("reading", 0.7) == ", about 15 s left"
    assert left.after("reading", 1.0) == ""
    assert left.after("measuring", 0.0) == ""
    now = 610.0
    assert left.after("measuring", 0.5) == ", about 10 min left"
