"""What a model reads of an observation, or of a tool's result."""

from __future__ import annotations

import base64
from typing import Any, Literal

import pytest
from pydantic import BaseModel, ConfigDict, Field, RootModel

import envgen_runtime as rt
from envgen_runtime.adapters.episode import Score
from envgen_runtime.adapters.losses import Losses
from envgen_runtime.adapters.text import observation_to_text
from envgen_runtime.tools.result import ToolReply, read_result

IMAGE = base64.b64encode(b"\x89PNG\r\n\x1a\n" + b"\x00" * 400).decode()
NOT_SHOWN = "(image/png, 408 bytes, not shown)"


class Seen(BaseModel):
    model_config = ConfigDict(extra="allow")
    text: str | None = None
    from_: str | None = Field(None, alias="from")
    reward: float | None = None
    done: bool = False
    metadata: dict[str, Any] = {}


class Board(RootModel[list[list[int]]]):
    pass


class Word(RootModel[Literal["up"]]):
    pass


def seen(**fields: Any) -> Seen:
    return Seen.model_validate(fields)


@pytest.mark.parametrize(
    ("observation", "text"),
    [
        (seen(text="hi", reward=1, done=True, metadata={"a": 1}), "hi"),
        (seen(text="hi", **{"from": "bob"}), '{"text": "hi", "from": "bob"}'),
        (seen(text=None, more=["é", {"x": None}]), '{"more": ["é", {"x": null}]}'),
        (seen(), ""),
        (seen(text=""), ""),
        (seen(reward=1.0, metadata={"answer": "42"}), ""),
        (seen(metadata={"error": "no such move"}), "no such move"),
        (Board([[0, 1]]), "[[0, 1]]"),
        (Word("up"), "up"),
        ({"a": 1}, '{"a": 1}'),
        ("text", "text"),
        (seen(text=IMAGE), NOT_SHOWN),
        (seen(screen=f"data:image/png;base64,{IMAGE}", text="a"),
         f'{{"text": "a", "screen": "{NOT_SHOWN}"}}'),
        (seen(screens=[{"data": IMAGE}]), f'{{"screens": [{{"data": "{NOT_SHOWN}"}}]}}'),
        (seen(text="/9j/ is how a JPEG begins. " * 20), "/9j/ is how a JPEG begins. " * 20),
    ],
)  # fmt: skip
def test_an_observation(observation: Any, text: str) -> None:
    assert observation_to_text(observation) == text
    assert observation_to_text(rt.StepResult(observation, 1.0, True, {})) == text


@pytest.mark.parametrize(
    ("result", "text"),
    [
        ({"content": [{"type": "text", "text": "a"}, {"type": "text", "text": "b"}]}, "a\nb"),
        ({"content": [], "structuredContent": {"n": 1}}, '{"n": 1}'),
        ({"content": [{"type": "image", "data": IMAGE}]}, "(not shown: image)"),
        (
            {"content": [{"type": "text", "text": "a"}, {"type": "image", "data": IMAGE}]},
            "a\n(not shown: image)",
        ),
        ({"content": [{"type": "resource", "resource": {"uri": "a:", "text": "b"}}]}, "b"),
        ({"content": []}, ""),
        (7, "7"),
        (None, "it ended"),
    ],
)
def test_the_result_of_a_tool(result: Any, text: str) -> None:
    reply = ToolReply(result, None, 1.0, True, seen(text="it ended"))
    read = None if result is not None else int
    shown = observation_to_text(read_result(reply, tool="t", read=read))
    assert shown == (text or "it ended")


def test_what_is_too_deep_is_said_and_the_step_counts() -> None:
    deep: dict[str, Any] = {}
    for _ in range(400):
        deep = {"a": deep}
    assert "too deeply" in observation_to_text(seen(deep=deep))


def test_a_step_counts_whose_result_cant_be_read() -> None:
    def read(result: Any) -> str:
        raise KeyError("screen")

    score = Score(Losses("x"), read)
    with pytest.raises(KeyError):
        score.begun(rt.StepResult(seen()))
    with pytest.raises(KeyError):
        score.took(rt.StepResult(seen(), 1.0, True))
    assert (score.value(), score.done) == (1.0, True)
