"""What a client can't express is refused: why, where it stands in the document, and what helps."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, Any

import pytest
from fastapi import Body, FastAPI
from pydantic import BaseModel

from envgen_runtime.json_value import at_pointer
from tests.openapi.apps import GymAction, Move, Place, SeedReply, Walk
from tests.openapi.sessions import by_path
from tests.support import run, save


class Untyped(BaseModel):
    action: dict[str, Any]


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def app(step: Any, reset: Any = None) -> FastAPI:
    made = FastAPI(title="Walk")
    made.post("/reset")(reset or place)
    made.post("/step")(step)
    return made


def place() -> Place:
    return Place(at=0)


def dictionary(action: Move) -> dict:  # type: ignore[type-arg]
    return {"observation": action.by}


def mapping(action: Move) -> dict[str, Any]:
    return {"observation": action.by}


def unsaid(action: Move):  # type: ignore[no-untyped-def]
    return {"observation": action.by}


def items(action: Move) -> tuple[Place, float, bool]:
    return Walk().move(action.by)


def scalar(action: Annotated[int, Body()]) -> Place:
    return Place(at=action)


def array(action: list[float]) -> Place:
    return Place(at=int(action[0]))


def nothing() -> Place:
    return Place(at=0)


def free(body: Untyped) -> Place:
    return Place(at=len(body.action))


@pytest.mark.parametrize(
    ("step", "says", "helps"),
    [
        (dictionary, "the reply of POST /step has no type", "response_model"),
        (mapping, "the reply of POST /step has no type", "response_model"),
        (unsaid, "the reply of POST /step has no type", "response_model"),
        (items, "POST /step answers an array", "the fields observation, reward and done"),
        (scalar, "takes a bare integer as its body", "Body(embed=True)"),
        (array, "takes a bare array as its body", "Body(embed=True)"),
        (nothing, "POST /step takes no action", "--step-path"),
        (free, "takes an action without a type", "/schema"),
    ],
)
def test_a_step(step: Any, says: str, helps: str) -> None:
    refused(app(step).openapi(), says, helps)


def refused(document: Any, says: str, helps: str) -> None:
    result = run("build", save(document))
    assert result.exit_code == 1
    error, hint = result.stderr.strip().splitlines()
    assert says in error
    assert helps in hint
    pointer = error.partition("x.json#")[2].partition(": ")[0]
    at_pointer(json.loads(Path("x.json").read_text()), pointer)  # it exists
    assert not Path("generated").exists()


def test_a_form() -> None:
    document = app(mapping).openapi()
    content = document["paths"]["/step"]["post"]["requestBody"]["content"]
    content["application/x-www-form-urlencoded"] = content.pop("application/json")
    refused(document, "POST /step takes no JSON", "a pydantic model instead of a form")


def test_a_reset_without_a_type() -> None:
    def reset() -> dict[str, Any]:
        return {}

    def step(action: Move) -> SeedReply:
        return SeedReply(observation=Place(at=action.by))

    refused(app(step, reset).openapi(), "the reply of POST /reset has no type", "response_model")


def test_no_reset() -> None:
    made = FastAPI()

    @made.post("/step")
    def step(action: GymAction) -> Place:
        return Place(at=action.action)

    refused(made.openapi(), "no operation looks like reset", "--reset-path")


def test_several_ways_to_make_a_session() -> None:
    made = by_path()

    @made.post("/envs/create")
    def create() -> Place:
        return Place(at=0)

    del made.router.routes[[getattr(it, "path", "") for it in made.router.routes].index("/envs")]

    @made.post("/envs/new")
    def new() -> Place:
        return Place(at=0)

    document = made.openapi()
    refused(document, "several operations look like session", "--session-path")
    assert run("build", save(document), "--session-path", "/envs/new").exit_code == 0


def test_a_session_whose_id_has_no_type() -> None:
    made = by_path()
    document = made.openapi()
    reply = document["paths"]["/envs"]["post"]["responses"]["201"]["content"]
    reply["application/json"]["schema"] = {}
    refused(document, "the reply of POST /envs has no type, so env_id can't be found", "env_id")


def test_a_missing_argument_and_an_unknown_one() -> None:
    from tests.openapi.sessions import by_argument
    from tests.support import load

    save(by_argument().openapi(), "api.json")
    assert run("build", "api.json", "--name", "walk").exit_code == 0
    package = load(Path("generated/walk"))
    with pytest.raises(ValueError, match="env_id"):
        package.WalkEnv("http://127.0.0.1:1")
    with pytest.raises(ValueError, match="no route of its server has other"):
        package.WalkEnv("http://127.0.0.1:1", parameters={"env_id": "a", "other": 1})
    env = package.WalkEnv("http://127.0.0.1:1", parameters={"env_id": "a"})
    assert env.with_options(request_timeout_s=3).base_url == env.base_url
    for option in ({"transport": "websocket"}, {"on_drift": "error"}):
        with pytest.raises(ValueError, match="routes of its own"):
            env.with_options(**option)
