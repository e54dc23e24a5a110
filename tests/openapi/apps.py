"""Environment servers as people write them with FastAPI, none of them OpenEnv's.

In each of them the episode is a walk along a line from ``start`` to 3; a step of 2 from 1 ends it.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated, Any, Literal
from uuid import uuid4

from fastapi import APIRouter, Body, Cookie, FastAPI, Header, HTTPException, Query, Response
from pydantic import BaseModel, ConfigDict, Field
from pydantic.alias_generators import to_camel

GOAL = 3


class Move(BaseModel):
    by: int


class Place(BaseModel):
    at: int
    note: str | None = None


class Walk:
    """The environment itself."""

    def __init__(self, start: int = 0) -> None:
        self.at = start
        self.steps = 0

    def move(self, by: int) -> tuple[Place, float, bool]:
        self.at += by
        self.steps += 1
        return Place(at=self.at), float(by), self.at >= GOAL


# --- the seed's own shape -----------------------------------------------------------------------


class SeedStep(BaseModel):
    action: Move
    timeout_s: float | None = None


class SeedReply(BaseModel):
    observation: Place
    reward: float | None = None
    done: bool = False


class SeedReset(BaseModel):
    seed: int | None = None
    start: int = 0


class WalkState(BaseModel):
    episode_id: str | None = None
    step_count: int = 0
    at: int


def seed() -> FastAPI:
    app = FastAPI(title="Walk")
    _seed_routes(app)
    return app


def _seed_routes(app: FastAPI | APIRouter) -> None:
    walk = Walk()

    @app.post("/reset")
    def reset(body: SeedReset) -> SeedReply:
        nonlocal walk
        walk = Walk(body.start)
        return SeedReply(observation=Place(at=walk.at))

    @app.post("/step")
    def step(body: SeedStep) -> SeedReply:
        place, reward, done = walk.move(body.action.by)
        note = f"within {body.timeout_s:g} s" if body.timeout_s else None
        return SeedReply(
            observation=place.model_copy(update={"note": note}), reward=reward, done=done
        )

    @app.get("/state")
    def state() -> WalkState:
        return WalkState(step_count=walk.steps, at=walk.at)


def prefix() -> FastAPI:
    app = FastAPI(title="Walk API")
    router = APIRouter(prefix="/api/v1/env", tags=["env"])
    _seed_routes(router)
    app.include_router(router)
    return app


def mounted() -> FastAPI:
    app = FastAPI(title="Front")
    app.mount("/walks", seed())
    return app


def slashes() -> FastAPI:
    app = FastAPI(title="Walk")
    walk = Walk()

    @app.post("/env/reset/")
    def reset() -> SeedReply:
        nonlocal walk
        walk = Walk()
        return SeedReply(observation=Place(at=0))

    @app.post("/env/step/")
    def step(action: Move) -> SeedReply:
        place, reward, done = walk.move(action.by)
        return SeedReply(observation=place, reward=reward, done=done)

    return app


# --- a bare action as the body ------------------------------------------------------------------


def bare() -> FastAPI:
    app = FastAPI(title="Walk")
    walk = Walk()

    @app.post("/reset", response_model=Place)
    async def reset() -> Any:
        nonlocal walk
        walk = Walk()
        return {"at": 0}

    @app.post("/step", response_model=SeedReply, status_code=201)
    async def step(action: Move) -> Any:
        place, reward, done = walk.move(action.by)
        return {"observation": place, "reward": reward, "done": done}

    return app


# --- Gymnasium's ---------------------------------------------------------------------------------


class GymAction(BaseModel):
    action: int


class GymReset(BaseModel):
    seed: int | None = None
    options: dict[str, Any] | None = None


class GymStepReply(BaseModel):
    observation: Place
    reward: float
    terminated: bool
    truncated: bool
    info: dict[str, Any] = {}


class GymResetReply(BaseModel):
    observation: Place
    info: dict[str, Any] = {}


def gymnasium() -> FastAPI:
    app = FastAPI(title="Gym Walk")
    walk = Walk()

    @app.post("/reset", response_model=GymResetReply)
    def reset(request: GymReset | None = None) -> Any:
        nonlocal walk
        walk = Walk((request.options or {}).get("start", 0) if request else 0)
        return {"observation": {"at": walk.at}, "info": {"seed": request.seed if request else None}}

    @app.post("/step", response_model=GymStepReply)
    def step(request: GymAction) -> Any:
        place, reward, done = walk.move(request.action)
        return {
            "observation": place,
            "reward": reward,
            "terminated": False,
            "truncated": done,
            "info": {"steps": walk.steps},
        }

    return app


class BoxReply(BaseModel):
    obs: list[float]
    reward: float
    terminated: bool
    truncated: bool
    info: dict[str, Any]


class BoxReset(BaseModel):
    obs: list[float]
    info: dict[str, Any]


def box() -> FastAPI:
    """Gymnasium's, with an array for an observation and the action in the query."""
    app = FastAPI()
    walk = Walk()

    @app.post("/reset")
    def reset(seed: int | None = None) -> BoxReset:
        nonlocal walk
        walk = Walk()
        return BoxReset(obs=[0.0], info={"seed": seed})

    @app.post("/step")
    def step(action: Annotated[int, Query(ge=0)]) -> BoxReply:
        place, reward, done = walk.move(action)
        return BoxReply(obs=[place.at], reward=reward, terminated=done, truncated=False, info={})

    return app


