"""Keywords of older drafts, written as 2020-12 has them."""

from __future__ import annotations

from ..json_value import as_array, as_object
from .keywords import DEFINITIONS, DESCRIBING, JsonSchema
from .normal_form import DRAFT_7, DRAFT_2020_12

_SINCE_2019 = frozenset(
    {
        "$anchor", "dependentRequired", "dependentSchemas", "maxContains", "minContains",
        "unevaluatedItems", "unevaluatedProperties",
    }
)  # fmt: skip
_SINCE_2020 = frozenset({"$dynamicAnchor", "$dynamicRef", "prefixItems"})


def in_2020_12(schema: JsonSchema, dialect: str) -> JsonSchema:
    """Return a schema in normal form as 2020-12 says it; the schemas within it stay as they are.

    What the schema's own dialect ignores is left out: the siblings of a ``$ref`` in draft 7 (those
    that describe stay), and keywords of newer drafts.

    Args:
        schema: one schema of a document.
        dialect: the ``$schema`` of the document.
    """
    if dialect == DRAFT_7 and "$ref" in schema:
        kept = {"$ref", *DESCRIBING, *DEFINITIONS}
        return {key: value for key, value in schema.items() if key in kept}
    ignored: set[str] = {"additionalItems", "dependencies"}
    if dialect != DRAFT_2020_12:
        ignored |= _SINCE_2020
    if dialect == DRAFT_7:
        ignored |= _SINCE_2019
    result = {key: value for key, value in schema.items() if key not in ignored}
    fixed = as_array(schema.get("items"))
    if fixed is not None and dialect != DRAFT_2020_12:
        result["prefixItems"] = fixed
        if "additionalItems" in schema:
            result["items"] = schema["additionalItems"]
        else:
            del result["items"]
        if not fixed:
            del result["prefixItems"]
    # Validators read it in every dialect, though newer ones say it otherwise.
    for name, needed in (as_object(schema.get("dependencies")) or {}).items():
        if isinstance(needed, list):
            known = result.get("dependentRequired", {})
            both = [*known.get(name, []), *(as_array(needed) or [])]
            result["dependentRequired"] = {**known, name: list(dict.fromkeys(both))}
        else:
            known = result.get("dependentSchemas", {})
            both_schemas = {"allOf": [known[name], needed]} if name in known else needed
            result["dependentSchemas"] = {**known, name: both_schemas}
    return result
