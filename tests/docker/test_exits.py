"""Ways out of a process, and what it leaves: nothing, unless it is killed outright."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import textwrap
from collections.abc import Callable, Iterator

import pytest
from docker import DockerClient

from envgen_runtime.providers.docker.engine import Engine
from envgen_runtime.providers.managed import managed_servers, orphans
from tests.support import PATIENCE_S

_PRELUDE = """
import asyncio, os, signal, sys, threading, time
from envgen_runtime.providers import LocalDockerProvider
def start(**options):
    provider = LocalDockerProvider(**options)
    provider.start_container({image!r})
    print(provider.container_name, flush=True)
    return provider
"""

Run = Callable[[str], "subprocess.Popen[str]"]


@pytest.fixture
def run(plain: str) -> Iterator[Run]:
    """Run a program in which ``start()`` starts a container and prints its name."""
    running: list[subprocess.Popen[str]] = []

    def program(text: str) -> subprocess.Popen[str]:
        code = _PRELUDE.format(image=plain) + textwrap.dedent(text)
        process = subprocess.Popen(
            [sys.executable, "-c", code],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env={**os.environ, "PYTHONDONTWRITEBYTECODE": "1"},
        )
        running.append(process)
        return process

    yield program
    for process in running:
        process.kill()
        process.communicate()


@pytest.fixture
def ours(engine: DockerClient) -> Iterator[Engine]:
    """The engine, as envgen sees it."""
    with Engine() as found:
        yield found


def name_of(process: subprocess.Popen[str]) -> str:
    assert process.stdout is not None
    name = process.stdout.readline().strip()
    assert name.startswith("envgen-")
    return name


def exists(engine: DockerClient, name: str) -> bool:
    return bool(engine.containers.list(all=True, filters={"name": name}))


@pytest.mark.parametrize(
    ("ending", "code"),
    [
        ("", 0),
        ("raise ValueError('wrong')", 1),
        ("sys.exit(3)", 3),
        ("os.kill(os.getpid(), signal.SIGINT)", -signal.SIGINT),
        ("os.kill(os.getpid(), signal.SIGTERM); time.sleep(60)", -signal.SIGTERM),
    ],
    ids=["end", "exception", "exit", "interrupt", "SIGTERM"],
)
def test_nothing_is_left(engine: DockerClient, run: Run, ending: str, code: int) -> None:
    process = run(f"provider = start()\n{ending}")
    name = name_of(process)
    _, errors = process.communicate(timeout=PATIENCE_S)
    assert process.returncode == code, errors
    assert not exists(engine, name)


def test_a_sigterm_amid_a_start(ours: Engine, run: Run) -> None:
    """The signal comes while the main thread talks to the engine."""
    before = {one.name for one in orphans(managed_servers(ours))}
    process = run("""
        def interrupt():
            while not engine_has_it():
                pass
            os.kill(os.getpid(), signal.SIGTERM)
        from envgen_runtime.providers import cleanup
        def engine_has_it():
            return bool(cleanup._pending)
        threading.Thread(target=interrupt, daemon=True).start()
        start()
        time.sleep(60)
    """)
    process.communicate(timeout=PATIENCE_S)
    assert process.returncode == -signal.SIGTERM
    left = {one.name for one in orphans(managed_servers(ours))}
    assert left <= before, "nor what the engine was still making"


def test_a_program_with_a_handler_of_its_own_keeps_it(engine: DockerClient, run: Run) -> None:
    process = run("""
        signal.signal(signal.SIGTERM, lambda *_: sys.exit(5))
        start()
        os.kill(os.getpid(), signal.SIGTERM)
        time.sleep(60)
    """)
    name = name_of(process)
    process.communicate(timeout=PATIENCE_S)
    assert process.returncode == 5
    assert not exists(engine, name)


def test_a_start_in_asyncio(engine: DockerClient, run: Run, plain: str) -> None:
    process = run(f"""
        from generated.coding_env import AsyncCodingEnv
        async def main():
            env = await AsyncCodingEnv.from_docker_image({plain!r})
            print(env._calls.provider.container_name, flush=True)
            os.kill(os.getpid(), signal.SIGTERM)
            await asyncio.sleep(60)
        asyncio.run(main())
    """)
    name = name_of(process)
    process.communicate(timeout=PATIENCE_S)
    assert process.returncode == -signal.SIGTERM
    assert not exists(engine, name)


@pytest.mark.parametrize(
    "ending",
    [
        "sys.exit()",
        "os.kill(os.getpid(), signal.SIGTERM)",
        "provider.stop(); os._exit(0)",
        "os._exit(0 if provider.diagnosis(0) is None else 1)",
    ],
)
def test_a_forked_child_leaves_its_parents_container(
    engine: DockerClient, run: Run, ending: str
) -> None:
    process = run(f"""
        provider = start(grace_s=1)
        child = os.fork()
        if child == 0:
            {ending}
        code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
        assert code in (0, -signal.SIGTERM), code
        print("alive" if provider.diagnosis(0) is None else "gone", flush=True)
        provider.stop()
    """)
    name_of(process)
    output, errors = process.communicate(timeout=PATIENCE_S)
    assert output == "alive\n", errors


def test_after_sigkill_prune_removes_it(engine: DockerClient, ours: Engine, run: Run) -> None:
    process = run("start()\ntime.sleep(60)")
    name = name_of(process)
    assert name not in {one.name for one in orphans(managed_servers(ours))}, "its owner lives"
    process.kill()
    process.communicate()
    (left,) = [one for one in orphans(managed_servers(ours)) if one.name == name]
    assert left.what.startswith("envgen-test/plain")
    left.remove()
    assert not exists(engine, name)
