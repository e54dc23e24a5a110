"""Real MCP servers for tests: over stdio by their command, over HTTP in a process of their own."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from envgen_runtime.tools import ToolResult

SERVERS = Path(__file__).parent
WEATHER = [sys.executable, str(SERVERS / "weather.py")]
BARE = [sys.executable, str(SERVERS / "bare.py")]


@contextmanager
def served(*, python: str = sys.executable, on: socket.socket | None = None) -> Generator[str]:
    """Serve ``weather.py`` over streamable HTTP on loopback; yield its endpoint.

    The socket listens before the server starts, so a client waits rather than fails.

    Args:
        python: the interpreter, which has the SDK.
        on: a socket that listens, and stays open; None for one of its own.
    """
    listener = on or socket.create_server(("127.0.0.1", 0))
    port = listener.getsockname()[1]
    process = subprocess.Popen(
        [python, str(SERVERS / "weather.py"), "http", str(listener.fileno())],
        pass_fds=[listener.fileno()],
        start_new_session=True,
    )
    if on is None:
        listener.close()
    try:
        yield f"http://127.0.0.1:{port}/mcp"
    finally:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def data(result: ToolResult[Any]) -> Any:
    """What a tool of ``bare.py`` returns."""
    structured: Any = result.structured  # bare.py promises nothing of its results
    return structured["result"]
