"""Servers with tools, asked for them: pages, tokens, refusals, faults."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from envgen.demo.server import serving
from tests.support import contract, run

CALL = {
    "title": "CallToolAction",
    "type": "object",
    "properties": {"type": {"const": "call_tool", "default": "call_tool"}},
}
Answer = Callable[[Request], Awaitable[Response]]


def server(mcp: Answer | None) -> Starlette:
    async def schema(_request: Request) -> Response:
        return JSONResponse(contract(action=CALL))

    routes = [Route("/schema", schema)]
    return Starlette(
        routes=[*routes, Route("/mcp", mcp, methods=["POST"])] if mcp is not None else routes
    )


def result(asked: dict[str, Any], **members: Any) -> Response:
    return JSONResponse({"jsonrpc": "2.0", "id": asked["id"], "result": members})


def kept() -> list[str]:
    document = json.loads(Path("schemas/do_env.json").read_text())
    return [tool["name"] for tool in document.get("tools", [])]


def test_all_pages_are_read_with_the_same_headers(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MY_TOKEN", "s3cret")
    pages = {None: (["b"], "2"), "2": (["a"], "3"), "3": (["c"], None)}

    async def mcp(request: Request) -> Response:
        assert request.headers["authorization"] == "Bearer s3cret"
        asked = await request.json()
        assert (asked["jsonrpc"], asked["method"]) == ("2.0", "tools/list")
        names, following = pages[asked["params"].get("cursor")]
        return result(asked, tools=[{"name": name} for name in names], nextCursor=following)

    with serving(server(mcp)) as url:
        assert run("build", url, "--header", "Authorization: Bearer ${MY_TOKEN}").exit_code == 0
    assert kept() == ["a", "b", "c"]


def test_a_server_that_cannot_be_asked_has_none() -> None:
    with serving(server(None)) as url:
        built = run("build", url)
    assert (built.exit_code, built.stderr) == (0, "")
    assert kept() == []


async def refusing(request: Request) -> Response:
    error = {"code": -32603, "message": "no such\x1b[31m luck"}
    return JSONResponse({"jsonrpc": "2.0", "id": 0, "error": error})


async def broken(request: Request) -> Response:
    return Response(status_code=500)


async def endless(request: Request) -> Response:
    return result(await request.json(), tools=[], nextCursor="again")


async def odd(request: Request) -> Response:
    return JSONResponse([1])


@pytest.mark.parametrize(
    ("mcp", "code", "message"),
    [
        (refusing, 1, "the server doesn't list its tools: no such"),
        (broken, 3, "the server answered HTTP 500"),
        (endless, 1, "the list of tools doesn't end"),
        (odd, 1, "the server doesn't list its tools: no result"),
    ],
)
def test_a_server_that_fails_is_not_taken_for_one_without(
    mcp: Answer, code: int, message: str
) -> None:
    with serving(server(mcp)) as url:
        failed = run("build", url)
    assert failed.exit_code == code
    assert message in failed.stderr
    assert "/mcp" in failed.stderr
    assert "\x1b[31m" not in failed.stderr
    assert not Path("generated/do_env").exists()
