"""The routes of a server that has its own instead of OpenEnv's, and a session on them. No I/O."""

from __future__ import annotations

import json
import logging
import re
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import quote, urlencode
from uuid import uuid4

from ..errors import EnvError, InvalidRequest, NotReset, ProtocolError
from ..json_value import as_array, at_pointer, is_text
from .cookies import SessionCookies
from .http_exchange import HttpExchange, HttpResponse, no_route
from .protocol import COMMON_PARAMETERS, HttpCall, Operation, Request, json_body, whole_seconds

_NAME = re.compile(r"\{([^{}]+)\}")
_log = logging.getLogger("envgen_runtime")


@dataclass(frozen=True, slots=True)
class HttpRoute:
    """One route. Values are the session's, the client's ``parameters``, or from the request's data.

    Attributes:
        method: the HTTP method, in upper case.
        path: the path below the server's address; ``{name}`` stands for a value.
        query: the names of the values that are sent in the query.
        headers: the names of the values that are sent as headers.
        fields: the names of the values that are added to the body.
        has_body: whether a JSON body is sent.
    """

    method: str
    path: str
    query: Sequence[str] = ()
    headers: Sequence[str] = ()
    fields: Sequence[str] = ()
    has_body: bool = True

    @property
    def in_path(self) -> tuple[str, ...]:
        """The names of the values in the path."""
        return tuple(_NAME.findall(self.path))

    @property
    def names(self) -> tuple[str, ...]:
        """The names of all its values."""
        return (*self.in_path, *self.query, *self.headers, *self.fields)


@dataclass(frozen=True, slots=True)
class HttpWire:
    """The routes of one environment, and where their values come from.

    Attributes:
        reset: starts an episode.
        step: takes a step.
        state: gives the state; None if the server has no such route.
        create: makes the session, before the first reset; None if ``reset`` does, or nothing.
        close: ends the session; None if nothing does.
        session: for values of the session, by name, the JSON pointer to each in the reply of
            ``create``, or of ``reset`` if there is no ``create``.
        session_headers: values of the session that arrive as headers of the same names.
        chosen: values of the session that the client makes up.
        arguments: values that the user has to give as the client's ``parameters``.
    """

    reset: HttpRoute
    step: HttpRoute
    state: HttpRoute | None = None
    create: HttpRoute | None = None
    close: HttpRoute | None = None
    session: Mapping[str, str] = field(default_factory=dict[str, str])
    session_headers: Sequence[str] = ()
    chosen: Sequence[str] = ()
    arguments: Sequence[str] = ()

    @property
    def routes(self) -> dict[Operation, HttpRoute]:
        """The routes that there are, by operation."""
        routes: dict[Operation, HttpRoute | None] = {
            "create": self.create,
            "reset": self.reset,
            "step": self.step,
            "state": self.state,
            "close": self.close,
        }
        return {name: route for name, route in routes.items() if route is not None}

    @property
    def creates_session(self) -> bool:
        """Whether ``create`` makes the session."""
        return self.create is not None

    @property
    def ends_session(self) -> bool:
        """Whether ``close`` ends the session."""
        return self.close is not None

    @property
    def has_state(self) -> bool:
        """Whether there is a route for the state."""
        return self.state is not None

    @property
    def tasks_of(self) -> None:
        """No route lists tasks. As ``HttpRoutes.tasks_of``."""
        return None

    def begin(self, address_path: str, parameters: Mapping[str, Any], /) -> RoutedSession:
        """Begin a session. As ``HttpRoutes.begin``."""
        return RoutedSession(self, address_path, parameters)

    @property
    def prefix(self) -> str:
        """The folder that all routes share, such as ``/api/v1``; may be empty."""
        folders = [route.path.split("/")[:-1] for route in self.routes.values()]
        shared: list[str] = []
        for segments in zip(*folders, strict=False):
            if len(set(segments)) > 1 or "{" in segments[0]:
                break
            shared.append(segments[0])
        return "/".join(shared)

    def check_arguments(self, client: str, given: Mapping[str, Any]) -> None:
        """Check a client's ``parameters``.

        Raises:
            ValueError: one is missing, or no route has it.
        """
        if missing := [name for name in self.arguments if name not in given]:
            example = ", ".join(f'"{name}": ...' for name in missing)
            raise ValueError(
                f"{client} needs parameters={{{example}}}: its server's routes are "
                f"{', '.join(route.path for route in self.routes.values())}"
            )
        known = {name for route in self.routes.values() for name in route.names}
        if unknown := sorted(given.keys() - known):
            raise ValueError(f"{client}: no route of its server has {', '.join(unknown)}")


