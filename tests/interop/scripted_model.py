"""A server of Chat Completions whose model does as a script says, in a stream or at once."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

Script = Callable[[list[dict[str, Any]]], "str | list[tuple[str, Any]]"]
"""From the messages so far to what the model answers: a text, or calls with their arguments."""


def calls_in_turn(*calls: tuple[str, Any], then: str = "That is all.") -> Script:
    """A model that makes these calls, one for each answer, and ends with a text."""

    def script(messages: list[dict[str, Any]]) -> str | list[tuple[str, Any]]:
        made = sum(message["role"] == "assistant" for message in messages)
        return [calls[made]] if made < len(calls) else then

    return script


def scripted_model(script: Script, asked: list[dict[str, Any]]) -> Starlette:
    """The server; ``asked`` gets the bodies of the requests."""

    async def chat(request: Request) -> Response:
        body = await request.json()
        asked.append(body)
        answer = script(body["messages"])
        message: dict[str, Any] = {"role": "assistant", "content": answer}
        if not isinstance(answer, str):
            message = {"role": "assistant", "content": None, "tool_calls": [
                {"index": index, "id": f"call_{len(body['messages'])}_{index}", "type": "function",
                 "function": {"name": name, "arguments": json.dumps(arguments)}}
                for index, (name, arguments) in enumerate(answer)
            ]}  # fmt: skip
        reason = "stop" if isinstance(answer, str) else "tool_calls"
        usage = {"prompt_tokens": 1, "completion_tokens": 1, "total_tokens": 2}
        known = {"id": "c", "created": 0, "model": "m", "usage": usage}
        if not body.get("stream"):
            choice = {"index": 0, "finish_reason": reason, "message": message}
            return JSONResponse({**known, "object": "chat.completion", "choices": [choice]})
        choices = [
            {"index": 0, "finish_reason": None, "delta": message},
            {"index": 0, "finish_reason": reason, "delta": {}},
        ]
        chunks = [
            {**known, "object": "chat.completion.chunk", "choices": [choice]} for choice in choices
        ]
        lines = [f"data: {json.dumps(chunk)}\n\n" for chunk in chunks]
        return Response("".join([*lines, "data: [DONE]\n\n"]), media_type="text/event-stream")

    return Starlette(routes=[Route("/v1/chat/completions", chat, methods=["POST"])])
