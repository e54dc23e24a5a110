"""Servers that flood, drip, bomb and break off: every call ends, with an error of ours."""

from __future__ import annotations

import asyncio
import gzip
import json
import re
import socket
import ssl
import threading
import traceback
from collections.abc import Callable, Coroutine
from contextlib import suppress
from importlib.util import find_spec
from typing import Any

import pytest
import trustme
from pydantic import TypeAdapter, ValidationError
from websockets.frames import Frame, Opcode
from websockets.protocol import State
from websockets.server import ServerProtocol

import envgen_runtime as rt
from envgen_runtime.transports import async_websocket, keepalive, limits, websocket
from envgen_runtime.transports.http_messages import BodyTooLarge, ResponseBody
from envgen_runtime.wire.redaction import redact
from generated.coding_env import AsyncCodingEnv, CodingEnv
from tests.runtime.servers import observed
from tests.security.hostile import (
    EMPTY_FRAGMENT,
    PATIENCE_S,
    PING,
    REPLY,
    Script,
    frame,
    serving,
)
from tests.security.hostile import (
    websocket as websocket_server,
)

LIMIT_S = 0.5
"""The limit of a call to a server that never answers, in seconds."""

LONG_S = 600.0
"""One that no test reaches: what ends before the server's patience was ended by another bound."""


def run_on_uvloop(main: Coroutine[Any, Any, None]) -> None:
    import uvloop

    uvloop.run(main)


LOOPS: dict[str, Callable[[Coroutine[Any, Any, None]], None]] = {
    "async": asyncio.run,
    "uvloop": run_on_uvloop,
}
UVLOOP = pytest.param(
    "uvloop",
    marks=pytest.mark.skipif(find_spec("uvloop") is None, reason="uvloop is not there on Windows"),
)
each_client = pytest.mark.parametrize("client", ["sync", "async", UVLOOP])


def failure(
    url: str, client: str, *, timeout_s: float, steps: int = 1, **options: Any
) -> rt.EnvError:
    """The error of an episode. No other is caught, and the event loop must not meet any."""
    options = {
        "barrier": "off",
        "on_drift": "ignore",
        "retry": rt.RetryPolicy(attempts=1),
        "connect_timeout_s": timeout_s,
        "request_timeout_s": timeout_s,
        **options,
    }
    met: list[dict[str, Any]] = []

    async def play() -> None:
        asyncio.get_running_loop().set_exception_handler(lambda _loop, context: met.append(context))
        async with AsyncCodingEnv(url, **options) as env:
            await env.reset()
            for _ in range(steps):
                await env.step(code="1")

    def play_sync() -> None:
        with CodingEnv(url, **options) as env:
            env.reset()
            for _ in range(steps):
                env.step(code="1")

    with pytest.raises(rt.EnvError) as caught:
        play_sync() if client == "sync" else LOOPS[client](play())
    assert met == []
    return caught.value


def without_end(data: bytes) -> Script:
    """Send the same bytes until the client hangs up."""

    def script(connection: socket.socket) -> None:
        while True:
            connection.sendall(data)

    return script


def drip(connection: socket.socket, data: bytes) -> None:
    """Send the same bytes a hundred times a second, until the client hangs up."""
    connection.settimeout(0.01)
    while True:
        with suppress(TimeoutError):
            if not connection.recv(65536):
                return
        connection.sendall(data)


def after_a_request(*replies: bytes, then: Script) -> Script:
    """Answer requests with these, and one more with ``then``."""

    def script(connection: socket.socket) -> None:
        for reply in replies:
            connection.recv(65536)
            connection.sendall(reply)
        connection.recv(65536)
        then(connection)

    return script


# --- floods and drips over a WebSocket ------------------------------------------------------------

BEGUN = frame(Opcode.TEXT, b"{", fin=False)
MANY = 4096
FLOODS = {
    "empty fragments": EMPTY_FRAGMENT * MANY,
    "fragments of a byte": frame(Opcode.CONT, b" ", fin=False) * MANY,
    "pings": PING * MANY,
    "pongs": frame(Opcode.PONG) * MANY,
    "pings between fragments": (EMPTY_FRAGMENT + PING) * MANY,
}


