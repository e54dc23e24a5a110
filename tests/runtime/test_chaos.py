"""A small run of ``benchmarks.chaos``: nothing that a user must never see."""

from __future__ import annotations

import pytest

from benchmarks.chaos import Tally, run

NEVER = ("wrong step", "wrong reset", "wrong refusal", "over limit", "sockets left")


@pytest.mark.parametrize("mode", ["sync", "async"])
def test_no_late_repeat_gives_a_wrong_reply(mode: str) -> None:
    seen = run(mode, "twice_late", "step", 400, 8).seen
    assert {name: seen[name] for name in NEVER} == dict.fromkeys(NEVER, 0)
    assert not [name for name in seen if name.startswith("outside")]
    assert seen["error"], "there were faults"


def test_what_no_barrier_can_tell_is_counted_apart() -> None:
    tally = Tally(0)
    tally.replied("step", "7:1:t1", "7:t2")
    tally.replied("step", "7:3:t3", "7:t4")
    tally.replied("step", "7:5:t5", "7:t6")
    tally.tell_apart({"7:t1": "twice_late", "7:t2": "lost_reply", "7:t3": "twice_late"})
    assert (tally.seen["repeated for lost"], tally.seen["wrong step"]) == (1, 2)
