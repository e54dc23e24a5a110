"""verifiers: the tools that its server lists, as MCP carries them to the harness."""

from __future__ import annotations

from collections.abc import Iterator

from mcp.types import ListToolsResult, Tool

from benchmarks.shown.jobs import Shown, Source, answer, client_of, places, shown
from envgen_runtime.adapters.shown import listed_tools
from envgen_runtime.calling.catalogue import catalogue


def show(source: Source) -> Iterator[tuple[str, str, Shown]]:
    """Yield what the harness puts into ``parameters``."""
    client = client_of(source)
    tools = [Tool.model_validate(tool) for tool in listed_tools(client)]
    sent = ListToolsResult(tools=tools).model_dump_json(by_alias=True, exclude_none=True)
    for tool in ListToolsResult.model_validate_json(sent).tools:
        wire_name = catalogue(client).by_name[tool.name].wire_name
        yield "verifiers", places(source)[wire_name], shown(tool.input_schema)


if __name__ == "__main__":
    answer(show)
