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

SERVERS = Path(__file__).parent
WEATHER = [sys.executable, str(SERVERS / "weather.py")]
BARE = [sys.executable, str(SERVERS / "bare.py")]


@contextmanager
def served(
    *, python: str = sys.executable, script: str = "weather.py", at: int = 0
) -> Generator[str]:
    """Serve a script over streamable HTTP on loopback; yield its endpoint.

    The socket listens before the server starts, so a client waits rather than fails.

    Args:
        python: the interpreter, which has the SDK.
        script: a file beside this one, which takes ``http`` and the number of a socket.
        at: the port; 0 for a free one.
    """
    with socket.create_server(("127.0.0.1", at)) as listener:
        port = listener.getsockname()[1]
        process = subprocess.Popen(
            [python, str(SERVERS / script), "http", str(listener.fileno())],
            pass_fds=[listener.fileno()],
            start_new_session=True,
        )
        listener.close()
        try:
            yield f"http://127.0.0.1:{port}/mcp"
        finally:
            if process.poll() is None:
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()
