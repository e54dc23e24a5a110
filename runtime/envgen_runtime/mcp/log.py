"""The last lines that a started server writes to its standard error."""

from __future__ import annotations

import os
import threading
from collections import deque
from typing import TextIO

from .. import forks
from ..transports.tcp import close_inherited_number

_LINES = 20
_LINE_BYTES = 2000
_READ_BYTES = 65536


class LogTail:
    """A pipe for a server's standard error, of which a thread keeps the last lines.

    The server never waits for a reader, and nothing of its log is written to a disk.

    Attributes:
        stream: the end that the server gets.
    """

    def __init__(self) -> None:
        reader, writer = os.pipe()
        self._reader: int | None = reader  # None once the number may be another file's
        self.stream: TextIO = os.fdopen(writer, "w")
        self._lines: deque[bytes] = deque(maxlen=_LINES)
        self._thread = threading.Thread(
            target=self._drain, args=(reader,), name="envgen-mcp-log", daemon=True
        )
        forks.track(self)

    def start(self) -> None:
        """Begin to read, once the server has the pipe."""
        self.stream.close()
        self._thread.start()

    def ended(self, within_s: float) -> bool:
        """Wait until nobody can write any more. True if that was in time."""
        self._thread.join(within_s)
        return not self._thread.is_alive()

    @property
    def text(self) -> str:
        """The last lines, without the line break at the end."""
        return b"\n".join(tuple(self._lines)).decode(errors="replace").strip("\n")

    def after_fork(self) -> None:
        """Let go of the parent's pipe, in a forked child."""
        if self._reader is not None:
            close_inherited_number(self._reader)

    def _drain(self, reader: int) -> None:
        rest = b""
        while chunk := os.read(reader, _READ_BYTES):
            *lines, rest = (rest + chunk).split(b"\n")
            self._lines.extend(line[:_LINE_BYTES] for line in lines)
            rest = rest[:_LINE_BYTES]
        if rest:
            self._lines.append(rest)
        self._reader = None
        os.close(reader)
