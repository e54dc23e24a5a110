"""A client as people use it: options, copies, pickles, notebooks, keywords, episodes."""

from __future__ import annotations

import asyncio
import gc
import json
import multiprocessing
import pickle
import socket
import ssl
import threading
import warnings
from collections.abc import Iterator
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import trustme
import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route, WebSocketRoute
from starlette.websockets import WebSocket

import envgen_runtime as rt
from envgen.demo.environment import CodingEnvironment
from envgen.demo.server import create_app, serving
from envgen_runtime.transports import keepalive
from generated.coding_env import AsyncCodingEnv, CodeAction, CodeObservation, CodingEnv
from tests.runtime.servers import observed, requests
from tests.support import ROOT

CONTRACT = json.loads((ROOT / "schemas" / "coding_env.json").read_text())
HELLO = CodeAction(code="print('hello')")


@pytest.fixture(scope="module")
def url() -> Iterator[str]:
    with serving(create_app(CONTRACT, partial(CodingEnvironment, max_steps=3))) as base_url:
        yield base_url


# --- calls --------------------------------------------------------------------------------------


def test_a_step_takes_an_actions_fields(url: str) -> None:
    with CodingEnv(url) as env:
        env.reset()
        assert env.step(code="print(6 * 7)").observation.stdout == "42\n"
        with pytest.raises(rt.InvalidRequest, match="not both"):
            env.step(HELLO, code="1")  # type: ignore[call-overload]
        with pytest.raises(rt.InvalidRequest, match="not the fields of CodeAction"):
            env.step(cod="1")  # type: ignore[call-overload]
        assert env.step(HELLO).reward == 1.0, "what was never sent loses nothing"


def test_a_result_unpacks(url: str) -> None:
    with CodingEnv(url) as env:
        env.reset()
        observation, reward, done, metadata = env.step(HELLO)
    assert isinstance(observation, CodeObservation)
    assert (observation.stdout, reward, done, metadata) == ("hello\n", 1.0, False, {})


def test_an_episode_is_played_by_a_policy(url: str) -> None:
    def policy(observation: CodeObservation) -> CodeAction:
        return CodeAction(code=f"print({len(observation.stdout)})")

    with CodingEnv(url) as env:
        played = list(env.episode(policy, seed=1))
        assert [step.result.observation.stdout for step in played] == ["0\n", "2\n", "2\n"]
        assert [step.action.code for step in played][:2] == ["print(0)", "print(2)"]
        assert played[1].observation is played[0].result.observation
        assert played[-1].result.done
        assert len(list(env.episode(policy, max_steps=2))) == 2


def test_an_episode_is_played_by_a_coroutine(url: str) -> None:
    async def policy(_observation: CodeObservation) -> CodeAction:
        await asyncio.sleep(0)
        return HELLO

    async def play() -> list[Any]:
        async with AsyncCodingEnv(url) as env:
            return [step.result.reward async for step in env.episode(policy)]

    assert asyncio.run(play()) == [1.0, 1.0, 1.0]


def test_the_sync_client_works_within_a_running_loop(url: str) -> None:
    async def cell() -> str:  # as a notebook runs it
        with CodingEnv(url) as env:
            env.reset()
            return env.step(HELLO).observation.stdout

    assert asyncio.run(cell()) == "hello\n"


# --- copies -------------------------------------------------------------------------------------


def test_with_options_gives_another_client(url: str) -> None:
    with CodingEnv(url, request_timeout_s=3) as env:
        env.reset()
        with env.with_options(step_timeout_s=60) as other:
            assert [other._timeouts[it] for it in ("reset", "step", "state")] == [3, 60, 3]
            with pytest.raises(rt.NotReset):
                other.step(HELLO)
            other.reset()
            assert other.step(HELLO).reward == 1.0
        assert env._timeouts["step"] == 3
        assert env.step(HELLO).reward == 1.0


def test_a_provider_stays_with_its_client() -> None:
    class Stopped(rt.ContainerProvider):
        times = 0

        def start_container(self, image: str, /, *args: Any, **kwargs: Any) -> str:
            raise NotImplementedError

        def wait_for_ready(self, base_url: str, timeout_s: float = 30.0) -> None:
            raise NotImplementedError

        def stop_container(self) -> None:
            self.times += 1

    provider = Stopped()
    with CodingEnv("http://h", provider=provider) as env:
        env.with_options(step_timeout_s=60).close()
        assert provider.times == 0, "the server is still in use"
    assert provider.times == 1


def work(env: CodingEnv) -> str:
    with env:
        env.reset()
        return env.step(HELLO).observation.stdout


@pytest.mark.slow
def test_a_client_travels_to_another_process(url: str) -> None:
    env = CodingEnv(url, step_timeout_s=7)
    assert pickle.loads(pickle.dumps(env))._timeouts["step"] == 7
    assert pickle.loads(pickle.dumps(AsyncCodingEnv(url))).base_url == url
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        assert pool.apply(work, (env,)) == "hello\n"


def test_an_open_session_does_not_travel(url: str) -> None:
    with CodingEnv(url) as env:
        env.reset()
        with pytest.raises(TypeError, match="has not connected"):
            pickle.dumps(env)


def test_a_server_without_a_schema_says_so() -> None:
    with serving(Starlette()) as url, CodingEnv(url) as env:
        with pytest.raises(rt.ServerError) as caught:
            env.server_contract()
    assert caught.value.code == "HTTP_404"


# --- sockets ------------------------------------------------------------------------------------