@each_client
@pytest.mark.parametrize("flood", FLOODS.values(), ids=FLOODS.keys())
def test_a_flood_in_place_of_a_reply_loses_the_session(flood: bytes, client: str) -> None:
    def script(connection: socket.socket) -> None:
        connection.sendall(BEGUN)
        without_end(flood)(connection)

    with websocket_server(after_a_request(REPLY, then=script)) as host:
        error = failure(f"http://{host}", client, timeout_s=LONG_S)
    assert isinstance(error, rt.ConnectionLost)
    assert error.maybe_applied


@each_client
@pytest.mark.parametrize(
    "flood", [PING * MANY, frame(Opcode.PONG) * MANY, REPLY * MANY], ids=["pings", "pongs", "texts"]
)
def test_a_flood_before_a_request_loses_the_session(flood: bytes, client: str) -> None:
    """It begins right behind the first reply; the step may or may not have been sent by then."""

    def script(connection: socket.socket) -> None:
        connection.recv(65536)
        connection.sendall(REPLY + flood)
        without_end(flood)(connection)

    with websocket_server(script) as host:
        error = failure(f"http://{host}", client, timeout_s=LONG_S, steps=10_000)
    assert isinstance(error, rt.ConnectionLost | rt.ProtocolError)


@each_client
def test_a_drip_is_waited_for_within_the_limit(client: str) -> None:
    """A frame of 50 MB that arrives byte by byte."""

    def script(connection: socket.socket) -> None:
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        connection.sendall(b"\x81\x7f" + (50_000_000).to_bytes(8))
        without_end(b" ")(connection)

    with websocket_server(after_a_request(REPLY, then=script)) as host:
        error = failure(f"http://{host}", client, timeout_s=LIMIT_S)
    assert isinstance(error, rt.RequestTimeout)
    assert error.maybe_applied


