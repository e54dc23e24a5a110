"""What the servers of the benchmarks share: a session over a WebSocket, on a loop of its own."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import cast

from websockets.frames import Frame, Opcode
from websockets.http11 import Request, Response
from websockets.protocol import State
from websockets.server import ServerProtocol


class SocketSession(asyncio.Protocol):
    """One client's session. ``answered`` is called for each text that arrives."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)
        self._protocol = ServerProtocol()

    def data_received(self, data: bytes) -> None:
        protocol = self._protocol
        protocol.receive_data(data)
        for event in protocol.events_received():
            if isinstance(event, Request):
                protocol.send_response(self.handshake(event))
            elif (
                isinstance(event, Frame)
                and event.opcode is Opcode.TEXT
                and protocol.state is State.OPEN
            ):
                self.answered(bytes(event.data))
        self.flush()
        if protocol.close_expected():
            self._transport.close()

    def handshake(self, request: Request) -> Response:
        return self._protocol.accept(request)

    def answered(self, message: bytes) -> None:
        raise NotImplementedError

    def flush(self) -> None:
        self._transport.writelines(self._protocol.data_to_send())


async def serve(session: Callable[[], SocketSession]) -> None:
    """Serve on a free port, and print it."""
    server = await asyncio.get_running_loop().create_server(session, "127.0.0.1", 0)
    print(server.sockets[0].getsockname()[1], flush=True)
    await server.serve_forever()
