"""Rollouts of NeMo Gym's own agents, through its own servers, on live environments."""

from __future__ import annotations

import json
import os
import re
import shutil
import socket
import subprocess
import time
from collections.abc import Callable, Generator, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import httpx
import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route

from envgen.build import build_package
from envgen.demo.environment import CodingEnvironment
from envgen.demo.server import create_app
from envgen.demo.server import serving as serving_app
from envgen.sources import read_contract
from generated.coding_env import CodingEnv
from tests.adapters.faulty import Faulty, faulty
from tests.interop.conftest import Release, Serve, StartServer, skip_without_venv
from tests.interop.running import loopback
from tests.interop.venvs import ROOT, RUNTIME, venv_python
from tests.support import PATIENCE_S

PAGE = (ROOT / "docs" / "train-with-nemo-gym.md").read_text()
APP, TASK_DATA, ROWS, GYMNASIUM = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)
NEWEST = Release("openenv", "0.10.0")
SCRIPT = "Script: "
_POLL_S = 0.1

Step = dict[str, Any] | str
"""A call of a tool, or a text."""


@pytest.fixture(scope="module")
def python() -> Path:
    with skip_without_venv():
        return venv_python("nemo-gym", "0.7.0", *RUNTIME, needs=(3, 13), ignores_patch=True)


# --- the model ------------------------------------------------------------------------------------


async def respond(request: Request) -> JSONResponse:
    """Say what the script in the prompt says next: ``{"name", "arguments"}``, or a text."""
    body = await request.json()
    contents = [item.get("content") for item in body["input"]]
    texts = [item if isinstance(item, str) else json.dumps(item) for item in contents if item]
    script: list[Step] = json.loads(next(text for text in texts if SCRIPT in text).split(SCRIPT)[1])
    said = sum(
        item.get("type") == "function_call" or item.get("role") == "assistant"
        for item in body["input"]
    )
    step = script[said] if said < len(script) else "I am done."
    if isinstance(step, dict):
        item = {"type": "function_call", "call_id": f"call_{said}", "name": step["name"],
                "arguments": json.dumps(step["arguments"]), "status": "completed"}  # fmt: skip
    else:
        content = [{"type": "output_text", "text": step, "annotations": []}]
        item = {"type": "message", "id": f"m{said}", "role": "assistant", "status": "completed",
                "content": content}  # fmt: skip
    return JSONResponse(
        {"id": f"r{said}", "created_at": 1.0, "model": "scripted", "object": "response",
         "output": [item], "parallel_tool_calls": False, "tool_choice": "auto", "tools": []}
    )  # fmt: skip


@pytest.fixture(scope="module")
def model_url() -> Iterator[str]:
    routes = [Route("/v1/responses", respond, methods=["POST"])]
    with serving_app(Starlette(routes=routes)) as url:
        yield url


def run(code: str) -> Step:
    return {"name": "CodeAction", "arguments": {"code": code}}


# --- NeMo's servers -------------------------------------------------------------------------------


class Gym:
    """A resources server and an agent of NeMo Gym's, each in its process."""

    def __init__(self, resources: str, agent: str) -> None:
        self.resources = resources
        self._agent = agent

    def rollout(self, script: list[Step], **row: Any) -> dict[str, Any]:
        """What the agent's ``/run`` says of a row; ``status`` is its HTTP status."""
        asked = {"input": [{"role": "user", "content": SCRIPT + json.dumps(script)}]}
        with loopback(self._agent, timeout_s=PATIENCE_S) as http:
            reply = http.post("/run", json={"responses_create_params": asked, **row})
        found: dict[str, Any] = {"status": reply.status_code}
        return found | (reply.json() if reply.is_success else {"text": reply.text})

    def rollouts(self, scripts: list[list[Step]]) -> list[dict[str, Any]]:
        with ThreadPoolExecutor(len(scripts)) as executor:
            return list(executor.map(self.rollout, scripts))


def replies(rollout: dict[str, Any]) -> list[str]:
    """What the model was told of its calls."""
    items = rollout["response"]["output"]
    return [item["output"] for item in items if item["type"] == "function_call_output"]


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port: int = listener.getsockname()[1]
        return port


