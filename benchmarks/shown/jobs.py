"""What the programs here are told, and what they print. It runs in any trainer's environment."""

from __future__ import annotations

import importlib
import json
import sys
from collections.abc import Callable, Iterator
from typing import Any, TypedDict


class Tool(TypedDict):
    """A tool or action as it was published.

    Attributes:
        place: what the benchmark calls it.
        name: its name on the wire.
    """

    place: str
    name: str
    description: str
    schema: dict[str, Any]


class Source(TypedDict):
    """A package.

    Attributes:
        package: its name; its folder's parent is in ``Job.path``.
    """

    package: str
    client: str
    tools: list[Tool]


class Job(TypedDict):
    """Packages.

    Attributes:
        path: folders that they are imported from.
    """

    path: list[str]
    sources: list[Source]


class Shown(TypedDict):
    """What a model is shown of a tool.

    Attributes:
        names: the parameters' names in the schema, by those on the wire.
        error: what went wrong in its place; "" if nothing.
    """

    schema: dict[str, Any]
    names: dict[str, str]
    error: str


def shown(schema: Any, names: dict[str, str] | None = None) -> Shown:
    """A tool that is shown."""
    return {"schema": schema, "names": names or {}, "error": ""}


def failed(error: BaseException) -> Shown:
    """A tool that made the trainer fail."""
    return {"schema": {}, "names": {}, "error": f"{type(error).__name__}: {error}"[:200]}


def answer(show: Callable[[Source], Iterator[tuple[str, str, Shown]]]) -> None:
    """Print what ``show`` yields for each source: a way of showing, a place, and what is shown."""
    with open(sys.argv[1]) as file:  # noqa: PTH123 - no need for more
        job: Job = json.load(file)
    sys.path[:0] = job["path"]
    found: dict[str, dict[str, Shown]] = {}
    for source in job["sources"]:
        for way, place, what in show(source):
            found.setdefault(way, {})[place] = what
    print(json.dumps(found))


def client_of(source: Source) -> type:
    """The client of a package."""
    module = importlib.import_module(source["package"])
    client: type = getattr(module, source["client"])
    return client


def places(source: Source) -> dict[str, str]:
    """The places of tools, by their names on the wire."""
    return {tool["name"]: tool["place"] for tool in source["tools"]}
