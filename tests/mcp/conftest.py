"""Clients and servers of the MCP tests."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from envgen_runtime import ToolsClient
from tests.mcp.serving import WEATHER, served


@pytest.fixture(scope="module")
def endpoint() -> Iterator[str]:
    """A server over streamable HTTP that the module's tests share."""
    with served() as url:
        yield url


@pytest.fixture(scope="module", params=["stdio", "http"])
def client(request: pytest.FixtureRequest) -> Iterator[ToolsClient]:
    """A connected client over either transport, which the module's tests share."""
    if request.param == "http":
        with ToolsClient(request.getfixturevalue("endpoint")) as http:
            yield http
    else:
        with ToolsClient.from_command(WEATHER) as stdio:
            yield stdio
