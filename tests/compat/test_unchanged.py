"""A contract that a server publishes unchanged has not changed: neither for a client nor for diff.

Every case builds a package from a server, or from what it publishes, and asks both: the client with
``on_drift="error"``, and ``envgen diff PACKAGE URL``.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from hypothesis import HealthCheck, given, reject, settings
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route, WebSocketRoute
from starlette.websockets import WebSocket

import envgen_runtime as rt
from envgen.contract.contract import parse_contract
from envgen.demo.server import serving
from envgen.errors import ContractError
from tests.strategies import contracts
from tests.support import ROOT, contract, contract_cases, load, run, save

GOLDEN = sorted((ROOT / "tests" / "golden").glob("*/contract.json"))
BASE_STATE = {
    "title": "State",
    "type": "object",
    "properties": {"episode_id": {"type": "string"}, "step_count": {"type": "integer"}},
}
OWN_STATE = {"title": "OwnState", "type": "object", "properties": {"score": {"nullable": True}}}


class Publisher:
    """A server that publishes one contract after the other, and refuses every request."""

    def __init__(self) -> None:
        self.url = ""
        self.document: Any = None
        self.name: str | None = None
        self.requests = 0
        self.app = Starlette(
            routes=[
                Route("/schema", self._schema),
                Route("/metadata", self._metadata),
                WebSocketRoute("/ws", self._session),
            ]
        )

    async def _schema(self, _request: Request) -> Response:
        return JSONResponse(self.document)

    async def _metadata(self, _request: Request) -> Response:
        return Response(status_code=404) if self.name is None else JSONResponse({"name": self.name})

    async def _session(self, websocket: WebSocket) -> None:
        await websocket.accept()
        await websocket.receive_text()
        self.requests += 1
        data = {"message": "refused", "code": "EXECUTION_ERROR"}
        await websocket.send_json({"type": "error", "data": data})


@pytest.fixture(scope="module")
def publisher() -> Iterator[Publisher]:
    found = Publisher()
    with serving(found.app) as found.url:
        yield found


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, publisher: Publisher) -> Path:
    monkeypatch.chdir(tmp_path)
    publisher.name = None
    return tmp_path


def built(source: str, *options: str) -> Path:
    """Build one source; return the package's folder."""
    result = run("build", source, *options, "--force")
    assert result.exit_code == 0, result.output
    return Path(result.stdout.split("generated/")[1].split()[0])


def drift(package: ModuleType, url: str) -> tuple[str, ...] | None:
    """What a client says has changed; None if it has sent its request to the server."""
    client = next(
        value
        for name, value in vars(package).items()
        if name.endswith("Env") and isinstance(value, type) and issubclass(value, rt.EnvClient)
    )
    with client(url, on_drift="error") as env, pytest.raises(rt.EnvError) as caught:
        rt.EnvClient.reset(env)
    return caught.value.drift if isinstance(caught.value, rt.ContractDrift) else None


def check_unchanged(publisher: Publisher, document: Any, *options: str) -> None:
    publisher.document = document
    before = publisher.requests
    name = built(publisher.url, *options).name
    package = Path("generated") / name
    assert drift(load(package), publisher.url) is None
    assert publisher.requests == before + 1, "the client's request arrived"
    result = run("diff", str(package), publisher.url, "--fail-on", "info")
    assert result.exit_code == 0
    assert result.stdout.endswith(": no change\n")


@pytest.mark.slow
@pytest.mark.parametrize("file", contract_cases("corpus"))
def test_contracts_of_real_environments(file: Path, publisher: Publisher) -> None:
    check_unchanged(publisher, json.loads(file.read_text()), "--name", file.stem)


# An MCP server publishes no /schema.
OF_ENVIRONMENTS = [file for file in GOLDEN if "action" in json.loads(file.read_text())]


@pytest.mark.slow
@pytest.mark.parametrize("file", OF_ENVIRONMENTS, ids=lambda file: file.parent.name)
def test_golden_contracts(file: Path, publisher: Publisher) -> None:
    check_unchanged(publisher, json.loads(file.read_text()))


@pytest.mark.slow
@settings(max_examples=20, deadline=None, suppress_health_check=[*HealthCheck], database=None)
@given(document=contracts())
def test_contracts_of_any_dialect(document: dict[str, Any], publisher: Publisher) -> None:
    try:
        parse_contract(document, source="drawn")
    except ContractError:
        reject()  # such as an $anchor, which draft 7 doesn't know
    check_unchanged(publisher, document)


@pytest.mark.parametrize("published", [None, "SomeEnvironment"])
def test_a_name_that_the_user_chose(published: str | None, publisher: Publisher) -> None:
    document = contract()
    del document["name"]
    publisher.name = published
    check_unchanged(publisher, document, "--name", "my_env")


@pytest.mark.parametrize("state", [BASE_STATE, {"type": "object"}, {**BASE_STATE, "title": "X"}])
def test_a_state_that_the_user_gave(state: Any, publisher: Publisher) -> None:
    overlay = save(OWN_STATE, "state.json")
    check_unchanged(publisher, contract(state=state), "--state", overlay)


