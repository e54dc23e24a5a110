"""Requests to real servers, made without envgen."""

from __future__ import annotations

import json
from collections.abc import Generator
from contextlib import contextmanager
from typing import Any

import httpx
import pytest
from websockets.sync.client import ClientConnection, connect

from tests.interop.running import Release, RunningServer, loopback
from tests.support import PATIENCE_S

SEED = Release("openenv-core", "0.1.1")
on_the_seed = pytest.mark.parametrize("release", [SEED], ids=str)


def http(server: RunningServer) -> httpx.Client:
    return loopback(server.base_url, timeout_s=PATIENCE_S)


@contextmanager
def socket_of(server: RunningServer, path: str = "/ws") -> Generator[ClientConnection]:
    url = server.ws_url.removesuffix("/ws") + path
    with connect(url, proxy=None, open_timeout=PATIENCE_S) as socket:
        yield socket


def receive(socket: ClientConnection) -> Any:
    return json.loads(socket.recv(timeout=PATIENCE_S))


def ask(socket: ClientConnection, kind: str, **data: Any) -> Any:
    """Send a frame, without ``data`` where the kind has none, and give the reply."""
    frame = {"type": kind} if kind == "state" else {"type": kind, "data": data}
    socket.send(json.dumps(frame))
    return receive(socket)


def error_of(reply: Any) -> Any:
    assert reply["type"] == "error"
    return reply["data"]
