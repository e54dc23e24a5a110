"""A proof that a reply belongs to its request, on a wire without ids. No I/O.

A frame that a proxy or a server repeats late looks like the next reply, and then each reply is
taken for the next but one. So a request for the state goes right behind a request, in the same
write, and its answer must come right behind the reply: two types of frames in order, which one
repeated frame can't give.
"""

from __future__ import annotations

import re

from ..errors import EnvError, ProtocolError, ServerError
from .protocol import Request, malformed, read_frame, read_json

FRAME = b'{"type":"state"}'
"""What goes right behind a request with a barrier."""

HINT = 'barrier="off" asks for none'

# Without parsing: servers write the type first.
_OBSERVATION = re.compile(rb'\{"type": ?"observation"')
_ANSWER = re.compile(rb'\{"type": ?"(?:state|error)"')


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
        return not error.ends_session
    except ProtocolError:
        return False
    return True


def check(answer: bytes, request: Request) -> None:
    """Check the frame behind the reply to ``request``: a state, or an error in its place.

    Its content is of no interest, and may be large.

    Raises ProtocolError for any other frame: then the reply may be that of an earlier request.
    """
    if _ANSWER.match(answer):
        return
    kind = read_json(answer, request).get("type")
    if kind not in ("state", "error"):
        raise malformed(
            f"a frame of type {kind!r} instead of the state behind the reply ({HINT}), so the "
            "reply may be that of an earlier request",
            request,
        )


def note_missing(error: EnvError, request: Request) -> None:
    """Add to ``error`` that the reply had arrived, and only the answer behind it was missing."""
    error.add_note(
        f"the reply to {request.operation} had arrived, the state behind it had not ({HINT})"
    )
