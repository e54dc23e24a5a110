"""Why no WebSocket could be opened, from what a server answered to the handshake."""

from __future__ import annotations

from websockets.exceptions import InvalidHandshake, InvalidStatus
from websockets.http11 import Response

from ..errors import ConnectError, UpgradeRefused
from ..wire import diagnosis
from ..wire.detection import web_page
from ..wire.http_exchange import retry_after
from .limits import MAX_ANSWER_BYTES
from .proxies import through_proxy

_MAX_SERVER_TEXT = 500


class AnswerTooLong(InvalidHandshake):
    """The answer to the handshake is longer than what is read of one."""

    def __init__(self) -> None:
        super().__init__(f"the answer has more than {MAX_ANSWER_BYTES:,} bytes")


def connect_error(
    address: str, error: BaseException, answer: bytes = b"", *, timeout_s: float | None = None
) -> ConnectError:
    """Why no connection to ``address`` could be opened, as an error of ours.

    Args:
        address: the URL.
        error: what was raised.
        answer: the beginning of what the server sent.
        timeout_s: the limit that there was, in seconds.
    """
    if isinstance(error, InvalidStatus):
        return _refused(address, error.response)
    via = through_proxy(address)
    if isinstance(error, TimeoutError):
        limit = f"within {timeout_s:.3g} s" if timeout_s is not None else "in time"
        return ConnectError(f"{address} did not open a WebSocket {limit}{via}")
    if isinstance(error, InvalidHandshake):
        if (status := diagnosis.old_status(answer)) is not None:
            old = f"{address} answered the WebSocket handshake with HTTP/1.0 (HTTP {status}){via}"
            return UpgradeRefused(f"{old}, which has no WebSockets", status=status)
        if isinstance(error, AnswerTooLong) and (status := diagnosis.status(answer)) is not None:
            told = f"{address} answered the WebSocket handshake with HTTP {status}{via}; {error}"
            return UpgradeRefused(told, status=status)
        return ConnectError(
            f"no WebSocket connection to {address}: {diagnosis.no_handshake(answer, error)}{via}"
        )
    return ConnectError(f"no WebSocket connection to {address}: {diagnosis.reason(error)}{via}")


def _refused(address: str, response: Response) -> UpgradeRefused:
    status, body = response.status_code, bytes(response.body or b"")
    headers = {name.lower(): value for name, value in response.headers.raw_items()}
    page = web_page(headers, body)
    said, via = f" and {page}" if page else "", through_proxy(address)
    if diagnosis.is_redirect(status):
        said = f": {diagnosis.redirect(headers.get('location'), '/ws')}"
    elif status in diagnosis.NOT_UP_STATUSES:
        said += f"; {diagnosis.WAITS_UNTIL_UP}"
    return UpgradeRefused(
        f"{address} answered the WebSocket handshake with HTTP {status}{via}{said}",
        status=status,
        retry_after_s=retry_after(headers.get("retry-after")),
        server_text=body.decode(errors="replace")[:_MAX_SERVER_TEXT] or None,
    )
