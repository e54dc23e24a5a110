"""Run a script of ``envgen init --trainer trl`` as it is, with a tiny model in place of its own."""

from __future__ import annotations

import json
import os
import runpy
import sys
from functools import partial
from pathlib import Path
from typing import Any

os.environ |= {"HF_HUB_OFFLINE": "1", "TRL_EXPERIMENTAL_SILENCE": "1"}

import tiny
import trl
from grpo import plain

_made: list[Any] = []


def trainer_of_tiny(scripts: Any, _model: str, **given: Any) -> Any:
    """A trainer as the script asks for, apart from the model."""
    reader = tiny.tokenizer()
    model = tiny.model(reader, scripts)
    _made.append(_trainer(model, processing_class=reader, **given))
    return _made[-1]


if __name__ == "__main__":
    task = json.load(sys.stdin)
    _trainer, config = trl.GRPOTrainer, trl.GRPOConfig
    trl.GRPOTrainer = partial(trainer_of_tiny, task["scripts"])
    trl.GRPOConfig = partial(
        config, use_cpu=True, bf16=False, max_steps=1, report_to=[], save_strategy="no",
        max_completion_length=4000, disable_tqdm=True, logging_steps=1,
    )  # fmt: skip
    runpy.run_path(task["script"], run_name="__main__")
    (trainer,) = _made
    result = {
        "log": trainer.state.log_history,
        "completions": [*trainer._logs["completion"]],
        "rewards": {name: [*values] for name, values in trainer._logs["rewards"].items()},
    }
    Path(task["report"]).write_text(json.dumps(plain(result), default=str))
