"""What users copy into their CI: it is valid, and what it runs does what the page says."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from envgen.demo.environment import CodingEnvironment
from envgen.demo.server import create_app, serving
from tests.support import ROOT

PAGE = (ROOT / "docs" / "ci.md").read_text()
CODING: dict[str, Any] = json.loads((ROOT / "schemas" / "coding_env.json").read_text())


def blocks(language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", PAGE, re.DOTALL)


@pytest.fixture
def contract(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[dict[str, Any]]:
    """A project that follows a server, and the contract that the server publishes."""
    monkeypatch.chdir(tmp_path)
    tools = Path(sys.executable).parent
    monkeypatch.setenv("PATH", f"{tools}{os.pathsep}{os.environ['PATH']}")
    document = json.loads(json.dumps(CODING))
    with serving(create_app(document, CodingEnvironment)) as url:
        (settings,) = blocks("toml")
        Path("pyproject.toml").write_text(settings.replace("http://127.0.0.1:8000", url))
        shell("{ envgen sync || test $? = 4; } && git init -q . && git add -A")
        shell("git -c user.name=x -c user.email=x@example.org commit -qm One")
        yield document


def shell(script: str, **env: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        ["bash", "-euo", "pipefail", "-c", script],
        env={**os.environ, **env}, capture_output=True, text=True, check=False,
    )  # fmt: skip


@pytest.mark.slow
def test_the_commands_of_the_page(contract: dict[str, Any]) -> None:
    check, diff = blocks("sh")
    assert shell(check).returncode == 0
    assert shell(diff).returncode == 0
    del contract["observation"]["properties"]["stderr"]
    shell("envgen sync")
    annotated = shell(diff)
    assert annotated.returncode == 5
    assert annotated.stdout.startswith("::error file=schemas/coding_env.json,")
    Path("generated/coding_env/client.py").write_text("# edited\n")
    assert shell(check).returncode == 1


@pytest.mark.slow
def test_the_drift_workflow_opens_a_pull_request(contract: dict[str, Any], tmp_path: Path) -> None:
    """Its script, with a repository for ``origin`` and stand-ins for uvx and gh."""
    tools = tmp_path.parent / f"{tmp_path.name}-tools"
    tools.mkdir()
    (tools / "uvx").write_text('#!/bin/sh\nshift 2\nexec "$@"\n')
    (tools / "gh").write_text('#!/bin/sh\necho "$@" > gh.txt\n')
    for tool in tools.iterdir():
        tool.chmod(0o755)
    shell(f"git init -q --bare {tools}/origin.git && git remote add origin {tools}/origin.git")
    script = steps("drift")[-1]
    env = {"PATH": f"{tools}{os.pathsep}{os.environ['PATH']}", "GITHUB_RUN_ID": "1"}
    fresh = shell(script, **env)
    assert (fresh.returncode, Path("gh.txt").exists()) == (0, False), fresh.stderr
    contract["observation"]["properties"]["cpu_s"] = {"type": "number"}
    done = shell(script, **env)
    assert done.returncode == 0, done.stderr
    assert "pr create" in Path("gh.txt").read_text()
    assert "cpu_s is new" in Path("changelog.md").read_text()
    assert "cpu_s" in shell("git show origin/envgen/drift-1:schemas/coding_env.json").stdout
    assert "changelog.md" not in shell("git show --stat origin/envgen/drift-1").stdout


def steps(job: str) -> list[str]:
    import yaml

    (workflow,) = (block for block in blocks("yaml") if "jobs:" in block)
    parsed = yaml.safe_load(workflow)["jobs"][job]["steps"]
    return [step["run"] for step in parsed if "run" in step]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("schema", "text"),
    [
        ("vendor.github-actions", (ROOT / "action.yml").read_text()),
        ("vendor.github-workflows", next(block for block in blocks("yaml") if "jobs:" in block)),
        ("vendor.github-workflows", (ROOT / ".github/workflows/ci.yml").read_text()),
    ],
    ids=["action", "drift workflow", "own workflow"],
)
def test_the_yaml_is_what_github_takes(schema: str, text: str, tmp_path: Path) -> None:
    file = tmp_path / "x.yml"
    file.write_text(text)
    done = subprocess.run(
        [sys.executable, "-m", "check_jsonschema", "--builtin-schema", schema, str(file)],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout


@pytest.mark.slow
def test_the_action_says_what_the_command_exited_with(
    contract: dict[str, Any], tmp_path: Path
) -> None:
    import yaml

    (run,) = (
        step["run"]
        for step in yaml.safe_load((ROOT / "action.yml").read_text())["runs"]["steps"]
        if step.get("id") == "run"
    )
    tools = tmp_path.parent / f"{tmp_path.name}-tools"
    tools.mkdir()
    (tools / "uvx").write_text('#!/bin/sh\nshift 2\nexec "$@"\n')
    (tools / "uvx").chmod(0o755)
    output = tools / "output"
    env = {"PATH": f"{tools}{os.pathsep}{os.environ['PATH']}", "GITHUB_OUTPUT": str(output)}
    done = shell(run, ENVGEN_COMMAND="sync --check", **env)
    assert (done.returncode, output.read_text()) == (0, "exit-code=0\n"), done.stderr
    del contract["observation"]["properties"]["stderr"]
    done = shell(run, ENVGEN_COMMAND="sync --check", **env)
    assert (done.returncode, output.read_text()) == (5, "exit-code=0\nexit-code=5\n")


def test_the_hook_runs_what_there_is() -> None:
    import yaml

    (hook,) = yaml.safe_load((ROOT / ".pre-commit-hooks.yaml").read_text())
    assert hook["id"] in PAGE
    assert re.search(hook["files"], "schemas/coding_env.json")
    assert hook["entry"] in PAGE
