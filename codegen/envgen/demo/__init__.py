"""``envgen demo``: build a client from a schema and play an episode on a real server."""

from __future__ import annotations

import importlib.util
import sys
import tempfile
import time
from collections.abc import Generator
from contextlib import contextmanager, suppress
from functools import partial
from importlib import resources
from pathlib import Path
from types import ModuleType
from typing import Any

from rich.console import Console, Group
from rich.padding import Padding
from rich.panel import Panel
from rich.syntax import Syntax
from rich.table import Table
from rich.text import Text

from ..build import BuiltPackage, build_package
from ..errors import OutputError
from ..interrupts import Interrupts
from ..sources import read_contract
from .environment import CodingEnvironment
from .server import create_app, serving

_CONTRACT = "coding_env.json"
_TIME_LIMIT_S = 1.0
_THEME = "ansi_dark"
_WIDTH = 80

_PROGRAMS = (
    ("It runs Python", "print('hello, world')"),
    ("It has the standard library", "import statistics\nprint(statistics.mean([3, 1, 4, 1, 5]))"),
    ("Errors are observations", "print('before')\n1 / 0"),
    (f"The time limit is {_TIME_LIMIT_S:g} s", "while True:\n    pass"),
)

_SAME_IN_PYTHON = """\
from generated.coding_env import CodeAction, CodingEnv

with CodingEnv("http://127.0.0.1:8000") as env:  # where yours is served
    env.reset(seed=7)
    for code in ("print('hello, world')", "1 / 0"):
        result = env.step(CodeAction(code=code))
        print(result.observation.stdout, result.observation.stderr)
        print(result.observation.exit_code, result.reward, result.done)
    print(env.state().step_count)
"""


def run_demo(console: Console) -> None:
    """Build a client, start its environment, play an episode and print it.

    Uses a temporary folder and loopback. Nothing is left behind, also after Ctrl-C, ``kill`` or a
    closed terminal.
    """
    contract = read_contract(str(_contract_file()))
    make = partial(CodingEnvironment, time_limit_s=_TIME_LIMIT_S, max_steps=len(_PROGRAMS))
    app = create_app(contract.parts, make)
    with tempfile.TemporaryDirectory(prefix="envgen-demo-") as folder:
        start = time.perf_counter()
        package = build_package(contract, Path(folder))
        took_ms = (time.perf_counter() - start) * 1000
        console.print(_headline(package, took_ms))
        with _imported(package) as module, serving(app) as url:
            _play(module, url, console)
    console.print(Text("The same in Python", style="bold"))
    console.print(Text("$ envgen build schemas/coding_env.json", style="dim"))
    console.print(Syntax(_SAME_IN_PYTHON, "python", theme=_THEME, background_color="default"))


def serve_demo(console: Console, port: int) -> None:
    """Serve the coding environment until interrupted. Raises OutputError if the port is taken."""
    contract = read_contract(str(_contract_file()))
    try:
        with serving(create_app(contract.parts), port=port) as url:
            console.print(f"coding_env at {url}; Ctrl-C stops it")
            with suppress(KeyboardInterrupt), Interrupts() as interrupts:
                interrupts.sleep(None)
    except OSError as error:
        raise OutputError(
            f"can't listen on port {port}: {error.strerror}", hint="choose another with --port"
        ) from error


def _contract_file() -> Path:
    """In a wheel the contract is beside this module, in a checkout in ``schemas``."""
    installed = Path(str(resources.files(__name__))) / _CONTRACT
    return installed if installed.is_file() else Path(__file__).parents[3] / "schemas" / _CONTRACT


def _headline(package: BuiltPackage, took_ms: float) -> Group:
    sources = [file.read_text(encoding="utf-8") for file in package.folder.glob("*.py")]
    lines = sum(len(source.splitlines()) for source in sources)
    client = package.class_name
    return Group(
        Text.assemble((package.name, "bold"), f": {client} and Async{client}"),
        Text(f"{lines} lines of typed Python, built in {took_ms:.0f} ms", style="dim"),
        Text("an episode on a real server, on loopback", style="dim"),
        Text(),
    )


@contextmanager
def _imported(package: BuiltPackage) -> Generator[ModuleType]:
    """Import the generated package under a name of its own, for the time of the block."""
    name = f"_envgen_demo_{package.name}"
    spec = importlib.util.spec_from_file_location(
        name, package.folder / "__init__.py", submodule_search_locations=[str(package.folder)]
    )
    if spec is None or spec.loader is None:
        raise ImportError(f"{package.folder} is not a package")
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    try:
        spec.loader.exec_module(module)
        yield module
    finally:
        for loaded in [key for key in sys.modules if key.partition(".")[0] == name]:
            del sys.modules[loaded]


def _play(module: Any, url: str, console: Console) -> None:
    with module.CodingEnv(url, request_timeout_s=30) as env:
        env.reset(seed=7)
        for number, (title, code) in enumerate(_PROGRAMS, 1):
            result = env.step(module.CodeAction(code=code))
            console.print(_step(f"Step {number}. {title}", code, result), width=_WIDTH)
        state = env.state()
    summary = f"{state.step_count} steps, last exit code {state.last_exit_code}, "
    console.print(Text.assemble(("State: ", "bold"), summary, f"episode {state.episode_id}"))
    console.print()


def _step(title: str, code: str, result: Any) -> Panel:
    observation = result.observation
    table = Table.grid(padding=(0, 2))
    table.add_column(style="dim", justify="right")
    table.add_column(overflow="fold")
    for name, text in (("stdout", observation.stdout), ("stderr", observation.stderr)):
        if text:
            table.add_row(name, Text(text.rstrip()))
    table.add_row("exit code", str(observation.exit_code))
    table.add_row("reward", str(result.reward))
    table.add_row("done", str(result.done))
    source = Syntax(code, "python", theme=_THEME, background_color="default")
    return Panel(
        Group(source, Padding(table, (1, 0, 0, 0))), title=title, title_align="left", style="none"
    )
