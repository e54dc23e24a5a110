"""A forked child never stops its parent's server, and a process stops its own server once."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import textwrap
import threading
from collections.abc import Iterator
from contextlib import closing
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from envgen_runtime import EngineError
from envgen_runtime.providers import UVProvider
from envgen_runtime.providers.docker.engine import Engine
from envgen_runtime.providers.process import processes
from envgen_runtime.providers.process.records import records
from tests.runtime.tries import Child

PRELUDE = """
import os, signal, sys, time
from urllib.error import URLError
from urllib.request import urlopen
from envgen_runtime.providers import UVProvider
from generated.coding_env import CodingEnv

def start():
    provider = UVProvider(project_path={project!r})
    provider.wait_for_ready(provider.start())
    return provider

def answers(url):
    try:
        return urlopen(url, timeout=20).status == 200
    except URLError:
        return False
"""

ENDINGS = {
    "exit": "sys.exit()",
    "stop": "provider.stop(); os._exit(0)",
    "with": """
        with provider:
            sys.exit()
    """,
    "SIGTERM": "os.kill(os.getpid(), signal.SIGTERM)",
    "client": "CodingEnv(provider.base_url, provider=provider).close(); os._exit(0)",
    "diagnosis": "os._exit(0 if provider.diagnosis(0) is None else 1)",
    "own server": """
        own = start()
        assert answers(own.base_url)
        sys.exit()
    """,
}


@pytest.mark.slow
@pytest.mark.parametrize("ending", ENDINGS.values(), ids=ENDINGS)
def test_a_forked_child_leaves_its_parents_server(project: Path, ending: str) -> None:
    child = textwrap.indent(textwrap.dedent(ending).strip(), "    ")
    program = PRELUDE.format(project=str(project)) + textwrap.dedent("""
        provider = start()
        url = provider.base_url
        child = os.fork()
        if child == 0:
        {child}
        _, status = os.waitpid(child, 0)
        code = os.waitstatus_to_exitcode(status)
        print("the child ended with", code, "and the server", "answers" * answers(url), flush=True)
        provider.stop()
        print("stopped" if not answers(url) else "it still answers")
    """).format(child=child)
    done = subprocess.run(
        [sys.executable, "-c", program],
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
        env=dict(os.environ),
    )
    code = -15 if "SIGTERM" in ending else 0
    expected = f"the child ended with {code} and the server answers\nstopped\n"
    assert done.stdout == expected, done.stderr
    assert records() == []


class Daemon(BaseHTTPRequestHandler):
    """Answers as a Docker engine. Its containers have the address of the client that asks."""

    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        answer = {"ApiVersion": "1.44"} if "/version" in self.path else [self.client_address]
        body = json.dumps(answer).encode()
        self.send_response(200)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Say nothing."""


@pytest.fixture
def daemon() -> Iterator[str]:
    with ThreadingHTTPServer(("127.0.0.1", 0), Daemon) as server:
        server.daemon_threads = True
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        yield f"tcp://127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()


@pytest.mark.filterwarnings("ignore:This process:DeprecationWarning")
def test_a_forked_child_asks_the_engine_over_a_connection_of_its_own(daemon: str) -> None:
    pytest.importorskip("docker", reason="the docker SDK is not installed")
    with closing(Engine(daemon)) as engine:
        parents = engine.containers("any")
        child = Child(lambda: [] if engine.containers("any") != parents else ["it is shared"])
        assert child.wait("fork") == []
        assert engine.containers("any") == parents


def test_a_system_without_process_groups_is_told_so(
    project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(processes, "IS_SUPPORTED", False)
    with pytest.raises(EngineError, match="POSIX"):
        UVProvider(project_path=project).start()
    assert records() == []
