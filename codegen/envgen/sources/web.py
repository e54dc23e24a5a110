"""Documents from servers that may be slow, huge, or somewhere else than they said."""

from __future__ import annotations

import asyncio
import os
import re
import zlib
from collections.abc import Awaitable, Callable, Mapping
from http import HTTPStatus
from typing import Any, Self, TypeVar
from urllib.parse import urlsplit

import httpx

from envgen_runtime.wire.redaction import without_secrets

from ..config import SourceSettings
from ..errors import ConfigError, ContractError, EnvgenError, Unreachable
from .parsing import MAX_BYTES, YAML_SUFFIXES, check_size, parse

MAX_REDIRECTS = 5

T = TypeVar("T")

_TOKEN = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")  # RFC 9110, 5.6.2
_VARIABLE = re.compile(r"\$\{(\w+)\}")
_REDIRECTS = frozenset({301, 302, 303, 307, 308})
_DEFAULT_PORTS = {"http": 80, "https": 443}


def check_url(url: str) -> None:
    """Hold a source against what an address looks like.

    Raises:
        ContractError: it is none.
    """
    try:
        is_address = bool(urlsplit(url).hostname) and bool(_origin(url)[1])
        port = urlsplit(url).port  # raises where it is out of range
    except (ValueError, httpx.InvalidURL):
        is_address, port = False, None
    if not is_address or port == 0:
        raise ContractError(
            "this is no address", source=without_secrets(url), hint="write http://HOST:PORT"
        )


def resolved_headers(headers: Mapping[str, str]) -> dict[str, str]:
    """Headers with the environment's variables for ``${NAME}``. Errors name no value.

    Raises:
        ConfigError: a variable is not set, or the header can't be sent.
    """
    result: dict[str, str] = {}
    for name, template in headers.items():
        place = f"header {name[:60]!r}"
        for variable in _VARIABLE.findall(template):
            if variable not in os.environ:
                raise ConfigError(f"the environment variable {variable} is not set", source=place)
        value = _VARIABLE.sub(lambda match: os.environ[match[1]], template).strip()
        if not _TOKEN.fullmatch(name) or not value.isascii() or not value.isprintable():
            raise ConfigError(
                "its name or value holds a character that a header can't have",
                source=place,
                hint="write it as --header 'Name: value'; is there a newline in the variable?",
            )
        result[name] = value
    return result


class NotFound(Exception):
    """A server answered that there is nothing at ``url``."""

    def __init__(self, url: str) -> None:
        super().__init__(url)
        self.url = url


def within_limits(url: str, settings: SourceSettings, read: Callable[[Web], Awaitable[T]]) -> T:
    """Run ``read``, which may take ``settings.timeout_s`` for all that it asks a server.

    Raises:
        Unreachable: it took longer.
    """

    async def run() -> T:
        async with asyncio.timeout(settings.timeout_s), Web(url, settings) as web:
            return await read(web)

    try:
        return asyncio.run(run())
    except TimeoutError as error:
        raise Unreachable(
            f"took longer than {settings.timeout_s:g} s",
            source=without_secrets(url),
            hint="give it more time with --timeout SECONDS",
        ) from error


