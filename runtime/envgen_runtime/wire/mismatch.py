"""Errors that say where a message breaks the contract, and what has changed in the server's."""

from __future__ import annotations

from collections.abc import Sequence

from pydantic import ValidationError

from ..errors import ActionRejected, InvalidRequest, ReplyMismatch
from ..json_value import json_path, pointer_keys, violations
from .protocol import Request


def reply_mismatch(
    error: ValidationError, request: Request, *, env_name: str, place: str
) -> ReplyMismatch:
    """The error for a reply that the generated classes can't read.

    Args:
        error: what pydantic says.
        request: the request that was answered.
        env_name: the environment's name.
        place: the JSON pointer to what was read, in the reply.
    """
    shown, path = violations(error, json_path(pointer_keys(place)))
    return ReplyMismatch(
        f"the reply to {request.operation} doesn't fit {env_name}'s contract: {shown}",
        path=path,
        maybe_applied=request.operation == "step",
        request_id=request.request_id,
    )


def invalid_fields(error: ValidationError, model: type) -> InvalidRequest:
    """The error for fields that ``model`` refuses."""
    shown, path = violations(error, "$")
    return InvalidRequest(f"these are not the fields of {model.__name__}: {shown}", path=path)


def explain_drift(
    error: ReplyMismatch | ActionRejected, drift: Sequence[str] | None, *, url: str
) -> None:
    """Add to an error, which is about to be raised, how the server's contract differs.

    ``drift`` is None if the server's contract could not be fetched.
    """
    error.drift = tuple(drift or ())
    if isinstance(error, ActionRejected) and not drift:
        return  # then a value is wrong, and the server has said which
    remedy = f"regenerate with: envgen build {url}"
    if drift is None:
        hint = f"If the server has changed, {remedy}"
    elif drift:
        hint = f"The server's contract has changed: {'; '.join(drift)}. To follow it, {remedy}"
    else:
        hint = "The server publishes the same contract, so it breaks its own"
    error.args = (f"{error}. {hint}", *error.args[1:])
