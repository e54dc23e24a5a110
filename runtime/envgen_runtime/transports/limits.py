"""What a server may make a client do beside reading the replies that it asked for."""

from __future__ import annotations

import time

MAX_SMALL_PARTS = 16_384
"""The most parts of a message, fragments or chunks, if they are small. Each costs the same work,
empty or not."""

SMALL_PART_BYTES = 256
"""Parts that are smaller than this on average are small. Servers send parts of some kilobytes."""

MAX_CONTROL_FRAMES_PER_S = 1_000
"""The most pings and pongs in a second: a hundredth of a second's work. Servers ping every few
seconds; a process that was suspended finds all the pings of its absence at once."""

MAX_ANSWER_BYTES = 256 * 1024
"""The largest answer to a handshake that isn't an upgrade. The library's work on a body in chunks
grows with the square of its size; of a web page, only the beginning is shown."""

MAX_KEPT_MESSAGES = 3
"""The most messages that are kept: a reply, the state behind it, and one that nothing asked for,
which may say why the server ends the session. That one loses the session."""

PIECE_BYTES = 4096
"""How much the library parses at a time, in bytes. Nothing can be counted or stopped in between:
the worst, 2,048 empty frames, take it some 20 ms."""

MAX_READS_PER_TURN = 4
"""How often an idle session's socket is read in one turn of the keepalive thread, which visits all
sessions. What hasn't arrived then has time until the next turn."""


def are_too_many(parts: int, size: int) -> bool:
    """Whether a message of ``size`` bytes has too many parts."""
    return parts > MAX_SMALL_PARTS and size < parts * SMALL_PART_BYTES


class ControlFrames:
    """Counts one connection's control frames by the second."""

    __slots__ = ("_count", "_second")

    def __init__(self) -> None:
        self._second = self._count = 0

    def is_flood(self, count: int) -> bool:
        """Whether these and those before in this second are too many."""
        second = int(time.monotonic())
        if second != self._second:
            self._second, self._count = second, 0
        self._count += count
        return self._count > MAX_CONTROL_FRAMES_PER_S
