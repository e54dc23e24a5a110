"""Which proxy a connection goes through, from the usual environment variables. No I/O.

HTTP and WebSockets follow the same ones: ``HTTP_PROXY`` or ``HTTPS_PROXY`` by the server's scheme,
then ``ALL_PROXY``, unless ``NO_PROXY`` names the server. This machine is reached directly.
"""

from __future__ import annotations

import os
import urllib.request
from dataclasses import dataclass, field
from functools import lru_cache
from ipaddress import IPv6Address, ip_address
from urllib.parse import unquote, urlsplit

from ..errors import ConnectError
from ..wire.redaction import without_secrets

_SCHEMES = ("http", "https", "socks5", "socks5h")
_VARIABLES = tuple(
    variable
    for name in ("http_proxy", "https_proxy", "all_proxy", "no_proxy", "request_method")
    for variable in (name, name.upper())
)


@dataclass(frozen=True, slots=True)
class Proxy:
    """A proxy, with the variable that names it."""

    url: str = field(repr=False)
    variable: str

    @property
    def is_socks(self) -> bool:
        """Whether it speaks SOCKS 5."""
        return self.url.startswith("socks")

    @property
    def credentials(self) -> tuple[str, str] | None:
        """User and password, if its URL has any."""
        parts = urlsplit(self.url)
        if parts.username is None:
            return None
        return unquote(parts.username), unquote(parts.password or "")

    def __str__(self) -> str:
        return f"the proxy {without_secrets(self.url).rstrip('/')} (from {self.variable})"


def is_loopback(host: str) -> bool:
    """Whether a host is this machine: no proxy and no compression are needed."""
    try:
        address = ip_address(host)
    except ValueError:
        return f".{host.removesuffix('.')}".endswith(".localhost")
    if isinstance(address, IPv6Address):
        address = address.ipv4_mapped or address
    return address.is_loopback or address.is_unspecified


def proxy_for(host: str, port: int, *, secure: bool) -> Proxy | None:
    """The proxy for a connection to ``host``; TLS will follow if it is ``secure``.

    Raises:
        ConnectError: the variable has no URL of a proxy.
    """
    if is_loopback(host):  # the variables mean other machines; many set them without NO_PROXY
        return None
    settings = tuple(map(os.environ.get, _VARIABLES))
    return _proxy_of(f"{host}:{port}", "https" if secure else "http", settings)


def proxy_for_url(url: str) -> Proxy | None:
    """``proxy_for`` the server at ``url``."""
    parts = urlsplit(url)
    secure = parts.scheme in ("https", "wss")
    return proxy_for(parts.hostname or "", parts.port or (443 if secure else 80), secure=secure)


def through_proxy(url: str) -> str:
    """What an error of connecting to ``url`` adds if there is a proxy; otherwise nothing."""
    try:
        proxy = proxy_for_url(url)
    except ConnectError:  # it is the error that is raised
        return ""
    return f", through {proxy}" if proxy is not None else ""


# Reading the settings takes longer than opening a socket to this machine: urllib goes through the
# whole environment, several times, and through the system's settings where there are any.
@lru_cache(maxsize=256)
def _proxy_of(netloc: str, scheme: str, _settings: tuple[str | None, ...]) -> Proxy | None:
    if urllib.request.proxy_bypass(netloc):
        return None
    proxies = urllib.request.getproxies()
    name = next((name for name in (scheme, "all") if name in proxies), None)
    if name is None:
        return None
    lower = f"{name}_proxy"
    variable = lower if os.environ.get(lower) else lower.upper()
    url = proxies[name]
    if "://" not in url:
        url = f"http://{url}"  # as other programs read it
    try:
        parts = urlsplit(url)
        is_proxy = parts.scheme in _SCHEMES and bool(parts.hostname) and parts.port != 0
    except ValueError:
        is_proxy = False
    if not is_proxy:  # what it has may be a password
        raise ConnectError(
            f"the environment variable {variable} has no URL of a proxy; mend it, or exempt the "
            "server with NO_PROXY",
            retryable=False,
        )
    return Proxy(url, variable)
