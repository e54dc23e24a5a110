"""Environments of the Open Reward Standard, written as its package's users write them."""

from __future__ import annotations

import asyncio
from typing import Any

from openreward.environments import (
    Environment,
    ImageBlock,
    Server,
    Split,
    TextBlock,
    ToolOutput,
    terminal,
    tool,
)
from pydantic import BaseModel, Field


class Guess(BaseModel):
    number: int = Field(ge=0, le=100, description="What you think it is.")


class Note(BaseModel):
    lines: list[str]


class Answer(BaseModel):
    text: str


class HigherLower(Environment):
    """A number to guess."""

    @classmethod
    def list_splits(cls) -> list[Any]:
        return ["train", Split(name="hard", type="test")]

    @classmethod
    def list_tasks(cls, split: str) -> list[Any]:
        return [{"secret": 7}, {"secret": 9}] if split == "train" else [{"secret": 99}]

    async def setup(self) -> None:
        await asyncio.sleep(self.task_spec.get("setup_s", 0))
        if self.task_spec.get("fails"):
            raise RuntimeError("no sandbox is free")

    async def get_prompt(self) -> list[Any]:
        return [TextBlock(text="Guess the number."), TextBlock(text="From 0 to 100.")]

    @tool
    async def guess(self, params: Guess) -> ToolOutput:
        """Guess the number."""
        secret = self.task_spec["secret"]
        if params.number == secret:
            return ToolOutput(blocks=[TextBlock(text="right")], reward=1.0, finished=True)
        told = "higher" if params.number < secret else "lower"
        return ToolOutput(blocks=[TextBlock(text=told)], reward=-0.1, metadata={"tries": 1})

    @tool
    async def note(self, params: Note) -> ToolOutput:
        """Write something down."""
        return ToolOutput(blocks=[TextBlock(text="\n".join(params.lines))])

    @tool
    async def look(self) -> ToolOutput:
        """Look at a picture."""
        return ToolOutput(blocks=[ImageBlock(data="AQID", mimeType="image/png")])

    @tool
    async def crash(self) -> ToolOutput:
        """Fail."""
        raise RuntimeError("the environment is broken")

    @tool
    async def wait(self) -> ToolOutput:
        """Take an hour."""
        await asyncio.sleep(3600)
        return ToolOutput(blocks=[])


class Echo(Environment):
    """What the model says is the answer."""

    @classmethod
    def list_splits(cls) -> list[Any]:
        return ["train"]

    @classmethod
    def list_tasks(cls, split: str) -> list[Any]:
        return [{"word": "tree"}]

    async def get_prompt(self) -> list[Any]:
        return [TextBlock(text=f"Say {self.task_spec['word']}.")]

    @terminal
    @tool
    async def submit(self, params: Answer) -> ToolOutput:
        """The answer."""
        is_right = params.text == self.task_spec["word"]
        return ToolOutput(blocks=[], reward=float(is_right), finished=True)


class Sums(Environment):
    """Many tasks, which differ in their fields."""

    @classmethod
    def list_splits(cls) -> list[Any]:
        return ["train", "dev"]

    @classmethod
    def list_tasks(cls, split: str) -> list[Any]:
        marks: list[dict[str, Any]] = [{"level": 1}, {"level": "hard"}, {"tags": [1, "a"]}]
        count = 250 if split == "train" else 2
        return [{"n": n, **marks[n % 3]} for n in range(count)]

    async def get_prompt(self) -> list[Any]:
        return [TextBlock(text=f"What is {self.task_spec['n']} + 1?")]

    @tool
    async def answer(self, params: Answer) -> ToolOutput:
        """The answer."""
        is_right = params.text == str(self.task_spec["n"] + 1)
        return ToolOutput(blocks=[], reward=float(is_right), finished=True)


app = Server([HigherLower, Echo, Sums]).app
