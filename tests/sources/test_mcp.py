"""MCP servers as sources: over HTTP, from a command, and out of the settings of other programs."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, RedirectResponse, Response
from starlette.routing import Route

from envgen.config import SourceSettings
from envgen.demo.server import serving
from envgen.errors import ConfigError, EnvgenError
from envgen.sources import label, mcp, recorded
from envgen_runtime.mcp.servers import StdioServer
from tests.mcp.serving import BARE, served
from tests.support import run, save

SECRET = "s3cr3t-t0k3n"
COMMAND = f"mcp+stdio:{' '.join(BARE)}"
STARTED = "from pathlib import Path; Path('started').touch()"
TOOL: dict[str, Any] = {
    "name": "look",
    "title": "Look around",
    "inputSchema": {"type": "object", "properties": {"far": {"type": "boolean"}}},
    "annotations": {"readOnlyHint": True},
}


def web(tool: dict[str, Any] = TOOL, *, token: str = "", status: int = 200) -> Starlette:
    """A server over HTTP that keeps no session, and answers in JSON."""

    async def answer(request: Request) -> Response:
        if token and request.headers.get("authorization") != f"Bearer {token}":
            return JSONResponse({"error": f"{request.headers.get('authorization')}?"}, 401)
        message = await request.json()
        if "id" not in message or "method" not in message:
            return Response(status_code=202)
        results: dict[str, Any] = {
            "initialize": {
                "protocolVersion": "2025-06-18",
                "capabilities": {"tools": {}},
                "serverInfo": {"name": "Watch tower", "version": "1"},
                "instructions": "Look before you leap.",
            },
            "tools/list": {"tools": [tool]},
            "ping": {},
        }
        reply = {"jsonrpc": "2.0", "id": message["id"], "result": results[message["method"]]}
        return JSONResponse(reply, status)

    return Starlette(routes=[Route("/mcp", answer, methods=["POST"])])


def everything() -> str:
    """The text of each file in the current folder."""
    files = (path for path in Path().rglob("*") if path.is_file())
    return "\n".join(path.read_text(errors="replace") for path in files)


def configured(**servers: Any) -> str:
    return save({"mcpServers": servers}, ".mcp.json")


# --- each kind ------------------------------------------------------------------------------------


def test_a_command_is_started_and_asked_for_every_page() -> None:
    document = mcp.fetch(f"{COMMAND} 2", SourceSettings())
    names = [tool["name"] for tool in document.content["tools"]]
    assert names == ["cancelled", "die", "echo", "variable", "wait_forever"]
    assert document.name == "bare"
    result = run("build", f"{COMMAND} 2")
    assert (result.exit_code, result.stderr) == (0, "")
    assert "class BareTools(" in Path("generated/bare/client.py").read_text()
    assert run("build", f"{COMMAND} 2", "--check").exit_code == 0


def test_a_server_over_http() -> None:
    with serving(web()) as url:
        result = run("build", f"mcp+{url}/mcp")
    assert (result.exit_code, result.stderr) == (0, "")
    contract = json.loads(Path("schemas/watch_tower.json").read_text())
    assert contract["instructions"] == "Look before you leap."
    (tool,) = contract["tools"]
    assert (tool["title"], tool["annotations"]) == ("Look around", {"readOnlyHint": True})


def test_a_server_of_the_sdk_over_http() -> None:
    with served() as url:
        assert run("build", f"mcp+{url}", "--name", "weather").exit_code == 0
    assert "def get_weather(" in Path("generated/weather/tools.py").read_text()


@pytest.mark.parametrize("path", ["", "/mcp"])
def test_the_prefix_is_told_where_it_is_forgotten(path: str) -> None:
    with serving(web()) as url:
        result = run("build", f"{url}{path}")
        assert result.exit_code == 1
        assert "an MCP server" in result.stderr
        assert f"write mcp+{url}/mcp" in result.stderr


# --- what is secret -------------------------------------------------------------------------------


def test_a_token_is_sent_and_shown_nowhere(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TOWER_TOKEN", SECRET)
    with serving(web(token=SECRET)) as url:
        refused = run("build", f"mcp+{url}/mcp?key={SECRET}")
        assert refused.exit_code == 3
        assert "HTTP 401" in refused.stderr
        assert "--header" in refused.stderr
        header = "Authorization: Bearer ${TOWER_TOKEN}"
        built = run("build", f"mcp+{url}/mcp?key={SECRET}", "--header", header)
    assert built.exit_code == 0
    assert SECRET not in refused.output + built.output + everything()


def test_a_header_goes_to_no_other_host() -> None:
    asked: list[str | None] = []

    async def other(request: Request) -> Response:
        asked.append(request.headers.get("authorization"))
        return Response(status_code=404)

    with serving(Starlette(routes=[Route("/mcp", other, methods=["POST"])])) as there:
        away = RedirectResponse(f"{there}/mcp", 307)

        async def redirect(_request: Request) -> Response:
            return away

        with serving(Starlette(routes=[Route("/mcp", redirect, methods=["POST"])])) as here:
            header = f"Authorization: Bearer {SECRET}"
            result = run("build", f"mcp+{here}/mcp", "--header", header)
    assert result.exit_code == 3
    assert "redirects to" in result.stderr
    assert asked == []


def test_secrets_of_a_command_are_shown_nowhere(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("STATION_KEY", other := "an0ther-s3cr3t")
    source = f"{COMMAND} 9 --key {SECRET} token={SECRET} ${{STATION_KEY}}"
    result = run("build", source)
    assert (result.exit_code, result.stderr) == (0, "")
    failed = run("build", f"mcp+stdio:no-such-program --key {SECRET} ${{STATION_KEY}}")
    assert failed.exit_code == 1
    for secret in (SECRET, other):
        assert secret not in result.output + failed.output + everything()
    lock = json.loads(Path("generated/envgen.lock").read_text())
    assert lock["packages"]["bare"]["source"].endswith("9 --key *** token=*** ${STATION_KEY}")


@pytest.mark.parametrize(
    ("source", "kept"),
    [
        ("mcp+stdio:/bin/python3 '/home/me/a b/server.py' -v", "mcp+stdio:python3 server.py -v"),
        ("mcp+stdio:npx -y @x/y --api-key=abcd", "mcp+stdio:npx -y @x/y --api-key=***"),
        ("mcp+stdio:npx remote https://me:pass@x.io/?k=abcd1 --header 'Authorization: Bearer t0k3'",
         "mcp+stdio:npx remote 'https://***@x.io/?k=***' --header 'Authorization: ***'"),
        ("mcp+http://me:pass@x.io/mcp?k=abcd", "mcp+http://x.io/mcp"),
        ("MCP+HTTPS://x.io/mcp", "MCP+HTTPS://x.io/mcp"),
        ("mcp-config:/home/me/.cursor/mcp.json#a b", "mcp-config:mcp.json#a b"),
        ("mcp+stdio:'open", "mcp+stdio:..."),
    ],
)  # fmt: skip
def test_what_the_lock_records(source: str, kept: str) -> None:
    assert recorded(source) == kept
    assert "pass" not in label(source)


# --- the settings of other programs ---------------------------------------------------------------


def test_each_server_in_the_settings_is_a_package() -> None:
    entry = {"command": BARE[0], "args": BARE[1:], "env": {"API_KEY": SECRET}}
    save({"servers": {"north-station": {"type": "stdio", **entry}, "south": entry}}, "mcp.json")
    result = run("build", "--from-mcp-config", "mcp.json")
    assert (result.exit_code, result.stderr) == (0, "")
    assert {path.name for path in Path("generated").iterdir() if path.is_dir()} == {
        "north_station",
        "south",
    }
    Path("mcp.json").unlink()
    assert SECRET not in result.output + everything()


def test_a_server_over_http_in_the_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    with serving(web(token=SECRET)) as url:
        headers = {"Authorization": "Bearer ${TOWER_TOKEN}"}
        configured(tower={"type": "http", "url": f"{url}/mcp", "headers": headers})
        monkeypatch.setenv("TOWER_TOKEN", SECRET)
        refused = run("build", "--from-mcp-config", ".mcp.json")
        assert refused.exit_code == 1
        assert "ENVGEN_ALLOW_VARS=TOWER_TOKEN" in refused.stderr
        monkeypatch.setenv("ENVGEN_ALLOW_VARS", "TOWER_TOKEN")
        assert run("build", "--from-mcp-config", ".mcp.json").exit_code == 0
    assert SECRET not in everything()


def test_a_variable_with_a_default(monkeypatch: pytest.MonkeyPatch) -> None:
    """As Claude Code's settings have them: the default stands in for one that isn't set."""
    configured(tower={"command": BARE[0], "args": ["${TOWER_HOST:-http://x/a-b}"]})
    monkeypatch.delenv("TOWER_HOST", raising=False)
    source = "mcp-config:.mcp.json#tower"
    server, _ = mcp.server_at(source, SourceSettings())
    assert isinstance(server, StdioServer)
    assert server.command[-1] == "http://x/a-b"
    assert server.command[-1] not in server.secrets
    monkeypatch.setenv("TOWER_HOST", SECRET)
    with pytest.raises(ConfigError, match="TOWER_HOST"):
        mcp.server_at(source, SourceSettings())
    monkeypatch.setenv("ENVGEN_ALLOW_VARS", "TOWER_HOST")
    server, _ = mcp.server_at(source, SourceSettings())
    assert isinstance(server, StdioServer)
    assert server.command[-1] == SECRET
    assert SECRET in server.secrets


def test_the_settings_of_vs_code_itself() -> None:
    """Its user settings keep the servers one level below, beside everything else."""
    entry = {"command": BARE[0], "args": BARE[1:]}
    save({"editor.fontSize": 12, "mcp": {"inputs": [], "servers": {"bare": entry}}}, "s.json")
    assert mcp.settings_sources("s.json") == (["mcp-config:s.json#bare"], [])
    server, _ = mcp.server_at("mcp-config:s.json#bare", SourceSettings())
    assert isinstance(server, StdioServer)


def test_a_server_that_is_switched_off_is_left_out_with_a_note() -> None:
    entry = {"command": BARE[0], "args": BARE[1:]}
    configured(north=entry, south={**entry, "disabled": True})
    result = run("build", "--from-mcp-config", ".mcp.json")
    assert result.exit_code == 0
    assert "south" in result.stderr
    assert "disabled" in result.stderr
    assert not Path("generated/south").exists()
    assert run("build", "--from-mcp-config", ".mcp.json#south").exit_code == 0
    configured(south={**entry, "disabled": True})
    alone = run("build", "--from-mcp-config", ".mcp.json")
    assert alone.exit_code == 1
    assert "every server in it is disabled" in alone.stderr


def test_comments_and_commas_as_editors_allow_them() -> None:
    entry = json.dumps({"command": BARE[0], "args": [*BARE[1:], "9", "http://x//y", '/*"*/,]']})
    save(
        f'{{ // of an editor\n /* "a": */ "servers": {{ "bare": {entry}, // one\n }},\n}}', "m.json"
    )
    server, name = mcp.server_at("mcp-config:m.json#bare", SourceSettings())
    assert name == "bare"
    assert getattr(server, "command")[-2:] == ("http://x//y", '/*"*/,]')  # noqa: B009


@pytest.mark.parametrize(
    ("entry", "told"),
    [
        ({"type": "sse", "url": "http://127.0.0.1:1/sse"}, "SSE"),
        ({}, "a command, or a url"),
        ({"command": "x", "args": ["${input:key}"]}, "${input:key}"),
        ({"command": "x", "cwd": "${workspaceFolder}"}, "placeholders of editors"),
        ({"command": "x", "args": ["${input:key}"]}, "placeholders of editors"),
        ({"command": "x", "envFile": ".env"}, "envFile isn't read"),
        ({"command": "x", "env": {"A": "${HOME}"}}, "ENVGEN_ALLOW_VARS=HOME"),
        ({"url": "ftp://x"}, "http"),
        ({"command": ""}, "no program"),
    ],
)
def test_entries_that_cannot_be_used(entry: dict[str, Any], told: str) -> None:
    configured(x=entry)
    result = run("build", "--from-mcp-config", ".mcp.json")
    assert result.exit_code == 1
    assert told in result.stderr


@pytest.mark.parametrize(
    ("source", "told"),
    [
        ("missing.json", "can't be read"),
        ("other.json", "no mcpServers"),
        (".mcp.json#c", "a, b"),
    ],
)
def test_settings_that_cannot_be_used(source: str, told: str) -> None:
    configured(a={"command": "x"}, b={"command": "y"})
    save({"servers": []}, "other.json")
    result = run("build", "--from-mcp-config", source)
    assert result.exit_code == 1
    assert told in result.stderr


# --- a repository's settings ----------------------------------------------------------------------


def test_a_build_starts_nothing_out_of_settings_and_sync_does() -> None:
    servers = {"bare": {"command": BARE[0], "args": BARE[1:]}}
    save({"mcpServers": servers}, "mcp.json")
    program = f"{STARTED}; import runpy; runpy.run_path('{BARE[1]}')"
    save(
        "[tool.envgen.envs.one]\n"
        f'source = """mcp+stdio:{sys.executable} -c "{program}" """\n'
        '[tool.envgen.envs.two]\nsource = "mcp-config:mcp.json#bare"\n',
        "pyproject.toml",
    )
    for arguments in (["build"], ["build", "--check"], ["build", "one"]):
        result = run(*arguments)
        assert result.exit_code == 1
        assert "run envgen sync" in result.stderr
    assert not Path("started").exists()
    assert run("sync").exit_code == 4
    assert Path("started").exists()
    assert run("sync", "--check").exit_code == 0
    Path("started").unlink()
    assert run("build", "--check").exit_code == 0
    assert not Path("started").exists()


def test_settings_use_no_variable_in_a_command_that_the_user_does_not_allow(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("MY_SECRET", SECRET)
    save(f'[tool.envgen.envs.one]\nsource = "{COMMAND} 9 ${{MY_SECRET}}"\n', "pyproject.toml")
    refused = run("sync")
    assert refused.exit_code == 1
    assert "ENVGEN_ALLOW_VARS=MY_SECRET" in refused.stderr
    monkeypatch.setenv("ENVGEN_ALLOW_VARS", "MY_SECRET")
    assert run("sync").exit_code == 4
    assert SECRET not in everything()


def test_settings_read_no_file_of_servers_outside_of_the_repository() -> None:
    save("[tool.envgen.envs.one]\nsource = 'mcp-config:../mcp.json#x'\n", "pyproject.toml")
    result = run("sync")
    assert result.exit_code == 1
    assert "outside" in result.stderr


# --- servers that fail ----------------------------------------------------------------------------


def test_a_server_that_ends_says_why() -> None:
    result = run("build", f"mcp+stdio:{sys.executable} -c \"import sys; sys.exit('no key given')\"")
    assert result.exit_code == 1
    assert "no key given" in result.stderr


def test_a_server_that_does_not_answer_in_time() -> None:
    source = f'mcp+stdio:{sys.executable} -c "import sys; sys.stdin.read()"'
    result = run("build", source, "--timeout", "0.5")
    assert result.exit_code == 3
    assert "--timeout" in result.stderr


def test_a_server_that_is_not_there() -> None:
    result = run("build", "mcp+http://127.0.0.1:9/mcp")
    assert result.exit_code == 3
    assert "is the server running" in result.stderr


@pytest.mark.parametrize("source", ["mcp+stdio:", "mcp+http://", "mcp+stdio:'x", "mcp+https://:1/"])
def test_sources_that_name_nothing(source: str) -> None:
    with pytest.raises(EnvgenError):
        mcp.fetch(source, SourceSettings())


def test_a_reply_that_is_too_large_is_not_read(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(mcp, "MAX_BYTES", 10_000)
    tool = {**TOOL, "description": "x" * 20_000}
    with serving(web(tool)) as url:
        result = run("build", f"mcp+{url}/mcp")
    assert result.exit_code == 1
    assert "larger than 10000 bytes" in result.stderr


def test_a_contract_that_holds_the_token_is_not_saved() -> None:
    with serving(web({**TOOL, "description": f"as {SECRET}"}, token=SECRET)) as url:
        header = f"Authorization: Bearer {SECRET}"
        result = run("build", f"mcp+{url}/mcp", "--header", header)
    assert result.exit_code == 1
    assert SECRET not in result.output + everything()


@pytest.mark.parametrize(
    "rest", ["," + "/" * 60, '"' + chr(92) * 100_000], ids=["comments", "text"]
)
def test_a_settings_file_that_no_pattern_can_be_tried_on_twice(rest: str) -> None:
    path = save(f'{{"mcpServers": {{}}{rest}', "m.json")
    assert run("build", "--from-mcp-config", path).exit_code == 1
