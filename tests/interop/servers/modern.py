"""Environments on the real OpenEnv server, 0.2 and later. Run in that package's own venv.

``uvicorn modern:app``; these variables say what it serves:

- ENV_NAME: one of ENVIRONMENTS, or one of TOOLED in ``tooled``; ``words`` if unset;
- MAX_SESSIONS: the server's capacity, 8 if unset; ``default`` leaves it to the package;
- GRID_STEPS: after how many steps an episode of ``grid`` is done, 3 if unset.
"""

from __future__ import annotations

import inspect
import os
import sys
import threading
import time
from base64 import b64encode
from dataclasses import dataclass
from enum import StrEnum
from functools import cache
from random import Random
from typing import Any, Literal, TypeAlias
from uuid import uuid4

from pydantic import Field, field_validator
from snippets import run

# The package does without its web interface where gradio is missing; importing it takes
# four fifths of the start.
sys.modules["gradio"] = None  # type: ignore[assignment]

from openenv.core.env_server.http_server import create_app  # noqa: E402
from openenv.core.env_server.interfaces import Environment  # noqa: E402
from openenv.core.env_server.types import Action, Observation, State  # noqa: E402

AnyEnvironment: TypeAlias = Environment[Any, Any, Any]


class CodeAction(Action):
    """Represents a single code execution request."""

    code: str


class CodeObservation(Observation):
    """Result of executing code in the environment."""

    stdout: str = ""
    stderr: str = ""
    exit_code: int = 0


class CodeState(State):
    """State for CodeAct environment with persistent execution context."""

    last_exit_code: int = 0


class CodingEnvironment(AnyEnvironment):
    """Runs code. Its reset takes no further parameters, so a server drops them."""

    SUPPORTS_CONCURRENT_SESSIONS = True

    def __init__(self) -> None:
        super().__init__()
        self._state = CodeState()
        self._names: dict[str, Any] = {}

    def reset(  # type: ignore[override]
        self, seed: int | None = None, episode_id: str | None = None
    ) -> CodeObservation:
        # The seed is in no schema: it shows that fields beyond the schema travel.
        extra = {} if seed is None else {"seed": seed}
        self._state = CodeState(episode_id=episode_id or str(uuid4()), **extra)
        self._names = {}
        return CodeObservation()

    def step(
        self, action: CodeAction, timeout_s: float | None = None, **_others: Any
    ) -> CodeObservation:
        outcome = run(action.code, self._names)
        self._state.step_count += 1
        self._state.last_exit_code = outcome.exit_code
        return CodeObservation(**outcome._asdict(), reward=1.0 - outcome.exit_code)

    @property
    def state(self) -> CodeState:
        return self._state


class WordState(CodeState):
    """State with a field that no schema shows, for the server is not told of this class."""

    seed: int | None = None


