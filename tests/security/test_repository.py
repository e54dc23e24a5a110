"""What a cloned repository carries is input: its lock, its links, its settings."""

from __future__ import annotations

import http.server
import json
import os
import threading
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.support import action, contract, run, save

LOCK = Path("generated/envgen.lock")
SECRET = "hunter2-of-the-user"


@pytest.fixture(autouse=True)
def clone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A repository, beside a folder of the user's."""
    folder = tmp_path / "clone"
    (folder / ".git").mkdir(parents=True)
    (tmp_path / "home").mkdir()
    (tmp_path / "home" / "key").write_text(SECRET)
    monkeypatch.chdir(folder)
    save(contract(), "schemas/do_env.json")
    return folder


def tree(folder: Path) -> dict[str, bytes | None]:
    return {str(path): path.read_bytes() if path.is_file() else None for path in folder.rglob("*")}


# --- the lock -------------------------------------------------------------------------------------

NAMES = [
    "..", ".", "", "/", "../../home", "/etc", "a/b", "a\\b", "a\0b", "C:", "C:x", "con", "NUL",
    "do_env ", "do_env.", "DO_ENV", "do\u200d_env", ".git", "a:b", "\ud800", "x" * 5000, "~",
    "__pycache__", "-rf", "*", "a\nb", "lpt1",
]  # fmt: skip
FILES = [*NAMES, "../x", "..\\x", ".profile", "con.py", "client.py:x", "COM1", "client.py/.", "a b"]
FILES = [name for name in FILES if name not in ("DO_ENV", "__pycache__", "x" * 5000)]


def poison(**packages: Any) -> None:
    locked = json.loads(LOCK.read_text())
    locked["packages"] |= packages
    LOCK.write_text(json.dumps(locked))


@pytest.fixture
def entry() -> dict[str, Any]:
    """A package as the lock records it."""
    assert run("build").exit_code == 0
    found: dict[str, Any] = json.loads(LOCK.read_text())["packages"]["do_env"]
    return found


def assert_refused(before: dict[str, bytes | None], *options: str) -> None:
    refused = run("build", "--remove-stale", "--force", *options)
    assert refused.exit_code == 1, refused.output
    assert isinstance(refused.exception, SystemExit)
    message, hint = refused.stderr.splitlines()
    assert "envgen.lock: can't be read: " in message
    assert len(message) < 300
    assert hint.strip().startswith("hint")
    assert tree(Path("..")) == before


def test_a_lock_whose_names_are_not_plain_is_refused(entry: dict[str, Any]) -> None:
    honest = LOCK.read_text()
    for name in NAMES:
        LOCK.write_text(honest)
        poison(**{name: {**entry, "files": {}}})
        assert_refused(tree(Path("..")))


def test_a_lock_whose_files_are_not_plain_is_refused(entry: dict[str, Any]) -> None:
    honest = LOCK.read_text()
    for name in FILES:
        LOCK.write_text(honest)
        poison(do_env={**entry, "files": {**entry["files"], name: "0" * 64}})
        assert_refused(tree(Path("..")))


@pytest.mark.parametrize(
    "change",
    [
        {"source": 5},
        {"source": None},
        {"client": ["x"]},
        {"transport": "x"},
        {"naming": {"a": 1}},
        {"naming": []},
        {"files": []},
        {"files": {"client.py": 1}},
        {"files": {"client.py": ["a"]}},
        {"files": {"client.py": [["a"], "b"]}},
        {"files": {"client.py": ["a", "b", "c"]}},
        {"files": {"client.py": "0", "CLIENT.py": "0"}},
        {"more": 1},
    ],
    ids=str,
)
def test_a_lock_of_the_wrong_types_is_refused(
    entry: dict[str, Any], change: dict[str, Any]
) -> None:
    poison(do_env={**entry, **change})
    assert_refused(tree(Path("..")))


@pytest.mark.parametrize(
    "content",
    ["[" * 100_000, '{"version": 2}', '{"version": 2, "packages": [1]}', "5", "\0", '"x"'],
)
def test_a_lock_that_is_none_is_refused(content: str, entry: dict[str, Any]) -> None:
    assert entry
    LOCK.write_text(content)
    assert_refused(tree(Path("..")))


def test_a_lock_that_never_ends_is_refused() -> None:
    run("build")
    LOCK.unlink()
    LOCK.symlink_to("/dev/zero")
    refused = run("build")
    assert (refused.exit_code, "larger than 16 MB" in refused.stderr) == (1, True)


