"""What can't be sent, and what can't be read: the call fails, and the session goes on."""

from __future__ import annotations

import datetime as dt
import json
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

import envgen_runtime as rt
from envgen_runtime import ToolsClient
from envgen_runtime.generated import RequestModel
from envgen_runtime.tools import Tool, Toolset
from tests.mcp.serving import BARE

HALF = "\ud83d"


class EchoArguments(RequestModel):
    value: Any


class CityArguments(RequestModel):
    city: str


@pytest.mark.parametrize(
    ("value", "path"),
    [
        (HALF, "$.value"),
        ({"a": [1, HALF]}, "$.value.a[1]"),
        ({HALF: 1}, "$.value"),
        ({1: 2}, "$.value"),
        (object(), "$.value"),
        (float("nan"), "$.value"),
        ([{1, 2}], "$.value[0]"),
    ],
    ids=["text", "nested", "key", "number as a key", "object", "NaN", "set"],
)
def test_what_json_does_not_have_is_refused(client: ToolsClient, value: Any, path: str) -> None:
    tool = Tool[EchoArguments, Any]("echo")
    for call in (
        lambda: client.call_tool("echo", {"value": value}),
        lambda: client._toolset(Toolset)._call(tool, {"value": value}),
    ):
        with pytest.raises(rt.ToolArgumentsInvalid, match="nothing was sent") as raised:
            call()
        assert (raised.value.path, raised.value.sent) == (path, False)
    assert client.call_tool("echo", {"value": 1}).content


def test_half_a_surrogate_pair_is_refused_as_a_typed_text_too(client: ToolsClient) -> None:
    tool = Tool[CityArguments, Any]("get-weather")
    with pytest.raises(rt.ToolArgumentsInvalid) as raised:
        client._toolset(Toolset)._call(tool, {"city": HALF})
    assert raised.value.path == "$.city"
    assert client._toolset(Toolset)._call(tool, {"city": "Oslo"}).data["city"] == "Oslo"


@pytest.mark.parametrize("name", [HALF, object()])
def test_a_name_that_cannot_be_sent_is_no_tools(client: ToolsClient, name: Any) -> None:
    with pytest.raises(rt.ToolNotFound) as raised:
        client.call_tool(name)
    assert not raised.value.sent
    assert client.call_tool("echo", {"value": 1}).content


def test_values_of_python_that_json_has_are_sent(client: ToolsClient) -> None:
    when = dt.date(2026, 11, 27)
    value: Any = [when, (1, 2)]
    assert client.call_tool("echo", {"value": value}).data == '["2026-11-27", [1, 2]]'


# --- replies that can't be read -------------------------------------------------------------------

UNREADABLE: list[tuple[dict[str, Any], str]] = [
    ({"result": [1]}, "result is not an object"),
    ({"result": "x"}, "result is not an object"),
    ({"result": None}, "result is not an object"),
    ({"error": "x"}, "reply is not JSON-RPC"),
    ({}, "reply is not JSON-RPC"),
]


class Answering(BaseHTTPRequestHandler):
    """An MCP server over HTTP that answers a call with the call's arguments, as JSON or events."""

    def do_POST(self) -> None:
        message = json.loads(self.rfile.read(int(self.headers["content-length"])))
        if "id" not in message:
            self.send_response(202)
            self.send_header("content-length", "0")
            self.end_headers()
            return
        params = message["params"]
        reply: dict[str, Any] = {"jsonrpc": "2.0", "id": message["id"]}
        if message["method"] == "initialize":
            capabilities: dict[str, Any] = {"tools": {}}
            reply["result"] = {
                "protocolVersion": "2025-06-18",
                "capabilities": capabilities,
                "serverInfo": {"name": "answering", "version": "1"},
            }
        elif message["method"] == "tools/list":
            reply["result"] = {"tools": []}
        else:
            reply |= params["arguments"]
        body, kind = json.dumps(reply), "application/json"
        if params.get("name") == "events":
            body, kind = f"event: message\ndata: {body}\n\n", "text/event-stream"
        self.send_response(200)
        self.send_header("content-type", kind)
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body.encode())

    def do_GET(self) -> None:
        self.send_error(405)

    do_DELETE = do_GET  # noqa: N815 - a name of the library's

    def log_message(self, *_: object) -> None: ...


@contextmanager
def answering() -> Iterator[str]:
    with ThreadingHTTPServer(("127.0.0.1", 0), Answering) as server:
        server.daemon_threads = True
        threading.Thread(target=server.serve_forever, daemon=True).start()
        try:
            yield f"http://127.0.0.1:{server.server_port}/mcp"
        finally:
            server.shutdown()


@pytest.mark.parametrize("name", ["answer", "json", "events"])
def test_a_reply_that_is_none_of_mcps_is_an_error_at_once(name: str) -> None:
    def check(client: ToolsClient) -> None:
        for reply, told in UNREADABLE:
            with pytest.raises(rt.ProtocolError, match=told if name == "answer" else None):
                client.call_tool(name, reply, timeout_s=20)
        assert client.call_tool(name, {"result": {"content": []}}).content == ()

    if name == "answer":
        with ToolsClient.from_command(BARE) as client:
            check(client)
    else:
        with answering() as url, ToolsClient(url) as client:
            check(client)


@pytest.mark.slow
def test_such_a_reply_is_told_among_many_in_flight() -> None:
    with ToolsClient.from_command(BARE) as client, ThreadPoolExecutor(1) as pool:
        began = threading.Event()
        other = pool.submit(
            client.call_tool,
            "wait_forever",
            {"name": "other"},
            timeout_s=3,
            on_progress=lambda *_: began.set(),
        )
        began.wait()
        with pytest.raises(rt.ProtocolError, match="result is not an object"):
            client.call_tool("answer", {"result": [1]}, timeout_s=20)
        assert isinstance(other.exception(), rt.RequestTimeout)
