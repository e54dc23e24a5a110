"""The tasks of a split, as rows of a data set: nothing is asked before it is needed."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from functools import reduce
from typing import TYPE_CHECKING, Any, ClassVar, Generic, Self, TypeAlias, TypeVar, cast, overload

from typing_extensions import TypedDict

from ..json_value import JsonValue, is_text
from ..wire.tasks import PAGE

if TYPE_CHECKING:
    from .asyncio import AsyncEnvClient
    from .sync import EnvClient

TASK_COLUMNS = ("split", "index")
"""The columns of a row that are arguments of ``reset``: its others are the trainer's."""

TASK_JSON = "task_json"
"""The column by which rows of tasks are known."""


class TaskRow(TypedDict):
    """A task. All rows have the same columns, of the same types, whatever the tasks are.

    Attributes:
        split: the name of its split.
        index: its place there. Split and index are what ``reset`` is given.
        task_json: the task as the server lists it, as JSON. Tasks differ in their fields, and a
            column of objects has one set of them: data sets add nulls, or refuse the column.
    """

    split: str
    index: int
    task_json: str


class PromptedRow(TaskRow):
    """A task with a prompt.

    Attributes:
        prompt: messages, each with ``role`` and ``content``.
    """

    prompt: list[dict[str, Any]]


RowT_co = TypeVar("RowT_co", bound=TaskRow, covariant=True)

Prompt: TypeAlias = str | Callable[[Any], str | list[dict[str, Any]]]
"""What the user says, or what makes it, or a list of messages, of a task as the server lists it."""


class _Tasks(Generic[RowT_co]):
    """What both kinds have.

    Attributes:
        columns: the columns that are arguments of ``reset``.
        split: the split's name.
    """

    columns: ClassVar[tuple[str, ...]] = TASK_COLUMNS

    def __init__(
        self,
        client: Any,
        split: str,
        cuts: tuple[slice, ...] = (),
        prompt: Prompt | None = None,
        number: int | None = None,
    ) -> None:
        """Describe tasks; nothing is asked.

        Args:
            client: the client that asks.
            split: the split's name.
            cuts: the slices that were taken of the split, one of the other.
            prompt: as for ``with_prompt``.
            number: how many tasks the split has, if that was asked.
        """
        self._client = client
        self.split = split
        self._cuts = cuts
        self._prompt = prompt
        self._number: int | None = number

    def __reduce__(self) -> tuple[Any, ...]:
        """Pickle with a client of its own, which has not connected."""
        client = self._client.with_options()
        return type(self), (client, self.split, self._cuts, self._prompt, self._number)

    def __repr__(self) -> str:
        cuts = "".join(f"[{_written(cut)}]" for cut in self._cuts)
        return f"<{type(self).__name__} {self.split!r}{cuts} of {self._client!r}>"

    def _cut(self, cut: slice) -> Self:
        cuts = (*self._cuts, cut)
        return type(self)(self._client, self.split, cuts, self._prompt, self._number)

    def _prompted(self, prompt: Prompt) -> Any:
        return type(self)(self._client, self.split, self._cuts, prompt, self._number)

    def _places(self, number: int) -> range:
        """The places in the split of these tasks, if it has so many."""
        return reduce(lambda places, cut: places[cut], self._cuts, range(number))

    def _row(self, index: int, task: JsonValue) -> RowT_co:
        row: dict[str, Any] = {"split": self.split, "index": index, TASK_JSON: _json(task)}
        if self._prompt is not None:
            said = self._prompt if isinstance(self._prompt, str) else self._prompt(task)
            row["prompt"] = [{"role": "user", "content": said}] if isinstance(said, str) else said
        return cast("RowT_co", row)

    def _rows(self, places: range, tasks: Sequence[JsonValue]) -> Iterator[RowT_co]:
        """The rows of some places, of the tasks of all that are between the first and the last."""
        first = _span(places).start
        return (self._row(place, tasks[place - first]) for place in places)


