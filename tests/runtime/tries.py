"""What goes wrong, if it does, with processes, event loops and forgotten clients.

Each function here makes one try at something that people do, and returns what a user would have
found wrong. Tests make one try of each; ``benchmarks.ownership`` makes a thousand.
"""

from __future__ import annotations

import asyncio
import gc
import itertools
import json
import os
import pickle
import select
import signal
import sys
import threading
import time
import warnings
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any
from urllib.request import urlopen

import envgen_runtime as rt
from envgen_runtime import errors
from envgen_runtime.calling import advice
from envgen_runtime.tools import errors as tool_errors
from generated.coding_env import AsyncCodingEnv, CodingEnv

Findings = list[str]

PATIENCE_S = 60.0
"""After how many seconds something has hung. Workers import this: ``support`` has a lot in tow."""

_numbers = itertools.count()


def nonce() -> str:
    return f"{os.getpid()}-{next(_numbers)}"


def open_sessions(url: str) -> int:
    with urlopen(f"{url}/open", timeout=PATIENCE_S) as response:
        return int(response.read())


def none_open(url: str, what: str) -> Findings:
    """Whether the server has all of its sessions back, once it has noticed."""
    deadline = time.monotonic() + 10
    while (count := open_sessions(url)) and time.monotonic() < deadline:
        time.sleep(0.005)
    return [f"{what}: the server holds {count} sessions"] if count else []


def descriptors() -> int:
    """How many descriptors this process has; 0 where the system doesn't say."""
    folder = Path("/proc/self/fd")
    return len(list(folder.iterdir())) if folder.exists() else 0


def none_left(before: int, what: str) -> Findings:
    """Whether there are no more descriptors than ``before``, once the event loop has run."""
    deadline = time.monotonic() + 10
    while (left := descriptors() - before) > 0 and time.monotonic() < deadline:
        time.sleep(0.005)
    return [f"{what}: {left} descriptors are left"] if left > 0 else []


# --- forks --------------------------------------------------------------------------------------


class Child:
    """A forked child that does some work. Its findings are read by ``wait``."""

    def __init__(self, work: Callable[[], Findings]) -> None:
        self._reading, writing = os.pipe()
        self._pid = os.fork()
        if self._pid:
            os.close(writing)
            return
        try:
            os.close(self._reading)
            findings = work()
        except BaseException as error:  # noqa: BLE001 - reported, whatever it is
            findings = [f"{type(error).__name__}: {error}"]
        os.write(writing, json.dumps(findings).encode())
        os._exit(0)

    def wait(self, what: str) -> Findings:
        readable, _, _ = select.select([self._reading], [], [], PATIENCE_S)
        if not readable:
            os.kill(self._pid, signal.SIGKILL)
        text = b"" if not readable else os.read(self._reading, 1 << 16)
        os.close(self._reading)
        os.waitpid(self._pid, 0)
        findings = ["it hangs"] if not readable else json.loads(text or '["it died"]')
        return [f"{what}, child: {finding}" for finding in findings]


def played(what: str, replies: Iterable[tuple[str, Any]], session: str, first: int) -> Findings:
    """The steps among ``replies`` whose result is another's, by their nonces."""
    wrong: Findings = []
    for count, (sent, result) in enumerate(replies, first):
        expected = f"{session}:{count}:{sent}"
        if result.observation.stdout != expected:
            wrong.append(f"{what}: {result.observation.stdout} is not {expected}")
    return wrong


def session_of(result: Any) -> str:
    return str(result.observation.stdout).partition(":")[0]


def refuses(call: Callable[[], object]) -> Findings:
    """Whether a call raises what says that nothing was sent."""
    try:
        call()
    except rt.SessionLost as error:
        return [] if not error.sent and not error.maybe_applied else ["SessionLost, but sent"]
    except Exception as error:  # noqa: BLE001 - reported, whatever it is
        return [f"{type(error).__name__}: {error}"]
    return ["a call was answered"]


def take_steps(env: CodingEnv, count: int) -> list[tuple[str, Any]]:
    return [(sent, env.step(code=f"{sent} fine")) for sent in (nonce() for _ in range(count))]


async def take_steps_async(env: AsyncCodingEnv, count: int) -> list[tuple[str, Any]]:
    sent = [nonce() for _ in range(count)]
    return [(one, await env.step(code=f"{one} fine")) for one in sent]


def fork_sync(url: str, transport: Any = "auto", **options: Any) -> Findings:
    """Parent and child use an open session at the same time; the child resets and closes."""
    env = CodingEnv(url, transport=transport, **options)
    session = session_of(env.reset())

    def work() -> Findings:
        found = [*refuses(env.state), *refuses(lambda: env.step(code=f"{nonce()} fine"))]
        if not transport.startswith("http"):  # one environment is behind HTTP
            own = session_of(env.reset())
            found += ["the child has the parent's session"] if own == session else []
            found += played("the child's own session", take_steps(env, 3), own, 1)
        env.close()
        return found

    child = Child(work)
    found = played("parent", take_steps(env, 5), session, 1)
    found += child.wait("fork")
    found += played("parent after", take_steps(env, 2), session, 6)
    env.close()
    return found