# --- flat ----------------------------------------------------------------------------------------


class FlatReply(BaseModel):
    at: int
    reward: float | None = None
    done: int = 0


class FlatStep(BaseModel):
    by: int


def flat() -> FastAPI:
    app = FastAPI(title="Flat Walk")
    walk = Walk()

    @app.post("/reset")
    def reset() -> FlatReply:
        nonlocal walk
        walk = Walk()
        return FlatReply(at=0)

    @app.post("/step")
    def step(body: FlatStep) -> FlatReply:
        place, reward, done = walk.move(body.by)
        return FlatReply(at=place.at, reward=reward, done=int(done))

    @app.get("/info")
    def info() -> WalkState:
        return WalkState(step_count=walk.steps, at=walk.at)

    return app


# --- sessions ------------------------------------------------------------------------------------


class Created(BaseModel):
    id: str


class Begun(BaseModel):
    session_id: str
    observation: Place


def by_path() -> FastAPI:
    """``POST /envs``, then ``/envs/{env_id}/...``; ``DELETE`` ends it."""
    app = FastAPI(title="Walks")
    walks: dict[str, Walk] = {}
    app.state.walks = walks

    def known(env_id: str) -> Walk:
        if env_id not in walks:
            raise HTTPException(404, "no such environment")
        return walks[env_id]

    @app.post("/envs", status_code=201)
    def create() -> Created:
        env_id = f"walk {len(walks)}/{uuid4().hex}"[:12].replace("/", "-")
        walks[env_id] = Walk()
        return Created(id=env_id)

    @app.post("/envs/{env_id}/reset")
    def reset(env_id: str, body: SeedReset) -> SeedReply:
        known(env_id)
        walks[env_id] = Walk(body.start)
        return SeedReply(observation=Place(at=body.start))

    @app.post("/envs/{env_id}/step")
    def step(env_id: str, body: SeedStep) -> SeedReply:
        place, reward, done = known(env_id).move(body.action.by)
        return SeedReply(observation=place, reward=reward, done=done)

    @app.get("/envs/{env_id}")
    def read(env_id: str) -> WalkState:
        walk = known(env_id)
        return WalkState(step_count=walk.steps, at=walk.at)

    @app.delete("/envs/{env_id}", status_code=204)
    def delete(env_id: str) -> None:
        del walks[env_id]

    return app


class Opened(BaseModel):
    id: int
    observation: Place


def by_path_without_reset() -> FastAPI:
    """``POST /envs`` gives an id and an observation, and there is no reset."""
    app = FastAPI(title="Walks")
    walks: list[Walk] = []

    @app.post("/envs")
    def create() -> Opened:
        walks.append(Walk())
        return Opened(id=len(walks) - 1, observation=Place(at=0))

    @app.post("/envs/{env_id}/step")
    def step(env_id: int, action: Move) -> SeedReply:
        place, reward, done = walks[env_id].move(action.by)
        return SeedReply(observation=place, reward=reward, done=done)

    return app


def by_cookie() -> FastAPI:
    app = FastAPI(title="Walk")
    walks: dict[str, Walk] = {}

    @app.post("/reset")
    def reset(response: Response) -> SeedReply:
        session = uuid4().hex
        walks[session] = Walk()
        response.set_cookie("session", session, httponly=True, samesite="lax", max_age=3600)
        return SeedReply(observation=Place(at=0))

    @app.post("/step")
    def step(body: SeedStep, session: Annotated[str, Cookie()]) -> SeedReply:
        place, reward, done = walks[session].move(body.action.by)
        return SeedReply(observation=place, reward=reward, done=done)

    return app


def by_header() -> FastAPI:
    """The id comes as a field of reset's reply and goes back as a header."""
    app = FastAPI(title="Walk")
    walks: dict[str, Walk] = {}

    @app.post("/reset")
    def reset() -> Begun:
        session = uuid4().hex
        walks[session] = Walk()
        return Begun(session_id=session, observation=Place(at=0))

    @app.post("/step")
    def step(action: Move, x_session_id: Annotated[str, Header()]) -> SeedReply:
        place, reward, done = walks[x_session_id].move(action.by)
        return SeedReply(observation=place, reward=reward, done=done)

    return app


