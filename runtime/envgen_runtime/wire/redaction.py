"""Keeping secrets out of what people read: addresses and headers carry tokens, messages mustn't."""

from __future__ import annotations

import re
from base64 import b64encode
from collections.abc import Iterable, Mapping
from urllib.parse import unquote, urlsplit, urlunsplit

from ..errors import EnvError

_SHORTEST_SECRET = 6
_PUBLIC_HEADERS = frozenset({"accept", "content-type", "traceparent", "user-agent", "x-request-id"})
_HEADER_NAME = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")


def checked_headers(headers: Mapping[str, str]) -> dict[str, str]:
    """A copy of ``headers``.

    Raises:
        ValueError: one can't be sent; the message has its name and not its value.
    """
    for name, value in headers.items():
        if not _HEADER_NAME.fullmatch(name):
            raise ValueError(f"{name!r} is no header name")
        if not value.isascii() or not value.isprintable():
            raise ValueError(f"the value of the header {name} has characters that can't be sent")
    return dict(headers)


def split_credentials(url: str) -> tuple[str, str | None]:
    """A URL without ``user:password@``, and the Authorization header that says the same."""
    parts = urlsplit(url.strip())
    credentials, at, host = parts.netloc.rpartition("@")
    if not at:
        return url, None
    user, _, password = credentials.partition(":")
    words = f"{unquote(user)}:{unquote(password)}".encode()
    bare = urlunsplit((parts.scheme, host, parts.path, parts.query, parts.fragment))
    return bare, f"Basic {b64encode(words).decode()}"


def secrets_in(headers: Mapping[str, str]) -> tuple[str, ...]:
    """What must not be shown of ``headers``: their values, and the longer words within them."""
    found = {
        text
        for name, value in headers.items()
        if name.lower() not in _PUBLIC_HEADERS
        for text in (value, *value.split()[1:])
        if len(text) >= _SHORTEST_SECRET
    }
    return tuple(sorted(found, key=len, reverse=True))


def scrub(error: EnvError, secrets: Iterable[str]) -> None:
    """Take secrets out of an error's text: a server may have said them back."""
    for secret in secrets:
        if any(isinstance(arg, str) and secret in arg for arg in error.args):
            error.args = tuple(
                arg.replace(secret, "***") if isinstance(arg, str) else arg for arg in error.args
            )
        if error.server_text is not None:
            error.server_text = error.server_text.replace(secret, "***")
