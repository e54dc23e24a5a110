"""Which transport a server wants, told from its answers. No I/O."""

from __future__ import annotations

import re
from collections.abc import Mapping
from http import HTTPStatus

from ..errors import PASSING_STATUSES, ConnectError, InvalidRequest, UpgradeRefused
from ..printable import excerpt
from .diagnosis import NOT_UP_STATUSES, WAITS_UNTIL_UP, is_redirect, redirect

_TITLE = re.compile(rb"<title[^>]*>([^<]{1,200})", re.IGNORECASE)
_HTML = re.compile(rb"(?:\xef\xbb\xbf)?\s*<(?:!doctype\s+html|html)\b", re.IGNORECASE)


def web_page(headers: Mapping[str, str], body: bytes) -> str | None:
    """What a person calls the web page in a response, such as ``a web page ("Sign in")``.

    None if it is no page. Some are sent without the type of one.
    """
    is_html = headers.get("content-type", "").lower().startswith("text/html")
    if not is_html and not _HTML.match(body):
        return None
    title = _TITLE.search(body[:65536])
    return f'a web page ("{excerpt(title[1])}")' if title else "a web page"


def explain_refused_upgrade(
    refusal: UpgradeRefused, *, schema: int, health: int, base_url: str, page: str | None = None
) -> ConnectError | None:
    """The error for a refused upgrade, told from two routes' answers; None if HTTP is right.

    Servers before 0.2 have no ``/ws`` and no ``/schema``, and one stateful environment behind HTTP.
    A server that has ``/schema`` is a later one, whose HTTP routes can't hold an episode.
    """

    def refused(message: str) -> UpgradeRefused:
        return UpgradeRefused(message, status=refusal.status, server_text=refusal.server_text)

    if is_redirect(refusal.status):
        return refused(str(refusal))
    if HTTPStatus.UNAUTHORIZED in (refusal.status, schema):
        return refused(_wants_authorization(base_url))
    if schema == HTTPStatus.NOT_FOUND and health == HTTPStatus.OK:
        return None
    if page is not None and schema != HTTPStatus.NOT_FOUND:
        return refused(_is_page(base_url, page))
    if schema == HTTPStatus.OK:
        return refused(
            f"{refusal}, though the server publishes /schema: a server of its age gives a "
            "fresh environment to every HTTP request, so HTTP would be silently wrong. Look "
            "for a proxy that blocks WebSockets"
        )
    return refused(
        f"{refusal}; /schema answered {schema} and /health {health}: this doesn't look like "
        "an environment server. Check the URL"
    )


def holds_episode(schema: int, page: str | None, location: str | None, *, base_url: str) -> bool:
    """Whether a server may keep an environment behind HTTP, told from what ``/schema`` answers.

    Args:
        schema: the status of the answer.
        page: the web page that it is, if it is one.
        location: its ``Location``.
        base_url: the server's address.

    Raises:
        ConnectError: the answer doesn't tell, as a web page or that of a server that starts.
    """
    if schema == HTTPStatus.NOT_FOUND:
        return True
    if schema == HTTPStatus.OK and page is None:
        return False
    if is_redirect(schema):
        told = f"{base_url} answers with HTTP {schema}: {redirect(location, '/schema')}"
    elif schema == HTTPStatus.UNAUTHORIZED:
        told = _wants_authorization(base_url)
    elif page is not None:
        told = _is_page(base_url, page)
    elif schema in NOT_UP_STATUSES:
        told = f"{base_url} answers with HTTP {schema}; {WAITS_UNTIL_UP}"
    else:
        told = (
            f"{base_url} answers /schema with {schema}, which doesn't tell whether it keeps its "
            'environment from one HTTP request to the next; transport="http-unchecked" insists'
        )
    raise ConnectError(told, retryable=schema in PASSING_STATUSES)


def no_episode(base_url: str) -> InvalidRequest:
    """The error for a step over HTTP on a server that makes an environment for every request."""
    return InvalidRequest(
        f"{base_url} publishes /schema, so each HTTP request gets a fresh environment there, "
        "and a step never sees the reset before it. Leave transport= out, which uses the "
        'WebSocket; transport="http-unchecked" insists, if this server keeps its environment'
    )


def _wants_authorization(base_url: str) -> str:
    return f"{base_url} wants authorization: pass it in default_headers"


def _is_page(base_url: str, page: str) -> str:
    return (
        f"{base_url} answers with {page}, not as an environment: a Space that sleeps or "
        "builds, a login page, or a tunnel's warning? Open it in a browser, or wait for the "
        "server with from_url()"
    )
