"""The session against a model of it, on a server that goes wrong in every way there is.

Whatever happens, a step's result is that of this step in this session, and an error says whether
the step may have been applied.
"""

from __future__ import annotations

import asyncio
import itertools
import select
from collections.abc import Callable, Iterator
from typing import Any, ClassVar

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

import envgen_runtime as rt
from envgen.demo.server import serving
from envgen_runtime.clients.session import Phase
from generated.coding_env import AsyncCodingEnv, CodeAction, CodingEnv
from tests.runtime.servers import Faulty
from tests.support import PATIENCE_S

LATE_LIMIT_S = 0.05
"""After which a step is given up that is answered late."""

# What each fault raises, and whether the session outlives it.
FAULTS: dict[str, tuple[type[rt.EnvError] | None, bool]] = {
    "fine": (None, True),
    "error": (rt.ExecutionError, True),
    "rejected": (rt.ActionRejected, True),
    "mismatch": (rt.ReplyMismatch, True),
    "session": (rt.ServerSessionError, False),
    "malformed": (rt.ProtocolError, False),
    "other": (rt.ProtocolError, False),
    "drop": (rt.ConnectionLost, False),
    "late": (rt.RequestTimeout, False),
}
# What is only found out by the next request, which isn't sent then.
AFTERMATH: dict[str, type[rt.EnvError]] = {"twice": rt.ProtocolError, "leave": rt.ConnectionLost}
OVER_HTTP = ["fine", "error", "rejected", "mismatch", "malformed", "drop", "late"]


class Session(RuleBasedStateMachine):
    """One client, driven at random, beside what is known of it."""

    url: ClassVar[str]
    server: ClassVar[Faulty]
    transport: ClassVar[Any]
    is_async: ClassVar[bool]
    numbers: ClassVar[Iterator[int]] = itertools.count()

    @initialize()
    def connect(self) -> None:
        options: dict[str, Any] = {
            "request_timeout_s": PATIENCE_S,
            "transport": self.transport,
            "on_drift": "ignore",
        }
        self.runner = asyncio.Runner() if self.is_async else None
        self.env = (AsyncCodingEnv if self.is_async else CodingEnv)(self.url, **options)
        self.phase = Phase.NEW
        self.session = ""
        self.count = 0
        self.surprise: type[rt.EnvError] | None = None

    def do(self, method: str, *args: Any, **options: Any) -> Any:
        result = getattr(self.env, method)(*args, **options)
        return self.runner.run(result) if self.runner is not None else result

    def wait_for_more(self) -> None:
        """Wait until what the server sent unasked is here: before that, nobody could know of it."""
        transport = self.env._transport
        if self.runner is None:
            assert select.select([transport._socket], [], [], PATIENCE_S)[0]
        else:
            self.runner.run(
                until(lambda: transport._connection.messages or not transport._connection.is_open)
            )

    @rule()
    def reset(self) -> None:
        result = self.do("reset")
        self.session, count, _ = result.observation.stdout.split(":")
        assert (count, result.reward) == ("0", 0)
        assert self.session == str(self.server.sessions)
        self.phase, self.count, self.surprise = Phase.READY, 0, None

    @rule(fault=st.sampled_from([*FAULTS, *AFTERMATH]))
    def step(self, fault: str) -> None:
        if self.transport == "http" and fault not in OVER_HTTP:
            return
        nonce = f"n{next(self.numbers)}"
        action = CodeAction(code=f"{nonce} {fault}")
        limit_s = LATE_LIMIT_S if fault == "late" else None
        raised: type[rt.EnvError] | None = {Phase.NEW: rt.NotReset, Phase.LOST: rt.SessionLost}.get(
            self.phase
        )
        lives = self.phase is Phase.READY
        if raised is None and self.surprise is not None:
            raised, lives = self.surprise, False
        sent = raised is None
        if sent:
            raised, lives = FAULTS.get(fault, (None, True))
            self.surprise = AFTERMATH.get(fault)
            self.count += fault not in ("error", "rejected")
        if raised is None:
            result = self.do("step", action)
            assert result.observation.stdout == f"{self.session}:{self.count}:{nonce}"
            assert result.reward == self.count
            if self.surprise is not None:
                self.wait_for_more()
        else:
            with pytest.raises(raised) as caught:
                self.do("step", action, timeout_s=limit_s)
            self.server.given_up.add(nonce)
            assert not caught.value.retryable
            if nonce in self.server.stepped:
                assert caught.value.maybe_applied, "it was applied, and the error denies it"
            if not sent:
                assert nonce not in self.server.stepped, "a step that must not be sent was"
                assert not caught.value.maybe_applied
            if not lives and self.phase is Phase.READY:
                self.phase = Phase.LOST

    @precondition(lambda self: self.phase is not Phase.LOST and self.surprise is None)
    @rule()
    def state(self) -> None:
        state = self.do("state")
        if self.phase is Phase.READY:
            assert state.step_count == self.count

    @invariant()
    def the_phase_is_the_models(self) -> None:
        if hasattr(self, "phase"):
            assert self.env._calls.session.phase is self.phase

    def teardown(self) -> None:
        if hasattr(self, "env"):
            self.do("close")
            with pytest.raises(rt.SessionClosed):
                self.do("reset")
            if self.runner is not None:
                self.runner.close()


async def until(condition: Callable[[], Any]) -> None:
    async with asyncio.timeout(PATIENCE_S):
        while not condition():  # noqa: ASYNC110 - the transport has no event for it
            await asyncio.sleep(0)


@pytest.fixture(scope="module")
def served() -> Iterator[tuple[Faulty, str]]:
    server = Faulty()
    with serving(server.app()) as url:
        yield server, url


@pytest.mark.slow
@pytest.mark.parametrize("is_async", [False, True], ids=["sync", "async"])
@pytest.mark.parametrize("transport", ["websocket", "http"])
def test_a_session_is_its_model(served: tuple[Faulty, str], transport: str, is_async: bool) -> None:
    class Case(Session):
        server, url = served

    Case.transport, Case.is_async = transport, is_async
    Case.server.stepped.clear()
    case = Case.TestCase
    case.settings = settings(
        max_examples=15,
        stateful_step_count=12,
        deadline=None,
        suppress_health_check=list(HealthCheck),
    )
    case("runTest").runTest()
