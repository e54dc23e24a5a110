"""An environment's server as its author would write it with FastAPI: typed, and not of OpenEnv."""

from __future__ import annotations

from typing import Annotated, Literal

from fastapi import FastAPI
from pydantic import BaseModel, Field


class Position(BaseModel):
    x: int = Field(ge=0)
    y: int = 0


class Move(BaseModel):
    kind: Literal["move"] = "move"
    to: Position


class Say(BaseModel):
    kind: Literal["say"] = "say"
    text: str


class StepBody(BaseModel):
    action: Annotated[Move | Say, Field(discriminator="kind")]
    timeout_s: float | None = None


class Node(BaseModel):
    at: Position
    children: list[Node] = []


class Seen(BaseModel):
    here: Node
    done: bool = False


class Reply(BaseModel):
    observation: Seen
    reward: float | None = None
    done: bool = False


class ResetBody(BaseModel):
    seed: int | None = None
    episode_id: str | None = None
    size: int = Field(8, ge=2)
    walls: list[Position] = []


class Where(BaseModel):
    episode_id: str | None = None
    step_count: int = 0
    visited: list[Position] = []


def make_app(*, prefix: str = "", step: str = "/step", title: str = "Maze API") -> FastAPI:
    """The server, with one episode for all who ask."""
    app = FastAPI(title=title)
    where = Where()

    @app.post(f"{prefix}/reset")
    def reset(body: ResetBody) -> Reply:
        nonlocal where
        where = Where(episode_id=body.episode_id, visited=body.walls)
        return Reply(observation=Seen(here=Node(at=Position(x=body.size))))

    @app.post(f"{prefix}{step}")
    def take(body: StepBody) -> Reply:
        where.step_count += 1
        at = body.action.to if isinstance(body.action, Move) else Position(x=0)
        where.visited.append(at)
        here = Node(at=at, children=[Node(at=Position(x=1))])
        return Reply(observation=Seen(here=here), reward=1.5, done=where.step_count == 2)

    @app.get(f"{prefix}/state")
    def state() -> Where:
        return where

    return app
