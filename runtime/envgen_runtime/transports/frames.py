"""WebSocket frames of the usual kind: a whole message in one frame (RFC 6455, 5.2), not compressed.

Nearly every message is one. Written and read here, it costs a step a third of what the library's
general parser does; every other frame goes through the library.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from io import BytesIO

from .. import forks
from .limits import MAX_KEPT_MESSAGES

_FINAL_TEXT, _FINAL_BINARY = 0x81, 0x82
_FINAL = (_FINAL_TEXT, _FINAL_BINARY)
_MASKED = 0x80
_LONG, _LONGER = 126, 127  # instead of a size: it follows in 2 or 8 bytes
_SHORT_HEAD, _LONG_HEAD, _LONGER_HEAD = 2, 4, 10
_LONGER_SIZE = 1 << 16


def text_frame(message: bytes, apply_mask: Callable[[bytes, bytes], bytes]) -> bytes:
    """The frame in which a client sends a text, masked with the library's function."""
    size, mask = len(message), _MASKS.next()
    if size < _LONG:
        head = bytes((_FINAL_TEXT, _MASKED | size))
    elif size < _LONGER_SIZE:
        head = bytes((_FINAL_TEXT, _MASKED | _LONG)) + size.to_bytes(2)
    else:
        head = bytes((_FINAL_TEXT, _MASKED | _LONGER)) + size.to_bytes(8)
    return head + mask + apply_mask(message, mask)


class _Masks:
    """Unpredictable masks, four bytes each. Asking the system for each would take 0.7 us.

    A forked child takes none of its parent's: those that one of the two has sent would tell a
    server what the other sends next (RFC 6455, 5.3).
    """

    def __init__(self) -> None:
        self._left: list[bytes] = []  # popping one is atomic
        forks.track(self)

    def next(self) -> bytes:
        """A mask that was never used before."""
        try:
            return self._left.pop()
        except IndexError:
            some = os.urandom(4 * 256)
            self._left.extend(some[at : at + 4] for at in range(4, len(some), 4))
            return some[:4]

    def after_fork(self) -> None:
        """Forget the parent's, in a forked child."""
        self._left.clear()


_MASKS = _Masks()


class MessageReader:
    """Reads messages that have one frame each, whatever the pieces in which they arrive."""

    __slots__ = ("_begun", "_max_size", "_missing")

    def __init__(self, max_size: int) -> None:
        self._max_size = max_size
        self._missing = 0
        self._begun: BytesIO | None = None  # hands its bytes over without a copy

    @property
    def is_within_message(self) -> bool:
        """Whether the first part of a message has arrived."""
        return self._missing > 0

    def read(self, data: bytes, messages: list[bytes]) -> bytes:
        """Add complete messages to ``messages``, and return the rest for the library.

        The rest begins with a frame of another kind, with a message above the limit, with a head
        that isn't complete, or behind more messages than are kept.

        Args:
            data: what arrived behind a whole frame, or behind what was read before.
            messages: where messages go.
        """
        at, end = 0, len(data)
        while at < end:
            if self._missing:
                size = self._missing
            else:
                head, size = _head(data, at)
                if not head or size > self._max_size:
                    break
                at += head
                if size == end - at:  # the usual case, without another copy
                    messages.append(data[at:])
                    return b""
            self._begun = self._begun or BytesIO()
            written = self._begun.write(data[at : at + size])
            at += written
            self._missing = size - written
            if not self._missing:
                messages.append(self._begun.getvalue())
                self._begun = None
                if len(messages) >= MAX_KEPT_MESSAGES:
                    break
        return data[at:]


def _head(data: bytes, at: int) -> tuple[int, int]:
    """The size of a frame's head at a place, and that of its message; 0 if it is another kind."""
    left = len(data) - at
    if left < _SHORT_HEAD or data[at] not in _FINAL:
        return 0, 0
    size = data[at + 1]
    if size < _LONG:
        return _SHORT_HEAD, size
    if size == _LONG and left >= _LONG_HEAD:
        return _LONG_HEAD, int.from_bytes(data[at + 2 : at + 4])
    if size == _LONGER and left >= _LONGER_HEAD:
        return _LONGER_HEAD, int.from_bytes(data[at + 2 : at + 10])
    return 0, 0


def frame_size(message_size: int) -> int:
    """The size of a server's frame around a message."""
    if message_size < _LONG:
        return _SHORT_HEAD + message_size
    return (_LONG_HEAD if message_size < _LONGER_SIZE else _LONGER_HEAD) + message_size


def in_one_piece(outgoing: list[bytes]) -> list[bytes]:
    """What is to be sent, with its frames joined: each piece is a system call.

    An empty piece, which can only be the last one, ends the stream.
    """
    if len(outgoing) <= 1:
        return outgoing
    joined = b"".join(outgoing)
    return [joined] if outgoing[-1] else [joined, b""]
