"""Contracts of real environments, and hostile ones."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from envgen.build import build_package
from envgen.contract.contract import parse_contract
from envgen.errors import ContractError, EnvgenError
from envgen.sources import read_contract
from envgen.sources.parsing import parse_json
from tests.strategies import instances
from tests.support import CPU_LIMIT_S, build, contract_cases, contracts, load
from tests.test_generated import check_types


@pytest.mark.slow
@pytest.mark.parametrize("file", contract_cases("corpus"))
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
    @given(instances(action, action))
    def round_trip(instance: Any) -> None:
        made = getattr(module, action_class).model_validate(instance)
        assert env._step_payload(made) == instance

    round_trip()


@pytest.mark.slow
@pytest.mark.parametrize("checker", ["mypy", "pyright"])
def test_clients_of_real_environments_type_check(checker: str, tmp_path: Path) -> None:
    for file in contracts("corpus"):
        build_package(read_contract(str(file)), tmp_path / "corpus")
    check_types(checker, tmp_path)


@pytest.mark.slow
@pytest.mark.parametrize("file", contract_cases("hostile"))
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


# Builds every contract within a limit of memory, and prints the most processor time that one took.
_WITHIN_LIMITS = """
import resource, time
from pathlib import Path
from envgen.project.build_all import build_all
resource.setrlimit(resource.RLIMIT_AS, (2**30, 2**30))
resource.setrlimit(resource.RLIMIT_CPU, (600, 600))
longest = 0.0
for contract in sorted(Path().glob("*.json")):
    start = time.process_time()
    build_all([str(contract)], out=Path("out"))
    longest = max(longest, time.process_time() - start)
print(longest)
"""


@pytest.mark.slow
def test_hostile_contracts_take_little_time_and_memory_and_type_check(tmp_path: Path) -> None:
    plain = {"type": "object", "properties": {}}
    for number, file in enumerate(contracts("hostile")):
        try:
            schema = parse_json(file.read_bytes(), source=file.name)
        except ContractError:
            continue
        for part in ("action", "observation"):
            parts = {"action": plain, "observation": plain, "state": plain, part: schema}
            contract = tmp_path / f"h{number}_{part}.json"
            contract.write_text(json.dumps({"name": contract.stem, **parts}))
    done = subprocess.run(
        [sys.executable, "-c", _WITHIN_LIMITS],
        cwd=tmp_path, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert float(done.stdout) < CPU_LIMIT_S, "for one contract"
    assert not [*tmp_path.rglob("PWNED*")]
    for checker in ("mypy", "pyright"):
        check_types(checker, tmp_path / "out")


@pytest.mark.slow
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