def by_response_header() -> FastAPI:
    """The id comes and goes as a header."""
    app = FastAPI(title="Walk")
    walks: dict[str, Walk] = {}

    @app.post("/reset")
    def reset(response: Response) -> SeedReply:
        session = response.headers["X-Session-Id"] = uuid4().hex
        walks[session] = Walk()
        return SeedReply(observation=Place(at=0))

    @app.post("/step")
    def step(action: Move, x_session_id: Annotated[str, Header()]) -> SeedReply:
        place, reward, done = walks[x_session_id].move(action.by)
        return SeedReply(observation=place, reward=reward, done=done)

    return app


def by_chosen_header() -> FastAPI:
    """The client names its session."""
    app = FastAPI(title="Walk")
    walks: dict[str, Walk] = {}

    @app.post("/reset")
    def reset(x_session_id: Annotated[str, Header()]) -> SeedReply:
        walks[x_session_id] = Walk()
        return SeedReply(observation=Place(at=0))

    @app.post("/step")
    def step(action: Move, x_session_id: Annotated[str, Header()]) -> SeedReply:
        place, reward, done = walks[x_session_id].move(action.by)
        return SeedReply(observation=place, reward=reward, done=done)

    return app


def by_query() -> FastAPI:
    app = FastAPI(title="Walk")
    walks: dict[str, Walk] = {}

    @app.post("/reset")
    def reset(start: int = 0) -> Begun:
        session = uuid4().hex
        walks[session] = Walk(start)
        return Begun(session_id=session, observation=Place(at=start))

    @app.post("/step")
    def step(session_id: str, action: Move) -> SeedReply:
        place, reward, done = walks[session_id].move(action.by)
        return SeedReply(observation=place, reward=reward, done=done)

    return app


class BodyStep(BaseModel):
    session_id: str
    action: int


def by_body() -> FastAPI:
    app = FastAPI(title="Walk")
    walks: dict[str, Walk] = {}

    @app.post("/reset")
    def reset() -> Begun:
        session = uuid4().hex
        walks[session] = Walk()
        return Begun(session_id=session, observation=Place(at=0))

    @app.post("/step")
    def step(body: BodyStep) -> SeedReply:
        place, reward, done = walks[body.session_id].move(body.action)
        return SeedReply(observation=place, reward=reward, done=done)

    return app


def by_argument() -> FastAPI:
    """The path names one of the server's environments."""
    app = FastAPI(title="Walks")
    walks = {"short": Walk(), "long": Walk()}

    @app.post("/env/{env_id}/reset")
    def reset(env_id: str) -> SeedReply:
        walks[env_id] = Walk()
        return SeedReply(observation=Place(at=0))

    @app.post("/env/{env_id}/step")
    def step(env_id: str, action: Move) -> SeedReply:
        place, reward, done = walks[env_id].move(action.by)
        return SeedReply(observation=place, reward=reward, done=done)

    return app


# --- other habits --------------------------------------------------------------------------------


class Way(StrEnum):
    STAY = "stay"
    WALK = "walk"


def enum_action() -> FastAPI:
    app = FastAPI(title="Walk")
    walk = Walk()

    @app.get("/reset")
    def reset() -> SeedReply:
        nonlocal walk
        walk = Walk()
        return SeedReply(observation=Place(at=0))

    @app.post("/step")
    def step(action: Annotated[Way, Body(embed=True)]) -> SeedReply:
        place, reward, done = walk.move(3 if action is Way.WALK else 0)
        return SeedReply(observation=place, reward=reward, done=done)

    return app


class Go(BaseModel):
    kind: Literal["go"] = "go"
    by: int


class Stay(BaseModel):
    kind: Literal["stay"] = "stay"


class Camel(BaseModel):
    model_config = ConfigDict(alias_generator=to_camel, populate_by_name=True)


class CamelInner(Camel):
    next_observation: Place
    step_reward: float = 0
    reward: float | None = None
    is_done: bool = False


class CamelReply(Camel):
    ok: bool = True
    result: CamelInner


def union_and_nesting() -> FastAPI:
    app = FastAPI(title="Walk")
    walk = Walk()

    @app.post("/env/reset")
    def reset(start: Annotated[int, Body(embed=True)] = 0) -> CamelReply:
        nonlocal walk
        walk = Walk(start)
        return CamelReply(result=CamelInner(next_observation=Place(at=start)))

    @app.post("/env/step")
    def step(
        action: Annotated[Go | Stay, Field(discriminator="kind"), Body(embed=True)],
    ) -> CamelReply:
        place, reward, done = walk.move(action.by if isinstance(action, Go) else 0)
        inner = CamelInner(next_observation=place, reward=reward, is_done=done)
        return CamelReply(result=inner)

    return app


def endless() -> FastAPI:
    """Never says done."""
    app = FastAPI(title="Walk")
    walk = Walk()

    @app.post("/reset")
    def reset() -> Place:
        nonlocal walk
        walk = Walk()
        return Place(at=walk.at)

    @app.post("/step")
    def step(action: Move) -> Place:
        return walk.move(action.by)[0]

    return app
