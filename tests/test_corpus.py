"""Contracts of real environments, and hostile ones: what lies beside a checkout, by path."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from envgen.build import build_package
from envgen.contract import parse_contract
from envgen.errors import ContractError, EnvgenError
from envgen.sources import read_contract
from envgen.sources.file import parse_json
from tests.support import build, load, shared, shared_cases
from tests.test_generated import check_types


def sample(schema: dict[str, Any], root: dict[str, Any]) -> st.SearchStrategy[Any]:
    """Instances of the schemas that the corpus has for actions."""
    if "$ref" in schema:
        return sample(root["$defs"][schema["$ref"].rsplit("/", 1)[-1]], root)
    if "const" in schema:
        return st.just(schema["const"])
    if "enum" in schema:
        return st.sampled_from(schema["enum"])
    for keyword in ("anyOf", "oneOf"):
        if keyword in schema:
            return st.one_of([sample(member, root) for member in schema[keyword]])
    json_values = st.recursive(
        st.none() | st.booleans() | st.integers() | st.text(max_size=5),
        lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.text(max_size=5), inner),
        max_leaves=3,
    )
    low, high = schema.get("minimum"), schema.get("maximum")
    match schema.get("type"):
        case "string":
            lengths = {"min_size": schema.get("minLength", 0), "max_size": schema.get("maxLength")}
            return st.text(st.characters(codec="utf-8"), **lengths)
        case "integer":
            return st.integers(low, high)
        case "number":
            return st.floats(low, high, allow_nan=False, allow_infinity=False)
        case "boolean":
            return st.booleans()
        case "null":
            return st.none()
        case "array":
            items = sample(schema.get("items", {}), root)
            least = schema.get("minItems", 0)
            return st.lists(items, min_size=least, max_size=schema.get("maxItems", least + 3))
        case "object" if "properties" in schema:
            fields = {key: sample(value, root) for key, value in schema["properties"].items()}
            # A tag is sent whether it was set or not, so it is always there.
            needed = {
                *schema.get("required", ()),
                *(k for k, v in schema["properties"].items() if "const" in v),
            }
            return st.fixed_dictionaries(
                {key: field for key, field in fields.items() if key in needed},
                optional={key: field for key, field in fields.items() if key not in needed},
            )
        case "object":
            values = schema.get("additionalProperties", True)
            inner = sample(values, root) if isinstance(values, dict) else json_values
            return st.dictionaries(st.text(max_size=5), inner, max_size=3)
        case _:
            return json_values


@pytest.mark.parametrize("file", shared_cases("corpus"))
def test_an_action_of_a_real_environment_round_trips(
    file: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    document = json.loads(file.read_text())
    package = build_package(read_contract(str(file)), tmp_path_factory.mktemp(file.stem[:20]))
    module = load(package.folder)
    env = getattr(module, package.class_name)("http://127.0.0.1:9")
    action_class = env._step_payload.__annotations__["action"]
    action = document["action"]

    @settings(max_examples=20, deadline=None, suppress_health_check=list(HealthCheck))
    @given(sample(action, action))
    def round_trip(instance: Any) -> None:
        made = getattr(module, action_class).model_validate(instance)
        assert env._step_payload(made) == instance

    round_trip()


@pytest.mark.slow
@pytest.mark.parametrize("checker", ["mypy", "pyright"])
def test_clients_of_real_environments_type_check(checker: str, tmp_path: Path) -> None:
    files = shared("corpus")
    if not files:
        pytest.skip("no corpus beside the checkout (set ENVGEN_SHARED)")
    for file in files:
        build_package(read_contract(str(file)), tmp_path / "corpus")
    check_types(checker, tmp_path)


@pytest.mark.parametrize("file", shared_cases("hostile"))
def test_a_hostile_contract_is_refused_or_made_harmless(
    file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    try:
        schema = parse_json(file.read_bytes(), source=file.name)
    except ContractError:
        return
    for part in ("action", "observation", "state"):
        parts = {key: {"type": "object"} for key in ("action", "observation", "state")}
        document = {"name": "hostile_env", **parts, part: schema}
        try:
            build(document, tmp_path / "out" / part)
        except EnvgenError:
            continue
    assert [path.name for path in tmp_path.rglob("PWNED*")] == []
    allowed = {tmp_path / "out" / part for part in ("action", "observation", "state")}
    assert set(tmp_path.glob("out/*")) <= allowed


def test_the_parser_and_the_builder_only_raise_what_users_can_mend(tmp_path: Path) -> None:
    keywords = st.sampled_from(
        ["type", "properties", "items", "anyOf", "$ref", "enum", "const", "default", "allOf",
         "required", "minimum", "pattern", "discriminator", "additionalProperties", "$defs"]
    )  # fmt: skip
    scalars = (
        st.none()
        | st.booleans()
        | st.integers()
        | st.sampled_from(["object", "string", "array", "#", "#/$defs/A", "x", '"""', "\\"])
    )
    schemas = st.recursive(
        scalars,
        lambda inner: st.lists(inner, max_size=3) | st.dictionaries(keywords, inner, max_size=4),
        max_leaves=12,
    )

    @settings(max_examples=300, deadline=None, suppress_health_check=list(HealthCheck))
    @given(st.dictionaries(keywords, schemas, max_size=4))
    def attempt(schema: dict[str, Any]) -> None:
        parts = {key: {"type": "object"} for key in ("observation", "state")}
        try:
            contract = parse_contract({"name": "f", "action": schema, **parts}, source="x")
            build_package(contract, tmp_path)
        except ContractError:
            return

    attempt()
