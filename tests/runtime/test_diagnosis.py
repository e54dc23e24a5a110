"""What stands between a client and a server is told from what was read."""

from __future__ import annotations

import asyncio
import re
import socket
import ssl
import threading
from collections.abc import Generator, Iterator
from contextlib import contextmanager, suppress
from functools import partial
from typing import Any

import pytest
import trustme
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route
from starlette.types import ASGIApp, Receive, Scope, Send

import envgen_runtime as rt
from envgen.demo.environment import CodingEnvironment
from envgen.demo.server import create_app, serving
from generated.coding_env import AsyncCodingEnv, CodingEnv
from tests.runtime.test_watching import CONTRACT

ONCE = rt.RetryPolicy(attempts=1, capacity_wait_s=0)
both_clients = pytest.mark.parametrize("is_async", [False, True], ids=["sync", "async"])


def failure(url: str, *, is_async: bool, step: str | None = None, **options: Any) -> rt.EnvError:
    """The error of an episode that fails."""

    async def play() -> None:
        async with AsyncCodingEnv(url, retry=ONCE, **options) as env:
            await env.reset()
            await env.step(code=step or "")

    def play_sync() -> None:
        with CodingEnv(url, retry=ONCE, **options) as env:
            env.reset()
            env.step(code=step or "")

    with pytest.raises(rt.EnvError) as caught:
        asyncio.run(play()) if is_async else play_sync()
    return caught.value


@contextmanager
def answering(answer: bytes, tls: ssl.SSLContext | None = None) -> Generator[str]:
    """A server that answers every connection with the same bytes, by its host and port."""

    def serve() -> None:
        while True:
            try:
                connection, _ = listener.accept()
            except OSError:
                return
            with connection, suppress(OSError):
                if tls is None:
                    connection.recv(65536)
                    connection.sendall(answer)
                else:
                    tls.wrap_socket(connection, server_side=True).close()

    with socket.create_server(("127.0.0.1", 0)) as listener:
        thread = threading.Thread(target=serve)
        thread.start()
        try:
            yield f"127.0.0.1:{listener.getsockname()[1]}"
        finally:
            listener.shutdown(socket.SHUT_RDWR)
            thread.join()


def response(status: str, *headers: str, body: str = "") -> bytes:
    lines = [f"HTTP/1.1 {status}", *headers, f"content-length: {len(body)}", "connection: close"]
    return "\r\n".join([*lines, "", body]).encode()


@both_clients
@pytest.mark.parametrize(
    ("answer", "told"),
    [
        (b"SSH-2.0-OpenSSH_9.6\r\n", "SSH-2.0-OpenSSH"),
        (b"\x15\x03\x01\x00\x02\x02\x46", "https://"),
        (b"", "without an answer"),
        (b"HTTP/1.0 426 Upgrade Required\r\n\r\n", r"HTTP/1\.0"),
        (b"HTTP/1.1 101 Switching Protocols\r\nupgrade: websocket\r\n\r\n", "(?i)connection"),
        (
            response("503 No", "content-type: text/html", body="<title>Sleeping</title>"),
            r'"Sleeping".*from_url\(\)',
        ),
    ],
    ids=["ssh", "tls", "nothing", "http-1.0", "no-handshake", "sleeping"],
)
def test_what_is_no_websocket(answer: bytes, told: str, is_async: bool) -> None:
    with answering(answer) as host:
        error = failure(f"http://{host}", is_async=is_async)
    assert isinstance(error, rt.ConnectError)
    assert re.search(told, str(error)), str(error)


@both_clients
@pytest.mark.parametrize(
    ("transport", "route"),
    [("auto", "/ws"), ("http", "/schema"), ("http-unchecked", "/reset")],
)
def test_a_redirect_names_its_target(transport: str, route: str, is_async: bool) -> None:
    target = f"https://user:open-sesame@env.example/base{route}?token=open-sesame"
    headers = (f"location: {target}", "content-type: text/html")  # as nginx sends it
    with answering(response("307 Elsewhere", *headers, body="<html>")) as host:
        error = failure(f"http://{host}", is_async=is_async, transport=transport)
    assert "base URL is https://env.example/base" in str(error)
    assert f"base{route}" in str(error)
    assert "sesame" not in str(error)


