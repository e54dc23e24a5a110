"""Hypothesis strategies: JSON, JSON Schemas, and instances that fit a schema or nearly do."""

from __future__ import annotations

import copy
from typing import Any

from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st

from envgen_runtime.contract.references import References

KEYS = (
    "a",
    "b-c",
    "class",
    "schema",
    "größe",
    "Any",
    "_x",
    "a_b",
    "a-b",
    "1st",
    "self",
    "model_dump",
)

TEXT = st.text(st.characters(codec="utf-8"), max_size=6)

_FLOATS = st.floats(allow_nan=False, allow_infinity=False)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | _FLOATS | TEXT,
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(TEXT, inner, max_size=2),
    max_leaves=4,
)

_NEAR = (None, True, False, 0, 1, -1, 1.0, 0.5, 2**70, "", "1", "true", [], [1], {}, {"a": 1})


def drawing(count: int) -> settings:
    """Settings for programs that draw examples and judge them later: no shrinking, no database."""
    return settings(
        max_examples=count,
        deadline=None,
        database=None,
        suppress_health_check=[*HealthCheck],
        phases=[Phase.generate],
    )


@st.composite
def scalars(draw: st.DrawFn) -> dict[str, Any]:
    """Schemas of what isn't made of other things."""
    kind = draw(
        st.sampled_from(["string", "integer", "number", "boolean", "null", "enum", "const"])
    )
    match kind:
        case "enum":
            return {"enum": draw(st.lists(JSON, min_size=1, max_size=4))}
        case "const":
            return {"const": draw(JSON)}
        case "string":
            least = draw(st.integers(0, 3))
            limits = {"minLength": least, "maxLength": least + draw(st.integers(0, 4))}
        case "integer" | "number":
            least = draw(st.integers(-10, 10))
            limits = {"minimum": least, "exclusiveMaximum": least + draw(st.integers(2, 20))}
            if kind == "integer":  # pydantic allows for rounding in multiples of fractions
                limits["multipleOf"] = 2
        case _:
            limits = {}
    chosen = draw(st.sets(st.sampled_from(sorted(limits)))) if limits else set()
    return {"type": kind, **{key: limits[key] for key in chosen}}


