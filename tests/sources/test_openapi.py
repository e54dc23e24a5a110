"""OpenAPI documents: those that FastAPI makes, OpenEnv's, older ones, broken and hostile ones."""

from __future__ import annotations

import io
import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import yaml

from envgen.demo.server import serving
from envgen.errors import EnvgenError
from envgen.project.build_all import build_all
from envgen.sources import read_contract
from tests.sources.maze import make_app
from tests.support import build, contracts, little_work, load, run, save

A = {"$ref": "#/components/schemas/A"}
TEXT = {"type": "object", "properties": {"text": {"type": "string"}}}


def body(schema: Any) -> dict[str, Any]:
    return {"content": {"application/json": {"schema": schema}}}


def operation(request: Any = None, response: Any = None) -> dict[str, Any]:
    sent = {} if request is None else {"requestBody": body(request)}
    answered = {"description": "ok"} if response is None else body(response)
    return {**sent, "responses": {"200": answered}}


def document(
    paths: dict[str, Any] | None = None, schemas: dict[str, Any] | None = None, **fields: Any
) -> dict[str, Any]:
    done = {"type": "boolean"}
    answer = {"properties": {"observation": TEXT, "done": done}}
    plain = {
        "/step": {"post": operation({"properties": {"action": TEXT}}, answer)},
        "/reset": {"post": operation({}, answer)},
        "/state": {"get": operation(None, TEXT)},
        "/health": {"get": operation()},
    }
    return {
        "openapi": "3.1.0",
        "info": {"title": "Some environment", "version": "1"},
        "paths": {**plain, **(paths or {})},
        "components": {"schemas": schemas or {}},
        **fields,
    }


def step_with(action: Any, schemas: dict[str, Any] | None = None, **fields: Any) -> dict[str, Any]:
    reply = {"properties": {"observation": TEXT, "done": {"type": "boolean"}}}
    step = operation({"properties": {"action": action}}, reply)
    return document({"/step": {"post": step}}, schemas, **fields)


def test_an_episode_with_a_client_from_a_typed_server() -> None:
    with serving(make_app()) as url:
        result = run("build", url)
        assert (result.exit_code, "MazeEnv" in result.stdout) == (0, True)
        maze = load(Path("generated/maze"))
        with maze.MazeEnv(url) as env:
            walls = [maze.Position(x=4)]
            assert env.reset(size=3, walls=walls).observation.here.at.x == 3
            result = env.step(maze.Move(to=maze.Position(x=2)))
            assert (result.observation.here.at.x, result.reward, result.done) == (2, 1.5, False)
            assert result.observation.here.children[0].at.x == 1
            assert env.step(maze.Say(text="hi")).observation.done
            assert [place.x for place in env.state().visited] == [4, 2, 0]


def test_file_url_and_yaml_say_the_same() -> None:
    app = make_app()
    save(app.openapi(), "openapi.json")
    save(yaml.safe_dump(app.openapi(), sort_keys=False), "openapi.yaml")
    with serving(app) as url:
        contracts = [
            read_contract(source).to_json()
            for source in (url, f"{url}/openapi.json", "openapi.json", "openapi.yaml")
        ]
    assert len(set(contracts)) == 1


def test_the_contract_is_saved_and_builds_the_same_package() -> None:
    save(make_app().openapi(), "api.json")
    assert run("build", "api.json").exit_code == 0
    before = Path("generated/maze/models.py").read_bytes()
    saved = json.loads(Path("schemas/maze.json").read_text())
    parts = ["name", "action", "observation", "state", "reset_parameters", "wire"]
    assert list(saved) == parts
    assert set(saved["observation"]["$defs"]) == {"Node", "Position"}
    assert run("build", "schemas/maze.json").stdout.startswith("unchanged")
    assert Path("generated/maze/models.py").read_bytes() == before


def test_a_route_of_another_name_is_pointed_at() -> None:
    api = make_app(step="/act").openapi()
    api["paths"]["/act"]["post"]["operationId"] = "act"
    save(api, "api.json")
    result = run("build", "api.json")
    assert result.exit_code == 1
    assert "error api.json#/paths: no operation looks like step" in result.stderr
    assert "hint name its route with --step-path" in result.stderr
    assert run("build", "api.json", "--step-path", "/act").exit_code == 0
    maze = load(Path("generated/maze"))
    with serving(make_app(step="/act")) as url, maze.MazeEnv(url) as env:
        env.reset()
        assert env.step(maze.Say(text="hi")).reward == 1.5
    save('[tool.envgen.envs.maze]\nsource = "api.json"\nstep_path = "/act"\n', "pyproject.toml")
    assert run("build").stdout.startswith("unchanged")


