"""Spaces: where they are found, and how a client of one is had."""

from __future__ import annotations

import asyncio
import base64
import json
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
import trustme
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse, RedirectResponse
from starlette.routing import Route
from starlette.types import ASGIApp, Receive, Scope, Send

from envgen.demo.environment import CodingEnvironment
from envgen.demo.server import create_app, serving
from envgen_runtime import ConnectError, FetchError, ReadyTimeout
from envgen_runtime.providers import Hub, UVProvider
from envgen_runtime.providers.hub import subdomain
from envgen_runtime.providers.process.git import GitSource
from envgen_runtime.providers.readiness import probe
from generated.coding_env import AsyncCodingEnv, CodeAction, CodingEnv
from tests.providers.conftest import GitHost
from tests.support import PATIENCE_S, ROOT

CONTRACT = json.loads((ROOT / "schemas" / "coding_env.json").read_text())


class Private:
    """Lets in those with the authorization; others are refused on the WebSocket, too."""

    def __init__(self, app: ASGIApp, authorization: str) -> None:
        self.app = app
        self.token = authorization.encode()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        given = dict(scope.get("headers", ())).get(b"authorization")
        if scope["type"] == "lifespan" or given == self.token:
            await self.app(scope, receive, send)
        elif scope["type"] == "websocket":
            await send({"type": "websocket.close", "code": 1008})
        else:
            await PlainTextResponse("", 401)(scope, receive, send)


@contextmanager
def space(token: str) -> Iterator[Hub]:
    """A hub with one private Space, which runs."""
    app: Any = Private(create_app(CONTRACT, CodingEnvironment), f"Bearer {token}")
    with serving(app) as url:
        yield Hub(space_url=url, token=token)


@pytest.mark.parametrize(
    ("space_id", "expected"),
    [
        ("openenv/echo_env", "openenv-echo-env"),
        ("Team.One/My_Env.v2", "team-one-my-env-v2"),
        ("a/B", "a-b"),
    ],
)
def test_the_subdomain(space_id: str, expected: str) -> None:
    assert subdomain(space_id) == expected
    assert Hub().url(space_id) == f"https://{expected}.hf.space"
    assert Hub().image(space_id, "v1") == f"registry.hf.space/{expected}:v1"


@pytest.mark.parametrize("wrong", ["", "echo", "a/b/c", "a/../b", "a/b@c", "a/b c", "https://x/y"])
def test_what_is_no_space(wrong: str) -> None:
    with pytest.raises(ValueError, match="OWNER/NAME"):
        subdomain(wrong)


def test_variables_say_where_the_hub_is(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_ENDPOINT", "https://hub.example/")
    monkeypatch.setenv("HF_TOKEN", "secret")
    hub = Hub.from_environment()
    assert hub.source("o/n", "v1") == "git+https://hub.example/spaces/o/n@v1"
    assert hub.headers() == {"Authorization": "Bearer secret"}
    assert Hub.from_environment("").headers() == {}
    assert "secret" not in repr(hub) + repr(hub.credentials("o/n"))


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("git+https://h/o/n", GitSource("https://h/o/n")),
        ("git+https://h/o/n@v1.2", GitSource("https://h/o/n", "v1.2")),
        ("git+https://h/o/n@a/b#subdirectory=x/y", GitSource("https://h/o/n", "a/b", "x/y")),
        ("git+ssh://git@h/o/n", GitSource("ssh://git@h/o/n")),
    ],
)
def test_git_sources(text: str, expected: GitSource) -> None:
    assert GitSource.parse(text) == expected


@pytest.mark.parametrize(
    "text",
    ["git+ext::sh -c x", "git+https://h/o@--upload-pack=x", "git+https://h/o#subdirectory=../x"],
)
def test_what_is_no_git_source(text: str) -> None:
    with pytest.raises(ValueError, match="not a git source"):
        GitSource.parse(text)


def test_the_readme_names_the_port(git_host: GitHost) -> None:
    matter = "---\ntitle: x\nsdk: docker\napp_port: 7861 # http\n---\n\napp_port: 1\n"
    git_host.add("o/with", {"README.md": matter})
    git_host.add("o/without", {"README.md": "app_port: 9\n"})
    hub = Hub(endpoint=git_host.url)
    assert hub.app_port("o/with") == 7861
    assert hub.app_port("o/without") is None
    assert hub.app_port("o/nowhere") is None


def test_a_readme_that_has_moved_is_found_and_the_token_stays() -> None:
    seen: list[str | None] = []

    def readme(request: Request) -> PlainTextResponse:
        seen.append(request.headers.get("authorization"))
        return PlainTextResponse("---\napp_port: 7861\n---\n")

    with serving(Starlette(routes=[Route("/spaces/o/n/raw/main/README.md", readme)])) as url:
        with serving(Starlette(routes=[Route("/{path:path}", redirect_to(url))])) as hub_url:
            assert Hub(endpoint=hub_url, token="sesame").app_port("o/n") == 7861
    assert seen == [None]


