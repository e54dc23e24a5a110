"""Proxies of the usual kinds, as servers on real sockets: gone through, refused and named."""

from __future__ import annotations

import asyncio
import socket
import socketserver
import subprocess
import sys
import threading
from collections.abc import Callable, Generator, Iterator
from contextlib import contextmanager, suppress
from functools import partial
from pathlib import Path
from typing import Any

import pytest

import envgen_runtime as rt
from envgen.demo.environment import CodingEnvironment
from envgen.demo.server import create_app, serving
from envgen_runtime.transports import proxies
from generated.coding_env import AsyncCodingEnv, CodingEnv
from tests.runtime.test_watching import CONTRACT
from tests.support import ROOT, run

ONCE = rt.RetryPolicy(attempts=1)
both_clients = pytest.mark.parametrize("is_async", [False, True], ids=["sync", "async"])
both_transports = pytest.mark.parametrize("transport", ["websocket", "http-unchecked"])


@pytest.fixture(autouse=True)
def no_proxies(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("http", "https", "all", "no"):
        monkeypatch.delenv(f"{name}_proxy", raising=False)
        monkeypatch.delenv(f"{name}_proxy".upper(), raising=False)


@pytest.fixture(scope="module")
def url() -> Iterator[str]:
    with serving(create_app(CONTRACT, partial(CodingEnvironment, max_steps=9))) as base_url:
        yield base_url


def play(address: str, *, is_async: bool, **options: Any) -> None:
    async def play_async() -> None:
        async with AsyncCodingEnv(address, retry=ONCE, on_drift="ignore", **options) as env:
            await env.reset()

    if is_async:
        asyncio.run(play_async())
        return
    with CodingEnv(address, retry=ONCE, on_drift="ignore", **options) as env:
        env.reset()


# --- the proxies --------------------------------------------------------------------------------


class Proxy(socketserver.ThreadingTCPServer):
    """Takes every connection to the one server that there is, and keeps where it was to go."""

    daemon_threads = True
    allow_reuse_address = True

    def __init__(self, handler: Any, url: str) -> None:
        super().__init__(("127.0.0.1", 0), handler)
        self.server_port = int(url.rpartition(":")[2])
        self.asked: list[bytes] = []

    @property
    def address(self) -> str:
        return f"127.0.0.1:{self.server_address[1]}"

    def join(self, client: socket.socket, first: bytes = b"") -> None:
        """Pass on bytes in both directions."""
        with socket.create_connection(("127.0.0.1", self.server_port)) as server:
            server.sendall(first)
            back = threading.Thread(target=_pump, args=(server, client))
            back.start()
            _pump(client, server)
            back.join()


def _pump(source: socket.socket, sink: socket.socket) -> None:
    with suppress(OSError):
        while data := source.recv(65536):
            sink.sendall(data)
    with suppress(OSError):
        sink.shutdown(socket.SHUT_WR)


class HttpHandler(socketserver.BaseRequestHandler):
    """CONNECT, and requests with the whole URL in their first line."""

    server: Proxy
    request: socket.socket

    def handle(self) -> None:
        head = self.request.recv(65536)
        self.server.asked.append(head)
        if head.startswith(b"CONNECT "):
            self.request.sendall(b"HTTP/1.1 200 Connection established\r\n\r\n")
            head = b""
        self.server.join(self.request, head.replace(b"http://env.invalid/", b"/", 1))


class SocksHandler(socketserver.BaseRequestHandler):
    """SOCKS 5, with user and password or without."""

    server: Proxy
    request: socket.socket

    def handle(self) -> None:
        methods = self.request.recv(258)
        if b"\x02" in methods[2:]:
            self.request.sendall(b"\x05\x02")
            self.server.asked.append(self.request.recv(513))
            self.request.sendall(b"\x01\x00")
        else:
            self.request.sendall(b"\x05\x00")
        self.server.asked.append(self.request.recv(262))
        self.request.sendall(b"\x05\x00\x00\x01\x00\x00\x00\x00\x00\x00")
        self.server.join(self.request)


@contextmanager
def proxying(handler: type[socketserver.BaseRequestHandler], url: str) -> Generator[Proxy]:
    with Proxy(handler, url) as proxy:
        thread = threading.Thread(target=proxy.serve_forever, args=(0.01,))
        thread.start()
        try:
            yield proxy
        finally:
            proxy.shutdown()
            thread.join()


# --- gone through -------------------------------------------------------------------------------


@both_clients
@both_transports
@pytest.mark.parametrize("variable", ["HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"])
def test_a_variable_means_the_same_for_both_transports(
    url: str, variable: str, transport: str, is_async: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    with proxying(HttpHandler, url) as proxy:
        monkeypatch.setenv(variable, f"http://{proxy.address}")
        play("http://env.invalid", is_async=is_async, transport=transport)
        assert b"env.invalid" in proxy.asked[0]
        count = len(proxy.asked)
        monkeypatch.setenv("NO_PROXY", "env.invalid")
        with pytest.raises(rt.ConnectError) as caught:
            play("http://env.invalid", is_async=is_async, transport=transport)
        assert len(proxy.asked) == count
        assert "proxy" not in str(caught.value)


@both_clients
@pytest.mark.parametrize("scheme", ["socks5", "socks5h"])
def test_socks_carries_http(
    url: str, scheme: str, is_async: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    with proxying(SocksHandler, url) as proxy:
        monkeypatch.setenv("ALL_PROXY", f"{scheme}://me:p%40ss@{proxy.address}")
        play("http://env.invalid", is_async=is_async, transport="http-unchecked")
        assert proxy.asked[:2] == [
            b"\x01\x02me\x04p@ss",
            b"\x05\x01\x00\x03\x0benv.invalid\x00\x50",
        ]


def test_a_build_goes_through_socks(
    url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with proxying(SocksHandler, url) as proxy:
        monkeypatch.chdir(tmp_path)
        monkeypatch.setenv("ALL_PROXY", f"socks5://{proxy.address}")
        done = run("build", "http://env.invalid", "--name", "x", "--out", str(tmp_path))
        assert done.exit_code == 0, done.output
        assert b"env.invalid" in proxy.asked[0]


@both_clients
def test_a_websocket_does_not_go_through_socks(
    is_async: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ALL_PROXY", "socks5://me:open-sesame@127.0.0.1:9")
    with pytest.raises(rt.ConnectError, match=r"SOCKS.*ALL_PROXY") as caught:
        play("http://env.invalid", is_async=is_async)
    assert "\n" not in str(caught.value)
    assert "sesame" not in str(caught.value)
    assert not caught.value.retryable


@pytest.mark.slow
def test_the_extra_is_named(url: str) -> None:
    code = (
        "import sys; sys.modules['socksio'] = None\n"
        "from generated.coding_env import CodingEnv\n"
        "import envgen_runtime as rt\n"
        "try: CodingEnv('http://env.invalid', transport='http-unchecked').reset()\n"
        "except rt.MissingExtra as error: print(error.extra)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=ROOT,
        env={"ALL_PROXY": "socks5://127.0.0.1:9"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.stdout, done.stderr) == ("socks\n", "")


# --- named --------------------------------------------------------------------------------------


class Refusing(socketserver.BaseRequestHandler):
    """A proxy that wants a password."""

    def handle(self) -> None:
        self.request.recv(65536)
        self.request.sendall(
            b"HTTP/1.1 407 Proxy Authentication Required\r\ncontent-length: 0\r\n\r\n"
        )


def refusing(url: str) -> Any:
    return proxying(Refusing, url)


@contextmanager
def absent(_url: str) -> Generator[Any]:
    class Nothing:
        address = "127.0.0.1:9"

    yield Nothing


@both_clients
@pytest.mark.parametrize("proxy_of", [absent, refusing])
@both_transports
def test_an_error_names_the_proxy_and_its_variable(
    url: str,
    transport: str,
    proxy_of: Callable[[str], Any],
    is_async: bool,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    with proxy_of(url) as proxy:
        monkeypatch.setenv("ALL_PROXY", f"http://me:open-sesame@{proxy.address}")
        for address in ("http://env.invalid", "https://env.invalid"):
            with pytest.raises(rt.ConnectError) as caught:
                play(address, is_async=is_async, transport=transport)
            assert f"the proxy http://{proxy.address} (from ALL_PROXY)" in str(caught.value)
            assert "sesame" not in str(caught.value)


def test_a_build_names_the_proxy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HTTP_PROXY", "http://me:open-sesame@127.0.0.1:9")
    done = run("build", "http://env.invalid", "--name", "x", "--out", str(tmp_path))
    assert "http://127.0.0.1:9" in done.output
    assert "HTTP_PROXY" in done.output
    assert "sesame" not in done.output


@pytest.mark.parametrize(
    "host", ["127.8.9.1", "::1", "::", "::ffff:127.0.0.1", "localhost.", "env.localhost"]
)
def test_the_addresses_of_this_machine(host: str) -> None:
    assert proxies.is_loopback(host)


@pytest.mark.parametrize("host", ["10.0.0.1", "::ffff:10.0.0.1", "notlocalhost", "localhost.com"])
def test_the_addresses_of_others(host: str) -> None:
    assert not proxies.is_loopback(host)


def test_this_machine_is_reached_without_reading_any_setting(
    url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ALL_PROXY", "socks5://127.0.0.1:9")
    asked: list[Any] = []
    monkeypatch.setattr(proxies, "_proxy_of", lambda *given: asked.append(given))
    for transport in ("websocket", "http-unchecked"):
        play(url, is_async=False, transport=transport)
    assert asked == []
