"""OpenEnv's ``ResourceSession``: the tools that a session lists."""

from __future__ import annotations

from collections.abc import Iterator

from openenv.core.env_server.mcp_types import Tool

from benchmarks.shown.jobs import Shown, Source, answer, client_of, places, shown
from envgen_runtime.adapters.resource_session import shown_schemas
from envgen_runtime.calling.catalogue import catalogue


def show(source: Source) -> Iterator[tuple[str, str, Shown]]:
    """Yield what its harnesses are given."""
    client = client_of(source)
    schemas = shown_schemas(client)
    for item, (name, schema) in zip(catalogue(client).tools, schemas.items(), strict=True):
        tool = Tool(name=name, description="", input_schema=schema)
        sent = Tool.model_validate_json(tool.model_dump_json())
        yield "ResourceSession", places(source)[item.wire_name], shown(sent.input_schema)


if __name__ == "__main__":
    answer(show)
