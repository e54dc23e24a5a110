"""A secret is known by its value: it is in nothing that is shown, kept or passed on."""

from __future__ import annotations

import asyncio
import base64
import html
import json
import logging
import pickle
import re
import socket
import subprocess
import threading
import traceback
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, RedirectResponse, Response
from starlette.routing import Route, WebSocketRoute
from starlette.websockets import WebSocket

import envgen_runtime as rt
from envgen.demo.server import serving
from envgen.sources import label
from envgen_runtime.providers import Hub, UVProvider
from envgen_runtime.wire.redaction import redact, scrub, secrets_in, without_secrets
from generated.coding_env import AsyncCodingEnv, CodeAction, CodingEnv
from tests.support import contract, run, save

TOKEN = "hf_s3cr3tT0k3n"
PASSWORD = "p:ss/w@rd"
LOGIN = f"me:{PASSWORD}"
ENCODED = base64.b64encode(LOGIN.encode()).decode()
QUOTED = "p%3Ass%2Fw%40rd"
SECRETS = (TOKEN, PASSWORD, ENCODED, QUOTED)


@pytest.fixture(autouse=True)
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def echo(headers: Any) -> dict[str, Any]:
    """What a server was sent, in every form and depth."""
    told = headers.get("authorization", "")
    login = base64.b64decode(told[6:]).decode() if told.startswith("Basic ") else ""
    return {
        "message": f"who is {told}, {login}?",
        "detail": [{"loc": ["body", told], "msg": f"bad {told} {login}", "input": {login: [told]}}],
        "errors": [
            {"loc": [told], "msg": login, "ctx": {"deep": [[{"x": login.split(":", 1)[-1]}]]}}
        ],
        "headers": dict(headers),
    }


def server(how: str) -> Starlette:
    async def answer(request: Request) -> Response:
        body = echo(request.headers)
        if how == "reply":
            return JSONResponse({"observation": {"stdout": body}, "reward": None, "done": False})
        if how == "text":
            return Response(f"<{body}>", 200)
        return JSONResponse(body, int(how))

    async def session(websocket: WebSocket) -> None:
        body = echo(websocket.headers)
        await websocket.accept()
        async for _ in websocket.iter_text():
            if how == "reply":
                data = {"observation": {"stdout": body}, "reward": None, "done": False}
                await websocket.send_json({"type": "observation", "data": data})
            elif how == "text":
                await websocket.send_text(f"<{body}>")
            else:
                code = {"422": "VALIDATION_ERROR", "500": "EXECUTION_ERROR"}.get(how, how)
                await websocket.send_json({"type": "error", "data": {**body, "code": code}})

    async def schema(request: Request) -> Response:
        told = json.dumps(echo(request.headers))
        return JSONResponse(contract(action={"type": "object", "properties": {told: {}}}))

    return Starlette(
        routes=[
            Route("/reset", answer, methods=["POST"]),
            Route("/schema", schema),
            WebSocketRoute("/ws", session),
        ]
    )


def shown(error: BaseException) -> Iterator[str]:
    """All that can be read of an error by those who get it."""
    yield "".join(traceback.format_exception(error))
    seen: set[int] = set()
    pending: list[BaseException | None] = [error]
    while pending:
        one = pending.pop()
        if one is None or id(one) in seen:
            continue
        seen.add(id(one))
        yield f"{one!s} {one!r} {one.args!r} {vars(one)!r} {getattr(one, '__notes__', '')}"
        pending += [one.__cause__, one.__context__]
    again = pickle.loads(pickle.dumps(error))
    yield repr(pickle.dumps(error))
    yield f"{again} {vars(again)!r}"


def assert_nowhere(*texts: str) -> None:
    found = {secret for text in texts for secret in SECRETS if secret in text}
    assert found == set()


