"""Sessions belong to their process and event loop, and forgotten clients give theirs back."""

from __future__ import annotations

import asyncio
import multiprocessing
import os
import socket
import ssl
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
import trustme
import uvicorn
from websockets.utils import apply_mask

import envgen_runtime as rt
from envgen_runtime import forks
from envgen_runtime.transports import keepalive
from envgen_runtime.transports.frames import text_frame
from generated.coding_env import AsyncCodingEnv, CodingEnv
from tests.runtime import tries
from tests.runtime.servers import Faulty, faulty_process

pytestmark = [
    pytest.mark.skipif(not hasattr(os, "fork"), reason="this system has no fork"),
    # Python 3.12 and later warn of every fork beside a thread, such as that of the keepalive.
    pytest.mark.filterwarnings("ignore:This process:DeprecationWarning"),
]


@pytest.fixture(scope="module")
def url() -> Iterator[str]:
    with faulty_process() as url:
        yield url


@pytest.fixture(scope="module")
def url_of_one() -> Iterator[str]:
    with faulty_process(capacity=1) as url:
        yield url


@pytest.mark.slow
@pytest.mark.parametrize("transport", ["websocket", "http"])
@pytest.mark.parametrize("fork", [tries.fork_sync, tries.fork_async])
def test_a_forked_child_never_takes_its_parents_replies(
    url: str, fork: Any, transport: str
) -> None:
    assert fork(url, transport) == []


def test_a_forked_child_that_ends_leaves_the_session(url: str) -> None:
    assert tries.fork_and_close(url) == []


def test_a_forked_child_masks_its_frames_with_bytes_of_its_own() -> None:
    def masks() -> list[str]:
        return [text_frame(b"a text", apply_mask)[2:6].hex() for _ in range(20)]

    masks()  # so that there are some left, which the child inherits
    child = tries.Child(masks)
    told = {line.rpartition(" ")[2] for line in child.wait("masks")}
    assert len(told) == 20
    assert not told & set(masks())


@pytest.mark.slow
def test_no_lock_survives_a_fork(url: str) -> None:
    assert tries.fork_among_threads(url, forks=20) == []


def test_a_lock_that_is_held_at_a_fork_is_free_in_the_child() -> None:
    """As another thread holds it for a moment, which forks seldom meet."""
    env = CodingEnv("http://127.0.0.1:9")
    own, shared = env._calls.session, keepalive.KEEPALIVE

    def work() -> list[str]:
        return [type(item).__name__ for item in (own, shared) if item._lock.locked()]

    with own._lock, shared._lock:
        child = tries.Child(work)
    assert child.wait("locks") == []


def test_what_fails_to_let_go_keeps_nothing_else_from_it() -> None:
    class Failing:
        def after_fork(self) -> None:
            raise RuntimeError("on purpose")

    class Next:
        is_left = False

        def after_fork(self) -> None:
            self.is_left = True

    failing, following = Failing(), Next()
    forks.track(failing)
    forks.track(following)
    child = tries.Child(lambda: [] if following.is_left else ["it was not asked to let go"])
    assert child.wait("fork") == []
    assert not following.is_left, "the parent keeps all"


class OwnProvider:
    """A provider of a user's own, which remembers what was stopped."""

    def __init__(self, url: str) -> None:
        self._url = url
        self.stopped: list[str] = []

    def start_container(self, image: str, /, **_: Any) -> str:
        del image
        return self._url

    def wait_for_ready(self, base_url: str, timeout_s: float = 30.0) -> None:
        """It is ready."""

    def stop_container(self) -> None:
        self.stopped.append("stopped")


@pytest.mark.parametrize("was_reset", [True, False])
def test_a_forked_child_does_not_stop_the_provider(url: str, was_reset: bool) -> None:
    provider = OwnProvider(url)
    env = CodingEnv.from_docker_image("an-image", provider)

    def work() -> list[str]:
        with env:
            env.reset()
        with env.with_options() as own:
            own.reset()
        return provider.stopped

    with env:
        if was_reset:
            env.reset()
        assert tries.Child(work).wait("fork") == []
        env.reset()
    assert provider.stopped == ["stopped"]


def test_a_forked_child_numbers_its_requests_anew() -> None:
    env = CodingEnv("http://h")

    def made() -> str:
        return env._request("state", {}, None).request_id.partition("-")[0]

    parents = made()
    assert made() == parents

    def work() -> list[str]:
        return [parents] if made() == parents else []

    assert tries.Child(work).wait("fork") == []