def _composed(inner: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    arrays = st.fixed_dictionaries(
        {"type": st.just("array"), "items": inner},
        optional={"maxItems": st.integers(1, 3), "uniqueItems": st.booleans()},
    )
    tuples = st.lists(inner, min_size=1, max_size=2).map(
        lambda items: {
            "type": "array",
            "prefixItems": items,
            "items": False,
            "minItems": len(items),
        }
    )
    maps = st.fixed_dictionaries(
        {"type": st.just("object"), "additionalProperties": inner},
        optional={"maxProperties": st.integers(1, 3)},
    )
    unions = st.fixed_dictionaries({"anyOf": st.lists(inner, min_size=1, max_size=3)})
    both = st.fixed_dictionaries({"allOf": st.tuples(inner, st.just({})).map(list)})
    return arrays | tuples | maps | unions | both | objects(inner)


@st.composite
def objects(draw: st.DrawFn, inner: st.SearchStrategy[Any]) -> dict[str, Any]:
    """Schemas of objects with fields, some of whose names Python doesn't take."""
    properties = draw(st.dictionaries(st.sampled_from(KEYS), inner, min_size=1, max_size=4))
    required = draw(st.sets(st.sampled_from(sorted(properties))))
    return {
        "type": "object",
        "properties": properties,
        "required": sorted(required),
        "additionalProperties": draw(st.booleans() | inner),
    }


SCHEMAS = st.recursive(scalars() | st.just({}), _composed, max_leaves=6)


def instances(schema: Any, root: Any) -> st.SearchStrategy[Any]:
    """Instances that fit ``schema``, for the keywords that are used here and in real contracts."""
    if isinstance(schema, bool) or schema == {}:  # nothing fits false: anything will do
        return JSON
    if "$ref" in schema:
        return st.deferred(lambda: instances(References(root).resolve(schema["$ref"]), root))
    if "const" in schema:
        return st.just(schema["const"])
    if "enum" in schema:
        return st.sampled_from(schema["enum"])
    for keyword in ("anyOf", "oneOf", "allOf"):
        if keyword in schema:
            return st.one_of([instances(member, root) for member in schema[keyword][:3]])
    if isinstance(schema.get("type"), list):
        return st.one_of([instances({**schema, "type": kind}, root) for kind in schema["type"]])
    return _of_type(schema, root)


def _of_type(schema: dict[str, Any], root: Any) -> st.SearchStrategy[Any]:
    low, high = schema.get("minimum"), schema.get("maximum", schema.get("exclusiveMaximum"))
    if low is not None and high is not None:
        high = max(low, high)  # nothing fits: what nearly does will do
    match schema.get("type"):
        case "string":
            characters = st.characters(codec="utf-8")
            least = schema.get("minLength", 0)
            most = max(least, schema.get("maxLength", least + 8))
            return st.text(characters, min_size=least, max_size=most)
        case "integer":
            return st.integers(low, high)
        case "number":
            return st.floats(low, high, allow_nan=False, allow_infinity=False) | (
                st.integers(-(2**70), 2**70) if low is None and high is None else st.nothing()
            )
        case "boolean":
            return st.booleans()
        case "null":
            return st.none()
        case "array":
            return _array(schema, root)
        case "object":
            return _object(schema, root)
        case _:
            return JSON


def _array(schema: dict[str, Any], root: Any) -> st.SearchStrategy[Any]:
    fixed = schema.get("prefixItems", schema.get("items"))
    if isinstance(fixed, list):
        return st.tuples(*[instances(item, root) for item in fixed]).map(list)
    items = instances(schema.get("items", {}), root)
    least = schema.get("minItems", 0)
    return st.lists(items, min_size=least, max_size=max(least, schema.get("maxItems", least + 3)))


def _object(schema: dict[str, Any], root: Any) -> st.SearchStrategy[Any]:
    properties: dict[str, Any] = schema.get("properties", {})
    fields = {key: instances(child, root) for key, child in properties.items()}
    # A tag isn't required where it has a default, but a union with a discriminator lives by it.
    tags = {
        key for key, child in properties.items() if isinstance(child, dict) and "const" in child
    }
    required = tags | set(schema.get("required", ()))
    named = st.fixed_dictionaries(
        {key: fields[key] for key in fields if key in required},
        optional={key: fields[key] for key in fields if key not in required},
    )
    rest = schema.get("additionalProperties", not properties)
    if rest is False:
        return named
    keys = TEXT.filter(lambda key: key not in properties)
    more = st.dictionaries(keys, instances(rest, root), max_size=schema.get("maxProperties", 2))
    return st.builds(lambda one, other: {**other, **one}, named, more)


@st.composite
def mutated(draw: st.DrawFn, instance: Any) -> Any:
    """``instance`` with one place in it changed: another value, a field more, a field less."""
    changed = copy.deepcopy(instance)
    places: list[tuple[Any, Any]] = []
    waiting: list[Any] = [changed]
    while waiting:
        value = waiting.pop()
        if isinstance(value, dict | list):
            keys = list(value) if isinstance(value, dict) else range(len(value))
            places += [(value, key) for key in keys]
            waiting += [value[key] for key in keys]
    if not places:
        return {"unknown": draw(st.sampled_from(_NEAR))}
    holder, key = draw(st.sampled_from(places))
    match draw(st.sampled_from(["change", "change", "change", "remove", "add"])):
        case "remove":
            del holder[key]
        case "add" if isinstance(holder, dict):
            holder["unknown"] = draw(st.sampled_from(_NEAR))
        case "add":
            holder.append(draw(st.sampled_from(_NEAR)))
        case _:
            holder[key] = draw(st.sampled_from(_NEAR))
    return changed


# --- whole contracts, in every dialect ----------------------------------------------------------

DIALECTS = (
    None,
    "http://json-schema.org/draft-04/schema#",
    "http://json-schema.org/draft-07/schema#",
    "https://json-schema.org/draft/2019-09/schema",
    "https://json-schema.org/draft/2020-12/schema",
)


@st.composite
def dated(draw: st.DrawFn, inner: st.SearchStrategy[Any] = SCHEMAS) -> Any:
    """Schemas as OpenAPI 3.0 and drafts before 2020-12 write them."""
    match draw(st.sampled_from(["nullable", "bound", "tuple", "dependencies", "plain"])):
        case "nullable":
            return {**draw(inner), "nullable": draw(st.booleans())}
        case "bound":
            bound = {"exclusiveMinimum": draw(st.booleans()), "minimum": draw(st.integers(-5, 5))}
            return {"type": draw(st.sampled_from(["integer", "number"])), **bound}
        case "tuple":
            items = draw(st.lists(inner, min_size=1, max_size=2))
            rest = draw(st.sampled_from([{}, {"additionalItems": False}]))
            return {"type": "array", "items": items, **rest}
        case "dependencies":
            return {**draw(objects(inner)), "dependencies": {"a": draw(st.just(["b-c"]) | inner)}}
        case _:
            return draw(inner)


@st.composite
def referring(draw: st.DrawFn) -> dict[str, Any]:
    """Objects that refer to definitions: by pointer, by anchor or by ``$id``, or to themselves."""
    holder = draw(st.sampled_from(["$defs", "definitions"]))
    name = draw(st.sampled_from(["N", "a/b", "größe", "$ref"]))
    definition = draw(dated())
    match draw(st.sampled_from(["pointer", "anchor", "id", "itself"])):
        case "anchor":
            definition, target = {**definition, "$anchor": "n"}, "#n"
        case "id":
            definition, target = {**definition, "$id": "urn:x:n"}, "urn:x:n"
        case "itself":
            target = "#"
        case _:
            target = f"#/{holder}/{name.replace('/', '~1')}"
    beside = draw(st.sampled_from([{}, {"description": "beside"}, {"nullable": True}]))
    schema = draw(objects(dated()))
    schema["properties"]["next"] = {"$ref": target, **beside}
    return {**schema, holder: {name: definition}}


@st.composite
def contracts(draw: st.DrawFn) -> dict[str, Any]:
    """Contracts as servers publish them, whose parts are objects of any dialect."""
    document: dict[str, Any] = {"name": "drawn_env"}
    parts = ["action", "observation", "state", *draw(st.sampled_from([[], ["reset_observation"]]))]
    for part in parts:
        schema = {"title": f"My{part.title().replace('_', '')}", **draw(referring())}
        dialect = draw(st.sampled_from(DIALECTS))
        document[part] = schema if dialect is None else {"$schema": dialect, **schema}
    return document