@pytest.mark.slow
@pytest.mark.parametrize("transport", ["websocket", "http"])
@pytest.mark.parametrize("how", ["reply", "text", "422", "500", "418", "FACTORY_ERROR"])
@pytest.mark.parametrize("is_async", [False, True], ids=["sync", "async"])
@pytest.mark.parametrize("kind", ["header", "address"])
def test_nothing_of_an_error_holds_a_secret(
    transport: Any, how: str, is_async: bool, kind: str, caplog: pytest.LogCaptureFixture
) -> None:
    if transport == "http" and how == "FACTORY_ERROR":
        how = "503"
    caplog.set_level(logging.DEBUG)
    trace = Path("episode.jsonl")

    async def play_async(url: str, options: dict[str, Any]) -> None:
        async with AsyncCodingEnv(url, **options) as env:
            await env.reset()

    def play(url: str, options: dict[str, Any]) -> None:
        if is_async:
            asyncio.run(play_async(url, options))
            return
        with CodingEnv(url, **options) as env:
            env.reset()

    with serving(server(how)) as plain:
        url = plain.replace("//", f"//me:{QUOTED}@") if kind == "address" else plain
        options: dict[str, Any] = {
            "transport": transport,
            "default_headers": {"Authorization": f"Bearer {TOKEN}"} if kind == "header" else {},
            "retry": rt.RetryPolicy(attempts=1),
            "barrier": "off",
            "observers": [rt.EpisodeTrace(trace)],
        }
        with pytest.raises(rt.EnvError) as caught:
            play(url, options)
    ours = [record.getMessage() for record in caplog.records if "uvicorn" not in record.name]
    assert_nowhere(*shown(caught.value), *ours, trace.read_text())
    assert "***" in trace.read_text()
    assert trace.stat().st_mode & 0o777 == 0o600


WRITTEN: dict[str, Callable[[str], str]] = {
    "JSON": json.dumps,
    "JSON in UTF-8": partial(json.dumps, ensure_ascii=False),
    "Python": repr,
    "a page": html.escape,
    "as it is": str,
}


@pytest.mark.slow
@pytest.mark.parametrize("form", WRITTEN)
@pytest.mark.parametrize("is_async", [False, True], ids=["sync", "async"])
def test_a_password_is_known_however_a_server_writes_it(form: str, is_async: bool) -> None:
    password = "a\"b\\c é & 'd'"

    async def answer(request: Request) -> Response:
        login = base64.b64decode(request.headers["authorization"][6:]).decode()
        return Response(f"bad: {WRITTEN[form](login)}", 500)

    async def play_async(url: str) -> None:
        async with AsyncCodingEnv(url, transport="http-unchecked") as env:
            await env.reset()

    def play(url: str) -> None:
        if is_async:
            asyncio.run(play_async(url))
        with CodingEnv(url, transport="http-unchecked") as env:
            env.reset()

    with serving(Starlette(routes=[Route("/reset", answer, methods=["POST"])])) as plain:
        with pytest.raises(rt.ServerError) as caught:
            play(plain.replace("//", f"//me:{quote(password)}@"))
    texts = "".join(shown(caught.value))
    assert "bad: " in texts
    assert "b\\" not in texts
    assert "c é" not in texts
    assert "***" in str(caught.value)


def test_what_is_good_is_replayed(tmp_path: Path) -> None:
    """A reply that echoes a token is recorded without it, and can be replayed."""

    async def answer(request: Request) -> Response:
        said = {"stdout": request.headers["authorization"], "stderr": "", "exit_code": 0}
        return JSONResponse({"observation": said, "reward": None, "done": False})

    trace = tmp_path / "episode.jsonl"
    routes = [Route(path, answer, methods=["POST"]) for path in ("/reset", "/step")]
    with serving(Starlette(routes=routes)) as url:
        headers = {"Authorization": f"Bearer {TOKEN}"}
        observers = [rt.EpisodeTrace(trace)]
        with CodingEnv(url, transport="http", default_headers=headers, observers=observers) as env:
            env.reset()
            assert env.step(CodeAction(code="1")).observation.stdout == f"Bearer {TOKEN}"
    assert_nowhere(trace.read_text())
    with CodingEnv.from_trace(trace) as again:
        again.reset()
        assert again.step(CodeAction(code="1")).observation.stdout == "***"


def test_causes_notes_and_what_cannot_be_changed() -> None:
    from pydantic import TypeAdapter, ValidationError

    def fail() -> None:
        try:
            try:
                try:
                    TypeAdapter(int).validate_python(TOKEN)
                except ValidationError as error:
                    error.add_note(TOKEN)
                    raise OSError(2, f"no {TOKEN}", f"/{TOKEN}") from error
            except OSError:
                raise ExceptionGroup(TOKEN, [ValueError(TOKEN, {"a": [TOKEN]})])  # noqa: B904
        except ExceptionGroup as error:
            caught = rt.ServerError(TOKEN, code="x", data={TOKEN: (TOKEN, [{"k": TOKEN}])})
            caught.add_note(TOKEN)
            raise caught from error

    with pytest.raises(rt.ServerError) as raised:
        fail()
    redact(raised.value, secrets_in({"Authorization": f"Bearer {TOKEN}"}))
    assert_nowhere(*shown(raised.value))


