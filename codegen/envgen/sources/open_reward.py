"""Read the contract of an environment on a server of the Open Reward Standard.

``GET /list_environments`` names its environments, ``GET /ENV/tools`` has a schema for the arguments
of each tool, and ``GET /ENV/splits`` names the tasks that an episode may have (openreward 0.1.167).
"""

from __future__ import annotations

from typing import Any
from urllib.parse import quote, unquote, urlsplit, urlunsplit

from envgen_runtime.json_value import is_text
from envgen_runtime.wire.open_reward import mcp_tool, terminal_tool
from envgen_runtime.wire.redaction import without_secrets

from ..errors import ContractError, EnvgenError
from ..findings import Finding
from ..schema.keywords import JsonSchema, as_array, as_object
from .parsing import Document
from .tool_servers import contract_of
from .url import NotFound, Web

_PROMPT: JsonSchema = {
    "title": "Prompt",
    "description": "The task, as the model is told it.",
    "type": "object",
    "properties": {
        "text": {"type": "string", "description": "The texts of the blocks."},
        "blocks": {
            "type": "array",
            "items": {"type": "object", "additionalProperties": True},
            "description": "The prompt as the server sends it: blocks of text and images.",
        },
    },
    "required": ["text", "blocks"],
}


async def find(web: Web, url: str) -> Document | None:
    """Read the contract of the environment at ``url``; None if no such server answers there.

    The URL is the server's, or that of one of its environments, ``URL/ENV``.

    Raises:
        ContractError: the server has several environments, and the URL names none.
        Unreachable: it doesn't answer, or refuses.
    """
    parent, _, last = urlsplit(url).path.rstrip("/").rpartition("/")
    for path, chosen in ((urlsplit(url).path.rstrip("/"), ""), (parent, unquote(last).lower())):
        base = urlunsplit(urlsplit(url)._replace(path=path, fragment=""))
        try:
            listed = as_array(await web.get(_below(base, "list_environments")))
        except (NotFound, EnvgenError):
            continue
        names = [name for name in listed or [] if isinstance(name, str) and is_text(name)]
        if not names or (chosen and chosen not in names):
            continue
        return await _read(web, base, chosen or _only(names, base))
    return None


def _only(names: list[str], url: str) -> str:
    if len(names) == 1:
        return names[0]
    raise ContractError(
        f"the server has several environments: {', '.join(names[:20])}",
        source=without_secrets(url),
        hint=f"name one: {without_secrets(url).rstrip('/')}/{names[0][:60]}",
    )


async def _read(web: Web, url: str, name: str) -> Document:
    place = _below(url, quote(name, safe=""))
    listed = as_object(await web.get(_below(place, "tools"))) or {}
    tools = [mcp_tool(tool) for tool in map(as_object, as_array(listed.get("tools")) or []) if tool]
    findings: list[Finding] = []
    if (terminal := as_object(listed.get("terminal_tool"))) is not None:
        tools.append(terminal_tool(terminal))
        text = f"{terminal.get('name')} takes what a model says in place of calling a tool"
        findings.append(Finding("info", "/tools", text))
    splits = [
        split["name"]
        for split in map(as_object, as_array(await web.get(_below(place, "splits"))) or [])
        if split is not None and isinstance(split.get("name"), str)
    ]
    wire = {"protocol": "open-reward", "environment": name}
    contract = contract_of(tools=tools, reset=_PROMPT, parameters=_task(splits), wire=wire)
    return Document(contract, without_secrets(place), name, findings=tuple(findings))


def _task(splits: list[Any]) -> JsonSchema:
    """What a reset is given: the place of a task, or a task."""
    named = {"enum": splits} if splits else {"type": "string"}
    return {
        "title": "Task",
        "type": "object",
        "properties": {
            "split": {**named, "description": "The split of the task."},
            "index": {"type": "integer", "minimum": 0, "description": "Its place in the split."},
            "task_spec": {
                "type": "object",
                "additionalProperties": True,
                "description": "A task as the server lists it, in place of split and index.",
            },
        },
        "required": [],
    }


def _below(url: str, name: str) -> str:
    parts = urlsplit(url)
    return urlunsplit(parts._replace(path=f"{parts.path.rstrip('/')}/{name}", fragment=""))