@both_clients
@pytest.mark.parametrize("transport", ["auto", "http-unchecked"])
@pytest.mark.parametrize(
    ("location", "shown"),
    [
        ("/log:in/@me?next=open-sesame", "/log:in/@me"),
        ("login#open-sesame", "login"),
        ("//user:open-sesame@env.example/base", "//env.example/base"),
    ],
)
def test_a_redirect_to_a_path_shows_it(
    location: str, shown: str, transport: str, is_async: bool
) -> None:
    with answering(response("302 Elsewhere", f"location: {location}")) as host:
        error = failure(f"http://{host}", is_async=is_async, transport=transport)
    assert re.search(rf"it redirects to {shown}(,|\.|$)", str(error)), str(error)
    assert "sesame" not in str(error)


@both_clients
@pytest.mark.parametrize("transport", ["auto", "http-unchecked"])
def test_a_host_may_have_as_long_a_name_as_there_are(transport: str, is_async: bool) -> None:
    """With its port, as HTTP's header has it, it is longer than that."""
    error = failure(f"http://{'h' * 63}:8000", is_async=is_async, transport=transport)
    assert isinstance(error, rt.ConnectError)


@both_clients
@pytest.mark.parametrize("transport", ["auto", "http-unchecked"])
@pytest.mark.parametrize("date", [f"1 Jan {9**20}", f"{9**30} Jan 2030"])
def test_a_date_out_of_range_asks_for_no_wait(date: str, transport: str, is_async: bool) -> None:
    answer = response("503 No", f"retry-after: Mon, {date} 00:00:00 GMT")
    with answering(answer) as host:
        error: Any = failure(f"http://{host}", is_async=is_async, transport=transport)
    assert (error.retry_after_s, error.retryable) == (None, True)


def test_a_redirect_is_no_server_to_wait_for() -> None:
    with answering(response("301 Moved", "location: https://env.example/health")) as host:
        with pytest.raises(rt.ConnectError, match=r"base URL is https://env\.example"):
            CodingEnv.from_url(f"http://{host}", timeout_s=600)


@both_clients
def test_http_on_a_server_that_wakes_up(is_async: bool) -> None:
    with answering(response("503 No")) as host:
        error = failure(f"http://{host}", is_async=is_async, transport="http")
    assert "from_url()" in str(error)
    assert "http-unchecked" not in str(error)
    assert error.retryable


TITLE = "<title>Sign in</title>"
PAGES = {
    "told by its type": response("200 OK", "content-type: text/html", body=TITLE),
    "without a type": response("200 OK", body=f"\n<!DOCTYPE  html><html>{TITLE}"),
    "of another type": response("200 OK", "content-type: text/plain", body=f"<html>{TITLE}"),
    "with a mark": response("200 OK", body=f"\ufeff<HTML lang=en>{TITLE}"),
}
every_page = pytest.mark.parametrize("page", PAGES.values(), ids=PAGES)


@both_clients
@every_page
@pytest.mark.parametrize("transport", ["auto", "http", "http-unchecked"])
def test_a_page_in_place_of_a_reply(page: bytes, transport: str, is_async: bool) -> None:
    with answering(page) as host:
        error = failure(f"http://{host}", is_async=is_async, transport=transport)
    assert 'a web page ("Sign in")' in str(error)


@every_page
def test_a_page_is_no_healthy_server(page: bytes) -> None:
    async def ask(url: str) -> bool:
        return await AsyncCodingEnv(url).is_healthy()

    with answering(page) as host:
        assert not CodingEnv(f"http://{host}").is_healthy()
        assert not asyncio.run(ask(f"http://{host}"))
        with pytest.raises(rt.ReadyTimeout, match="web page"):
            CodingEnv.from_url(f"http://{host}", timeout_s=0.1)