@pytest.fixture
def gym(python: Path, tmp_path: Path, model_url: str) -> Iterator[Callable[..., Gym]]:
    shutil.copytree(ROOT / "generated", tmp_path / "generated")
    with ExitStack() as stack:

        def start(app: str, *, agent: str = "simple_agent") -> Gym:
            return stack.enter_context(running(python, tmp_path, model_url, app, agent))

        yield start


@contextmanager
def running(python: Path, folder: Path, model_url: str, app: str, agent: str) -> Generator[Gym]:
    (folder / "app.py").write_text(app)
    ports = {name: free_port() for name in ("environment", "agent")}
    model_port = int(model_url.rpartition(":")[2])
    at = {name: {"host": "127.0.0.1", "port": port, "entrypoint": "app.py"}
          for name, port in {**ports, "model": model_port}.items()}  # fmt: skip
    refs = {
        "resources_server": {"type": "resources_servers", "name": "environment"},
        "model_server": {"type": "responses_api_models", "name": "model"},
    }
    settings = {
        "head_server": {"host": "127.0.0.1", "port": 1},
        "dry_run": False,
        "environment": {"resources_servers": {"environment": {
            **at["environment"], "domain": "coding"}}},
        "agent": {"responses_api_agents": {agent: {**at["agent"], **refs, "max_steps": 6}}},
        "model": {"responses_api_models": {"scripted": at["model"]}},
    }  # fmt: skip
    commands = {
        "environment": [python, folder / "app.py"],
        "agent": [python, "-m", f"responses_api_agents.{agent}.app"],
    }
    processes: list[subprocess.Popen[bytes]] = []
    log = folder / "log"
    try:
        for name, command in commands.items():
            variables = {
                "NEMO_GYM_CONFIG_DICT": json.dumps(settings),
                "NEMO_GYM_CONFIG_PATH": name,
                "PYTHONPATH": os.pathsep.join(map(str, (folder, ROOT / "runtime"))),
                "PYTHONPYCACHEPREFIX": str(python.parents[1] / "pycache"),
            }
            with (folder / "log").open("ab") as output:
                processes.append(
                    subprocess.Popen(
                        [*map(str, command)], cwd=folder, env={**os.environ, **variables},
                        stdout=output, stderr=subprocess.STDOUT, start_new_session=True,
                    )
                )  # fmt: skip
        urls = [f"http://127.0.0.1:{port}" for port in ports.values()]
        for url in urls:
            _wait(url, processes, log)
        yield Gym(*urls)
    finally:
        for process in processes:
            process.kill()
            process.wait()


def _wait(url: str, processes: list[subprocess.Popen[bytes]], log: Path) -> None:
    deadline = time.monotonic() + 2 * PATIENCE_S
    with loopback(url, timeout_s=PATIENCE_S) as http:
        while time.monotonic() < deadline and all(item.poll() is None for item in processes):
            try:
                if http.get("/health").is_success:
                    return
            except httpx.TransportError:
                time.sleep(_POLL_S)
    raise RuntimeError(f"NeMo's servers did not start:\n{log.read_text()}")


def at(app: str, url: str, limit: str = "step_timeout_s=2") -> str:
    """The page's program for another server, with a limit of its own."""
    client = f"partial(AsyncCodingEnv, {url!r}, {limit})"
    changed = app.replace('"http://127.0.0.1:8000"', client)
    assert changed != app
    imports = "from functools import partial\nfrom envgen_runtime import RetryPolicy\n"
    return imports + changed


@pytest.fixture
def world() -> Iterator[Faulty]:
    with faulty() as served:
        yield served


# --- a resources server ---------------------------------------------------------------------------


