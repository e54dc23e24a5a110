"""One real step of GRPO. The task comes as JSON on stdin, and what happened goes to stdout."""

from __future__ import annotations

import importlib
import json
import math
import os
import sys
from functools import partial
from pathlib import Path
from typing import Any

os.environ |= {
    "HF_HUB_OFFLINE": "1",
    "TRL_EXPERIMENTAL_SILENCE": "1",
    "TOKENIZERS_PARALLELISM": "false",
}

import tiny
from trl import GRPOConfig, GRPOTrainer


def spec_of(task: dict[str, Any]) -> Any:
    """The spec of a generated class, as a user makes it. Its package is on PYTHONPATH."""
    module = importlib.import_module(f"{task['package']}.trl")
    environment = getattr(module, task["environment"])
    server = task["url"]
    if "client" in task:
        server = partial(environment.client_class, server, **task["client"])
    return environment.spec(server, rows=task["rows"])


def train(task: dict[str, Any]) -> dict[str, Any]:
    """Train for some steps, and return what a user would see."""
    spec = spec_of(task)
    reader = tiny.tokenizer()
    model = tiny.model(reader, task["scripts"])
    before = {name: value.clone() for name, value in model.named_parameters()}
    generations = len(task["scripts"])
    config = GRPOConfig(
        output_dir=task["output"], use_cpu=True, bf16=False, max_steps=task.get("steps", 1),
        num_generations=generations, per_device_train_batch_size=generations, logging_steps=1,
        max_completion_length=4000, report_to=[], save_strategy="no", disable_tqdm=True,
        learning_rate=0.01, seed=0,
    )  # fmt: skip
    trainer = GRPOTrainer(
        model,
        args=config,
        processing_class=reader,
        train_dataset=spec.train_dataset,
        environment_factory=spec.environment_factory,
        reward_funcs=spec.reward_funcs,
    )
    error: str | None = None
    try:
        trainer.train()
    except Exception as raised:  # noqa: BLE001 - what the user would see
        error = f"{type(raised).__name__}: {raised}"
    return {
        "error": error,
        "log": trainer.state.log_history,
        "rewards": {name: [*values] for name, values in trainer._logs["rewards"].items()},
        "advantages": [*trainer._logs["advantages"]],
        "completions": [*trainer._logs["completion"]],
        "seen": model.seen,
        "losses": dict(spec.losses.by_error),
        "environments": len(trainer._environment_pool[None]),
        "has_learnt": any(
            not value.equal(before[name]) for name, value in model.named_parameters()
        ),
        "is_finite": all(value.isfinite().all().item() for value in model.parameters()),
    }


def plain(value: Any) -> Any:
    """A value as JSON has it: what is no number is null."""
    if isinstance(value, float) and not math.isfinite(value):
        return None
    if isinstance(value, dict):
        return {str(key): plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [plain(item) for item in value]
    return value


if __name__ == "__main__":
    task = json.load(sys.stdin)
    Path(task["report"]).write_text(json.dumps(plain(train(task)), default=str))
