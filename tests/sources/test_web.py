"""Servers as they are met: slow, huge, packed, redirecting, behind a token."""

from __future__ import annotations

import asyncio
import gzip
import json
import os
import pty
import subprocess
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, RedirectResponse, Response, StreamingResponse
from starlette.routing import Route

from envgen.contract.contract import parse_contract
from envgen.demo.server import serving
from envgen.sources.parsing import MAX_BYTES
from tests.support import contract, run, save

SECRET = "hf_s3cr3t"
Answer = Callable[[Request], Any]


def app(**routes: Answer | Response) -> Starlette:
    """A server that answers GET; a route's slashes are written as two underscores."""

    def route(name: str, answer: Answer | Response) -> Route:
        path = "/" + name.replace("__", "/").replace("_json", ".json")
        if isinstance(answer, Response):
            return Route(path, lambda _request: answer)
        return Route(path, answer)

    return Starlette(routes=[route(name, answer) for name, answer in routes.items()])


def test_the_url_of_a_document() -> None:
    with serving(app(x__contract_json=JSONResponse(contract()))) as url:
        result = run("build", f"{url}/x/contract.json")
    assert (result.exit_code, result.stderr) == (0, "")
    saved = parse_contract(contract(), source="x").to_json()
    assert Path("schemas/do_env.json").read_text() == saved


def test_a_document_without_a_name_is_called_by_its_folder() -> None:
    nameless = {key: value for key, value in contract().items() if key != "name"}
    with serving(app(maze__contract_json=JSONResponse(nameless))) as url:
        assert run("build", f"{url}/maze/contract.json").exit_code == 0
    assert Path("generated/maze").is_dir()


def test_a_contract_at_an_address_that_says_nothing() -> None:
    with serving(app(latest=JSONResponse(contract()))) as url:
        assert run("build", f"{url}/latest").exit_code == 0


def test_several_servers_are_read_side_by_side() -> None:
    """Each answers only when all were asked."""
    together = asyncio.Barrier(4)

    def server(number: int) -> Starlette:
        async def schema(_request: Request) -> Response:
            await together.wait()
            return JSONResponse({**contract(), "name": f"env_{number}"})

        return app(**{f"s{number}__contract_json": schema})

    routes = [route for number in range(4) for route in server(number).routes]
    with serving(Starlette(routes=routes)) as url:
        sources = [f"{url}/s{number}/contract.json" for number in range(4)]
        result = run("build", *sources, save(contract()), "gone.json")
    assert result.exit_code == 1
    built = [line.split()[1] for line in result.stdout.splitlines()[:-1]]
    assert built == [*(f"generated/env_{number}" for number in range(4)), "generated/do_env"]
    assert result.stdout.endswith("6 sources: 5 written, 1 failed\n")


# --- headers and secrets ------------------------------------------------------------------------


def guarded(request: Request) -> Response:
    if request.headers.get("authorization") != f"Bearer {SECRET}":
        return JSONResponse({"detail": "no"}, 401)
    return JSONResponse(contract())


def everything(folder: Path) -> str:
    return "".join(path.read_text() for path in folder.rglob("*") if path.is_file())


