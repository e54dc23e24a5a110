"""An environment behind a faulty proxy, in one process: its frames are damaged, late or repeated.

An observation carries the seed of its episode, the number of its step and the token of its action,
so that a client can tell a reply to another request. Prints the port.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import random
from contextlib import nullcontext
from pathlib import Path
from typing import Any, TextIO

from websockets.frames import Frame, Opcode
from websockets.http11 import Request, Response

from benchmarks.socket_session import SocketSession, serve

LATE_S = 0.03
STUCK_S = 3.0

FAULTS = (
    "delay", "too_late", "lost_reply", "lost_request", "twice", "twice_late", "swap", "drip",
    "reset_before", "reset_after", "reset_within", "end", "cut_frame", "close_1001", "close_1011",
    "garbage", "binary", "other_type", "session_error", "capacity", "masked", "pings",
)  # fmt: skip
HANDSHAKES = (302, 429, 502, 503)


def _text(message: str | bytes, opcode: Opcode = Opcode.TEXT, *, mask: bool = False) -> bytes:
    data = message.encode() if isinstance(message, str) else message
    return Frame(opcode, data).serialize(mask=mask)


def _error(code: str) -> bytes:
    return _text(json.dumps({"type": "error", "data": {"message": "as told", "code": code}}))


class Session(SocketSession):
    """One session, and what goes wrong on its way to the client: one fault in some ten frames."""

    def __init__(
        self,
        chosen: random.Random,
        faults: tuple[str, ...],
        every: int,
        *,
        quotes: bool,
        log: TextIO | None = None,
    ) -> None:
        self._log = log
        self._quotes = quotes
        self._random = chosen
        self._faults = faults
        self._every = every
        self._seed, self._count = 0, 0
        self._held: bytes | None = None  # a frame that is swapped with the next

    def handshake(self, request: Request) -> Response:
        if "handshake" in self._faults and self._random.random() < 1 / self._every:
            return self._protocol.reject(self._random.choice(HANDSHAKES), "as told")
        return super().handshake(request)

    def answered(self, message: bytes) -> None:
        self.flush()
        self._answer(json.loads(message))

    def _answer(self, request: dict[str, Any]) -> None:
        kind, data = request["type"], request.get("data", {})
        fault = ""
        if self._faults and self._random.random() < 1 / self._every:
            fault = self._random.choice(self._faults)
        if fault and self._log is not None and kind in ("reset", "step"):
            self._log.write(f"{fault} {data.get('seed', self._seed)}:{data.get('code', '')}\n")
        if kind == "close" or fault == "lost_request":
            return
        if fault == "reset_before":
            self._transport.abort()
            return
        if kind == "state" and self._quotes and data:  # as OpenEnv's servers do
            refused = {"loc": ["data"], "msg": "Extra inputs are not permitted", "input": data}
            told = {"message": "Invalid message", "code": "VALIDATION_ERROR", "errors": [refused]}
            reply: dict[str, Any] = {"type": "error", "data": told}
        elif kind == "state":
            reply = {"type": "state", "data": {"step_count": self._count}}
        else:
            if kind == "reset":
                self._seed, self._count = data.get("seed", 0), 0
            else:
                self._count += 1
            stdout = f"{self._seed}:{self._count}:{data.get('code', '')}"
            observed = {"observation": {"stdout": stdout}, "reward": 1.0, "done": False}
            reply = {"type": "observation", "data": observed}
        self._send(json.dumps(reply), fault)

    def _send(self, message: str, fault: str) -> None:  # noqa: C901, PLR0912 - a list of faults
        frame, later = _text(message), asyncio.get_running_loop().call_later
        write = self._write
        match fault:
            case "delay":
                later(LATE_S, write, frame)
            case "too_late":
                later(STUCK_S, write, frame)
            case "lost_reply":
                pass
            case "twice":
                write(frame + frame)
            case "twice_late":
                write(frame)
                later(LATE_S, write, frame)
            case "swap":
                self._held = frame
            case "drip":
                for at in range(len(frame)):
                    later(at * 0.0005, write, frame[at : at + 1])
            case "reset_after":
                write(frame)
                self._transport.abort()
            case "reset_within":
                write(frame[: len(frame) // 2])
                self._transport.abort()
            case "end":
                self._transport.close()
            case "cut_frame":
                write(frame[: len(frame) // 2])
                self._transport.close()
            case "close_1001" | "close_1011":
                self._protocol.send_close(int(fault[-4:]))
                self.flush()
            case "garbage":
                write(_text("\x00 no JSON"))
            case "binary":
                write(_text(bytes(range(256)), Opcode.BINARY))
            case "other_type":
                write(_text('{"type":"mcp","data":{}}'))
            case "session_error":
                write(_error("SESSION_ERROR"))
                self._transport.close()
            case "capacity":
                write(_error("CAPACITY_REACHED"))
                self._transport.close()
            case "masked":
                write(_text(message, mask=True))
            case "pings":
                write(_text(b"", Opcode.PING) * 200 + frame)
            case _:
                write(frame)

    def _write(self, frame: bytes) -> None:
        if self._held is not None:
            frame, self._held = frame + self._held, None
        if not self._transport.is_closing():
            self._transport.write(frame)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--faults", default="", help="their names; all by default")
    parser.add_argument("--every", type=int, default=10, help="one in so many frames")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--ignores-data", action="store_true", help="that of a request for a state")
    parser.add_argument("--log", type=Path, help="a file for the faults of requests")
    asked = parser.parse_args()
    faults = tuple(asked.faults.split(",")) if asked.faults else (*FAULTS, "handshake")
    chosen = random.Random(asked.seed)
    with asked.log.open("w", buffering=1) if asked.log else nullcontext() as log:
        asyncio.run(
            serve(
                lambda: Session(chosen, faults, asked.every, quotes=not asked.ignores_data, log=log)
            )
        )


if __name__ == "__main__":
    main()
