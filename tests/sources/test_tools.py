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
from tests.support import contract, run, save

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
    error = {"code": -32603, "message": "Environment does not support MCP\x1b[31m"}
    return JSONResponse({"jsonrpc": "2.0", "id": 0, "error": error})


async def broken(request: Request) -> Response:
    return Response(status_code=500)


async def endless(request: Request) -> Response:
    return result(await request.json(), tools=[], nextCursor="again")


async def odd(request: Request) -> Response:
    return JSONResponse([1])


async def twice(request: Request) -> Response:
    return result(await request.json(), tools=[{"name": "a"}, {"name": "a"}])


async def stuck(request: Request) -> Response:
    """Reply once the client has hung up."""
    await request.body()
    await request.receive()
    return Response()


@pytest.mark.slow
@pytest.mark.parametrize(
    ("mcp", "reason"),
    [
        (refusing, "the server doesn't list them: Environment does not support MCP"),
        (broken, "the server answered HTTP 500"),
        (endless, "the server's list of tools doesn't end"),
        (odd, "the server doesn't list them: no result"),
        (twice, "the tools at 0 and 1 are both called a"),
        (stuck, "took longer than 0.5 s"),
    ],
)
def test_a_server_that_does_not_list_its_tools(mcp: Answer, reason: str) -> None:
    limit = ["--timeout", "1"] if mcp is stuck else []
    with serving(server(mcp)) as url:
        built = run("build", url, *limit)
        assert built.exit_code == 0
        assert f"/tools: its tools are not known: POST /mcp: {reason}" in built.stderr
        assert "\x1b[31m" not in built.stderr
        assert run("build", "--check", url, *limit).exit_code == 0
    document = json.loads(Path("schemas/do_env.json").read_text())
    assert "tools" not in document
    assert document["unpublished"] == ["tools"]


def test_tools_that_are_not_known_are_not_taken_for_removed_ones() -> None:
    save(contract(action=CALL, tools=[{"name": "a"}]))
    with serving(server(refusing)) as url:
        told = run("diff", "x.json", url)
    assert (told.exit_code, told.stdout) == (0, "do_env: no change\n")


@pytest.mark.parametrize("metadata", [stuck, broken, odd])
def test_a_server_that_does_not_tell_its_name(metadata: Answer) -> None:
    nameless = {key: value for key, value in contract().items() if key != "name"}

    async def schema(_request: Request) -> Response:
        return JSONResponse(nameless)

    app = Starlette(routes=[Route("/schema", schema), Route("/metadata", metadata)])
    with serving(app) as url:
        built = run("build", url, *(["--timeout", "1"] if metadata is stuck else []))
    assert built.exit_code == 0
    assert "the server doesn't tell its name, so it is called do_env (pass --name" in built.stderr
    assert Path("generated/do_env").is_dir()


def test_a_server_is_not_asked_for_its_name_if_the_user_gives_one() -> None:
    asked: list[str] = []

    async def note(request: Request) -> Response:
        asked.append(request.url.path)
        nameless = {key: value for key, value in contract().items() if key != "name"}
        return JSONResponse(nameless)

    app = Starlette(routes=[Route("/{route}", note)])
    with serving(app) as url:
        assert run("build", url, "--name", "other_env").exit_code == 0
    assert asked == ["/schema"]


# --- a saved list ---------------------------------------------------------------------------------

ADD = {"name": "add", "inputSchema": {"type": "object"}}


def test_a_saved_list_of_one_page_is_told_to_have_others() -> None:
    save({"tools": [ADD], "nextCursor": "2"}, "desk.json")
    built = run("build", "desk.json")
    assert built.exit_code == 0
    assert "warning" in built.stderr
    assert "nextCursor" in built.stderr
    save({"tools": [ADD], "nextCursor": None}, "desk.json")
    assert "nextCursor" not in run("build", "desk.json").stderr


@pytest.mark.parametrize(
    ("content", "told"),
    [
        ({"tools": []}, "a list without tools"),
        ({"result": {"tools": []}}, "a list without tools"),
        (
            {"jsonrpc": "2.0", "id": 1, "error": {"code": -32000, "message": "no session"}},
            "a server's error, and no list of tools: no session",
        ),
        ([], "a list without tools"),
        ([1], "a contract is a JSON object"),
        ([ADD, {"title": "x"}], "the tool at 1 has no name"),
        ({"tools": [ADD, {"title": "x"}]}, "the tool at 1 has no name"),
        ({"tools": [ADD, {"name": "b"}, ADD]}, "the tools at 0 and 2 are both called add"),
    ],
)
def test_what_is_no_list_of_tools_says_what_it_is(content: Any, told: str) -> None:
    save(content, "desk.json")
    built = run("build", "desk.json")
    assert built.exit_code == 1
    assert told in " ".join(built.stderr.split())


def test_a_bare_list_of_tools_is_one() -> None:
    save([ADD], "desk.json")
    assert run("build", "desk.json").exit_code == 0
    assert "def add(" in "".join(file.read_text() for file in Path("generated/desk").rglob("*.py"))


def test_docstrings_have_the_names_on_the_wire_and_whole_sentences() -> None:
    number = {"type": "integer", "default": 50}
    properties = {"a": {**number, "description": "Rows to read"},
                  "b": {**number, "description": "Rows to skip."}, "c": number}  # fmt: skip
    tool = {"name": "get-weather", "inputSchema": {"type": "object", "properties": properties}}
    save({"tools": [tool, {"name": "get_weather"}]}, "desk.json")
    assert run("build", "desk.json").exit_code == 0
    text = Path("generated/desk/tools.py").read_text()
    assert '"""Call get-weather.' in text
    assert "a: Rows to read. Default: 50.\n" in text
    assert "b: Rows to skip. Default: 50.\n" in text
    assert "c: Default: 50.\n" in text