def fork_async(url: str, transport: Any = "auto", **options: Any) -> Findings:
    """As ``fork_sync``, with a fork inside the running event loop."""

    async def play() -> Findings:
        env = AsyncCodingEnv(url, transport=transport, **options)
        session = session_of(await env.reset())

        async def elsewhere() -> Findings:
            found: Findings = []
            if not transport.startswith("http"):
                own = session_of(await env.reset())
                found += ["the child has the parent's session"] if own == session else []
                found += played("the child's own", await take_steps_async(env, 3), own, 1)
            await env.close()
            return found

        def work() -> Findings:
            inherited = env.step(code=f"{nonce()} fine")
            return [*refuses(lambda: inherited.send(None)), *asyncio.run(elsewhere())]

        child = Child(work)
        found = played("parent", await take_steps_async(env, 5), session, 1)
        found += await asyncio.to_thread(child.wait, "fork")
        found += played("parent after", await take_steps_async(env, 2), session, 6)
        await env.close()
        return found

    return asyncio.run(play())


def fork_and_close(url: str) -> Findings:
    """The child does nothing but leave a ``with`` block, and exits as programs do."""
    with CodingEnv(url) as env:
        session = session_of(env.reset())
        if (child := os.fork()) == 0:
            try:
                with env:
                    sys.exit()
            finally:
                os._exit(0)
        os.waitpid(child, 0)
        return played("parent", take_steps(env, 2), session, 1)


def fork_among_threads(url: str, forks: int) -> Findings:
    """Children are forked while other threads open and close sessions, and open their own."""
    over = threading.Event()
    found: Findings = []

    def churn() -> None:
        while not over.is_set():
            with CodingEnv(url) as env:
                env.reset()

    def work() -> Findings:
        with CodingEnv(url) as env:
            own = session_of(env.reset())
            return played("session", take_steps(env, 1), own, 1)

    threads = [threading.Thread(target=churn) for _ in range(2)]
    for thread in threads:
        thread.start()
    try:
        for _ in range(forks):
            found += Child(work).wait("fork among threads")
    finally:
        over.set()
        for thread in threads:
            thread.join()
    return found


# --- event loops --------------------------------------------------------------------------------


def loop_after_loop(url: str) -> Findings:
    """One ``asyncio.run`` after another, on a server that has room for one session."""
    env = AsyncCodingEnv(url)
    found: Findings = []
    for _ in range(2):

        async def play() -> Findings:
            session = session_of(await env.reset())
            return played("loop", await take_steps_async(env, 1), session, 1)

        found += asyncio.run(play())
        found += refuses(lambda: asyncio.run(env.step(code=f"{nonce()} fine")))
    asyncio.run(env.close())
    return found + none_open(url, "close in a later loop")


def loop_beside_loop(url: str) -> Findings:
    """A second loop takes over while the first stands still; then it goes on."""
    env = AsyncCodingEnv(url)
    first, second = asyncio.new_event_loop(), asyncio.new_event_loop()
    found: Findings = []
    try:
        session = session_of(first.run_until_complete(env.reset()))
        found += refuses(lambda: second.run_until_complete(env.step(code=f"{nonce()} fine")))
        steps = first.run_until_complete(take_steps_async(env, 2))
        found += played("first loop", steps, session, 1)
        session = session_of(second.run_until_complete(env.reset()))
        found += refuses(lambda: first.run_until_complete(env.state()))
        steps = second.run_until_complete(take_steps_async(env, 2))
        found += played("second loop", steps, session, 1)
        first.run_until_complete(env.close())
    finally:
        for loop in (first, second):
            loop.run_until_complete(loop.shutdown_asyncgens())
            loop.close()
    return found + none_open(url, "close in the other loop")


# --- errors -------------------------------------------------------------------------------------


_ERROR_MODULES = (errors.__name__, tool_errors.__name__, advice.__name__)


def error_classes() -> list[type[rt.EnvError]]:
    """The whole tree."""
    found: list[type[rt.EnvError]] = []
    left: list[type[rt.EnvError]] = [rt.EnvError]
    while left:
        found.append(left.pop())
        left += [one for one in found[-1].__subclasses__() if one.__module__ in _ERROR_MODULES]
    return [*dict.fromkeys(found)]  # one may be below two others


