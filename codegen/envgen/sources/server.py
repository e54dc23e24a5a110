"""A live server: its contract from ``/schema``, its name from ``/metadata``."""

from __future__ import annotations

from http import HTTPStatus
from typing import Any

import httpx

from ..errors import ContractError, EnvgenError, Unreachable
from ..schema import as_object
from .file import MAX_BYTES, parse_json

_TIMEOUT_S = 10.0


def fetch(base_url: str) -> tuple[Any, str | None]:
    """The document a server publishes, and the name it gives itself if it does.

    Raises:
        Unreachable: the server doesn't answer, or answers that it can't.
        ContractError: it has no ``/schema``, or answers something that isn't JSON.
    """
    base = base_url.rstrip("/").removesuffix("/schema")
    with httpx.Client(timeout=_TIMEOUT_S) as client:
        document = _get(client, f"{base}/schema")
        try:
            metadata = as_object(_get(client, f"{base}/metadata")) or {}
        except EnvgenError:
            metadata = {}  # a nicety: --name says it as well
    name = metadata.get("name")
    return document, name if isinstance(name, str) else None


def _get(client: httpx.Client, url: str) -> Any:
    try:
        with client.stream("GET", url) as response:
            if not response.is_success:
                raise _refusal(url, response.status_code)
            content = bytearray()
            for chunk in response.iter_bytes():
                content += chunk
                if len(content) > MAX_BYTES:
                    break
    except (httpx.TransportError, httpx.InvalidURL) as error:
        raise Unreachable(
            f"can't be reached: {error}", source=url, hint="is the server running at this address?"
        ) from error
    return parse_json(bytes(content), source=url)


def _refusal(url: str, status: int) -> EnvgenError:
    if status == HTTPStatus.NOT_FOUND:
        return ContractError(
            "the server has no such route (HTTP 404)",
            source=url,
            hint="servers before OpenEnv 0.2 publish no schema: write the contract as a file",
        )
    return Unreachable(f"the server answers HTTP {status}", source=url)
