"""Plays the tasks of a taskset in verifiers, and prints each rollout as a line of JSON.

    python play_verifiers.py TASKSET MODEL_URL [SETTINGS]

SETTINGS is JSON: ``env`` are settings of the environment, and ``cancel`` has the first task's
rollout cancelled after the model's first answer, before the others are played.
"""

import asyncio
import json
import os
import sys
from contextlib import suppress
from typing import Any

import verifiers.v1 as vf
from verifiers.v1.utils.loaders import load_environment, resolve_env_config

os.environ["MODEL_KEY"] = "none"
taskset, model_url, *given = sys.argv[1:]
settings: dict[str, Any] = json.loads(given[0]) if given else {}
context = vf.ModelContext(
    model="any",
    client=vf.EvalClientConfig(base_url=f"{model_url}/v1", api_key_var="MODEL_KEY"),
    sampling=vf.SamplingConfig(),
)


def told(episode: Any) -> dict[str, Any]:
    (trace,) = episode.traces
    return {
        "name": trace.task.data.name,
        "ok": trace.ok and episode.ok,
        "rewards": {name: found and found.value for name, found in trace.rewards.items()},
        "metrics": trace.metrics,
        "stop": trace.stop_condition,
        "errors": [[error.type, error.message] for error in trace.errors],
        "messages": [[node.message.role, node.message.content] for node in trace.nodes],
    }


async def cancel(env: Any, slot: Any) -> None:
    running = asyncio.create_task(env.run_slot(slot, context))
    while not slot.traces or not slot.traces[0].num_turns:  # noqa: ASYNC110 - nothing tells
        await asyncio.sleep(0.01)
    running.cancel()
    with suppress(asyncio.CancelledError):
        await running


async def main() -> None:
    config = {"taskset": {"id": taskset}, "interception": {"type": "server"}}
    env = load_environment(resolve_env_config({**config, **settings.get("env", {})}))
    slots = [slot for task in env.taskset for slot in env.slots(task)]
    async with env.serving():
        if settings.get("cancel"):
            await cancel(env, slots.pop(0))
        played = await asyncio.gather(*(env.run_slot(slot, context) for slot in slots))
    for episode in played:
        print(json.dumps(told(episode)))


asyncio.run(main())
