"""A venv for each release of the server's package, made with uv once and kept in a cache."""

from __future__ import annotations

import fcntl
import importlib.util
import os
import shutil
import subprocess
import sys
import tempfile
import tomllib
from collections.abc import Callable
from hashlib import sha256
from pathlib import Path

ROOT = Path(__file__).parents[2]

RUNTIME = ("httpx", "jsonschema-rs>=0.30", "pydantic>=2.12", "typing-extensions", "websockets>=15")
"""What the runtime needs in a venv of a trainer, to be imported there from its folder."""

# What uv and npm say when they reached nobody; a package that doesn't exist reads otherwise.
_OFFLINE = (
    "are you offline",
    "dns error",
    "error sending request",
    "network was disabled",
    "tcp connect error",
    "npm error code enotfound",
    "npm error code econnrefused",
    "failed to establish a new connection",
    "temporary failure in name resolution",
)


class VenvUnavailable(Exception):
    """No venv can be made here, through no fault of the code under test."""


def venv_python(
    package: str,
    version: str,
    *beside: str,
    needs: tuple[int, int] = (3, 11),
    ignores_patch: bool = False,
) -> Path:
    """The interpreter of a release's venv, which is made if it is not there yet.

    Args:
        package: its name on PyPI.
        version: the release.
        beside: requirements that are installed with it.
        needs: the oldest Python that it runs on.
        ignores_patch: it asks for a newer patch release of that Python than many machines have,
            and runs on this one; pip installs it then, for uv can't be told to.

    Raises:
        VenvUnavailable: uv is not installed, or reaches no package index, or no such Python is
            here.
        RuntimeError: uv failed for another reason; its output is the message.
    """
    of, base = sys.version_info[:2], sys.executable
    if of < needs:
        of, base = needs, _python_of(*needs)
    others = sha256(" ".join(beside).encode()).hexdigest()[:8] if beside else ""
    name = "-".join(filter(None, (package, version, f"py{of[0]}.{of[1]}", others)))
    venv = venv_cache() / name
    make = _make_with_pip if ignores_patch else _make
    _once(venv, lambda making: make(making, base, f"{package}=={version}", *beside))
    return venv / "bin" / "python"


def trainer_python(name: str, *requirements: str) -> Path:
    """The interpreter of a venv with a trainer and what the runtime needs, made by pip.

    pip takes the build of torch that the machine's index prefers, where uv takes the largest.

    Args:
        name: what the venv is called.
        requirements: the trainer, and what it needs beside.

    Raises:
        VenvUnavailable: pip reaches no package index.
        RuntimeError: pip failed for another reason; its output is the message.
    """
    major, minor = sys.version_info[:2]
    venv = venv_cache() / f"{name}-py{major}.{minor}"
    project = tomllib.loads((ROOT / "runtime" / "pyproject.toml").read_text())["project"]
    needed = (*project["dependencies"], *project["optional-dependencies"]["exact"])

    def make(making: Path) -> None:
        _run([sys.executable, "-m", "venv", str(making)])
        python = str(making / "bin" / "python")
        _run([python, "-m", "pip", "install", "--quiet", *requirements, *needed])

    _once(venv, make)
    return venv / "bin" / "python"


def _python_of(major: int, minor: int) -> str:
    """A Python of this version that runs: of the PATH, or of pyenv, whose shims may run nothing."""
    pyenv = Path(os.environ.get("PYENV_ROOT", Path.home() / ".pyenv"))
    on_path = shutil.which(f"python{major}.{minor}")
    installed = sorted(pyenv.glob(f"versions/{major}.{minor}.*/bin/python"))
    for candidate in (*([on_path] if on_path else []), *map(str, installed)):
        if subprocess.run([candidate, "-c", ""], capture_output=True, check=False).returncode == 0:
            return candidate
    raise VenvUnavailable(f"it needs Python {major}.{minor}, which is not here")