class Tasks(_Tasks[RowT_co], Sequence[RowT_co]):
    """The tasks of a split: a sequence of rows, which are asked for as they are needed.

    Its length is asked for once. Iterating asks for pages, an index for one task; a slice is as
    lazy as the whole. The client's limits, retries and headers hold for each request; its session
    takes no part.

    Raises, where something is asked:
        InvalidRequest: the server has no such split.
        ServerError: the server lists no tasks.
        EnvError: as ``EnvClient.server_contract``.
    """

    _client: EnvClient[Any, Any, Any, Any]

    def with_prompt(self, prompt: Prompt) -> Tasks[PromptedRow]:
        """The tasks with a column ``prompt``, as trainers want one.

        It is for what ``reset`` doesn't say: trainers that play environments add the text of the
        reset to the last message.

        Args:
            prompt: what the user says; or a function that makes it, or a list of messages, of a
                task as the server lists it, as ``lambda task: task["question"]``.
        """
        tasks: Tasks[PromptedRow] = self._prompted(prompt)
        return tasks

    def __len__(self) -> int:
        return len(self._asked_places())

    @overload
    def __getitem__(self, place: int) -> RowT_co: ...
    @overload
    def __getitem__(self, place: slice) -> Tasks[RowT_co]: ...
    def __getitem__(self, place: int | slice) -> RowT_co | Tasks[RowT_co]:
        """The row at a place, or a part of the tasks."""
        if isinstance(place, slice):
            return self._cut(place)
        index = _at(self._asked_places(), place)
        return next(self._page(range(index, index + 1)))

    def __iter__(self) -> Iterator[RowT_co]:
        for places in _pages(self._asked_places()):
            yield from self._page(places)

    def _page(self, places: range) -> Iterator[RowT_co]:
        client = self._client
        asked = client._range_call(self.split, _span(places))  # noqa: SLF001 # pyright: ignore[reportPrivateUsage]
        return self._rows(places, client._run(asked))  # noqa: SLF001 # pyright: ignore[reportPrivateUsage]

    def _asked_places(self) -> range:
        if self._number is None:
            client = self._client
            self._number = client._run(client._number_call(self.split))  # noqa: SLF001 # pyright: ignore[reportPrivateUsage]
        return self._places(self._number)


class AsyncTasks(_Tasks[RowT_co]):
    """``Tasks`` for asyncio: ``async for`` instead of ``for``, ``await size()`` instead of ``len``.

    An index is ``await tasks.at(index)``. Raises as ``Tasks``.
    """

    _client: AsyncEnvClient[Any, Any, Any, Any]

    def with_prompt(self, prompt: Prompt) -> AsyncTasks[PromptedRow]:
        """The tasks with a column ``prompt``. As ``Tasks.with_prompt``."""
        tasks: AsyncTasks[PromptedRow] = self._prompted(prompt)
        return tasks

    def __getitem__(self, places: slice) -> AsyncTasks[RowT_co]:
        """A part of the tasks, as lazy as the whole."""
        return self._cut(places)

    __iter__ = None

    async def size(self) -> int:
        """How many tasks there are. Asked for once."""
        return len(await self._asked_places())

    async def at(self, index: int) -> RowT_co:
        """The row at a place. IndexError: there is none."""
        place = _at(await self._asked_places(), index)
        return next(await self._page(range(place, place + 1)))

    async def __aiter__(self) -> AsyncIterator[RowT_co]:
        for places in _pages(await self._asked_places()):
            for row in await self._page(places):
                yield row

    async def _page(self, places: range) -> Iterator[RowT_co]:
        client = self._client
        asked = client._range_call(self.split, _span(places))  # noqa: SLF001 # pyright: ignore[reportPrivateUsage]
        return self._rows(places, await client._run(asked))  # noqa: SLF001 # pyright: ignore[reportPrivateUsage]

    async def _asked_places(self) -> range:
        if self._number is None:
            client = self._client
            self._number = await client._run(client._number_call(self.split))  # noqa: SLF001 # pyright: ignore[reportPrivateUsage]
        return self._places(self._number)


def _pages(places: range) -> Iterator[range]:
    """Parts of ``places``, none of which spans more than a page."""
    size = max(1, PAGE // abs(places.step))
    return (places[first : first + size] for first in range(0, len(places), size))


def _span(places: range) -> range:
    """All places from the first to the last, upwards."""
    return range(min(places[0], places[-1]), max(places[0], places[-1]) + 1)


def _at(places: range, index: int) -> int:
    try:
        return places[index]
    except IndexError:
        raise IndexError(f"there are {len(places)} tasks; none is at {index}") from None


def _json(task: JsonValue) -> str:
    """A task as JSON that any data set takes: half of a surrogate pair is escaped."""
    text = json.dumps(task, ensure_ascii=False)
    return text if is_text(text) else json.dumps(task)


def _written(cut: slice) -> str:
    parts = [cut.start, cut.stop, *([] if cut.step is None else [cut.step])]
    return ":".join("" if part is None else str(part) for part in parts)