@cache
def large(size: int) -> str:
    """As a screenshot travels: text that hardly compresses."""
    return b64encode(Random(0).randbytes(size * 3 // 4)).decode()


class WordsEnvironment(AnyEnvironment):
    """Takes a few words for code, each of which is a way a server can answer."""

    SUPPORTS_CONCURRENT_SESSIONS = True

    def __init__(self) -> None:
        super().__init__()
        self._state = WordState()

    def reset(
        self, seed: int | None = None, episode_id: str | None = None, **kwargs: Any
    ) -> Observation:
        self._state = WordState(seed=seed, episode_id=episode_id)
        return CodeObservation(stdout=f"ready {kwargs}" if kwargs else "ready")

    def step(self, action: Any, timeout_s: float | None = None, **_others: Any) -> Observation:
        word, _, argument = action.code.partition(" ")
        if word == "raise":
            raise RuntimeError(argument)
        if word == "sleep":
            time.sleep(float(argument))
        if word == "exit":
            os._exit(3)
        self._state.step_count += 1
        self._state.last_exit_code = int(word == "fail")
        rewards = {"bool": True, "null": None, "nan": float("nan"), "int": 2**53 + 1}
        return CodeObservation(
            stdout=large(int(argument)) if word == "large" else action.code,
            exit_code=self._state.last_exit_code,
            reward=rewards.get(word, float(word != "fail")),
            done=word == "done",
            metadata={"note": argument} if word == "note" else {},
        )

    @property
    def state(self) -> WordState:
        return self._state


class MoveAction(Action):
    column: int = Field(ge=0, le=6)


class BoardObservation(Observation):
    board: list[list[int]]
    legal_columns: list[int] = Field(default_factory=list)


class ConnectEnvironment(WordsEnvironment):
    """Drops a stone into a column of a board; nobody wins."""

    def reset(
        self, seed: int | None = None, episode_id: str | None = None, **kwargs: Any
    ) -> BoardObservation:
        self._board = [[0] * 7 for _ in range(6)]
        self._state = WordState(seed=seed, episode_id=episode_id)
        return self._observe()

    def step(self, action: Any, timeout_s: float | None = None, **_others: Any) -> BoardObservation:
        row = max(row for row in range(6) if self._board[row][action.column] == 0)
        self._state.step_count += 1
        self._board[row][action.column] = 1 if self._state.step_count % 2 else -1
        return self._observe()

    def _observe(self) -> BoardObservation:
        legal = [column for column in range(7) if self._board[0][column] == 0]
        return BoardObservation(board=self._board, legal_columns=legal, reward=0)


MOVES = {"up": (-1, 0), "down": (1, 0), "left": (0, -1), "right": (0, 1)}


class Direction(StrEnum):
    UP = "up"
    DOWN = "down"
    LEFT = "left"
    RIGHT = "right"


class GridAction(Action):
    """A walk, and cells to paint before it."""

    direction: Direction
    distance: int = Field(default=1, ge=1, le=3)
    paint: list[list[int]] = Field(default_factory=list, description="Pairs of row and column")


class GridObservation(Observation):
    board: list[list[int]]
    row: int = Field(ge=0, le=3)
    column: int = Field(ge=0, le=3)
    legal: list[Direction] = Field(default_factory=list)


class GridEnvironment(AnyEnvironment):
    """A walker on four by four cells; the episode is done after a number of steps."""

    SUPPORTS_CONCURRENT_SESSIONS = True

    def __init__(self) -> None:
        super().__init__()
        self._state = State()
        self._board = [[0] * 4 for _ in range(4)]
        self._cell = (0, 0)

    def reset(
        self, seed: int | None = None, episode_id: str | None = None, **_others: Any
    ) -> GridObservation:
        self.__init__()  # type: ignore[misc]
        self._state = State(episode_id=episode_id or str(uuid4()))
        return self._observe()

    def step(
        self, action: GridAction, timeout_s: float | None = None, **_others: Any
    ) -> GridObservation:
        for row, column in action.paint:
            self._board[row][column] += 1
        steps = [action.distance * step for step in MOVES[action.direction.value]]
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
                Direction(name)
                for name, (down, right) in MOVES.items()
                if 0 <= row + down < 4 and 0 <= column + right < 4
            ],
            reward=reward,
            done=self._state.step_count >= int(os.environ.get("GRID_STEPS", "3")),
            metadata={"cell": [row, column]} if self._state.step_count else {},
        )

    @property
    def state(self) -> State:
        return self._state


class TrackState(State):
    """More than the base State; served without ``state_cls``, as many environments are."""

    score: int = 0
    visited: list[str] = Field(default_factory=list)


class TrackAction(Action):
    place: str


class TrackObservation(Observation):
    score: int = 0


class TrackEnvironment(AnyEnvironment):
    SUPPORTS_CONCURRENT_SESSIONS = True

    def __init__(self) -> None:
        super().__init__()
        self._state = TrackState()

    def reset(
        self, seed: int | None = None, episode_id: str | None = None, **_others: Any
    ) -> TrackObservation:
        self._state = TrackState(episode_id=episode_id)
        return TrackObservation()

    def step(
        self, action: TrackAction, timeout_s: float | None = None, **_others: Any
    ) -> TrackObservation:
        self._state.step_count += 1
        self._state.score += len(action.place)
        self._state.visited = [*self._state.visited, action.place]
        return TrackObservation(score=self._state.score, reward=len(action.place))

    @property
    def state(self) -> TrackState:
        return self._state


Fault = Literal[
    "none", "raise", "sleep", "null_reward", "bool_reward", "nan_reward", "refuse", "die"
]


REWARDS = {"null_reward": None, "bool_reward": True, "nan_reward": float("nan")}


class FaultAction(Action):
    fault: Fault = "none"
    seconds: float = Field(default=0.0, ge=0, description="How long a sleep takes")

    @field_validator("fault")
    @classmethod
    def _refuse(cls, fault: str) -> str:
        if fault == "refuse":
            raise ValueError("refused by a validator")
        return fault


class FaultObservation(Observation):
    steps: int = 0


class FaultReset(Observation):
    """What reset observes: not the class that step observes."""

    ready: bool = True