def test_a_forked_child_needs_an_http_client_of_its_own(url: str) -> None:
    with httpx.Client() as client, CodingEnv(url, transport="http", http_client=client) as env:
        env.reset()

        def work() -> list[str]:
            for inherited in (env, env.with_options()):
                with pytest.raises(rt.ConnectError, match="make one here"):
                    inherited.reset()
            with httpx.Client() as own:
                env.with_options(http_client=own).reset()
            return []

        assert tries.Child(work).wait("fork") == []
        env.step(code="1 fine")


def test_a_replay_goes_on_in_a_forked_child(url: str, tmp_path: Path) -> None:
    trace = tmp_path / "trace.jsonl"
    with CodingEnv(url, observers=[rt.EpisodeTrace(trace)]) as env:
        env.reset()
        env.reset()

    def work() -> list[str]:
        replay.reset()
        return []

    with CodingEnv.from_trace(trace) as replay:
        replay.reset()
        assert tries.Child(work).wait("fork") == []
        replay.reset()


def test_an_async_child_needs_an_event_loop_of_its_own(url: str) -> None:
    async def play() -> list[str]:
        async with AsyncCodingEnv(url) as env:
            await env.reset()

            def work() -> list[str]:
                with pytest.raises(rt.ConnectError, match=r"asyncio\.run"):
                    env.reset().send(None)
                return []

            child = tries.Child(work)
            await env.step(code="1 fine")
            return await asyncio.to_thread(child.wait, "fork")

    assert asyncio.run(play()) == []


def test_a_child_that_leaves_its_parents_loop_by_an_exit_takes_nothing_along(url: str) -> None:
    """Leaving ``asyncio.run`` cancels the loop's tasks and ends its connections, there too."""

    async def play() -> None:
        async with AsyncCodingEnv(url) as env, AsyncCodingEnv(url) as other:
            await env.reset()
            session = tries.session_of(await other.reset())
            stepping = asyncio.create_task(other.step(code="waits fine"))
            await asyncio.sleep(0)  # it is sent
            if (child := os.fork()) == 0:
                sys.exit()
            # Blocks the loop, whose wake-up by another thread the child takes with it, at its end.
            os.waitpid(child, 0)  # noqa: ASYNC222
            assert (await stepping).observation.stdout == f"{session}:1:waits"
            await env.step(code="1 fine")

    parent = os.getpid()
    try:
        asyncio.run(play())
    finally:
        if os.getpid() != parent:
            os._exit(0)


@pytest.mark.parametrize("is_async", [False, True])
def test_over_tls_too(tmp_path: Path, is_async: bool) -> None:
    authority = trustme.CA()
    trusting = ssl.create_default_context()
    authority.configure_trust(trusting)
    certificate = tmp_path / "certificate.pem"
    issued = authority.issue_cert("localhost")
    certificate.write_bytes(issued.private_key_and_cert_chain_pem.bytes())
    with socket.create_server(("127.0.0.1", 0)) as listener:
        config = uvicorn.Config(
            Faulty().app(), log_config=None, lifespan="off", ssl_certfile=certificate
        )
        server = uvicorn.Server(config)
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]})
        thread.start()
        try:
            secure = f"https://localhost:{listener.getsockname()[1]}"
            fork = tries.fork_async if is_async else tries.fork_sync
            assert fork(secure, ssl_context=trusting) == []
        finally:
            server.should_exit = True
            thread.join()


@pytest.mark.slow
@pytest.mark.parametrize("method", ["fork", "forkserver", "spawn"])
def test_a_client_that_never_connected_goes_to_workers(url: str, method: str) -> None:
    with multiprocessing.get_context(method).Pool(2) as pool:
        assert pool.map(tries.play_in_worker, [CodingEnv(url)] * 4) == [[]] * 4


@pytest.mark.slow
@pytest.mark.parametrize("run", [tries.loop_after_loop, tries.loop_beside_loop])
def test_a_session_belongs_to_its_event_loop(url_of_one: str, run: Any) -> None:
    assert run(url_of_one) == []


@pytest.mark.parametrize("kind", tries.error_classes(), ids=lambda kind: kind.__name__)
def test_errors_are_pickled_with_their_attributes(kind: type[rt.EnvError]) -> None:
    assert tries.pickled(kind) == []


def test_errors_leave_a_pool() -> None:
    with multiprocessing.get_context("fork").Pool(1) as pool:
        found = [tries.through_a_pool(pool, kind) for kind in tries.error_classes()]
    assert [finding for some in found for finding in some] == []


@pytest.mark.slow
@pytest.mark.parametrize("transport", ["websocket", "http"])
@pytest.mark.parametrize("forget", [tries.forget_sync, tries.forget_async])
def test_a_forgotten_client_gives_its_session_back(
    url_of_one: str, forget: Any, transport: str
) -> None:
    assert forget(url_of_one, transport) == []