def redirect_to(url: str) -> Any:
    return lambda request: RedirectResponse(url + request.url.path)


def test_a_running_private_space() -> None:
    with space("sesame") as hub:
        with CodingEnv.from_hub("o/n", remote=True, hub=hub) as env:
            env.reset()
            assert env.step(CodeAction(code="print(1)")).observation.stdout == "1\n"

        async def play() -> None:
            async with await AsyncCodingEnv.from_hub("o/n", remote=True, hub=hub) as env:
                await env.reset()

        asyncio.run(play())
        with pytest.raises(ConnectError, match="requires authorization"):
            CodingEnv.from_hub("o/n", remote=True, hub=hub, token="")


@pytest.mark.slow
def test_a_url_is_waited_for() -> None:
    with serving(create_app(CONTRACT, CodingEnvironment)) as url:
        with CodingEnv.from_url(url, request_timeout_s=9) as env:
            env.reset()
    with pytest.raises(ReadyTimeout, match="refused"):
        CodingEnv.from_url(url, timeout_s=2)


def test_a_url_with_a_password_is_waited_for() -> None:
    """The health check logs in as the client does."""
    login = base64.b64encode(b"me:p@ss").decode()
    app: Any = Private(create_app(CONTRACT, CodingEnvironment), f"Basic {login}")
    with serving(app) as url:
        with CodingEnv.from_url(url.replace("//", "//me:p%40ss@")) as env:
            env.reset()


def test_a_url_with_a_certificate_of_its_own_is_waited_for(tmp_path: Path) -> None:
    """The health check trusts what the client trusts."""
    authority = trustme.CA()
    trusting = ssl.create_default_context()
    authority.configure_trust(trusting)
    file = tmp_path / "chain.pem"
    authority.issue_cert("localhost").private_key_and_cert_chain_pem.write_to_path(str(file))
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(file)
    with healthy(context) as port:
        url = f"https://localhost:{port}"
        assert CodingEnv.from_url(url, ssl_context=trusting).base_url == url
        assert "certificate" in probe(url, timeout_s=PATIENCE_S).lower()


def test_a_url_behind_a_proxy_is_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    """The health check goes the way of the client."""
    with healthy() as port:
        monkeypatch.setenv("http_proxy", f"http://127.0.0.1:{port}")
        monkeypatch.setenv("no_proxy", "")
        assert CodingEnv.from_url("http://env.invalid").base_url == "http://env.invalid"


@contextmanager
def healthy(context: ssl.SSLContext | None = None) -> Iterator[int]:
    """The port of a server that answers every GET with 200."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.send_header("content-length", "0")
            self.end_headers()

        def log_message(self, *_: Any) -> None:
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    if context is not None:
        server.socket = context.wrap_socket(server.socket, server_side=True)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    yield server.server_port
    server.shutdown()
    server.server_close()
    thread.join()


@pytest.mark.parametrize(
    "options",
    [
        {"remote": True, "use_docker": True},
        {"remote": True, "port": 8000},
        {"remote": True, "memory": "1g"},
        {"use_docker": True, "reload": True},
        {"use_docker": True, "project_url": "."},
        {"memory": "1g"},
        {"runner": UVProvider(project_path="."), "app": "x:y"},
    ],
)
def test_options_that_mean_nothing_are_refused(options: Any) -> None:
    with pytest.raises(TypeError):
        CodingEnv.from_hub("o/n", hub=Hub(endpoint="http://127.0.0.1:9"), **options)


@pytest.mark.slow
def test_a_private_space_from_its_source(git_host: GitHost) -> None:
    git_host.add("o/n", {})
    git_host.token = "sesame"
    hub = Hub(endpoint=git_host.url)
    with pytest.raises(FetchError, match="pass token= or set HF_TOKEN"):
        CodingEnv.from_hub("o/n", hub=hub, token="")
    with CodingEnv.from_hub("o/n", hub=hub, token="sesame", extra_env={"COLOUR": "red"}) as env:
        assert env.base_url.startswith("http://127.0.0.1:")


@pytest.mark.slow
def test_a_project_is_started_for_a_client(project: Path) -> None:
    with CodingEnv.from_project(project) as env:
        assert env.base_url.startswith("http://127.0.0.1:")

    async def start() -> None:
        async with await AsyncCodingEnv.from_project(project) as env:
            assert env.base_url.startswith("http://127.0.0.1:")

    asyncio.run(start())