def test_a_server_that_pings_an_idle_client_is_answered(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(keepalive, "_PERIOD_S", 0.05)
    pongs = threading.Event()

    async def serve(stop: asyncio.Event, started: Any) -> None:
        import websockets.asyncio.server as ws

        async def session(connection: Any) -> None:
            await connection.recv()
            await connection.send(observed({}))
            await (await connection.ping())
            pongs.set()
            await connection.send(observed({})) if await connection.recv() else None
            await connection.wait_closed()

        async with ws.serve(session, "127.0.0.1", 0, ping_interval=None) as server:
            started.set_result((asyncio.get_running_loop(), server.sockets[0].getsockname()[1]))
            await stop.wait()

    from concurrent.futures import Future

    started: Future[Any] = Future()
    stop = asyncio.Event()
    thread = threading.Thread(target=asyncio.run, args=(serve(stop, started),))
    thread.start()
    loop, port = started.result(5)
    try:
        with CodingEnv(f"http://127.0.0.1:{port}", barrier="off") as env:
            env.reset()
            assert pongs.wait(5), "nobody answered the ping of the server"
            env.step(HELLO)
    finally:
        loop.call_soon_threadsafe(stop.set)
        thread.join()


def test_tls(tmp_path: Path) -> None:
    authority = trustme.CA()
    certificate = authority.issue_cert("localhost")
    trusting = ssl.create_default_context()
    authority.configure_trust(trusting)
    chain, key = tmp_path / "chain.pem", tmp_path / "key.pem"
    certificate.cert_chain_pems[0].write_to_path(str(chain))
    certificate.private_key_pem.write_to_path(str(key))

    async def session(websocket: WebSocket) -> None:
        await websocket.accept()
        async for _ in requests(websocket):
            await websocket.send_text(observed({"stdout": "x" * 200_000}))

    async def reset(_request: Request) -> JSONResponse:
        return JSONResponse(json.loads(observed({}))["data"])

    routes = [WebSocketRoute("/ws", session), Route("/reset", reset, methods=["POST"])]
    with socket.create_server(("127.0.0.1", 0)) as listener:
        config = uvicorn.Config(
            Starlette(routes=routes),
            ssl_certfile=str(chain),
            ssl_keyfile=str(key),
            log_level="error",
        )
        server = uvicorn.Server(config)
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]})
        thread.start()
        url = f"https://localhost:{listener.getsockname()[1]}"

        async def play() -> None:
            async with AsyncCodingEnv(url, ssl_context=trusting) as env:
                assert len((await env.reset()).observation.stdout) == 200_000

        try:
            with CodingEnv(url, ssl_context=trusting) as env:
                env.reset()
                assert len(env.step(HELLO).observation.stdout) == 200_000
            asyncio.run(play())
            with CodingEnv(url, ssl_context=trusting, transport="http") as env:
                env.reset()
            with CodingEnv(url, retry=rt.RetryPolicy(attempts=1)) as env:
                with pytest.raises(rt.ConnectError, match=r"(?i)certificate"):
                    env.reset()
        finally:
            server.should_exit = True
            thread.join()


@pytest.mark.parametrize("is_async", [False, True])
def test_a_proxy_is_gone_through(url: str, is_async: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[bytes] = []

    def pump(source: socket.socket, sink: socket.socket) -> None:
        with suppress(OSError):  # the other way is closed already
            while data := source.recv(65536):
                sink.sendall(data)
        sink.close()

    def proxy(listener: socket.socket) -> None:
        client, _ = listener.accept()
        asked.append(client.recv(65536))
        server = socket.create_connection(("127.0.0.1", int(url.rpartition(":")[2])))
        client.sendall(b"HTTP/1.1 200 Connection established\r\n\r\n")
        threading.Thread(target=pump, args=(server, client), daemon=True).start()
        pump(client, server)

    async def play() -> None:
        async with AsyncCodingEnv("http://env.invalid") as env:
            await env.reset()

    with socket.create_server(("127.0.0.1", 0)) as listener:
        monkeypatch.setenv("http_proxy", f"http://u:p@127.0.0.1:{listener.getsockname()[1]}")
        monkeypatch.setenv("no_proxy", "")
        thread = threading.Thread(target=proxy, args=(listener,), daemon=True)
        thread.start()
        if is_async:
            asyncio.run(play())
        else:
            with CodingEnv("http://env.invalid") as env:
                env.reset()
        thread.join(5)
    assert asked[0].startswith(b"CONNECT env.invalid:80 ")
    assert b"Proxy-Authorization: Basic dTpw" in asked[0]


@pytest.mark.slow
@pytest.mark.parametrize("answer", [b"", b"SSH-2.0-OpenSSH\r\n\r\n", b"HTTP/1.1 407 No\r\n\r\n"])
def test_a_proxy_that_opens_no_tunnel_is_left(
    answer: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The socket is closed: left to the collector, it would be a ResourceWarning."""
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def refuse() -> None:
            with listener.accept()[0] as client:
                client.recv(65536)
                client.sendall(answer)

        # Without a scheme, as many set it.
        monkeypatch.setenv("http_proxy", f"127.0.0.1:{listener.getsockname()[1]}")
        monkeypatch.setenv("no_proxy", "")
        thread = threading.Thread(target=refuse, daemon=True)
        thread.start()
        retry = rt.RetryPolicy(attempts=1)
        with CodingEnv("ws://env.invalid", transport="websocket", retry=retry) as env:
            with pytest.raises(rt.ConnectError, match=r"(?i)tunnel"):
                env.reset()
        thread.join()
    with warnings.catch_warnings(record=True) as left:
        warnings.simplefilter("always", ResourceWarning)
        gc.collect()
    assert [str(warning.message) for warning in left] == []