class FaultsEnvironment(AnyEnvironment):
    """Does wrong what its action says."""

    SUPPORTS_CONCURRENT_SESSIONS = True

    def __init__(self) -> None:
        super().__init__()
        self._state = State()

    def reset(
        self, seed: int | None = None, episode_id: str | None = None, **_others: Any
    ) -> FaultReset:
        self._state = State(episode_id=episode_id)
        return FaultReset()

    def step(
        self, action: FaultAction, timeout_s: float | None = None, **_others: Any
    ) -> FaultObservation:
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


class AnswerAction(Action):
    text: str


class RiddleObservation(Observation):
    question: str = ""
    place: str = ""


def _riddles(split: str) -> list[dict[str, Any]]:
    """Tasks that differ in their fields, and in the types of one."""
    count = {"train": 250, "test": 3, "owner/hard": 1}[split]
    marks: list[dict[str, Any]] = [
        {"level": 1}, {"level": "hard", "hint": None}, {"tags": []}, {"tags": ["\u00fc", 1.5]},
    ]  # fmt: skip
    return [
        {"id": f"{split}-{n}", "question": f"{n} + 1?", **marks[n % 4], "data": {str(n): n}}
        for n in range(count)
    ]


class RiddlesEnvironment(AnyEnvironment):
    """A question for each task, which the Task API lists."""

    SUPPORTS_CONCURRENT_SESSIONS = True

    def __init__(self) -> None:
        super().__init__()
        self._state = State(episode_id=str(uuid4()), step_count=0)
        self._answer = ""

    def list_splits(self) -> list[Any]:
        return ["train", "test", {"name": "owner/hard", "type": "test"}]

    def num_tasks(self, split: str) -> int:
        return len(_riddles(split))

    def list_tasks(self, split: str) -> list[Any]:
        return _riddles(split)

    def get_task(self, split: str, index: int) -> Any:
        return _riddles(split)[index]

    def get_task_range(
        self, split: str, start: int | None = None, stop: int | None = None
    ) -> list[Any]:
        return _riddles(split)[start:stop]

    def reset(
        self,
        seed: int | None = None,
        episode_id: str | None = None,
        split: str = "train",
        index: int | None = None,
        **_others: Any,
    ) -> RiddleObservation:
        index = Random(seed).randrange(self.num_tasks(split)) if index is None else index
        task = self.get_task(split, index)
        self._state = State(episode_id=episode_id or str(uuid4()), step_count=0)
        self._answer = str(index + 1)
        return RiddleObservation(question=task["question"], place=task["id"])

    def step(
        self, action: AnswerAction, timeout_s: float | None = None, **_others: Any
    ) -> RiddleObservation:
        self._state.step_count += 1
        return RiddleObservation(done=True, reward=float(action.text == self._answer))

    @property
    def state(self) -> State:
        return self._state


class BrokenEnvironment(FaultsEnvironment):
    """Can't be made."""

    def __init__(self) -> None:
        raise RuntimeError("raised by the constructor")


@dataclass(frozen=True)
class Served:
    """An environment and what the server is told of it."""

    environment: type[AnyEnvironment]
    action: type[Action]
    observation: type[Observation]
    state_cls: type[State] | None = None
    reset_observation_cls: type[Observation] | None = None


ENVIRONMENTS = {
    "words": Served(WordsEnvironment, CodeAction, CodeObservation),
    "board": Served(ConnectEnvironment, MoveAction, BoardObservation),
    "coding": Served(CodingEnvironment, CodeAction, CodeObservation, state_cls=CodeState),
    "grid": Served(GridEnvironment, GridAction, GridObservation),
    "base_state": Served(TrackEnvironment, TrackAction, TrackObservation),
    "faults": Served(
        FaultsEnvironment, FaultAction, FaultObservation, reset_observation_cls=FaultReset
    ),
    "riddles": Served(RiddlesEnvironment, AnswerAction, RiddleObservation),
    "broken": Served(BrokenEnvironment, FaultAction, FaultObservation),
}


def _served(name: str) -> Served:
    if name.startswith("tools"):
        from tooled import TOOLED  # what it imports takes seconds

        return Served(*TOOLED[name])
    return ENVIRONMENTS[name]


def create() -> Any:
    """The application that the variables ask for; what a release can't be told is left out."""
    served = _served(os.environ.get("ENV_NAME", "words"))
    known = inspect.signature(create_app).parameters
    told = {
        name: cls
        for name in ("state_cls", "reset_observation_cls")
        if name in known and (cls := getattr(served, name)) is not None
    }
    capacity = os.environ.get("MAX_SESSIONS", "8")
    if capacity != "default":
        told["max_concurrent_envs"] = int(capacity)
    return create_app(served.environment, served.action, served.observation, **told)


app = create()
