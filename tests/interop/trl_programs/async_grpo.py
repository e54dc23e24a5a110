"""Rollouts of async GRPO: its own worker, in a process of its own, against a server of completions.

vllm serves the model there, and its server is all that stands in for it here. The task comes as
JSON on stdin, and what happened goes to a file.
"""

from __future__ import annotations

import json
import os
import queue
import sys
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

os.environ |= {"HF_HUB_OFFLINE": "1", "TRL_EXPERIMENTAL_SILENCE": "1"}

import tiny
from accelerate.state import PartialState
from grpo import plain, spec_of
from trl.experimental.async_grpo import async_rollout_worker

_PATIENCE_S = 120.0


class Completions(ThreadingHTTPServer):
    """What vllm answers to ``/v1/completions``, with texts from scripts."""

    daemon_threads = True

    def __init__(self, scripts: list[list[str]]) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.reader = tiny.tokenizer()
        self.scripts = scripts
        self.begun = 0
        self.lock = threading.Lock()

    def next_turn(self, text: str) -> str:
        """The next turn of the script that a conversation follows, or the first of another."""
        with self.lock:
            said = tiny.turn_of(text, self.scripts, self.begun)
            self.begun += said == self.scripts[self.begun % len(self.scripts)][0]
            return said


class _Handler(BaseHTTPRequestHandler):
    server: Completions

    def do_POST(self) -> None:
        asked = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        reader = self.server.reader
        said = self.server.next_turn(reader.decode(asked["prompt"]))
        ids = reader.encode(f"{said}<|im_end|>", add_special_tokens=False)
        choice = {"token_ids": ids, "logprobs": {"token_logprobs": [-1.0] * len(ids)}}
        answer = json.dumps({"choices": [choice]}).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(answer)))
        self.end_headers()
        self.wfile.write(answer)

    def log_message(self, *_: Any) -> None:
        """Say nothing."""


def roll_out(task: dict[str, Any]) -> dict[str, Any]:
    """Play until there are samples of a group, and return what they say."""
    PartialState(cpu=True)  # as the trainer does
    spec = spec_of(task)
    generations = task["generations"]
    reader = tiny.tokenizer()
    with Completions(task["scripts"]) as completions:
        threading.Thread(target=completions.serve_forever, daemon=True).start()
        async_rollout_worker.is_vllm_available = lambda: True
        worker = async_rollout_worker.AsyncRolloutWorker(
            model_name="tiny", dataset=spec.train_dataset, reward_funcs=spec.reward_funcs,
            processing_class=reader, eos_token_ids=[reader.eos_token_id],
            environment_factory=spec.environment_factory, num_generations=generations,
            max_inflight_tasks=task.get("max_inflight_tasks", generations),
            vllm_server_url=f"http://127.0.0.1:{completions.server_port}", max_tokens=4000,
        )  # fmt: skip
        samples: list[Any] = []
        error: str | None = None
        worker.start()
        deadline = time.monotonic() + _PATIENCE_S
        try:
            while len(samples) < generations and time.monotonic() < deadline:
                try:
                    samples.append(worker.rollout_buffer.get(timeout=0.2))
                except queue.Empty:
                    worker.check_health(_PATIENCE_S)
        except RuntimeError as raised:
            error = f"{raised} {raised.__cause__}"
        finally:
            worker.stop()
            completions.shutdown()
    return {
        "error": error,
        "metrics": [sample.metrics for sample in samples],
        "advantages": [sample.advantage for sample in samples],
        "completions": [sample.completion for sample in samples],
        "prompts": [sample.prompt for sample in samples],
    }


if __name__ == "__main__":
    given = json.load(sys.stdin)
    Path(given["report"]).write_text(json.dumps(plain(roll_out(given)), default=str))