@each_client
def test_a_server_that_reads_nothing_is_waited_for_within_the_limit(client: str) -> None:
    """It sends as many pings as are allowed, whose answers have no room."""
    over = threading.Event()

    def script(connection: socket.socket) -> None:
        connection.sendall(PING * (limits.MAX_CONTROL_FRAMES_PER_S // 2))
        over.wait(PATIENCE_S)

    options = {"timeout_s": LIMIT_S}
    with websocket_server(after_a_request(REPLY, then=script)) as host:
        error = failure(f"http://{host}", client, **options)
        over.set()
    assert isinstance(error, rt.RequestTimeout)


def test_a_request_whose_time_is_over_is_not_sent_into_a_flood() -> None:
    """Its limit is that of the reads before it too. What arrives is within every other bound."""
    is_sent = threading.Event()

    def script(connection: socket.socket) -> None:
        connection.recv(65536)
        connection.sendall(REPLY + b"\x81\x7f" + (50_000_000).to_bytes(8) + b" " * 100_000)
        is_sent.set()
        without_end(b" " * 65536)(connection)

    with websocket_server(script) as host:
        with CodingEnv(f"http://{host}", barrier="off", on_drift="ignore") as env:
            env.reset()
            assert is_sent.wait(PATIENCE_S)
            with pytest.raises(rt.RequestTimeout) as caught:
                env.step(code="1", timeout_s=1e-6)
    assert not caught.value.sent
    assert not caught.value.maybe_applied


# --- one session's flood and the others -----------------------------------------------------------


class Honest:
    """A session that counts the pings it gets and answers every request."""

    def __init__(self) -> None:
        self.pinged = threading.Semaphore(0)

    def __call__(self, connection: socket.socket) -> None:
        server = ServerProtocol(state=State.OPEN)
        while data := connection.recv(65536):
            server.receive_data(data)
            for event in server.events_received():
                assert isinstance(event, Frame)
                if event.opcode is Opcode.PING:
                    self.pinged.release()
                elif event.opcode is Opcode.TEXT:
                    connection.sendall(REPLY)


BAD_IDLE = {
    "a bad close": frame(Opcode.CLOSE, b"\x03\xe8\xff\xfe"),
    "a close with a bad code": frame(Opcode.CLOSE, b"\x00\x00"),
    "an unknown opcode": b"\x83\x00",
    "pings": PING * MANY,
    "texts": REPLY * MANY,
    "a large text": b"\x81\x7f" + (90_000_000).to_bytes(8) + b" " * 1_000_000,
}


@pytest.mark.slow
@pytest.mark.parametrize("bad", BAD_IDLE.values(), ids=BAD_IDLE.keys())
def test_other_idle_sessions_are_kept_alive(bad: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever one server sends to an idle session, the thread goes on to ping the others'."""
    monkeypatch.setattr(keepalive, "_PERIOD_S", 0.01)
    monkeypatch.setattr(websocket, "PING_INTERVAL_S", 0.01)

    def script(connection: socket.socket) -> None:
        connection.recv(65536)
        connection.sendall(REPLY)
        with suppress(OSError):
            while True:
                connection.sendall(bad)

    honest = Honest()
    options: dict[str, Any] = {"barrier": "off", "on_drift": "ignore"}
    with websocket_server(script) as hostile_host, websocket_server(honest) as honest_host:
        with (
            CodingEnv(f"http://{hostile_host}", **options) as flooded,
            CodingEnv(f"http://{honest_host}", **options) as env,
        ):
            flooded.reset()
            env.reset()
            for _ in range(10):
                assert honest.pinged.acquire(timeout=PATIENCE_S)
            env.step(code="1")
            with pytest.raises(rt.EnvError):
                flooded.step(code="1", timeout_s=LIMIT_S)


def test_the_keepalive_thread_survives_what_a_session_raises(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(keepalive, "_PERIOD_S", 0.01)
    served = threading.Semaphore(0)

    class Broken:
        def service(self) -> None:
            served.release()
            raise ValueError("no")

    broken, thread = Broken(), keepalive.KeepAlive()
    thread.add(broken)
    for _ in range(3):
        assert served.acquire(timeout=PATIENCE_S)
    thread.remove(broken)


@pytest.mark.slow
@pytest.mark.parametrize("bad", BAD_IDLE.values(), ids=BAD_IDLE.keys())
@pytest.mark.parametrize("client", ["async", UVLOOP])
def test_other_sessions_of_the_loop_go_on(
    bad: bytes, client: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Steps of one session are answered while another's server floods; nothing is logged."""
    monkeypatch.setattr(async_websocket, "PING_INTERVAL_S", 0.01)

    def script(connection: socket.socket) -> None:
        connection.recv(65536)
        connection.sendall(REPLY)
        with suppress(OSError):
            while True:
                connection.sendall(bad)

    met: list[dict[str, Any]] = []
    options: dict[str, Any] = {"barrier": "off", "on_drift": "ignore"}

    async def play(hostile_host: str, honest_host: str) -> None:
        asyncio.get_running_loop().set_exception_handler(lambda _loop, context: met.append(context))
        async with (
            AsyncCodingEnv(f"http://{hostile_host}", **options) as flooded,
            AsyncCodingEnv(f"http://{honest_host}", **options) as env,
        ):
            await flooded.reset()
            await env.reset()
            for _ in range(100):
                await env.step(code="1")
            with pytest.raises(rt.EnvError):
                await flooded.step(code="1", timeout_s=LIMIT_S)

    with websocket_server(script) as hostile_host, websocket_server(Honest()) as honest_host:
        LOOPS[client](play(hostile_host, honest_host))
    assert met == []


# --- handshakes -----------------------------------------------------------------------------------

FOUND = b"HTTP/1.1 404 Not Found\r\n"


@each_client
@pytest.mark.parametrize(
    "head",
    [
        b"HTTP/1.1 ",
        FOUND,
        FOUND + b"\r\n",
        FOUND + b"transfer-encoding: chunked\r\n\r\n",
        FOUND + b"content-length: 900000\r\n\r\n",
    ],
    ids=["a line", "headers", "a body", "chunks", "a long body"],
)
def test_an_endless_answer_to_the_handshake(head: bytes, client: str) -> None:
    parts = {b"HTTP/1.1 ": b"x", FOUND: b"a: b\r\n"}
    part = parts.get(head, b"1\r\nx\r\n" if b"chunked" in head else b"x")

    def script(connection: socket.socket) -> None:
        connection.recv(65536)
        connection.sendall(head)
        without_end(part * MANY)(connection)

    with serving(script) as host:
        error = failure(f"http://{host}", client, timeout_s=LONG_S, transport="websocket")
    assert isinstance(error, rt.ConnectError)


@each_client
def test_a_handshake_that_drips(client: str) -> None:
    def script(connection: socket.socket) -> None:
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        connection.recv(65536)
        connection.sendall(b"HTTP/1.1 101 Switching Protocols\r\n")
        drip(connection, b"a")

    with serving(script) as host:
        error = failure(f"http://{host}", client, timeout_s=LIMIT_S, transport="websocket")
    assert isinstance(error, rt.ConnectError)


# --- TLS ------------------------------------------------------------------------------------------

AUTHORITY = trustme.CA()


def server_context() -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    AUTHORITY.issue_cert("127.0.0.1").configure_cert(context)
    return context


def trusting() -> ssl.SSLContext:
    context = ssl.create_default_context()
    AUTHORITY.configure_trust(context)
    return context


SERVER_HELLO = b"\x16\x03\x03\x00\x7a\x02\x00\x00\x76"
NO_TLS = {
    "closes at once": b"",
    "closes in the middle": SERVER_HELLO + b"x" * 20,
    "plain HTTP": b"HTTP/1.1 400 Bad Request\r\n\r\n",
    "junk": bytes(range(256)) * 10,
    "a fatal alert": b"\x15\x03\x03\x00\x02\x02\x28",
    "a record too long": b"\x16\x03\x03\xff\xff" + b"x" * 65535,
    "empty records": b"\x16\x03\x03\x00\x00" * 1000,
}


@each_client
@pytest.mark.parametrize("transport", ["websocket", "http-unchecked"])
@pytest.mark.parametrize("answer", NO_TLS.values(), ids=NO_TLS.keys())
def test_no_tls(answer: bytes, transport: str, client: str) -> None:
    def script(connection: socket.socket) -> None:
        connection.recv(65536)
        connection.sendall(answer)
        with suppress(OSError):
            connection.shutdown(socket.SHUT_WR)
        while connection.recv(65536):
            pass

    with serving(script) as host:
        error = failure(f"https://{host}", client, timeout_s=PATIENCE_S, transport=transport)
    assert isinstance(error, rt.ConnectError)


@pytest.mark.slow
@each_client
@pytest.mark.parametrize("transport", ["websocket", "http-unchecked"])
def test_a_tls_handshake_that_is_never_over(transport: str, client: str) -> None:

    def script(connection: socket.socket) -> None:
        while connection.recv(65536):
            pass

    with serving(script) as host:
        error = failure(f"https://{host}", client, timeout_s=LIMIT_S, transport=transport)
    assert isinstance(error, rt.ConnectError | rt.RequestTimeout)


@each_client
@pytest.mark.parametrize("junk", [b"junk" * 100, b"\x17\x03\x03\x00\x10" + b"x" * 16, b""])
def test_tls_that_breaks_off_in_a_session(junk: bytes, client: str) -> None:
    """Bytes that aren't of a record, or not a valid one; or an end without a close alert."""

    def then(connection: socket.socket) -> None:
        raw = socket.socket(fileno=connection.detach())
        with raw:
            raw.sendall(junk)

    script = after_a_request(REPLY, then=then)
    with websocket_server(script, server_context()) as host:
        error = failure(f"https://{host}", client, timeout_s=PATIENCE_S, ssl_context=trusting())
    assert isinstance(error, rt.ConnectionLost)


@each_client
@pytest.mark.parametrize("flood", [PING * MANY, EMPTY_FRAGMENT * MANY], ids=["pings", "fragments"])
def test_a_flood_over_tls(flood: bytes, client: str) -> None:
    def then(connection: socket.socket) -> None:
        connection.sendall(BEGUN)
        without_end(flood)(connection)

    script = after_a_request(REPLY, then=then)
    with websocket_server(script, server_context()) as host:
        error = failure(f"https://{host}", client, timeout_s=LONG_S, ssl_context=trusting())
    assert isinstance(error, rt.ConnectionLost)


# --- HTTP -----------------------------------------------------------------------------------------

OK = b"HTTP/1.1 200 OK\r\n"
CHUNKED = OK + b"transfer-encoding: chunked\r\n\r\n"
BODY = observed({}).encode()
BOMB = gzip.compress(b" " * 200_000_000)
ENDLESS = {
    "headers": (OK, b"a: b\r\n" * MANY),
    "a header": (OK + b"a: ", b"b" * MANY),
    "a status": (b"HTTP/1.1 200 ", b"b" * MANY),
    "interim answers": (b"", b"HTTP/1.1 103 Early Hints\r\n\r\n"),
    "a body": (OK + b"\r\n", b" " * MANY),
    "a sized body": (OK + b"content-length: 99999999999\r\n\r\n", b" " * MANY),
    "chunks": (CHUNKED, b"1\r\n \r\n" * MANY),
    "a chunk's extension": (CHUNKED + b"1;", b"a" * MANY),
    "trailers": (CHUNKED + b"0\r\n", b"a: b\r\n" * MANY),
}
BROKEN = {
    "a bad chunk": CHUNKED + b"zz\r\n",
    "a huge chunk": CHUNKED + b"f" * 30 + b"\r\n",
    "a negative size": OK + b"content-length: -1\r\n\r\n",
    "two sizes": OK + b"content-length: 1\r\ncontent-length: 2\r\n\r\nxx",
    "a short body": OK + b"content-length: 100\r\n\r\nx",
    "no answer": b"",
    "junk": bytes(range(256)) * 10,
    "a gzip bomb": OK + b"content-encoding: gzip\r\ncontent-length: %d\r\n\r\n" % len(BOMB) + BOMB,
    "no gzip": OK + b"content-encoding: gzip\r\ncontent-length: 4\r\n\r\nhaha",
    "an upgrade": b"HTTP/1.1 101 Switching Protocols\r\nupgrade: x\r\n\r\n",
    "a status of its own": b"HTTP/1.1 999 x\r\n\r\n",
}
HTTP = {"transport": "http-unchecked", "max_message_bytes": 1_000_000}


@each_client
@pytest.mark.parametrize("what", ENDLESS)
def test_an_endless_answer_over_http(what: str, client: str) -> None:
    head, part = ENDLESS[what]

    def script(connection: socket.socket) -> None:
        connection.recv(65536)
        connection.sendall(head)
        without_end(part)(connection)

    # Interim answers cost what they weigh, and are limited by time alone.
    timeout_s = LIMIT_S if what == "interim answers" else LONG_S
    with serving(script) as host:
        error = failure(f"http://{host}", client, timeout_s=timeout_s, **HTTP)
    assert isinstance(error, rt.ConnectionLost | rt.RequestTimeout)


def test_the_small_chunks_of_an_answer_over_http_are_counted() -> None:
    body = ResponseBody(100_000_000)
    for _ in range(limits.MAX_SMALL_PARTS):
        body.add(b" ")
    with pytest.raises(BodyTooLarge, match="small chunks"):
        body.add(b" ")


@each_client
@pytest.mark.parametrize("answer", BROKEN.values(), ids=BROKEN.keys())
def test_a_broken_answer_over_http(answer: bytes, client: str) -> None:
    def script(connection: socket.socket) -> None:
        connection.recv(65536)
        connection.sendall(answer)

    with serving(script) as host:
        failure(f"http://{host}", client, timeout_s=PATIENCE_S, **HTTP)


@pytest.mark.slow
@each_client
@pytest.mark.parametrize(
    "head", [b"HTTP/1.1 200", OK, CHUNKED, OK + b"content-length: 999\r\n\r\n"]
)
def test_an_answer_that_drips_over_http(head: bytes, client: str) -> None:
    def script(connection: socket.socket) -> None:
        connection.recv(65536)
        connection.sendall(head)
        drip(connection, b"1")

    with serving(script) as host:
        error = failure(f"http://{host}", client, timeout_s=LIMIT_S, **HTTP)
    assert isinstance(error, rt.RequestTimeout)


# --- what a log of an uncaught error shows --------------------------------------------------------

COMMANDS = "x \x1b[31m\n::error::INJ\r\n \t::add-mask::INJ\r::warning::INJ\n##[error]INJ"


def error_frame(**data: Any) -> bytes:
    return frame(Opcode.TEXT, json.dumps({"type": "error", "data": data}).encode())


def assert_no_command(error: rt.EnvError) -> None:
    """A traceback has lines of its own; the message has one, and nothing of it is a command."""
    assert str(error).isprintable()
    assert "INJ" in str(error), "what the server said is shown"
    shown = "".join(traceback.format_exception(error))
    assert re.sub(r"[\n\t]", "", shown).isprintable()
    for line in shown.split("\n"):
        assert not re.match(r"\s*::|.*##\[", line), line


@pytest.mark.parametrize(
    "reply",
    [
        frame(Opcode.CLOSE, (1012).to_bytes(2) + COMMANDS.encode()),
        error_frame(message=COMMANDS, code=COMMANDS),
        error_frame(message=COMMANDS, code="EXECUTION_ERROR"),
        error_frame(
            message="x",
            code="VALIDATION_ERROR",
            errors=[{"loc": [COMMANDS, COMMANDS], "msg": COMMANDS}],
        ),
        frame(Opcode.TEXT, b'{"type":"' + json.dumps(COMMANDS).encode()[1:-1] + b'","data":{}}'),
        frame(Opcode.TEXT, COMMANDS.encode()),
        frame(Opcode.TEXT, observed({"stdout": [COMMANDS]}).encode()),
    ],
    ids=["close", "code", "message", "fields", "type", "junk", "mismatch"],
)
@pytest.mark.parametrize("client", ["sync", "async"])
def test_no_line_of_an_error_is_a_workflow_command(reply: bytes, client: str) -> None:
    """CI reads all that a step prints for commands, and so an uncaught traceback."""
    script = after_a_request(REPLY, then=lambda connection: connection.sendall(reply))
    with websocket_server(script) as url:
        assert_no_command(failure(f"http://{url}", client, timeout_s=LONG_S))


def test_a_cause_names_hostile_fields_in_no_command() -> None:
    """pydantic writes the names of fields as they are."""
    error = rt.ReplyMismatch("INJ", path="$")
    with pytest.raises(ValidationError) as caught:
        TypeAdapter(dict[str, int]).validate_python({COMMANDS: "x"})
    error.__cause__ = caught.value
    redact(error, ())
    assert_no_command(error)
    assert "ValidationError" in str(error.__cause__)


def test_a_cause_without_commands_stays_what_it_is() -> None:
    error = rt.ReplyMismatch("no", path="$")
    with pytest.raises(ValidationError) as caught:
        TypeAdapter(int).validate_python("x")
    error.__cause__ = caught.value
    redact(error, ())
    assert error.__cause__ is caught.value


def test_the_log_of_a_server_keeps_its_lines_and_gives_no_commands() -> None:
    error = rt.errors.StartError(f"it ended\n{COMMANDS}", log=f"first\n{COMMANDS}\nlast")
    error.add_note(f"a\n{COMMANDS}")
    message, *log = str(error).split("\n")
    assert message.startswith(r"it ended\nx")
    assert log[:2] == ["Its log ends with:", "first"]
    assert log[-1] == "last"
    for line in [*log, *error.__notes__[0].split("\n")]:
        assert not re.match(r"\s*::|.*##\[", line), line