def test_a_token_from_the_environment(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MY_TOKEN", SECRET)
    with serving(app(schema=guarded)) as url:
        result = run("build", url, "--header", "Authorization: Bearer ${MY_TOKEN}")
        assert result.exit_code == 0
        refused = run("build", url)
        assert refused.exit_code == 3
        assert "refuses access (HTTP 401)" in refused.stderr
        save(
            f'[tool.envgen.envs.other_env]\nsource = "{url}"\n'
            'headers = { Authorization = "Bearer ${MY_TOKEN}" }\n',
            "pyproject.toml",
        )
        assert run("sync").exit_code == 1, "settings may not use any variable"
        monkeypatch.setenv("ENVGEN_ALLOW_VARS", "MY_TOKEN")
        assert run("sync").exit_code == 4
    assert Path("generated/other_env").is_dir()
    assert SECRET not in result.output + refused.output + everything(folder)


def test_a_password_in_the_address_is_not_repeated(folder: Path) -> None:
    with serving(app(schema=JSONResponse(contract()))) as url:
        secret_url = url.replace("http://", f"http://me:{SECRET}@") + f"/?token={SECRET}"
        built = run("build", secret_url)
        failed = run("build", secret_url.replace("/?", "/nowhere?"))
        twice = run("build", secret_url, save(contract()))
    gone = run("build", secret_url)
    assert [item.exit_code for item in (built, failed, twice, gone)] == [0, 1, 1, 3]
    output = built.output + failed.output + twice.output + gone.output
    assert SECRET not in output + everything(folder)


@pytest.mark.parametrize(
    ("header", "value", "says"),
    [
        ("Authorization: ${TOKEN}", f"{SECRET}\nX-Evil: 1", "has a character"),
        ("Authorization: ${TOKEN}", None, "the environment variable TOKEN is not set"),
        ("X Y: ${TOKEN}", SECRET, "has a character"),
        (SECRET, "", "write it as 'Name: value'"),
    ],
)
def test_headers_that_cannot_be_sent(
    header: str, value: str | None, says: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("TOKEN", raising=False)
    if value is not None:
        monkeypatch.setenv("TOKEN", value)
    result = run("build", "http://127.0.0.1:9", "--header", header)
    assert result.exit_code in (1, 2)
    assert says in " ".join(result.stderr.replace("│", " ").split())
    assert SECRET not in result.output


# --- redirects ----------------------------------------------------------------------------------


def test_redirects_on_the_same_host_are_followed() -> None:
    with serving(app(schema=RedirectResponse("/v2"), v2=JSONResponse(contract()))) as url:
        assert run("build", url).exit_code == 0


def test_redirects_to_another_host_are_not_followed_unless_allowed() -> None:
    seen: list[str | None] = []

    def elsewhere(request: Request) -> Response:
        seen.append(request.headers.get("authorization"))
        return JSONResponse(contract())

    with serving(app(schema=elsewhere)) as other:
        with serving(app(schema=RedirectResponse(f"{other}/schema?key={SECRET}"))) as url:
            token = ["--header", f"Authorization: {SECRET}"]
            refused = run("build", url, *token)
            assert refused.exit_code == 1
            assert f"{url}/schema: redirected to another host: {other}/schema\n" in refused.stderr
            assert "--allow-redirects" in refused.stderr
            assert seen == []
            assert run("build", url, *token, "--allow-redirects").exit_code == 0
            assert SECRET not in refused.output
    assert set(seen) == {None}, "the token stays with the host that it was given for"


def test_a_redirect_in_a_circle() -> None:
    with serving(app(schema=RedirectResponse("/schema"))) as url:
        result = run("build", url)
    assert result.exit_code == 1
    assert "more than 5 redirects" in result.stderr


@pytest.mark.parametrize("target", ["file:///etc/hostname", "ftp://127.0.0.1/x", "http://[", ""])
def test_a_redirect_to_something_odd(target: str) -> None:
    answer = Response(status_code=302, headers={"location": target} if target else {})
    with serving(app(schema=answer)) as url:
        for more in ([], ["--allow-redirects"]):
            result = run("build", url, *more)
            assert result.exit_code in (1, 3)
            assert "Traceback" not in result.output


# --- limits -------------------------------------------------------------------------------------


def test_a_server_that_trickles() -> None:
    async def drops() -> AsyncIterator[bytes]:
        for _ in range(1000):  # each in time, and then a document that is none
            yield b" "
            await asyncio.sleep(0.05)

    with serving(app(schema=lambda _request: StreamingResponse(drops()))) as url:
        result = run("build", url, "--timeout", "0.5")
    assert result.exit_code == 3
    assert f"{url}: took longer than 0.5 s" in result.stderr


def test_a_server_that_says_too_much() -> None:
    async def flood() -> AsyncIterator[bytes]:
        for _ in range(40):
            yield b" " * 1_000_000
            await asyncio.sleep(0)  # else the server would not notice that nobody listens

    with serving(app(schema=lambda _request: StreamingResponse(flood()))) as url:
        result = run("build", url)
    assert result.exit_code == 1
    assert "larger than 16 MB" in result.stderr


def test_a_packed_document() -> None:
    packed = gzip.compress(json.dumps(contract()).encode())
    with serving(app(schema=Response(packed, headers={"content-encoding": "gzip"}))) as url:
        assert run("build", url).exit_code == 0


@pytest.mark.parametrize(
    ("encoding", "content", "says"),
    [
        ("gzip", gzip.compress(b" " * (40 * MAX_BYTES)), "larger than 16 MB"),
        ("gzip", b"no", "can't be decompressed"),
        ("gzip, gzip", gzip.compress(gzip.compress(b"{}")), "compressed as 'gzip, gzip'"),
        ("br", b"x", "compressed as 'br'"),
    ],
    ids=["bomb", "broken", "twice", "unasked"],
)
def test_packing_that_is_refused(encoding: str, content: bytes, says: str) -> None:
    with serving(app(schema=Response(content, headers={"content-encoding": encoding}))) as url:
        result = run("build", url)
    assert result.exit_code == 1
    assert says in result.stderr


@pytest.mark.parametrize(
    "source",
    ["http://", "http://[", "http://127.0.0.1:99999", "http://\udcff", "http://x\n.y",
     "https://:80", "http://127.0.0.1:x"],
)  # fmt: skip
def test_what_is_no_address(source: str) -> None:
    result = run("build", source)
    assert result.exit_code == 1
    assert "this is not a valid URL" in result.stderr


def test_a_server_that_is_not_there() -> None:
    result = run("build", "HTTP://127.0.0.1:9")
    assert result.exit_code == 3
    assert "HTTP://127.0.0.1:9/schema: can't be reached" in result.stderr.replace("http:", "HTTP:")


@pytest.mark.slow
def test_a_build_from_files_imports_no_library_of_the_web() -> None:
    program = (
        "import sys; from envgen.project.build_all import build_all; build_all(['x.json']); "
        "print({'httpx', 'yaml', 'anyio', 'uvicorn'} & set(sys.modules))"
    )
    save(contract())
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    assert done.stdout == "set()\n"


def test_a_terminal_shows_how_far_it_is_and_the_output_stays_clean() -> None:
    nameless = {key: value for key, value in contract().items() if key != "name"}
    sources = [save(nameless, f"{name}.json") for name in ("one", "two")]
    terminal, theirs = pty.openpty()
    command = [sys.executable, "-m", "envgen", "build", *sources, "gone.json"]
    shown = b""
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=theirs, env={**os.environ, "TERM": "xterm"}
    ) as process:
        os.close(theirs)
        with suppress(OSError):  # how a terminal says that nobody writes to it any more
            while chunk := os.read(terminal, 4096):
                shown += chunk
        output = process.communicate()[0].decode()
    os.close(terminal)
    assert b"reading" in shown
    assert b"gone.json: can't be read" in shown
    assert output.splitlines() == [
        "    wrote generated/one  OneEnv from one.json",
        "    wrote generated/two  TwoEnv from two.json",
        "3 sources: 2 written, 1 failed",
    ]
