"""Keep secrets out of what people read: tokens travel in addresses and headers, never in messages.

Redaction is the one place that knows what a secret is, for the runtime and the generator.
"""

from __future__ import annotations

import re
from base64 import b64encode
from collections.abc import Iterable, Mapping
from urllib.parse import unquote, unquote_plus, urlsplit, urlunsplit

from ..errors import EnvError

_SHORTEST_SECRET = 6
_PUBLIC_HEADERS = frozenset({"accept", "content-type", "traceparent", "user-agent", "x-request-id"})
_HEADER_NAME = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")


def without_secrets(url: str) -> str:
    """``url`` as a message may show it: without user, password, query and fragment."""
    try:
        parts = urlsplit(url)
        return urlunsplit((parts.scheme, parts.netloc.rpartition("@")[2], parts.path, "", ""))
    except ValueError:
        return "a URL that can't be read"


def split_credentials(url: str) -> tuple[str, str | None]:
    """A URL without ``user:password@``, and the Authorization header that replaces them."""
    parts = urlsplit(url.strip())
    credentials, at, host = parts.netloc.rpartition("@")
    if not at:
        return url, None
    user, _, password = credentials.partition(":")
    login = f"{unquote(user)}:{unquote(password)}".encode()
    return urlunsplit(parts._replace(netloc=host)), f"Basic {b64encode(login).decode()}"


def checked_headers(headers: Mapping[str, str]) -> dict[str, str]:
    """Copy ``headers``. ValueError: one can't be sent; the message has its name, not its value."""
    for name, value in headers.items():
        if not _HEADER_NAME.fullmatch(name):
            raise ValueError(f"{name!r} is not a header name")
        if not value.isascii() or not value.isprintable():
            raise ValueError(f"the value of the header {name} has characters that can't be sent")
    return dict(headers)


def secrets_in(headers: Mapping[str, str], query: str = "") -> tuple[str, ...]:
    """The secrets in ``headers`` and in an address's query, longest first.

    They are whole values, and the longer words in those of headers.
    """
    values = [part.partition("=")[2] for part in query.split("&")]
    found = {
        text
        for value in values
        for text in (value, unquote(value), unquote_plus(value))
        if len(text) >= _SHORTEST_SECRET
    }
    found |= {
        text
        for name, value in headers.items()
        if name.lower() not in _PUBLIC_HEADERS
        for text in (value, *value.split()[1:])
        if len(text) >= _SHORTEST_SECRET
    }
    return tuple(sorted(found, key=len, reverse=True))


def redact(error: EnvError, secrets: Iterable[str]) -> None:
    """Replace secrets in an error's text by ``***``: a server may have echoed them."""
    for secret in secrets:
        if any(isinstance(arg, str) and secret in arg for arg in error.args):
            error.args = tuple(
                arg.replace(secret, "***") if isinstance(arg, str) else arg for arg in error.args
            )
        if error.server_text is not None:
            error.server_text = error.server_text.replace(secret, "***")
