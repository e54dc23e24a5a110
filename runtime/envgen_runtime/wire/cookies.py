"""The cookies of one session with one server."""

from __future__ import annotations

import re
from collections.abc import Iterable

_PLAIN = re.compile(r"[\x21-\x7e]{1,4096}")
_EMPTY = ("", '""')
_MAX_COOKIES = 50
"""How many are kept. This and the size of one are what browsers keep at least (RFC 6265, 6.1)."""


class SessionCookies:
    """Keeps what the server sets, and sends it back with every request of the session."""

    def __init__(self) -> None:
        """Begin without any."""
        self._cookies: dict[str, str] = {}

    def headers(self) -> dict[str, str]:
        """The header ``cookie``, if there are any."""
        if not self._cookies:
            return {}
        return {"cookie": "; ".join(f"{name}={text}" for name, text in self._cookies.items())}

    def keep(self, set_cookies: Iterable[str]) -> None:
        """Keep the cookies of ``Set-Cookie`` headers, and forget those that the server deletes."""
        for header in set_cookies:
            pair, *rest = header.split(";")
            name, has_value, value = (part.strip() for part in pair.partition("="))
            if not has_value or not _PLAIN.fullmatch(f"{name}{value}"):
                continue
            parts = (attribute.partition("=") for attribute in rest)
            attributes = {key.strip().lower(): text.strip() for key, _, text in parts}
            self._cookies.pop(name, None)
            is_deleted = attributes.get("max-age") == "0" or (
                value in _EMPTY and attributes.get("expires")
            )
            if not is_deleted and len(self._cookies) < _MAX_COOKIES:
                self._cookies[name] = value
