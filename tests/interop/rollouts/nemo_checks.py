"""NeMo Gym's own checks of a server, and its tools over MCP; run by the Python of its venv.

It imports ``CodingServer`` from ``app``, and prints what is advertised, shown and replied, as JSON.
"""

from __future__ import annotations

import asyncio
import json
from typing import Any
from unittest.mock import MagicMock

import httpx
from app import CodingServer
from nemo_gym.base_resources_server import BaseResourcesServerConfig, ResourcesSeedSessionRequest
from nemo_gym.mcp_auto_exposure import install_auto_exposure
from nemo_gym.server_utils import ServerClient
from nemo_gym.testing.session_conformance import check_resources_session_contract

SEED = {
    "resources_session_id": "s",
    "episode_id": {"rollout_id": "r"},
    "task_id": {"taskset": "t", "task_id": "1"},
    "task_data": {"seed": 7},
}
HEADERS = {"accept": "application/json, text/event-stream"}


def server(**changes: Any) -> Any:
    config = BaseResourcesServerConfig(
        host="h", port=0, entrypoint="", name="coding", domain="other", **changes
    )
    return CodingServer(config=config, server_client=MagicMock(spec=ServerClient))


async def called(app: Any) -> list[Any]:
    """Call the tool over MCP, rightly and wrongly, as an agent does in an episode."""
    async with (
        app.router.lifespan_context(app),
        httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://t") as http,
    ):
        row = {"responses_create_params": {"input": "x"}}
        seeded = (await http.post("/seed_session", json=row)).json()["mcp"]
        results: list[Any] = []
        for arguments in ({"code": "a"}, {"cod": 1}):
            params = {"name": "CodeAction", "arguments": arguments}
            asked = {"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": params}
            reply = await http.post("/mcp", headers={**seeded["headers"], **HEADERS}, json=asked)
            results.append(reply.json()["result"])
        return results


def main() -> None:
    seed = ResourcesSeedSessionRequest.model_validate(SEED)
    check_resources_session_contract(server().setup_webserver(), seed, keeps_state=True)
    refused = ""
    try:
        server(num_workers=2).setup_webserver()
    except ValueError as error:
        refused = str(error)
    made = server()
    app = made.setup_webserver()
    tools = install_auto_exposure(made, app)
    found = {
        "refused": refused,
        "advertised": tools["CodeAction"].tool.inputSchema,
        "shown": app.openapi()["components"]["schemas"]["CodeAction_arguments"],
        "called": asyncio.run(called(app)),
    }
    print(json.dumps(found))


main()