def test_a_named_route_that_is_not_there() -> None:
    save(make_app().openapi(), "api.json")
    result = run("build", "api.json", "--state-path", "/status")
    assert result.exit_code == 1
    assert "no GET or POST /status, the route configured for state" in result.stderr


def test_several_likely_routes_are_not_guessed_among() -> None:
    paths = {f"/{place}/step": document()["paths"]["/step"] for place in ("a", "b")}
    api = document(paths)
    del api["paths"]["/step"]
    result = run("build", save(api))
    assert result.exit_code == 1
    assert "several operations look like step: POST /a/step, POST /b/step" in result.stderr


def test_routes_below_a_prefix_go_together() -> None:
    app = make_app(prefix="/v1")
    app.post("/admin/reset")(lambda: None)
    with serving(app) as url:
        assert run("build", f"{url}/openapi.json").exit_code == 0
        maze = load(Path("generated/maze"))
        with maze.MazeEnv(f"{url}/v1") as env:
            assert env.reset(size=5).observation.here.at.x == 5


def test_openapi_3_0(folder: Path) -> None:
    action = {
        "type": "object",
        "required": ["level", "note"],
        "properties": {
            "level": {"type": "number", "minimum": 0, "exclusiveMinimum": True},
            "note": {"type": "string", "nullable": True},
        },
    }
    schemas = {"Do": action}
    api = step_with({"$ref": "#/components/schemas/Do"}, schemas, openapi="3.0.3")
    assert run("build", save(api)).exit_code == 0
    package = load(Path("generated/some_env"))
    action_class = package.SomeEnv._step_payload.__annotations__["action"]
    do = getattr(package, action_class)
    assert do(level=0.5, note=None).note is None
    with pytest.raises(ValueError, match="greater than 0"):
        do(level=0, note="x")


def test_a_discriminator_that_names_its_schemas(folder: Path) -> None:
    def tagged(value: str) -> dict[str, Any]:
        kind = {"type": "string", "enum": [value]}
        return {"type": "object", "required": ["kind"], "properties": {"kind": kind}}

    references = [{"$ref": f"#/components/schemas/{name}"} for name in ("Go", "Stop")]
    discriminator = {"propertyName": "kind", "mapping": {"go": "Go", "stop": "Stop"}}
    union = {"oneOf": references, "discriminator": discriminator}
    contract = read_contract(
        save(step_with(union, {"Go": tagged("go"), "Stop": tagged("stop"), "Other": TEXT}))
    )
    assert contract.parts["action"]["discriminator"]["mapping"]["go"] == "#/$defs/Go"
    assert set(contract.parts["action"]["$defs"]) == {"Go", "Stop"}
    module = build(json.loads(contract.to_json()), folder)
    assert module.Go(kind="go").kind == "go"


def test_an_action_that_is_recursive() -> None:
    tree = {
        "type": "object",
        "properties": {"left": {"$ref": "#/components/schemas/Tree"}, "value": {"type": "integer"}},
    }
    api = step_with({"$ref": "#/components/schemas/Tree"}, {"Tree": tree})
    assert run("build", save(api)).exit_code == 0
    tree_class = load(Path("generated/some_env")).Tree
    assert tree_class(left=tree_class(value=3)).left.value == 3


def test_what_a_server_does_not_type_is_said() -> None:
    result = run("build", save(document({"/state": {"get": operation(None, {})}})))
    assert result.exit_code == 0
    assert "the reply of GET /state has no type" in result.stderr
    result = run("build", save(document({"/state": {}})))
    assert result.exit_code == 0
    assert "no operation looks like state: the state is the base State" in result.stderr
    free = operation(None, {"properties": {"observation": {"type": "object"}, "done": {}}})
    result = run("build", save(document({"/reset": {"post": free}})))
    assert result.exit_code == 0
    assert "the observation in the reply of POST /reset has no fields" in result.stderr


