"""An environment's WebSocket that answers at once, so that a benchmark measures its clients.

Prints its port. Every frame is answered by the same observation, or by the same state. The argument
is the length of what it observes, by default that of a small program.
"""

from __future__ import annotations

import asyncio
import json
import sys
from typing import cast

from websockets.frames import Frame, Opcode
from websockets.http11 import Request
from websockets.protocol import State
from websockets.server import ServerProtocol

_CODE = "print(6 * 7)"
_STDOUT = "x" * int(sys.argv[1]) if len(sys.argv) > 1 else _CODE
_OBSERVED = {"stdout": _STDOUT, "stderr": "", "exit_code": 0}
_REPLY = json.dumps(
    {"type": "observation", "data": {"observation": _OBSERVED, "reward": 1.0, "done": False}}
).encode()
_STATE = json.dumps({"type": "state", "data": {"episode_id": "1", "step_count": 0}}).encode()


class Session(asyncio.Protocol):
    """One client's session."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)
        self._protocol = ServerProtocol()

    def data_received(self, data: bytes) -> None:
        protocol = self._protocol
        protocol.receive_data(data)
        for event in protocol.events_received():
            if isinstance(event, Request):
                protocol.send_response(protocol.accept(event))
            elif isinstance(event, Frame) and event.opcode is Opcode.TEXT:
                kind = bytes(event.data[9:14])
                if kind != b"close" and protocol.state is State.OPEN:
                    protocol.send_text(_STATE if kind == b"state" else _REPLY)
        self._transport.writelines(protocol.data_to_send())
        if protocol.close_expected():
            self._transport.close()


async def main() -> None:
    server = await asyncio.get_running_loop().create_server(Session, "127.0.0.1", 0)
    print(server.sockets[0].getsockname()[1], flush=True)
    await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(main())
