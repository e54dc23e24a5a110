"""The command in a terminal: completed, interrupted, piped, without colour."""

from __future__ import annotations

import os
import pty
import shutil
import signal
import socket
import subprocess
import sys
from contextlib import suppress
from pathlib import Path

import pytest
from typer.testing import CliRunner

from envgen.build import build_package
from envgen.cli import app
from envgen.contract.contract import parse_contract
from envgen.project.build_all import build_all
from tests.support import PATIENCE_S, action, contract, run, save

ENVGEN = [sys.executable, "-m", "envgen"]


@pytest.fixture(autouse=True)
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    save(contract(), "schemas/do_env.json")


# --- completion -----------------------------------------------------------------------------------


def completed(words: str) -> list[str]:
    """What bash is told to offer for the last word."""
    variables = {
        "_ENVGEN_COMPLETE": "complete_bash",
        "COMP_WORDS": words,
        "COMP_CWORD": str(len(words.split(" ")) - 1),
    }
    result = CliRunner().invoke(app, [], env=variables, prog_name="envgen")
    assert result.stderr == ""
    return result.stdout.split()


def test_commands_options_and_choices_are_completed() -> None:
    assert completed("envgen sy") == ["sync"]
    assert completed("envgen build --templ") == ["--templates"]
    assert completed("envgen diff a b --format ") == ["text", "json", "github", "markdown"]


def test_sources_are_completed() -> None:
    save(contract(name="other_env"), "schemas/other_env.json")
    save('[tool.envgen.envs.maze]\nsource = "http://127.0.0.1:1"\n', "pyproject.toml")
    assert completed("envgen build ma") == ["maze"]
    assert completed("envgen build schemas/o") == ["schemas/other_env.json"]
    assert completed("envgen diff maze schemas/d") == ["schemas/do_env.json"]
    assert completed("envgen build nowhere") == []


def test_settings_that_cannot_be_read_complete_to_nothing() -> None:
    save("[tool.envgen\n", "pyproject.toml")
    assert completed("envgen build ma") == []


@pytest.mark.slow
@pytest.mark.skipif(shutil.which("bash") is None, reason="no bash")
def test_bash_takes_the_script() -> None:
    """What --install-completion installs, sourced by a real bash."""
    program = "from envgen.__main__ import main; main()"
    save(f"#!{sys.executable}\n{program}\n", "bin/envgen")
    Path("bin/envgen").chmod(0o755)
    typed = (
        "envgen --show-completion > script.sh; source ./script.sh\n"
        "COMP_WORDS=(envgen wa); COMP_CWORD=1; _envgen_completion envgen\n"
        'echo "${COMPREPLY[@]}"'
    )
    path = f"{Path('bin').resolve()}:{os.environ['PATH']}"
    done = subprocess.run(
        ["bash", "-c", typed],
        env={**os.environ, "PATH": path},
        capture_output=True,
        text=True,
        check=True,
    )
    assert (done.stdout, done.stderr) == ("watch\n", "")


# --- interrupted ----------------------------------------------------------------------------------


