"""A forked child never stops its parent's server, and a process stops its own server once."""

from __future__ import annotations

import os
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

from envgen_runtime.providers.process.records import records

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
