"""The HTTP transport's connection: when it is kept, when it is replaced, how it can end."""

from __future__ import annotations

import asyncio
import contextlib
import json
import socket
import struct
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

import envgen_runtime as rt
from generated.coding_env import AsyncCodingEnv, CodingEnv
from tests.support import ROOT

_TCPI_DATA_SEGS_IN = 152  # where it stands in Linux's struct tcp_info

both_clients = pytest.mark.parametrize("is_async", [False, True], ids=["sync", "async"])

REPLY = json.dumps({"observation": {"stdout": "hello"}, "reward": 1, "done": False}).encode()
_STALE = REPLY.replace(b"hello", b"stale")
UNASKED = b"HTTP/1.1 200 OK\r\ncontent-length: %d\r\n\r\n%s" % (len(_STALE), _STALE)


class Server:
    """An HTTP server of the first kind. It counts connections and keeps requests.

    A step with the code ``fail`` is answered with a 500, ``cut`` with half a body, ``twice`` with a
    second response behind the first, in one write.
    """

    def __init__(self) -> None:
        self.connections = 0
        self.requests: list[tuple[str, dict[str, str]]] = []
        server = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def setup(self) -> None:
                super().setup()
                server.connections += 1

            def do_POST(self) -> None:
                names = {name.lower(): value for name, value in self.headers.items()}
                server.requests.append((self.path, names))
                body = json.loads(self.rfile.read(int(names["content-length"])))
                code = body.get("action", {}).get("code", "")
                more = UNASKED if code == "twice" else b""
                self.send_response(500 if code == "fail" else 200)
                self.send_header("content-length", str(len(REPLY)))
                self.end_headers()
                self.wfile.write(REPLY[:20] if code == "cut" else REPLY + more)
                if code == "cut":
                    self.close_connection = True

            def log_message(self, *_: object) -> None:
                """Say nothing."""

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self._server.server_port}"
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.01,))
        self._thread.start()

    def close(self) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()


@pytest.fixture
def server() -> Iterator[Server]:
    with contextlib.closing(Server()) as server:
        yield server


class Player:
    """A client over HTTP, sync or async, driven from outside of its event loop."""

    def __init__(self, url: str, *, is_async: bool, **options: Any) -> None:
        kind = AsyncCodingEnv if is_async else CodingEnv
        self._runner = asyncio.Runner()
        options = {"transport": "http-unchecked", "on_drift": "ignore", **options}
        self._env: Any = kind(url, **options)

    def _run(self, call: Callable[[], Any]) -> Any:
        async def run() -> Any:
            result = call()
            return await result if asyncio.iscoroutine(result) else result

        return self._runner.run(run())

    def reset(self) -> Any:
        return self._run(self._env.reset)

    def step(self, code: str) -> Any:
        return self._run(lambda: self._env.step(code=code))

    def close(self) -> None:
        self._run(self._env.close)
        self._runner.close()


@both_clients
def test_one_connection_serves_an_episode(server: Server, is_async: bool) -> None:
    with contextlib.closing(Player(server.url, is_async=is_async)) as env:
        env.reset()
        assert [env.step("1").observation.stdout for _ in range(3)] == ["hello"] * 3
    assert server.connections == 1