_EXTRA: dict[str, dict[str, Any]] = {
    "UpgradeRefused": {"status": 503, "retry_after_s": 2.5, "server_text": "sleeping"},
    "ReplyMismatch": {"path": "$.observation.board[3]", "maybe_applied": True},
    "ContractDrift": {"drift": ["action.move was removed"]},
    "MissingExtra": {"extra": "exact"},
    "InvalidRequest": {"path": "$.board"},
    "ToolArgumentsInvalid": {"path": "$.qty", "server_text": "qty is too large"},
    "ToolResultMismatch": {"path": "$.structuredContent", "result": {"content": []}},
    "ActionRejected": {"code": "VALIDATION_ERROR", "errors": [{"msg": "as told"}]},
}


def example(kind: type[rt.EnvError]) -> rt.EnvError:
    """An error of this class, with all that the runtime gives to one."""
    given = dict(_EXTRA.get(kind.__name__, {}))
    if issubclass(kind, rt.ServerError):
        given = {
            "code": "CAPACITY_REACHED",
            "data": {"max_sessions": 4},
            "request_id": "1",
            **given,
        }
    if issubclass(kind, rt.ProviderError):
        given = {"log": "line\n", "exit_code": 3}
    if issubclass(kind, rt.ToolError):
        given = {"tool": "add", "reward": 0.5, "done": True, "observation": {"a": 1}, **given}
    error = kind("what happened", **given)
    error.sent = error.maybe_applied = True
    error.add_note("It exited with code 3.")
    return error


def same(error: rt.EnvError, other: object) -> Findings:
    """Whether ``other`` is ``error`` to everyone who asks."""
    name = type(error).__name__
    if type(other) is not type(error):
        return [f"{name} became {other!r}"]
    found = [
        f"{name}.{attribute} became {getattr(other, attribute, None)!r}"
        for attribute in (*dir(type(error)), *vars(error))
        if not attribute.startswith("__") or attribute == "__notes__"
        if not callable(value := getattr(error, attribute, None))
        if getattr(other, attribute, None) != value
    ]
    return found if str(other) == str(error) else [*found, f"{name} says {other}"]


def raise_(error: rt.EnvError) -> None:
    raise error


def pickled(kind: type[rt.EnvError]) -> Findings:
    """An error is pickled, by every protocol."""
    error = example(kind)
    return [
        finding
        for protocol in range(pickle.HIGHEST_PROTOCOL + 1)
        for finding in same(error, pickle.loads(pickle.dumps(error, protocol)))
    ]


def through_a_pool(pool: Any, kind: type[rt.EnvError]) -> Findings:
    """A worker of a ``multiprocessing.Pool`` raises an error."""
    error = example(kind)
    try:
        pool.apply_async(raise_, (error,)).get(PATIENCE_S)
    except Exception as raised:  # noqa: BLE001 - compared
        return same(error, raised)
    return [f"{type(error).__name__} was not raised"]


def play_in_worker(env: CodingEnv) -> Findings:
    """Work of a pool, with a client that was never connected."""
    with env.with_options() as own:
        session = session_of(own.reset())
        return played("worker", take_steps(own, 2), session, 1)


def through_worker(pool: Any, env: CodingEnv) -> Findings:
    """A worker of a ``multiprocessing.Pool`` plays on a client that it is sent."""
    found: Findings = pool.apply_async(play_in_worker, (env,)).get(PATIENCE_S)
    return found


# --- forgotten clients --------------------------------------------------------------------------


def forget_async(url: str, transport: Any = "auto") -> Findings:
    """An async client is dropped without ``close()``, while its loop goes on."""

    async def play() -> Findings:
        with warnings.catch_warnings(record=True) as seen:
            warnings.simplefilter("always")
            await asyncio.to_thread(gc.collect)  # the thread's own descriptors exist from now on
            before = descriptors()
            env: Any = AsyncCodingEnv(url, transport=transport)
            await env.reset()
            del env
            gc.collect()
            found = await asyncio.to_thread(none_open, url, "a forgotten async client")
            found += await asyncio.to_thread(none_left, before, "a forgotten async client")
        return found + named(seen, "AsyncCodingEnv", url)

    return asyncio.run(play())


def forget_sync(url: str, transport: Any = "auto") -> Findings:
    """A sync client is dropped without ``close()``."""
    with warnings.catch_warnings(record=True) as seen:
        warnings.simplefilter("always")
        before = descriptors()
        env: Any = CodingEnv(url, transport=transport)
        env.reset()
        del env
        gc.collect()
        found = none_open(url, "a forgotten client") + none_left(before, "a forgotten client")
    return found + named(seen, "CodingEnv", url)


def named(seen: list[warnings.WarningMessage], name: str, url: str) -> Findings:
    told = [str(warning.message) for warning in seen if warning.category is ResourceWarning]
    if len(told) == 1 and name in told[0] and url in told[0]:
        return []
    return [f"the warnings are {told}"]
