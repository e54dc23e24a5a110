"""What a schema says, as text that is equal where two say the same."""

from __future__ import annotations

import json
from typing import Any

from ..schema.document import PartDocument
from ..schema.keywords import JsonSchema, as_object, subschemas, without_prose


def canonical(value: Any) -> str:
    """JSON that doesn't depend on the order of keys. Unlike Python, it tells 1 from true."""
    return json.dumps(value, sort_keys=True, ensure_ascii=False)


def value_text(value: Any) -> str:
    """A value as JSON; a whole number is written as one, for 1.0 is 1 in JSON Schema."""
    return canonical(int(value) if isinstance(value, float) and value.is_integer() else value)


def structure(schema: Any) -> Any:
    """A schema without what only people read."""
    fields = as_object(schema)
    return schema if fields is None else without_prose(fields)


def meaning(schema: JsonSchema, document: PartDocument) -> list[str]:
    """A schema, and what is reached from it by reference: equal where all of it is.

    Raises:
        ContractError: a reference leads nowhere.
    """
    own = structure(schema)
    targets: dict[str, str] = {}
    waiting: list[Any] = [own]
    while waiting:
        fields = as_object(waiting.pop()) or {}
        target = fields.get("$ref")
        if isinstance(target, str) and target not in targets:
            found = structure(document.resolve(target, "")[1])
            targets[target] = canonical(found)
            waiting.append(found)
        waiting += [child for child, _ in subschemas(fields, "")]
    return [canonical(own), *sorted(f"{target} {text}" for target, text in targets.items())]
