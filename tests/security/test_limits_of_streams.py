"""What a server may make a WebSocket connection do, without sockets."""

from __future__ import annotations

import time
import tracemalloc
import zlib
from typing import Any

import pytest
from websockets.frames import Opcode

import envgen_runtime as rt
from envgen_runtime.transports import limits
from envgen_runtime.transports.frames import MessageReader
from envgen_runtime.transports.websocket_protocol import WebSocketConnection
from envgen_runtime.wire import barrier
from tests.runtime.servers import STATE, observed
from tests.security.hostile import EMPTY_FRAGMENT, PING, REPLY, frame
from tests.security.streams import LIMIT, asked, connecting, handshake, opened, outcome, request

BEGUN = frame(Opcode.TEXT, b"{", fin=False)
CHUNK = 64 * 1024
"""How much the transports read at once, in bytes."""


def feed(connection: WebSocketConnection, data: bytes) -> None:
    """Give a connection what was read, until it wants no more, as the transports do."""
    for start in range(0, len(data), CHUNK):
        if connection.has_given_up:
            return
        connection.receive(data[start : start + CHUNK])


# --- fragments ------------------------------------------------------------------------------------


def test_empty_fragments_are_counted() -> None:
    connection = opened()
    sent = asked(connection)
    feed(connection, BEGUN + EMPTY_FRAGMENT * 10 * limits.MAX_SMALL_PARTS)
    assert connection.has_given_up
    assert not connection.is_open
    error = outcome(connection, sent)
    assert isinstance(error, rt.ConnectionLost)
    assert error.maybe_applied
    assert "fragments" in str(error)


def test_a_message_may_have_many_fragments() -> None:
    connection = opened()
    asked(connection)
    feed(connection, BEGUN + EMPTY_FRAGMENT * (limits.MAX_SMALL_PARTS - 2))
    connection.receive(frame(Opcode.CONT, b"}"))
    assert connection.is_open
    assert connection.messages == [b"{}"]


def test_the_work_for_fragments_is_linear() -> None:
    def cost(count: int) -> float:
        connection = opened()
        asked(connection)
        began = time.process_time()
        feed(connection, BEGUN + EMPTY_FRAGMENT * count)
        assert connection.is_open
        return time.process_time() - began

    few, many = limits.MAX_SMALL_PARTS // 10, limits.MAX_SMALL_PARTS - 10
    assert min(cost(many) for _ in range(3)) < 40 * min(cost(few) for _ in range(3))


def test_a_large_message_may_have_as_many_fragments_as_it_needs() -> None:
    part = b"x" * limits.SMALL_PART_BYTES
    count = limits.MAX_SMALL_PARTS + 10
    connection = opened(limit=2 * count * len(part))
    asked(connection)
    feed(connection, frame(Opcode.TEXT, part, fin=False))
    feed(connection, frame(Opcode.CONT, part, fin=False) * count)
    connection.receive(frame(Opcode.CONT))
    assert connection.is_open
    assert connection.messages == [part * (count + 1)]


def test_fragments_together_are_held_to_the_limit_of_a_message() -> None:
    connection = opened()
    sent = asked(connection)
    feed(connection, BEGUN + frame(Opcode.CONT, b"x" * 999, fin=False) * 1_000)
    assert connection.has_given_up
    error = outcome(connection, sent)
    assert isinstance(error, rt.ConnectionLost)
    assert "max_message_bytes" in str(error)


# --- control frames -------------------------------------------------------------------------------


def test_only_the_newest_ping_is_answered() -> None:
    connection = opened()
    pings = [frame(Opcode.PING, b"%d" % number) for number in range(100)]
    connection.receive(b"".join(pings))
    connection.receive(frame(Opcode.PING, b"last"))
    (pong,) = connection.data_to_send()
    assert pong[0] & 0x0F == Opcode.PONG
    mask, masked = pong[2:6], pong[6:]
    assert bytes(a ^ b for a, b in zip(masked, mask, strict=True)) == b"last"
    assert connection.data_to_send() == []
    assert connection.is_open


