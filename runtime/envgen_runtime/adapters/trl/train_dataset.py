"""Rows of any source as a ``datasets.Dataset`` whose rows reach ``reset`` as they were."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from importlib import import_module
from typing import Any, TypeAlias

from ...errors import MissingExtra
from ..rows import Rows, messages_of, row_of

Message: TypeAlias = dict[str, Any]

_SCALARS = (str, int, float, bool)
_MAX_INTEGER = 2**63


def train_dataset(rows: Rows, prompt: Sequence[Message]) -> Any:
    """Return a data set with a conversation in its column ``prompt``.

    Args:
        rows: the rows. A row's own ``prompt`` stays; a text is what the user says.
        prompt: the conversation of rows that have none.

    Raises:
        MissingExtra: ``datasets`` isn't installed.
        ValueError: there are no rows.
        TypeError: what should be rows or prompts are none.
    """
    try:
        library: Any = import_module("datasets")
    except ImportError as error:
        raise MissingExtra("a data set", extra="trl") from error
    if isinstance(rows, library.Dataset):
        made: Any = rows
        own = made["prompt"] if "prompt" in made.column_names else [None] * len(made)
        others = made.remove_columns("prompt") if "prompt" in made.column_names else made
        parts = [others] if others.column_names else []
    else:
        given = [row_of(row) for row in rows]
        own = [row.pop("prompt", None) for row in given]
        parts = _from_rows(given, library)
    prompts = [_conversation(asked, prompt) for asked in own]
    if not prompts:
        raise ValueError("there are no rows to train with")
    parts.insert(0, library.Dataset.from_dict({"prompt": prompts}))
    return library.concatenate_datasets(parts, axis=1)


def _conversation(own: Any, default: Sequence[Message]) -> list[Message]:
    if own is None:
        return [dict(message) for message in default]
    if isinstance(own, str):
        system = [dict(message) for message in default if message["role"] == "system"]
        return [*system, {"role": "user", "content": own}]
    return messages_of(own)


def _from_rows(rows: Sequence[Mapping[str, Any]], library: Any) -> list[Any]:
    """The columns of rows, as data sets that belong side by side.

    Arrow gives every object of a column the fields of all others, as nulls, and numbers one type.
    So what isn't plain is kept as JSON, which is read back as it was.
    """
    names = dict.fromkeys(name for row in rows for name in row)
    columns = {name: [row.get(name) for row in rows] for name in names}
    plain = {name: values for name, values in columns.items() if _is_plain(values)}
    nested = {name: values for name, values in columns.items() if name not in plain}
    parts: list[Any] = []
    if plain:
        parts.append(library.Dataset.from_dict(plain))
    if nested:
        features = library.Features({name: library.Json() for name in nested})
        parts.append(library.Dataset.from_dict(nested, features=features))
    return parts


def _is_plain(values: Iterable[Any]) -> bool:
    """Whether values are scalars of one type, or null."""
    given = [value for value in values if value is not None]
    if len({type(value).__name__ for value in given}) > 1:
        return False
    return all(
        isinstance(value, _SCALARS) and not (isinstance(value, int) and abs(value) >= _MAX_INTEGER)
        for value in given
    )
