"""The only user of httpx: the user's own client, and one that follows redirects."""

from __future__ import annotations

from collections.abc import Generator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import httpcore

from ..errors import ConnectError
from ..wire.diagnosis import reason
from . import INHERITED, ConnectionOptions

if TYPE_CHECKING:
    import httpx


def users_client(options: ConnectionOptions, wanted: str) -> Any:
    """The user's httpx client, which must be of the class ``wanted``; None if there is none."""
    client = options.http_client
    if client is INHERITED:
        raise ConnectError(
            "http_client belongs to the process that this one was forked from, and so may its "
            "connections: make one here, and pass it to with_options(http_client=...)",
            retryable=False,
        )
    if client is not None:
        import httpx

        if not isinstance(client, getattr(httpx, wanted)):
            message = f"this client takes an httpx.{wanted} as its http_client"
            raise TypeError(f"{message}, not {type(client).__name__}")
    return client


def redirected_client() -> httpx.Client:
    """A client that follows redirects. Credentials go to the first host alone."""
    import httpx

    return httpx.Client(follow_redirects=True)


@contextmanager
def httpx_errors() -> Generator[None]:
    """Raise the errors of a user's httpx client as those of httpcore."""
    import httpx

    try:
        yield
    except (httpx.ConnectError, httpx.ConnectTimeout, httpx.ProxyError) as error:
        raise httpcore.ConnectError(reason(error)) from error
    except httpx.TimeoutException as error:
        raise TimeoutError from error
    except (httpx.RequestError, httpx.InvalidURL, RuntimeError) as error:
        # RuntimeError: it is closed, or its connections belong to another event loop
        raise httpcore.NetworkError(reason(error)) from error
