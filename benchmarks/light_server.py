"""An environment's WebSocket that answers at once, so that a benchmark measures its clients.

Prints its port. Every frame is answered by the same observation, or by the same state. The argument
is the length of what it observes, by default that of a small program.
"""

from __future__ import annotations

import asyncio
import json
import sys

from benchmarks.socket_session import SocketSession, serve

_CODE = "print(6 * 7)"
_STDOUT = "x" * int(sys.argv[1]) if len(sys.argv) > 1 else _CODE
_OBSERVED = {"stdout": _STDOUT, "stderr": "", "exit_code": 0}
_REPLY = json.dumps(
    {"type": "observation", "data": {"observation": _OBSERVED, "reward": 1.0, "done": False}}
).encode()
_STATE = json.dumps({"type": "state", "data": {"episode_id": "1", "step_count": 0}}).encode()


class Session(SocketSession):
    """One client's session."""

    def answered(self, message: bytes) -> None:
        kind = message[9:14]
        if kind != b"close":
            self._protocol.send_text(_STATE if kind == b"state" else _REPLY)


if __name__ == "__main__":
    asyncio.run(serve(Session))
