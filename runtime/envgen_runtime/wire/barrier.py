"""A proof that a reply belongs to its request, on a wire without ids. No I/O.

A frame that a proxy or a server repeats late looks like the next reply, and then each reply is
taken for the next but one. So a request for the state goes right behind a request, in the same
write, and its answer must come right behind the reply: two types of frames in order, which one
repeated frame can't give.

The request for the state has data, which is a mark of its own. OpenEnv's servers refuse it, without
computing a state, and quote what they refuse: then the answer to each mark can be told from that to
every other, and from an error that answers a request. Servers that ignore the data answer with a
state.
"""

from __future__ import annotations

import re

from ..errors import EnvError, ProtocolError, ServerError
from .protocol import Request, malformed, read_frame, read_json

HINT = 'barrier="off" asks for none'

# Without parsing: servers write the type first.
_OBSERVATION = re.compile(rb'\{"type": ?"observation"')
_ANSWER = re.compile(rb'\{"type": ?"(state|error)"')
_QUOTED_MARK = re.compile(rb'"envgen": ?"#[0-9]+#"')


class Marks:
    """The marks of one connection."""

    __slots__ = ("_are_quoted", "_mark", "_number")

    def __init__(self) -> None:
        self._number = 0
        self._mark = b""
        self._are_quoted = False

    def next_frame(self) -> bytes:
        """What goes right behind the next request with a barrier."""
        self._number += 1
        self._mark = b"#%d#" % self._number
        return b'{"type":"state","data":{"envgen":"%b"}}' % self._mark

    def check(self, answer: bytes, request: Request) -> None:
        """Check the frame behind the reply to ``request``: a state, or an error in its place.

        The first one tells whether the server quotes marks: nothing can be repeated before it. The
        content of a state is of no interest, and may be large.

        Raises ProtocolError for any other frame: then the reply may be that of an earlier request.
        """
        kind = _kind(answer, request)
        if kind not in ("state", "error"):
            raise malformed(
                f"a frame of type {kind!r} instead of the state behind the reply ({HINT}), so the "
                "reply may be that of an earlier request",
                request,
            )
        is_quoted = kind == "error" and self._mark in answer
        if self._number == 1:
            self._are_quoted = is_quoted
        elif self._are_quoted and not is_quoted:
            raise malformed(
                "the answer to an earlier request behind the reply, so the reply may be that of an "
                "earlier request too",
                request,
            )


def check_error(reply: bytes, request: Request) -> None:
    """Check an error that came as the reply: the refusal of a mark answers nothing else.

    Raises ProtocolError if it quotes a mark.
    """
    if _QUOTED_MARK.search(reply):
        raise malformed(
            f"the answer to a mark in place of the reply ({HINT}): the reply was lost, or an "
            "answer is repeated",
            request,
        )


def check_behind(messages: list[bytes], reply: bytes, request: Request) -> None:
    """Check what has arrived behind the answer to a mark: nothing, or what is seen to be a repeat.

    Another observation there is the reply, overtaken by the answer: then what came in its place is
    an earlier reply, repeated.

    Raises ProtocolError for another observation than ``reply``.
    """
    for message in messages:
        if message != reply and _OBSERVATION.match(message):
            raise malformed(
                "another observation behind the answer to its mark, so the reply may be that of an "
                "earlier request",
                request,
            )


def is_awaited(reply: bytes, request: Request) -> bool:
    """Whether the answer to the state comes behind this reply to ``request``.

    It does behind an error too, unless that is one with which the server ends the session. Behind
    a frame that breaks the protocol nothing is of use.
    """
    if _OBSERVATION.match(reply):
        return True
    try:
        read_frame(reply, request)
    except ServerError as error:
        return not error.ends_session and not _QUOTED_MARK.search(reply)
    except ProtocolError:
        return False
    return True


def note_missing(error: EnvError, request: Request) -> None:
    """Add to ``error`` that the reply had arrived, and only the answer behind it was missing."""
    error.add_note(
        f"the reply to {request.operation} had arrived, the state behind it had not ({HINT})"
    )


def _kind(answer: bytes, request: Request) -> object:
    found = _ANSWER.match(answer)
    return found[1].decode() if found else read_json(answer, request).get("type")
