"""What a session over HTTP asks its transport to do for one request, as data. No I/O."""

from __future__ import annotations

from collections.abc import Generator, Mapping, Sequence
from email.utils import parsedate_to_datetime
from http import HTTPStatus
from time import time
from typing import Any, NamedTuple, Protocol

from ..errors import InvalidRequest
from .detection import web_page
from .diagnosis import is_redirect, redirect
from .protocol import HttpCall, Request, read_http


class HttpResponse(NamedTuple):
    """A complete HTTP response. The names of its headers are in lower case.

    ``set_cookies`` are the values of its ``Set-Cookie`` headers.
    """

    status: int
    headers: Mapping[str, str]
    body: bytes
    set_cookies: tuple[str, ...] = ()

    @property
    def is_success(self) -> bool:
        """Whether the status is one of success."""
        return HTTPStatus.OK <= self.status < HTTPStatus.MULTIPLE_CHOICES

    @property
    def page(self) -> str | None:
        """The web page that it is, as ``web_page`` calls it; None if it is none."""
        return web_page(self.headers, self.body)

    @property
    def precedes_hang_up(self) -> bool:
        """Whether the server may be about to close the connection without announcing it.

        The first servers do so a few milliseconds after a 500. The next request must not be the
        one to find out: it may be a step, which is never sent twice.
        """
        return self.status >= HTTPStatus.INTERNAL_SERVER_ERROR

    @property
    def retry_after_s(self) -> float | None:
        """The seconds that the server asks to wait; None if it doesn't."""
        return retry_after(self.headers.get("retry-after"))

    def payload(self, request: Request) -> dict[str, Any]:
        """The payload of the reply to ``request``. As ``protocol.read_http``."""
        if is_redirect(self.status):
            told: str | None = redirect(self.headers.get("location"), f"/{request.operation}")
        else:
            told = self.page
        return read_http(
            self.status, self.body, request, retry_after_s=self.retry_after_s, told=told
        )


class Pause(NamedTuple):
    """Let time pass, in seconds."""

    delay_s: float


HttpExchange = Generator[HttpCall | Pause, Any, dict[str, Any]]
"""Yields what to do next: a call, whose ``HttpResponse`` is sent back or EnvError thrown in, or a
pause. Returns the payload of the reply as OpenEnv's servers send it, or raises an EnvError."""


def no_route(request: Request) -> InvalidRequest:
    """The error for a request that the server has no route for."""
    return InvalidRequest(
        f"the server has no route for {request.operation}", request_id=request.request_id
    )


class HttpSession(Protocol):
    """One session on a server that has its own routes instead of OpenEnv's."""

    def exchange(self, request: Request) -> HttpExchange:
        """Make ``request``."""
        ...


class HttpRoutes(Protocol):
    """How the clients of a contract travel: what a generated client states as ``wire``."""

    @property
    def arguments(self) -> Sequence[str]:
        """The values that the user has to give as the client's ``parameters``."""
        ...

    @property
    def creates_session(self) -> bool:
        """Whether a session is made by a request of its own, before the first reset."""
        ...

    @property
    def ends_session(self) -> bool:
        """Whether a request ends the session."""
        ...

    @property
    def has_state(self) -> bool:
        """Whether the server tells its state."""
        ...

    @property
    def tasks_of(self) -> str | None:
        """The environment whose tasks the server lists, by its name there; None if it doesn't."""
        ...

    def check_arguments(self, client: str, given: Mapping[str, Any]) -> None:
        """Check a client's ``parameters``.

        Raises:
            ValueError: one is missing, or the server has no place for it.
        """
        ...

    def begin(self, address_path: str, parameters: Mapping[str, Any], /) -> HttpSession:
        """Begin a session.

        Args:
            address_path: the path of the server's address.
            parameters: the values that the user gives.
        """
        ...


def retry_after(value: str | None) -> float | None:
    """The seconds that a Retry-After header asks to wait; None if it can't be read."""
    if value is None:
        return None
    if value.isascii() and value.strip().isdecimal():
        return float(value)
    try:
        moment = parsedate_to_datetime(value)
    except (ValueError, OverflowError, RecursionError):
        return None
    return max(0.0, moment.timestamp() - time())
