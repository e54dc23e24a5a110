"""envgen.lock: what is up to date, what was edited, what is nobody's any more."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from envgen.cli import app
from envgen.output.apply import Mode, discard
from envgen.output.lock import read_lock
from tests.support import action, contract

CLIENT = Path("generated/do_env/client.py")
LOCK = Path("generated/envgen.lock")


@pytest.fixture(autouse=True)
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    Path("schemas").mkdir()
    save(contract())
    return tmp_path


def save(document: dict[str, Any], name: str = "do_env") -> None:
    Path(f"schemas/{name}.json").write_text(json.dumps({**document, "name": name}))


def run(*arguments: str) -> Result:
    return CliRunner().invoke(app, ["build", *arguments])


def test_a_build_that_is_up_to_date_writes_nothing() -> None:
    assert "wrote" in run().stdout
    before = {path: path.stat().st_mtime_ns for path in Path("generated").rglob("*")}
    assert "unchanged" in run().stdout
    assert {path: path.stat().st_mtime_ns for path in Path("generated").rglob("*")} == before


@pytest.mark.slow
def test_a_build_that_is_up_to_date_imports_no_heavy_library() -> None:
    run()
    program = (
        "import sys; from envgen.cli import app; app(['build'], standalone_mode=False);"
        "print(*sys.modules)"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    loaded = done.stdout.split()
    assert "unchanged" in loaded
    own = ("envgen_runtime.clients", "envgen_runtime.providers")
    for module in ("datamodel_code_generator", "jinja2", "httpx", "referencing", "yaml", *own):
        assert module not in loaded


def test_the_lock_says_what_came_from_what() -> None:
    run()
    locked = json.loads(LOCK.read_text())
    package = locked["packages"]["do_env"]
    assert package["source"] == "schemas/do_env.json"
    names = ["__init__.py", "client.py", "contract.json", "models.py", "py.typed"]
    assert list(package["files"]) == names
    save(contract(action={**contract()["action"], "description": "Prose."}))
    run()
    again = json.loads(LOCK.read_text())["packages"]["do_env"]
    assert again["contract"] == package["contract"]
    assert again["document"] != package["document"]


def test_the_lock_reads_the_same_on_every_machine() -> None:
    run(str(Path("schemas/do_env.json").absolute()))
    assert str(Path.cwd()) not in LOCK.read_text()
    assert json.loads(LOCK.read_text())["packages"]["do_env"]["source"] == "do_env.json"


def test_what_was_edited_by_hand_is_not_overwritten() -> None:
    run()
    CLIENT.write_text(CLIENT.read_text() + "# mine\n")
    save(action({"n": {"type": "integer"}}))
    refused = run()
    assert refused.exit_code == 1
    assert "edited by hand: client.py" in refused.stderr
    assert CLIENT.read_text().endswith("# mine\n")
    assert "-# mine" in run("--diff").stdout
    assert run("--force").exit_code == 0
    assert not CLIENT.read_text().endswith("# mine\n")
    assert "n: Omittable[int]" in Path("generated/do_env/models.py").read_text()


FORMATTERS = [["ruff", "format", "--isolated", "--line-length", "79"], ["black", "-q", "-l", "79"]]


def long_names() -> None:
    """A contract whose package a formatter lays out anew at 79 columns."""
    kind = {"enum": ["up", "down"], "description": "Where to."}
    named = {f"a_rather_long_name_{letter}": kind for letter in "abc"}
    save(action({**named, "board": {"type": "array", "items": kind, "minItems": 3}}))


@pytest.mark.slow
@pytest.mark.parametrize("command", FORMATTERS, ids=["ruff", "black"])
def test_a_formatter_edits_nothing(command: list[str]) -> None:
    long_names()
    run()
    before = {path: path.read_bytes() for path in Path("generated").rglob("*.py")}
    subprocess.run([sys.executable, "-m", *command, "generated"], check=True)
    assert {path: path.read_bytes() for path in before} != before, "the formatter did something"
    checked = run("--check")
    assert (checked.exit_code, checked.stderr) == (0, "")
    assert run().stdout.startswith("unchanged")
    long_names_and_more = action({"n": {"type": "integer"}})
    save(long_names_and_more)
    assert run().exit_code == 0, "what a formatter left may be written over"


def test_other_line_ends_edit_nothing() -> None:
    run()
    for path in Path("generated").rglob("*"):
        if path.is_file():
            path.write_bytes(path.read_bytes().replace(b"\n", b"\r\n"))
    checked = run("--check")
    assert (checked.exit_code, checked.stdout.count("current")) == (0, 1)
    assert run().stdout.startswith("unchanged")


def test_a_contract_is_compared_as_json() -> None:
    run()
    contract_file = Path("generated/do_env/contract.json")
    document = json.loads(contract_file.read_text())
    contract_file.write_text(json.dumps(document, sort_keys=True))
    assert run("--check").exit_code == 0
    contract_file.write_text(json.dumps({**document, "name": "other_env"}))
    assert "edited generated/do_env/contract.json" in run("--check").stdout


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("class DoEnv(", "class TheEnv("),
        ('env_name = "do_env"', 'env_name = "to_env"'),
        ("\n\nclass", "\n# mine\n\nclass"),
        ("Typed client for do_env", "Typed clients for do_env"),
    ],
    ids=["name", "string", "comment", "docstring"],
)
def test_a_changed_name_string_or_comment_is_an_edit(old: str, new: str) -> None:
    run()
    assert old in CLIENT.read_text()
    CLIENT.write_text(CLIENT.read_text().replace(old, new, 1))
    assert "edited generated/do_env/client.py" in run("--check").stdout


def test_a_lock_of_version_1_is_brought_up_to_date() -> None:
    run()
    locked = json.loads(LOCK.read_text())
    for package in locked["packages"].values():
        package["files"] = {name: digests[0] for name, digests in package["files"].items()}
        package["generator"] = "0.1.0"
    LOCK.write_text(json.dumps({**locked, "version": 1}))
    assert run().exit_code == 0
    assert json.loads(LOCK.read_text())["version"] == 2


def test_a_missing_file_comes_back() -> None:
    run()
    CLIENT.unlink()
    assert run().exit_code == 0
    assert CLIENT.is_file()


def test_an_interrupted_build_is_not_taken_for_an_edit() -> None:
    run()
    old = LOCK.read_bytes()
    save(action({"n": {"type": "integer"}}))
    run()
    LOCK.write_bytes(old)
    assert run().exit_code == 0


def test_a_package_that_nothing_generates_is_removed_on_request() -> None:
    save(contract(), "other_env")
    run()
    Path("schemas/other_env.json").unlink()
    assert run("schemas/do_env.json").exit_code == 0
    assert Path("generated/other_env").is_dir(), "only what was asked for was built"
    kept = run()
    assert kept.exit_code == 0
    assert "kept generated/other_env" in kept.stdout
    assert Path("generated/other_env/client.py").is_file()
    assert run("--check").exit_code == 0
    assert run("--check", "--remove-stale").exit_code == 1
    assert "removed" in run("--remove-stale").stdout
    assert not Path("generated/other_env").exists()
    assert list(json.loads(LOCK.read_text())["packages"]) == ["do_env"]


@pytest.mark.parametrize("arguments", [["schemas/do_env.json"], ["--out", "clients"]])
def test_only_a_build_of_all_sources_removes(arguments: list[str]) -> None:
    refused = run(*arguments, "--remove-stale")
    assert refused.exit_code == 2
    assert "only a build of all sources" in refused.stderr


def test_the_settings_confirm_the_removal() -> None:
    save(contract(), "other_env")
    run()
    Path("schemas/other_env.json").unlink()
    Path("pyproject.toml").write_text("[tool.envgen]\nremove_stale = true\n")
    assert run("--check").exit_code == 1
    assert "removed generated/other_env" in run().stdout
    assert not Path("generated/other_env").exists()


def test_a_package_of_a_one_off_build_stays() -> None:
    Path("elsewhere").mkdir()
    Path("elsewhere/other_env.json").write_text(json.dumps(contract(name="other_env")))
    assert run("elsewhere/other_env.json").exit_code == 0
    assert run().exit_code == 0
    assert run("--check").exit_code == 0
    assert Path("generated/other_env/client.py").is_file()


def test_a_comparison_lists_what_would_be_removed() -> None:
    save(contract(), "other_env")
    run()
    folder, lock = Path("generated/other_env"), read_lock(Path("generated"))
    files = {path.name for path in folder.iterdir()}
    left_over = discard("other_env", folder, lock, Mode(write=False))
    assert {(item.path.name, item.kind) for item in left_over} == {
        (name, "extra") for name in files
    }
    assert list(lock.packages) == ["do_env"], "the lock would change, too"
    assert {path.name for path in folder.iterdir()} == files


def test_what_is_not_envgens_own_is_not_removed() -> None:
    save(contract(), "other_env")
    run()
    Path("schemas/other_env.json").unlink()
    Path("generated/other_env/notes.txt").write_text("mine")
    Path("generated/other_env/models.py").write_text("mine")
    assert run("--remove-stale").exit_code == 1
    assert Path("generated/other_env/models.py").is_file()
    assert run("--remove-stale", "--force").exit_code == 0
    assert [path.name for path in Path("generated/other_env").iterdir()] == ["notes.txt"]


def test_check_of_a_fresh_tree() -> None:
    run()
    checked = run("--check")
    assert (checked.exit_code, checked.stderr) == (0, "")
    assert "current" in checked.stdout


@pytest.mark.slow
@pytest.mark.parametrize(
    ("change", "says"),
    [
        (lambda: save(action({"n": {"type": "integer"}})), "stale generated/do_env/models.py"),
        (CLIENT.unlink, "missing generated/do_env/client.py"),
        (lambda: CLIENT.write_text("x = 1\n"), "edited generated/do_env/client.py"),
        (lambda: Path("generated/do_env/own.py").touch(), "extra generated/do_env/own.py"),
        (lambda: Path("schemas/do_env.json").rename("schemas/new_env.json"), "generated/do_env"),
        (LOCK.unlink, "missing generated/envgen.lock"),
    ],
    ids=["stale", "missing", "edited", "extra", "nobody's", "no lock"],
)
def test_check_names_what_is_not_as_generated(change: Any, says: str) -> None:
    save(contract(), "kept_env")
    run()
    change()
    before = {path: path.read_bytes() for path in Path().rglob("*") if path.is_file()}
    checked = run("--check")
    assert checked.exit_code == 1
    assert says in checked.stdout
    assert {path: path.read_bytes() for path in Path().rglob("*") if path.is_file()} == before
    assert run("--diff").exit_code == 0


def test_check_shows_the_difference() -> None:
    run()
    save(action({"n": {"type": "integer"}}))
    shown = run("--check").stdout
    assert "+    n: Omittable[int] = None" in shown
    assert "-    text: Omittable[str] = None" in shown


@pytest.mark.parametrize("content", ["", "[]", '{"version": 1}', '{"packages": {"x": {"a": 1}}}'])
def test_a_lock_that_cannot_be_read_is_said(content: str) -> None:
    run()
    LOCK.write_text(content)
    refused = run()
    assert refused.exit_code == 1
    assert "envgen.lock: can't be read" in refused.stderr


def test_a_source_that_is_named_twice_is_built_once() -> None:
    done = run("schemas/do_env.json", "schemas/do_env.json")
    assert done.stdout.split()[:2] == ["wrote", "generated/do_env"]


def test_a_place_that_is_no_folder_is_said() -> None:
    Path("x").write_text("precious")
    done = run("schemas/do_env.json", "--out", "x/y")
    assert done.exit_code == 1
    assert "x/y/do_env: can't be written" in done.stderr


def test_a_lock_names_no_file_elsewhere() -> None:
    run()
    locked = json.loads(LOCK.read_text())
    locked["packages"]["do_env"]["files"]["../../precious"] = "0" * 64
    LOCK.write_text(json.dumps(locked))
    assert run().exit_code == 1
