"""The same coding environment on the first server, openenv-core 0.1: HTTP only, one for all."""

import time
from dataclasses import dataclass

from openenv_core.env_server import Action, Environment, Observation, State, create_fastapi_app


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
    def __init__(self):
        super().__init__()
        self._state = CodeState()

    def reset(self):
        self._state = CodeState(episode_id="the one")
        return CodeObservation(stdout="ready")

    def step(self, action):
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
    def state(self):
        return self._state


app = create_fastapi_app(CodingEnvironment(), CodeAction, CodeObservation)
