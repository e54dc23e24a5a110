"""The demo as its users meet it: what it prints, and what stays of it."""

from __future__ import annotations

import io
import os
import signal
import subprocess
import sys
import tempfile
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from rich.console import Console

from envgen import demo
from envgen.demo import run_demo
from envgen.demo.environment import CodingEnvironment
from envgen.demo.server import create_app, serving
from tests.support import PATIENCE_S

TITLES = ("It runs Python", "It has the standard library", "Errors are observations")


def shown(width: int = 80) -> str:
    output = io.StringIO()
    run_demo(Console(file=output, width=width))
    return output.getvalue()


def processes_of(folder: Path) -> list[str]:
    """The processes that were given a place in ``folder`` for their temporary files."""
    found: list[str] = []
    for process in Path("/proc").glob("[0-9]*"):
        try:
            if str(folder).encode() in (process / "environ").read_bytes():
                found.append((process / "cmdline").read_text())
        except OSError:  # it has ended, or is another user's
            continue
    return found


def what_is_there(folder: Path) -> object:
    return (
        list(folder.iterdir()),
        processes_of(folder),
        threading.enumerate(),
        list(sys.path),
        [name for name in sys.modules if "coding_env" in name],
    )


@pytest.fixture(autouse=True)
def temporary(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    return tmp_path


def test_an_episode_is_printed_and_nothing_stays(temporary: Path) -> None:
    before = what_is_there(temporary)
    output = shown()
    for text in (
        "coding_env: CodingEnv and AsyncCodingEnv\n",
        " lines of typed Python, built in ",
        *TITLES,
        "stdout  hello, world",
        "stdout  2.8",
        "ZeroDivisionError: division by zero",
        "stopped after 1 s",
        "exit code  124",
        "State: 4 steps, last exit code 124",
        "$ envgen build schemas/coding_env.json",
    ):
        assert text in output
    assert "\x1b" not in output
    assert max(len(line) for line in output.splitlines()) <= 80
    assert what_is_there(temporary) == before


@pytest.mark.parametrize("place", ["_imported", "serving", "_step"])
def test_nothing_stays_of_an_interrupted_demo(
    temporary: Path, monkeypatch: pytest.MonkeyPatch, place: str
) -> None:
    def interrupt(*_: object) -> None:
        raise KeyboardInterrupt

    before = what_is_there(temporary)
    monkeypatch.setattr(demo, place, interrupt)
    with pytest.raises(KeyboardInterrupt):
        shown()
    assert what_is_there(temporary) == before


@pytest.mark.slow
@pytest.mark.parametrize(
    ("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143), (signal.SIGHUP, 129)]
)
def test_a_signal_while_a_program_runs_leaves_nothing(
    temporary: Path, number: signal.Signals, code: int
) -> None:
    command = subprocess.Popen(
        [sys.executable, "-m", "envgen", "demo"],
        env={**os.environ, "TMPDIR": str(temporary), "PYTHONUNBUFFERED": "1"},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    with command:
        assert command.stdout is not None
        assert any("ZeroDivisionError" in line for line in command.stdout)
        while not any(temporary.glob("coding-env-*")):  # the program that never ends has its folder
            assert command.poll() is None
        command.send_signal(number)
        output, errors = command.communicate(timeout=PATIENCE_S)
    assert command.returncode == code
    assert "State:" not in output
    assert "Traceback" not in errors
    assert processes_of(temporary) == []
    assert list(temporary.iterdir()) == []


def test_signals_are_handled_as_before_afterwards(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(demo, "_PROGRAMS", demo._PROGRAMS[:1])
    numbers = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
    before = [signal.getsignal(number) for number in numbers]
    shown()
    assert [signal.getsignal(number) for number in numbers] == before


def test_a_demo_may_run_in_another_thread(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(demo, "_PROGRAMS", demo._PROGRAMS[:1])
    with ThreadPoolExecutor(1) as pool:
        assert "State: 1 steps" in pool.submit(shown).result()


@pytest.mark.slow
def test_the_lines_at_the_end_do_what_they_say(capsys: pytest.CaptureFixture[str]) -> None:
    command, _, lines = shown().rpartition("$ envgen build schemas/coding_env.json")
    assert command
    program = "\n".join(line.rstrip() for line in lines.splitlines())
    with serving(create_app({}, CodingEnvironment)) as url:
        exec(program.replace("http://127.0.0.1:8000", url), {})
    printed = capsys.readouterr().out
    assert printed.startswith("hello, world\n \n0 1.0 False\n")
    assert "ZeroDivisionError" in printed
    assert printed.endswith("1 0.0 False\n2\n")


def test_a_narrow_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(demo, "_PROGRAMS", demo._PROGRAMS[:1])
    assert max(len(line) for line in shown(width=40).splitlines()) <= 40


def test_the_contract_is_found_beside_the_module_when_installed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert demo._contract_file().is_file(), "in a checkout"
    (tmp_path / "coding_env.json").touch()
    monkeypatch.setattr("importlib.resources.files", lambda _: tmp_path)
    assert demo._contract_file() == tmp_path / "coding_env.json"
