"""What [tool.envgen] chooses for a package: names, transport, place, strictness."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.support import action, contract, load, observation, run, save

Configure = Callable[[str], None]


@pytest.fixture
def configure(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Configure:
    """Writes the settings of ``do_env``; its contract is in schemas/."""
    monkeypatch.chdir(tmp_path)
    save(contract(), "schemas/do_env.json")

    def write(settings: str) -> None:
        Path("pyproject.toml").write_text(f"[tool.envgen.envs.do_env]\n{settings}\n")

    return write


def test_the_transport_of_a_client_that_is_told_none(configure: Configure) -> None:
    configure('transport = "http"')
    assert run("build").exit_code == 0
    module = load(Path("generated/do_env"))
    assert module.DoEnv.default_transport == "http"
    assert module.DoEnv("http://x")._calls.transport == "http"
    assert module.AsyncDoEnv("http://x", transport="auto")._calls.transport == "auto"
    locked = json.loads(Path("generated/envgen.lock").read_text())["packages"]["do_env"]
    assert locked["transport"] == "http"
    configure('transport = "carrier pigeon"')
    refused = run("build")
    assert refused.exit_code == 1
    assert "tool.envgen.envs.do_env.transport: Input should be" in refused.stderr


def test_names_are_chosen(configure: Configure) -> None:
    save(
        action(
            {"class": {"type": "string"}, "place": {"$ref": "#/$defs/Place"}},
            required=["class"],
            **{"$defs": {"Place": {"type": "object", "properties": {"x": {"type": "integer"}}}}},
        ),
        "schemas/do_env.json",
    )
    configure('naming = { DoAction = "Do", Place = "Spot", "Do.class_" = "kind" }')
    assert run("build").exit_code == 0
    module = load(Path("generated/do_env"))
    sent = module.DoEnv("http://x")._step_payload(module.Do(kind="a", place=module.Spot(x=1)))
    assert sent == {"class": "a", "place": {"x": 1}}
    assert not hasattr(module, "DoAction")
    assert run("build").stdout.startswith("unchanged")
    configure('naming = { DoAction = "Do" }')
    assert run("build").stdout.startswith("    wrote"), "another naming is another package"


@pytest.mark.parametrize(
    ("naming", "message"),
    [
        ('{ Nobody = "Some" }', "naming.Nobody: the package has no such name to replace"),
        ('{ "DoAction.nothing" = "x" }', 'naming."DoAction.nothing": the package has no such'),
        ('{ DoAction = "DoState" }', "naming.DoAction: DoState is taken"),
        ('{ DoState = "DoAction" }', "naming.DoState: DoAction is taken"),
        ('{ DoAction = "DoEnv" }', "naming.DoAction: DoEnv is taken"),
        ('{ DoAction = "import os" }', "'import os' is not a valid class name"),
        ('{ DoAction = "Any" }', "'Any' is not a valid class name"),
        ('{ "DoAction.text" = "class" }', "'class' is not a valid field name"),
        ('{ "DoAction.text" = "model_dump" }', "'model_dump' is not a valid field name"),
        ('{ "DoAction.text" = "more" }', 'naming."DoAction.text": more is taken'),
    ],
)
def test_names_that_cannot_be_had(configure: Configure, naming: str, message: str) -> None:
    properties = {"text": {"type": "string"}, "more": {"type": "string"}}
    save(action(properties), "schemas/do_env.json")
    configure(f"naming = {naming}")
    refused = run("build")
    assert refused.exit_code == 1
    assert "tool.envgen.envs.do_env.naming" in refused.stderr
    assert message in refused.stderr
    assert not Path("generated/do_env").exists()


def test_names_may_be_swapped(configure: Configure) -> None:
    configure('naming = { DoAction = "DoState", DoState = "DoAction" }')
    assert run("build").exit_code == 0
    module = load(Path("generated/do_env"))
    assert module.DoState(text="x").text == "x"


def test_a_package_in_a_folder_of_its_own(configure: Configure) -> None:
    save(contract(name="other_env"), "schemas/other_env.json")
    configure('out = "clients"')
    assert run("build").exit_code == 0
    assert Path("clients/do_env/client.py").is_file()
    assert Path("generated/other_env/client.py").is_file()
    for folder, name in (("clients", "do_env"), ("generated", "other_env")):
        lock = json.loads(Path(folder, "envgen.lock").read_text())
        assert list(lock["packages"]) == [name]
    assert run("build", "--check").exit_code == 0
    assert run("sync", "--check").exit_code == 0
    Path("schemas/other_env.json").unlink()
    assert run("build", "--remove-stale").exit_code == 0
    assert not Path("generated/other_env").exists()
    assert Path("clients/do_env").exists()


# --- strict ---------------------------------------------------------------------------------------


def test_strict_takes_no_warnings(configure: Configure) -> None:
    configure("")
    save(observation({"x": {"type": "integer"}}, **{"not": {}}), "schemas/do_env.json")
    assert run("build", "--strict").exit_code == 1
    assert not Path("generated/do_env").exists()
    loose = run("build")
    assert loose.exit_code == 0
    assert "warning" in loose.stderr
    refused = run("build", "--strict")
    assert refused.exit_code == 1, "also where the package is there already"
    assert "do_env.json#/observation" in refused.stderr
    Path("pyproject.toml").write_text("[tool.envgen]\nstrict = true\n")
    assert run("build").exit_code == 1
    save(contract(), "schemas/do_env.json")
    assert run("build").exit_code == 0
