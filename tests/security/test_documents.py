"""Documents of strangers in every form: JSON and YAML, contracts and OpenAPI, whole and broken."""

from __future__ import annotations

import copy
import json
import random
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, cast

import pytest
import yaml

from envgen.errors import ContractError, EnvgenError
from envgen.plan.planner import make_plan
from envgen.sources import read_contract
from tests.openapi import apps, sessions
from tests.support import ROOT, calls_up_to, run, save
from tests.unit.test_limits import REFUSED


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def written(document: Any, name: str) -> str:
    text = json.dumps(document) if name.endswith(".json") else yaml.safe_dump(document)
    return save(text, name)


def refuse(document: Any, name: str) -> None:
    source = written(document, name)
    with calls_up_to(20_000_000), pytest.raises(ContractError) as caught:
        make_plan(read_contract(source))
    assert "\n" not in str(caught.value)
    assert len(str(caught.value)) < 2_000


# --- documents that would take too long -----------------------------------------------------------

SEED = apps.seed().openapi()


def changed(*path: str | int, value: Any) -> dict[str, Any]:
    """The document of an app with another value somewhere."""
    document: Any = copy.deepcopy(SEED)
    inner = document
    for key in path[:-1]:
        inner = inner[key]
    inner[path[-1]] = value
    return cast("dict[str, Any]", document)


def as_openapi(contract: dict[str, Any]) -> dict[str, Any]:
    """A contract as the document of an app whose action and observation have its types."""
    document = copy.deepcopy(SEED)
    schemas = document["components"]["schemas"]
    for part, name in (("action", "Move"), ("observation", "Place")):
        schema = dict(contract[part])
        schemas |= schema.pop("$defs", {})
        schemas[name] = schema
    moved = json.dumps(schemas).replace("#/$defs/", "#/components/schemas/")
    return {**document, "components": {"schemas": json.loads(moved)}}


NOT_IN_OPENAPI = ("definitions", "a definition's name", "tools", "the environment's name")
"""What isn't reached from an operation isn't read; tools and names are not schemas."""

AS_YAML = ("a name", "a text", "a constant", "members", "counted patterns", "tools")


@pytest.mark.slow
@pytest.mark.parametrize("case", AS_YAML)
def test_a_contract_of_yaml_that_would_take_too_long(case: str) -> None:
    refuse(REFUSED[case], "x.yaml")


@pytest.mark.slow
@pytest.mark.parametrize("case", [name for name in REFUSED if name not in NOT_IN_OPENAPI])
def test_a_document_of_openapi_that_would_take_too_long(case: str) -> None:
    refuse(as_openapi(REFUSED[case]), "x.json")


PATHS = {path: item for path, item in SEED["paths"].items() if path != "/step"}
STEPS = SEED["paths"]["/step"]
BODY = STEPS["post"]["requestBody"]["content"]["application/json"]["schema"]
VARIABLES = {"base": {"default": "x" * 1000}}
LONG_PATH = "/step" + "".join(f"/{{a{index}}}" for index in range(999))
ROUTES: dict[str, dict[str, Any]] = {
    "a long path": changed("paths", value={**PATHS, LONG_PATH: STEPS}),
    "no path": changed("paths", value={**PATHS, "step/{": STEPS}),
    "long servers": changed("servers", value=[{"url": "{base}" * 50, "variables": VARIABLES}] * 99),
    "many steps": changed("paths", value=PATHS | {f"/e{i}/step": STEPS for i in range(999)}),
    "bodies": changed(
        *("paths", "/step", "post", "requestBody", "content", "application/json", "schema"),
        value={"anyOf": [BODY] * 2000},
    ),
}


@pytest.mark.parametrize("case", ROUTES)
def test_routes_that_no_client_can_use(case: str) -> None:
    refuse(ROUTES[case], "x.json")


# --- documents that are broken somewhere ----------------------------------------------------------

ODD: list[Any] = [
    None, True, False, 5, -1, 1.5, "", "x", "/", "{", "{}", "#", "#/", "\0", "\ud800", "a" * 3000,
    [], [[]], [5], [{}], {}, {"": {}}, {"a": [{"b": None}]}, {"$ref": "#"}, {"$ref": 5}, "\u202e",
    {"$ref": "#/paths"}, {"type": []}, {"enum": [{}]}, {"anyOf": []}, {"allOf": [False]}, "$ref",
    {"pattern": "("}, {"multipleOf": 0}, {"minimum": "x"}, {"items": [{}]}, "/../x", "/a?b#c", "//",
    "#/components/schemas/X", "#/$defs/X", "{a}{a}", "2XX", "cookie", "header", "$defs", "allOf",
    "anyOf", "properties", "required", "discriminator", "$dynamicRef", "$anchor", "__class__",
]  # fmt: skip


def places(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    if path:
        yield path
    keys = (
        value if isinstance(value, dict) else range(len(value)) if isinstance(value, list) else ()
    )
    for key in cast("list[Any]", keys):
        yield from places(value[key], (*path, key))


def at(document: Any, path: tuple[Any, ...]) -> Any:
    for key in path:
        document = document[key]
    return document


def broken(document: dict[str, Any], draw: random.Random) -> dict[str, Any]:
    """A document with one to three values, or names of values, that don't belong there."""
    document = copy.deepcopy(document)
    for _ in range(draw.choice([1, 1, 2, 3])):
        found = [*places(document)]
        if not found:
            break
        path = draw.choice(found)
        parent, key = at(document, path[:-1]), path[-1]
        kind = draw.random()
        if kind < 0.1:
            del parent[key]
        elif kind < 0.3 and isinstance(parent, dict):
            name = draw.choice([odd for odd in ODD if isinstance(odd, str)])
            parent[name] = parent.pop(key)
        elif kind < 0.5:
            parent[key] = copy.deepcopy(at(document, draw.choice(found)))
        else:
            parent[key] = copy.deepcopy(draw.choice(ODD))
    return document


APPS: list[Callable[[], Any]] = [apps.seed, sessions.by_path, sessions.by_cookie]
CONTRACTS = [
    {"name": "x_env", **json.loads(path.read_text())}
    for path in sorted((ROOT / "tests/golden").glob("*/*.json"))
]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("documents", "number"),
    [([app().openapi() for app in APPS], 300), ([c for c in CONTRACTS if "action" in c], 300)],
    ids=["OpenAPI", "contracts"],
)
def test_a_broken_document_is_read_or_refused(documents: list[Any], number: int) -> None:
    read = 0
    for seed in range(number):
        draw = random.Random(seed)
        document = broken(draw.choice(documents), draw)
        try:
            make_plan(read_contract(save(json.dumps(document))))
        except EnvgenError as refused:
            text = str(refused)
        except Exception as error:
            error.add_note(f"of document {seed}")
            raise
        else:
            text = ""
            read += 1
        assert "\n" not in text, seed
    assert number / 20 < read < number, "the documents are no longer broken in part"


def test_a_part_that_is_only_a_reference_to_another_part() -> None:
    place = {"title": "Place", "type": "object", "properties": {"at": {"type": "integer"}}}
    document = {
        "name": "walk_env",
        "action": {"type": "object"},
        "observation": {"title": "Reply", "$ref": "#/$defs/Place", "$defs": {"Place": place}},
        "reset_observation": place,
        "state": {"type": "object"},
    }
    built = run("build", save(document))
    assert built.exit_code == 0, built.output
