"""The row of a data set that a trainer gives to ``reset``, and what a model reads first."""

from __future__ import annotations

import inspect
import re
from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from functools import cache
from typing import Any, TypeAlias, cast

from ..clients.tasks import TASK_COLUMNS, TASK_JSON
from ..contract.contract import has_contract, package_contract
from ..json_value import as_object
from ..printable import printable

Rows: TypeAlias = Iterable[Mapping[str, Any]]
"""Rows of a data set: dictionaries, an environment's tasks, or a ``datasets.Dataset``."""

_OURS = frozenset({"self", "timeout_s"})


def reset_arguments(
    client: type, row: Mapping[str, Any], columns: Collection[str] = ()
) -> dict[str, Any]:
    """The arguments of ``reset`` that a row has. Its other columns are the trainer's.

    A null is left out: data sets have one wherever a row lacks what another has. The row of a task
    (``TaskRow``) gives ``split`` and ``index``, whatever the contract says.

    Args:
        client: the generated client's class. Its contract says what its ``reset`` takes; ``seed``
            and ``episode_id`` are always taken.
        row: the row, by the names of its columns.
        columns: more columns that are arguments, for an environment whose contract doesn't say.

    Raises:
        TypeError: ``columns`` is a text.
    """
    if isinstance(columns, str):
        raise TypeError(f'columns are names, such as columns=["level"], not {columns!r}')
    known = reset_parameters(client)
    if TASK_JSON in row:
        columns = {*columns, *TASK_COLUMNS}
    found: dict[str, Any] = {}
    for column, value in row.items():
        name = known.get(column, column if column in columns else None)
        if name is not None and value is not None:
            found[name] = value
    return found


def first_messages(
    prompt: str | Sequence[Mapping[str, Any]] | None, observation: str, told: str = ""
) -> list[dict[str, Any]]:
    """The messages that an episode begins with: a row's prompt, then the first observation.

    Chat templates want something of a user, and users' messages one at a time. So the observation
    ends a user's last message, and where there are no messages a user's is "Begin.".

    Args:
        prompt: a text, or messages, as of OpenAI's Chat Completions.
        observation: what the model reads of the reset; "" if nothing.
        told: what the system message says beside the prompt's; "" if nothing.

    Raises:
        TypeError: the prompt is neither.
    """
    if prompt is None or isinstance(prompt, str):
        messages = [{"role": "user", "content": prompt}] if prompt else []
    else:
        messages = messages_of(prompt)
    if told and messages and messages[0].get("role") == "system":
        messages[0]["content"] = _added(messages[0].get("content"), told)
    elif told:
        messages.insert(0, {"role": "system", "content": told})
    if observation and messages and messages[-1].get("role") == "user":
        messages[-1]["content"] = _added(messages[-1].get("content"), observation)
    elif observation or all(message.get("role") == "system" for message in messages):
        messages.append({"role": "user", "content": observation or "Begin."})
    return messages


def row_of(given: object) -> dict[str, Any]:
    """A row, copied.

    Raises:
        TypeError: it is none, as what a table or a ``DatasetDict`` iterates over.
    """
    row = cast("Mapping[object, Any]", given)
    if not isinstance(given, Mapping) or not all(isinstance(name, str) for name in row):
        text = printable(f"{row!r}", 100)
        raise TypeError(f'rows are dictionaries, such as [{{"seed": 1}}], or a Dataset, not {text}')
    return dict(cast("Mapping[str, Any]", row))


def messages_of(prompt: Iterable[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """The messages of a row's prompt that is no text, copied.

    Raises:
        TypeError: it is no list of messages.
    """
    try:
        return [dict(message) for message in prompt]
    except (TypeError, ValueError):
        given = printable(repr(prompt), 100)
        raise TypeError(f"a prompt is a text or a list of messages, not {given}") from None


def _added(content: Any, text: str) -> Any:
    if isinstance(content, list):  # blocks, as of models that see
        return [*content, {"type": "text", "text": text}]  # pyright: ignore[reportUnknownVariableType]
    return f"{content}\n\n{text}" if content else text


@cache
def reset_parameters(client: type) -> Mapping[str, str]:
    """The parameters of a client's ``reset``, by the names that columns may have."""
    signature = inspect.signature(client.reset)  # type: ignore[attr-defined]
    names = [
        name
        for name, parameter in signature.parameters.items()
        if name not in _OURS and parameter.kind is not parameter.VAR_KEYWORD
    ]
    known = {name.rstrip("_"): name for name in names} | {name: name for name in names}
    return _by_wire_name(client, known) | known


def _by_wire_name(client: type, known: Mapping[str, str]) -> dict[str, str]:
    """The parameters whose name in the contract is no name of Python's, such as ``max-steps``."""
    if not has_contract(client):
        return {}
    schema = as_object(package_contract(client).get("reset_parameters")) or {}
    wire_names = as_object(schema.get("properties")) or {}
    spelled = {name: re.sub(r"\W", "_", name) for name in wire_names if name not in known}
    times = Counter(spelled.values())
    return {
        name: known[spelling]
        for name, spelling in spelled.items()
        if spelling in known and spelling not in wire_names and times[spelling] == 1
    }
