"""The calls that list an environment's tasks. No I/O."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any, TypeVar

from ..errors import InvalidRequest, ServerError
from ..json_value import JsonValue
from ..wire import tasks as wire
from ..wire.http_exchange import HttpResponse
from ..wire.protocol import Request, json_body
from .base import ClientBase
from .codec import ActT, ObsT, ResetT, StateT
from .effects import Ask, Call

T = TypeVar("T")


class TaskCalls(ClientBase[ActT, ObsT, StateT, ResetT]):
    """Asks for tasks. The session takes no part in it: each request has a connection of its own."""

    _listed_as: str | None = None  # what the server calls the environment, once it was asked

    def _splits_call(self, timeout_s: float | None = None) -> Call[list[str]]:
        """List the environment's splits."""
        return self._ask_tasks("splits", None, wire.read_splits, timeout_s)

    def _number_call(self, split: str) -> Call[int]:
        """Ask how many tasks a split has."""
        try:
            number = yield from self._ask_tasks("num_tasks", {"split": split}, wire.read_number)
        except ServerError as error:
            if error.retryable or wire.lists_none(error, self.env_name):
                raise
            yield from self._check_split(split, error)
            raise
        if number == 0:  # which some environments say of any name
            yield from self._check_split(split, None)
        return number

    def _range_call(self, split: str, asked: range) -> Call[list[JsonValue]]:
        """Ask for the tasks of a range, whose step is 1."""
        data = {"split": split, "start": asked.start, "stop": asked.stop}
        return self._ask_tasks("task_range", data, partial(wire.read_range, asked=asked))

    def _check_split(self, split: str, error: ServerError | None) -> Call[None]:
        """Raise InvalidRequest if the server has no such split."""
        try:
            splits = yield from self._splits_call()
        except ServerError:
            return
        if split not in splits:
            raise InvalidRequest(wire.unknown_split(split, splits, self.env_name)) from error

    def _ask_tasks(
        self,
        name: str,
        data: dict[str, Any] | None,
        read: Callable[[HttpResponse, Request], T],
        timeout_s: float | None = None,
    ) -> Call[T]:
        """Ask a route of the environment's tasks.

        Args:
            name: the route's.
            data: what is sent; None asks by GET.
            read: reads the reply.
            timeout_s: time limit in seconds, instead of the client's.
        """
        request = self._request("tasks", data or {}, timeout_s)

        def attempt(request: Request) -> Call[T]:
            if self._listed_as is None:
                response = yield Ask(wire.ENVIRONMENTS, request)
                self._listed_as = wire.read_environment(response, request, wanted=self.env_name)
            body = None if data is None else json_body(data, request)
            response = yield Ask(wire.route(self._listed_as, name), request, body)
            return read(response, request)

        if self.wire is not None:
            self._listed_as = self.wire.tasks_of
            if self._listed_as is None:
                raise InvalidRequest(f"{self.env_name}'s server has no routes for tasks")
        try:
            return (yield from self._calls.read_only(request, attempt))
        except ServerError as error:
            if (told := wire.lists_none(error, self.env_name)) is None:
                raise
            raise told from error