@both_clients
def test_an_old_file_server_is_no_environment(is_async: bool) -> None:
    """Its pages are about files that are missing: ``python -m http.server`` on a mistaken port."""
    page = "<title>Error response</title>"
    missing = f"HTTP/1.0 404 Not Found\r\ncontent-type: text/html\r\n\r\n{page}"
    with answering(missing.encode()) as host:
        error = failure(f"http://{host}", is_async=is_async)
    assert "HTTP/1.0 (HTTP 404)" in str(error)
    assert "Check the URL" in str(error)


@both_clients
@pytest.mark.parametrize("transport", ["websocket", "http-unchecked"])
def test_https_where_there_is_none(transport: str, is_async: bool) -> None:
    with answering(response("400 Bad")) as host:
        error = failure(f"https://{host}", is_async=is_async, transport=transport)
    assert "write http://" in str(error)


@both_clients
def test_a_request_that_is_too_large_for_the_server(is_async: bool) -> None:
    """Servers hang up while it is still being sent."""
    app = create_app(CONTRACT, partial(CodingEnvironment, max_steps=9))
    with serving(app) as url:
        error = failure(url, is_async=is_async, step="x" * 17_000_000)
    assert isinstance(error, rt.ConnectionLost)
    assert "the request has 17,000," in str(error)


def test_a_full_server_names_its_limit_and_ours() -> None:
    from envgen_runtime.wire import protocol

    request = CodingEnv("http://h")._request("reset", {}, None)
    data = {"message": "full", "active_sessions": 3, "max_sessions": 3}
    error = protocol.server_error(data, code="CAPACITY_REACHED", request=request)
    assert "allows 3" in str(error)
    assert "capacity_wait_s" in str(error)


# --- secrets in addresses -----------------------------------------------------------------------


class Guarded:
    """An application that wants ``?token=open sesame&v=1`` with every request."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app
        self.refused: list[str] = []

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if (
            scope["type"] in ("http", "websocket")
            and scope["query_string"] != b"token=open%20sesame&v=1"
        ):
            self.refused.append(scope["path"])
            await Response(status_code=403)(scope, receive, send)
            return
        await self._app(scope, receive, send)


@pytest.fixture(scope="module")
def guarded() -> Iterator[tuple[Guarded, str]]:
    app = Guarded(create_app(CONTRACT, partial(CodingEnvironment, max_steps=9)))
    with serving(app) as url:  # type: ignore[arg-type]
        yield app, url


@both_clients
@pytest.mark.parametrize("transport", ["auto", "http-unchecked"])
def test_the_query_of_an_address_goes_with_every_request(
    guarded: tuple[Guarded, str], transport: Any, is_async: bool
) -> None:
    app, url = guarded
    address = f"{url}/?token=open sesame&v=1"

    async def play() -> None:
        async with AsyncCodingEnv(address, transport=transport, on_drift="error") as env:
            await env.reset()
            assert await env.is_healthy()

    def play_sync() -> None:
        with CodingEnv(address, transport=transport, on_drift="error") as env:
            env.reset()
            assert env.is_healthy()
            assert env.with_options().is_healthy()
            assert "sesame" not in repr(env) + env.base_url
        CodingEnv.from_url(address, timeout_s=600).close()

    asyncio.run(play()) if is_async else play_sync()
    assert app.refused == []


def test_the_query_of_an_address_is_not_shown() -> None:
    async def echo(request: Request) -> JSONResponse:
        return JSONResponse({"message": str(request.url)}, status_code=500)

    routes = [Route("/reset", echo, methods=["POST"])]
    with serving(Starlette(routes=routes)) as url:
        for address in (f"{url}?token=open-sesame", "http://127.0.0.1:9/?token=open-sesame"):
            for transport in ("websocket", "http-unchecked"):
                error = failure(address, is_async=False, transport=transport)
                assert "sesame" not in f"{error} {error.server_text} {error.__cause__}"
        with pytest.raises(rt.ReadyTimeout) as caught:
            CodingEnv.from_url("http://127.0.2:9/?token=open-sesame", timeout_s=0.1)
        assert "sesame" not in str(caught.value)


def test_a_certificate_is_still_named() -> None:
    authority = trustme.CA()
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("127.0.0.1").configure_cert(context)
    with answering(b"", tls=context) as host:
        assert "certificate" in str(failure(f"https://{host}", is_async=False)).lower()
