"""A server that somebody else runs: waited for, never stopped."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from ..errors import ConnectError
from . import readiness
from .base import Ended, Provider

_FINAL = {
    "HTTP 401": "it wants authorization: pass a token",
    "HTTP 403": "the token may not use it",
    "HTTP 404": "there is no such server, or it is private and wants a token",
}


class RemoteServer(Provider):
    """Waits for a server that runs already, or that wakes up when it is asked.

    Args:
        base_url: its address.
        headers: sent with the question whether it is healthy.
    """

    def __init__(self, base_url: str, *, headers: Mapping[str, str] | None = None) -> None:
        super().__init__()
        self._base_url = base_url
        self._headers = dict(headers or {})

    def logs(self, tail: int | None = None) -> str:  # noqa: ARG002 - there is none to be had
        """Nothing: the log is on the other machine."""
        return ""

    def follow_logs(self) -> Iterator[str]:
        """Nothing: the log is on the other machine."""
        return iter(())

    def stop(self) -> None:
        """Stop waiting for it. The server is somebody else's."""
        self._stopping.set()

    def _probe(self, url: str, timeout_s: float) -> str:
        answer = readiness.probe(url, timeout_s=timeout_s, headers=self._headers)
        if why := _FINAL.get(answer):
            raise ConnectError(f"{url}/health answers {answer}: {why}", retryable=False)
        return answer

    def _ended(self) -> Ended | None:
        return None

    def _describe(self) -> str:
        return f"the server at {self.base_url}"