class RoutedSession:
    """What one session on such routes has to remember: its values and its cookies."""

    def __init__(self, wire: HttpWire, address_path: str, parameters: Mapping[str, Any]) -> None:
        """Begin a session.

        Args:
            wire: the routes.
            address_path: the path of the server's address. It may end with the folder that all
                routes share: people copy either.
            parameters: the values that the user gives.
        """
        self._wire = wire
        is_shared = bool(wire.prefix) and address_path.endswith(wire.prefix)
        self._skipped = len(wire.prefix) if is_shared else 0
        self._values: dict[str, Any] = {name: uuid4().hex for name in wire.chosen}
        self._values |= parameters
        self._cookies = SessionCookies()
        self._is_to_end = False  # whether the next reset ends the session that there is

    def exchange(self, request: Request) -> HttpExchange:
        """Make ``request``. A reset that makes a session ends the one before.

        Raises:
            EnvError: the server has no place for it, refuses it, or replies without a value of the
                session.
        """
        call = self.call(request)
        if request.operation == "reset" and self._is_to_end:
            with suppress(EnvError):
                yield from self.exchange(request._replace(operation="close", data={}))
            call = self.call(request)  # with the cookies that are left
        elif request.operation == "close":
            self._is_to_end = False
        response: HttpResponse = yield call
        self._cookies.keep(response.set_cookies)
        if request.operation == "close" and not response.body:
            return {}
        payload = response.payload(request)
        self.received(request, payload, response.headers)
        if request.operation == "reset":
            self._is_to_end = self._wire.ends_session and not self._wire.creates_session
        return payload

    def call(self, request: Request) -> HttpCall:
        """The HTTP request for a request.

        Raises:
            InvalidRequest: the server has no place for it, or its data can't be written as JSON.
            NotReset: it needs a session, and there is none yet.
        """
        route = self._wire.routes.get(request.operation)
        if route is None:
            raise no_route(request)
        data = dict(request.data)
        values = {name: self._value(name, data, request) for name in dict.fromkeys(route.names)}
        for name in data.keys() & values.keys():
            del data[name]
        if missing := [name for name in route.in_path if values[name] is None]:
            raise NotReset(
                f"{request.operation}() before reset(): {route.path} needs {', '.join(missing)}",
                request_id=request.request_id,
            )
        path = _NAME.sub(lambda match: quote(_text(values[match[1]]), safe=""), route.path)
        query = [(name, _texts(values[name])) for name in route.query if values[name] is not None]
        headers = {
            name.lower(): _text(values[name]) for name in route.headers if values[name] is not None
        }
        headers |= self._cookies.headers()
        if request.operation == "reset":
            data = without_common(data)
        data |= {name: values[name] for name in route.fields if values[name] is not None}
        if data and not route.has_body:
            raise InvalidRequest(
                f"{route.method} {route.path} takes no {', '.join(data)}",
                request_id=request.request_id,
            )
        return HttpCall(
            route.method,
            path[self._skipped :] + (f"?{urlencode(query, doseq=True)}" if query else ""),
            json_body(data, request) if route.has_body else None,
            headers,
        )

    def received(
        self,
        request: Request,
        payload: Mapping[str, Any],
        headers: Mapping[str, str],
    ) -> None:
        """Take the session's values from a reply.

        Raises:
            ProtocolError: the reply lacks one.
        """
        if request.operation != ("create" if self._wire.create else "reset"):
            return
        for name, place in self._wire.session.items():
            try:
                value = at_pointer(payload, place)
            except LookupError:
                value = None
            if not isinstance(value, str | int) or not is_text(str(value)):
                raise _no_value(request, f"{place} of its reply", name)
            self._values[name] = value
        for name in self._wire.session_headers:
            if name.lower() not in headers:
                raise _no_value(request, f"the header {name} of its reply", name)
            self._values[name] = headers[name.lower()]

    def _value(self, name: str, data: Mapping[str, Any], request: Request) -> Any:
        if name in self._values:
            return self._values[name]
        if name in data:
            return data[name]
        match name:
            case "timeout_s":
                return whole_seconds(request.timeout_s)
            case "request_id":
                return request.request_id
            case "episode_id":
                return request.episode_id
            case _:
                return None


def without_common(data: Mapping[str, Any]) -> dict[str, Any]:
    """Leave out what every reset can be given and this server doesn't take."""
    for name in COMMON_PARAMETERS:
        if name in data:
            _log.warning("the server's reset takes no %s: it is not sent", name)
    return {name: value for name, value in data.items() if name not in COMMON_PARAMETERS}


def _no_value(request: Request, where: str, name: str) -> ProtocolError:
    return ProtocolError(
        f"the reply to {request.operation} has no value for {name}: it should be {where}",
        request_id=request.request_id,
    )


def _text(value: Any) -> str:
    """A value as it stands in a path, a query or a header."""
    return value if isinstance(value, str) else json.dumps(value)


def _texts(value: Any) -> str | list[str]:
    items = as_array(value)
    return _text(value) if items is None else [_text(item) for item in items]