def test_a_cause_that_can_be_changed_stays_what_it_is() -> None:
    error = rt.ConnectError("refused")
    error.__cause__ = FileNotFoundError(2, f"no {TOKEN}", f"/{TOKEN}")
    error.__cause__.__context__ = KeyError(TOKEN)
    redact(error, [TOKEN])
    cause: Any = error.__cause__
    assert (type(cause), cause.errno, cause.filename) == (FileNotFoundError, 2, "/***")
    assert (type(cause.__context__), cause.__context__.args) == (KeyError, ("***",))


def test_the_errors_of_a_group_are_looked_at() -> None:
    """A note and an attribute show in neither the group's text nor its form."""
    inner = rt.ServerError("no", code="x", data={"echo": TOKEN})
    inner.add_note(TOKEN)
    error = rt.ConnectError("refused")
    error.__cause__ = ExceptionGroup("both", [inner])
    redact(error, [TOKEN])
    assert (inner.data, inner.__notes__) == ({"echo": "***"}, ["***"])
    assert_nowhere(*shown(error))


def test_what_is_nested_too_deeply_is_not_kept() -> None:
    deep: Any = TOKEN
    for _ in range(5000):
        deep = [deep]
    hidden = scrub(deep, [TOKEN])
    depth = 0
    while isinstance(hidden, list):
        hidden, depth = hidden[0], depth + 1
    assert hidden == "***"


# --- addresses ------------------------------------------------------------------------------------

ADDRESSES = [
    "me:SECRET@h:80", "SECRET@h", "http:me:SECRET@h", "http:/me:SECRET@h", "//me:SECRET@h/x",
    "http://me:SECRET@h:8/a", "http://me:SEC/SECRET@h/", "http://me:a?SECRET@h", "http://me:SECRET",
    "http://h/?token=SECRET", "http://h?a=b&SECRET", "http://h/#SECRET", "htp://me:SECRET@h",
    "http://me:a@SECRET@h", " http://me:SECRET@h ", "HTTP://me:SECRET@h", "h:80?token=SECRET",
    "http://me:a#SECRET@h", "git+https://me:SECRET@h/r.git@main", "docker://me:SECRET@h/i:1",
]  # fmt: skip


def reset(address: str) -> None:
    with CodingEnv(address, request_timeout_s=1, retry=rt.RetryPolicy(attempts=1)) as env:
        env.reset()


@pytest.mark.parametrize("address", ADDRESSES)
def test_an_address_hides_its_secrets_even_if_it_is_none(address: str) -> None:
    assert "SECRET" not in without_secrets(address)
    assert "SECRET" not in label(address)
    with pytest.raises((ValueError, rt.EnvError)) as caught:
        reset(address)
    assert "SECRET" not in "".join(traceback.format_exception_only(caught.value))


@pytest.mark.slow
@pytest.mark.parametrize("address", [text for text in ADDRESSES if not text.startswith("docker")])
@pytest.mark.parametrize("command", ["build", "diff", "run"])
def test_a_command_hides_the_secrets_of_its_source(command: str, address: str) -> None:
    address = address.replace("@h", "@127.0.0.1:1").replace("h:80", "127.0.0.1:1")
    address = address.replace("//h", "//127.0.0.1:1").replace("127.0.0.1:1:8", "127.0.0.1:1")
    if command == "run" and not address.startswith("git+"):
        address = f"git+{address}" if "://" in address else f"git+https://{address}"
    done = run(command, address, *([address] if command == "diff" else []))
    assert done.exit_code in (1, 3), done.output
    assert isinstance(done.exception, SystemExit)
    assert "SECRET" not in done.output
    if command == "build":
        assert "SECRET" not in run(command, address, "--format", "json").output


