"""The tasks of a split: what is asked and when, the rows, and servers that don't do as they should.

The server counts what it is asked. Real servers are asked in ``tests/interop/test_tasks.py``.
"""

from __future__ import annotations

import asyncio
import json
import pickle
import re
import subprocess
import sys
from collections.abc import Iterator
from typing import Any

import pytest
from starlette.responses import HTMLResponse, JSONResponse, Response

import envgen_runtime as rt
from envgen_runtime.adapters.rows import reset_arguments
from envgen_runtime.wire.http_exchange import HttpResponse
from envgen_runtime.wire.nemo_gym import NemoGymWire
from envgen_runtime.wire.protocol import Request
from envgen_runtime.wire.tasks import PAGE, read_environment, read_number
from envgen_runtime.wire.tools import MAX_LIST_BYTES, ToolPages
from generated.coding_env import AsyncCodingEnv, CodeAction, CodingEnv
from generated.warehouse_env import WarehouseEnv
from tests.runtime.library import Library, listing
from tests.support import ROOT

PAGE_TEXT = (ROOT / "docs" / "tasks.md").read_text()
QUICK = rt.RetryPolicy(attempts=2, first_delay_s=0)


@pytest.fixture
def library() -> Iterator[Library]:
    with listing() as world:
        yield world


@pytest.fixture
def env(library: Library) -> Iterator[CodingEnv]:
    with CodingEnv(library.url, retry=QUICK) as client:
        yield client


def test_nothing_is_asked_before_it_is_needed(library: Library, env: CodingEnv) -> None:
    tasks = env.tasks("train")
    some = tasks[20:30].with_prompt("Go.")[::2]
    assert "'train'[20:30][::2]" in repr(some)
    assert library.asked == []
    assert len(some) == 5
    assert [name for name, _ in library.asked] == ["list_environments", "num_tasks"]
    assert len(some) == 5
    assert len(library.asked) == 2, "a length is asked for once"


def test_iterating_asks_for_pages(library: Library, env: CodingEnv) -> None:
    rows = env.tasks()
    first = next(iter(rows))
    assert first == {"split": "train", "index": 0, "task_json": '{"n": 0}'}
    assert library.ranges == [(0, PAGE)]
    library.asked.clear()
    assert [row["index"] for row in rows] == [*range(250)]
    assert library.ranges == [(0, 100), (100, 200), (200, 250)]


def test_indices_and_slices(library: Library, env: CodingEnv) -> None:
    rows = env.tasks("train")
    assert json.loads(rows[7]["task_json"]) == {"n": 7}
    assert rows[-1]["index"] == 249
    assert library.ranges == [(7, 8), (249, 250)]
    with pytest.raises(IndexError):
        rows[250]
    assert [row["index"] for row in rows[240:][:3]] == [240, 241, 242]
    assert [row["index"] for row in rows[::-1][:3]] == [249, 248, 247]
    assert [json.loads(row["task_json"])["n"] for row in rows[5:250:60]] == [5, 65, 125, 185, 245]
    assert library.ranges[-5:] == [(n, n + 1) for n in (5, 65, 125, 185, 245)]
    assert list(rows[300:]) == []
    assert not rows[300:]


def test_with_asyncio(library: Library) -> None:
    async def listed() -> Any:
        async with AsyncCodingEnv(library.url, retry=QUICK) as env:
            rows = env.tasks("train")
            some = [row["index"] async for row in rows[90:210]]
            with pytest.raises(IndexError):
                await rows.at(250)
            (said,) = [row["prompt"] async for row in rows.with_prompt(lambda t: f"{t}")[3:4]]
            return await env.splits(), await rows.size(), some, await rows.at(-1), said

    splits, size, some, last, said = asyncio.run(listed())
    assert splits == ["train", "empty"]
    assert size == 250
    assert some == [*range(90, 210)]
    assert library.ranges[:2] == [(90, 190), (190, 210)]
    assert last == {"split": "train", "index": 249, "task_json": '{"n": 249}'}
    assert said == [{"role": "user", "content": "{'n': 3}"}]