def test_the_page_runs(gym: Callable[..., Gym], python: Path, tmp_path: Path) -> None:
    for program in (APP, GYMNASIUM):
        assert len([line for line in program.splitlines() if line]) == 5
    (tmp_path / "task_data.py").write_text(TASK_DATA)
    (tmp_path / "rows.py").write_text(ROWS)
    check = (
        "import subprocess, sys, json, pathlib\n"
        "from nemo_gym.task_data import load_task_data_schema\n"
        "schema = load_task_data_schema(pathlib.Path('.'))\n"
        "row = json.loads(subprocess.check_output([sys.executable, 'rows.py']))\n"
        "asked = row.pop('responses_create_params')\n"
        "from nemo_gym.openai_utils import NeMoGymResponseCreateParamsNonStreaming as Asked\n"
        "tools = Asked.model_validate(asked).model_dump()['tools']\n"
        "print(json.dumps([schema.validate_python(row).seed, tools]))\n"
    )
    paths = os.pathsep.join(map(str, (tmp_path, ROOT / "runtime")))
    printed = subprocess.check_output(
        [python, "-c", check], cwd=tmp_path, env={**os.environ, "PYTHONPATH": paths}, text=True
    )
    seed, tools = json.loads(printed.splitlines()[-1])
    expected = CodingEnv.tool_specs("openai")[0]["function"]
    assert seed == 7
    assert (tools[0]["name"], tools[0]["parameters"]) == ("CodeAction", expected["parameters"])
    contract = json.loads((ROOT / "schemas" / "coding_env.json").read_text())
    with serving_app(create_app(contract, partial(CodingEnvironment, max_steps=2))) as url:
        found = gym(APP.replace("http://127.0.0.1:8000", url)).rollout([run("print(6 * 7)")])
    assert (found["status"], found["reward"], found["mask_sample"]) == (200, 1.0, False)
    assert '"stdout": "42\\n"' in replies(found)[0]


def test_rollouts_of_every_kind(gym: Callable[..., Gym], world: Faulty) -> None:
    """One server of NeMo's, and what becomes of rollouts that go well, badly, and nowhere."""
    served = gym(at(APP, world.url))
    found = served.rollout(
        [run("a"), {"name": "CodeAction", "arguments": {"cod": 1}}, {"name": "CodeActon",
         "arguments": {}}, run("refuse"), run("done"), run("more")],
        seed=3, level=7, verifier_metadata={"episode_id": "e1"},
    )  # fmt: skip
    assert (found["reward"], found["mask_sample"], found["level"]) == (6.0, False, 7)
    assert world.resets == [{"seed": 3, "episode_id": "e1"}]
    assert world.steps == ["a", "refuse", "done"]
    told = replies(found)
    assert told[0] == '{"stdout": "go", "exit_code": 0}\n\nran a'
    assert "Did you mean 'code'?" in told[1]
    assert "Did you mean 'CodeAction'?" in told[2]
    assert "not allowed" in told[3]
    assert told[4] == "bye"
    assert "over" in told[5]

    kinds = {"drop": "transport_peer_drop", "hang": "transport_timeout",
             "mismatch": "envgen:reply_mismatch", "fail": "envgen:step_failed"}  # fmt: skip
    scripts = [[run("a"), run(fault), *([run("b")] if fault != "fail" else [])] for fault in kinds]
    world.steps.clear()
    lost = served.rollouts(scripts)
    for rollout, kind in zip(lost, kinds.values(), strict=True):
        assert rollout["mask_sample"], kind
        assert rollout["failure_kind"] == kind
        assert "maybe_applied=" in rollout["failure_reason"]
    assert "maybe_applied=True" in lost[0]["failure_reason"]
    assert "b" not in world.steps, "nothing is sent behind a loss"
    assert "doesn't count" in replies(lost[0])[2]

    again = served.rollout([run("fail"), run("a")])
    assert (again["reward"], again["mask_sample"]) == (1.0, False)

    with httpx.Client(base_url=served.resources, trust_env=False) as http:
        unseeded = http.post("/CodeAction", json={"code": "a"})
        assert unseeded.status_code == 410
        verdict = http.post("/verify", json={
            "responses_create_params": {"input": "x"}, "response": again["response"]})  # fmt: skip
        assert (verdict.json()["mask_sample"], verdict.json()["failure_kind"]) == (
            True, "session_lost")  # fmt: skip
        for row in ({"seed": "x"}, {"seed": 1, "verifier_metadata": {"seed": 2}}):
            assert http.post("/seed_session", json=row).status_code == 422


