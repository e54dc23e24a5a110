"""Read documents over HTTP, within limits of time and size, without leaking headers."""

from __future__ import annotations

import asyncio
import os
import re
import zlib
from collections.abc import AsyncGenerator, Mapping
from contextlib import asynccontextmanager
from http import HTTPStatus
from typing import Any, Self
from urllib.parse import urlsplit

import httpx

from envgen_runtime.transports.proxies import Proxy, proxy_for_url, through_proxy
from envgen_runtime.wire.redaction import checked_headers, without_secrets
from envgen_runtime.wire.variables import VARIABLE

from ..config import SourceSettings
from ..errors import ConfigError, ContractError, EnvgenError, Unreachable
from ..schema.keywords import as_object
from .parsing import MAX_BYTES, YAML_SUFFIXES, check_size, parse

MAX_REDIRECTS = 5

_TOKEN = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")  # RFC 9110, 5.6.2
_REDIRECTS = frozenset({301, 302, 303, 307, 308})
_DEFAULT_PORTS = {"http": 80, "https": 443}


def check_url(url: str) -> None:
    """Check that a source is a valid HTTP URL.

    Raises:
        ContractError: it is not.
    """
    try:
        is_address = bool(urlsplit(url).hostname) and bool(_origin(url)[1])
        port = urlsplit(url).port  # raises where it is out of range
    except (ValueError, httpx.InvalidURL):
        is_address, port = False, None
    if not is_address or port == 0:
        raise ContractError(
            "this is not a valid URL", source=without_secrets(url), hint="write http://HOST:PORT"
        )


def resolved_headers(headers: Mapping[str, str]) -> dict[str, str]:
    """Replace ``${NAME}`` in headers by environment variables. Errors don't show values.

    Raises:
        ConfigError: a variable is not set, or a header has characters that HTTP forbids.
    """
    result: dict[str, str] = {}
    for name, template in headers.items():
        place = f"header {name[:60]!r}"
        for variable in VARIABLE.findall(template):
            if variable not in os.environ:
                raise ConfigError(f"the environment variable {variable} is not set", source=place)
        value = VARIABLE.sub(lambda match: os.environ[match[1]], template).strip()
        try:
            result |= checked_headers({name: value})
        except ValueError as error:
            raise ConfigError(
                "its name or value has a character that HTTP forbids in a header",
                source=place,
                hint="write it as --header 'Name: value'; is there a newline in the variable?",
            ) from error
    return result


class NotFound(Exception):
    """The server answered 404 or 405 for ``url``."""

    def __init__(self, url: str) -> None:
        super().__init__(url)
        self.url = url


@asynccontextmanager
async def limited(timeout_s: float, url: str) -> AsyncGenerator[None]:
    """Give all requests in the block together a time limit, in seconds.

    Raises:
        Unreachable: they took longer.
    """
    try:
        async with asyncio.timeout(timeout_s):
            yield
    except TimeoutError as error:
        raise Unreachable(
            f"took longer than {timeout_s:g} s",
            source=without_secrets(url),
            hint="give it more time with --timeout SECONDS",
        ) from error


class _Proxied(httpx.AsyncBaseTransport):
    """Sends each request through the proxy that the runtime's clients would choose."""

    def __init__(self) -> None:
        self._by_proxy: dict[Proxy | None, httpx.AsyncHTTPTransport] = {}

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """Send a request."""
        proxy = proxy_for_url(str(request.url))
        if proxy not in self._by_proxy:
            try:
                opened = httpx.AsyncHTTPTransport(proxy=proxy.url if proxy is not None else None)
            except ImportError as error:
                raise ConfigError(
                    f"{proxy} speaks SOCKS, which needs an optional library",
                    hint="pip install 'envgen-runtime[socks]'",
                ) from error
            self._by_proxy[proxy] = opened
        return await self._by_proxy[proxy].handle_async_request(request)

    async def aclose(self) -> None:
        """Close all connections."""
        for transport in self._by_proxy.values():
            await transport.aclose()


