"""Servers with a session for each client, in every place where one can be named."""

from __future__ import annotations

from typing import Annotated
from uuid import uuid4

from fastapi import Cookie, FastAPI, Header, HTTPException, Response
from pydantic import BaseModel

from tests.openapi.apps import (
    Move,
    Place,
    SeedReply,
    SeedReset,
    SeedStep,
    Walk,
    WalkState,
    seed_reply,
)


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
        return seed_reply(known(env_id), body.action.by)

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
        return seed_reply(walks[env_id], action.by)

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
        return seed_reply(walks[session], body.action.by)

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
        return seed_reply(walks[x_session_id], action.by)

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
        return seed_reply(walks[x_session_id], action.by)

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
        return seed_reply(walks[x_session_id], action.by)

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
        return seed_reply(walks[session_id], action.by)

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
        return seed_reply(walks[body.session_id], body.action)

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
        return seed_reply(walks[env_id], action.by)

    return app
