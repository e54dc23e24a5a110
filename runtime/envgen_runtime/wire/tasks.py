"""The tasks that a server lists: OpenEnv's Task API, and that of the Open Reward Standard. No I/O.

The routes are the same (read and run: openenv 0.4.1 to 0.10.0, openreward 0.1.167): ``GET
/list_environments`` names the server's environments; below a name, ``GET /splits`` has its splits,
``POST /num_tasks`` the number of a split's tasks, and ``POST /task_range`` those of a range. An
OpenEnv environment without tasks answers with status 501.
"""

from __future__ import annotations

from collections.abc import Sequence
from http import HTTPStatus
from typing import Any
from urllib.parse import quote

from ..errors import ProtocolError, ServerError
from ..json_value import as_array, as_object, is_text
from .http_exchange import HttpResponse
from .protocol import Request, malformed, parse_json

ENVIRONMENTS = "/list_environments"
PAGE = 100
"""How many tasks are asked for at once, at most."""

MAX_TASKS = 100_000_000
"""The most tasks of a split. ``list()`` makes room for all of them before it asks for the first."""

_HAS_NONE = frozenset(f"HTTP_{status}" for status in (HTTPStatus.NOT_FOUND, 501))


def route(environment: str, name: str) -> str:
    """The path of an environment's route."""
    return f"/{quote(environment, safe='')}/{name}"


def read_environment(response: HttpResponse, request: Request, *, wanted: str) -> str:
    """The name of the environment whose tasks are asked for.

    Args:
        response: the reply to ``ENVIRONMENTS``.
        request: what it answers.
        wanted: what the client calls its environment: it decides where there are several.

    Raises:
        ServerError: the server has no such route.
        ProtocolError: the reply names no environment, or several others.
    """
    names = as_array(_value(response, request)) or []
    known = [name for name in names if isinstance(name, str) and is_text(name)]
    if len(names) == len(known) == 1:
        return known[0]
    for name in known:
        if name.lower() == wanted.lower():
            return name
    shown = ", ".join(map(str, names[:20])) or "none"
    raise ProtocolError(
        f"the server has the environments {shown}; none of them is {wanted}",
        request_id=request.request_id,
    )


def read_splits(response: HttpResponse, request: Request) -> list[str]:
    """The names of the splits.

    Raises:
        ServerError: the server answers with an error.
        ProtocolError: the reply is no list of splits.
    """
    items = as_array(_value(response, request))
    names = [(as_object(item) or {}).get("name", item) for item in items or []]
    if items is None or not all(isinstance(name, str) for name in names):
        raise malformed("a list of splits that is none", request)
    return names


def read_number(response: HttpResponse, request: Request) -> int:
    """The number of a split's tasks. Raises as ``read_splits``."""
    number = response.payload(request).get("num_tasks")
    if not isinstance(number, int) or isinstance(number, bool) or not 0 <= number <= MAX_TASKS:
        raise malformed("a number of tasks that is none", request)
    return number


def read_range(response: HttpResponse, request: Request, asked: range) -> list[Any]:
    """The tasks of a range. Raises as ``read_splits``; fewer or more tasks break the protocol."""
    tasks = as_array(response.payload(request).get("tasks"))
    if tasks is None:
        raise malformed("a list of tasks that is none", request)
    if len(tasks) != len(asked):
        told = f"{len(tasks)} tasks for the places {asked.start} to {asked.stop - 1}"
        raise malformed(told, request)
    return tasks


def lists_none(error: ServerError, env_name: str) -> ServerError | None:
    """The error that says that there are no tasks, if that is what ``error`` means."""
    if error.code not in _HAS_NONE:
        return None
    is_without = error.code != f"HTTP_{HTTPStatus.NOT_FOUND}"
    why = "its environment has none" if is_without else "it has no routes for them"
    return ServerError(
        f"{env_name}'s server lists no tasks: {why} ({error.code}). OpenEnv's Task API came with "
        "0.4.1, and an environment needs list_splits, num_tasks and get_task_range for it",
        code=error.code,
        data=error.data,
        request_id=error.request_id,
        server_text=error.server_text,
    )


def unknown_split(split: str, splits: Sequence[str], env_name: str) -> str:
    """The message for a split that is not among the server's."""
    return f"{env_name} has no split {split!r}: it has {', '.join(splits) or 'none'}"


def _value(response: HttpResponse, request: Request) -> Any:
    """The JSON of a response that need not be an object. Raises as ``HttpResponse.payload``."""
    if not response.is_success:
        return response.payload(request)  # raises
    if (page := response.page) is not None:
        raise malformed(page, request)
    return parse_json(response.body, request)