class Web:
    """Reads documents. The headers go to the host of ``url`` only."""

    def __init__(self, url: str, settings: SourceSettings) -> None:
        self._home = _origin(url)
        self._headers = resolved_headers(settings.headers)
        self._allow_redirects = settings.allow_redirects
        self._client = httpx.AsyncClient(timeout=settings.timeout_s)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._client.aclose()

    async def get(self, url: str) -> Any:
        """The document at ``url``.

        Raises:
            NotFound: there is none.
            ContractError: it is too large, in no form that envgen reads, or redirected elsewhere.
            Unreachable: the server doesn't answer, or answers that it can't.
        """
        return await self._ask("GET", url)

    async def post(self, url: str, body: Any) -> Any:
        """What the server answers to ``body``, sent as JSON. Raises as ``get`` does."""
        return await self._ask("POST", url, json=body)

    async def _ask(self, method: str, url: str, **content: Any) -> Any:
        shown = without_secrets(url)
        try:
            for _ in range(MAX_REDIRECTS + 1):
                headers = self._headers_for(url)
                request = self._client.build_request(method, url, headers=headers, **content)
                response = await self._client.send(request, stream=True)
                try:
                    if response.status_code not in _REDIRECTS:
                        return await _document(response, shown)
                    url = self._next(url, response, shown)
                finally:
                    await response.aclose()
        except (httpx.RequestError, httpx.InvalidURL, UnicodeError, OSError) as error:
            reason = str(error) or type(error).__name__
            raise Unreachable(
                f"can't be reached: {reason}",
                source=shown,
                hint="is the server running at this address?",
            ) from error
        raise ContractError(f"more than {MAX_REDIRECTS} redirects", source=shown)

    def _headers_for(self, url: str) -> dict[str, str]:
        # gzip alone: what it unpacks to can be bounded while it is unpacked.
        own = self._headers if _origin(url) in (self._home, _secured(self._home)) else {}
        return {"accept": "application/json, application/yaml", "accept-encoding": "gzip", **own}

    def _next(self, url: str, response: httpx.Response, shown: str) -> str:
        try:
            target = str(httpx.URL(url).join(response.headers["location"]))
            check_url(target)
        except (KeyError, httpx.InvalidURL, ContractError) as error:
            raise ContractError("redirected to nowhere", source=shown) from error
        here, there = _origin(url), _origin(target)
        if there not in (here, _secured(here)) and not self._allow_redirects:
            raise ContractError(
                f"redirected to another host: {without_secrets(target)}",
                source=shown,
                hint="name that address as the source, or pass --allow-redirects",
            )
        return target


async def _document(response: httpx.Response, shown: str) -> Any:
    if response.status_code in (HTTPStatus.NOT_FOUND, HTTPStatus.METHOD_NOT_ALLOWED):
        raise NotFound(shown)
    if not response.is_success:
        raise _refusal(response.status_code, shown)
    content = await _content(response, shown)
    is_yaml = "yaml" in response.headers.get("content-type", "").lower()
    is_yaml |= response.url.path.lower().endswith(YAML_SUFFIXES)
    return parse(content, source=shown, is_yaml=is_yaml)


async def _content(response: httpx.Response, shown: str) -> bytes:
    encoding = response.headers.get("content-encoding", "identity").strip().lower()
    if encoding not in ("identity", "gzip", "x-gzip"):
        raise ContractError(f"packed as {encoding[:60]!r}, which was not asked for", source=shown)
    unpacker = None if encoding == "identity" else zlib.decompressobj(wbits=zlib.MAX_WBITS | 16)
    content = bytearray()
    async for chunk in response.aiter_raw():
        try:
            content += unpacker.decompress(chunk, MAX_BYTES + 1) if unpacker else chunk
        except zlib.error as error:
            raise ContractError(f"can't be unpacked: {error}", source=shown) from error
        check_size(content, source=shown)
    return bytes(content)


def _refusal(status: int, shown: str) -> EnvgenError:
    if status in (HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN):
        return Unreachable(
            f"the server doesn't let us in (HTTP {status})",
            source=shown,
            hint="pass a token: --header 'Authorization: Bearer ${HF_TOKEN}'",
        )
    return Unreachable(f"the server answers HTTP {status}", source=shown)


def _origin(url: str) -> tuple[str, str, int | None]:
    parts = httpx.URL(url)
    return parts.scheme, parts.host, parts.port or _DEFAULT_PORTS.get(parts.scheme)


def _secured(origin: tuple[str, str, int | None]) -> tuple[str, str, int | None]:
    """The same host behind https: where servers send those who came by http."""
    return ("https", origin[1], 443) if origin[::2] == ("http", 80) else origin
