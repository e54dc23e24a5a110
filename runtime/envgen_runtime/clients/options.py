"""The options of a client. Each is written down once: its name, type, default and description."""

# No `from __future__ import annotations`: the annotations are data here, read at run time.

import sys
from collections.abc import Callable, Collection, Mapping, Sequence
from functools import lru_cache
from typing import TYPE_CHECKING, Annotated, Any, Literal, get_args

from typing_extensions import TypedDict

from ..contract.drift import OnDrift
from ..documented import complete
from ..observe.observers import Observer
from ..providers import AnyProvider
from ..transports import INHERITED, Compression, TransportName
from ..wire.limits import refused_limit
from ..wire.protocol import Operation
from ..wire.retries import RetryPolicy
from .stock import OPTIONS

if TYPE_CHECKING:
    import ssl

    import httpx

Validation = Literal["types", "exact"]
Barrier = Literal["episode", "step", "off"]


class SessionOptions(TypedDict, total=False):
    """The options that a client takes by keyword only.

    Attributes:
        connect_timeout_s: time limit for opening a connection, in seconds; part of the limit of the
            request that needs it.
        reset_timeout_s: for resets, instead of ``request_timeout_s``.
        step_timeout_s: for steps, instead of ``request_timeout_s``.
        state_timeout_s: for states, lists of tools and of tasks, the server's contract and its
            health, instead of ``request_timeout_s``.
        transport: ``auto`` uses the WebSocket, or HTTP where the server is one of the first (before
            0.2), whose environment is behind HTTP. ``http`` refuses the first step or state on a
            later server, which gives a fresh environment to every HTTP request; ``http-unchecked``
            uses it all the same, if it keeps its environment. None is the class's
            ``default_transport``.
        barrier: where a WebSocket proves that replies belong to their requests. The socket has no
            ids, so a frame that a proxy or server repeats late would be taken for the next reply,
            and each reply for the next but one. ``episode`` sends a mark right behind every reset,
            and wants the reply and then the answer to the mark: repeated frames never outlive an
            episode. ``step`` does so for every step too. A mark is a request for the state with
            data of its own. OpenEnv's servers refuse and quote it, and compute no state; ``off``
            spares a server that does, where its state is slow or very large. Nothing is sent over
            HTTP, where each reply belongs to its request.
        validate: ``types`` checks messages with the generated classes, which are wider than the
            contract where Python's types can't express it, and allows replies to have more fields
            than the contract. ``exact`` also checks them against the contract itself, to the
            letter: a reply with a field that the contract forbids is a ``ReplyMismatch``, even
            where a newer server added it.
        on_drift: when to compare the server's contract with the one that the client was built from.
            ``check`` does it in the background of the first reset, once per process and server, and
            logs one warning that names what changes for this client: what it sends isn't taken any
            more, or what it receives is something else; and once something doesn't fit, to say so
            in the error. ``error`` is the strict mode: it compares before the first request, and
            raises ``ContractDrift`` for any difference but prose, also for one that changes nothing
            for this client, such as a new field of replies. ``ignore`` never compares.
        parameters: values that the routes of a server with routes of its own need, by name:
            ``env_id`` for ``/env/{env_id}/step``.
        retry: how requests that may be repeated are repeated. A step never is.
        observers: are told of every request and how it ended.
        max_message_bytes: the largest reply that is accepted.
        compression: ``auto`` deflates WebSocket messages unless the server is on this machine.
        ssl_context: for https and wss, instead of the system's trust store.
        http_client: your own ``httpx.Client`` (``httpx.AsyncClient`` for an async client), used for
            all HTTP requests. You close it.
    """

    connect_timeout_s: Annotated[float, 10.0]
    reset_timeout_s: float | None
    step_timeout_s: float | None
    state_timeout_s: float | None
    transport: TransportName | None
    barrier: Annotated[Barrier, "episode"]
    validate: Annotated[Validation, "types"]
    on_drift: Annotated[OnDrift, "check"]
    parameters: Mapping[str, str | int] | None
    retry: Annotated[RetryPolicy, RetryPolicy()]
    observers: Annotated[Sequence[Observer], ()]
    max_message_bytes: Annotated[int, 100 * 1024 * 1024]
    compression: Annotated[Compression, "auto"]
    ssl_context: "ssl.SSLContext | None"
    http_client: "httpx.Client | httpx.AsyncClient | None"


class ClientOptions(SessionOptions, total=False):
    """All options of a client but the server's address and its provider.

    Attributes:
        request_timeout_s: time limit for a whole reset, step or state, in seconds: connecting, all
            attempts and the waits between them share it. Only the wait for a free session on a full
            server comes on top, at most ``retry.capacity_wait_s``.
        default_headers: sent with every HTTP request and with the WebSocket handshake
            (authorization, tracing).
    """

    request_timeout_s: Annotated[float, 60.0]
    default_headers: Mapping[str, str] | None


class ClientChanges(ClientOptions, total=False):
    """What ``with_options`` can change.

    Attributes:
        base_url: the server's address.
        provider: what started the server.
    """

    base_url: Annotated[str, ...]
    provider: Annotated[AnyProvider | None, ...]


