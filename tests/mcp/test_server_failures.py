"""What a client says of a server that fails, ends, or was never there."""

from __future__ import annotations

import os
import signal
import socket
import sys
from typing import Any

import pytest

import envgen_runtime as rt
from envgen_runtime import ToolsClient
from envgen_runtime.generated import RequestModel
from envgen_runtime.tools import Tool, Toolset
from tests.mcp.serving import BARE, data, served


def test_the_errors_of_a_call_are_told_apart() -> None:
    with ToolsClient.from_command(BARE) as client:
        with pytest.raises(rt.ToolNotFound, match="no swim here") as missing:
            client.call_tool("swim")
        with pytest.raises(rt.ToolArgumentsInvalid, match="value is missing") as invalid:
            client.call_tool("echo")
        with pytest.raises(rt.ToolTimeout, match="too slow"):  # the server's limit, not ours
            client.call_tool("echo", {"value": "late"})
        assert data(client.call_tool("echo", {"value": 1})) == "1"
    assert (missing.value.tool, missing.value.server_text) == ("swim", "no swim here")
    assert invalid.value.sent


def test_an_error_of_a_call_is_told_where_the_server_lists_no_tools() -> None:
    echo = Tool[RequestModel, Any]("echo")
    with ToolsClient.from_command([*BARE, "0"]) as client:  # its list doesn't end
        with pytest.raises(rt.ToolArgumentsInvalid, match="value is missing"):
            client._toolset(Toolset)._call(echo, {})


def test_an_error_hides_the_servers_secrets() -> None:
    told = {"content": [{"type": "text", "text": "not found: hush-hush-1"}], "isError": True}
    with ToolsClient.from_command(BARE, env={"API_TOKEN": "hush-hush-1"}) as client:
        with pytest.raises(rt.ToolNotFound, match=r"\*\*\*") as missing:
            client.call_tool("answer", {"result": told})
    assert "hush" not in missing.value.for_model()


def test_pages_are_followed() -> None:
    with ToolsClient.from_command([*BARE, "2"]) as client:
        names = [tool["name"] for tool in client.list_tools()]
    assert names == ["cancelled", "die", "echo", "variable", "wait_forever"]


def test_pages_without_an_end_are_an_error() -> None:
    with ToolsClient.from_command([*BARE, "0"]) as client:
        with pytest.raises(rt.ProtocolError, match="doesn't end"):
            client.list_tools()


# --- the server ends ------------------------------------------------------------------------------


def test_the_last_words_of_a_server_hide_its_secrets() -> None:
    with ToolsClient.from_command(BARE, env={"API_TOKEN": "hush-hush-1"}) as client:
        with pytest.raises(rt.ConnectionLost, match=r"the last words \*\*\*") as lost:
            client.call_tool("die", {"status": 3})
        with pytest.raises(rt.SessionLost) as after:
            client.list_tools()
    assert "hush" not in f"{lost.value.log}{after.value}{after.value.log}"


def test_a_call_that_was_answered_is_not_cancelled() -> None:
    with ToolsClient.from_command(BARE) as client:
        client.call_tool("echo", {"value": 1})
        with pytest.raises(rt.ToolTimeout):
            client.call_tool("echo", {"value": "late"})
        assert data(client.call_tool("cancelled")) == []


def test_the_last_words_of_a_server_that_dies_are_told() -> None:
    with ToolsClient.from_command(BARE) as client:
        with pytest.raises(rt.ConnectionLost) as raised:
            client.call_tool("die", {"status": 3})
        assert raised.value.maybe_applied
        assert "\nIts log ends with:\nthe last words\n" in str(raised.value)
        assert "not JSON: a banner" in str(raised.value)
        with pytest.raises(rt.SessionLost, match=r"connect\(\)[\s\S]*\nthe last words\n"):
            client.call_tool("echo", {"value": 1})
        client.connect()  # and only then
        assert data(client.call_tool("echo", {"value": 1})) == "1"


def test_a_call_that_a_server_over_http_does_not_end() -> None:
    with served() as url, ToolsClient(url) as client:
        with pytest.raises(rt.ConnectionLost):
            client.call_tool("die", {"status": 0})
        with pytest.raises(rt.EnvError):
            client.call_tool("echo", {"value": 1})
        with pytest.raises(rt.ConnectError):
            client.connect()


@pytest.mark.slow
def test_a_server_that_was_restarted_knows_no_session() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        with served(on=listener) as url:
            client = ToolsClient(url).connect()
            with pytest.raises(rt.ConnectionLost):
                client.call_tool("die", {"status": 0})
        with served(on=listener), client:
            for _ in range(2):  # the first may meet the old connection
                with pytest.raises(rt.EnvError):
                    client.call_tool("echo", {"value": 2})
            client.connect()
            assert data(client.call_tool("echo", {"value": 4})) == "4"


def test_a_server_that_died_between_two_calls_is_told_of_too() -> None:
    with ToolsClient.from_command(BARE) as client:
        os.kill(int(str(client.server_info["version"])), signal.SIGKILL)
        with pytest.raises((rt.SessionLost, rt.ConnectionLost)):
            client.call_tool("echo", {"value": 1})


@pytest.mark.parametrize(
    ("command", "told"),
    [
        (["no-such-program", "--api-key", "s3cr3t-value"], "can't be started"),
        ([sys.executable, "-c", "import sys; sys.exit('no module named x')"], "no module named x"),
        ([sys.executable, "-c", "print('usage: server PORT')"], "usage: server PORT"),
    ],
)
def test_a_server_that_does_not_start_says_why(command: list[str], told: str) -> None:
    with pytest.raises(rt.StartError) as raised:
        ToolsClient.from_command(command).connect()
    assert told in str(raised.value)
    assert "s3cr3t" not in str(raised.value)


@pytest.mark.slow
def test_a_server_that_is_not_ready_in_time() -> None:
    # A shell says it at once, at any load.
    program = "echo loading >&2; while read -r _; do :; done"
    client = ToolsClient.from_command(["sh", "-c", program], connect_timeout_s=2)
    with pytest.raises(rt.ReadyTimeout, match=r"within 2 s[\s\S]*loading"):
        client.connect()


def test_a_command_is_no_text_for_a_shell() -> None:
    with pytest.raises(TypeError, match="a list"):
        ToolsClient.from_command("python server.py")  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="no program"):
        ToolsClient.from_command([])


def test_a_server_gets_the_variables_it_is_given_and_no_secret_of_ours(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("TRAINER_TOKEN", "of the trainer")
    with ToolsClient.from_command(BARE, env={"STATION": "north"}) as client:
        given = [data(client.call_tool("variable", {"name": name})) for name in
                 ("STATION", "TRAINER_TOKEN", "PATH")]  # fmt: skip
    assert given == ["north", None, os.environ["PATH"]]
