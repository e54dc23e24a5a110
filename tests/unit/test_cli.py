"""The command as its users meet it: what it prints, what it writes, how it exits."""

from __future__ import annotations

import io
import json
import sys
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace

import pytest

from envgen.demo.environment import CodingEnvironment
from envgen.demo.server import create_app, serving
from tests.support import ROOT, action, contract, load, run, save


@pytest.fixture(autouse=True)
def in_an_empty_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


@pytest.fixture(scope="module")
def server() -> Iterator[str]:
    document = json.loads((ROOT / "schemas" / "coding_env.json").read_text())
    with serving(create_app(document, CodingEnvironment)) as url:
        yield url


def files() -> list[str]:
    return sorted(str(path) for path in Path().rglob("*") if path.is_file())


PACKAGE = ["__init__.py", "client.py", "contract.json", "models.py", "py.typed"]


def test_a_file() -> None:
    result = run("build", save(contract()))
    assert (result.exit_code, result.stderr) == (0, "")
    assert result.stdout == "    wrote generated/do_env  DoEnv from x.json\n"
    assert files() == [
        *(f"generated/do_env/{file}" for file in PACKAGE),
        "generated/envgen.lock",
        "x.json",
    ]


def test_a_file_without_a_name_is_called_by_its_own() -> None:
    document = {key: value for key, value in contract().items() if key != "name"}
    assert run("build", save(document, "maze-env.json")).exit_code == 0
    assert Path("generated/maze_env").is_dir()


def test_a_build_that_changes_nothing_says_so() -> None:
    run("build", save(contract()))
    assert run("build", "x.json").stdout.startswith("unchanged generated/do_env")


def test_name_and_out() -> None:
    assert run("build", save(contract()), "--name", "other", "--out", "here").exit_code == 0
    assert Path("here/other/client.py").read_text().count("class OtherEnv(")


def test_standard_input(monkeypatch: pytest.MonkeyPatch) -> None:
    text = json.dumps(contract()).encode()
    monkeypatch.setattr(sys, "stdin", SimpleNamespace(buffer=io.BytesIO(text)))
    from envgen.project.build_all import build_all

    assert not build_all(["-"]).errors
    assert Path("generated/do_env").is_dir()


def test_a_live_server(server: str) -> None:
    result = run("build", server)
    assert (result.exit_code, result.stderr) == (0, "")
    saved = json.loads(Path("schemas/coding_env.json").read_text())
    assert (saved["name"], saved["action"]["title"]) == ("coding_env", "CodeAction")
    assert "CodingEnv" in Path("generated/coding_env/client.py").read_text()


def test_everything_in_schemas() -> None:
    Path("schemas").mkdir()
    save(contract(), "schemas/do_env.json")
    save({**contract(), "name": "see_env"}, "schemas/see_env.json")
    assert run("build").exit_code == 0
    assert sorted(path.name for path in Path("generated").iterdir() if path.is_dir()) == [
        "do_env",
        "see_env",
    ]


def test_what_the_settings_list() -> None:
    save('[tool.envgen]\nsources = ["x.json"]\nout = "clients"\n', "pyproject.toml")
    save(contract())
    assert run("build").exit_code == 0
    assert Path("clients/do_env").is_dir()


def test_the_same_bytes_wherever_it_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    source = ROOT / "schemas" / "warehouse_env.json"
    outputs: list[dict[str, bytes]] = []
    for place in ("here", "somewhere/else"):
        (tmp_path / place).mkdir(parents=True)
        monkeypatch.chdir(tmp_path / place)
        save("[tool.black]\nline-length = 20\n", "pyproject.toml")
        assert run("build", str(source)).exit_code == 0
        outputs.append(
            {file: Path("generated/warehouse_env", file).read_bytes() for file in PACKAGE}
        )
    assert outputs[0] == outputs[1]
    assert str(tmp_path).encode() not in b"".join(outputs[0].values())


def test_findings_are_printed() -> None:
    document = action({"x": {"type": "string", "not": {}}})
    result = run("build", save(document))
    assert result.exit_code == 0
    assert "warning x.json#/action/properties/x/not: not isn't checked" in result.stderr


