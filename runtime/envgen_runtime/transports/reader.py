"""WebSocket frames, taken apart from the bytes that arrive. No I/O, and nothing of a library's.

A small frame is sliced out of the chunk that it came in. A large one gets a buffer of its own size
when its header is read, and the socket fills that, so that many chunks need not be joined.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

CONTINUATION, TEXT, BINARY, CLOSE, PING, PONG = 0x0, 0x1, 0x2, 0x8, 0x9, 0xA

_LARGE = 64 * 1024
_TWO_BYTES, _EIGHT_BYTES = 126, 127
_MAX_CONTROL = 125


class RawFrame(NamedTuple):
    """A frame as it came.

    Attributes:
        opcode: what it is.
        fin: whether a message ends with it.
        rsv: the three bits that extensions use, 0 to 7, the first the highest.
        payload: its data.
    """

    opcode: int
    fin: bool
    rsv: int
    payload: bytes


class BadFrame(Exception):
    """What arrived is no frame that a server may send."""


class TooLarge(Exception):
    """A frame is larger than allowed."""


class FrameReader:
    """Takes bytes, gives frames.

    Args:
        max_bytes: the largest payload that is accepted.
    """

    __slots__ = ("_filled", "_first", "_large", "_max", "_rest")

    def __init__(self, max_bytes: int) -> None:
        self._max = max_bytes
        self._rest = b""
        self._large: bytearray | None = None
        self._filled = 0
        self._first = 0

    def wanted(self) -> memoryview | None:
        """Where the socket can put what it reads next; None where that should be ``feed``-ed.

        Tell ``filled`` how much it was, and release the view before.
        """
        return None if self._large is None else memoryview(self._large)[self._filled :]

    def filled(self, count: int) -> Iterator[RawFrame]:
        """Take ``count`` bytes that are in the buffer now; give the frame if that was its end."""
        if self._large is None:
            return
        self._filled += count
        if self._filled == len(self._large):
            # A copy, and the buffer is gone before it is parsed: the parser would copy that too.
            payload, self._large = bytes(self._large), None
            yield _frame(self._first, payload)

    def feed(self, data: bytes) -> Iterator[RawFrame]:
        """Take what arrived; give the frames that are whole.

        Raises:
            BadFrame: it is not what a server may send.
            TooLarge: a frame is larger than allowed.
        """
        if self._large is not None:
            count = min(len(data), len(self._large) - self._filled)
            self._large[self._filled : self._filled + count] = data[:count]
            yield from self.filled(count)
            data = data[count:]
        if self._rest:
            data, self._rest = self._rest + data, b""
        place = 0
        while (header := self._header(data, place)) is not None:
            first, start, length = header
            end = start + length
            if end <= len(data):
                yield _frame(first, data[start:end])
                place = end
                continue
            if length < _LARGE:
                break
            self._first, self._large, self._filled = first, bytearray(length), len(data) - start
            self._large[: self._filled] = data[start:]
            return
        self._rest = data[place:]

    def _header(self, data: bytes, place: int) -> tuple[int, int, int] | None:
        """The first byte, where the payload starts, and its length; None where more must come."""
        if len(data) - place < 2:  # noqa: PLR2004 - RFC 6455, 5.2
            return None
        first, second = data[place], data[place + 1]
        start, length = place + 2, second & 0x7F
        if second & 0x80:
            raise BadFrame("a server masked a frame")
        if first & 0x08 and (length > _MAX_CONTROL or not first & 0x80):
            raise BadFrame("a control frame is too long, or in fragments")
        if length >= _TWO_BYTES:
            size = 2 if length == _TWO_BYTES else 8
            if len(data) < start + size:
                return None
            length = int.from_bytes(data[start : start + size], "big")
            start += size
        if length > self._max:
            raise TooLarge(f"a message of {length} bytes, where {self._max} are allowed")
        return first, start, length


def _frame(first: int, payload: bytes) -> RawFrame:
    return RawFrame(first & 0x0F, bool(first & 0x80), (first >> 4) & 0x07, payload)