class Web:
    """An HTTP client for documents. Headers are sent to the host of ``url`` only."""

    def __init__(self, url: str, settings: SourceSettings) -> None:
        self._home = _origin(url)
        self._headers = resolved_headers(settings.headers)
        self._allow_redirects = settings.allow_redirects
        self._client = httpx.AsyncClient(timeout=settings.timeout_s, transport=_Proxied())

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._client.aclose()

    async def get(self, url: str) -> Any:
        """Read the document at ``url``.

        Raises:
            NotFound: there is none.
            ContractError: it is too large, not JSON or YAML, or redirected to another host.
            Unreachable: the server doesn't answer, or answers with an error.
        """
        return await self._request("GET", url)

    async def post(self, url: str, body: Any) -> Any:
        """Post ``body`` as JSON and read the answer. Raises as ``get`` does."""
        return await self._request("POST", url, json=body)

    async def answers_mcp(self, url: str) -> bool:
        """Whether an MCP server answers at ``url``, in whatever way."""
        body = {"jsonrpc": "2.0", "id": 1, "method": "ping"}
        headers = {**self._headers_for(url), "accept": "application/json, text/event-stream"}
        try:
            request = self._client.build_request("POST", url, json=body, headers=headers)
            response = await self._client.send(request, stream=True)
            try:
                if "event-stream" in response.headers.get("content-type", ""):
                    return True
                content = await _content(response, url)
            finally:
                await response.aclose()
            answer = as_object(parse(content, source=url))
        except (httpx.RequestError, httpx.InvalidURL, UnicodeError, OSError, EnvgenError):
            return False
        return answer is not None and answer.get("jsonrpc") == "2.0"

    async def _request(self, method: str, url: str, **content: Any) -> Any:
        source = without_secrets(url)
        try:
            for _ in range(MAX_REDIRECTS + 1):
                headers = self._headers_for(url)
                request = self._client.build_request(method, url, headers=headers, **content)
                response = await self._client.send(request, stream=True)
                try:
                    if response.status_code not in _REDIRECTS:
                        return await _document(response, source)
                    url = self._next(url, response, source)
                finally:
                    await response.aclose()
        except (httpx.RequestError, httpx.InvalidURL, UnicodeError, OSError) as error:
            reason = str(error) or type(error).__name__
            raise Unreachable(
                f"can't be reached{through_proxy(url)}: {reason}",
                source=source,
                hint="is the server running at this address?",
            ) from error
        raise ContractError(f"more than {MAX_REDIRECTS} redirects", source=source)

    def _headers_for(self, url: str) -> dict[str, str]:
        # Only gzip, because zlib can stop at a size limit.
        own = self._headers if _origin(url) in (self._home, _secured(self._home)) else {}
        return {"accept": "application/json, application/yaml", "accept-encoding": "gzip", **own}

    def _next(self, url: str, response: httpx.Response, source: str) -> str:
        try:
            target = str(httpx.URL(url).join(response.headers["location"]))
            check_url(target)
        except (KeyError, httpx.InvalidURL, ContractError) as error:
            raise ContractError("redirected to an invalid URL", source=source) from error
        here, there = _origin(url), _origin(target)
        if there not in (here, _secured(here)) and not self._allow_redirects:
            raise ContractError(
                f"redirected to another host: {without_secrets(target)}",
                source=source,
                hint="name that URL as the source, or pass --allow-redirects",
            )
        return target


async def _document(response: httpx.Response, source: str) -> Any:
    if response.status_code in (HTTPStatus.NOT_FOUND, HTTPStatus.METHOD_NOT_ALLOWED):
        raise NotFound(source)
    if response.status_code in (HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN):
        raise Unreachable(
            f"the server refuses access (HTTP {response.status_code})",
            source=source,
            hint="pass a token: --header 'Authorization: Bearer ${HF_TOKEN}'",
        )
    if not response.is_success:
        raise Unreachable(f"the server answered HTTP {response.status_code}", source=source)
    content = await _content(response, source)
    is_yaml = "yaml" in response.headers.get("content-type", "").lower()
    is_yaml |= response.url.path.lower().endswith(YAML_SUFFIXES)
    return parse(content, source=source, is_yaml=is_yaml)


async def _content(response: httpx.Response, source: str) -> bytes:
    encoding = response.headers.get("content-encoding", "identity").strip().lower()
    if encoding not in ("identity", "gzip", "x-gzip"):
        raise ContractError(f"compressed as {encoding[:60]!r}, not as requested", source=source)
    gzip = None if encoding == "identity" else zlib.decompressobj(wbits=zlib.MAX_WBITS | 16)
    content = bytearray()
    async for chunk in response.aiter_raw():
        try:
            content += gzip.decompress(chunk, MAX_BYTES + 1) if gzip else chunk
        except zlib.error as error:
            raise ContractError(f"can't be decompressed: {error}", source=source) from error
        check_size(content, source=source)
    return bytes(content)


def _origin(url: str) -> tuple[str, str, int | None]:
    parts = httpx.URL(url)
    return parts.scheme, parts.host, parts.port or _DEFAULT_PORTS.get(parts.scheme)


def _secured(origin: tuple[str, str, int | None]) -> tuple[str, str, int | None]:
    """The same host over https, to which servers redirect from http."""
    return ("https", origin[1], 443) if origin[::2] == ("http", 80) else origin