@pytest.mark.parametrize(
    ("arguments", "code", "says"),
    [
        (["build"], 1, "schemas/: nothing to build"),
        (["build", "gone.json"], 1, "gone.json: can't be read: No such file or directory"),
        (["build", "bad.json"], 1, "bad.json: not JSON"),
        (["build", "list.json"], 1, "list.json: a list without tools"),
        (["build", "type.json"], 1, "type.json#/action/properties/x/type: type can't be 'text'"),
        (["build", "ref.json"], 1, "ref.json#/action/properties/x: a $ref to #/$defs/Y"),
        (["build", "http://127.0.0.1:9"], 3, "http://127.0.0.1:9/schema: can't be reached"),
        (["build", "--name", "x"], 2, "--name needs exactly one source"),
        (["build", "--nonsense"], 2, "No such option: --nonsense"),
        (["nonsense"], 2, "No such command 'nonsense'"),
    ],
)
def test_errors(arguments: list[str], code: int, says: str) -> None:
    save("{", "bad.json")
    save("[]", "list.json")
    save(action({"x": {"type": "text"}}), "type.json")
    save(action({"x": {"$ref": "#/$defs/Y"}}), "ref.json")
    result = run(*arguments)
    assert result.exit_code == code
    assert says in result.stderr
    assert "Traceback" not in result.output
    assert not Path("generated").exists()


def test_a_server_without_a_schema(server: str) -> None:
    result = run("build", f"{server}/nowhere")
    assert result.exit_code == 1
    assert "hint servers before OpenEnv 0.2 publish no schema" in result.stderr


def test_one_bad_source_does_not_keep_the_others() -> None:
    result = run("build", "gone.json", save(contract()))
    assert result.exit_code == 1
    assert Path("generated/do_env").is_dir()


def test_two_sources_of_one_name() -> None:
    result = run("build", save(contract()), save(contract(), "y.json"))
    assert result.exit_code == 1
    assert "y.json: x.json has the same name, do_env" in result.stderr


def test_a_wrong_setting_is_named() -> None:
    save("[tool.envgen]\noutput = 'x'\n", "pyproject.toml")
    result = run("build")
    assert result.exit_code == 1
    assert "pyproject.toml: tool.envgen.output" in result.stderr


def test_what_a_stranger_owns_is_not_overwritten() -> None:
    Path("generated/do_env").mkdir(parents=True)
    save("precious", "generated/do_env/main.py")
    result = run("build", save(contract()))
    assert result.exit_code == 1
    assert Path("generated/do_env/main.py").read_text() == "precious"


def test_help_names_the_exit_codes() -> None:
    assert "3 a server" in run("build", "--help").stdout
    assert run("--version").stdout.startswith("envgen ")


def test_a_configured_environment_is_built_by_its_name_and_with_the_others() -> None:
    save(
        '[tool.envgen.envs.maze_env]\nsource = "x.json"\n[tool.envgen.envs.other_env]\n',
        "pyproject.toml",
    )
    save(contract())
    Path("schemas").mkdir()
    save(contract(), "schemas/other_env.json")
    save({**contract(), "name": "see_env"}, "schemas/see_env.json")
    assert run("build", "maze_env").exit_code == 0
    assert [path.parent.name for path in Path("generated").glob("*/client.py")] == ["maze_env"]
    assert run("build").exit_code == 0
    built = sorted(path.name for path in Path("generated").iterdir() if path.is_dir())
    assert built == ["maze_env", "other_env", "see_env"]


def test_a_client_of_another_name() -> None:
    save('[tool.envgen.envs.do_env]\nsource = "x.json"\nclass_name = "Doer"\n', "pyproject.toml")
    save(action({"x": {}}, title="Doer"))
    assert run("build").stdout == "    wrote generated/do_env  Doer from x.json\n"
    package = load(Path("generated/do_env"))
    assert {"Doer", "AsyncDoer"} < set(package.__all__)
    assert package.Doer._step_payload.__annotations__["action"] != "Doer"


@pytest.mark.parametrize(
    ("settings", "says"),
    [
        ("[tool.envgen.envs.maze]\nsauce = 'x'\n", "tool.envgen.envs.maze.sauce: Extra inputs"),
        ("[tool.envgen.envs.maze]\ntimeout_s = 0\n", "tool.envgen.envs.maze.timeout_s: "),
        ("[tool.envgen.envs.MazeEnv]\n", "tool.envgen.envs: 'MazeEnv' is not a valid package name"),
        ("[tool.envgen.envs.maze]\nstep_path = 'act'\n", "tool.envgen.envs.maze.step_path: "),
        (
            "[tool.envgen.envs.x_env]\nclass_name = 'x'\n",
            "tool.envgen.envs.x_env.class_name: 'x' is",
        ),
        (
            "[tool.envgen.envs.x_env]\nclass_name = 'EnvClient'\n",
            "tool.envgen.envs.x_env.class_name: 'EnvClient' is not a valid class name",
        ),
        ("[tool]\nenvgen = 3\n", "tool.envgen: "),
        ("tool = 3\n", "tool: not a table"),
    ],
)
def test_a_wrong_setting_of_an_environment_is_named(settings: str, says: str) -> None:
    save(settings, "pyproject.toml")
    result = run("build")
    assert result.exit_code == 1
    assert f"pyproject.toml: {says}" in result.stderr