def test_rows_with_a_prompt(env: CodingEnv) -> None:
    rows = env.tasks("train")[1:3]
    assert rows.with_prompt("Go.")[0]["prompt"] == [{"role": "user", "content": "Go."}]
    asked = rows.with_prompt(lambda task: f"What is {task['n']}?")
    assert [row["prompt"][0]["content"] for row in asked] == ["What is 1?", "What is 2?"]
    system = {"role": "system", "content": "Be short."}
    assert rows.with_prompt(lambda _: [system])[0]["prompt"] == [system]


def test_a_row_is_what_reset_takes(library: Library, env: CodingEnv) -> None:
    row: dict[str, Any] = {**env.tasks("train").with_prompt("Go.")[5]}
    arguments = reset_arguments(CodingEnv, row)
    assert arguments == {"split": "train", "index": 5}
    assert set(arguments) == set(env.tasks().columns)
    env.reset(**arguments)
    assert library.asked[-1] == ("ws", {"split": "train", "index": 5})


def test_a_session_is_not_disturbed(library: Library, env: CodingEnv) -> None:
    env.reset(seed=1)
    assert len(env.tasks()) == 250
    assert env.splits() == ["train", "empty"]
    assert json.loads(env.step(CodeAction(code="1")).observation.stdout)["code"] == "1"
    sessions = [data for name, data in library.asked if name == "ws"]
    assert sessions == [{"seed": 1}, {"code": "1"}]


def test_requests_carry_what_the_client_s_do(library: Library) -> None:
    with CodingEnv(library.url, default_headers={"authorization": "Bearer s3cret-token"}) as env:
        assert env.tasks("train")[0]["index"] == 0
        assert library.headers["authorization"] == "Bearer s3cret-token"
        assert library.headers["x-request-id"]
        library.answers = [JSONResponse({"detail": "no s3cret-token here"}, 403)]
        with pytest.raises(rt.ServerError, match="403") as refused:
            env.splits()
        assert "s3cret" not in str(refused.value)


def test_a_passing_error_is_repeated(library: Library, env: CodingEnv) -> None:
    env.reset()
    library.answers = [Response("busy", 502)]
    assert len(env.tasks()) == 250
    library.answers = [Response("busy", 502), Response("busy", 502)]
    with pytest.raises(rt.ServerError, match="502"):
        len(env.tasks())
    assert library.answers == []
    env.step(CodeAction(code="1"))  # the session is still there


@pytest.mark.parametrize("split", ["tarin", ""])
def test_an_unknown_split(library: Library, env: CodingEnv, split: str) -> None:
    """The server answers with no tasks, or with an error."""
    with pytest.raises(rt.InvalidRequest, match=f"no split '{split}': it has train, empty"):
        len(env.tasks(split))
    library.answers = [Response("Internal Server Error", 500)]
    with pytest.raises(rt.InvalidRequest, match="train, empty"):
        list(env.tasks(split))
    assert list(env.tasks("empty")) == []


def test_an_error_of_a_known_split_is_told_as_it_is(library: Library, env: CodingEnv) -> None:
    env.splits()
    library.answers = [JSONResponse({"detail": "the disk is full"}, 500)]
    with pytest.raises(rt.ExecutionError, match="the disk is full"):
        len(env.tasks("train"))


@pytest.mark.parametrize(("status", "why"), [(404, "no routes"), (501, "its environment has none")])
def test_a_server_without_tasks(library: Library, env: CodingEnv, status: int, why: str) -> None:
    library.answers = [JSONResponse({"detail": "not here"}, status)]
    with pytest.raises(rt.ServerError, match=why) as refused:
        len(env.tasks())
    assert "list_splits" in str(refused.value)
    assert len(library.asked) == 1, "no other question follows"
    assert refused.value.code == f"HTTP_{status}"


def test_a_server_that_can_t_be_reached() -> None:
    with CodingEnv("http://127.0.0.1:9", retry=QUICK) as env, pytest.raises(rt.ConnectError):
        len(env.tasks())


@pytest.mark.parametrize(
    "answer",
    [
        JSONResponse(["an array"]),
        JSONResponse({"num_tasks": True}),
        JSONResponse({"num_tasks": -1}),
        JSONResponse({"num_tasks": 2**63}),
        JSONResponse({"tasks": None}),
        JSONResponse({"tasks": [1]}),
        JSONResponse({"tasks": [1, 2, 3]}),
        Response("{"),
    ],
)
def test_replies_that_are_none(library: Library, env: CodingEnv, answer: Response) -> None:
    rows = env.tasks("train")
    env.splits()
    if b"num_tasks" not in bytes(answer.body):
        assert len(rows) == 250
    library.answers = [answer]
    with pytest.raises(rt.ProtocolError):
        list(rows[:2])


