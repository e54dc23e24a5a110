"""The cookies of one session with one server."""

from __future__ import annotations

from collections.abc import Iterable


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
            from http.cookies import CookieError, SimpleCookie  # few servers send any

            try:
                cookies = SimpleCookie(header)
            except CookieError:
                continue
            for name, cookie in cookies.items():
                if cookie["max-age"] == "0" or (not cookie.value and cookie["expires"]):
                    self._cookies.pop(name, None)
                else:
                    self._cookies[name] = cookie.coded_value
