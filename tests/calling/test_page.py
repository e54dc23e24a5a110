"""The example in docs/tool-calling.md runs."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from functools import partial
from typing import Any

import pytest

from envgen.demo.environment import CodingEnvironment
from envgen.demo.server import create_app, serving
from envgen_runtime.adapters.text import instructions
from envgen_runtime.calling.advice import InvalidCall
from generated.coding_env import CodingEnv
from generated.warehouse_env import WarehouseEnv
from tests.calling.worlds import model_server
from tests.support import ROOT

PAGE = (ROOT / "docs" / "tool-calling.md").read_text()


@pytest.mark.slow
def test_the_example() -> None:
    program, *_ = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)
    contract = json.loads((ROOT / "schemas" / "coding_env.json").read_text())
    asked: list[Any] = []
    with (
        serving(create_app(contract, partial(CodingEnvironment, max_steps=2))) as url,
        serving(model_server("CodeAction", {"code": "print(6 * 7)"}, asked)) as model_url,
    ):
        program = program.replace("http://127.0.0.1:8000", url)
        program = program.replace("http://127.0.0.1:9000", model_url)
        done = subprocess.run(
            [sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=False
        )
    assert (done.stdout, done.stderr) == ("42 1.0\n", "")
    answer = asked[1]["messages"][-1]
    assert answer == {"role": "tool", "tool_call_id": "call_1", "content": "42\n"}


@pytest.mark.slow
def test_the_example_of_answers_in_text() -> None:
    *_, program = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)
    contract = json.loads((ROOT / "schemas" / "coding_env.json").read_text())
    with serving(create_app(contract, partial(CodingEnvironment, max_steps=2))) as url:
        program = program.replace("http://127.0.0.1:8000", url)
        done = subprocess.run(
            [sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=False
        )
    told, result, refused = done.stdout.partition('{"stdout"')
    assert done.stderr == ""
    assert told.strip() == instructions(CodingEnv)
    assert (result + refused).startswith('{"stdout": "42\\n", "stderr": "", "exit_code": 0} 1.0\n')
    assert "one </action>" in refused


def test_the_error_that_is_shown() -> None:
    (shown,) = re.findall(r"```text\n(.*?)```", PAGE, re.DOTALL)
    with pytest.raises(InvalidCall) as caught:
        WarehouseEnv.parse_call({"name": "move", "arguments": {"to": {"x": 1}, "sped": 3}})
    assert f"{caught.value}\n" == shown
