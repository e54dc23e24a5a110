"""Ctrl-C at every line of a step: the client can be used again, and no reply is another's."""

from __future__ import annotations

import sys
from collections.abc import Generator
from contextlib import contextmanager
from types import FrameType
from typing import Any

import pytest

from envgen_runtime import EnvError
from generated.coding_env import CodingEnv
from tests.runtime.servers import faulty_process
from tests.support import ROOT

RUNTIME = str(ROOT / "runtime")


@contextmanager
def interrupted_at(number: int) -> Generator[list[str]]:
    """Interrupt the block at a line of the runtime, counted as they run. Gives the lines so far."""
    lines: list[str] = []

    def trace(frame: FrameType, event: str, _argument: Any) -> Any:
        if not frame.f_code.co_filename.startswith(RUNTIME):
            return None
        if event == "line":
            lines.append(f"{frame.f_code.co_filename}:{frame.f_lineno}")
            if len(lines) == number:
                raise KeyboardInterrupt
        return trace

    before = sys.gettrace()
    sys.settrace(trace)
    try:
        yield lines
    finally:
        sys.settrace(before)


@pytest.mark.parametrize("transport", ["websocket", "http-unchecked"])
@pytest.mark.parametrize("barrier", ["episode", "step"])
def test_an_interrupt_at_any_line_leaves_a_client_that_works(transport: Any, barrier: Any) -> None:
    if transport != "websocket" and barrier == "step":
        pytest.skip("nothing is sent behind a step over HTTP")
    with (
        faulty_process() as url,
        CodingEnv(url, transport=transport, barrier=barrier, on_drift="ignore") as env,
    ):
        env.reset()
        number, where = 0, ""
        while True:
            number += 1
            with interrupted_at(number) as lines:
                try:
                    env.step(code=f"{number} fine")
                    break  # it has no more lines
                except KeyboardInterrupt:
                    where = lines[-1]
            try:
                said = env.step(code=f"after-{number} fine").observation.stdout
            except EnvError:  # the session was lost
                env.reset()
                said = env.step(code=f"after-{number} fine").observation.stdout
            assert said.endswith(f":after-{number}"), where
    assert number > 20
