"""Plays tasks through OpenEnv's rollout function, and prints what it returns as JSON.

    python play_resource_session.py CLIENT URL SETTINGS

CLIENT is ``package:Class``. SETTINGS is JSON: ``prompts`` are the tasks, ``calls`` what the model
calls, one in each answer (a text ends the rollout), and ``options`` are the client's.
"""

import json
import sys
from functools import partial
from importlib import import_module
from typing import Any

from openenv.core.harness import MCPHarnessAdapter, ModelStepResult, build_harness_rollout_func
from openenv.core.llm_client import LLMResponse, ToolCall

from envgen_runtime.adapters.resource_session import session_factory
from envgen_runtime.errors import EnvError

client, url, settings = sys.argv[1], sys.argv[2], json.loads(sys.argv[3])
module, _, name = client.partition(":")
client_type: Any = getattr(import_module(module), name)
shown: list[Any] = []
read: list[Any] = []


def model(trainer: Any, session: Any) -> Any:
    left = list(settings["calls"])

    def step(messages: Any, tools: Any, sampling: Any) -> ModelStepResult:
        shown[:] = [tool.model_dump() for tool in tools]
        read[:] = messages
        said = left.pop(0)
        if isinstance(said, str):
            return ModelStepResult(LLMResponse(content=said))
        calls = [ToolCall(id=f"c{len(left)}", name=said[0], args=said[1])]
        return ModelStepResult(LLMResponse(content="", tool_calls=calls), [1], [2], [0.0])

    return step


made = partial(client_type, url, **settings["options"]) if settings.get("options") else url
factory = session_factory(client_type, made, capacity_wait_s=settings.get("capacity_wait_s", 60))
rollout = build_harness_rollout_func(
    session_factory=factory, harness_adapter=MCPHarnessAdapter(), model_step_builder=model
)
try:
    found: dict[str, Any] = rollout(settings["prompts"], None)
except EnvError as error:
    found = {"raised": type(error).__name__, "cause": type(error.__cause__).__name__}
print(json.dumps({**found, "shown": shown, "read": read}))