_CHOICES: Mapping[str, tuple[str, ...]] = {
    "transport": get_args(TransportName),
    "validate": get_args(Validation),
    "on_drift": get_args(OnDrift),
    "barrier": get_args(Barrier),
    "compression": get_args(Compression),
}
_LIMITS = (
    "request_timeout_s", "connect_timeout_s", "reset_timeout_s", "step_timeout_s",
    "state_timeout_s",
)  # fmt: skip


def checked(
    client: str, given: Mapping[str, object], *, http_client: str = "Client"
) -> dict[str, Any]:
    """All options of a client: those given, and the defaults of the others.

    Args:
        client: the name of the client's class.
        given: options by name.
        http_client: the class of httpx that its ``http_client`` is of.

    Raises:
        TypeError: there is no option of that name, or a value is of another type than it takes.
        ValueError: a limit is not positive, a choice is not one of those allowed, or a header is
            the protocol's own.
    """
    options = complete(ClientOptions, given, of=client, instead=OPTIONS)
    for name in _LIMITS:
        if options[name] is not None and (refusal := refused_limit(name, options[name])):
            raise ValueError(refusal)
    size = options["max_message_bytes"]
    if not (isinstance(size, int) and size > 0):
        raise ValueError(f"max_message_bytes must be greater than zero, not {size!r}")
    for name, choices in _CHOICES.items():
        if options[name] not in choices:
            raise ValueError(f"{name} must be one of {', '.join(choices)}; not {options[name]!r}")
    for name, (is_one, what) in _KINDS.items():
        if not is_one(options[name]):
            raise _wrong_type(name, what, options[name])
    own = options["http_client"]
    if own is not None and own is not INHERITED and not _is_from("httpx", http_client, own):
        raise _wrong_type("http_client", f"an httpx.{http_client}", own)
    _check_headers(options["default_headers"] or {})
    return options


def check_provider(provider: object) -> None:
    """Raise TypeError for what is no provider: its server could not be stopped."""
    can_stop = callable(getattr(provider, "stop_container", None)) and not isinstance(
        provider, type
    )
    if provider is not None and not can_stop:
        raise _wrong_type("provider", "what started the server, as LocalDockerProvider()", provider)


def _wrong_type(name: str, what: str, value: object) -> TypeError:
    found = "None" if value is None else type(value).__name__
    if isinstance(value, type):
        found = f"the class {value.__name__}"
    elif isinstance(value, _HOLDERS.get(name, ())):
        found += " of others"
    return TypeError(f"{name} takes {what}, not {found}")


_HOLDERS: Mapping[str, type] = {"observers": Collection, "default_headers": Mapping}
"""Options that are right as a whole, and may be wrong in what they hold."""


def _is_from(module: str, name: str, value: object) -> bool:
    """Whether a value is of a class of a module, which nobody has imported if it isn't."""
    loaded = sys.modules.get(module)
    return loaded is not None and isinstance(value, getattr(loaded, name))


def _are_observers(value: object) -> bool:
    return isinstance(value, Collection) and all(map(_is_observer, value))  # pyright: ignore[reportUnknownArgumentType]


def _is_observer(value: object) -> bool:
    is_one = all(callable(getattr(value, name, None)) for name in _OBSERVED)
    return is_one and not isinstance(value, type)


_OBSERVED = ("on_request", "on_reply", "on_retry")


def _are_headers(value: object) -> bool:
    return value is None or (
        isinstance(value, Mapping)
        and all(isinstance(text, str) for item in value.items() for text in item)  # pyright: ignore[reportUnknownVariableType, reportUnknownArgumentType]
    )


_KINDS: Mapping[str, tuple[Callable[[Any], bool], str]] = {
    "retry": (lambda value: isinstance(value, RetryPolicy), "a RetryPolicy"),
    "observers": (_are_observers, "a list of Observer objects"),
    "default_headers": (_are_headers, "a mapping of str to str"),
    "ssl_context": (
        lambda value: value is None or _is_from("ssl", "SSLContext", value),
        "an ssl.SSLContext",
    ),
}
_PROTOCOLS_OWN = frozenset(
    {"connection", "content-length", "host", "keep-alive", "transfer-encoding", "upgrade"}
)


def _check_headers(headers: Mapping[str, str]) -> None:
    for name in headers:
        if name.lower() in _PROTOCOLS_OWN or name.lower().startswith("sec-websocket-"):
            raise ValueError(
                f"default_headers can't have {name}: it is HTTP's own, and the client sets it"
            )


def timeouts(options: Mapping[str, Any]) -> Mapping[Operation, float]:
    """The time limit of each operation, in seconds. Clients with equal limits share them."""
    general = float(options["request_timeout_s"])
    named = (options[f"{name}_timeout_s"] for name in ("reset", "step", "state"))
    return _timeouts(*(float(limit_s or general) for limit_s in named))


@lru_cache
def _timeouts(reset_s: float, step_s: float, state_s: float) -> Mapping[Operation, float]:
    return {
        "reset": reset_s,
        "step": step_s,
        "state": state_s,
        "list_tools": state_s,
        "schema": state_s,
        "health": state_s,
        "tasks": state_s,
        "create": reset_s,
        "close": state_s,
    }
