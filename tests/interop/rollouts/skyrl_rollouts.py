"""Plays rollouts as the generator of skyrl 0.4.0 does; run by the Python of skyrl-gym's venv.

It reads a plan from stdin, and prints what each rollout came to, as JSON.
"""

from __future__ import annotations

import asyncio
import json
import sys
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import skyrl_gym
from skyrl_gym.metrics import aggregate_for_environment


async def rollout(
    executor: ThreadPoolExecutor, plan: dict[str, Any], row: dict[str, Any], answers: list[str]
) -> dict[str, Any]:
    loop = asyncio.get_running_loop()
    seen: dict[str, Any] = {"rewards": [], "told": [], "error": None}
    try:
        extras = {**row, "max_turns": plan["max_turns"]}
        env = skyrl_gym.make("rollouts", env_config={}, extras=extras)
        prompt = json.loads(json.dumps(plan["prompt"]))
        seen["prompt"], _ = await loop.run_in_executor(executor, env.init, prompt)
        done = False
        for answer in answers:
            output = await loop.run_in_executor(executor, env.step, answer)
            seen["rewards"].append(output["reward"])
            seen["told"] += [message["content"] for message in output["observations"]]
            done = output["done"]
            if done:
                break
        seen["done"] = done
        seen["metrics"] = env.get_metrics()
        await loop.run_in_executor(executor, env.close)
    except Exception as error:  # noqa: BLE001 - the generator's batch would end with it
        seen["error"] = [type(error).__name__, str(error), *getattr(error, "__notes__", [])]
        seen["cause"] = type(error.__cause__).__name__
    return seen


async def main() -> None:
    plan = json.load(sys.stdin)
    skyrl_gym.register(id="rollouts", entry_point=plan["entry_point"])
    with ThreadPoolExecutor(max_workers=plan["workers"]) as executor:
        found = await asyncio.gather(
            *(rollout(executor, plan, *given) for given in plan["rollouts"])
        )
    metrics = [seen["metrics"] for seen in found if "metrics" in seen]
    aggregated = aggregate_for_environment("rollouts", metrics)
    print(json.dumps({"rollouts": found, "metrics": aggregated}))


asyncio.run(main())