def make_target(folder: Path, requirement: str, *, python: str) -> Path:
    """A folder with a requirement's packages, for the Python of a container; made once.

    Raises:
        VenvUnavailable: as ``venv_python``.
        RuntimeError: as ``venv_python``.
    """

    def install(making: Path) -> None:
        making.mkdir()
        overrides = making / "overrides.txt"
        overrides.write_text("gradio; sys_platform == 'never'\n")  # see servers/modern.py
        _run(
            [
                *(*_uv(), "pip", "install", "--target", str(making), "--quiet"),
                *("--python-version", python, "--python-platform", "linux"),
                *("--only-binary", ":all:", "--overrides", str(overrides)),
                *(requirement, "uvicorn[standard]"),
            ]
        )

    _once(folder, install)
    return folder


def npm_program(package: str, version: str) -> Path:
    """The program that a package of npm installs, in a folder of its own.

    Raises:
        VenvUnavailable: npm is not installed, or reaches no registry.
        RuntimeError: npm failed for another reason.
    """
    npm = shutil.which("npm")
    if npm is None:
        raise VenvUnavailable("npm installs servers of the interop tests; install Node.js")
    folder = venv_cache() / f"npm-{package.replace('/', '-').lstrip('@')}-{version}"

    def install(making: Path) -> None:
        making.mkdir()
        _run([npm, "install", "--no-audit", "--no-fund", "--prefix", str(making),
              f"{package}@{version}"])  # fmt: skip

    _once(folder, install)
    (program,) = (folder / "node_modules" / ".bin").glob(f"mcp-{package.rpartition('/')[2]}")
    return program


def venv_cache() -> Path:
    """Where venvs are kept: ``.cache/interop-venvs``, or what ENVGEN_VENV_CACHE says."""
    named = os.environ.get("ENVGEN_VENV_CACHE", ROOT / ".cache" / "interop-venvs")
    cache = Path(named).absolute()
    cache.mkdir(parents=True, exist_ok=True)
    return cache


def _once(folder: Path, make: Callable[[Path], None]) -> None:
    """Make ``folder`` unless it is there.

    Two test runs may want the same one: the second waits for what the first makes. The system
    lets go of the lock of a process that died.
    """
    folder.parent.mkdir(parents=True, exist_ok=True)
    with (folder.parent / f".{folder.name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not folder.exists():
            # Made under another name: an interrupted one is never taken for a whole one.
            making = folder.parent / f".{folder.name}.making"
            shutil.rmtree(making, ignore_errors=True)
            make(making)
            making.rename(folder)


def _make(venv: Path, base: str, *requirements: str) -> None:
    uv = _uv()
    _run([*uv, "venv", "--relocatable", "--python", base, str(venv)])
    python = str(venv / "bin" / "python")
    _run([*uv, "pip", "install", "--python", python, *requirements, "uvicorn[standard]"])


def _make_with_pip(venv: Path, base: str, *requirements: str) -> None:
    _run([*_uv(), "venv", "--relocatable", "--seed", "--python", base, str(venv)])
    pip = [str(venv / "bin" / "python"), "-m", "pip", "install", "--quiet"]
    _run([*pip, "--ignore-requires-python", *requirements, "uvicorn[standard]"])


def _uv() -> list[str]:
    if found := shutil.which("uv"):
        return [found]
    if importlib.util.find_spec("uv"):
        return [sys.executable, "-m", "uv"]
    raise VenvUnavailable("uv makes the venvs of the interop tests; install it (pip install uv)")


def _run(command: list[str]) -> None:
    # Away from the project, whose pins uv would take for those of any venv.
    away = tempfile.gettempdir()
    done = subprocess.run(command, cwd=away, capture_output=True, text=True, check=False)
    if done.returncode:
        message = f"{' '.join(command)} failed:\n{done.stdout}{done.stderr}"
        offline = any(sign in done.stderr.lower() for sign in _OFFLINE)
        raise VenvUnavailable(message) if offline else RuntimeError(message)