def test_a_page_in_place_of_a_server(library: Library, env: CodingEnv) -> None:
    library.answers = [HTMLResponse("<title>Sign in</title>")]
    with pytest.raises(rt.ProtocolError, match="a web page"):
        env.splits()


@pytest.mark.parametrize("listed", [{"splits": []}, [{"type": "train"}], [3], None])
def test_splits_that_are_none(library: Library, env: CodingEnv, listed: Any) -> None:
    len(env.tasks())
    library.answers = [JSONResponse(listed)]
    with pytest.raises(rt.ProtocolError):
        env.splits()


def test_a_server_of_several_environments(library: Library, env: CodingEnv) -> None:
    library.names = ["CODING_ENV", "other"]
    assert len(env.tasks()) == 250
    with CodingEnv(library.url) as another:
        library.names = ["one", "two"]
        with pytest.raises(rt.ProtocolError, match="one, two"):
            another.splits()


def test_tasks_of_any_json(library: Library, env: CodingEnv) -> None:
    """Half of a surrogate pair is written so that it can be encoded."""
    odd = [None, 3, "x", ["ü", {}], {"deep": {"a": [1.5, None]}}]
    library.tasks["odd"] = odd
    texts = [row["task_json"] for row in env.tasks("odd")]
    assert [json.loads(text) for text in texts] == odd
    assert "ü" in texts[3]
    library.answers = [
        JSONResponse({"num_tasks": 1}),
        Response(b'{"tasks": ["\\ud800"]}', media_type="application/json"),
    ]
    (row,) = env.tasks("odd")
    assert row["task_json"].encode() == b'"\\ud800"'


def test_they_pickle_without_the_session(library: Library, env: CodingEnv) -> None:
    rows = env.tasks("train")[10:20].with_prompt("Go.")
    env.reset()
    copied = pickle.loads(pickle.dumps(rows))
    env.close()
    assert [row["index"] for row in copied] == [*range(10, 20)]
    assert copied[0]["prompt"] == [{"role": "user", "content": "Go."}]
    assert len(library.ranges) == 2


def test_a_server_with_routes_of_its_own_has_none() -> None:
    class Counting(WarehouseEnv):
        wire = NemoGymWire()

    with (
        Counting("http://127.0.0.1:9", retry=QUICK) as env,
        pytest.raises(rt.InvalidRequest, match="no routes for tasks"),
    ):
        env.splits()


@pytest.mark.slow
def test_the_example_of_the_page(library: Library) -> None:
    library.tasks = {"train": [{"question": f"{n} + 1?"} for n in range(250)], "test": []}
    program, _ = re.findall(r"```python\n(.*?)```", PAGE_TEXT, re.DOTALL)
    program = program.replace("http://127.0.0.1:8000", library.url)
    done = subprocess.run(
        [sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert (done.stdout, done.stderr) == (
        (
            "['train', 'test']\n"
            """250 {'split': 'train', 'index': 0, 'task_json': '{"question": "0 + 1?"}'}\n"""
            """100 + 1? {"split": "train", "index": 100}\n"""
            """101 + 1? {"split": "train", "index": 101}\n"""
        ),
        "",
    )


def test_a_name_that_no_address_can_have_is_none() -> None:
    response = HttpResponse(200, {"content-type": "application/json"}, b'["\\ud800"]')
    with pytest.raises(rt.ProtocolError):
        read_environment(response, Request.begun("tasks", {}, 1.0, "r"), wanted="w")


def test_more_tasks_than_there_is_room_for_are_none() -> None:
    response = HttpResponse(200, {"content-type": "application/json"}, b'{"num_tasks": %d}' % 2**62)
    with pytest.raises(rt.ProtocolError):
        read_number(response, Request.begun("tasks", {}, 1.0, "r"))


def test_a_list_of_tools_is_bounded_over_all_its_pages() -> None:
    page = {"tools": [{"name": "a", "description": "x" * (MAX_LIST_BYTES // 2)}]}
    pages = ToolPages()
    assert pages.add({**page, "nextCursor": "1"})
    with pytest.raises(rt.ProtocolError):
        pages.add({**page, "nextCursor": "2"})
