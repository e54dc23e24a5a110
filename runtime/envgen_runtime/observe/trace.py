"""Episodes as files: recorded while they are played, and replayed without a server.

A trace is JSON, one request per line, in the order in which they ended::

    {"at": "2026-11-24T00:00:00+00:00", "env": "coding_env", "operation": "step",
     "request_id": "9c1f-2", "data": {"code": "1"}, "elapsed_s": 0.002, "reply": {...}}

with ``error`` instead of ``reply`` if the request failed. Headers carry tokens and are not
written, nor is a token that the server echoes; everything else that the agent and the environment
exchange is. A file that is created can be read by its owner alone.
"""

from __future__ import annotations

import json
import os
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from .. import errors
from ..errors import EnvError, ServerError, TraceMismatch
from ..wire import protocol
from ..wire.protocol import Request
from ..wire.redaction import scrub
from .observers import Observer, ReplyEvent


class EpisodeTrace(Observer):
    """Appends every request of a client, and its reply or error, to a file.

    Example:
        with CodingEnv(url, observers=[EpisodeTrace("episode.jsonl")]) as env:
            ...
        with CodingEnv.from_trace("episode.jsonl") as env:  # the same episode, without the server
            ...
    """

    def __init__(self, path: str | Path) -> None:
        self._path = Path(path)

    def on_reply(self, event: ReplyEvent) -> None:
        """Write a line."""
        request = event.request
        line: dict[str, Any] = {
            "at": datetime.now(UTC).isoformat(),
            "env": request.env_name,
            "operation": request.operation,
            "request_id": request.request_id,
            "data": request.data,
            "elapsed_s": round(event.elapsed_s, 6),
        }
        if event.payload is not None:
            line["reply"] = event.payload
        elif event.error is not None:
            line["error"] = _described(event.error)
        text = json.dumps(line)
        if any(secret in text for secret in request.secrets):
            exchanged = line.keys() & {"data", "reply", "error"}
            line |= {name: scrub(line[name], request.secrets) for name in exchanged}
            text = json.dumps(line)
        with open(self._path, "a", encoding="utf-8", opener=_private) as file:
            file.write(text + "\n")


def _private(path: str, flags: int) -> int:
    return os.open(path, flags, 0o600)


def _described(error: BaseException) -> dict[str, Any]:
    described: dict[str, Any] = {"type": type(error).__name__, "message": str(error)}
    if isinstance(error, ServerError):
        described |= {"code": error.code, "data": error.data}
    return described


class Replay:
    """Answers requests from a trace, for both clients. It never waits."""

    def __init__(self, path: str | Path) -> None:
        """Read a trace. OSError: the file can't be read. ValueError: it is not a trace."""
        self._path = Path(path)
        lines = self._path.read_text(encoding="utf-8").splitlines()
        self._lines: list[dict[str, Any]] = [json.loads(line) for line in lines if line.strip()]
        if any(
            "operation" not in line or not {"reply", "error"} & line.keys() for line in self._lines
        ):
            raise ValueError(f"{path} is not a trace of an episode")
        self._next = 0

    def answer(self, request: Request) -> dict[str, Any]:
        """The recorded payload, or error. TraceMismatch: the trace has another request next."""
        if request.operation in ("create", "close"):
            return {}  # a trace has no sessions
        if self._next == len(self._lines):
            raise TraceMismatch(f"{request.operation}() after the end of {self._path}")
        line = self._lines[self._next]
        number = self._next = self._next + 1
        data = json.loads(json.dumps(request.data))
        if line["operation"] != request.operation or line.get("data", {}) != data:
            raise TraceMismatch(
                f"line {number} of {self._path} is {line['operation']}({line.get('data')}), "
                f"not {request.operation}({data})"
            )
        if "reply" in line:
            reply: dict[str, Any] = line["reply"]
            return reply
        raise _recorded(line["error"], request)


def _recorded(described: dict[str, Any], request: Request) -> EnvError:
    if "code" in described:
        return protocol.server_error(described["data"], code=described["code"], request=request)
    kind = getattr(errors, described["type"], EnvError)
    try:
        error: EnvError = kind(described["message"])
    except TypeError:  # its class needs more than a message
        error = EnvError(described["message"])
    error.maybe_applied = error.sent and request.operation == "step"
    return error


class ReplayTransport:
    """A ``Transport`` that replays a trace. Nothing is ever open."""

    def __init__(self, replay: Replay) -> None:
        self.exchange = replay.answer

    def close(self) -> None:
        """Do nothing."""

    abort = abandon = after_fork = close


class AsyncReplayTransport:
    """An ``AsyncTransport`` that replays a trace. Nothing is ever open."""

    def __init__(self, replay: Replay) -> None:
        self._replay = replay

    async def exchange(self, request: Request) -> dict[str, Any]:
        """The recorded payload."""
        return self._replay.answer(request)

    async def close(self) -> None:
        """Do nothing."""

    def abort(self) -> None:
        """Do nothing."""

    after_fork = abort
