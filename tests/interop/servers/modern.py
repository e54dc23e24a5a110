"""Environments on the real OpenEnv server, 0.2 and later. Run in that package's own venv.

``uvicorn modern:app``; which environment it is, the variable ENV_NAME says.
"""

import os
import time

from openenv.core.env_server.http_server import create_fastapi_app
from openenv.core.env_server.interfaces import Environment
from openenv.core.env_server.types import Action, Observation, State
from pydantic import Field


class CodeAction(Action):
    code: str


class CodeObservation(Observation):
    stdout: str = ""
    stderr: str = ""
    exit_code: int = 0


class CodeState(State):
    last_exit_code: int = 0
    seed: int | None = None


class CodingEnvironment(Environment):
    """Takes a few words for code, each of which is a way a server can answer."""

    SUPPORTS_CONCURRENT_SESSIONS = True

    def __init__(self):
        super().__init__()
        self._state = CodeState()

    def reset(self, seed=None, episode_id=None, **kwargs):
        self._state = CodeState(seed=seed, episode_id=episode_id)
        return CodeObservation(stdout=f"ready {kwargs}" if kwargs else "ready")

    def step(self, action, timeout_s=None, **kwargs):
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
            stdout=action.code,
            exit_code=self._state.last_exit_code,
            reward=rewards.get(word, float(word != "fail")),
            done=word == "done",
            metadata={"note": argument} if word == "note" else {},
        )

    @property
    def state(self):
        return self._state


class MoveAction(Action):
    column: int = Field(ge=0, le=6)


class BoardObservation(Observation):
    board: list[list[int]]
    legal_columns: list[int] = Field(default_factory=list)


class ConnectEnvironment(CodingEnvironment):
    def reset(self, seed=None, episode_id=None, **kwargs):
        self._board = [[0] * 7 for _ in range(6)]
        self._state = CodeState(seed=seed, episode_id=episode_id)
        return self._observe()

    def step(self, action, timeout_s=None, **kwargs):
        row = max(row for row in range(6) if self._board[row][action.column] == 0)
        self._state.step_count += 1
        self._board[row][action.column] = 1 if self._state.step_count % 2 else -1
        return self._observe()

    def _observe(self):
        legal = [column for column in range(7) if self._board[0][column] == 0]
        return BoardObservation(board=self._board, legal_columns=legal, reward=0)


MODELS = {
    "coding": (CodingEnvironment, CodeAction, CodeObservation),
    "board": (ConnectEnvironment, MoveAction, BoardObservation),
}

environment, action_cls, observation_cls = MODELS[os.environ.get("ENV_NAME", "coding")]
app = create_fastapi_app(
    environment,
    action_cls,
    observation_cls,
    max_concurrent_envs=int(os.environ.get("MAX_SESSIONS", "8")),
)
