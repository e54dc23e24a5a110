"""Tasks of real servers: OpenEnv's Task API and the Open Reward Standard, to data sets and back."""

from __future__ import annotations

import asyncio
import json
import os
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from envgen.build import build_package
from envgen.sources import read_contract
from envgen_runtime import InvalidRequest, ServerError
from envgen_runtime.adapters.rows import reset_arguments
from tests.interop.conftest import RELEASES, Release, Serve, skip_without_venv
from tests.interop.running import serving
from tests.interop.venvs import RUNTIME, venv_python
from tests.runtime.library import listing
from tests.support import ROOT, load

WITHOUT, *WITH = RELEASES[-3:]
_ROUND_TRIP = """
import json, sys
import datasets

datasets.disable_progress_bars()
rows = json.load(open(sys.argv[1]))
data_set = datasets.Dataset.from_list(rows)
data_set.save_to_disk(sys.argv[2])
back = datasets.load_from_disk(sys.argv[2])
print(json.dumps([back[index] for index in range(len(back))]))
"""

_STREAM = """
from datasets import IterableDataset
from itertools import islice

stream = IterableDataset.from_generator(lambda: iter(tasks))
print([row["index"] for row in islice(stream, 121)][-1])

from envgen_runtime.adapters.trl.train_dataset import train_dataset

given = train_dataset(env.tasks("train")[:120], [{"role": "user", "content": "Go."}])
print(given[119]["index"], given[119]["prompt"], given[119]["task_json"] == row["task_json"])
"""


def built(source: str, name: str, out: Path) -> ModuleType:
    return load(build_package(read_contract(source, name=name), out).folder)


def python_with_datasets() -> Path:
    """A Python that has ``datasets`` and what the runtime needs, but not the runtime."""
    with skip_without_venv():
        return venv_python("datasets", "5.2.0", *RUNTIME)


