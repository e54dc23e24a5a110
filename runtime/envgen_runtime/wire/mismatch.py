"""Errors that say where a message breaks the contract, and what has changed in the server's."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

from pydantic import ValidationError

from ..errors import ActionRejected, InvalidRequest, ReplyMismatch
from ..json_value import json_path, pointer_keys
from .protocol import Request

_MAX_SHOWN_ERRORS = 3
_MAX_EXCERPT = 60
_MAX_LISTED = 10_000
"""How many violations pydantic is asked to list, with 700 bytes for each. It leaves a list at its
first wrong item, but validates all of an object's values."""


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
    shown, path = describe(error, json_path(pointer_keys(place)))
    return ReplyMismatch(
        f"the reply to {request.operation} doesn't fit {env_name}'s contract: {shown}",
        path=path,
        maybe_applied=request.operation == "step",
        request_id=request.request_id,
    )


def invalid_fields(error: ValidationError, model: type) -> InvalidRequest:
    """The error for fields that ``model`` refuses."""
    shown, path = describe(error, "$")
    return InvalidRequest(f"these are not the fields of {model.__name__}: {shown}", path=path)


def describe(error: ValidationError, root: str) -> tuple[str, str]:
    """Describe a validation error: its first few violations as text, and the path of the first.

    ``root`` is the path of what was validated.
    """
    if (count := error.error_count()) > _MAX_LISTED:
        return f"{count:,} values don't fit, too many to list", root
    details = error.errors(include_url=False, include_context=False)
    paths = [json_path(loc, root=root) for loc in _places([detail["loc"] for detail in details])]
    shown = "; ".join(
        f"{path}: {detail['msg']}{_found(detail)}"
        for path, detail in zip(paths[:_MAX_SHOWN_ERRORS], details, strict=False)
    )
    more = len(details) - _MAX_SHOWN_ERRORS
    return (
        f"{shown} (and {more} more)" if more > 0 else shown,
        paths[0],
    )


_VALIDATOR = re.compile(r"[a-z][a-z-]*\[.+\]")
"""How pydantic names a branch of a union that has no name of one word: ``list[int]``."""


def _places(locs: list[tuple[int | str, ...]]) -> list[tuple[int | str, ...]]:
    """Pydantic's places without the branches of unions, of which one is named by its validator."""
    unions = {
        loc[:at]
        for loc in locs
        for at, part in enumerate(loc)
        if isinstance(part, str) and _VALIDATOR.fullmatch(part)
    }
    return [tuple(part for at, part in enumerate(loc) if loc[:at] not in unions) for loc in locs]


def _found(detail: Any) -> str:
    """The value found; nothing for a missing field, whose input is all of its surroundings."""
    if detail["type"] == "missing":
        return ""
    text = repr(detail["input"])
    return f", not {text if len(text) <= _MAX_EXCERPT else text[: _MAX_EXCERPT - 3] + '...'}"


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