@pytest.mark.parametrize(
    ("address", "shown"),
    [
        ("git+https://h/me/r.git@v1#subdirectory=a/b", None),
        ("docker://h:5000/me/i@sha256:0123abcd", None),
        ("hf://me/maze", None),
        ("http://h:80/a/@b", None),
        ("http://[::1]:80/a", None),
        ("schemas/me@work.json", None),
        ("git+https://me:x@h/r.git@v1", "git+https://h/r.git@v1"),
    ],
)
def test_what_is_no_secret_is_shown(address: str, shown: str | None) -> None:
    assert label(address) == (shown or address)


def test_what_a_server_says_back_is_not_printed_nor_saved() -> None:
    header = f"Authorization: Bearer {TOKEN}"
    with serving(server("422")) as url:
        for options in (["--header", header], []):
            address = url if options else url.replace("//", f"//me:{QUOTED}@")
            done = run("build", address, "--name", "do_env", *options)
            assert done.exit_code == 1
            assert re.search("holds a token or password|a name of more than", done.stderr)
            assert_nowhere(done.output)
    assert not Path("generated/do_env").exists()
    assert not Path("schemas").exists()


# --- where a token is sent ------------------------------------------------------------------------


def test_the_lock_and_the_records_have_no_password(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    address = f"git+http://me:{QUOTED}@127.0.0.1:1/r.git"
    provider = UVProvider(project_path=address)
    seen: list[str] = []
    original = subprocess.run

    def watched(command: Any, **options: Any) -> Any:
        seen.append(repr(command))
        records = (tmp_path / "state").rglob("*.json")
        seen.extend(file.read_text() for file in records)
        return original(command, **options)

    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    monkeypatch.setattr(subprocess, "run", watched)
    with pytest.raises(rt.FetchError) as caught:
        provider.start()
    assert any("git+http://127.0.0.1:1/r.git" in text for text in seen)
    assert_nowhere(*seen, *shown(caught.value))
    with pytest.raises(ValueError, match="not a git source") as refused:
        UVProvider(project_path=address.replace("http:", "ftp:"))
    assert_nowhere(str(refused.value))


def test_the_hub_token_stays_with_the_hub() -> None:
    seen: list[str | None] = []

    async def elsewhere(request: Request) -> Response:
        seen.append(request.headers.get("authorization"))
        return Response("---\napp_port: 7861\n---\n")

    with serving(Starlette(routes=[Route("/{path:path}", elsewhere)])) as other:

        async def moved(_: Request) -> Response:
            return RedirectResponse(other.replace("127.0.0.1", "localhost"), 302)

        with serving(Starlette(routes=[Route("/{path:path}", moved)])) as url:
            assert Hub(endpoint=url, token=TOKEN).app_port("o/n") == 7861
    assert seen == [None]


def test_a_hub_that_drips_has_one_time_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("envgen_runtime.providers.hub._TIMEOUT_S", 0.5)
    stop = threading.Event()

    def drip(server: socket.socket) -> None:
        connection = server.accept()[0]
        with connection:
            connection.recv(4096)
            connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n")
            while not stop.wait(0.05):
                try:
                    connection.sendall(b"x")
                except OSError:
                    return
        pytest.fail("the client was still reading at the end of the test")

    with socket.create_server(("127.0.0.1", 0)) as listener:
        thread = threading.Thread(target=drip, args=(listener,))
        thread.start()
        url = f"http://127.0.0.1:{listener.getsockname()[1]}"
        assert Hub(endpoint=url, token=TOKEN).app_port("o/n") is None
        thread.join(10)
        stop.set()
        assert not thread.is_alive()


def test_the_address_of_a_space_names_no_attributes() -> None:
    for template in ("https://{subdomain.__class__.__mro__}", "{0}", "{subdomain!r}", "{", "{x}"):
        assert Hub(space_url=template).url("o/n") == template
    assert Hub(space_url="https://{subdomain}.x").url("o/n") == "https://o-n.x"


# --- one list of secrets --------------------------------------------------------------------------


def test_a_contract_in_a_file_echoes_no_secret() -> None:
    save(contract(action={"type": "object", "properties": {"me": {}}}), "me@x.json")
    assert run("build", "me@x.json").exit_code == 0


def test_a_login_in_an_address_is_secret_as_basic_too() -> None:
    """Servers echo the header that it becomes."""
    from base64 import b64encode

    from envgen_runtime.wire.redaction import secrets_in

    assert b64encode(b"user:passwords").decode() in secrets_in({}, "http://user:passwords@h")
