"""Servers that do what no honest one does, on real sockets."""

from __future__ import annotations

import socket
import ssl
import threading
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, suppress

from websockets.extensions.permessage_deflate import ServerPerMessageDeflateFactory
from websockets.frames import Frame, Opcode
from websockets.http11 import Request
from websockets.server import ServerProtocol

from tests.runtime.servers import observed

Script = Callable[[socket.socket], None]
"""What a server does on a connection, which is closed when it returns or the client hangs up."""

PATIENCE_S = 20
"""How long a script may wait for its client, in seconds, before it hangs up: far beyond the limits
that are tested."""


@contextmanager
def serving(script: Script, tls: ssl.SSLContext | None = None) -> Iterator[str]:
    """Run ``script`` on each connection. Yields the server's address, without a scheme."""

    def run(connection: socket.socket) -> None:
        with connection, suppress(OSError):
            connection.settimeout(PATIENCE_S)
            if tls is None:
                script(connection)
            else:
                with tls.wrap_socket(connection, server_side=True) as secure:
                    script(secure)

    def accept() -> None:
        with suppress(OSError):
            while True:
                connection, _ = listener.accept()
                thread = threading.Thread(target=run, args=(connection,))
                threads.append(thread)
                open_.append(connection)
                thread.start()

    threads: list[threading.Thread] = []
    open_: list[socket.socket] = []
    with socket.create_server(("127.0.0.1", 0)) as listener:
        accepting = threading.Thread(target=accept)
        accepting.start()
        try:
            yield f"127.0.0.1:{listener.getsockname()[1]}"
        finally:
            with suppress(OSError):
                listener.shutdown(socket.SHUT_RDWR)
            accepting.join()
            for connection in open_:
                with suppress(OSError):
                    connection.shutdown(socket.SHUT_RDWR)
            for thread in threads:
                thread.join()


def accepted(connection: socket.socket, *, deflate: bool = False) -> ServerProtocol:
    """Answer the handshake of a client honestly."""
    extensions = [ServerPerMessageDeflateFactory()] if deflate else None
    server = ServerProtocol(extensions=extensions)
    while not (events := server.events_received()):
        data = connection.recv(65536)
        if not data:
            raise ConnectionError("the client hung up")
        server.receive_data(data)
    (request,) = events
    assert isinstance(request, Request)
    server.send_response(server.accept(request))
    connection.sendall(b"".join(server.data_to_send()))
    return server


def websocket(script: Script, tls: ssl.SSLContext | None = None) -> AbstractContextManager[str]:
    """Run ``script`` on each connection behind an honest handshake."""

    def run(connection: socket.socket) -> None:
        accepted(connection)
        script(connection)

    return serving(run, tls)


def frame(opcode: Opcode, data: bytes = b"", *, fin: bool = True) -> bytes:
    """A frame as a server sends it."""
    return Frame(opcode, data, fin).serialize(mask=False)


EMPTY_FRAGMENT = frame(Opcode.CONT, fin=False)
PING = frame(Opcode.PING, b"?")
REPLY = frame(Opcode.TEXT, observed({}).encode())
"""The reply to a reset or step."""