@pytest.mark.parametrize(
    ("api", "says"),
    [
        ({"swagger": "2.0", "paths": {}}, "#/swagger: envgen reads OpenAPI 3.0, 3.1 and 3.2"),
        ({"openapi": "4.0.0", "paths": {}}, "#/openapi: envgen reads OpenAPI 3.0, 3.1 and 3.2"),
        ({"openapi": "3.1.0"}, "x.json: no operation looks like step"),
        ({"openapi": "3.1.0", "paths": {"/step": {"post": 3}}}, "no operation looks like step"),
        (
            step_with({"$ref": "#/components/schemas/Gone"}),
            "a $ref to '#/components/schemas/Gone', which is not there",
        ),
        (
            step_with(
                {"$ref": "#/components/schemas/A"}, {"A": {"$ref": "#/components/schemas/A"}}
            ),
            "a reference to itself",
        ),
        (step_with({"$ref": "#/components/schemas"}, {"type": 3}), "/type: type can't be 3"),
        (step_with({"$ref": "http://127.0.0.1:1/x"}), "a $ref that leaves the document"),
        (
            step_with({"properties": {"a": {"$ref": "other.json"}}}),
            "json/schema/properties/action/properties/a/$ref: a $ref that leaves the document",
        ),
        (
            step_with({"$ref": "#/components/schemas/A"}, {"A": {"type": "text", "enum": [1]}}),
            "x.json#/components/schemas/A/type: type can't be 'text'",
        ),
        (step_with({"type": "object"}), "POST /step takes an action without a type"),
    ],
)
def test_refused(api: dict[str, Any], says: str) -> None:
    result = run("build", save(api))
    assert result.exit_code == 1
    assert says in result.stderr
    assert "Traceback" not in result.output
    assert not Path("generated").exists()


@pytest.mark.slow
def test_a_broken_document_is_refused_or_read_but_never_a_traceback() -> None:
    """Every value in turn is made into something else."""
    api = make_app().openapi()
    places: list[tuple[Any, Any]] = []

    def collect(value: Any) -> None:
        for key in list(value) if isinstance(value, dict) else range(len(value)):
            places.append((value, key))
            if isinstance(value[key], dict | list):
                collect(value[key])

    collect(api)
    assert len(places) > 200
    for holder, key in places:
        old = holder[key]
        for other in (None, 3, "x", [], {}, True, {"$ref": "#"}, {"$ref": 3}, [[]]):
            holder[key] = other
            try:
                read_contract(save(api), name="x")
            except EnvgenError as error:
                assert str(error)  # noqa: PT017
        holder[key] = old


@pytest.mark.parametrize("file", [path for path in contracts("hostile") if path.stem[:3] == "oa_"])
def test_hostile_documents(file: Path, folder: Path) -> None:
    for arguments in (["build", str(file)], ["build", str(file), "--step-path", "/x", "--bundle"]):
        result = run(*arguments)
        assert result.exit_code == 1
        assert "Traceback" not in result.output
    assert list(folder.iterdir()) == []


def test_hostile_text_in_a_document_that_has_a_step(folder: Path) -> None:
    title = "\"\"\"\n__import__('pathlib').Path('PWNED').touch()\n../../x"
    api = step_with({"$ref": f"#/components/schemas/{title.replace('/', '~1')}"}, {title: TEXT})
    api["info"]["title"] = title
    result = run("build", save(api))
    assert result.exit_code in (0, 1)
    for package in folder.glob("generated/*/"):
        load(package)
    assert {path.name for path in folder.iterdir()} <= {"generated", "schemas", "x.json"}


def test_standard_input(monkeypatch: pytest.MonkeyPatch) -> None:
    text = yaml.safe_dump(make_app().openapi()).encode()
    monkeypatch.setattr("sys.stdin", SimpleNamespace(buffer=io.BytesIO(text)))
    assert not build_all(["-"]).errors
    assert Path("generated/maze").is_dir()


def test_many_schemas_of_one_name_take_no_longer_than_others() -> None:
    count = 1_500
    references = {f"f{n}": {"$ref": f"#/x-schemas/{n}/same"} for n in range(count)}
    schemas = [{"same": {"type": "integer"}} for _ in range(count)]
    api = step_with({"type": "object", "properties": references}, **{"x-schemas": schemas})
    with little_work():
        definitions = read_contract(save(api)).parts["action"]["$defs"]
    assert list(definitions)[:3] == ["same", "same_2", "same_3"]
    assert len(definitions) == count
