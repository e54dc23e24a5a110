"""Sources that were written wrongly: each is refused in a line, with the way out."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, Response
from starlette.routing import Route

from envgen.demo.server import serving
from tests.support import contract, run, save

OPENENV = {
    "openapi": "3.1.0",
    "info": {"title": "OpenEnv Environment HTTP API", "version": "1"},
    "paths": {
        "/step": {
            "post": {
                "requestBody": {
                    "content": {
                        "application/json": {
                            "schema": {
                                "type": "object",
                                "properties": {"action": {"type": "object"}},
                            }
                        }
                    }
                },
                "responses": {},
            }
        }
    },
}
"""The action as OpenEnv's own document types it."""


def refused(*arguments: str) -> str:
    """What the command says; it exits with an error, and says it in a line and a hint."""
    result = run(*arguments)
    assert result.exit_code in (1, 3)
    assert "Traceback" not in result.output
    lines = result.stderr.splitlines()
    assert [line.split()[0] for line in lines] in (["error", "hint"], ["error"])
    assert not Path("generated").exists()
    return result.stderr


def serve_page(_request: Request) -> Response:
    return HTMLResponse("<!doctype html>\n<html><head><title>Log in &amp; go</title></head></html>")


@pytest.mark.parametrize(
    ("source", "way_out"),
    [
        ("", "is a variable unset"),
        (" ", "is a variable unset"),
        ("127.0.0.1:8000", "write http://127.0.0.1:8000 for a server"),
        ("localhost:8000", "write http://localhost:8000 for a server"),
        ("env-server:8000/v1", "write http://env-server:8000/v1 for a server"),
        ("me-maze.hf.space", "write https://me-maze.hf.space for a server"),
        ("ws://127.0.0.1:8000", "write http://127.0.0.1:8000"),
        ("htp://127.0.0.1:8000", "sources begin with http://"),
        ("maze:latest", "write docker://maze:latest for an image"),
        ("me/maze", "hf://OWNER/NAME for a Space"),
        ("schemas/x_evn.json", "did you mean schemas/x_env.json?"),
        ("./gone", "name a contract file"),
        ("gone.json", "name a contract file"),
        ("x_env", "the settings have no x_env; name its source: envgen build schemas/x_env.json"),
        ("x_emv", "did you mean envgen build schemas/x_env.json?"),
        ("mazes", "did you mean envgen build maze?"),
        ("schemas", "envgen build schemas/x_env.json"),
        ("empty", "name an image, a project's folder"),
        ("hf://maze", "a Space is OWNER/NAME"),
    ],
)
def test_a_source_that_is_none(source: str, way_out: str) -> None:
    save(contract(), "schemas/x_env.json")
    save('[tool.envgen.envs.maze]\nsource = "m.json"\n', "pyproject.toml")
    Path("empty").mkdir()
    if source in ("schemas", "empty"):
        Path("pyproject.toml").unlink()
    assert way_out in refused("build", source)


@pytest.mark.parametrize(
    ("source", "way_out"),
    [
        ("./typo", "./typo: no such folder"),
        ("envs/typo/", "envs/typo/: no such folder"),
        ("", "nothing that can be started"),
        ("-", "nothing that can be started"),
        ("http://127.0.0.1:8000", "envgen build URL"),
        ("x.json", "envgen build x.json"),
    ],
)
def test_nothing_to_start(source: str, way_out: str) -> None:
    save(contract())
    assert way_out in refused("run", source)


@pytest.mark.parametrize(
    ("document", "says", "way_out"),
    [
        (
            contract()["action"],
            "x.json: this is a single schema (DoAction), not a contract",
            '{"action": {...}, "observation": {...}}',
        ),
        ("<!DOCTYPE html><title>Docs</title>", "x.json: a web page (Docs), not", "curl URL/schema"),
    ],
)
def test_a_file_that_is_no_contract(document: object, says: str, way_out: str) -> None:
    message = refused("build", save(document))
    assert says in message
    assert way_out in message


