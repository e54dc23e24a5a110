"""A server that runs elsewhere: waited for, never stopped."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from ..errors import ConnectError
from ..wire.redaction import without_secrets
from . import readiness
from .base import Provider, ServerExit

if TYPE_CHECKING:
    import ssl

_FINAL_ANSWERS = {
    "HTTP 401": "it requires authorization: pass a token",
    "HTTP 403": "the token has no access to it",
    "HTTP 404": "there is no such server, or it is private and requires a token",
}


class RemoteServer(Provider):
    """Waits for a server that is running, or that wakes up on the first request. It has no log.

    The headers are sent with each health check; ``ssl_context`` replaces the system's trust store.
    """

    def __init__(
        self,
        base_url: str,
        *,
        headers: Mapping[str, str] | None = None,
        ssl_context: ssl.SSLContext | None = None,
    ) -> None:
        super().__init__()
        self._base_url = base_url
        self._headers = dict(headers or {})
        self._ssl_context = ssl_context

    def stop(self) -> None:
        """Stop waiting. The server keeps running."""
        self._stopping.set()

    def _probe(self, url: str, timeout_s: float) -> str:
        answer = readiness.probe(
            url,
            timeout_s=timeout_s,
            headers=self._headers,
            ssl_context=self._ssl_context,
            has_health=self.has_health,
        )
        if answer.startswith(readiness.REDIRECT):
            raise ConnectError(
                f"{without_secrets(url)}/health answers with {answer}", retryable=False
            )
        if why := _FINAL_ANSWERS.get(answer):
            raise ConnectError(
                f"{without_secrets(url)}/health answers {answer}: {why}", retryable=False
            )
        return answer

    def _exit(self) -> ServerExit | None:
        return None

    def _describe(self) -> str:
        return f"the server at {without_secrets(self.base_url)}"


class RunningSpace(RemoteServer):
    """Waits for a Hugging Face Space.

    The hub answers in place of a Space that sleeps or builds. Where nothing answers, there is
    nothing to wait for.
    """

    def _probe(self, url: str, timeout_s: float) -> str:
        answer = super()._probe(url, timeout_s)
        if answer.startswith(readiness.NO_CONNECTION):
            why = answer.removeprefix(readiness.NO_CONNECTION)
            raise ConnectError(
                f"{without_secrets(url)} can't be reached ({why}): check "
                "the Space's name, OWNER/NAME, and the network",
                retryable=True,
            )
        return answer

    def _describe(self) -> str:
        return f"the Space at {without_secrets(self.base_url)}"
