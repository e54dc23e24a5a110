"""The coding environment: what it runs, what it stops, what it leaves."""

from __future__ import annotations

import os
import select
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from envgen.demo.environment import TIMED_OUT, TOO_MUCH_OUTPUT, CodingEnvironment, EpisodeOver
from tests.support import PATIENCE_S


@pytest.fixture(autouse=True)
def temporary(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "temporary"
    folder.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(folder))
    return folder


@pytest.fixture
def child(tmp_path: Path) -> Iterator[tuple[str, Callable[[], bool]]]:
    """Code that starts a process without an end and says so, and what waits for its end.

    The process holds a pipe open, whose other end is ours: it is closed when the process is gone.
    """
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    reader = os.open(pipe, os.O_RDONLY | os.O_NONBLOCK)
    endless = "import time; print('started', flush=True); time.sleep(60)"
    code = (
        "import os, subprocess, sys\n"
        f"pipe = os.open({str(pipe)!r}, os.O_WRONLY)\n"
        f"child = subprocess.Popen([sys.executable, '-c', {endless!r}], pass_fds=[pipe],\n"
        "                         stdout=subprocess.PIPE)\n"
        "print(child.stdout.readline().decode(), end='', flush=True)\n"
    )

    def is_gone() -> bool:
        ready = select.select([reader], [], [], PATIENCE_S)[0]
        return bool(ready) and os.read(reader, 1) == b""

    yield code, is_gone
    os.close(reader)


def test_programs_are_run_and_counted(temporary: Path) -> None:
    environment = CodingEnvironment(max_steps=2)
    environment.reset(episode_id="e")
    good = environment.step("open('file', 'w').write('x'); print('ok')")
    assert (good["stdout"], good["exit_code"], good["reward"]) == ("ok\n", 0, 1.0)
    assert not good["done"]
    bad = environment.step("import sys; print('no', file=sys.stderr); sys.exit(7)")
    assert (bad["stderr"], bad["exit_code"], bad["reward"], bad["done"]) == ("no\n", 7, 0.0, True)
    assert environment.state == {"episode_id": "e", "step_count": 2, "last_exit_code": 7}
    assert list(temporary.iterdir()) == []


def test_an_episode_that_is_done_takes_no_step() -> None:
    environment = CodingEnvironment(max_steps=1)
    environment.step("")
    with pytest.raises(EpisodeOver, match="ended after 1 steps: reset first"):
        environment.step("")
    assert environment.state["step_count"] == 1
    first = environment.reset(seed=3)
    assert (first["reward"], first["done"], first["metadata"]) == (None, False, {"seed": 3})
    assert environment.step("")["done"]


@pytest.mark.slow
def test_a_program_that_never_ends_is_stopped_with_all_it_started(
    child: tuple[str, Callable[[], bool]],
) -> None:
    start, is_gone = child
    environment = CodingEnvironment(time_limit_s=2)
    result = environment.step(f"{start}os.write(2, b'waiting')\nchild.wait()")
    assert result["exit_code"] == environment.state["last_exit_code"] == TIMED_OUT
    assert (result["stdout"], result["stderr"]) == ("started\n", "waiting\nstopped after 2 s\n")
    assert result["reward"] == 0.0
    assert is_gone()


def test_what_a_program_leaves_running_is_ended(child: tuple[str, Callable[[], bool]]) -> None:
    start, is_gone = child
    result = CodingEnvironment(time_limit_s=PATIENCE_S).step(f"{start}os._exit(0)")
    assert (result["stdout"], result["stderr"], result["exit_code"]) == ("started\n", "", 0)
    assert is_gone()


@pytest.mark.slow
def test_a_program_does_not_outlive_a_watcher_that_is_killed(tmp_path: Path) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    endless = f"pipe = open({str(pipe)!r}, 'w')\nwhile True: pass"
    step = (
        "from envgen.demo import environment\n"
        "environment._GRACE_S = 0\n"
        f"environment.CodingEnvironment(time_limit_s=2).step({endless!r})\n"
    )
    watcher = subprocess.Popen(
        [sys.executable, "-c", step], env={**os.environ, "TMPDIR": str(tmp_path)}
    )
    with pipe.open() as held:  # as soon as the program holds the other end
        watcher.kill()
        watcher.wait()
        assert select.select([held], [], [], PATIENCE_S)[0]
        assert held.read() == ""


def test_what_a_program_leaves_in_files_is_removed(temporary: Path) -> None:
    code = "import tempfile; print(tempfile.mkdtemp(), end='')"
    made = Path(CodingEnvironment().step(code)["stdout"])
    assert made.is_relative_to(temporary)
    assert list(temporary.iterdir()) == []


@pytest.mark.parametrize(
    "code",
    ["while True: print('x' * 999)", "print('x' * 1001)"],
    ids=["endless", "over before it is noticed"],
)
@pytest.mark.parametrize("stream", ["stdout", "stderr"])
def test_output_has_a_limit(code: str, stream: str) -> None:
    environment = CodingEnvironment(time_limit_s=PATIENCE_S, max_output_bytes=1000)
    result = environment.step(f"import sys; sys.stdout = sys.{stream}\n{code}")
    assert result["exit_code"] == TOO_MUCH_OUTPUT
    assert result[stream].startswith("x" * 999)
    assert len(result["stdout"]) <= 1000
    assert result["stderr"].endswith("\nstopped after 1000 bytes of output\n") or (
        result["stderr"] == "stopped after 1000 bytes of output\n"
    )


@pytest.mark.parametrize(
    ("code", "stdout", "stderr"),
    [
        (f"x = '{'x' * 200_000}'\nprint(len(x))", "200000\n", ""),
        ("print('\N{SNOWMAN}')", "\N{SNOWMAN}\n", ""),
        ("print(1", "", "SyntaxError"),
        ("print(1)\0", "", "SyntaxError"),
        ("print('\ud800')", "", "SyntaxError"),
        ("import sys; sys.stdout.buffer.write(b'\\xff')", "\N{REPLACEMENT CHARACTER}", ""),
        ("input()", "", "EOFError"),
    ],
    ids=["long", "not ASCII", "not Python", "NUL", "half a pair", "not UTF-8", "input"],
)
def test_whatever_a_program_is_there_is_an_observation(code: str, stdout: str, stderr: str) -> None:
    result = CodingEnvironment().step(code)
    assert (result["stdout"], result["exit_code"]) == (stdout, 1 if stderr else 0)
    assert stderr in result["stderr"]


def test_a_program_sees_nothing_of_our_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_TOKEN", "s3cret")
    printed = CodingEnvironment().step("import os; print(os.environ)")["stdout"]
    assert "PATH" in printed
    assert "s3cret" not in printed
