"""``envgen run``, ``ps``, ``prune``, and ``envgen build`` of an image."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from docker import DockerClient

from tests.docker.test_exits import exists
from tests.support import PATIENCE_S

COMMAND = [sys.executable, "-m", "envgen"]


def envgen(*arguments: str, **options: object) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [*COMMAND, *arguments],
        capture_output=True,
        text=True,
        check=False,
        timeout=PATIENCE_S,
        env={**os.environ, "COLUMNS": "200"},
        **options,  # type: ignore[call-overload]
    )


@pytest.fixture
def running(engine: DockerClient, openenv: str) -> Iterator[subprocess.Popen[str]]:
    """``envgen run`` of a real environment, once it is ready."""
    process = subprocess.Popen(
        [*COMMAND, "run", openenv, "-e", "MAX_SESSIONS=3"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONUNBUFFERED": "1"},
    )
    yield process
    process.kill()
    process.communicate()


def ready(process: subprocess.Popen[str]) -> list[str]:
    """What it printed, up to the server's own line that it serves."""
    assert process.stdout is not None
    lines: list[str] = []
    for line in process.stdout:
        lines.append(line)
        if "Uvicorn running" in line:
            break
    return lines


def names(engine: DockerClient) -> set[str]:
    found = engine.containers.list(all=True, filters={"label": "envgen.managed"})
    return {container.name or "" for container in found}


def test_run_serves_until_ctrl_c(engine: DockerClient, running: subprocess.Popen[str]) -> None:
    before = names(engine)
    printed = "".join(ready(running))
    assert "ready http://127.0.0.1:" in printed
    assert "action metadata: object, fault: string, seconds: number" in printed
    (name,) = names(engine) - before
    assert name in envgen("ps").stdout
    assert name not in envgen("prune").stdout, "its owner lives"
    assert exists(engine, name)
    running.send_signal(signal.SIGINT)
    output, _ = running.communicate(timeout=PATIENCE_S)
    assert "stopped and removed" in output
    assert running.returncode == 0
    assert not exists(engine, name)


def test_prune_removes_what_a_killed_run_left(
    engine: DockerClient, running: subprocess.Popen[str]
) -> None:
    before = names(engine)
    ready(running)
    (name,) = names(engine) - before
    running.kill()
    running.communicate()
    assert exists(engine, name)
    (row,) = [row for row in envgen("ps").stdout.splitlines() if name in row]
    assert row.rstrip().endswith("gone")
    assert f"removed {name}" in envgen("prune").stdout
    assert not exists(engine, name)


def test_run_says_why_it_ended(plain: str) -> None:
    done = envgen("run", plain, "-e", "EXIT_CODE=78")
    assert done.returncode == 1
    assert "exited with code 78" in done.stderr
    assert "no licence found" in done.stderr
    assert "Traceback" not in done.stderr


def test_build_of_an_image(openenv: str, tmp_path: Path) -> None:
    done = envgen(
        "build", f"docker://{openenv}", "--out", "out", "--name", "faulty_env", cwd=tmp_path
    )
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "out" / "faulty_env" / "client.py").exists()
    assert (tmp_path / "schemas" / "faulty_env.json").exists()
    assert openenv in done.stdout


def test_build_of_an_image_that_ends(plain: str, tmp_path: Path) -> None:
    done = envgen("build", "docker://envgen-test/nowhere:latest", cwd=tmp_path)
    assert done.returncode == 3
    assert "can't be pulled" in done.stderr
