"""A small run of ``benchmarks.chaos``: nothing that a user must never see."""

from __future__ import annotations

import pytest

from benchmarks.chaos import run

NEVER = ("wrong step", "wrong reset", "over limit", "sockets left")


@pytest.mark.parametrize("mode", ["sync", "async"])
def test_no_late_repeat_gives_a_wrong_reply(mode: str) -> None:
    seen = run(mode, "twice_late", "step", 400, 8)
    assert {name: seen[name] for name in NEVER} == dict.fromkeys(NEVER, 0)
    assert not [name for name in seen if name.startswith("outside")]
    assert seen["error"], "there were faults"
