"""Environment servers as people write them with FastAPI, none of them OpenEnv's.

In each of them the episode is a walk along a line from ``start`` to 3; a step of 2 from 1 ends it.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Body, FastAPI, Query
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


def seed_reply(walk: Walk, by: int) -> SeedReply:
    place, reward, done = walk.move(by)
    return SeedReply(observation=place, reward=reward, done=done)


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
        return seed_reply(walk, action.by)

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
        return seed_reply(walk, 3 if action is Way.WALK else 0)

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
