"""A small run of ``benchmarks.chaos``: nothing that a user must never see."""

from __future__ import annotations

import pytest

from benchmarks.chaos import run

NEVER = ("wrong step", "wrong reset", "over limit", "sockets left")


@pytest.mark.parametrize("mode", ["sync", "async"])
@pytest.mark.parametrize(
    ("faults", "barrier"), [("", "step"), ("twice_late", "step")], ids=["all", "late repeats"]
)
def test_no_fault_gives_a_wrong_reply(mode: str, faults: str, barrier: str) -> None:
    seen = run(mode, faults, barrier, 400, 8)
    assert {name: seen[name] for name in NEVER} == dict.fromkeys(NEVER, 0)
    assert not [name for name in seen if name.startswith("outside")]
    assert seen["error"], "there were faults"