@pytest.mark.parametrize("opcode", [Opcode.PING, Opcode.PONG])
def test_a_flood_of_control_frames_loses_the_session(
    opcode: Opcode, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(limits.time, "monotonic", lambda: 5.0)
    connection = opened()
    asked(connection)
    connection.receive(frame(opcode) * limits.MAX_CONTROL_FRAMES_PER_S)
    assert connection.is_open
    connection.receive(frame(opcode))
    assert connection.has_given_up
    error = outcome(connection, request())
    assert isinstance(error, rt.ConnectionLost)
    assert "control frames" in str(error)


def test_an_hour_of_pings_is_no_flood(monkeypatch: pytest.MonkeyPatch) -> None:
    now = 1000.0
    monkeypatch.setattr(limits.time, "monotonic", lambda: now)
    connection = opened()
    for _ in range(3600):
        connection.receive(PING * 10)
        now += 1
    assert connection.is_open


def test_what_waits_to_be_sent_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    """The socket has no room, so nobody takes it."""
    now = 1000.0
    monkeypatch.setattr(limits.time, "monotonic", lambda: now)
    connection = opened()
    for _ in range(1000):
        connection.receive(PING * 100)
        connection.ping()
        now += 1
    assert len(connection.data_to_send()) == 2, "a pong and a ping"


def test_little_is_parsed_of_a_flood() -> None:
    """A read has 64 KiB, which is more than 30,000 empty frames."""
    parsed = 0

    class Counting(limits.ControlFrames):
        def is_flood(self, count: int) -> bool:
            nonlocal parsed
            parsed += count
            return super().is_flood(count)

    connection = opened()
    connection._control_frames = Counting()
    connection.receive(frame(Opcode.PING) * (CHUNK // 2))
    assert connection.has_given_up
    assert parsed <= limits.MAX_CONTROL_FRAMES_PER_S + limits.PIECE_BYTES


# --- messages that nothing asked for --------------------------------------------------------------


@pytest.mark.parametrize("begins_with", [b"", PING], ids=["our reader", "the library"])
def test_of_unasked_messages_no_more_than_one_is_of_use(begins_with: bytes) -> None:
    connection = opened()
    connection.receive(begins_with + REPLY * 10_000)
    assert connection.has_given_up
    assert not connection.is_open
    assert len(connection.messages) <= limits.MAX_KEPT_MESSAGES
    error = connection.unexpected_message(request(), sent=False)
    assert isinstance(error, rt.ProtocolError)
    assert not error.sent


def test_a_message_behind_a_reply_loses_the_session_after_it() -> None:
    connection = opened()
    sent = asked(connection)
    connection.receive(REPLY + REPLY * 100)
    assert isinstance(outcome(connection, sent), dict)
    assert not connection.is_open
    assert isinstance(connection.unexpected_message(request(), sent=False), rt.ProtocolError)


def test_an_unasked_error_still_says_why_the_server_ends_the_session() -> None:
    connection = opened()
    full = b'{"type":"error","data":{"message":"full","code":"CAPACITY_REACHED"}}'
    connection.receive(frame(Opcode.TEXT, full) + frame(Opcode.CLOSE, b"\x03\xe8"))
    assert isinstance(connection.failure(request(), sent=False), rt.CapacityReached)


def test_an_empty_message_is_a_message() -> None:
    messages: list[bytes] = []
    MessageReader(LIMIT).read(frame(Opcode.TEXT) * (CHUNK // 2), messages)
    assert len(messages) <= limits.MAX_KEPT_MESSAGES


def test_messages_while_closing_are_dropped() -> None:
    connection = opened()
    connection.close()
    connection.receive(REPLY * 1_000 + BEGUN)
    assert connection.messages == []
    assert not connection.is_closed
    connection.receive(frame(Opcode.CONT) + frame(Opcode.CLOSE, b"\x03\xe8"))
    assert connection.is_closed


def test_a_reply_is_read_once_however_its_state_drips(monkeypatch: pytest.MonkeyPatch) -> None:
    reads = 0
    read_frame = barrier.read_frame

    def count(*args: Any) -> Any:
        nonlocal reads
        reads += 1
        return read_frame(*args)

    monkeypatch.setattr(barrier, "read_frame", count)
    connection = opened()
    sent = asked(connection, barrier=True)
    connection.receive(frame(Opcode.TEXT, b" " + observed({}).encode()))
    for byte in frame(Opcode.TEXT, STATE.encode()):
        assert connection.awaits(sent)
        connection.receive(bytes([byte]))
    assert not connection.awaits(sent)
    assert reads == 1


# --- what the library makes of bytes --------------------------------------------------------------

DEFLATED = b"\xc1"
MALFORMED = {
    "an unknown opcode": b"\x83\x00",
    "an unknown opcode, compressed": b"\xc3\x00",
    "a masked frame": b"\x81\x80abcd",
    "a reserved bit": b"\xa1\x00",
    "a continuation of nothing": b"\x80\x00",
    "a ping in fragments": b"\x09\x00",
    "a long ping": b"\x89\x7e\x00\x7e" + b"x" * 126,
    "a size beyond all": b"\x81\x7f" + b"\xff" * 8,
    "no deflate": DEFLATED + b"\x05hello",
    "a compressed continuation": b"\x41\x01x" + b"\xc0\x00",
    "a compressed close": b"\xc8\x00",
    "a close of one byte": b"\x88\x01\x03",
    "a close whose reason isn't UTF-8": frame(Opcode.CLOSE, b"\x03\xe8\xff\xfe"),
    "a close whose reason ends in the middle": frame(Opcode.CLOSE, b"\x03\xe8\xe2\x82"),
    "a close with code 0": frame(Opcode.CLOSE, b"\x00\x00"),
    "a close with code 1005": frame(Opcode.CLOSE, b"\x03\xed"),
    "a close with code 65535": frame(Opcode.CLOSE, b"\xff\xff"),
    "a close within a message": BEGUN + frame(Opcode.CLOSE, b"\x03\xe8"),
    "a long close": b"\x88\x7e\x00\x7e\x03\xe8" + b"x" * 124,
}


@pytest.mark.parametrize("data", MALFORMED.values(), ids=MALFORMED.keys())
@pytest.mark.parametrize("compression", ["none", "deflate"])
@pytest.mark.parametrize("is_idle", [True, False], ids=["idle", "in flight"])
def test_what_is_malformed_is_an_error_of_ours(
    data: bytes, compression: Any, is_idle: bool
) -> None:
    connection = opened(compression)
    sent = request() if is_idle else asked(connection)
    connection.receive(data)
    connection.receive(REPLY)  # nothing behind it is a reply
    assert not connection.is_open
    error = connection.failure(sent, sent=False) if is_idle else outcome(connection, sent)
    assert isinstance(error, rt.ConnectionLost)
    assert connection.messages == []


@pytest.mark.parametrize("raised", [ValueError("no"), AssertionError(), StopIteration()])
def test_whatever_the_library_raises_is_an_error_of_ours(
    raised: Exception, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its next release, or the one before, may raise what this one doesn't."""

    def fail(_data: bytes) -> None:
        raise raised

    connection = opened()
    sent = asked(connection)
    monkeypatch.setattr(connection._protocol, "receive_data", fail)
    connection.receive(PING)
    assert not connection.is_open
    assert connection.is_closed
    error = outcome(connection, sent)
    assert isinstance(error, rt.ConnectionLost)
    assert "can't be read" in str(error)


# --- compression ----------------------------------------------------------------------------------


def deflated(data: bytes) -> bytes:
    packer = zlib.compressobj(9, wbits=-12)
    return (packer.compress(data) + packer.flush(zlib.Z_SYNC_FLUSH))[:-4]


def compressed_frame(opcode: Opcode, data: bytes, *, fin: bool = True) -> bytes:
    """A frame of a compressed message, whose first one is marked (RFC 7692, 6)."""
    plain = frame(opcode, data, fin=fin)
    return plain if opcode is Opcode.CONT else bytes([plain[0] | 0x40]) + plain[1:]


@pytest.mark.slow
@pytest.mark.parametrize("pieces", [1, 7, 300])
def test_a_bomb_is_bounded_while_it_is_inflated(pieces: int) -> None:
    limit = 1_000_000
    bomb = deflated(b"\0" * 100 * limit)
    size = -(-len(bomb) // pieces)
    parts = [bomb[start : start + size] for start in range(0, len(bomb), size)]
    stream = b"".join(
        compressed_frame(Opcode.CONT if number else Opcode.TEXT, part, fin=number == len(parts) - 1)
        for number, part in enumerate(parts)
    )
    connection = opened("deflate", limit)
    sent = asked(connection)
    tracemalloc.start()
    try:
        feed(connection, stream)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 5 * limit
    error = outcome(connection, sent)
    assert isinstance(error, rt.ConnectionLost)
    assert "max_message_bytes" in str(error)


def test_fragments_of_a_message_that_is_full_inflate_to_nothing_more() -> None:
    connection = opened("deflate", 1_000)
    asked(connection)
    first = compressed_frame(Opcode.TEXT, deflated(b"x" * 1_000), fin=False)
    connection.receive(first + frame(Opcode.CONT, fin=False) * 10)
    assert connection.is_open
    connection.receive(frame(Opcode.CONT, deflated(b"x")))
    assert not connection.is_open
    assert connection.messages == []


# --- handshakes -----------------------------------------------------------------------------------

FOUND = b"HTTP/1.1 404 Not Found\r\n"
ANSWERS = {
    "an endless line": b"HTTP/1.1 " + b"x" * 10_000_000,
    "endless headers": FOUND + b"a: b\r\n" * 1_000_000,
    "a large body": FOUND + b"content-length: 1000000\r\n\r\n" + b"x" * 1_000_000,
    "a body in chunks of a byte": FOUND
    + b"transfer-encoding: chunked\r\n\r\n"
    + b"1\r\nx\r\n" * 1_000_000,
    "a body without an end": FOUND + b"\r\n" + b"x" * 10_000_000,
    "a bad chunk": FOUND + b"transfer-encoding: chunked\r\n\r\nzz\r\n",
    "a bad size": FOUND + b"content-length: -1\r\n\r\n",
    "a huge size": FOUND + b"content-length: " + b"9" * 30 + b"\r\n\r\n",
    "two sizes": FOUND + b"content-length: 1\r\ncontent-length: 2\r\n\r\nxx",
    "a coding that isn't known": FOUND + b"transfer-encoding: gzip\r\n\r\n",
    "no status": b"HTTP/1.1 abc\r\n\r\n",
    "a status that is none": b"HTTP/1.1 999 x\r\n\r\n",
    "junk": bytes(range(256)) * 100,
    "nothing": b"",
}


@pytest.mark.parametrize("answer", ANSWERS.values(), ids=ANSWERS.keys())
def test_an_answer_to_the_handshake_is_bounded(answer: bytes) -> None:
    connection = connecting()
    connection.data_to_send()
    read = 0
    while connection.is_connecting and read < len(answer):
        connection.receive(answer[read : read + CHUNK])
        read += CHUNK
    if connection.is_connecting:
        connection.receive(b"")
    assert not connection.was_opened
    assert read <= limits.MAX_ANSWER_BYTES + 2 * CHUNK
    assert isinstance(connection.refusal(), rt.ConnectError)


def test_the_status_of_a_large_answer_is_told() -> None:
    connection = connecting()
    connection.receive(ANSWERS["a large body"][: 2 * limits.MAX_ANSWER_BYTES])
    refusal = connection.refusal()
    assert isinstance(refusal, rt.UpgradeRefused)
    assert refusal.status == 404


EXTENSIONS = [
    "permessage-deflate; client_max_window_bits=8",
    "permessage-deflate; server_max_window_bits=8",
    "permessage-deflate; server_max_window_bits=15",
    "permessage-deflate; client_max_window_bits",
    "permessage-deflate; unknown",
    "permessage-deflate, permessage-deflate",
    "another",
    "permessage-deflate; client_max_window_bits=99999999999999999999",
    ";;;",
    "\xff",
]


@pytest.mark.parametrize("extension", EXTENSIONS)
@pytest.mark.parametrize("compression", ["none", "deflate"])
def test_extensions_that_a_server_makes_up(extension: str, compression: Any) -> None:
    connection = connecting(compression)
    head = handshake(connection)
    lines = [
        line for line in head.split(b"\r\n") if not line.lower().startswith(b"sec-websocket-ext")
    ]
    lines.insert(1, b"Sec-WebSocket-Extensions: " + extension.encode("latin-1"))
    connection.receive(b"\r\n".join(lines))
    if not connection.was_opened:
        assert isinstance(connection.refusal(), rt.ConnectError)