def test_nemos_own_checks(python: Path, tmp_path: Path, world: Faulty) -> None:
    """The contract of sessions, one worker, and the same schema in OpenAPI and over MCP."""
    shutil.copytree(ROOT / "generated", tmp_path / "generated")
    (tmp_path / "app.py").write_text(at(APP, world.url))
    paths = os.pathsep.join(map(str, (tmp_path, ROOT / "runtime")))
    printed = subprocess.check_output(
        [python, ROOT / "tests/interop/rollouts/nemo_checks.py"],
        cwd=tmp_path, env={**os.environ, "PYTHONPATH": paths}, text=True,
    )  # fmt: skip
    found = json.loads(printed.splitlines()[-1])
    assert "num_workers" in found["refused"]
    expected = CodingEnv.tool_specs("openai")[0]["function"]["parameters"]
    assert found["advertised"] == found["shown"] == expected
    assert world.resets == [{"seed": 7}, {}], "a repeated seed begins nothing"
    called, refused = found["called"]
    assert called["content"][0]["text"].endswith("ran a")
    assert refused["isError"]
    assert "Did you mean 'code'?" in refused["content"][0]["text"]


def test_rollouts_wait_for_a_free_session_and_a_server_that_dies(
    gym: Callable[..., Gym], serve: Serve
) -> None:
    url = serve(NEWEST, "words", fresh=True, MAX_SESSIONS="2").base_url
    wait = f"retry=RetryPolicy(attempts=1, capacity_wait_s={PATIENCE_S})"
    served = gym(at(APP, url, wait))
    found = served.rollouts([[run("a"), run("b")]] * 8)
    assert [(item["reward"], item["mask_sample"]) for item in found] == [(2.0, False)] * 8
    lost = served.rollout([run("a"), run("exit"), run("b")])
    assert (lost["mask_sample"], lost["failure_kind"]) == (True, "transport_peer_drop")
    gone = served.rollout([run("a")])
    assert gone["status"] == 500
    assert "ConnectError (retryable=True" in gone["text"]
    assert "reward" not in gone


def test_an_environment_of_tools(
    gym: Callable[..., Gym], start_server: StartServer, tmp_path: Path
) -> None:
    url = start_server(NEWEST, "tools_shop", WAIT_S="1")
    build_package(read_contract(url, name="desk_env"), tmp_path / "generated")
    app = (
        at(APP, url, "").replace("coding_env", "desk_env").replace("AsyncCodingEnv", "AsyncDeskEnv")
    )
    order = {"name": "place_order", "arguments": {"orders": [{"sku": "a", "qty": 2}]}}
    weather = {"name": "get-weather", "arguments": {"city": "Oslo"}}
    found = gym(app).rollout(
        [order, weather, {**order, "arguments": {"orders": [{"sku": "a", "qty": 0}]}},
         {"name": "fail", "arguments": {}}]
    )  # fmt: skip
    assert found["reward"] == 1.5
    told = replies(found)
    assert json.loads(told[0].splitlines()[-1]) == {"total": 2, "speed": "slow"}
    assert told[1] == "Oslo: None"
    assert "$.orders[0].qty" in told[2]
    assert "sold out" in told[3]


# --- a Gymnasium server ---------------------------------------------------------------------------


def test_a_gymnasium_server(gym: Callable[..., Gym], world: Faulty) -> None:
    served = gym(at(GYMNASIUM, world.url), agent="gymnasium_agent")
    found = served.rollout(["<action>a", "<action>a</action>", "```\ndone\n```"], seed=5)
    assert (found["reward"], found["terminated"]) == (6.0, True)
    assert world.resets == [{"seed": 5}]
    assert world.steps == ["a", "done"]
    said = [item["content"] for item in found["response"]["output"] if item.get("role") == "user"]
    assert "</action>" in said[0]
    assert said[1] == "ran a"
    first = found["responses_create_params"]["input"][-1]["content"]
    assert "in <action>...</action>" in first
    assert first.endswith('{"stdout": "go", "exit_code": 0}')

    called = served.rollout([run("a"), run("done")])
    assert (called["reward"], replies(called)) == (6.0, ["ran a"])

    for fault, error in {"drop": "ConnectionLost", "hang": "RequestTimeout",
                         "fail": "ExecutionError"}.items():  # fmt: skip
        lost = served.rollout(["a", fault, "b"])
        assert lost["status"] == 500, fault
        assert error in lost["text"]
    assert "b" not in world.steps
