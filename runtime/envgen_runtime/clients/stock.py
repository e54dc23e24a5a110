"""Names of the stock ``openenv`` client: each is told what it is called here."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, NoReturn

from ..errors import InvalidRequest

OPTIONS: Mapping[str, str] = {
    "headers": "use default_headers",
    "url": "use base_url",
    "message_timeout_s": "use request_timeout_s",
    "timeout": "use request_timeout_s, in seconds",
    "timeout_s": "use request_timeout_s",
    "max_message_size_mb": "use max_message_bytes",
    "websocket_ping_interval_s": "an open session is pinged every 20 s; there is nothing to set",
    "websocket_ping_timeout_s": "a pong has no time limit; every request has one",
    "mode": "the generated classes say how the environment is used",
}
_METHODS: Mapping[str, str] = {
    "connect": "reset() connects; is_healthy() asks whether the server is there",
    "disconnect": "close() ends the session, with_options() makes another client",
    "new_session": "with_options() makes another client, with a session of its own",
    "from_env": "use from_hub(space, use_docker=True)",
}
_SYNC: Mapping[str, str] = {
    "sync": "{name} is the synchronous client itself",
    "__aenter__": "{name} is synchronous: write `with`, or `async with` and Async{name}",
    "__aexit__": "{name} is synchronous: write `with`",
}
_ASYNC: Mapping[str, str] = {
    "sync": "use the synchronous client, {other}",
    "__enter__": "{name} is asynchronous: write `async with`, or `with` and {other}",
    "__exit__": "{name} is asynchronous: write `async with`",
}


class NamedOtherwise(AttributeError, TypeError):
    """Both, as Python says one for an attribute and the other for ``with``."""


class _Elsewhere:
    """An attribute that a class doesn't have, so ``hasattr`` says no; reading it says why."""

    def __init__(self, instead: str) -> None:
        self._instead = instead

    def __set_name__(self, owner: type, name: str) -> None:
        self._name = name

    def __get__(self, client: object, owner: type) -> NoReturn:
        name = owner.__name__
        told = self._instead.format(name=name, other=name.removeprefix("Async"))
        raise NamedOtherwise(f"{name} has no {self._name}: {told}", name=self._name, obj=client)


def explain_names(client: type, *, is_async: bool) -> None:
    """Have the stock client's names explained where ``client`` is asked for them."""
    for name, instead in {**_METHODS, **(_ASYNC if is_async else _SYNC)}.items():
        explained = _Elsewhere(instead)
        explained.__set_name__(client, name)
        setattr(client, name, explained)  # not in its body, where type checkers would show it


def check_limit(call: str, fields: Mapping[str, Any], known: Iterable[str]) -> None:
    """Refuse ``timeout``, unless it is one of the environment's own names.

    Raises:
        InvalidRequest: it is among ``fields``, and not among ``known``.
    """
    if "timeout" in fields and "timeout" not in known:
        raise InvalidRequest(f"{call}() takes its time limit as timeout_s, not as timeout")
