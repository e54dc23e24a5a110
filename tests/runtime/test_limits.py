"""One time limit for a call, whatever the call has to do: in a time of our own, and on sockets."""

from __future__ import annotations

import asyncio
import math
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any

import httpcore
import httpx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import envgen_runtime as rt
from envgen_runtime.clients.call import Call, Open, Send, Wait
from envgen_runtime.transports import http_deadline, tcp
from envgen_runtime.wire import protocol, retries
from generated.coding_env import AsyncCodingEnv, CodingEnv
from tests.runtime.servers import observed
from tests.runtime.test_call import REPLY, reset
from tests.runtime.test_frames import both_clients, speaking

FULL = "CAPACITY_REACHED"
TOLERANCE_S = 1e-6


class Clock:
    """A time that passes only when a call waits, or when its server takes it."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


@contextmanager
def own_time() -> Iterator[Clock]:
    clock = Clock()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(protocol, "monotonic", clock)
        patch.setattr(retries, "monotonic", clock)
        yield clock


def play(
    clock: Clock, call: Call[Any], env: CodingEnv, attempts: Iterator[tuple[str, float]]
) -> Any:
    """Perform a call. ``attempts`` say what comes of each attempt, and how long that takes.

    Returns the result, or the error. A server that takes longer than there is left times out.
    """

    def spend(duration_s: float, limit_s: float) -> bool:
        clock.now += min(duration_s, limit_s)
        return duration_s <= limit_s

    outcome, duration_s = "", 0.0
    connect_s = env._options.connect_timeout_s
    throw: rt.EnvError | None = None
    answer: Any = None
    try:
        while True:
            effect = call.throw(throw) if throw is not None else call.send(answer)
            throw = answer = None
            match effect:
                case Open(_, request):
                    outcome, duration_s = next(attempts)
                    if outcome == "unreachable":
                        spend(duration_s, request.seconds_left(connect_s))
                        throw = rt.ConnectError("not there")
                case Send(request):
                    assert request.operation == "reset"
                    if not spend(duration_s, request.seconds_left()):
                        throw = rt.RequestTimeout("late")
                    elif outcome == "full":
                        throw = rt.CapacityReached("full", code=FULL)
                    else:
                        answer = REPLY
                case Wait(delay_s):
                    clock.now += delay_s
                case _:
                    pass
    except StopIteration as end:
        return end.value
    except rt.EnvError as error:
        return error


OUTCOMES = st.sampled_from(["unreachable", "full", "answered"])
DURATIONS = st.floats(0, 30)


@settings(max_examples=100)
@given(
    st.lists(st.tuples(OUTCOMES, DURATIONS), max_size=30),
    st.floats(0.1, 20),
    st.floats(0, 20),
    st.booleans(),
)
def test_a_call_takes_no_longer_than_its_limit(
    attempts: list[tuple[str, float]], limit_s: float, capacity_wait_s: float, is_of_the_call: bool
) -> None:
    policy = rt.RetryPolicy(attempts=9, capacity_wait_s=capacity_wait_s)
    env = CodingEnv("http://h", request_timeout_s=limit_s, retry=policy, on_drift="ignore")
    with own_time() as clock:
        began = clock.now
        call = reset(env, timeout_s=limit_s if is_of_the_call else None)
        play(clock, call, env, iter([*attempts, ("answered", 0.0)]))
        taken_s = clock.now - began
    assert taken_s <= limit_s + (0 if is_of_the_call else capacity_wait_s) + TOLERANCE_S


def forever(outcome: str, duration_s: float) -> Iterator[tuple[str, float]]:
    while True:
        yield outcome, duration_s


def test_waiting_for_a_session_takes_nothing_from_the_clients_limit() -> None:
    policy = rt.RetryPolicy(capacity_wait_s=60, max_delay_s=2)
    env = CodingEnv("http://h", request_timeout_s=2, retry=policy, on_drift="ignore")
    refusals = [("full", 0.5)] * 12
    with own_time() as clock:
        result = play(clock, reset(env), env, iter([*refusals, ("answered", 1.4)]))
    assert result.reward == 1.0, "1.5 s were left for the attempt that found a session"
    env = CodingEnv("http://h", request_timeout_s=2, retry=policy, on_drift="ignore")
    with own_time() as clock:
        result = play(clock, reset(env), env, iter([*refusals, ("answered", 1.6)]))
    assert isinstance(result, rt.RequestTimeout)


def test_a_limit_of_the_call_holds_the_wait_for_a_session_too() -> None:
    policy = rt.RetryPolicy(capacity_wait_s=60)
    env = CodingEnv("http://h", retry=policy, on_drift="ignore")
    with own_time() as clock:
        error = play(clock, reset(env, timeout_s=3), env, forever("full", 0.1))
    assert isinstance(error, rt.CapacityReached)
    assert error.__notes__ == [
        "the limit of 3 s leaves no time for another reset: attempt 4 was the last"
    ]


def test_an_error_says_that_the_limit_ended_the_attempts() -> None:
    env = CodingEnv("http://h", retry=rt.RetryPolicy(attempts=9), on_drift="ignore")
    with own_time() as clock:
        error = play(clock, reset(env, timeout_s=1), env, forever("unreachable", 0.4))
    assert isinstance(error, rt.ConnectError)
    assert "the limit of 1 s leaves no time" in error.__notes__[0]
    assert error.retryable


@pytest.mark.parametrize("bad", ["9", math.nan, math.inf, 0, -1, True, [1], 1e300, 10**400])
def test_what_is_no_limit_is_refused_in_plain_words(bad: Any) -> None:
    env = CodingEnv("http://h")
    with pytest.raises(rt.InvalidRequest, match="timeout_s must be a number of seconds"):
        env.step(code="1", timeout_s=bad)
    with pytest.raises(rt.InvalidRequest, match="timeout_s must be a number of seconds"):
        asyncio.run(AsyncCodingEnv("http://h").reset(timeout_s=bad))
    with pytest.raises(ValueError, match="step_timeout_s must be a number of seconds"):
        CodingEnv("http://h", step_timeout_s=bad)


# --- on sockets ---------------------------------------------------------------------------------


@contextmanager
def silent() -> Iterator[str]:
    """A server that takes connections, and never says a word: it hangs up after a minute."""
    with socket.create_server(("127.0.0.1", 0), backlog=64) as listener:
        hang_up = threading.Timer(60, listener.close)
        hang_up.start()
        try:
            yield f"http://127.0.0.1:{listener.getsockname()[1]}"
        finally:
            hang_up.cancel()
            hang_up.join()


def reset_once(url: str, is_async: bool, *, timeout_s: float | None = None, **options: Any) -> None:
    async def play_async() -> None:
        async with AsyncCodingEnv(url, **options) as env:
            await env.reset(timeout_s=timeout_s)

    if is_async:
        asyncio.run(play_async())
        return
    with CodingEnv(url, **options) as env:
        env.reset(timeout_s=timeout_s)


@pytest.mark.slow
@both_clients
@pytest.mark.parametrize("of_the_call", [True, False])
def test_a_silent_server_is_waited_for_within_the_limit(is_async: bool, of_the_call: bool) -> None:
    limit = {"timeout_s": 2} if of_the_call else {"request_timeout_s": 2}
    with silent() as url:
        with pytest.raises(rt.ConnectError, match=r"did not open a WebSocket within [12]"):
            reset_once(url, is_async, connect_timeout_s=600, **limit)


@pytest.mark.slow
@both_clients
def test_a_silent_server_over_http_is_waited_for_within_the_limit(is_async: bool) -> None:
    with silent() as url:
        with pytest.raises(rt.RequestTimeout, match=r"no reply to reset within 2 s"):
            reset_once(
                url, is_async, transport="http-unchecked", timeout_s=2, connect_timeout_s=600
            )


def test_a_request_has_its_own_limit_whatever_the_one_before_had() -> None:
    async def play(url: str) -> None:
        async with AsyncCodingEnv(url, barrier="off", request_timeout_s=600) as env:
            await env.reset()
            with pytest.raises(rt.RequestTimeout, match="no reply to step"):
                await asyncio.wait_for(env.step(code="1", timeout_s=0.05), 10)

    with speaking(observed({})) as url:
        asyncio.run(play(url))


def test_all_addresses_of_a_name_share_the_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    tried: list[float] = []

    class Unreachable(socket.socket):
        def connect(self, address: Any) -> None:
            tried.append(self.gettimeout() or 0.0)
            clock.now += 0.4
            raise TimeoutError

    monkeypatch.setattr(tcp.socket, "socket", Unreachable)
    address = (socket.AF_INET, socket.SOCK_STREAM, 0, "", ("192.0.2.1", 80))
    monkeypatch.setattr(tcp.socket, "getaddrinfo", lambda *_: [address] * 5)
    clock = Clock()
    monkeypatch.setattr(tcp.time, "monotonic", clock)
    with pytest.raises(TimeoutError):
        tcp.open_socket("h.example", 80, secure=False, deadline=clock.now + 1)
    assert tried == pytest.approx([1.0, 0.6, 0.2])


def test_all_addresses_of_a_name_share_the_limit_over_http(monkeypatch: pytest.MonkeyPatch) -> None:
    tried: list[tuple[str, float]] = []

    def unreachable(_self: object, host: str, _port: int, limit_s: float, *_: Any) -> Any:
        tried.append((host, limit_s))
        clock.now += 0.4
        raise httpcore.ConnectTimeout

    names = [("192.0.2.1", 80), ("fe80::1", 80, 0, 7), ("2001:db8::1", 80, 0, 0), ("192.0.2.2", 80)]
    families = [socket.AF_INET, socket.AF_INET6, socket.AF_INET6, socket.AF_INET]
    found = [(family, 0, 0, "", name) for family, name in zip(families, names, strict=True)]
    monkeypatch.setattr(http_deadline.socket, "getaddrinfo", lambda *_: found)
    monkeypatch.setattr(httpcore.SyncBackend, "connect_tcp", unreachable)
    clock = Clock()
    monkeypatch.setattr(http_deadline.time, "monotonic", clock)
    backend = http_deadline.DeadlineBackend()
    backend.deadline = clock.now + 1
    with pytest.raises(httpcore.ConnectTimeout):
        backend.connect_tcp("h.example", 80, 600)
    assert [host for host, _ in tried] == ["192.0.2.1", "fe80::1%7", "2001:db8::1"]
    assert [limit_s for _, limit_s in tried] == pytest.approx([1.0, 0.6, 0.2])


def test_a_reply_that_drips_through_a_client_of_the_users_ends_at_the_limit(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """httpx has a limit for each read alone."""

    class Dripping(httpx.SyncByteStream):
        def __iter__(self) -> Iterator[bytes]:
            for byte in observed({}).encode():
                clock.now += 1
                yield bytes([byte])

    clock = Clock()
    answer = httpx.MockTransport(lambda _: httpx.Response(200, stream=Dripping()))
    with httpx.Client(transport=answer) as own:
        with CodingEnv("http://h", transport="http-unchecked", http_client=own) as env:
            monkeypatch.setattr(http_deadline.time, "monotonic", clock)
            with pytest.raises(rt.RequestTimeout):
                env.reset(timeout_s=10)


@pytest.mark.parametrize("operation", ["read", "write"])
def test_every_read_and_write_over_http_has_what_is_left(
    operation: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A socket may have room for all that is written, so none that is full is waited for."""
    limits: list[float | None] = []

    class Slow(httpcore.NetworkStream):
        def write(self, buffer: bytes, timeout: float | None = None) -> None:
            limits.append(timeout)
            clock.now += 0.4

        def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
            self.write(b"", timeout)
            return b"x" * max_bytes

    clock = Clock()
    monkeypatch.setattr(http_deadline.time, "monotonic", clock)
    monkeypatch.setattr(httpcore.SyncBackend, "connect_tcp", lambda *_: Slow())
    backend = http_deadline.DeadlineBackend()
    backend.deadline = clock.now + 1
    stream = backend.connect_tcp("127.0.0.1", 80)
    call = partial(stream.read, 1) if operation == "read" else partial(stream.write, b"x" * 65536)
    for _ in range(3):
        call()
    with pytest.raises(TimeoutError):
        call()
    assert limits == pytest.approx([1.0, 0.6, 0.2])


def test_a_name_without_an_address_is_said_over_http() -> None:
    with pytest.raises(rt.ConnectError, match="could not be reached"):
        reset_once("http://env.invalid", False, transport="http-unchecked")