def test_a_file_that_was_saved_from_the_server(publisher: Publisher) -> None:
    """Its name is the file's, which says nothing about the server."""
    publisher.document = {key: value for key, value in contract().items() if key != "name"}
    publisher.name = "another"
    name = built(save(publisher.document, "mine.json")).name
    assert name == "mine"
    assert run("diff", "generated/mine", publisher.url).stdout == "another: no change\n"


def test_a_package_of_envgen_0_1(publisher: Publisher) -> None:
    """Its contract.json has no dialect and lists nothing as unpublished."""
    publisher.document = contract(action={"type": "object", "properties": {"x": {"type": "null"}}})
    package = Path("generated") / built(publisher.url).name
    saved = json.loads((package / "contract.json").read_text())
    for part in ("action", "observation", "state"):
        del saved[part]["$schema"]
    (package / "contract.json").write_text(json.dumps(saved))
    assert drift(load(package), publisher.url) is None
    assert "no change" in run("diff", str(package), publisher.url).stdout


# --- what has changed is still said -------------------------------------------------------------


def changed(publisher: Publisher, before: Any, after: Any, *options: str) -> tuple[str, ...]:
    """What a client says of a server that changed its contract; diff says something too."""
    publisher.document = before
    package = Path("generated") / built(publisher.url, *options).name
    publisher.document = after
    told = drift(load(package), publisher.url)
    assert told is not None
    assert "no change" not in run("diff", str(package), publisher.url).stdout
    return told


FIELD = {"title": "SeeObservation", "type": "object", "properties": {"x": {"const": 1}}}


def test_a_reset_observation_is_compared(publisher: Publisher) -> None:
    other = {**FIELD, "properties": {"x": {"const": 2}}}
    before = contract(reset_observation=FIELD)
    assert changed(publisher, before, contract(reset_observation=other)) == (
        "/reset_observation/properties/x/const: 1 became 2",
    )


def test_one_is_not_true(publisher: Publisher) -> None:
    other = {**FIELD, "properties": {"x": {"const": True}}}
    assert changed(publisher, contract(observation=FIELD), contract(observation=other)) == (
        "/observation/properties/x/const: 1 became True",
    )


def test_null_that_is_not_allowed_any_more(publisher: Publisher) -> None:
    def nullable(value: bool) -> Any:
        x = {"type": "string", "nullable": value}
        return contract(observation={**FIELD, "properties": {"x": x}})

    (line,) = changed(publisher, nullable(True), nullable(False))
    assert line == "/observation/properties/x/type: ['string', 'null'] became 'string'"


def test_a_chain_of_references_is_followed(publisher: Publisher) -> None:
    def chained(type_: str) -> Any:
        definitions = {"A": {"$ref": "#/$defs/B"}, "B": {"type": type_}}
        x = {"$ref": "#/$defs/A"}
        return contract(observation={**FIELD, "properties": {"x": x}, "$defs": definitions})

    assert changed(publisher, chained("string"), chained("integer")) == (
        "/observation/properties/x/type: 'string' became 'integer'",
    )


def test_reset_parameters_are_compared(publisher: Publisher) -> None:
    def with_level(type_: str) -> Any:
        return contract(
            reset_parameters={"type": "object", "properties": {"level": {"type": type_}}}
        )

    assert changed(publisher, with_level("string"), with_level("integer")) == (
        "/reset_parameters/properties/level/type: 'string' became 'integer'",
    )


def test_a_base_state_is_no_drift(publisher: Publisher) -> None:
    """A server publishes it that says less than it sends."""
    publisher.document = contract(state=OWN_STATE)
    package = Path("generated") / built(publisher.url).name
    publisher.document = contract(state=BASE_STATE)
    assert drift(load(package), publisher.url) is None


def test_an_overlay_that_was_edited_is_a_change() -> None:
    source, state = save(contract(state=BASE_STATE)), save(OWN_STATE, "state.json")
    save(f'[tool.envgen.envs.do_env]\nsource = "{source}"\nstate = "{state}"\n', "pyproject.toml")
    assert run("build").exit_code == 0
    save({**OWN_STATE, "properties": {"points": {}}}, "state.json")
    result = run("sync")
    assert "/state/properties/points: points is new" in result.output


@pytest.mark.parametrize(
    "published",
    [
        {"type": 5, "properties": [], "required": [1, {}], "anyOf": 7, "items": "x"},
        {"$ref": "#/nowhere"},
        {"$ref": "#"},
        {"$ref": "#/$defs/A", "$defs": {"A": {"$ref": "#/$defs/A"}}},
        {"nullable": True, "enum": 5, "type": {"a": []}},
        json.loads('{"items":' * 150 + "{}" + "}" * 150),
    ],
    ids=["malformed", "nowhere", "itself", "circle", "nullable", "deep"],
)
def test_what_is_no_schema_is_a_change(published: Any, publisher: Publisher) -> None:
    publisher.document = contract()
    package = Path("generated") / built(publisher.url).name
    publisher.document = contract(action=published)
    assert drift(load(package), publisher.url)