def through_a_data_set(rows: list[Any], folder: Path) -> list[Any]:
    """The rows of a data set made of these, read from the disk again."""
    python = python_with_datasets()
    (folder / "rows.json").write_text(json.dumps(rows))
    done = subprocess.run(
        [str(python), "-c", _ROUND_TRIP, "rows.json", "saved"],
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    back: list[Any] = json.loads(done.stdout)
    return back


@pytest.fixture(scope="module", params=WITH, ids=str)
def riddles(
    tmp_path_factory: pytest.TempPathFactory, serve: Serve, request: pytest.FixtureRequest
) -> tuple[ModuleType, str]:
    url = serve(request.param, "riddles").base_url
    return built(url, "riddles_env", tmp_path_factory.mktemp("riddles")), url


@pytest.fixture(scope="module")
def open_reward(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with skip_without_venv():
        python = venv_python("openreward", "0.1.167")
    log = tmp_path_factory.mktemp("open_reward") / "log"
    with serving(python, "open_reward_server", log) as url:
        yield url


def test_the_row_is_the_task(riddles: tuple[ModuleType, str], tmp_path: Path) -> None:
    module, url = riddles
    with module.RiddlesEnv(url) as env:
        assert env.splits() == ["train", "test", "owner/hard"]
        rows = env.tasks("train").with_prompt("Answer the riddle.")
        assert len(rows) == 250
        listed = list(rows)
        back = through_a_data_set(listed, tmp_path)
        assert back == listed
        for row in (back[0], back[117], back[249]):
            task = json.loads(row["task_json"])
            begun = env.reset(**reset_arguments(module.RiddlesEnv, row))
            assert begun.observation.place == task["id"] == f"train-{row['index']}"
            assert begun.observation.question == task["question"]
            assert env.step(text=str(row["index"] + 1)).reward == 1.0
        (hard,) = env.tasks("owner/hard")
        assert env.reset(**reset_arguments(module.RiddlesEnv, hard)).observation.place == (
            "owner/hard-0"
        )


def test_fields_of_tasks_are_as_they_were(riddles: tuple[ModuleType, str], tmp_path: Path) -> None:
    """They differ from task to task: a column of objects would have nulls, or fail."""
    module, url = riddles
    with module.RiddlesEnv(url) as env:
        back = through_a_data_set(list(env.tasks("train")[:4]), tmp_path)
    tasks = [json.loads(row["task_json"]) for row in back]
    assert tasks[0] == {"id": "train-0", "question": "0 + 1?", "level": 1, "data": {"0": 0}}
    assert tasks[1]["level"] == "hard"
    assert tasks[1]["hint"] is None
    assert tasks[3]["tags"] == ["ü", 1.5]
    assert "level" not in tasks[3]


def test_the_example_of_the_page(tmp_path: Path) -> None:
    """And a stream, which asks for what is read of it."""
    page = (ROOT / "docs" / "tasks.md").read_text()
    _, program = re.findall(r"```python\n(.*?)```", page, re.DOTALL)
    with listing() as library:
        program = program.replace("http://127.0.0.1:8000", library.url)
        done = subprocess.run(
            [str(python_with_datasets()), "-c", f"{program}{_STREAM}"],
            cwd=tmp_path,
            env={
                **os.environ,
                "PYTHONPATH": f"{ROOT / 'runtime'}:{ROOT}",
                "HF_HOME": str(tmp_path),
            },
            capture_output=True,
            text=True,
            check=False,
        )
        assert (done.stdout, done.stderr) == (
            (
                "[{'role': 'user', 'content': 'Solve the task with the tools.'}]\n"
                """{"split": "train", "index": 117}\n"""
                "120\n"
                "119 [{'role': 'user', 'content': 'Go.'}] False\n"
            ),
            "",
        )
        assert library.ranges[-4:] == [(0, 100), (100, 200), (0, 100), (100, 120)]


def test_with_asyncio(riddles: tuple[ModuleType, str]) -> None:
    module, url = riddles

    async def play() -> list[float]:
        rewards: list[float] = []
        async with module.AsyncRiddlesEnv(url) as env:
            assert await env.tasks("train").size() == 250
            async for row in env.tasks("test"):
                await env.reset(**reset_arguments(module.AsyncRiddlesEnv, row))
                result = await env.step(text=str(row["index"] + 1))
                rewards.append(result.reward)
        return rewards

    assert asyncio.run(play()) == [1.0, 1.0, 1.0]


def test_an_episode_goes_on_meanwhile(riddles: tuple[ModuleType, str]) -> None:
    module, url = riddles
    with module.RiddlesEnv(url) as env:
        env.reset(split="test", index=2)
        for row in env.tasks("train")[:150]:
            assert row["split"] == "train"
        assert env.step(text="3").reward == 1.0


def test_a_split_that_is_not_there(riddles: tuple[ModuleType, str]) -> None:
    """The environment fails on it: the server answers with 500."""
    module, url = riddles
    with module.RiddlesEnv(url) as env:
        with pytest.raises(InvalidRequest, match="no split 'dev': it has train, test, owner/hard"):
            len(env.tasks("dev"))
        assert len(env.tasks("test")) == 3


@pytest.mark.parametrize(("release", "why"), [(WITH[-1], "has none"), (WITHOUT, "no routes")])
def test_environments_without_tasks(
    release: Release, why: str, serve: Serve, coding: ModuleType
) -> None:
    with coding.CodingEnv(serve(release, "coding").base_url) as env:
        with pytest.raises(ServerError, match=why):
            env.splits()
        with pytest.raises(ServerError, match=why):
            len(env.tasks("train"))


def test_open_reward_tasks(open_reward: str, tmp_path: Path) -> None:
    module = built(f"{open_reward}/Sums", "sums_env", tmp_path)
    with module.SumsEnv(open_reward) as env:
        assert env.splits() == ["train", "dev"]
        listed = list(env.tasks("train"))
        assert len(listed) == 250
        back = through_a_data_set(listed, tmp_path)
        assert back == listed
        for row in (back[0], back[101], back[249]):
            task = json.loads(row["task_json"])
            assert task["n"] == row["index"]
            env.reset(**reset_arguments(module.SumsEnv, row))
            list(env.tasks("dev"))
            assert env.tools.answer(text=str(task["n"] + 1)).reward == 1.0
        with pytest.raises(InvalidRequest, match="no split 'test': it has train, dev"):
            len(env.tasks("test"))
        with pytest.raises(InvalidRequest, match="no split"):
            env.tasks("test")[0]


def test_open_reward_tasks_with_asyncio(open_reward: str, tmp_path: Path) -> None:
    module = built(f"{open_reward}/HigherLower", "guessing_env", tmp_path)

    async def play() -> list[Any]:
        async with module.AsyncGuessingEnv(open_reward) as env:
            rewards: list[Any] = []
            async for row in env.tasks("train"):
                await env.reset(**reset_arguments(module.AsyncGuessingEnv, row))
                secret = json.loads(row["task_json"])["secret"]
                rewards.append((await env.tools.guess(number=secret)).reward)
            return rewards

    assert asyncio.run(play()) == [1.0, 1.0]
