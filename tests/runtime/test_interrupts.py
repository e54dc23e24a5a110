"""Ctrl-C at every place in a step: the client can be used again, and no reply is another's."""

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
    """Interrupt the block at one of the places where Python looks for signals.

    It does so as a function of the runtime begins, and behind a call from one to a built-in.

    Args:
        number: which of them, as they are reached. Gives those until then.
    """
    places: list[str] = []

    def profile(frame: FrameType, event: str, _argument: Any) -> None:
        if event in ("call", "c_return") and frame.f_code.co_filename.startswith(RUNTIME):
            places.append(f"{frame.f_code.co_filename}:{frame.f_lineno}")
            if len(places) == number:
                raise KeyboardInterrupt

    sys.setprofile(profile)
    try:
        yield places
    finally:
        sys.setprofile(None)


@pytest.mark.slow
@pytest.mark.parametrize("transport", ["websocket", "http-unchecked"])
@pytest.mark.parametrize("barrier", ["episode", "step"])
def test_an_interrupt_anywhere_leaves_a_client_that_works(transport: Any, barrier: Any) -> None:
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
            with interrupted_at(number) as places:
                try:
                    env.step(code=f"{number} fine")
                    break  # it has no more places
                except KeyboardInterrupt:
                    where = places[-1]
            try:
                said = env.step(code=f"after-{number} fine").observation.stdout
            except EnvError:  # the session was lost
                env.reset()
                said = env.step(code=f"after-{number} fine").observation.stdout
            assert said.endswith(f":after-{number}"), where
    assert number > 20
