"""Environments on the first server, openenv-core 0.1: HTTP only, one environment for all.

``uvicorn seed:app``; the variable ENV_NAME says which of ENVIRONMENTS, ``words`` if unset.
Reset takes neither seed nor episode: this server doesn't pass them on.
"""

from __future__ import annotations

import os
import threading
import time
from dataclasses import dataclass, field
from typing import Any
from uuid import uuid4

from openenv_core.env_server import Action, Environment, Observation, State, create_fastapi_app
from snippets import run

MOVES = {"up": (-1, 0), "down": (1, 0), "left": (0, -1), "right": (0, 1)}
REWARDS = {"null_reward": None, "bool_reward": True, "nan_reward": float("nan")}


@dataclass(kw_only=True)
class CodeAction(Action):
    code: str


@dataclass(kw_only=True)
class CodeObservation(Observation):
    stdout: str = ""
    stderr: str = ""
    exit_code: int = 0


@dataclass
class CodeState(State):
    last_exit_code: int = 0


class CodingEnvironment(Environment):
    """Runs code."""

    def __init__(self) -> None:
        super().__init__()
        self._state = CodeState()
        self._names: dict[str, Any] = {}

    def reset(self) -> CodeObservation:
        self._state = CodeState(episode_id=str(uuid4()))
        self._names = {}
        return CodeObservation()

    def step(self, action: CodeAction) -> CodeObservation:  # type: ignore[override]
        outcome = run(action.code, self._names)
        self._state.step_count += 1
        self._state.last_exit_code = outcome.exit_code
        return CodeObservation(**outcome._asdict(), reward=1.0 - outcome.exit_code)

    @property
    def state(self) -> CodeState:
        return self._state


class WordsEnvironment(Environment):
    """Takes a few words for code, each of which is a way a server can answer."""

    def __init__(self) -> None:
        super().__init__()
        self._state = CodeState()

    def reset(self) -> CodeObservation:
        self._state = CodeState(episode_id="the one")
        return CodeObservation(stdout="ready")

    def step(self, action: CodeAction) -> CodeObservation:  # type: ignore[override]
        word, _, argument = action.code.partition(" ")
        if word == "raise":
            raise RuntimeError(argument)
        if word == "sleep":
            time.sleep(float(argument))
        self._state.step_count += 1
        self._state.last_exit_code = int(word == "fail")
        return CodeObservation(
            stdout=action.code,
            exit_code=self._state.last_exit_code,
            reward=float(word != "fail"),
            done=word == "done",
        )

    @property
    def state(self) -> CodeState:
        return self._state


@dataclass(kw_only=True)
class GridAction(Action):
    direction: str
    distance: int = 1
    paint: list[list[int]] = field(default_factory=list)


@dataclass(kw_only=True)
class GridObservation(Observation):
    board: list[list[int]]
    row: int
    column: int
    legal: list[str]


class GridEnvironment(Environment):
    """A walker on four by four cells; the episode is done after a number of steps."""

    def __init__(self) -> None:
        super().__init__()
        self._state = State()
        self._board = [[0] * 4 for _ in range(4)]
        self._cell = (0, 0)

    def reset(self) -> GridObservation:
        self.__init__()  # type: ignore[misc]
        self._state = State(episode_id=str(uuid4()))
        return self._observe()

    def step(self, action: GridAction) -> GridObservation:  # type: ignore[override]
        for row, column in action.paint:
            self._board[row][column] += 1
        steps = [action.distance * step for step in MOVES[action.direction]]
        row, column = (
            min(max(now + step, 0), 3) for now, step in zip(self._cell, steps, strict=True)
        )
        self._cell = (row, column)
        self._state.step_count += 1
        return self._observe(reward=self._board[row][column])

    def _observe(self, reward: int | None = None) -> GridObservation:
        row, column = self._cell
        return GridObservation(
            board=self._board,
            row=row,
            column=column,
            legal=[
                name
                for name, (down, right) in MOVES.items()
                if 0 <= row + down < 4 and 0 <= column + right < 4
            ],
            reward=reward,
            done=self._state.step_count >= int(os.environ.get("GRID_STEPS", "3")),
            metadata={"cell": [row, column]},
        )

    @property
    def state(self) -> State:
        return self._state


@dataclass(kw_only=True)
class FaultAction(Action):
    fault: str = "none"
    seconds: float = 0.0


@dataclass(kw_only=True)
class FaultObservation(Observation):
    steps: int = 0


class FaultsEnvironment(Environment):
    """Does wrong what its action says."""

    def __init__(self) -> None:
        super().__init__()
        self._state = State()

    def reset(self) -> FaultObservation:
        self._state = State(episode_id=str(uuid4()))
        return FaultObservation()

    def step(self, action: FaultAction) -> FaultObservation:  # type: ignore[override]
        if action.fault == "raise":
            raise RuntimeError("raised by the environment")
        if action.fault == "sleep":
            threading.Event().wait(action.seconds)
        if action.fault == "die":
            os._exit(3)
        self._state.step_count += 1
        return FaultObservation(steps=self._state.step_count, reward=REWARDS.get(action.fault, 1))

    @property
    def state(self) -> State:
        return self._state


ENVIRONMENTS: dict[str, tuple[type[Environment], type[Action], type[Observation]]] = {
    "words": (WordsEnvironment, CodeAction, CodeObservation),
    "coding": (CodingEnvironment, CodeAction, CodeObservation),
    "grid": (GridEnvironment, GridAction, GridObservation),
    "faults": (FaultsEnvironment, FaultAction, FaultObservation),
}


def create() -> Any:
    """The application that the variable asks for."""
    environment, action, observation = ENVIRONMENTS[os.environ.get("ENV_NAME", "words")]
    return create_fastapi_app(environment(), action, observation)


app = create()
