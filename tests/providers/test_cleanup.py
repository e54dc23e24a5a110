"""What was started is released once, on every exit path, by the process that started it."""

from __future__ import annotations

import signal
import subprocess
import sys
import textwrap
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from envgen_runtime.providers import cleanup
from envgen_runtime.providers.cleanup import Cleanup

PRELUDE = """
import os, signal, sys, threading, time
from envgen_runtime.providers.cleanup import Cleanup, install_handlers

def start():
    return Cleanup("server", lambda: print("released", flush=True))
"""


def run(text: str) -> subprocess.CompletedProcess[str]:
    """Run a program in which ``start()`` registers a cleanup that prints."""
    return subprocess.run(
        [sys.executable, "-c", PRELUDE + textwrap.dedent(text)],
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )


@pytest.mark.slow
@pytest.mark.parametrize(
    ("program", "code"),
    [
        ("start()", 0),
        ("start().run()", 0),
        ("start(); raise ValueError('wrong')", 1),
        ("start(); sys.exit(3)", 3),
        ("start(); os.kill(os.getpid(), signal.SIGINT)", -signal.SIGINT),
        ("start(); os.kill(os.getpid(), signal.SIGTERM); time.sleep(60)", -signal.SIGTERM),
        (
            """
            signal.signal(signal.SIGTERM, lambda *_: sys.exit(5))
            start()
            os.kill(os.getpid(), signal.SIGTERM)
            time.sleep(60)
            """,
            5,
        ),
        (
            """
            install_handlers()
            threading.Thread(target=start).start()
            os.kill(os.getpid(), signal.SIGTERM)
            time.sleep(60)
            """,
            -signal.SIGTERM,
        ),
    ],
    ids=[
        *("end", "run", "exception", "exit", "interrupt", "SIGTERM"),
        *("a handler of its own", "a start in a thread"),
    ],
)
def test_released_once(program: str, code: int) -> None:
    done = run(program)
    assert (done.stdout, done.returncode) == ("released\n", code), done.stderr


def test_a_release_that_fails_does_not_keep_the_others_from_running() -> None:
    done = run("""
        def fail():
            raise OSError("the engine is down")
        broken = Cleanup("the container x", fail)
        start()
    """)
    assert (done.stdout, done.returncode) == ("released\n", 0)
    assert "the container x was not removed; run `envgen prune`" in done.stderr
    assert "the engine is down" in done.stderr


@pytest.mark.parametrize(
    "ending",
    [
        "sys.exit(7)",
        "os.kill(os.getpid(), signal.SIGTERM); time.sleep(60)",
        "held.run(); os._exit(7)",
        "start().run(); sys.exit(7)",
    ],
    ids=["exit", "SIGTERM", "run", "a server of its own"],
)
def test_a_forked_child_releases_nothing_of_its_parents(ending: str) -> None:
    done = run(f"""
        held = Cleanup("server", lambda: print("released", os.getpid() == parent, flush=True))
        parent = os.getpid()
        child = os.fork()
        if child == 0:
            {ending}
        os.waitpid(child, 0)
        print("the child has ended", flush=True)
    """)
    own = "released\n" if "start()" in ending else ""
    assert done.stdout == f"{own}the child has ended\nreleased True\n", done.stderr


def test_a_forked_child_says_nothing_of_its_parents_server() -> None:
    done = run("""
        from envgen_runtime.providers.base import Provider, ServerExit

        class Ended(Provider):
            def __init__(self):
                super().__init__()
                self._base_url, self._cleanup = "http://h", start()

            def _exit(self):
                return ServerExit("exited with code 1")

            def _describe(self):
                return "the server"

        server = Ended()
        child = os.fork()
        if child == 0:
            print(server.diagnosis(0), flush=True)
            os._exit(0)
        os.waitpid(child, 0)
        print(server.diagnosis(0), flush=True)
    """)
    assert done.stdout == "None\nthe server exited with code 1\nreleased\n", done.stderr


def test_a_child_that_is_forked_amid_a_release_does_not_wait_for_it() -> None:
    done = run("""
        begun, may_end = threading.Event(), threading.Event()
        def release():
            begun.set()
            may_end.wait()
        cleanup = Cleanup("server", release)
        threading.Thread(target=cleanup.run).start()
        begun.wait()
        child = os.fork()
        if child == 0:
            cleanup.run()
            os._exit(7)
        print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
        may_end.set()
    """)
    assert (done.stdout, done.returncode) == ("7\n", 0), done.stderr


def test_concurrent_callers_release_once() -> None:
    calls: list[str] = []
    barrier = threading.Barrier(8)
    another = threading.Event()

    def release() -> None:
        if calls:
            another.set()
        calls.append(threading.current_thread().name)
        another.wait(0.1)  # lets another release begin, if one can

    held = Cleanup("server", release)

    def run_it(_: int) -> int:
        barrier.wait(20)
        held.run()
        return len(calls)

    with ThreadPoolExecutor(8) as pool:
        seen = list(pool.map(run_it, range(8)))
    assert seen == [1] * 8, "every caller returns after the release"


def test_after_a_failure_another_call_tries_again() -> None:
    results = iter([OSError("the engine is down"), None])
    calls = 0

    def release() -> None:
        nonlocal calls
        calls += 1
        if error := next(results):
            raise error

    held = Cleanup("server", release)
    with pytest.raises(OSError, match="the engine is down"):
        held.run()
    held.run()
    held.run()
    assert calls == 2


def test_the_old_name_of_install_handlers() -> None:
    assert cleanup.arm is cleanup.install_handlers
