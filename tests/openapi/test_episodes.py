"""Episodes on FastAPI servers, each with the client that is built from the server itself."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any, NamedTuple

import pytest
from fastapi import FastAPI, Request
from fastapi.responses import JSONResponse

from envgen.demo.server import serving
from envgen_runtime import (
    ActionRejected,
    EpisodeTrace,
    InvalidRequest,
    ReplyMismatch,
    RequestTimeout,
    SessionLost,
)
from tests.openapi import apps, sessions
from tests.support import load, run


class Shape(NamedTuple):
    """How a server is played: the fields of two steps by two, and what they give."""

    app: Callable[[], FastAPI]
    action: Callable[[ModuleType], dict[str, Any]] = lambda _: {"by": 2}
    place: Callable[[Any], Any] = lambda observation: observation.at
    has_done: bool = True
    has_state: bool = False
    parameters: dict[str, str] | None = None
    below: str = ""


def number(_: ModuleType) -> dict[str, Any]:
    return {"action": 2}


SHAPES = {
    "seed": Shape(apps.seed, has_state=True),
    "prefix": Shape(apps.prefix, has_state=True),
    "mounted": Shape(apps.mounted, has_state=True, below="/walks"),
    "slashes": Shape(apps.slashes),
    "bare": Shape(apps.bare),
    "gymnasium": Shape(apps.gymnasium, number),
    "box": Shape(apps.box, number, lambda observation: observation.obs[0]),
    "flat": Shape(apps.flat, has_state=True),
    "by_path": Shape(sessions.by_path, has_state=True),
    "by_path_without_reset": Shape(sessions.by_path_without_reset),
    "by_cookie": Shape(sessions.by_cookie),
    "by_header": Shape(sessions.by_header),
    "by_response_header": Shape(sessions.by_response_header),
    "by_chosen_header": Shape(sessions.by_chosen_header),
    "by_query": Shape(sessions.by_query),
    "by_body": Shape(sessions.by_body, number),
    "by_argument": Shape(sessions.by_argument, parameters={"env_id": "short"}),
    "enum_action": Shape(apps.enum_action, lambda _: {"action": "walk"}),
    "union_and_nesting": Shape(
        apps.union_and_nesting, lambda package: {"action": package.Go(by=2)}
    ),
    "endless": Shape(apps.endless, has_done=False),
}
pytestmark = pytest.mark.filterwarnings("ignore::envgen_runtime.StepAfterDoneWarning")

shapes = pytest.mark.parametrize("shape", SHAPES.values(), ids=SHAPES)


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def built(source: str) -> ModuleType:
    result = run("build", source, "--name", "walk")
    assert result.exit_code == 0, result.output
    return load(Path("generated/walk"))


def steps(shape: Shape, package: ModuleType) -> tuple[tuple[Any, ...], dict[str, Any]]:
    """The arguments of ``step``: a union takes an action alone."""
    fields = shape.action(package)
    is_union = hasattr(package, "Go")
    return ((fields["action"],), {}) if is_union else ((), fields)


def play(shape: Shape, package: ModuleType, url: str) -> list[tuple[Any, float | None, bool]]:
    arguments, fields = steps(shape, package)
    with package.WalkEnv(url, parameters=shape.parameters) as env:
        results = [env.reset()]
        results += [env.step(*arguments, **fields) for _ in range(2)]
        if shape.has_state:
            assert env.state().step_count == 2
    return [(shape.place(item.observation), item.reward, item.done) for item in results]


async def play_async(
    shape: Shape, package: ModuleType, url: str
) -> list[tuple[Any, float | None, bool]]:
    arguments, fields = steps(shape, package)
    async with package.AsyncWalkEnv(url, parameters=shape.parameters) as env:
        results = [await env.reset()]
        results += [await env.step(*arguments, **fields) for _ in range(2)]
        if shape.has_state:
            assert (await env.state()).step_count == 2
    return [(shape.place(item.observation), item.reward, item.done) for item in results]


def expected(shape: Shape, results: list[tuple[Any, float | None, bool]]) -> bool:
    places = [place for place, _, _ in results]
    last = results[-1]
    walked = places[1] == places[2] / 2 > 0 == places[0]
    return walked and (
        last[1] == places[1] and last[2] if shape.has_done else last[1:] == (None, False)
    )


@pytest.mark.slow
@shapes
def test_an_episode_from_the_address_alone(shape: Shape) -> None:
    with serving(shape.app()) as url:
        package = built(url + shape.below)
        assert expected(shape, play(shape, package, url))
        assert expected(shape, asyncio.run(play_async(shape, package, url)))


@pytest.mark.slow
@shapes
def test_the_document_and_the_saved_contract_give_the_same_client(shape: Shape) -> None:
    with serving(shape.app()) as url:
        package = built(f"{url}{shape.below}/openapi.json")
        files = {path.name: path.read_bytes() for path in Path("generated/walk").glob("*.*")}
        assert expected(shape, play(shape, package, url))
        assert run("build", "schemas/walk.json").stdout.startswith("unchanged")
        assert run("build", "schemas/walk.json", "--force").exit_code == 0
    assert {path.name: path.read_bytes() for path in Path("generated/walk").glob("*.*")} == files


@pytest.mark.parametrize("base", ["", "/walks"])
def test_an_address_with_or_without_the_prefix(base: str) -> None:
    with serving(apps.mounted()) as url:
        package = built(f"{url}/walks")
        assert expected(SHAPES["seed"], play(SHAPES["seed"], package, f"{url}{base}"))


def test_the_address_of_a_prefix() -> None:
    with serving(apps.prefix()) as url:
        package = built(f"{url}/api/v1/env")
        for address in (url, f"{url}/api/v1/env/"):
            assert expected(SHAPES["seed"], play(SHAPES["seed"], package, address))


@pytest.mark.slow
def test_sessions_do_not_meet() -> None:
    for name in ("by_path", "by_cookie", "by_header", "by_chosen_header"):
        with serving(SHAPES[name].app()) as url:
            package = built(url)
            with package.WalkEnv(url) as one, package.WalkEnv(url) as other:
                one.reset()
                other.reset()
                one.step(by=2)
                assert other.step(by=1).observation.at == 1
                assert one.step(by=2).observation.at == 4
                assert other.reset().observation.at == 0
                assert other.step(by=1).observation.at == 1


def test_a_session_is_ended() -> None:
    app = sessions.by_path()
    with serving(app) as url:
        package = built(url)
        with package.WalkEnv(url) as env:
            env.reset()
            env.reset(start=2)
            assert len(app.state.walks) == 1
            assert env.step(by=1).done
        assert not app.state.walks


def test_a_reset_that_makes_a_session_ends_the_one_before() -> None:
    app, ended = sessions.by_path_without_reset(), list[int]()

    @app.delete("/envs/{env_id}", status_code=204)
    def delete(env_id: int) -> None:
        ended.append(env_id)

    with serving(app) as url, built(url).WalkEnv(url) as env:
        for number in range(3):
            env.reset()
            env.step(by=1)
            assert ended == [*range(number)]
    assert ended == [0, 1, 2]


def test_a_reset_that_is_refused_here_leaves_the_session() -> None:
    with serving(sessions.by_path()) as url, built(url).WalkEnv(url) as env:
        env.reset()
        env.step(by=1)
        with pytest.raises(InvalidRequest):
            env.reset(colour=float("nan"))
        assert env.step(by=1).observation.at == 2


def test_a_lost_session_begins_anew() -> None:
    app = sessions.by_path()
    with serving(app) as url:
        package = built(url)
        with package.WalkEnv(url) as env:
            env.reset()
            with pytest.raises(RequestTimeout):
                env.step(by=1, timeout_s=1e-9)
            with pytest.raises(SessionLost):
                env.step(by=1)
            assert env.reset().observation.at == 0
            assert len(app.state.walks) == 2


def test_a_seed_and_the_options_of_a_step_arrive() -> None:
    with serving(apps.gymnasium()) as url:
        package = built(url)
        with package.WalkEnv(url) as env:
            result = env.reset(seed=7, options={"start": 1})
            assert (result.observation.at, result.metadata) == (1, {"seed": 7})
            assert env.step(action=1).metadata == {"steps": 1}
    with serving(apps.seed()) as url:
        package = built(url)
        with package.WalkEnv(url) as env:
            env.reset()
            assert env.step(by=1, timeout_s=7).observation.note == "within 7 s"
            assert env.step(package.Move(by=1), timeout_s=8).observation.note == "within 8 s"


@pytest.mark.slow
def test_exact_validation_and_traces(folder: Path) -> None:
    for name in ("seed", "flat", "by_path", "union_and_nesting"):
        shape = SHAPES[name]
        with serving(shape.app()) as url:
            package = built(url)
            arguments, fields = steps(shape, package)
            trace = folder / f"{name}.jsonl"
            with package.WalkEnv(url, validate="exact", observers=[EpisodeTrace(trace)]) as env:
                env.reset()
                first = env.step(*arguments, **fields)
        with package.WalkEnv.from_trace(trace) as env:
            env.reset()
            assert env.step(*arguments, **fields) == first
    with (
        package.WalkEnv("http://127.0.0.1:1", validate="exact") as env,
        pytest.raises(InvalidRequest, match="no route for the state"),
    ):
        env.state()


def test_a_client_asks_for_no_route_that_the_document_lacks() -> None:
    app = apps.flat()
    asked: list[str] = []

    @app.middleware("http")
    async def note(request: Request, call_next: Any) -> Any:
        asked.append(request.url.path)
        if request.url.path == "/step":
            return JSONResponse({"detail": "not now"}, status_code=422)
        return await call_next(request)

    with serving(app) as url:
        package = built(f"{url}/openapi.json")
        asked.clear()
        with package.WalkEnv.from_url(url) as env:
            assert env.is_healthy()
            env.reset()
            with pytest.raises(ActionRejected):
                env.step(by=1)
            env.state()
            with pytest.raises(InvalidRequest, match="no /schema"):
                env.server_contract()
    assert set(asked) == {"/", "/reset", "/step", "/info"}


def test_a_reply_that_does_not_fit_names_its_place() -> None:
    app = FastAPI(title="Walk")

    @app.post("/reset", response_model=apps.SeedReply)
    def reset() -> Any:
        return JSONResponse({"observation": {"at": "here"}})

    @app.post("/step", response_model=apps.CamelReply)
    def step(action: apps.Move) -> Any:
        if action.by == 0:
            return JSONResponse({"result": {"nextObservation": {}}})
        return JSONResponse({"result": {"nextObservation": {"at": 1}, "isDone": "no"}})

    with serving(app) as url:
        package = built(url)
        with package.WalkEnv(url) as env:
            with pytest.raises(ReplyMismatch) as caught:
                env.reset()
            assert caught.value.path == "$.observation.at"
            for by, path in ((0, "$.result.nextObservation.at"), (1, "$.result.isDone")):
                with pytest.raises(ReplyMismatch) as caught:
                    env.step(by=by)
                assert caught.value.path == path