def test_settings_made_from_a_lock_are_what_it_says_and_no_more(entry: dict[str, Any]) -> None:
    source = 'http://x/"\n[tool.pytest]\nx = "\\\u2028\x7f\U0001f600'
    poison(do_env={**entry, "source": source})
    assert run("init").exit_code == 0
    settings = tomllib.loads(Path("pyproject.toml").read_text())
    assert list(settings["tool"]) == ["envgen"]
    assert settings["tool"]["envgen"]["envs"]["do_env"]["source"] == source


# --- links ----------------------------------------------------------------------------------------


def link(name: str, kind: str) -> None:
    place = Path("generated/do_env", name)
    place.unlink(missing_ok=True)
    match kind:
        case "fifo":
            os.mkfifo(place)
        case "folder":
            place.symlink_to("../../../home", target_is_directory=True)
        case _:
            place.symlink_to({"file": "../../../home/key", "device": "/dev/zero"}.get(kind, kind))


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["file", "folder", "device", "nowhere", "fifo"])
@pytest.mark.parametrize("name", ["notes", "client.py", "contract.json"])
@pytest.mark.parametrize("options", [[], ["--check"], ["--force"]], ids=["", "check", "force"])
def test_a_link_in_a_package_is_refused(kind: str, name: str, options: list[str]) -> None:
    run("build")
    link(name, kind)
    save(action({"n": {"type": "integer"}}), "schemas/do_env.json")
    refused = run("build", *options)
    assert refused.exit_code == 1
    assert f"generated/do_env/{name}: " in refused.stderr
    assert "can't be part of a package" in refused.stderr
    assert SECRET not in refused.output
    assert Path("generated/do_env", name).is_symlink() or kind == "fifo"
    assert Path("../home/key").read_text() == SECRET


def test_a_saved_contract_that_is_a_link_is_not_read() -> None:
    run("build")
    save('[tool.envgen.envs.do_env]\nsource = "http://127.0.0.1:9"\n', "pyproject.toml")
    link("contract.json", "file")
    refused = run("build")
    assert refused.exit_code == 1
    assert "generated/do_env/contract.json: a link" in refused.stderr


def test_a_package_that_is_a_link_is_refused(entry: dict[str, Any]) -> None:
    poison(home={**entry, "files": {"key": "0" * 64}})
    Path("generated/home").symlink_to("../../home", target_is_directory=True)
    refused = run("build", "--remove-stale", "--force")
    assert refused.exit_code == 1
    assert "generated/home: a link" in refused.stderr
    assert Path("../home/key").read_text() == SECRET


# --- settings -------------------------------------------------------------------------------------


