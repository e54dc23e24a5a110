"""The README's **Install**, word for word, from a git repository with this checkout's files."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from envgen.demo.environment import CodingEnvironment
from envgen.demo.server import create_app, serving
from tests.packaging.test_wheels import EPISODE, wheels
from tests.support import ROOT

pytestmark = pytest.mark.slow
__all__ = ["wheels"]

README = (ROOT / "README.md").read_text()
INSTALL = README.partition("## Install")[2].partition("\n## ")[0]
WITH_UV, WITH_PIP, CLONED, INDEX = re.findall(r"```sh\n(.*?)```", INSTALL, re.DOTALL)
IDENTITY = ["-c", "user.name=x", "-c", "user.email=x@example.org"]
NOT_OURS = shutil.ignore_patterns(".git", ".venv", ".cache", ".*_cache", "__pycache__", "dist")


@pytest.fixture(scope="module")
def repository(tmp_path_factory: pytest.TempPathFactory) -> str:
    """The address of a repository with the files of this checkout."""
    folder = tmp_path_factory.mktemp("origin") / "envgen"
    shutil.copytree(ROOT, folder, ignore=NOT_OURS, symlinks=True)
    for command in (["init", "-q"], ["add", "-A"], [*IDENTITY, "commit", "-qm", "All"]):
        subprocess.run(["git", "-C", str(folder), *command], check=True)
    return folder.as_uri()


def shell(script: str, folder: Path, **env: str) -> str:
    """Run a script in a virtual environment of its own, and return what it printed."""
    done = subprocess.run(
        ["bash", "-euo", "pipefail", "-c", script], cwd=folder,
        env={**os.environ, **environment(folder), **env},
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def environment(folder: Path) -> dict[str, str]:
    tools = folder / "tools"
    path = [str(folder / ".venv" / "bin"), str(tools), os.environ["PATH"]]
    return {
        "PATH": os.pathsep.join(path),
        "VIRTUAL_ENV": str(folder / ".venv"),
        "UV_TOOL_DIR": str(folder / "uv-tools"),
        "UV_TOOL_BIN_DIR": str(tools),
    }


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """A project of someone who has uv, pip and git."""
    shell(f"uv venv --quiet --seed --python {sys.executable} && uv init --quiet --bare", tmp_path)
    (tmp_path / "coding.json").write_text((ROOT / "schemas" / "coding_env.json").read_text())
    return tmp_path


def plays(home: Path) -> None:
    """The command builds a package, and the project's Python plays an episode with it."""
    shell("envgen build coding.json --out clients", home)
    contract = json.loads((home / "coding.json").read_text())
    with serving(create_app(contract, CodingEnvironment)) as url:
        (home / "play.py").write_text(EPISODE)
        assert shell(f"python play.py {url}", home) == "from a wheel\n 1.0 1\n"


def test_with_uv(repository: str, home: Path) -> None:
    shell(WITH_UV.replace("REPOSITORY", repository), home)
    assert not (home / ".venv" / "bin" / "envgen").exists(), "the project has the runtime alone"
    plays(home)


def test_with_pip(repository: str, home: Path) -> None:
    shell(WITH_PIP.replace("REPOSITORY", repository), home)
    plays(home)
    # Each import that the page names, with the command before it.
    first, second = re.findall(r"`(from [\w.]+ import \w+)`", INSTALL)
    (command,) = re.findall(r"`(envgen build --out [\w/]+)`", INSTALL)
    (home / "schemas").mkdir()
    (home / "coding.json").rename(home / "schemas" / "coding_env.json")
    shell(f'envgen build && python -c "{first}"', home)
    shell(f'{command} && cd src && python -c "{second}"', home)


def test_from_a_clone(repository: str, home: Path) -> None:
    shell(CLONED.replace("REPOSITORY", repository), home)
    plays(home)


def test_from_an_index(wheels: dict[str, Path], home: Path) -> None:
    links = f"{os.environ.get('PIP_FIND_LINKS', '')} {next(iter(wheels.values())).parent}"
    shell(INDEX, home, PIP_FIND_LINKS=links.strip())
    plays(home)


def test_the_hook_and_the_action(repository: str, home: Path) -> None:
    """pre-commit and the action install both distributions from the repository itself."""
    (hook,) = [
        block
        for block in re.findall(r"```yaml\n(.*?)```", (ROOT / "docs/ci.md").read_text(), re.DOTALL)
        if "repos:" in block
    ]
    shell("git init -q . && mkdir schemas && mv coding.json schemas/coding_env.json", home)
    action = yaml.safe_load((ROOT / "action.yml").read_text())
    (run,) = (step["run"] for step in action["runs"]["steps"] if step.get("id") == "run")
    variables = {
        "GITHUB_ACTION_PATH": repository.removeprefix("file://"),
        "GITHUB_OUTPUT": str(home / "output"),
        "ENVGEN_COMMAND": "build",
    }
    assert "wrote generated/coding_env" in shell(run, home, **variables)
    commit = shell(f"git ls-remote {repository} HEAD", home).split()[0]
    text = hook.replace("REPOSITORY", repository).replace("v0.2.0", commit)
    (home / ".pre-commit-config.yaml").write_text(text)
    shell("printf '.venv\\ntools\\nuv-tools\\ncache\\noutput\\n' > .gitignore && git add -A", home)
    check = "uv tool run pre-commit run --all-files"
    cache = {"PRE_COMMIT_HOME": str(home / "cache")}
    assert "Passed" in shell(check, home, **cache)
    (home / "generated" / "coding_env" / "client.py").write_text("# edited\n")
    assert "Failed" in shell(f"{check} || test $? = 1", home, **cache)


def test_the_workflow_runs_from_the_repository(repository: str, home: Path) -> None:
    (command,) = re.findall(r"(uvx --from \S+ envgen) sync", (ROOT / "docs/ci.md").read_text())
    shown = shell(f"{command.replace('REPOSITORY', repository)} --version", home)
    assert re.fullmatch(r"envgen \d+\.\d+\.\d+\n", shown)