ENDINGS = pytest.mark.parametrize(
    ("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143), (signal.SIGHUP, 129)]
)


def program(command: list[str], first: str = "") -> list[str]:
    """The command, after other statements."""
    lines = (
        f"import sys; sys.argv[1:] = {command!r}",
        first,
        "from envgen.__main__ import main; main()",
    )
    return [sys.executable, "-c", "\n".join(lines)]


@pytest.mark.slow
@ENDINGS
@pytest.mark.parametrize(
    "command", [["build", "slow"], ["sync"], ["diff", "schemas/do_env.json", "slow"]]
)
def test_an_interrupt_while_a_server_is_slow(
    number: signal.Signals, code: int, command: list[str]
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        url = f"http://127.0.0.1:{server.getsockname()[1]}"
        save(
            '[tool.envgen]\nsources = ["schemas/do_env.json"]\n'
            f'[tool.envgen.envs.slow]\nsource = "{url}"\ntimeout_s = 300\n',
            "pyproject.toml",
        )
        process = subprocess.Popen(
            program([url if word == "slow" else word for word in command]),
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        server.settimeout(PATIENCE_S)
        with server.accept()[0] as asked:
            assert asked.recv(4) == b"GET "
            process.send_signal(number)
            try:
                stdout, stderr = process.communicate(timeout=PATIENCE_S)
            finally:
                process.kill()  # else what hangs fails the tests that come later, too
    assert process.returncode == code, stderr
    assert "Traceback" not in stdout + stderr
    assert [path for path in Path().rglob(".*") if path.name.startswith(".")] == []
    assert run("build", "schemas/do_env.json").exit_code == 0
    assert run("build", "--check", "schemas/do_env.json").exit_code == 0


# A destructor sends the signal, and drops what the handler raises; then a function is called.
DROPPED = """
import envgen.project.build_all as module, os

class Landing:
    def __del__(self):
        os.kill(os.getpid(), {number})
        for _ in range(1000):
            pass  # the handler is called between these

def {function}(*arguments, original=module.{function}, **options):
    Landing()
    return original(*arguments, **options)

module.{function} = {function}
"""


@pytest.mark.slow
@ENDINGS
@pytest.mark.parametrize("function", ["load_config", "read_all", "build_package"])
def test_an_interrupt_that_lands_in_a_destructor(
    number: signal.Signals, code: int, function: str
) -> None:
    first = DROPPED.format(number=int(number), function=function)
    done = subprocess.run(
        program(["build"], first), capture_output=True, text=True, check=False, timeout=PATIENCE_S
    )
    assert done.returncode == code, done.stderr
    assert run("build").exit_code == 0


# Computes for ever, and waits for nothing that a signal could end.
BUSY = """
import envgen.project.build_all as module, os

def build_package(*arguments, **options):
    for _ in range(2):
        os.kill(os.getpid(), {number})
    while True:
        pass

module.build_package = build_package
"""


@pytest.mark.slow
@ENDINGS
def test_a_second_interrupt_is_not_kept_waiting(number: signal.Signals, code: int) -> None:
    first = BUSY.format(number=int(number))
    done = subprocess.run(
        program(["build"], first), capture_output=True, text=True, check=False, timeout=PATIENCE_S
    )
    assert done.returncode == code, done.stderr


IMPORTING = """
import os, sys

class Finder:
    def find_spec(self, name, path=None, target=None):
        if name == "envgen.cli.sync":
            os.kill(os.getpid(), {number})

sys.meta_path.insert(0, Finder())
"""


@pytest.mark.slow
@ENDINGS
def test_an_interrupt_while_the_command_is_imported(number: signal.Signals, code: int) -> None:
    first = IMPORTING.format(number=int(number))
    done = subprocess.run(
        program(["build"], first), capture_output=True, text=True, check=False, timeout=PATIENCE_S
    )
    assert (done.returncode, done.stdout, done.stderr) == (code, "", "")
    assert not Path("generated").exists()


@pytest.mark.parametrize("number", range(5))
def test_an_interrupt_amid_writing_leaves_the_old_package_or_the_new(number: int) -> None:
    """No signal hits between two given lines at will: the interrupt comes of the n-th move."""
    out = Path("generated")
    build_package(parse_contract(contract(), source="x"), out)
    names = ("client.py", "models.py", "contract.json")
    old = [(out / "do_env" / name).read_text() for name in names]
    new_contract = parse_contract(action({"n": {"type": "integer"}}), source="x")
    build_package(new_contract, Path("elsewhere"))
    new = [Path("elsewhere/do_env", name).read_text() for name in names]
    calls = iter(range(100))
    rename = Path.rename

    def interrupted(self: Path, target: Path) -> Path:
        """Interrupts before the move, or after it."""
        call = next(calls)
        if call * 2 == number:
            raise KeyboardInterrupt
        moved = rename(self, target)
        if call * 2 + 1 == number:
            raise KeyboardInterrupt
        return moved

    with pytest.MonkeyPatch.context() as patch, suppress(KeyboardInterrupt):
        patch.setattr(Path, "rename", interrupted)
        build_package(new_contract, out)
    found = [(out / "do_env" / name).read_text() for name in names]
    assert found in (old, new)
    assert [path.name for path in out.iterdir()] == ["do_env"]


@pytest.mark.parametrize("move", ["rename", "replace"])
def test_a_signal_amid_writing_leaves_lock_and_package_in_step(move: str) -> None:
    """Else the next build would take what this one wrote for an edit by hand."""
    run("build")
    save(action({"n": {"type": "integer"}}), "schemas/do_env.json")
    original = getattr(Path, move)

    def interrupted(self: Path, target: Path) -> Path:
        os.kill(os.getpid(), signal.SIGINT)
        moved: Path = original(self, target)
        return moved

    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(Path, move, interrupted)
            with pytest.raises(KeyboardInterrupt):
                build_all()
    finally:
        signal.signal(signal.SIGINT, before)
    save(action({"m": {"type": "integer"}}), "schemas/do_env.json")
    again = run("build")
    assert (again.exit_code, again.stderr) == (0, "")


# --- pipes and colours ----------------------------------------------------------------------------


@pytest.mark.slow
@pytest.mark.parametrize("command", [["build", "--diff"], ["build", "--help"], ["build"]])
def test_a_pipe_that_is_closed_is_no_fault_of_ours(command: list[str]) -> None:
    reading, writing = os.pipe()
    os.close(reading)
    with open(writing, "wb") as closed:  # noqa: PTH123 - a descriptor
        done = subprocess.run(
            [*ENVGEN, *command], stdout=closed, stderr=subprocess.PIPE, text=True, check=False
        )
    assert "Traceback" not in done.stderr
    assert "BrokenPipe" not in done.stderr


def on_a_terminal(*arguments: str, **variables: str) -> str:
    master, slave = pty.openpty()
    env = {"PATH": os.environ["PATH"], "TERM": "xterm-256color", "HOME": "/", **variables}
    process = subprocess.Popen([*ENVGEN, *arguments], stdout=slave, stderr=slave, env=env)
    os.close(slave)
    found = b""
    while True:
        try:
            chunk = os.read(master, 4096)
        except OSError:  # Linux says so when the other side is closed
            break
        if not chunk:
            break
        found += chunk
    os.close(master)
    process.wait()
    return found.decode()


@pytest.mark.slow
def test_colour_is_for_terminals_that_want_it() -> None:
    assert "\x1b[32m" in on_a_terminal("build")
    for variables in ({"NO_COLOR": "1"}, {"TERM": "dumb"}):
        shown = on_a_terminal("build", **variables)
        assert "unchanged" in shown
        assert "\x1b[3" not in shown
    piped = subprocess.run([*ENVGEN, "build"], capture_output=True, check=True)
    assert b"\x1b" not in piped.stdout + piped.stderr


def test_help_fits_eighty_columns() -> None:
    commands = ["build", "diff", "sync", "watch", "init", "demo", "run", "ps", "prune"]
    for command in ([], *([name] for name in commands)):
        shown = CliRunner().invoke(app, [*command, "--help"], env={"COLUMNS": "80"}).stdout
        assert max(map(len, shown.splitlines())) <= 80
        assert "Exit codes" in shown
