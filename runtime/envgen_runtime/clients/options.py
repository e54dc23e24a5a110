"""What a client can be told, checked and kept."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Literal, TypedDict

from ..observe.observers import Observer
from ..providers import AnyProvider
from ..transports import Compression, TransportName
from ..wire.protocol import Operation
from ..wire.retries import RetryPolicy

if TYPE_CHECKING:
    import ssl

    import httpx

Validation = Literal["types", "exact"]
OnDrift = Literal["check", "error", "ignore"]


class ClientOptions(TypedDict, total=False):
    """The keyword arguments of a client, which are those of ``with_options`` too.

    ``EnvClient`` says what each means.
    """

    base_url: str
    request_timeout_s: float
    default_headers: Mapping[str, str] | None
    provider: AnyProvider | None
    connect_timeout_s: float
    reset_timeout_s: float | None
    step_timeout_s: float | None
    state_timeout_s: float | None
    transport: TransportName
    validate: Validation
    on_drift: OnDrift
    retry: RetryPolicy
    observers: Sequence[Observer]
    max_message_bytes: int
    compression: Compression
    ssl_context: ssl.SSLContext | None
    http_client: httpx.Client | httpx.AsyncClient | None


_CHOICES: Mapping[str, tuple[str, ...]] = {
    "transport": ("auto", "websocket", "http"),
    "validate": ("types", "exact"),
    "on_drift": ("check", "error", "ignore"),
    "compression": ("auto", "deflate", "none"),
}
_POSITIVE = (
    "request_timeout_s", "connect_timeout_s", "reset_timeout_s", "step_timeout_s",
    "state_timeout_s", "max_message_bytes",
)  # fmt: skip


def check(options: ClientOptions) -> None:
    """Refuse what no client can work with.

    Raises:
        ValueError: a limit is not positive, or a choice is none of those there are.
    """
    given: Mapping[str, object] = {**options}
    for name in _POSITIVE:
        value = given.get(name)
        if value is not None and not (isinstance(value, int | float) and value > 0):
            raise ValueError(f"{name} must be greater than zero, not {value!r}")
    for name, choices in _CHOICES.items():
        if given.get(name) not in choices:
            raise ValueError(f"{name} is {', '.join(choices)}; not {given.get(name)!r}")


def timeouts(options: ClientOptions) -> dict[Operation, float]:
    """The time limit of each operation, in seconds."""
    general = float(options.get("request_timeout_s", 15.0))
    return {
        "reset": float(options.get("reset_timeout_s") or general),
        "step": float(options.get("step_timeout_s") or general),
        "state": float(options.get("state_timeout_s") or general),
    }