@pytest.mark.parametrize("page", ["/docs", "/web", "/web/", "/redoc", "/docs#/default/step"])
def test_the_address_of_a_page(page: str) -> None:
    schema = Route("/schema", lambda _request: JSONResponse(contract()))
    pages = [Route(path, serve_page) for path in ("/docs", "/web", "/web/", "/redoc")]
    with serving(Starlette(routes=[schema, *pages])) as url:
        assert f"name the server's base URL: {url}\n" in refused("build", f"{url}{page}")


def test_a_server_that_answers_with_a_page_whatever_is_asked() -> None:
    with serving(Starlette(routes=[Route("/{path:path}", serve_page)])) as url:
        said = refused("build", url)
    assert f"{url}/schema: a web page (Log in & go), not a contract" in said


def test_a_schema_that_the_server_fails_to_make() -> None:
    """Its OpenAPI document is no answer either, and not what is wrong."""
    routes = [
        Route("/schema", lambda _request: Response("Internal Server Error", 500)),
        Route("/openapi.json", lambda _request: JSONResponse(OPENENV)),
    ]
    with serving(Starlette(routes=routes)) as url:
        for source in (url, f"{url}/openapi.json"):
            assert f"{url}/schema: the server answered HTTP 500\n" in refused("build", source)


def test_a_server_without_a_schema() -> None:
    routes = [Route("/openapi.json", lambda _request: JSONResponse(OPENENV))]
    with serving(Starlette(routes=routes)) as url:
        said = refused("build", url)
    assert f"{url}/schema: the server has no such route (HTTP 404)" in said
    assert "in openapi.json POST /step takes an action without a type" in said
    assert "write the contract as a file" in said
    assert "name the server's URL" not in said


@pytest.mark.parametrize("unreachable", ["http://127.0.0.1:9", "http://{subdomain}.invalid"])
def test_a_space_that_does_not_exist(unreachable: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is not waited for: the hub answers in place of a Space that sleeps."""
    monkeypatch.setenv("ENVGEN_HUB_SPACES", unreachable)
    assert "check the Space's name" in refused("build", "hf://me/maze")


def test_a_space_that_the_hub_does_not_know(monkeypatch: pytest.MonkeyPatch) -> None:
    with serving(Starlette()) as url:
        monkeypatch.setenv("ENVGEN_HUB_SPACES", f"{url}/{{subdomain}}")
        said = refused("build", "hf://me/maze")
    assert "hf://me/maze" in said
    assert "there is no such server, or it is private" in said


# --- a folder in the project ----------------------------------------------------------------------


@pytest.fixture
def subfolder(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    save(contract(), "schemas/do_env.json")
    save('[tool.envgen]\nout = "clients"\n', "pyproject.toml")
    below = folder / "src" / "below"
    below.mkdir(parents=True)
    save("[project]\n", str(below.parent / "pyproject.toml"))
    monkeypatch.chdir(below)
    return below


def test_the_project_is_built_from_a_folder_in_it(folder: Path, subfolder: Path) -> None:
    built = run("build")
    assert built.stdout == "    wrote clients/do_env  DoEnv from schemas/do_env.json\n"
    assert (folder / "clients" / "do_env" / "client.py").is_file()
    lock = (folder / "clients" / "envgen.lock").read_bytes()
    assert run("build", "--check").exit_code == 0
    assert json.loads(lock)["packages"]["do_env"]["source"] == "schemas/do_env.json"
    assert run("sync", "--check").stdout == "do_env: no change\n"
    assert Path.cwd() == subfolder
    assert list(subfolder.iterdir()) == []


def test_options_are_relative_to_where_one_is(subfolder: Path) -> None:
    assert run("build", "--out", "here").exit_code == 0
    assert (subfolder / "here" / "do_env" / "client.py").is_file()


def test_a_source_is_relative_to_where_one_is(subfolder: Path) -> None:
    assert run("build", save(contract(), "own.json")).exit_code == 0
    assert (subfolder / "generated" / "do_env").is_dir()


def test_settings_of_another_repository_do_not_count(subfolder: Path) -> None:
    (subfolder / ".git").mkdir()
    assert "nothing to build" in run("build").stderr