@both_clients
def test_an_idle_connection_expires_before_servers_drop_theirs(
    server: Server, is_async: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Servers close connections that were idle for five seconds; a step mustn't meet that."""
    now, ahead = time.monotonic, [0.0]
    monkeypatch.setattr(time, "monotonic", lambda: now() + ahead[0])
    with contextlib.closing(Player(server.url, is_async=is_async)) as env:
        env.reset()
        ahead[0] += 1
        env.step("1")
        assert server.connections == 1, "it is young"
        ahead[0] += 4
        env.step("1")
    assert server.connections == 2


@both_clients
def test_a_connection_is_replaced_after_a_server_error(server: Server, is_async: bool) -> None:
    """The first servers hang up a moment after a 500; here they would go on."""
    with contextlib.closing(Player(server.url, is_async=is_async)) as env:
        env.reset()
        with pytest.raises(rt.ExecutionError):
            env.step("fail")
        assert env.step("1").observation.stdout == "hello"
    assert [path for path, _ in server.requests] == ["/reset", "/step", "/step"]
    assert server.connections == 2


@both_clients
def test_an_unasked_response_answers_no_step(server: Server, is_async: bool) -> None:
    """It may arrive in one segment with the response before it."""
    with contextlib.closing(Player(server.url, is_async=is_async)) as env:
        env.reset()
        for code in ("twice", "1", "2"):
            assert env.step(code).observation.stdout == "hello"
    assert server.connections == 2


@both_clients
def test_a_body_that_ends_early_loses_the_session(server: Server, is_async: bool) -> None:
    with contextlib.closing(Player(server.url, is_async=is_async)) as env:
        env.reset()
        with pytest.raises(rt.ConnectionLost) as caught:
            env.step("cut")
        assert caught.value.maybe_applied
        with pytest.raises(rt.SessionLost):
            env.step("1")
    assert len(server.requests) == 2, "a step is sent once"


@both_clients
def test_requests_are_addressed_below_the_base_url(server: Server, is_async: bool) -> None:
    url = f"{server.url}/pré fix/"
    with contextlib.closing(Player(url, is_async=is_async)) as env:
        env.reset()
    path, headers = server.requests[0]
    assert path == "/pr%C3%A9%20fix/reset"
    assert headers["host"] == server.url.removeprefix("http://")


@both_clients
def test_a_users_headers_replace_ours(server: Server, is_async: bool) -> None:
    own = {"Content-Type": "application/vnd.env+json", "ACCEPT": "*/*", "User-Agent": "trainer"}
    with contextlib.closing(Player(server.url, is_async=is_async, default_headers=own)) as env:
        env.reset()
    _, headers = server.requests[0]
    assert {name: headers[name.lower()] for name in own} == own


@both_clients
@pytest.mark.parametrize("scheme", ["http://", ""])
def test_requests_go_through_a_proxy(
    server: Server, scheme: str, is_async: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    proxy = server.url.replace("http://", f"{scheme}user:p%40ss@")
    monkeypatch.setenv("http_proxy", proxy)
    monkeypatch.setenv("no_proxy", "")
    with contextlib.closing(Player("http://env.invalid/base", is_async=is_async)) as env:
        assert env.reset().observation.stdout == "hello"
    path, headers = server.requests[0]
    assert path == "http://env.invalid/base/reset"
    assert headers["host"] == "env.invalid"
    assert headers["proxy-authorization"] == "Basic dXNlcjpwQHNz"


@both_clients
@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "0.0.0.0"])
def test_this_machine_is_asked_without_a_proxy(
    server: Server, host: str, is_async: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:9")
    monkeypatch.delenv("no_proxy", raising=False)
    url = server.url.replace("127.0.0.1", host)
    with contextlib.closing(Player(url, is_async=is_async)) as env:
        assert env.reset().observation.stdout == "hello"


@both_clients
def test_a_server_that_no_proxy_names_is_asked_directly(
    is_async: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:9")
    monkeypatch.setenv("no_proxy", "env.invalid")
    player = Player("http://env.invalid", is_async=is_async, retry=rt.RetryPolicy(attempts=1))
    with contextlib.closing(player) as env:
        with pytest.raises(rt.ConnectError) as caught:
            env.reset()
    assert isinstance(caught.value.__cause__.__cause__, socket.gaierror)


@both_clients
@pytest.mark.parametrize("transport", ["http", "websocket"])
@pytest.mark.parametrize("proxy", ["http://", "gopher://u:secret@h", "http://u:secret@h:port"])
def test_a_variable_without_a_proxy_is_named(
    transport: str, proxy: str, is_async: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("http_proxy", proxy)
    monkeypatch.setenv("no_proxy", "")
    player = Player("http://env.invalid", is_async=is_async, transport=transport)
    with contextlib.closing(player) as env:
        with pytest.raises(rt.ConnectError, match="http_proxy") as caught:
            env.reset()
    assert not caught.value.retryable
    assert "secret" not in str(caught.value)


@both_clients
def test_nothing_listens(is_async: bool) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        url = f"http://127.0.0.1:{listener.getsockname()[1]}"
    options = {"retry": rt.RetryPolicy(attempts=1)}
    with contextlib.closing(Player(url, is_async=is_async, **options)) as env:
        with pytest.raises(rt.ConnectError, match="could not be reached") as caught:
            env.reset()
    assert not caught.value.sent


@pytest.mark.slow
@both_clients
def test_a_server_that_never_reads_is_given_up_in_time(is_async: bool) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        url = f"http://127.0.0.1:{listener.getsockname()[1]}"
        options = {"request_timeout_s": 2}
        with contextlib.closing(Player(url, is_async=is_async, **options)) as env:
            with pytest.raises(rt.RequestTimeout):
                env._run(lambda: env._env.reset(padding="x" * 20_000_000))


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux counts packets of data")
def test_a_request_is_one_packet() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        env = CodingEnv(
            f"http://127.0.0.1:{listener.getsockname()[1]}",
            transport="http-unchecked",
            on_drift="ignore",
        )
        with ThreadPoolExecutor(1) as pool, env:
            asked = pool.submit(env.reset, seed=3)
            connection, _ = listener.accept()
            with connection:
                received = b""
                while not received.endswith(b'{"seed":3}'):
                    received += connection.recv(65536)
                information = connection.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 160)
            assert struct.unpack_from("I", information, _TCPI_DATA_SEGS_IN) == (1,)
            with pytest.raises(rt.ConnectionLost):
                asked.result()


def test_closing_leaves_the_request_in_flight_to_end() -> None:
    arrived, go_on = threading.Event(), threading.Event()

    class Slow(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            arrived.set()
            go_on.wait(10)
            self.send_response(200)
            self.send_header("content-length", str(len(REPLY)))
            self.end_headers()
            self.wfile.write(REPLY)

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    outcome: list[Any] = []

    def reset() -> None:
        try:
            outcome.append(env.reset())
        except rt.EnvError as error:
            outcome.append(error)

    server = ThreadingHTTPServer(("127.0.0.1", 0), Slow)
    serving = threading.Thread(target=server.serve_forever, args=(0.01,))
    serving.start()
    try:
        url = f"http://127.0.0.1:{server.server_port}"
        env = CodingEnv(url, transport="http-unchecked")
        asking = threading.Thread(target=reset)
        asking.start()
        assert arrived.wait(10)
        transport: Any = env._transport
        env.close()
        go_on.set()
        asking.join(10)
        assert len(outcome) == 1, "the call ended"
        assert transport._connection is None, "and closed its connection"
    finally:
        go_on.set()
        server.shutdown()
        serving.join()
        server.server_close()


@pytest.mark.slow
def test_httpx_is_imported_only_for_a_client_of_the_users() -> None:
    code = (
        "import sys, envgen_runtime.transports.http, envgen_runtime.transports.websocket;"
        "print('httpx' in sys.modules)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == "False"
