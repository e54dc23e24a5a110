"""The README says what is so."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections.abc import Iterator
from functools import partial

import pytest
from typer.testing import CliRunner

from envgen.cli import app
from envgen.demo.environment import CodingEnvironment
from envgen.demo.server import create_app, serving
from tests.support import ROOT

README = (ROOT / "README.md").read_text()
SNIPPETS = re.findall(r"```python\n(.*?)```", README, re.DOTALL)
PRINTED = [
    "42\n 1.0\n42\n 1.0\n2\n",
    "42\n\n",
    "",
    "print(0) 1.0\nprint(2) 1.0\n1.0\n",
]


@pytest.fixture(scope="module")
def url() -> Iterator[str]:
    contract = json.loads((ROOT / "schemas" / "coding_env.json").read_text())
    with serving(create_app(contract, partial(CodingEnvironment, max_steps=2))) as base_url:
        yield base_url


@pytest.mark.slow
@pytest.mark.parametrize(("snippet", "printed"), list(zip(SNIPPETS, PRINTED, strict=True)))
def test_the_readme_runs(snippet: str, printed: str, url: str) -> None:
    program = snippet.replace("http://127.0.0.1:8000", url)
    assert program != snippet
    done = subprocess.run(
        [sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert (done.stdout, done.stderr) == (printed, "")


def test_the_commands_of_the_readme_exist() -> None:
    for command in set(re.findall(r"(?:`|run |^)envgen ([a-z]+)", README, re.MULTILINE)):
        assert CliRunner().invoke(app, [command, "--help"]).exit_code == 0


def test_the_test_command_is_what_ci_runs() -> None:
    command = "pip install uv && uv run pytest"
    assert f"```sh\n{command}\n```" in README
    assert command in (ROOT / ".ci" / "run").read_text()


def test_links_lead_somewhere() -> None:
    for page in ROOT.glob("*.md"):
        for target in re.findall(r"\]\((?!http)([^)#]+)\)", page.read_text()):
            assert (ROOT / target).exists(), f"{page.name} links to {target}"