class Listener(http.server.BaseHTTPRequestHandler):
    """Publishes a contract, and remembers who asked."""

    asked: list[str]

    def do_GET(self) -> None:
        self.asked.append(self.headers.get("X-Steal", ""))
        body = json.dumps(contract()).encode()
        self.send_response(200 if self.path == "/schema" else 404)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Be quiet."""


@pytest.fixture
def listener() -> Iterator[tuple[str, list[str]]]:
    asked: list[str] = []
    handler = type("Handler", (Listener,), {"asked": asked})
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}", asked
        server.shutdown()


@pytest.mark.slow
@pytest.mark.parametrize("options", [[], ["--check"], ["do_env", "--check"], ["--diff"]], ids=str)
def test_a_build_contacts_no_server_and_imports_nothing(
    options: list[str], listener: tuple[str, list[str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("STOLEN", SECRET)
    url, asked = listener
    save("open('ran', 'w')\n", "evil.py")
    save(
        f'[tool.envgen]\nsources = ["python:evil:A,O,S", "hf://me/maze", "docker://x", "{url}/b"]\n'
        f'[tool.envgen.envs.do_env]\nsource = "{url}"\nheaders = {{ X-Steal = "${{STOLEN}}" }}\n',
        "pyproject.toml",
    )
    Path("schemas/do_env.json").unlink()
    refused = run("build", *options)
    assert refused.exit_code == 1
    assert "run envgen sync" in refused.stderr
    assert SECRET not in refused.output
    assert asked == []
    assert not Path("ran").exists()


def test_sync_sends_the_variables_that_the_user_allows(
    listener: tuple[str, list[str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    url, asked = listener
    for name in ("STOLEN", "STOLEN_2", "HF_TOKEN"):
        monkeypatch.setenv(name, f"{SECRET}-{name}")
    settings = '[tool.envgen.envs.do_env]\nsource = "{}"\nheaders = {{ X-Steal = "${{{}}}" }}\n'
    save(settings.format(url, "STOLEN"), "pyproject.toml")
    for allowed in ("", "OTHER", "STOLEN_2", "*", "stolen"):
        monkeypatch.setenv("ENVGEN_ALLOW_VARS", allowed)
        refused = run("sync")
        assert refused.exit_code == 1
        assert "ENVGEN_ALLOW_VARS=STOLEN" in refused.stderr
        assert run("build", url, "--name", "do_env").exit_code == 1, "they are still the settings'"
    assert asked == []
    monkeypatch.setenv("ENVGEN_ALLOW_VARS", "OTHER, STOLEN")
    assert run("sync", "--check").exit_code != 1
    assert set(asked) == {f"{SECRET}-STOLEN"}
    asked.clear()
    monkeypatch.delenv("ENVGEN_ALLOW_VARS")
    save(settings.format(url, "HF_TOKEN"), "pyproject.toml")
    assert run("sync", "--check").exit_code != 1
    assert set(asked) == {f"{SECRET}-HF_TOKEN"}
    asked.clear()
    assert run("build", url, "--header", "X-Steal: ${STOLEN_2}", "--check").exit_code == 1
    assert set(asked) == {f"{SECRET}-STOLEN_2"}, "a header on the command line is the user's"


@pytest.mark.parametrize("command", ["build", "sync"])
@pytest.mark.parametrize(
    "settings",
    [
        'out = "../home"',
        'out = "{home}"',
        'out = "a/../../home"',
        'out = "link"',
        'out = "link/new"',
        'schemas = "../home"',
        'schemas = "link"',
        'templates = "../home"',
        'sources = ["../home/x.json"]',
        'sources = ["link/x.json"]',
        'sources = ["a://../../home/x.json"]',
        '[tool.envgen.envs.do_env]\nout = "../home"',
        '[tool.envgen.envs.do_env]\nstate = "../home/x.json"',
        '[tool.envgen.envs.do_env]\nsource = "{home}/x.json"',
        '[tool.envgen.envs.do_env]\nsource = "a\\u0000b"',
    ],
)
def test_settings_stay_in_their_folder(command: str, settings: str, tmp_path: Path) -> None:
    Path("link").symlink_to("../home", target_is_directory=True)
    Path("a:").mkdir()
    save({**contract(), "auths": SECRET}, "../home/x.json")
    save(f"[tool.envgen]\n{settings.replace('{home}', str(tmp_path / 'home'))}\n", "pyproject.toml")
    before = tree(tmp_path / "home")
    refused = run(command)
    assert refused.exit_code == 1
    assert isinstance(refused.exception, SystemExit)
    assert "is outside of" in refused.stderr
    assert SECRET not in refused.output
    assert tree(tmp_path / "home") == before
    assert not Path("generated").exists()


def test_a_project_in_a_repository_reads_what_is_beside_it(monkeypatch: pytest.MonkeyPatch) -> None:
    save(contract(), "server/contract.json")
    save('[tool.envgen]\nsources = ["../server/contract.json"]\n', "client/pyproject.toml")
    monkeypatch.chdir("client")
    assert run("build").exit_code == 0


def test_the_command_line_may_name_any_place(tmp_path: Path) -> None:
    save(contract(), "../home/x.json")
    done = run("build", "../home/x.json", "--out", str(tmp_path / "home" / "out"))
    assert (done.exit_code, done.stderr) == (0, "")


@pytest.mark.parametrize("folder", ["schemas", "templates"])
def test_a_link_to_a_file_elsewhere_is_refused(folder: str) -> None:
    save({**contract(), "name": "other"}, "../home/x.json")
    own = '[tool.envgen]\ntemplates = "templates"\n' if folder == "templates" else "[tool.envgen]\n"
    save(own, "pyproject.toml")
    Path(folder).mkdir(exist_ok=True)
    name = "other.json" if folder == "schemas" else "_key.jinja"
    Path(folder, name).symlink_to("../../home/x.json" if folder == "schemas" else "../../home/key")
    refused = run("build")
    assert refused.exit_code == 1
    assert "a link out of" in refused.stderr
    assert SECRET not in refused.output


@pytest.mark.parametrize("content", ["x = " + "[" * 100_000, None], ids=["deep", "endless"])
def test_settings_that_are_a_bomb_are_refused(content: str | None) -> None:
    if content is None:
        Path("pyproject.toml").symlink_to("/dev/zero")
    else:
        save(f"[tool.envgen]\n{content}", "pyproject.toml")
    refused = run("build")
    assert refused.exit_code == 1
    assert isinstance(refused.exception, SystemExit)
    assert "pyproject.toml: can't be read" in refused.stderr
