"""Clients and the generator on a system that lacks what only POSIX has, as far as simulated."""

from __future__ import annotations

import json
import subprocess
import sys
from functools import partial

import pytest

from envgen.demo.environment import CodingEnvironment
from envgen.demo.server import create_app, serving
from tests.support import ROOT

# The libraries come first: on this system they use what is hidden from our modules.
HIDE = """
import asyncio, http.server, multiprocessing, os, select, signal, socket, subprocess, sys
import datamodel_code_generator, docker, gymnasium.vector, httpcore, httpx, jinja2, numpy, pydantic
import rich.console, typer
import uvicorn, websockets.client, starlette.applications, typer.testing
import concurrent.futures.thread, logging.handlers, tempfile, shutil, webbrowser

for module, names in {
    os: "fork register_at_fork killpg getpgid setsid getuid geteuid wait4 uname",
    signal: "SIGKILL SIGHUP SIGALRM SIGUSR1 SIGQUIT SIGCHLD alarm setitimer pthread_sigmask",
    socket: "SCM_RIGHTS send_fds recv_fds",
    select: "poll epoll",
}.items():
    for name in names.split():
        if hasattr(module, name):
            delattr(module, name)
for name in ("fcntl", "grp", "pwd", "resource", "termios"):
    sys.modules[name] = None
"""

IMPORT = """
import importlib, pkgutil
import envgen, envgen_runtime
for package in (envgen_runtime, envgen):
    for found in pkgutil.walk_packages(package.__path__, f"{package.__name__}."):
        if found.name.endswith("__main__"):
            continue
        try:
            importlib.import_module(found.name)
        except ModuleNotFoundError as error:
            if error.name not in ("verifiers", "verifiers.v1"):  # whose classes these extend
                raise
print("imported")
"""

PLAY = """
import asyncio
from generated.coding_env import AsyncCodingEnv, CodingEnv

async def play():
    async with AsyncCodingEnv(sys.argv[1]) as env:
        await env.reset()
        print((await env.step(code="print(2)")).observation.stdout.strip())

for transport in ("auto", "http-unchecked"):
    with CodingEnv(sys.argv[1], transport=transport) as env:
        env.reset()
        print(env.step(code="print(1)").observation.stdout.strip())
asyncio.run(play())
"""

SERVE = """
from envgen_runtime import ProviderError
from generated.coding_env import CodingEnv
from envgen_runtime.providers.process import processes
processes.IS_SUPPORTED = False
try:
    CodingEnv.from_project(".")
except ProviderError as error:
    print("POSIX" in str(error))
"""


def program(*parts: str, argument: str = "") -> str:
    code = "\n".join((HIDE, *parts))
    done = subprocess.run(
        [sys.executable, "-c", code, argument],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.slow
def test_every_module_imports() -> None:
    assert program(IMPORT) == "imported\n"


@pytest.mark.slow
def test_clients_play() -> None:
    contract = json.loads((ROOT / "schemas" / "coding_env.json").read_text())
    with serving(create_app(contract, partial(CodingEnvironment, max_steps=9))) as url:
        assert program(PLAY, argument=url) == "1\n1\n2\n"


def test_what_needs_posix_says_so() -> None:
    assert program(SERVE) == "True\n"
